//! The answer to a list of tags: which one, and what became of the others.

use std::{cmp::Ordering, fmt};

use jiff::Timestamp;

use crate::{
    TagPolicy,
    rule::Rule,
    verdict::{Fit, LeftOut},
};

/// The outcome of an election, with a count for every tag that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    /// The winner, if any tag fits.
    pub chosen: Option<Chosen>,
    /// Those after the winner, the best first, as far as they were asked for.
    pub next_best: Vec<Chosen>,
    /// Tags that fit; the winner is the best of them.
    pub considered: usize,
    /// Tags that `match` does not match or `ignore` does, and signatures and the like.
    pub ignored: usize,
    /// Tags that the rule cannot read.
    pub unreadable: usize,
    /// Versions outside the range.
    pub out_of_range: usize,
    /// Tags whose build time the rule asks for, and nobody knows.
    pub undated: usize,
    words: Words,
    /// What may be wrong where no tag can be read.
    advice: &'static str,
}

/// The tag that won.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The tag as the registry has it.
    pub tag: String,
    /// What was compared: the group `version` of `match`, or the whole tag.
    pub version: String,
}

/// Which counts a rule has, and what it calls what it cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    Range,
    Times,
    Unreadable(&'static str),
}

impl Words {
    fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Semver(_) => Self::Range,
            Rule::NewestBuild => Self::Times,
            Rule::Calver(_) => Self::Unreadable("not of this format"),
            Rule::Numerical(_) => Self::Unreadable("not whole numbers"),
            Rule::Alphabetical(_) => Self::Unreadable("without a version"),
            Rule::Follow(_) => Self::Unreadable("others"),
        }
    }
}

impl Election {
    pub(crate) fn of<'a>(
        policy: &TagPolicy,
        tags: impl IntoIterator<Item = &'a str>,
        count: usize,
        built: impl Fn(&str) -> Option<Timestamp>,
    ) -> Self {
        let mut election = Self::empty(policy);
        let mut best = Best { policy, fits: Vec::with_capacity(count.saturating_add(1)), count };
        for tag in tags {
            match policy.judge(tag, &built) {
                Ok(fit) => {
                    election.considered += 1;
                    best.take(fit);
                }
                Err(LeftOut::OutOfRange | LeftOut::Prerelease) => election.out_of_range += 1,
                Err(LeftOut::Undated) => election.undated += 1,
                Err(LeftOut::Unreadable) => election.unreadable += 1,
                Err(LeftOut::Ignored(_) | LeftOut::NotMatched | LeftOut::Attachment) => election.ignored += 1,
            }
        }
        let mut chosen = best
            .fits
            .into_iter()
            .map(|fit| Chosen { tag: fit.tag.to_owned(), version: fit.version.to_owned() });
        election.chosen = chosen.next();
        election.next_best = chosen.collect();
        election
    }

    fn empty(policy: &TagPolicy) -> Self {
        Self {
            chosen: None,
            next_best: Vec::new(),
            considered: 0,
            ignored: 0,
            unreadable: 0,
            out_of_range: 0,
            undated: 0,
            words: Words::of(&policy.rule),
            advice: policy.advice(),
        }
    }
}

/// The best so far, the very best first.
struct Best<'a, 'p> {
    policy: &'p TagPolicy,
    fits: Vec<Fit<'a>>,
    count: usize,
}

impl<'a> Best<'a, '_> {
    /// Most tags are worse than the worst of the best: those cost one comparison.
    fn take(&mut self, fit: Fit<'a>) {
        let is_worse = |worst: &Fit<'_>| self.policy.order(&fit, worst) != Ordering::Greater;
        if self.fits.len() >= self.count && self.fits.last().is_none_or(is_worse) {
            return;
        }
        // A tag that comes twice is one.
        if let Err(place) = self.fits.binary_search_by(|other| self.policy.order(&fit, other)) {
            self.fits.insert(place, fit);
            self.fits.truncate(self.count);
        }
    }
}

/// One line for a status message.
impl fmt::Display for Election {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chosen, considered, ignored, unreadable, out_of_range, undated, .. } = self;
        match chosen {
            Some(Chosen { tag, .. }) => write!(formatter, "{tag} is the best of {considered} tags that fit")?,
            None => formatter.write_str("no tag fits")?,
        }
        match self.words {
            Words::Range => write!(formatter, " ({out_of_range} out of range, {unreadable} not versions")?,
            Words::Times => write!(formatter, " ({undated} of unknown build time")?,
            Words::Unreadable(words) => write!(formatter, " ({unreadable} {words}")?,
        }
        write!(formatter, ", {ignored} ignored)")?;
        let is_unread = chosen.is_none() && *unreadable > 0;
        formatter.write_str(if is_unread { self.advice } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::subsequence};
    use rstest::rstest;

    use super::*;
    use crate::TagRule;
    use voxsync_crds::code_sync::Select;

    fn semver(range: &str, matching: Option<&str>, ignore: &[&str]) -> TagPolicy {
        let ignore: Vec<String> = ignore.iter().map(ToString::to_string).collect();
        TagPolicy::new(TagRule::semver(range).unwrap(), matching, &ignore).unwrap()
    }

    #[rstest]
    #[case("^1.2", &["v1.2.0", "1.10", "v1.9.9", "2.0.0"], "1.10")]
    #[case("*", &["1.10", "1.10.0"], "1.10.0")]
    #[case("*", &["v1", "latest", "20240101", "1234567", "0.9"], "v1")]
    #[case("*", &["1.2.3-rc.1", "1.2.2"], "1.2.2")]
    #[case(">=2.0.0-0", &["2.0.0-rc.2", "2.0.0-rc.11", "1.9.0"], "2.0.0-rc.11")]
    fn semver_takes_the_greatest(#[case] range: &str, #[case] tags: &[&str], #[case] expected: &str) {
        let chosen = semver(range, None, &[]).elect(tags.iter().copied()).chosen.unwrap();
        assert_eq!((chosen.tag.as_str(), chosen.version.as_str()), (expected, expected));
    }

    #[test]
    fn the_group_is_compared_and_the_tag_is_kept() {
        let policy = semver(">=9", Some(r"^release-(?<version>\d+)-\w+$"), &["-old$"]);
        let election =
            policy.elect(["release-9-a", "release-10-b", "release-11-old", "11.0.0", "release-8-c"]);
        let chosen = Chosen { tag: "release-10-b".into(), version: "10".into() };
        assert_eq!(election.chosen, Some(chosen));
        assert_eq!(
            election.to_string(),
            "release-10-b is the best of 2 tags that fit (1 out of range, 0 not versions, 2 ignored)"
        );
    }

    #[test]
    fn a_group_that_has_no_name_is_named_where_nothing_can_be_read() {
        let numerical = |matching| TagPolicy::new(TagRule::numerical(Select::Highest), Some(matching), &[]);
        let nameless = numerical(r"^main-[a-f0-9]+-(\d+)$").unwrap();
        let said = nameless.elect(["main-abc-9"]).to_string();
        assert!(said.contains("1 not whole numbers") && said.contains("call it `(?<version>…)`"), "{said}");
        assert!(nameless.why(LeftOut::Unreadable).contains("call it `(?<version>…)`"));
        assert!(!nameless.elect(["other"]).to_string().contains("call it"), "it was not matched");
        let named = numerical(r"^(main|dev)-(?<version>\d+)$").unwrap();
        assert!(!named.elect(["main-x", "dev-1"]).to_string().contains("call it"));
    }

    #[test]
    fn two_tags_with_one_value_are_ordered_by_the_tag() {
        let policy = semver("*", Some(r"^(?<version>[\d.]+)-"), &[]);
        for tags in [["1.2.3-a", "1.2.3-b"], ["1.2.3-b", "1.2.3-a"]] {
            assert_eq!(policy.elect(tags).chosen.unwrap().tag, "1.2.3-b");
        }
    }

    #[test]
    fn signatures_are_never_chosen() {
        let signature = format!("sha256-{}.sig", "ab".repeat(32));
        let policy = TagPolicy::new(TagRule::follow(&signature).unwrap(), None, &[]).unwrap();
        let election = policy.elect([signature.as_str()]);
        assert_eq!(election, Election { ignored: 1, ..Election::empty(&policy) });
    }

    #[test]
    fn follow_takes_its_tag_only() {
        let policy = TagPolicy::new(TagRule::follow("stable").unwrap(), None, &[]).unwrap();
        assert_eq!(policy.elect(["v9", "stable", "stable2"]).chosen.unwrap().tag, "stable");
        assert_eq!(policy.elect(["v9"]).to_string(), "no tag fits (1 others, 0 ignored)");
    }

    fn tag() -> impl Strategy<Value = String> {
        prop_oneof![
            "v?[0-9]{1,2}\\.[0-9]{1,2}(\\.[0-9]{1,2})?",
            "v?[0-2]\\.[0-2]\\.[0-2]-(rc|a)(\\.[0-9]{1,2})?",
            "[a-zA-Z0-9_.-]{1,12}",
            "[0-9]{1,30}",
        ]
    }

    fn tags() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(tag(), 0..30)
    }

    proptest! {
        #[test]
        fn the_order_of_the_tags_never_matters(tags in tags(), shuffled in tags().prop_shuffle()) {
            let policy = semver("*-0", None, &["^2"]);
            let there = tags.iter().chain(&shuffled).map(String::as_str);
            let back = shuffled.iter().rev().chain(tags.iter().rev()).map(String::as_str);
            prop_assert_eq!(policy.elect(there), policy.elect(back));
        }

        #[test]
        fn every_tag_is_counted_once(tags in tags()) {
            let election = semver("<5", Some("[02468]"), &["a"]).elect(tags.iter().map(String::as_str));
            let Election { considered, ignored, unreadable, out_of_range, undated, .. } = election;
            prop_assert_eq!(considered + ignored + unreadable + out_of_range + undated, tags.len());
        }

        #[test]
        fn the_winner_is_the_greatest_that_fits(tags in tags()) {
            let policy = semver("*-0", None, &[]);
            let alone = |tag: &str| policy.elect([tag]).chosen.is_some();
            let greatest = tags.iter().filter(|tag| alone(tag)).max_by(|a, b| policy.compare(a, b).unwrap());
            let chosen = policy.elect(tags.iter().map(String::as_str)).chosen;
            prop_assert_eq!(chosen.map(|chosen| chosen.tag), greatest.cloned());
        }

        #[test]
        fn a_loser_may_go_without_a_change(
            (tags, kept) in tags().prop_flat_map(|tags| (Just(tags.clone()), subsequence(tags.clone(), 0..=tags.len()))),
        ) {
            let policy = semver("*", None, &[]);
            let chosen = policy.elect(tags.iter().map(String::as_str)).chosen;
            let again = kept.iter().chain(chosen.as_ref().map(|chosen| &chosen.tag)).map(String::as_str);
            prop_assert_eq!(policy.elect(again).chosen, chosen);
        }
    }
}

//! What becomes of one tag, and why.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::{
    TagPolicy,
    attachment::is_attachment,
    policy::Matching,
    rule::{Rank, Rule},
};

/// What becomes of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// The tag.
    pub tag: &'a str,
    /// Why it cannot be chosen; none where it fits.
    pub left_out: Option<LeftOut>,
}

/// Why a tag cannot be chosen. [`TagPolicy::why`] has the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeftOut {
    /// A version outside the range.
    OutOfRange,
    /// A prerelease, and the range names none.
    Prerelease,
    /// It was built at a time that is not known.
    Undated,
    /// The rule cannot read it.
    Unreadable,
    /// The pattern of `ignore` with this number matches it.
    Ignored(usize),
    /// `match` does not match it.
    NotMatched,
    /// A signature or the like.
    Attachment,
}

/// A tag that can be chosen.
#[derive(Debug, Clone)]
pub(crate) struct Fit<'a> {
    pub(crate) rank: Rank<'a>,
    pub(crate) tag: &'a str,
    /// What was compared.
    pub(crate) version: &'a str,
}

impl TagPolicy {
    /// Judges one tag.
    pub(crate) fn judge<'a>(
        &self,
        tag: &'a str,
        built: impl Fn(&str) -> Option<Timestamp>,
    ) -> Result<Fit<'a>, LeftOut> {
        if is_attachment(tag) {
            return Err(LeftOut::Attachment);
        }
        if let Some(number) = self.ignore.iter().position(|ignored| ignored.is_match(tag)) {
            return Err(LeftOut::Ignored(number));
        }
        let is_refused = |matching: &Matching| !matching.extracts && !matching.pattern.is_match(tag);
        if self.matching.as_ref().is_some_and(is_refused) {
            return Err(LeftOut::NotMatched);
        }
        let value = self.value(tag)?;
        let built = if self.asks_build_time() { Some(built(tag).ok_or(LeftOut::Undated)?) } else { None };
        let rank = self.rule.rank(value, built).ok_or(LeftOut::Unreadable)?;
        if let (Rule::Semver(range), Rank::Version(version, _)) = (&self.rule, &rank)
            && !range.admits(version)
        {
            let is_excluded = version.is_prerelease() && !range.names_prereleases();
            return Err(if is_excluded { LeftOut::Prerelease } else { LeftOut::OutOfRange });
        }
        Ok(Fit { rank, tag, version: value.text })
    }

    /// Which of two tags is the better one.
    pub(crate) fn order(&self, left: &Fit<'_>, right: &Fit<'_>) -> Ordering {
        self.rule.order((&left.rank, left.tag), (&right.rank, right.tag))
    }

    /// Why a tag cannot be chosen, in a few words.
    pub fn why(&self, left_out: LeftOut) -> String {
        let why = self.words(left_out);
        if left_out == LeftOut::Unreadable { why + self.advice() } else { why }
    }

    fn words(&self, left_out: LeftOut) -> String {
        match (left_out, &self.rule) {
            (LeftOut::OutOfRange, Rule::Semver(range)) => format!("outside the range {range}"),
            (LeftOut::OutOfRange, _) => "outside the range".to_owned(),
            (LeftOut::Prerelease, _) => {
                "a prerelease, and the range names none (-0 at both of its ends admits those between)"
                    .to_owned()
            }
            (LeftOut::Undated, _) => "the time at which its image was built is not known".to_owned(),
            (LeftOut::Unreadable, Rule::Semver(_)) => "not a version".to_owned(),
            (LeftOut::Unreadable, Rule::Calver(format)) => format!("not a date of the format {format}"),
            (LeftOut::Unreadable, Rule::Numerical(_)) => "not a whole number".to_owned(),
            (LeftOut::Unreadable, Rule::Follow(tag)) => format!("not the tag {tag}"),
            (LeftOut::Unreadable, _) => "the group version of match holds nothing".to_owned(),
            (LeftOut::Ignored(number), _) => {
                let pattern = self.ignore.get(number).map_or("", |pattern| pattern.as_str());
                format!("ignored by {pattern}")
            }
            (LeftOut::NotMatched, _) => {
                let pattern = self.matching.as_ref().map_or("", |matching| matching.pattern.as_str());
                format!("does not match {pattern}")
            }
            (LeftOut::Attachment, _) => "a signature or the like of another image".to_owned(),
        }
    }
}

impl<'a> Verdict<'a> {
    pub(crate) fn of_all(
        policy: &TagPolicy,
        tags: impl IntoIterator<Item = &'a str>,
        built: impl Fn(&str) -> Option<Timestamp>,
    ) -> Vec<Self> {
        let (mut fits, mut others) = (Vec::new(), Vec::new());
        for tag in tags {
            match policy.judge(tag, &built) {
                Ok(fit) => fits.push(fit),
                Err(left_out) => others.push((left_out, tag)),
            }
        }
        fits.sort_unstable_by(|left, right| policy.order(right, left));
        fits.dedup_by(|left, right| left.tag == right.tag);
        others.sort_unstable();
        others.dedup();
        let fits = fits.into_iter().map(|fit| Self { tag: fit.tag, left_out: None });
        fits.chain(others.into_iter().map(|(left_out, tag)| Self { tag, left_out: Some(left_out) })).collect()
    }
}

//! Which tag each policy takes: the table of `elections.txt`, and what must hold for every policy and any tags.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "this binary is a test; clippy only knows functions marked #[test]"
)]

use std::{cmp::Ordering, collections::HashMap};

use jiff::Timestamp;
use proptest::{prelude::*, sample::subsequence};
use voxsync_crds::code_sync::Select;
use voxsync_policy::{TagPolicy, TagRule};

const TABLE: &str = include_str!("elections.txt");
const LEAST_ROWS: usize = 150;

fn rule(text: &str) -> TagRule {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let select = if rest == "lowest" { Select::Lowest } else { Select::Highest };
    match word {
        "semver" => TagRule::semver(rest).unwrap(),
        "calver" => TagRule::calver(rest).unwrap(),
        "numerical" => TagRule::numerical(select),
        "alphabetical" => TagRule::alphabetical(select),
        "newestBuild" => TagRule::newest_build(),
        "follow" => TagRule::follow(rest).unwrap(),
        _ => panic!("no such rule: {text}"),
    }
}

fn policy(rule_text: &str, patterns: &str) -> TagPolicy {
    let (mut matching, mut ignore) = (None, Vec::new());
    let mut words = patterns.split_whitespace();
    while let (Some(word), Some(pattern)) = (words.next(), words.next()) {
        match word {
            "match" => matching = Some(pattern),
            "ignore" => ignore.push(pattern.to_owned()),
            _ => panic!("neither match nor ignore: {patterns}"),
        }
    }
    TagPolicy::new(rule(rule_text), matching, &ignore).unwrap()
}

/// `tag` or `tag@second`.
fn tags(text: &str) -> (Vec<String>, HashMap<String, Timestamp>) {
    let text = text.replace("{hex}", &"0f".repeat(32));
    let mut times = HashMap::new();
    let read = |word: &str| {
        let Some((tag, second)) = word.split_once('@') else { return word.to_owned() };
        times.insert(tag.to_owned(), Timestamp::from_second(second.parse().unwrap()).unwrap());
        tag.to_owned()
    };
    (text.split_whitespace().map(read).collect(), times)
}

#[test]
fn each_policy_takes_the_tag_of_the_table() {
    let rows = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut count = 0;
    for row in rows {
        let columns: Vec<&str> = row.split(';').map(str::trim).collect();
        let [rule, patterns, listed, expected] = columns[..] else { panic!("four columns: {row}") };
        let policy = policy(rule, patterns);
        let (mut tags, times) = tags(listed);
        let expected = Some(expected).filter(|tag| *tag != "-");
        for _ in 0..tags.len().max(1) {
            let built = |tag: &str| times.get(tag).copied();
            let election = policy.elect_best(tags.iter().map(String::as_str), 1, built);
            assert_eq!(election.chosen.map(|chosen| chosen.tag).as_deref(), expected, "{row}");
            let verdicts = policy.verdicts(tags.iter().map(String::as_str), built);
            let first = verdicts.first().filter(|verdict| verdict.left_out.is_none());
            assert_eq!(first.map(|verdict| verdict.tag), expected, "{row}");
            // The order of the list means nothing.
            if !tags.is_empty() {
                tags.rotate_left(1);
            }
        }
        count += 1;
    }
    assert!(count >= LEAST_ROWS, "{count} rows");
}

#[test]
fn a_thousand_elections_over_one_list_give_one_answer() {
    let list: Vec<String> =
        (0..60).map(|number| format!("{}.{}.0", 2000 + number % 7, 1 + number % 12)).collect();
    for policy in policies() {
        let elect = || policy.elect_best(list.iter().map(String::as_str), 20, built);
        let first = elect();
        assert!((1..1000).all(|_| elect() == first));
    }
}

fn policies() -> Vec<TagPolicy> {
    let texts = [
        ("semver *-0", ""),
        ("semver >=1 <3", "match ^v?(?<version>.+)$ ignore a$"),
        ("calver YYYY.MM.MICRO", ""),
        ("calver YY.0M-MODIFIER", ""),
        ("calver YYYY0M0D", "match (?<version>[0-9]{8})"),
        ("numerical", "match (?<version>[0-9]+)"),
        ("numerical lowest", ""),
        ("alphabetical", "ignore ^v"),
        ("alphabetical lowest", "match (?<version>[a-z].*)"),
        ("newestBuild", ""),
        ("follow stable", ""),
    ];
    texts.iter().map(|(rule, patterns)| policy(rule, patterns)).collect()
}

/// A time for most tags, and one for several.
fn built(tag: &str) -> Option<Timestamp> {
    let number: i64 = tag.bytes().map(i64::from).sum();
    (number % 5 != 0).then(|| Timestamp::from_second(number % 13).unwrap())
}

fn tag() -> impl Strategy<Value = String> {
    prop_oneof![
        "v?[0-9]{1,2}\\.[0-9]{1,2}(\\.[0-9]{1,2})?(-(rc|a)(\\.[0-9]{1,2})?)?",
        "20[0-9]{2}\\.[0-9]{1,2}\\.[0-9]{1,3}",
        "2[0-9]\\.[01][0-9](-([0-9]{1,2}|rc[0-9]|build\\.[0-9]))?",
        "20[0-9]{2}[01][0-9][0-3][0-9](-[0-9a-f]{7})?",
        "0{0,2}[0-9]{1,30}",
        "[a-zA-Z0-9_.-]{1,6}",
        Just("stable".to_owned()),
    ]
}

fn list() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(tag(), 0..30)
}

fn best(policy: &TagPolicy, tags: &[String], count: usize) -> Vec<String> {
    let election = policy.elect_best(tags.iter().map(String::as_str), count, built);
    election.chosen.into_iter().chain(election.next_best).map(|chosen| chosen.tag).collect()
}

proptest! {
    #[test]
    fn the_order_is_total(tags in prop::collection::vec(tag(), 3)) {
        for policy in policies() {
            let order = |a: usize, b: usize| policy.compare(&tags[a], &tags[b]);
            let (Some(first), Some(second), Some(both)) = (order(0, 1), order(1, 2), order(0, 2)) else { continue };
            prop_assert_eq!(Some(first), order(1, 0).map(Ordering::reverse));
            prop_assert_eq!(first == Ordering::Equal, tags[0] == tags[1]);
            if first != Ordering::Greater && second != Ordering::Greater {
                prop_assert_ne!(both, Ordering::Greater);
            }
        }
    }

    #[test]
    fn a_permutation_gives_the_same_answer((tags, shuffled) in list().prop_flat_map(|tags| (Just(tags.clone()), Just(tags).prop_shuffle()))) {
        for policy in policies() {
            prop_assert_eq!(best(&policy, &tags, 5), best(&policy, &shuffled, 5));
        }
    }

    #[test]
    fn the_best_are_the_first_that_fit(tags in list(), count in 1_usize..25) {
        for policy in policies() {
            let verdicts = policy.verdicts(tags.iter().map(String::as_str), built);
            let fitting = verdicts.iter().filter(|verdict| verdict.left_out.is_none());
            let fitting: Vec<String> = fitting.take(count).map(|verdict| verdict.tag.to_owned()).collect();
            prop_assert_eq!(best(&policy, &tags, count), fitting);
        }
    }

    #[test]
    fn what_is_better_comes_first(tags in list()) {
        for policy in policies() {
            for pair in best(&policy, &tags, 30).windows(2) {
                prop_assert!(policy.compare(&pair[0], &pair[1]).is_none_or(|order| order == Ordering::Greater));
            }
        }
    }

    #[test]
    fn a_lower_tag_changes_nothing(tags in list(), lower in tag()) {
        for policy in policies() {
            let chosen = best(&policy, &tags, 1);
            let more: Vec<String> = tags.iter().chain([&lower]).cloned().collect();
            let is_lower = best(&policy, &[chosen.clone(), vec![lower.clone()]].concat(), 1) == chosen;
            prop_assert_eq!(best(&policy, &more, 1) == chosen, is_lower);
        }
    }

    #[test]
    fn fewer_tags_never_raise_the_pick(
        (tags, kept) in list().prop_flat_map(|tags| (Just(tags.clone()), subsequence(tags.clone(), 0..=tags.len()))),
    ) {
        for policy in policies() {
            let (all, fewer) = (best(&policy, &tags, 1), best(&policy, &kept, 1));
            let together = best(&policy, &[all.clone(), fewer].concat(), 1);
            prop_assert_eq!(together, all);
        }
    }

    #[test]
    fn every_tag_is_judged_once_and_in_words(tags in list()) {
        for policy in policies() {
            let verdicts = policy.verdicts(tags.iter().map(String::as_str), built);
            for verdict in &verdicts {
                let why = verdict.left_out.map(|left_out| policy.why(left_out));
                prop_assert!(why.is_none_or(|why| !why.is_empty() && why.len() < 200));
            }
            let mut judged: Vec<&str> = verdicts.iter().map(|verdict| verdict.tag).collect();
            judged.sort_unstable();
            let mut listed: Vec<&str> = tags.iter().map(String::as_str).collect();
            listed.sort_unstable();
            listed.dedup();
            prop_assert_eq!(judged, listed);
        }
    }
}

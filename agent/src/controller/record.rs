//! CodeRelease objects: what one looks like, and which are kept. Pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use voxsync_cluster::ReleaseFact;
use voxsync_crds::{
    CodeRelease,
    code_release::{CODE_SYNC_LABEL, CodeReleaseSpec},
    code_sync::History,
    reference::is_same_code,
};

use crate::observe::order;

/// How many releases are kept if nothing is said.
const DEFAULT_KEEP: usize = 200;
/// How long they are kept if nothing is said.
const DEFAULT_MAXIMUM_AGE: Duration = Duration::from_hours(2160);

/// The record of a promotion. Its name is the promotion's, so that it is written once.
pub(crate) fn release(namespace: &str, spec: CodeReleaseSpec) -> CodeRelease {
    let mut release = CodeRelease::new(&spec.promotion.clone(), spec);
    release.metadata.namespace = Some(namespace.to_owned());
    release.metadata.labels =
        Some(BTreeMap::from([(CODE_SYNC_LABEL.to_owned(), release.spec.code_sync.clone())]));
    release
}

/// The names of the releases that make room for the one of a promotion, which may be there already; `code` is what it
/// released, if it did.
pub(crate) fn outdated<'a>(
    releases: impl Iterator<Item = &'a ReleaseFact>,
    (promotion, code): (&str, Option<&str>),
    history: Option<&History>,
    now: Timestamp,
) -> Vec<String> {
    let keep = history.and_then(|history| history.keep).map_or(DEFAULT_KEEP, usize::from);
    let maximum_age = history.and_then(|history| history.maximum_age.as_ref());
    let maximum_age = maximum_age.and_then(|age| age.to_duration().ok()).unwrap_or(DEFAULT_MAXIMUM_AGE);
    let oldest = now.checked_sub(maximum_age).unwrap_or(Timestamp::MIN);
    let mut releases: Vec<&ReleaseFact> = releases.filter(|known| known.promotion != promotion).collect();
    releases.sort_by(|one, two| order(two).cmp(&order(one)));
    let last = last_codes(code, &releases);
    let outdated = releases.iter().enumerate().filter(|(place, release)| {
        // The one before stays, whatever its age; and so does what there is to go back to.
        let is_outdated = *place + 1 >= keep || (*place > 0 && release.ended_at < oldest);
        is_outdated && !last.contains(&release.name.as_str())
    });
    outdated.map(|(_, release)| release.name.clone()).collect()
}

/// The newest records of the last two codes that were released, with what is released now: what runs, and what ran before it.
/// What failed since, or was released once more, does not push them out.
fn last_codes<'a>(now: Option<&'a str>, newest_first: &[&'a ReleaseFact]) -> Vec<&'a str> {
    let recorded = newest_first
        .iter()
        .filter_map(|release| Some((Some(release.name.as_str()), release.released.as_deref()?)));
    let mut released = now.map(|now| (None, now)).into_iter().chain(recorded);
    let Some((last, code)) = released.next() else { return Vec::new() };
    let before = released.find(|(_, other)| !is_same_code(other, code));
    last.into_iter().chain(before.and_then(|(name, _)| name)).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all_are_young(200, "1h", &[])]
    #[case::by_count(3, "1h", &["2", "1", "0"])]
    #[case::by_age(200, "150s", &["2", "1", "0"])]
    #[case::the_one_before_stays_whatever_its_age(200, "1s", &["3", "2", "1", "0"])]
    #[case::with_the_new_one_there_are_two(2, "1h", &["3", "2", "1", "0"])]
    #[case::only_the_new_one(1, "1h", &["4", "3", "2", "1", "0"])]
    fn some_make_room(#[case] keep: u16, #[case] maximum_age: &str, #[case] wanted: &[&str]) {
        let fact = |number: i64| ReleaseFact {
            name: number.to_string(),
            code_sync_uid: "u".to_owned(),
            promotion: number.to_string(),
            ended_at: Timestamp::from_second(number * 60).unwrap(),
            created: Timestamp::from_second(number * 60).unwrap(),
            released: None,
            hash: String::new(),
        };
        let releases: Vec<_> = (0..5).map(fact).collect();
        let history = History { keep: Some(keep), maximum_age: Some(maximum_age.into()) };
        let now = Timestamp::from_second(300).unwrap();
        assert_eq!(outdated(releases.iter(), ("5", None), Some(&history), now), wanted);
        // It is written once more: an answer was lost.
        assert_eq!(outdated(releases.iter().chain([&fact(5)]), ("5", None), Some(&history), now), wanted);
    }

    #[rstest]
    #[case::what_failed(1, None, &[None, Some("v3"), None, Some("v2"), Some("v1")], &["4", "2", "0"])]
    #[case::once_more(2, Some("v3"), &[Some("v3"), Some("v3"), Some("v3"), Some("v2"), Some("v1")], &["3", "2", "0"])]
    #[case::another(2, Some("v4"), &[Some("v3"), Some("v3"), None, Some("v2"), Some("v1")], &["3", "2", "1", "0"])]
    #[case::only_that(1, Some("v4"), &[None, Some("v3"), None, Some("v2"), Some("v1")], &["4", "2", "1", "0"])]
    #[case::nothing_before(1, None, &[Some("v3"), Some("v3"), None, None, None], &["3", "2", "1", "0"])]
    fn what_there_is_to_go_back_to_stays(
        #[case] keep: u16,
        #[case] released: Option<&str>,
        #[case] newest_first: &[Option<&str>],
        #[case] wanted: &[&str],
    ) {
        let code = |tag: &str| format!("registry.example/code:{tag}@sha256:{:0>64}", &tag[1..]);
        let facts = newest_first.iter().rev().zip(0_i64..).map(|(released, number)| ReleaseFact {
            name: number.to_string(),
            code_sync_uid: "u".to_owned(),
            promotion: number.to_string(),
            ended_at: Timestamp::from_second(number).unwrap(),
            created: Timestamp::from_second(number).unwrap(),
            released: released.map(|tag| code(tag).into()),
            hash: String::new(),
        });
        let facts: Vec<_> = facts.collect();
        let history = History { keep: Some(keep), maximum_age: Some("1s".into()) };
        let now = Timestamp::from_second(300).unwrap();
        let mut outdated = outdated(facts.iter(), ("5", released.map(code).as_deref()), Some(&history), now);
        outdated.sort_by(|one, other| other.cmp(one));
        assert_eq!(outdated, wanted);
    }
}

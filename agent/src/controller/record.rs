//! CodeRelease objects: what one looks like, and which are kept. Pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use voxsync_cluster::ReleaseFact;
use voxsync_crds::{
    CodeRelease,
    code_release::{CODE_SYNC_LABEL, CodeReleaseSpec},
    code_sync::History,
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

/// The names of the releases that make room for one more.
pub(crate) fn outdated<'a>(
    releases: impl Iterator<Item = &'a ReleaseFact>,
    history: Option<&History>,
    now: Timestamp,
) -> Vec<String> {
    let keep = history.and_then(|history| history.keep).map_or(DEFAULT_KEEP, usize::from);
    let maximum_age = history.and_then(|history| history.maximum_age.as_ref());
    let maximum_age = maximum_age.and_then(|age| age.to_duration().ok()).unwrap_or(DEFAULT_MAXIMUM_AGE);
    let oldest = now.checked_sub(maximum_age).unwrap_or(Timestamp::MIN);
    let mut releases: Vec<&ReleaseFact> = releases.collect();
    releases.sort_by(|one, two| order(two).cmp(&order(one)));
    // The newest stays, whatever its age: the next one has its hash.
    let rest = releases.iter().enumerate().skip(1);
    let outdated = rest.filter(|(place, release)| *place + 1 >= keep || release.ended_at < oldest);
    outdated.map(|(_, release)| release.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all_are_young(200, "1h", &[])]
    #[case::by_count(3, "1h", &["2", "1", "0"])]
    #[case::by_age(200, "150s", &["2", "1", "0"])]
    #[case::the_newest_stays(1, "1s", &["3", "2", "1", "0"])]
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
        let names = outdated(releases.iter(), Some(&history), Timestamp::from_second(300).unwrap());
        assert_eq!(names, wanted);
    }
}

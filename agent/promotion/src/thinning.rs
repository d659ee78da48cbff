//! Keeps the list of what waits for its age within its bounds, so that what it names comes true: one is always the next to
//! be old enough, however fast they come.
//!
//! Twice over the same is once: what was left out is seen again with the next look, as something new, and must not push
//! anything else out.

use std::time::Duration;

use voxsync_crds::{code_sync::CandidateStatus, time::Time};

use crate::{observed::RIPENING_LIMIT, ripening::ripe_at};

/// What all of them take together, in bytes of JSON.
const RIPENING_LIMIT_BYTES: usize = 16 * 1024;

/// Whether the status has room for all of them.
fn fits(kept: &[CandidateStatus]) -> bool {
    let size_bytes = |candidate: &CandidateStatus| {
        serde_json::to_string(candidate).map_or(RIPENING_LIMIT_BYTES, |json| json.len() + 1)
    };
    kept.len() <= RIPENING_LIMIT && kept.iter().map(size_bytes).sum::<usize>() <= RIPENING_LIMIT_BYTES
}

/// Takes some away, if there are too many; the best is the first.
pub(crate) fn thin_out(kept: &mut Vec<CandidateStatus>, age: Duration) {
    while !fits(kept) {
        let of = |candidate: &CandidateStatus| (ripe_at(candidate, age), candidate.replaces.is_some());
        let Some(index) = least_wanted(&kept.iter().map(of).collect::<Vec<_>>()) else { return };
        kept.remove(index);
    }
}

/// Which one is missed least: each by the time at which it is old enough, and whether its tag was pushed again.
fn least_wanted(kept: &[(Time, bool)]) -> Option<usize> {
    // A better one is old enough no later: it is taken only if all such are taken back.
    let is_spare = |(index, (time, _)): &(usize, &(Time, bool))| {
        kept.iter().take(*index).any(|(better, _)| better <= time)
    };
    let spare = kept.iter().enumerate().filter(is_spare);
    // What was pushed again stays as long as it can, for it is to be told.
    let spare = spare.max_by_key(|(index, (time, is_told))| (!is_told, *time, *index));
    // Of the others the better one is old enough later. The first and the last stay, and those between are spread evenly.
    let gap = |index: &usize| {
        let second = |index: usize| kept.get(index).map_or(0, |(time, _)| time.timestamp().as_second());
        second(index - 1).saturating_sub(second(index + 1))
    };
    spare.map(|(index, _)| index).or_else(|| (1..kept.len().saturating_sub(1)).min_by_key(gap))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least(seconds: &[i64]) -> Option<usize> {
        let time = |second: &i64| jiff::Timestamp::from_second(1_800_000_000 + second).unwrap().into();
        least_wanted(&seconds.iter().map(|second| (time(second), *second == 99)).collect::<Vec<_>>())
    }

    #[test]
    fn what_a_better_one_makes_needless_goes_first_and_the_youngest_of_it() {
        assert_eq!(least(&[50, 60, 40, 70, 30]), Some(3));
        assert_eq!(least(&[50, 50, 50]), Some(2), "all are of one age: the worst");
        assert_eq!(least(&[50, 60, 99]), Some(1), "the last one was pushed again");
        assert_eq!(least(&[50, 99, 99]), Some(2));
    }

    #[test]
    fn the_closest_goes_and_both_ends_stay() {
        assert_eq!(least(&[100, 80, 70, 65, 10]), Some(2), "80 to 65 is the smallest gap that would be left");
        assert_eq!(least(&[100, 10]), None);
    }
}

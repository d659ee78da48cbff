//! The rows of `status.waiting`, with what they mean for the conditions.

use std::mem;

use voxsync_crds::{code_sync::Waiting, time::Time};

use crate::text::{SENTENCE_LIMIT_BYTES, cut, size_bytes};

/// The reason of the row that says that the source names a lower version than what runs.
pub(crate) const DOWNGRADE: &str = "Downgrade";
/// The reason of the row that says that a check fails after the release.
pub(crate) const CHECK_FAILED: &str = "CheckFailed";
/// The reason of the row that says that checks are asked.
pub(crate) const CHECKING: &str = "Checking";
/// The reason of the row that says that Deployments are being held back before a stage is written.
pub(crate) const GATING: &str = "Gating";
/// The reason of the row that says that Deployments wait for their turn.
pub(crate) const GATED: &str = "Gated";
/// The reason of the row that says that targets are given back what they had.
pub(crate) const ROLLING_BACK: &str = "RollingBack";
/// The reason of the row that says that a promotion failed, and was given back; or that a person went back.
pub(crate) const ROLLED_BACK: &str = "RolledBack";
/// The reason of the row that says that what should run is in quarantine.
pub(crate) const QUARANTINED: &str = "Quarantined";
/// The reason of the row that says that the CodeSync is deleted.
pub(crate) const DELETING: &str = "Deleting";
/// The reason of the row that says that there is nothing to go back to.
pub(crate) const NO_EARLIER_RELEASE: &str = "NoEarlierRelease";
/// The reason of the row that says that somebody else changed a target.
pub(crate) const HELD: &str = "Held";
/// The reason of the row that says that a person chose the reference.
pub(crate) const PINNED: &str = "Pinned";

/// The reason of the row that says that targets of a stage that is not worked on wait for what it runs.
pub(crate) const JOINING: &str = "Joining";

/// The reason of the row that says that candidates are younger than they must be.
pub(crate) const MINIMUM_AGE: &str = "MinimumAge";

/// What a row means for the CodeSync, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Only a change of a spec ends it: Stalled.
    Stalls,
    /// Somebody has to do something: not Ready.
    Blocks,
    /// Something is under way: Reconciling.
    Moves,
    /// It ends by itself, or was wanted so: Ready.
    Waits,
    /// Only for information.
    Tells,
}

/// One reason why the candidate is not further yet.
pub(crate) struct Row {
    pub weight: Weight,
    pub stage: Option<String>,
    pub reason: String,
    pub message: String,
    /// A few words for the table.
    pub brief: String,
    pub until: Option<Time>,
}

/// How many rows of one stage and reason are kept with their message.
const KEPT_LIMIT: usize = 8;

/// All rows, one a stage and reason.
#[derive(Default)]
pub(crate) struct Rows {
    rows: Vec<Same>,
}

/// Rows of the same stage and reason.
struct Same {
    /// The first of the worst.
    row: Row,
    /// What others say, as far as it is kept.
    others: Vec<String>,
    /// How many others there are.
    count: usize,
}

impl Rows {
    pub(crate) fn extend(&mut self, rows: impl IntoIterator<Item = Row>) {
        rows.into_iter().for_each(|row| self.push(row));
    }

    pub(crate) fn push(&mut self, row: Row) {
        let is_same = |same: &&mut Same| same.row.stage == row.stage && same.row.reason == row.reason;
        match self.rows.iter_mut().find(is_same) {
            Some(same) => same.push(row),
            None => self.rows.push(Same { row, others: Vec::new(), count: 0 }),
        }
    }

    /// The first of the worst rows, with its whole message.
    pub(crate) fn worst(&self) -> Option<(&Row, String)> {
        self.worst_of(|_| true)
    }

    /// The first of the worst rows that are meant, with its whole message.
    pub(crate) fn worst_of(&self, is_meant: impl Fn(&Row) -> bool) -> Option<(&Row, String)> {
        let meant = self.rows.iter().filter(|same| is_meant(&same.row));
        let same = meant.min_by_key(|same| same.row.weight)?;
        Some((&same.row, same.message()))
    }

    /// The message of the worst row of a stage.
    pub(crate) fn of_stage(&self, stage: &str) -> Option<&str> {
        let rows = self.rows.iter().map(|same| &same.row).filter(|row| row.stage.as_deref() == Some(stage));
        rows.min_by_key(|row| row.weight).map(|row| row.message.as_str())
    }

    /// As they are in the status.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let waiting = |same: &Same| Waiting {
            stage: same.row.stage.clone(),
            reason: same.row.reason.clone(),
            message: same.message(),
            until: same.row.until,
        };
        self.rows.iter().map(waiting).collect()
    }

    /// The next time at which one of them ends.
    pub(crate) fn next_end(&self) -> Option<Time> {
        self.rows.iter().filter_map(|same| same.row.until).min()
    }
}

impl Same {
    fn push(&mut self, row: Row) {
        let is_said = row.message == self.row.message || self.others.contains(&row.message);
        let other = if row.weight < self.row.weight { mem::replace(&mut self.row, row) } else { row };
        if is_said {
            return;
        }
        self.count += 1;
        if self.others.len() < KEPT_LIMIT {
            self.others.push(other.message);
        }
    }

    /// What all of them say, as far as it fits, and how many more there are.
    fn message(&self) -> String {
        let mut message = cut(&self.row.message, SENTENCE_LIMIT_BYTES);
        let tail = |left: usize| if left == 0 { String::new() } else { format!(" (and {left} more)") };
        let mut left = self.count;
        for other in &self.others {
            let longer = format!("{message}; {other}");
            if size_bytes(&longer) + tail(left - 1).len() > SENTENCE_LIMIT_BYTES {
                break;
            }
            (message, left) = (longer, left - 1);
        }
        let tail = tail(left);
        cut(&message, SENTENCE_LIMIT_BYTES - tail.len()) + &tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(weight: Weight, message: &str) -> Row {
        let reason = "NotVerified".to_owned();
        Row { weight, stage: None, reason, message: message.to_owned(), brief: String::new(), until: None }
    }

    fn said(rows: impl IntoIterator<Item = Row>) -> (Weight, String) {
        let mut all = Rows::default();
        all.extend(rows);
        let (row, message) = all.worst().unwrap();
        assert_eq!(all.waiting().len(), 1);
        (row.weight, message)
    }

    #[test]
    fn what_has_the_same_reason_is_said_in_one_row() {
        use Weight::{Blocks, Waits};
        let both = said([row(Blocks, "v1.5.0 has no signature"), row(Blocks, "v1.6.0 has no signature")]);
        assert_eq!(both, (Blocks, "v1.5.0 has no signature; v1.6.0 has no signature".to_owned()));
        let once = said([row(Blocks, "no signature"), row(Blocks, "no signature")]);
        assert_eq!(once.1, "no signature");
        assert_eq!(said([row(Waits, "one"), row(Blocks, "two")]), (Blocks, "two; one".to_owned()));
        assert_eq!(said([row(Waits, "same"), row(Blocks, "same")]), (Blocks, "same".to_owned()));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let long = |number: usize| row(Weight::Blocks, &format!("{number} {}", "x".repeat(400)));
        let (_, message) = said((0..20).map(long));
        assert!(message.contains("; 1 x") && message.ends_with("x (and 18 more)"), "{message}");
        let (_, message) = said([row(Weight::Blocks, &"y".repeat(2000)), long(1)]);
        assert!(message.ends_with("y… (and 1 more)") && message.len() <= SENTENCE_LIMIT_BYTES, "{message}");
        let (_, message) = said((0..20).map(|number| row(Weight::Blocks, &number.to_string())));
        assert_eq!(message, "0; 1; 2; 3; 4; 5; 6; 7; 8 (and 11 more)");
    }
}

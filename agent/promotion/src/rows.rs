//! The rows of `status.waiting`, with what they mean for the conditions.

use voxsync_crds::{code_sync::Waiting, time::Time};

use crate::text::{SENTENCE_LIMIT_BYTES, cut};

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

/// All rows, one a stage and reason.
#[derive(Default)]
pub(crate) struct Rows {
    rows: Vec<(Row, usize)>,
}

impl Rows {
    pub(crate) fn extend(&mut self, rows: impl IntoIterator<Item = Row>) {
        rows.into_iter().for_each(|row| self.push(row));
    }

    pub(crate) fn push(&mut self, row: Row) {
        let same = |(other, _): &&mut (Row, usize)| other.stage == row.stage && other.reason == row.reason;
        match self.rows.iter_mut().find(same) {
            Some((_, more)) => *more += 1,
            None => self.rows.push((row, 0)),
        }
    }

    /// The first of the worst rows, with its whole message.
    pub(crate) fn worst(&self) -> Option<(&Row, String)> {
        self.worst_of(|_| true)
    }

    /// The first of the worst rows that are meant, with its whole message.
    pub(crate) fn worst_of(&self, is_meant: impl Fn(&Row) -> bool) -> Option<(&Row, String)> {
        let meant = self.rows.iter().filter(|(row, _)| is_meant(row));
        let (row, more) = meant.min_by_key(|(row, _)| row.weight)?;
        Some((row, message(row, *more)))
    }

    /// The message of the worst row of a stage.
    pub(crate) fn of_stage(&self, stage: &str) -> Option<&str> {
        let rows = self.rows.iter().filter(|(row, _)| row.stage.as_deref() == Some(stage));
        rows.min_by_key(|(row, _)| row.weight).map(|(row, _)| row.message.as_str())
    }

    /// As they are in the status.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let waiting = |(row, more): &(Row, usize)| Waiting {
            stage: row.stage.clone(),
            reason: row.reason.clone(),
            message: message(row, *more),
            until: row.until,
        };
        self.rows.iter().map(waiting).collect()
    }

    /// The next time at which one of them ends.
    pub(crate) fn next_end(&self) -> Option<Time> {
        self.rows.iter().filter_map(|(row, _)| row.until).min()
    }
}

fn message(row: &Row, more: usize) -> String {
    let message = cut(&row.message, SENTENCE_LIMIT_BYTES);
    match more {
        0 => message,
        more => {
            let tail = format!(" (and {more} more)");
            cut(&message, SENTENCE_LIMIT_BYTES - tail.len()) + &tail
        }
    }
}

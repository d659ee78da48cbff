//! Which CodeSync is to be written down when. Only decides: time is passed in, and `relay` writes.
//!
//! Each CodeSync is on its own: the first hook is written down at once, all that come in the pause after that by one more
//! write when it ends, and one that cannot be written holds up no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;
use voxsync_agent::{CodeSyncKey, pause};

/// How long after a write the next one about the same CodeSync comes.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// How many writes there are at once.
const WRITES_LIMIT: usize = 8;
/// How long after a first failed write the next try comes; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest pause between tries.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// How long one hook is tried.
const TRIED: Duration = Duration::from_mins(5);
/// How long nothing is tried for a CodeSync after that, or after a refusal.
const GIVEN_UP_PAUSE: Duration = Duration::from_mins(1);

/// What is to be written down.
#[derive(Debug)]
pub(super) struct Outbox {
    rows: BTreeMap<CodeSyncKey, Row>,
    pause: Duration,
}

/// One CodeSync.
#[derive(Debug)]
struct Row {
    /// When the oldest hook came that no write has taken along.
    waits_since: Option<Instant>,
    /// The same for the write that is under way.
    written_since: Option<Instant>,
    not_before: Instant,
    failures: u32,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is written down.
    Written,
    /// There is no such CodeSync any more.
    Gone,
    /// It may be written down later; not before this, if the API server said when.
    Failed { retry_after: Option<Duration> },
    /// Another try would end in the same way.
    Refused,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), pause: PAUSE }
    }
}

impl Outbox {
    /// Hooks came for these.
    pub(super) fn heard(&mut self, keys: BTreeSet<CodeSyncKey>, now: Instant) {
        for key in keys {
            let new = Row { waits_since: None, written_since: None, not_before: now, failures: 0 };
            self.rows.entry(key).or_insert(new).waits_since.get_or_insert(now);
        }
    }

    /// What to write now, those first that wait longest. From here on it is under way.
    pub(super) fn begin(&mut self, now: Instant) -> Vec<CodeSyncKey> {
        self.rows.retain(|_, row| !row.is_idle() || row.not_before > now);
        let free = self.free();
        let is_due = |row: &Row| row.is_waiting() && row.not_before <= now;
        let mut due: Vec<_> = self.rows.iter_mut().filter(|(_, row)| is_due(row)).collect();
        due.sort_by_key(|(_, row)| row.waits_since);
        let begin = |(key, row): (&CodeSyncKey, &mut Row)| {
            row.written_since = row.waits_since.take();
            key.clone()
        };
        due.into_iter().take(free).map(begin).collect()
    }

    /// When there is something to begin next, if nothing comes or ends before.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let waiting = self.rows.values().filter(|row| row.is_waiting());
        waiting.map(|row| row.not_before).min().filter(|_| self.free() > 0)
    }

    /// A write ended. Says whether what it was to write down is given up.
    pub(super) fn ended(&mut self, key: &CodeSyncKey, outcome: Outcome, now: Instant) -> bool {
        let Some(row) = self.rows.get_mut(key) else { return false };
        let since = row.written_since.take().unwrap_or(now);
        let failures = std::mem::take(&mut row.failures);
        match outcome {
            Outcome::Written => row.not_before = now + self.pause,
            Outcome::Gone => _ = self.rows.remove(key),
            Outcome::Failed { retry_after } => {
                let failures = failures.saturating_add(1);
                let own = pause(FIRST_RETRY, failures, LONGEST_RETRY);
                let again = now + own.max(retry_after.unwrap_or_default().min(TRIED));
                if again <= since + TRIED {
                    row.waits_since = Some(since);
                    (row.not_before, row.failures) = (again, failures);
                    return false;
                }
                row.not_before = now + GIVEN_UP_PAUSE;
                return true;
            }
            Outcome::Refused => {
                row.not_before = now + GIVEN_UP_PAUSE;
                return true;
            }
        }
        false
    }

    /// The process ends: no pauses any more.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.pause = Duration::ZERO;
        for row in self.rows.values_mut() {
            row.not_before = row.not_before.min(now);
        }
    }

    /// What is not written down yet.
    pub(super) fn left(&self) -> impl Iterator<Item = &CodeSyncKey> {
        self.rows.iter().filter(|(_, row)| !row.is_idle()).map(|(key, _)| key)
    }

    fn free(&self) -> usize {
        WRITES_LIMIT.saturating_sub(self.rows.values().filter(|row| row.written_since.is_some()).count())
    }
}

impl Row {
    fn is_waiting(&self) -> bool {
        self.waits_since.is_some() && self.written_since.is_none()
    }

    fn is_idle(&self) -> bool {
        self.waits_since.is_none() && self.written_since.is_none()
    }
}

#[cfg(test)]
mod tests;

//! What the log says of webhooks that are refused: a line for many, and never what was sent.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{info, warn};
use voxsync_agent::CodeSyncKey;

/// How long after a line the next one about the same CodeSync comes.
const QUIET: Duration = Duration::from_mins(1);
/// How many CodeSyncs are remembered.
const REMEMBERED_LIMIT: usize = 1000;

/// What was refused since it was said last. `None` stands for whatever names no CodeSync with a webhook.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<Option<CodeSyncKey>, Burst>>);

#[derive(Debug)]
struct Burst {
    said_at: Instant,
    since: u64,
}

impl Refusals {
    /// Notes a refusal, and says so unless that was done just now.
    pub(super) fn note(&self, code_sync: Option<&CodeSyncKey>, why: &str) {
        let Some(count) = self.count(code_sync, Instant::now()) else { return };
        if let Some(code_sync) = code_sync {
            warn!(%code_sync, count, "webhooks are refused: {why}");
        } else {
            info!(count, "webhooks are refused: {why}");
        }
    }

    /// How many are to be spoken of now, if it is time for that.
    fn count(&self, code_sync: Option<&CodeSyncKey>, now: Instant) -> Option<u64> {
        let mut bursts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bursts.len() >= REMEMBERED_LIMIT {
            bursts.clear();
        }
        match bursts.get_mut(&code_sync.cloned()) {
            Some(burst) if now.duration_since(burst.said_at) < QUIET => {
                burst.since += 1;
                None
            }
            Some(burst) => {
                burst.said_at = now;
                Some(std::mem::take(&mut burst.since) + 1)
            }
            None => {
                bursts.insert(code_sync.cloned(), Burst { said_at: now, since: 0 });
                Some(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_one_line_and_the_next_one_counts_the_rest() {
        let refusals = Refusals::default();
        let begin = Instant::now();
        let key = CodeSyncKey { namespace: "puppet".to_owned(), name: "production".to_owned() };
        assert_eq!(refusals.count(Some(&key), begin), Some(1));
        for _ in 0..10_000 {
            assert_eq!(refusals.count(Some(&key), begin + QUIET / 2), None);
        }
        assert_eq!(refusals.count(None, begin + QUIET / 2), Some(1), "another matter");
        assert_eq!(refusals.count(Some(&key), begin + QUIET), Some(10_001));
        assert_eq!(refusals.count(Some(&key), begin + QUIET), None);
    }
}

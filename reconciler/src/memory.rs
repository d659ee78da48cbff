//! What is remembered of a Server between two passes.
//!
//! All of it may be lost at any time: then a question is asked or a wait is waited once more, and nothing is wrong.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::Timestamp;
use voxsync_rollout::resolve::ServerCode;

/// How often our part may be put back before the other side wins.
pub(crate) const PUT_BACK_LIMIT: u32 = 2;
/// What is put back later than this after a write was not put back because of it.
const PUT_BACK_LIMIT_SECONDS: u64 = 10 * 60;
/// The wait after the first failure; it doubles with each.
const FIRST_RETRY_MILLISECONDS: u64 = 500;
/// The longest wait after a failure.
const LAST_RETRY_SECONDS: u64 = 5 * 60;

/// What is remembered of a Server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// The way of one change into the template; none while the template is right and nothing was written.
    pub(crate) change: Option<Change>,
    /// When a gate may be written again.
    pub(crate) gate: Retry,
    /// When it may be written again on the Server what is in its way.
    pub(crate) obstacle: Retry,
    /// Since when an object that the Server needs is not there.
    pub(crate) missing_since: Option<Timestamp>,
    /// What was last said to people, so that it is not said again.
    pub(crate) said: Option<String>,
    /// The state that the metrics count it under.
    pub(crate) state: Option<&'static str>,
    /// The code of the last rollout that was seen to be complete.
    pub(crate) completed: Option<String>,
}

/// The way of one change into the template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// The code that it is about.
    pub(crate) code: ServerCode,
    /// Since when the template is not right.
    pub(crate) since: Timestamp,
    /// When the operator was asked.
    pub(crate) asked_at: Option<Timestamp>,
    /// How often the template was written, and when last.
    pub(crate) writes: u32,
    pub(crate) written_at: Option<Timestamp>,
    /// Whether the other side won.
    pub(crate) given_up: bool,
    /// When it may be written again.
    pub(crate) retry: Retry,
}

/// When a write that failed is tried again.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Retry {
    /// How often it failed in a row.
    pub(crate) failures: u32,
    /// When the next is tried.
    pub(crate) at: Option<Timestamp>,
}

impl Memory {
    /// Takes note of a template that is not right.
    pub(crate) fn behind(&mut self, code: &ServerCode, now: Timestamp) -> &mut Change {
        let forgotten = |change: &Change| {
            let limit = Duration::from_secs(PUT_BACK_LIMIT_SECONDS);
            change.written_at.is_some_and(|at| at.saturating_add(limit).is_ok_and(|at| at < now))
                && !change.given_up
        };
        let change = self.change.take().filter(|change| change.code == *code && !forgotten(change));
        self.change.insert(change.unwrap_or_else(|| Change::new(code.clone(), now)))
    }

    /// Takes note of a template that is right.
    pub(crate) fn right(&mut self, code: &ServerCode) {
        // Somebody may yet put back what we wrote, but not what they wrote themselves.
        self.change =
            self.change.take().filter(|change| change.code == *code && change.writes > 0 && !change.given_up);
    }
}

impl Change {
    fn new(code: ServerCode, since: Timestamp) -> Self {
        Self {
            code,
            since,
            asked_at: None,
            writes: 0,
            written_at: None,
            given_up: false,
            retry: Retry::default(),
        }
    }

    /// Takes note of a write.
    pub(crate) fn written(&mut self, now: Timestamp) {
        self.writes += 1;
        self.written_at = Some(now);
        self.retry = Retry::default();
    }
}

impl Retry {
    /// Takes note of a failure, and says when to try again: twice as late each time.
    pub(crate) fn failed(&mut self, now: Timestamp, spread: impl Hash) {
        let doubled = FIRST_RETRY_MILLISECONDS.saturating_mul(1 << self.failures.min(20));
        self.failures += 1;
        let wait = Duration::from_millis(doubled).min(Duration::from_secs(LAST_RETRY_SECONDS));
        self.at = Some(later(now, wait, (spread, self.failures)));
    }

    /// Takes note of a refusal that only a person can end, and says when to look whether one did.
    pub(crate) fn refused(&mut self, now: Timestamp, spread: impl Hash) {
        self.at = Some(later(now, Duration::from_secs(LAST_RETRY_SECONDS), spread));
    }
}

/// Many Servers fail at the same moment, and must not come back at one: each waits three quarters to all of the
/// time, always the same part for the same `spread`.
fn later(now: Timestamp, wait: Duration, spread: impl Hash) -> Timestamp {
    let mut hasher = DefaultHasher::new();
    spread.hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 250).unwrap_or_default();
    now.saturating_add(wait * (750 + part) / 1000).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn code(origin: voxsync_rollout::resolve::Origin) -> ServerCode {
        ServerCode { origin: Some(origin), ..ServerCode::default() }
    }

    #[test]
    fn another_code_is_another_change() {
        let (one, two) =
            (code(voxsync_rollout::resolve::Origin::Server), code(voxsync_rollout::resolve::Origin::Config));
        let mut memory = Memory::default();
        memory.behind(&one, at(1)).written(at(2));
        assert_eq!((memory.behind(&one, at(3)).since, memory.behind(&one, at(3)).writes), (at(1), 1));
        assert_eq!((memory.behind(&two, at(4)).since, memory.behind(&two, at(4)).writes), (at(4), 0));
    }

    #[test]
    fn a_put_back_long_after_the_write_is_a_new_change_unless_they_won() {
        let code = ServerCode::default();
        let mut memory = Memory::default();
        memory.behind(&code, at(0)).written(at(0));
        assert_eq!(memory.behind(&code, at(600)).writes, 1);
        assert_eq!(memory.behind(&code, at(601)).writes, 0);
        memory.behind(&code, at(601)).written(at(601));
        memory.behind(&code, at(602)).given_up = true;
        assert_eq!(memory.behind(&code, at(100_000)).writes, 1);
    }

    #[test]
    fn a_template_that_is_right_forgets_all_but_our_own_write() {
        let code = ServerCode::default();
        let mut memory = Memory::default();
        memory.behind(&code, at(0)).asked_at = Some(at(0));
        memory.right(&code);
        assert_eq!(memory.change, None);
        memory.behind(&code, at(0)).written(at(1));
        memory.right(&code);
        assert_eq!(memory.behind(&code, at(2)).writes, 1);
        memory.behind(&code, at(2)).given_up = true;
        memory.right(&code);
        assert_eq!(memory.change, None);
    }

    #[test]
    fn failures_wait_longer_each_time_up_to_a_limit() {
        let mut retry = Retry::default();
        let mut last = Duration::ZERO;
        for failure in 0..40 {
            retry.failed(at(0), "openvox/stable");
            let wait = Duration::try_from(retry.at.unwrap().duration_since(at(0))).unwrap();
            let longest = Duration::from_millis(500 << failure.min(16)).min(Duration::from_mins(5));
            assert!(wait <= longest && wait >= longest * 3 / 4, "failure {failure} waits {wait:?}");
            assert!(wait > last || longest == Duration::from_mins(5));
            last = wait;
        }
    }
}

//! The time, read in one place: it follows tokio's clock, so that tests can stop and turn it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// A wall clock that was set once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Timestamp,
    started_at: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { start: Timestamp::now(), started_at: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.start.checked_add(self.started_at.elapsed()).unwrap_or(self.start)
    }

    /// The instant of a moment; moments that have passed are the present.
    pub(crate) fn instant(&self, moment: Timestamp) -> Instant {
        let wait = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
        Instant::now() + wait
    }
}

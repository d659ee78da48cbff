//! How often secrets are read again because of who has proven nothing: anybody can bring that about, for as many CodeSyncs as
//! they know, and each time is a request to the API server. Not counted is the one a minute that each secret has anyway.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How many there are in a period, in all.
const REREADS_LIMIT: u32 = 50;
const PERIOD: Duration = Duration::from_secs(10);

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Rereads(Mutex<Option<(Instant, u32)>>);

impl Rereads {
    /// Whether there may be another one now; then it is counted.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, count) =
            period.filter(|(began, _)| now.saturating_duration_since(*began) < PERIOD).unwrap_or((now, 0));
        let is_free = count < REREADS_LIMIT;
        *period = Some((began, count + u32::from(is_free)));
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_few_in_a_period_however_many_want_one() {
        let (rereads, start) = (Rereads::default(), Instant::now());
        for period in 0..3 {
            let now = start + PERIOD * period;
            let taken = (0..1_000).filter(|_| rereads.take(now));
            assert_eq!(taken.count(), REREADS_LIMIT as usize, "{period}");
        }
    }
}

//! Waiting for a condition, never for a time.

use std::{future::Future, time::Duration};

/// How long it rests after the first look, and at most; in between it grows, for many wait at once, and looks cost.
const FIRST_REST: Duration = Duration::from_millis(20);
const LONGEST_REST: Duration = Duration::from_millis(100);

/// Looks until a look gives a value, and returns it. A look that does not says what it saw instead; when the deadline
/// is over, the test fails with what it waited for and the last state seen.
pub(crate) async fn wait_for<T, Look>(what: &str, deadline: Duration, mut look: impl FnMut() -> Look) -> T
where
    Look: Future<Output = Result<T, String>>,
{
    let mut seen = String::from("nothing yet");
    let mut rest = FIRST_REST;
    let found = tokio::time::timeout(deadline, async {
        loop {
            match look().await {
                Ok(value) => return value,
                Err(state) => seen = state,
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(LONGEST_REST);
        }
    });
    let found = found.await;
    found.unwrap_or_else(|_| panic!("waited {} s in vain for {what}; last seen: {seen}", deadline.as_secs()))
}

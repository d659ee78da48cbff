//! How long to leave alone what fails. Pure.

use std::time::Duration;

/// The pause after so many failures on end: each doubles it, up to the longest.
pub fn pause(first: Duration, failures: u32, longest: Duration) -> Duration {
    let times = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(times).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let [first, longest] = [10, 300].map(Duration::from_secs);
        let pauses =
            [1, 2, 3, 5, 6, 32, 33, u32::MAX].map(|failures| pause(first, failures, longest).as_secs());
        assert_eq!(pauses, [10, 20, 40, 160, 300, 300, 300, 300]);
    }
}

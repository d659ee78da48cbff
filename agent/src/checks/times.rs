//! How long a check may take, how long its answer holds, and what of that a spec may say. Pure.

use std::time::Duration;

use jiff::Timestamp;
use voxsync_checks::job;
use voxsync_crds::{
    code_sync::{Check, CodeSyncSpec},
    duration::DurationText,
};

/// How long between two answers where nothing is said.
const USUAL_INTERVAL: Duration = Duration::from_secs(30);
/// How long an answer may take where nothing is said; a Job has its own.
const USUAL_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that a server may take: it holds one of few places meanwhile. A Job holds none while it runs.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(1);
/// How much later than at its interval and timeout an answer may come: for a free place to be found.
const SLACK: Duration = Duration::from_mins(1);
/// How soon another Job is made after one that ended without an answer; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// How long between two answers.
pub(super) fn interval(check: &Check) -> Duration {
    said(check.interval.as_ref()).unwrap_or(USUAL_INTERVAL)
}

/// How long an answer may take: of a Job, how long its pod may run.
pub(super) fn timeout(check: &Check) -> Duration {
    let said = said(check.timeout.as_ref());
    if check.job.is_some() {
        said.unwrap_or(job::USUAL_TIMEOUT)
    } else {
        said.unwrap_or(USUAL_TIMEOUT).min(LONGEST_TIMEOUT)
    }
}

/// Whether what a check said at a time still says something now. That a Job succeeded does not change.
pub(super) fn is_fresh(check: &Check, said_at: Timestamp, now: Timestamp) -> bool {
    let holds = interval(check).saturating_add(timeout(check)).saturating_add(SLACK);
    check.job.is_some() || said_at.checked_add(holds).is_ok_and(|end| now <= end)
}

/// How long no other Job is made after so many in a row that ended without an answer.
pub(super) fn pause_after_silence(check: &Check, silences: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(silences.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE).max(interval(check))
}

/// Refuses a timeout that would keep others from being asked.
///
/// # Errors
/// A sentence that names the field and says what would be right.
pub(crate) fn check_timeouts(spec: &CodeSyncSpec) -> Result<(), String> {
    for (number, stage) in spec.stages.iter().flatten().enumerate() {
        for check in stage.checks.iter().filter(|check| check.job.is_none()) {
            if said(check.timeout.as_ref()).is_some_and(|timeout| timeout > LONGEST_TIMEOUT) {
                return Err(format!(
                    "stages[{number}].checks[{}].timeout: at most 1m; only a Job may take longer",
                    check.name
                ));
            }
        }
    }
    Ok(())
}

fn said(text: Option<&DurationText>) -> Option<Duration> {
    text.and_then(|text| text.to_duration().ok())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn check(mut check: Value) -> Check {
        check["name"] = json!("it");
        serde_json::from_value(check).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[rstest]
    #[case::usual(json!({"http": {"url": "http://host"}}), 10)]
    #[case::said(json!({"timeout": "20s", "http": {"url": "http://host"}}), 20)]
    #[case::never_too_long(json!({"timeout": "1h", "http": {"url": "http://host"}}), 60)]
    #[case::of_a_job(json!({"job": {"image": "i"}}), 600)]
    #[case::said_of_a_job(json!({"timeout": "1h", "job": {"image": "i"}}), 3600)]
    fn timeouts(#[case] of: Value, #[case] seconds: u64) {
        assert_eq!(timeout(&check(of)), Duration::from_secs(seconds));
    }

    #[test]
    fn an_answer_is_old_when_the_next_one_should_have_come() {
        let web = check(json!({"interval": "30s", "timeout": "10s", "http": {"url": "http://host"}}));
        assert!(is_fresh(&web, at(0), at(100)) && !is_fresh(&web, at(0), at(101)));
        assert!(is_fresh(&check(json!({"job": {"image": "i"}})), at(0), at(1_000_000)));
    }

    #[test]
    fn who_is_silent_is_left_alone_for_longer_each_time() {
        let job = |interval: &str| check(json!({"interval": interval, "job": {"image": "i"}}));
        let pauses =
            [1, 2, 3, 6, 7, 1000].map(|silences| pause_after_silence(&job("30s"), silences).as_secs());
        assert_eq!(pauses, [60, 120, 240, 1920, 3600, 3600]);
        assert_eq!(pause_after_silence(&job("24h"), 1), Duration::from_hours(24));
    }
}

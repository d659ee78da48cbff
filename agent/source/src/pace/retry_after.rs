//! `Retry-After` (RFC 9110, 10.2.3), in seconds or as a date; or when a quota that is spent begins anew, as GitHub says it
//! ("Rate limits for the REST API" of <https://docs.github.com/en/rest>).

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// A host that asks for more is asked again anyway.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// What is left of a quota.
const QUOTA_LEFT: &str = "x-ratelimit-remaining";
/// The second since 1970 at which it begins anew.
const QUOTA_BEGINS: &str = "x-ratelimit-reset";

/// How long to wait. A date is measured against the answer's own `Date`, so that no clock is needed, ours or a right one.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let date = |text: &str| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp());
    let wait_until = |until: Timestamp| {
        let wait = until.duration_since(date(text(DATE.as_str())?)?);
        Some(Duration::try_from(wait).unwrap_or_default())
    };
    let wait = match text(RETRY_AFTER.as_str()) {
        Some(value) => {
            let seconds = value.parse().ok().map(Duration::from_secs);
            seconds.or_else(|| wait_until(date(value)?))?
        }
        None if text(QUOTA_LEFT) == Some("0") => {
            wait_until(Timestamp::from_second(text(QUOTA_BEGINS)?.parse().ok()?).ok()?)?
        }
        None => return None,
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use rstest::rstest;
    use voxsync_hostile::{fuzz, near};

    use super::*;

    #[test]
    fn fuzz_retry_after() {
        let samples =
            ["120", "18446744073709551615", "Sun, 06 Nov 1994 08:49:37 GMT", "6 Nov 94 08:49 -0000"];
        let seconds = ["784111777", "-9223372036854775808"];
        fuzz((near(samples), near(samples), near(seconds)), |(value, date, begins)| {
            let mut headers = HeaderMap::new();
            let value =
                if begins.len() % 2 == 0 { ("retry-after", value) } else { (QUOTA_LEFT, b"0".to_vec()) };
            for (name, bytes) in [value, ("date", date), (QUOTA_BEGINS, begins)] {
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    headers.insert(name, value);
                }
            }
            let wait = retry_after(&headers);
            assert!(wait.is_none_or(|wait| wait <= MAX_RETRY_AFTER));
            wait.is_some()
        });
    }

    #[rstest]
    #[case(Some("120"), None, Some(120))]
    #[case(Some("0"), None, Some(0))]
    #[case(Some("99999999"), None, Some(3600))]
    #[case(Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some("Sun, 06 Nov 1994 08:49:07 GMT"), Some(30))]
    #[case(Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some("Sun, 06 Nov 1994 09:49:37 GMT"), Some(0))]
    #[case(Some("Sun, 06 Nov 1994 08:49:37 GMT"), None, None)]
    #[case(Some("soon"), Some("Sun, 06 Nov 1994 08:49:07 GMT"), None)]
    #[case(Some("-5"), None, None)]
    #[case(None, None, None)]
    fn waits(
        #[case] value: Option<&'static str>,
        #[case] date: Option<&'static str>,
        #[case] seconds: Option<u64>,
    ) {
        let mut headers = HeaderMap::new();
        value.map(|value| headers.insert(RETRY_AFTER, HeaderValue::from_static(value)));
        date.map(|date| headers.insert(DATE, HeaderValue::from_static(date)));
        assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs));
    }

    #[rstest]
    #[case::spent("0", "784111807", Some(30))]
    #[case::long_spent("0", "784120000", Some(3600))]
    #[case::anew_already("0", "784111000", Some(0))]
    #[case::not_spent("1", "784111807", None)]
    #[case::junk("0", "soon", None)]
    fn waits_for_a_quota(
        #[case] left: &'static str,
        #[case] begins: &'static str,
        #[case] seconds: Option<u64>,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [(QUOTA_LEFT, left), (QUOTA_BEGINS, begins), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs));
        headers.insert("retry-after", HeaderValue::from_static("7"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)), "it is said in so many words");
    }
}

//! `Retry-After` (RFC 9110, 10.2.3): seconds or a date.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// A registry that asks for more is asked again anyway.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// How long to wait. A date is measured against the answer's own `Date`, so that no clock is needed, ours or a right one.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let value = text(RETRY_AFTER)?;
    let seconds = value.parse().ok().map(Duration::from_secs);
    let wait = seconds.or_else(|| wait_until(value, text(DATE)?))?;
    Some(wait.min(MAX_RETRY_AFTER))
}

fn wait_until(date: &str, now: &str) -> Option<Duration> {
    let until = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let now = jiff::fmt::rfc2822::parse(now).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
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
        fuzz((near(samples), near(samples)), |(value, date)| {
            let mut headers = HeaderMap::new();
            for (name, bytes) in [(RETRY_AFTER, value), (DATE, date)] {
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
}

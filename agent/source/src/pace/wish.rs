//! What an HTTP answer says about the next request. Pure.

use std::time::Duration;

use reqwest::{StatusCode, header::HeaderMap};

use super::retry_after;

/// What an answer says about the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing: it may come.
    Nothing,
    /// The host wants to be left alone, perhaps for so long.
    Rest(Option<Duration>),
}

/// What an answer says about the next request. A host that says how long means it with any refusal that is not for one
/// login or request alone; GitHub refuses with 403, too ("Rate limits for the REST API" of <https://docs.github.com/en/rest>).
pub(crate) fn wish(status: StatusCode, headers: &HeaderMap) -> Wish {
    let asked = retry_after(headers);
    match status {
        StatusCode::TOO_MANY_REQUESTS => Wish::Rest(asked),
        status if asked.is_some() && (status == StatusCode::FORBIDDEN || status.is_server_error()) => {
            Wish::Rest(asked)
        }
        _ => Wish::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const REST: Wish = Wish::Rest(Some(Duration::from_secs(7)));

    #[rstest]
    #[case(429, Some("7"), REST)]
    #[case(429, None, Wish::Rest(None))]
    #[case(403, Some("7"), REST)]
    #[case(403, None, Wish::Nothing)]
    #[case(503, Some("7"), REST)]
    #[case(500, None, Wish::Nothing)]
    #[case(401, Some("7"), Wish::Nothing)]
    #[case(301, Some("7"), Wish::Nothing)]
    #[case(200, None, Wish::Nothing)]
    fn wishes(#[case] status: u16, #[case] seconds: Option<&'static str>, #[case] wanted: Wish) {
        let mut headers = HeaderMap::new();
        seconds.map(|seconds| headers.insert("retry-after", seconds.parse().unwrap()));
        assert_eq!(wish(StatusCode::from_u16(status).unwrap(), &headers), wanted);
    }
}

//! Who is told of the HTTP requests that looks lead to.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use reqwest::{Response, Url, header::HeaderMap};

const QUOTA_HEADERS: [&str; 2] = ["ratelimit-limit", "ratelimit-remaining"];

/// One HTTP request, after it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange<'a> {
    /// Who was asked: host, and port where it is not the usual one.
    pub host: &'a str,
    /// The code of the answer; none where there was no answer.
    pub code: Option<u16>,
    /// What the host says about its limit.
    pub quota: Option<Quota>,
}

/// How many requests a host allows, and how many are left, as Docker Hub says it with its manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// `RateLimit-Limit`.
    pub limit: u32,
    /// `RateLimit-Remaining`.
    pub remaining: u32,
}

impl Quota {
    /// Each is a number, perhaps with its window in seconds behind it: `100;w=21600`.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let [limit, remaining] = QUOTA_HEADERS.map(|name| {
            let number = headers.get(name)?.to_str().ok()?.split(';').next()?;
            number.trim().parse().ok()
        });
        Some(Self { limit: limit?, remaining: remaining? })
    }
}

type Told = dyn Fn(&Exchange<'_>) + Send + Sync;

/// Is told of each HTTP request that ended.
///
/// It is no part of what a client or remote is: any two are equal.
#[derive(Clone, Default)]
pub struct Traffic(Option<Arc<Told>>);

impl Traffic {
    /// Tells this function.
    pub fn to(told: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    pub(crate) fn exchanged(&self, address: &Url, answer: &reqwest::Result<Response>) {
        if let Some(told) = &self.0 {
            let answer = answer.as_ref().ok();
            told(&Exchange {
                host: &host_and_port(address),
                code: answer.map(|response| response.status().as_u16()),
                quota: answer.and_then(|response| Quota::of(response.headers())),
            });
        }
    }
}

/// `registry.example:5000`; nothing else of an address is for messages.
pub(crate) fn host_and_port(address: &Url) -> String {
    let host = address.host_str().unwrap_or("an unknown host");
    address.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl fmt::Debug for Traffic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Traffic")
    }
}

impl PartialEq for Traffic {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Traffic {}

impl Hash for Traffic {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::docker_hub(Some("100;w=21600"), Some("76;w=21600"), Some((100, 76)))]
    #[case::plain(Some("5000"), Some(" 0"), Some((5000, 0)))]
    #[case::half(Some("100;w=21600"), None, None)]
    #[case::words(Some("many"), Some("few"), None)]
    #[case::negative(Some("100"), Some("-1"), None)]
    #[case::none(None, None, None)]
    fn quotas(#[case] limit: Option<&str>, #[case] left: Option<&str>, #[case] wanted: Option<(u32, u32)>) {
        let mut headers = HeaderMap::new();
        for (name, value) in QUOTA_HEADERS.into_iter().zip([limit, left]) {
            value.map(|value| headers.insert(name, value.parse().unwrap()));
        }
        let quota = Quota::of(&headers).map(|quota| (quota.limit, quota.remaining));
        assert_eq!(quota, wanted);
    }
}

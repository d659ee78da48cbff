//! Who is told of the HTTP requests that looks lead to.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use reqwest::{Response, Url};

type Told = dyn Fn(&str, Option<u16>) + Send + Sync;

/// Is told of each HTTP request that had its answer: the host, and the code; none where there was no answer.
///
/// It is no part of what a client or remote is: any two are equal.
#[derive(Clone, Default)]
pub struct Traffic(Option<Arc<Told>>);

impl Traffic {
    /// Tells this function.
    pub fn to(told: impl Fn(&str, Option<u16>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    pub(crate) fn exchanged(&self, address: &Url, answer: &reqwest::Result<Response>) {
        if let Some(told) = &self.0 {
            let code = answer.as_ref().ok().map(|response| response.status().as_u16());
            told(&host_and_port(address), code);
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

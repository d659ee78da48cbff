//! What a client writes, counted where the API server takes it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use serde::{Deserialize, Serialize};

/// The field manager of a bench: what it writes itself is not counted.
pub const BENCH: &str = "bench";

/// The writes so far; clones count together.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<Write>>>);

/// A write that was let through or refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Write {
    /// What was written, with the subresource: `codesyncs/status`.
    resource: String,
    /// The name; none where an object is made.
    name: String,
    bytes: u64,
    /// The answer, as a number of HTTP.
    code: u16,
}

impl Ledger {
    /// Counts what a router is asked to write.
    pub(crate) fn layer(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), count))
    }

    /// What was written since this was asked last.
    pub(crate) fn take(&self) -> Vec<Write> {
        std::mem::take(&mut *self.0.lock().expect("the ledger"))
    }
}

async fn count(State(ledger): State<Ledger>, request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    // A dry run writes nothing: voxsync asks once so whether the API server knows image volumes.
    let is_written = *request.method() != Method::GET && !query.contains("dryRun=");
    let is_counted = is_written && !query.contains(&format!("fieldManager={BENCH}"));
    let (resource, name) = place(request.uri().path());
    let bytes = length(request.headers());
    let answer = next.run(request).await;
    if is_counted {
        let write = Write { resource, name, bytes, code: answer.status().as_u16() };
        ledger.0.lock().expect("the ledger").push(write);
    }
    answer
}

fn length(headers: &HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
}

/// Resource and name in a path of the Kubernetes API.
fn place(path: &str) -> (String, String) {
    let mut parts = path.trim_matches('/').split('/');
    let skipped = if parts.next() == Some("api") { 1 } else { 2 };
    let parts: Vec<&str> = parts.skip(skipped).collect();
    let rest = match parts.as_slice() {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    match rest {
        [resource] => ((*resource).to_owned(), String::new()),
        [resource, name] => ((*resource).to_owned(), (*name).to_owned()),
        [resource, name, subresource, ..] => (format!("{resource}/{subresource}"), (*name).to_owned()),
        [] => (path.to_owned(), String::new()),
    }
}

/// What was written in some time.
#[derive(Debug)]
pub struct Writes(pub(crate) Vec<Write>);

/// What was written of some resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Writes that were let through.
    pub count: usize,
    /// Of them, those of the object that has the most.
    pub most_of_one: usize,
    /// The bytes of their bodies.
    pub bytes: u64,
}

impl Writes {
    /// What was written of some resources.
    pub fn of(&self, resources: &[&str]) -> Written {
        let is_meant = |write: &&Write| resources.contains(&write.resource.as_str()) && write.code < 300;
        let mut of_each = BTreeMap::<(&str, &str), usize>::new();
        let mut bytes = 0;
        for write in self.0.iter().filter(is_meant) {
            *of_each.entry((&write.resource, &write.name)).or_default() += 1;
            bytes += write.bytes;
        }
        let most_of_one = of_each.values().max().copied().unwrap_or_default();
        Written { count: of_each.values().sum(), most_of_one, bytes }
    }

    /// The other resources that were written, each with how often.
    pub fn besides(&self, resources: &[&str]) -> BTreeMap<String, usize> {
        let mut others = BTreeMap::new();
        for write in self.0.iter().filter(|write| !resources.contains(&write.resource.as_str())) {
            *others.entry(write.resource.clone()).or_default() += 1;
        }
        others
    }

    /// Those that were refused: how many of each resource, and with what answers.
    pub fn refused(&self) -> BTreeMap<String, usize> {
        let mut refused = BTreeMap::new();
        for write in self.0.iter().filter(|write| write.code >= 300) {
            *refused.entry(format!("{} {}", write.resource, write.code)).or_default() += 1;
        }
        refused
    }
}

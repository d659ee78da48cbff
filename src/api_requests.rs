//! Counts every request to the Kubernetes API, whoever in the process sends it: by verb, resource and answer.
//!
//! A watch is counted when it is answered: each further one of a resource is a watch that had to be started again.

use std::task::{Context, Poll};

use axum::http::{Method, Request, Response};
use futures::{FutureExt as _, future::BoxFuture};
use kube::client::Body;
use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tower::{Layer, Service};

use crate::paced::is_watch;

/// The resources that voxsync asks for; what else there may be is one more.
const RESOURCES: [&str; 11] = [
    "codereleases",
    "codesyncs",
    "configs",
    "deployments",
    "events",
    "leases",
    "openapi",
    "pods",
    "replicasets",
    "secrets",
    "servers",
];

type Labels = [(&'static str, String); 3];

/// The requests so far; clones count together. As a layer of a client, it counts that client's.
#[derive(Clone, Debug, Default)]
pub struct ApiRequests(Family<Labels, Counter>);

impl ApiRequests {
    /// Makes the metric and puts it into a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let requests = Self::default();
        registry.register(
            "voxsync_api_requests",
            "Requests to the Kubernetes API, by verb, resource and HTTP code (none: there was no answer)",
            requests.0.clone(),
        );
        requests
    }
}

impl<S> Layer<S> for ApiRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, requests: self.clone() }
    }
}

/// A client's service whose requests are counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    inner: S,
    requests: ApiRequests,
}

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (verb, resource) = kind_of(&request);
        let requests = self.requests.clone();
        let answer = self.inner.call(request);
        async move {
            let answer = answer.await;
            let code =
                answer.as_ref().map_or("none".to_owned(), |answer| answer.status().as_str().to_owned());
            let labels = [("verb", verb.to_owned()), ("resource", resource.to_owned()), ("code", code)];
            requests.0.get_or_create(&labels).inc();
            answer
        }
        .boxed()
    }
}

/// The verb and resource of a request, as Kubernetes calls them.
fn kind_of<B>(request: &Request<B>) -> (&'static str, &'static str) {
    let mut parts = request.uri().path().trim_matches('/').split('/');
    let rest: Vec<&str> = match parts.next() {
        Some("api") => parts.skip(1).collect(),
        Some("apis") => parts.skip(2).collect(),
        Some("openapi") => return ("get", "openapi"),
        _ => Vec::new(),
    };
    let rest = match rest.as_slice() {
        ["namespaces", _, rest @ ..] | rest => rest,
    };
    let plural = rest.first().copied().unwrap_or_default();
    let resource = RESOURCES.iter().find(|known| **known == plural).copied().unwrap_or("other");
    let verb = match *request.method() {
        Method::GET if is_watch(request) => "watch",
        Method::GET if rest.len() > 1 => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    };
    (verb, resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_requests_as_kubernetes_does() {
        for (method, address, wanted) in [
            ("GET", "/apis/voxsync.dev/v1alpha1/codesyncs?limit=500", ("list", "codesyncs")),
            (
                "GET",
                "/apis/voxsync.dev/v1alpha1/namespaces/puppet/codesyncs?&watch=true&x=1",
                ("watch", "codesyncs"),
            ),
            (
                "PUT",
                "/apis/voxsync.dev/v1alpha1/namespaces/puppet/codesyncs/a/status?",
                ("update", "codesyncs"),
            ),
            ("PATCH", "/apis/apps/v1/namespaces/puppet/deployments/compile", ("patch", "deployments")),
            ("GET", "/api/v1/namespaces/puppet/secrets/login", ("get", "secrets")),
            ("POST", "/apis/events.k8s.io/v1/namespaces/puppet/events", ("create", "events")),
            ("GET", "/openapi/v3/apis/voxsync.dev/v1alpha1?hash=1", ("get", "openapi")),
            ("GET", "/version", ("list", "other")),
        ] {
            let request = Request::builder().method(method).uri(address).body(()).unwrap();
            assert_eq!(kind_of(&request), wanted, "{address}");
        }
    }
}

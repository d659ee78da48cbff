use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    response::IntoResponse as _,
};
use clap::Parser as _;
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::{
    answer::Verdict::Deployed,
    named::Registry,
    turned::AskedBy,
    verdict::Question,
    verdict_tests::{at_rest, digest, expect, tag},
    watcher::Watcher,
};
use crate::{
    arguments::{Arguments, Verb},
    one_look::OneLook,
};

const DEADLINE: Duration = Duration::from_mins(1);

/// A registry that is out of order when it is asked first, and where each tag names v2.0.0; and how often it was asked.
async fn registry() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let asked = Arc::<AtomicU64>::default();
    let counted = asked.clone();
    let answer = async move || {
        if counted.fetch_add(1, Ordering::Relaxed) == 0 {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let headers =
            [("docker-content-digest", digest("v2.0.0")), (header::CONTENT_TYPE.as_str(), kind.to_owned())];
        headers.into_response()
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    (host, asked)
}

/// A cluster in which v2.0.0 of this repository is deployed.
fn sandbox(repository: &str) -> Sandbox {
    let sandbox = Sandbox::new(SandboxOptions::default());
    for (_, definition) in voxsync_crds::yaml::definitions() {
        sandbox.install_manifests(&voxsync_crds::yaml::to_yaml(&definition).unwrap()).unwrap();
    }
    let mut code_sync = at_rest("v2.0.0");
    code_sync["metadata"]["namespace"] = json!("default");
    code_sync["spec"]["source"]["registry"]["repository"] = json!(repository);
    code_sync["spec"]["source"]["registry"]["insecure"] = json!(true);
    sandbox.restore(code_sync).unwrap();
    sandbox
}

#[tokio::test]
async fn a_registry_that_was_out_of_order_is_asked_again_though_the_cluster_has_no_news() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (host, asked) = registry().await;
    let sandbox = sandbox(&format!("{host}/code"));

    let Verb::Wait(options) = Arguments::parse_from(["voxsync", "wait", "a"]).verb else {
        panic!("another verb")
    };
    let registry = Registry::new(OneLook::prepare(options.look).await.unwrap());
    let question = Question { selector: tag("production"), stage: None, asked_by: AskedBy::Anyone };
    let client = sandbox.client("default");
    let mut watcher = Watcher::new(client, "default", "production".to_owned(), question, Some(registry));
    let version = watcher.look().await.unwrap();
    assert!(watcher.is_open(), "{:?}", watcher.last);
    tokio::time::timeout(DEADLINE, watcher.watch(version)).await.expect("it asks again").unwrap();
    expect(&watcher.last, Deployed, "tag production names this image: v2.0.0 is deployed in all stages");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

/// Answers as an API server does to who may get, but not watch.
async fn without_watches(request: Request, next: Next) -> axum::response::Response {
    if !request.uri().query().is_some_and(|query| query.contains("watch=true")) {
        return next.run(request).await;
    }
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
        "message": "codesyncs.voxsync.dev is forbidden: User \"ci\" cannot watch resource \"codesyncs\"",
    });
    (StatusCode::FORBIDDEN, Json(status)).into_response()
}

#[tokio::test]
async fn who_may_not_watch_is_told_so_and_not_left_waiting() {
    let router = sandbox("registry.invalid/code").router().layer(from_fn(without_watches));
    let client = Client::new(router, "default");
    let question = Question { selector: tag("v3.0.0"), stage: None, asked_by: AskedBy::Anyone };
    let mut watcher = Watcher::new(client, "default", "production".to_owned(), question, None);
    let version = watcher.look().await.unwrap();
    assert!(watcher.is_open(), "{:?}", watcher.last);
    let ended = tokio::time::timeout(DEADLINE, watcher.watch(version)).await.expect("it ends");
    let why = crate::describe(&ended.unwrap_err());
    assert!(
        why.starts_with("codesync default/production cannot be watched: ") && why.contains("\"ci\""),
        "{why}"
    );
}

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, header},
    response::IntoResponse as _,
};
use clap::Parser as _;
use serde_json::json;
use tokio::net::TcpListener;
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::{
    answer::Verdict::Deployed,
    named::Registry,
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

#[tokio::test]
async fn a_registry_that_was_out_of_order_is_asked_again_though_the_cluster_has_no_news() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (host, asked) = registry().await;
    let sandbox = Sandbox::new(SandboxOptions::default());
    for (_, definition) in voxsync_crds::yaml::definitions() {
        sandbox.install_manifests(&voxsync_crds::yaml::to_yaml(&definition).unwrap()).unwrap();
    }
    let mut code_sync = at_rest("v2.0.0");
    code_sync["metadata"]["namespace"] = json!("default");
    code_sync["spec"]["source"]["registry"]["repository"] = json!(format!("{host}/code"));
    code_sync["spec"]["source"]["registry"]["insecure"] = json!(true);
    sandbox.restore(code_sync).unwrap();

    let Verb::Wait(options) = Arguments::parse_from(["voxsync", "wait", "a"]).verb else {
        panic!("another verb")
    };
    let registry = Registry::new(OneLook::prepare(options.look).await.unwrap());
    let question =
        Question { selector: tag("production"), stage: None, asked_by: crate::wait::turned::AskedBy::Anyone };
    let client = sandbox.client("default");
    let mut watcher = Watcher::new(client, "default", "production".to_owned(), question, Some(registry));
    let version = watcher.look().await.unwrap();
    assert!(watcher.is_open(), "{:?}", watcher.last);
    tokio::time::timeout(DEADLINE, watcher.watch(version)).await.expect("it asks again").unwrap();
    expect(&watcher.last, Deployed, "tag production names this image: v2.0.0 is deployed in all stages");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

//! A webhook for a CodeSync that another process looks at is written down where that one sees it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::http::StatusCode;
use voxsync_crds::annotations::HOOKED_AT;

use super::*;

impl World {
    async fn hooked_at(&self, name: &str) -> Option<String> {
        self.code_syncs().get(name).await.unwrap().metadata.annotations?.get(HOOKED_AT).cloned()
    }
}

#[tokio::test]
async fn a_follower_writes_it_down_until_it_leads() {
    let mut world = World::start().await;
    // As a leader that lost its Lease.
    world.agent = None;
    assert_eq!(world.push(SECRET).await, 202);
    let first = until("it is written down", async || world.hooked_at("production").await).await;
    world.agent = Some(world.bell.listen());
    assert_eq!((world.push(SECRET).await, world.heard().len()), (202, 1));

    world.agent = None;
    for _ in 0..20 {
        assert_eq!(world.push(SECRET).await, 202);
    }
    assert_eq!(world.hooked_at("production").await.as_ref(), Some(&first), "once in a while");
    // It was told that it was taken: the pause is cut short.
    world.running = None;
    let again = async || world.hooked_at("production").await.filter(|second| *second != first);
    until("the last one is written down, too", again).await;
}

#[tokio::test]
async fn another_shard_s_is_written_down() {
    let mut world = World::start_with(|_| HooksOptions::default(), json!({"shard": "another"})).await;
    assert_eq!((world.push(SECRET).await, world.heard().len()), (202, 0));
    until("it is written down", async || world.hooked_at("production").await).await;
}

/// One that the API server takes no write for, and one that it takes late.
#[tokio::test]
async fn what_cannot_be_written_down_holds_up_nothing_and_is_tried_again() {
    let tries = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&tries);
    let mut world = World::start_on(|_| HooksOptions::default(), Value::Null, move |request, server| {
        let is_late = request.uri().path().ends_with("/production") && counted.fetch_add(1, Ordering::Relaxed) == 0;
        let is_stuck = request.uri().path().ends_with("/stuck");
        async move {
            if is_stuck {
                std::future::pending::<()>().await;
            }
            if !is_late {
                return server.send(request).await;
            }
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "busy", "code": 429,
                "reason": "TooManyRequests", "details": {"retryAfterSeconds": 1}});
            let mut answer = Response::new(Body::from(status.to_string().into_bytes()));
            *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            Ok(answer)
        }
    })
    .await;
    world.agent = None;
    world.create("stuck", json!({"type": "github", "secretRef": {"name": "hook"}})).await;
    let signature = signature(SECRET, BODY);
    let headers = [("X-Hub-Signature-256", signature.as_str())];
    until("the CodeSync is known", async || {
        let answer = world.request("POST", "/hooks/puppet/stuck", &headers, BODY).await;
        (answer.status() == 202).then_some(())
    })
    .await;
    assert_eq!(world.push(SECRET).await, 202);
    until("it is written down", async || world.hooked_at("production").await).await;
    assert_eq!((tries.load(Ordering::Relaxed), world.hooked_at("stuck").await), (2, None));
}

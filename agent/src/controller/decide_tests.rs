use std::path::Path;

use serde_json::json;
use voxsync_cluster::{Cluster, Snapshot};
use voxsync_crds::annotations::{APPROVE, APPROVED_BY};
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::*;
use crate::test_options::options;

fn controller(folder: &Path) -> Controller {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Sandbox::new(SandboxOptions::default()).client("puppet");
    Controller::new(client, Cluster::unwatched(Snapshot::default()), &options(folder))
}

/// When a new leader looks first at what an earlier one looked at.
fn first_look(hooked_at: Option<String>, now: Timestamp) -> Option<Timestamp> {
    let folder = tempfile::tempdir().unwrap();
    let mut controller = controller(folder.path());
    let source =
        json!({"interval": "1h", "registry": {"repository": "r.example/code", "tag": {"semver": "*"}}});
    let code_sync: CodeSync = serde_json::from_value(json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {
            "namespace": "puppet", "name": "production", "uid": "1", "generation": 1,
            "annotations": hooked_at.map(|hooked_at| json!({HOOKED_AT: hooked_at})),
        },
        "spec": {"source": source, "target": {"kind": "Config", "name": "production"}},
        "status": {"source": {"tagCount": 1}},
    }))
    .unwrap();
    let key = CodeSyncKey::of(&code_sync);
    controller.cluster.apply(code_sync);
    controller.decide(key, now);
    controller.memory.looks.next_due()
}

#[tokio::test]
async fn a_webhook_that_came_while_nobody_led_is_not_left_until_the_first_look_that_is_due() {
    let now = Timestamp::now();
    let of = |age_minutes: i64| Some((now - SignedDuration::from_mins(age_minutes)).to_string());
    for (hooked_at, is_at_once) in [
        (of(0), true),
        (of(4), true),
        (of(-1), true),
        (of(60), false),
        (Some("now".into()), false),
        (None, false),
    ] {
        let first = first_look(hooked_at.clone(), now).unwrap();
        assert_eq!(first == now, is_at_once, "{hooked_at:?}: {first}, and it is {now}");
    }
}

/// What was stored while it is asked who signed an approval would look as if the approval had come after it.
#[tokio::test]
async fn nothing_is_stored_while_it_is_asked_who_signed_an_approval() {
    let folder = tempfile::tempdir().unwrap();
    let mut controller = controller(folder.path());
    let code_sync: CodeSync = serde_json::from_value(json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {
            "namespace": "puppet", "name": "production", "uid": "1", "generation": 2,
            "annotations": {APPROVE: "sha256:a", APPROVED_BY: "jane"},
        },
        "spec": {"source": {"file": {"path": "x"}}, "target": {"kind": "Config", "name": "production"}},
        "status": {"observedGeneration": 1},
    }))
    .unwrap();
    let key = CodeSyncKey::of(&code_sync);
    controller.cluster.apply(code_sync);
    controller.decide(key.clone(), Timestamp::now());
    assert_eq!(controller.passes.len(), 0, "the status would change");
    controller.vouching.begin(&controller.client);
    let answer = controller.vouching.next().await.expect("an answer");
    controller.vouched(answer);
    controller.decide(key, Timestamp::now());
    assert_eq!(controller.passes.len(), 1);
}

#[test]
fn what_two_commits_named_is_kept_twice() {
    let image = |commit: &str| json!({"repository": "a", "digest": "1", "sourceRevision": commit, "namedBy": {"commit": commit}});
    let promotion = |commit: &str| {
        json!({
            "id": "first", "trigger": "Source", "startedAt": "2026-01-01T00:00:00Z", "candidate": image(commit),
        })
    };
    let keys = json!({"git": {"keys": {"secretRef": {"name": "signers"}}}});
    for (promoted, wanted) in [("one", vec!["two", "one"]), ("two", vec!["two"])] {
        let code_sync: CodeSync = serde_json::from_value(json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": "production"},
            "spec": {"source": {}, "verify": keys, "target": {"kind": "Config", "name": "production"}},
            "status": {"candidate": image("two"), "promotion": promotion(promoted)},
        }))
        .unwrap();
        let commits: Vec<String> =
            kept(&code_sync).into_iter().map(|kept| kept.named_by.unwrap().commit).collect();
        assert_eq!(commits, wanted);
    }
}

#[tokio::test]
async fn a_check_that_nobody_wants_any_more_gives_its_place_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut controller = controller(folder.path());
    // Whoever connects hears nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let check = json!({"name": "web", "timeout": "1m", "http": {"url": url}});
    let spec = serde_json::from_value(json!({
        "source": {"file": {"path": "x"}},
        "stages": [{"name": "canary", "targets": [{"kind": "Server", "name": "canary"}], "checks": [check]}],
    }))
    .unwrap();
    let run = voxsync_promotion::CheckRun {
        stage: "canary".to_owned(),
        check: "web".to_owned(),
        promotion: "p".to_owned(),
        reference: "r".to_owned(),
        since: Timestamp::UNIX_EPOCH,
        servers: vec![],
    };
    let key = CodeSyncKey { namespace: "puppet".to_owned(), name: "production".to_owned() };
    let now = Timestamp::now();
    controller.memory.checks.want((&key, "1"), &spec, vec![run], now);
    controller.work(now).await;
    assert_eq!(controller.asked.len(), 1);
    controller.memory.checks.forget(&key);
    controller.work(now).await;
    let ended = controller.checks.join_next_with_id().await.unwrap();
    assert!(ended.as_ref().is_err_and(tokio::task::JoinError::is_cancelled));
    controller.checked(ended);
    assert!(controller.asked.is_empty());
}

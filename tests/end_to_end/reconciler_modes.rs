//! The reconciler beside an operator and without one, and how much it writes in each of its modes.

use serde_json::{Value, json};
use voxsync_reconciler::Mode;

use crate::harness::{
    Case, Cluster, Needs, NewServer, Operator, Release, Voxsync, cases,
    rollouts::{code_images, revision},
    status::{DEADLINE, assert_says},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    beside_an_old_operator_five_promotions_are_five_revisions => Needs::BOTH_SHAPES,
    beside_a_newer_operator_five_promotions_are_five_revisions => Needs::BOTH_SHAPES,
    without_its_operator_five_promotions_are_five_revisions => Needs::BOTH_SHAPES,
    without_any_operator_the_template_is_written_at_once => Needs::BOTH_SHAPES,
    cooperative_beside_an_operator_five_promotions_are_five_revisions => Needs::BOTH_SHAPES,
    cooperative_only_asks => Needs::BOTH_SHAPES,
    observe_writes_nothing => Needs::BOTH_SHAPES,
];

const FIRST: &str = "registry.example/code:v1";
const REQUESTED_CODE: &str = "voxsync.dev/requested-code";

async fn beside_an_old_operator_five_promotions_are_five_revisions(cluster: &Cluster) {
    five_promotions(cluster, Mode::Full, Some(Release::V0_6)).await;
}

async fn beside_a_newer_operator_five_promotions_are_five_revisions(cluster: &Cluster) {
    five_promotions(cluster, Mode::Full, Some(Release::Newer)).await;
}

async fn without_its_operator_five_promotions_are_five_revisions(cluster: &Cluster) {
    five_promotions(cluster, Mode::Full, None).await;
}

async fn cooperative_beside_an_operator_five_promotions_are_five_revisions(cluster: &Cluster) {
    five_promotions(cluster, Mode::Cooperative, Some(Release::V0_6)).await;
    for server in ["server", "canary"] {
        let written = managers(&cluster.get("Deployment", server).await);
        assert!(!written.iter().any(|manager| manager == "voxsync"), "{server} was written by {written:?}");
    }
}

async fn without_any_operator_the_template_is_written_at_once(cluster: &Cluster) {
    cluster.create_config("production", Some(cluster.code(FIRST))).await;
    cluster.create_server_by_hand(&NewServer::default()).await;
    cluster.rolled("server", &[FIRST]).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    let before = cluster.get("Server", "server").await;
    for number in 2..=6 {
        let reference = format!("registry.example/code:v{number}");
        cluster.set_code("production", cluster.code(&reference)).await;
        let deployment = cluster.rolled("server", &[&reference]).await;
        assert_eq!(revision(&deployment), number.to_string());
        assert!(managers(&deployment).iter().any(|manager| manager == "voxsync"));
    }
    assert_eq!(cluster.get("Server", "server").await, before, "nobody is there to be asked");
}

async fn cooperative_only_asks(cluster: &Cluster) {
    at_rest_by_hand(cluster).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Cooperative);
    let before = cluster.get("Deployment", "server").await;
    let second = "registry.example/code:v2";
    cluster.set_code("production", cluster.code(second)).await;
    let asked = wait_for("the Server is annotated", DEADLINE, async || {
        let server = cluster.get("Server", "server").await;
        let value = &server["metadata"]["annotations"][REQUESTED_CODE];
        if *value == second { Ok(server) } else { Err(value.to_string()) }
    })
    .await;
    cluster.everything_was_seen().await;
    assert_eq!(cluster.get("Deployment", "server").await, before);
    assert_eq!(cluster.get("Server", "server").await, asked, "it asks once");
    assert_eq!(managers(&asked), ["kubectl-edit", "voxsync"]);
}

async fn observe_writes_nothing(cluster: &Cluster) {
    at_rest_by_hand(cluster).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Observe);
    let missing = "registry.example/missing:v2";
    cluster.set_code("production", cluster.code(missing)).await;
    let config = cluster.get("Config", "production").await;
    let before = cluster.versions(&["server", "canary"]).await;
    cluster.everything_was_seen().await;
    assert_eq!(cluster.versions(&["server", "canary"]).await, before);
    assert_eq!(cluster.get("Config", "production").await, config);

    // What others bring in is reported.
    let _operator = Operator::start(cluster, Release::Newer);
    assert_says(&cluster.event("server", "RolloutStuck").await, &["the code image", missing]);
    for server in ["server", "canary"] {
        let found = cluster.get("Server", server).await;
        assert_eq!(found["metadata"]["annotations"][REQUESTED_CODE], Value::Null, "{server}");
        let written = managers(&cluster.get("Deployment", server).await);
        assert!(!written.iter().any(|manager| manager == "voxsync"), "{server} was written by {written:?}");
    }
}

/// Five changes of the Config's code and of a Server's own, one after the other.
async fn five_promotions(cluster: &Cluster, mode: Mode, release: Option<Release>) {
    at_rest(cluster).await;
    let _operator = release.map(|release| Operator::start(cluster, release));
    let _voxsync = Voxsync::reconciler(cluster, mode);
    for number in 2..=6 {
        let [shared, own] = ["code", "own"].map(|name| format!("registry.example/{name}:v{number}"));
        cluster.set_code("production", cluster.code(&shared)).await;
        cluster.patch("Server", "canary", json!({"spec": {"code": cluster.code(&own)}})).await;
        for (server, reference) in [("server", &shared), ("canary", &own)] {
            let deployment = cluster.rolled(server, &[reference]).await;
            assert_eq!(revision(&deployment), number.to_string(), "{server} on {reference}");
        }
    }
    cluster.everything_was_seen().await;
    for server in ["server", "canary"] {
        assert_eq!(revision(&cluster.get("Deployment", server).await), "6", "{server}");
    }
}

/// The Config `production` with a Server, and another with code of its own, rolled out.
async fn at_rest(cluster: &Cluster) {
    cluster.create_config("production", Some(cluster.code(FIRST))).await;
    let own = Some(cluster.code("registry.example/own:v1"));
    for (name, code) in [("server", None), ("canary", own)] {
        cluster.create_server(&NewServer { name, code, ..NewServer::default() }).await;
    }
    for (name, image) in [("server", FIRST), ("canary", "registry.example/own:v1")] {
        let deployment = cluster.rolled(name, &[image]).await;
        assert_eq!((code_images(&deployment), revision(&deployment)), (vec![image], "1"));
    }
}

/// As before, but without an operator's mark on the Deployments: in full mode they would be written at once.
async fn at_rest_by_hand(cluster: &Cluster) {
    at_rest(cluster).await;
    for server in ["server", "canary"] {
        cluster.patch("Deployment", server, json!({"metadata": {"ownerReferences": null}})).await;
    }
}

/// Who wrote an object.
fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array();
    let mut names: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter(|entry| entry["subresource"].is_null())
        .map(|entry| entry["manager"].as_str().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

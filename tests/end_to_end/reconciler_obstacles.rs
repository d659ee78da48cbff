//! What the reconciler does not write, and says instead: nothing to write to, somebody else's, paused, put back.

use serde_json::{Value, json};
use voxsync_reconciler::Mode;

use crate::harness::{
    Case, Cluster, Needs, NewServer, Recorder, Voxsync, cases,
    rollouts::{code_images, revision},
    status::assert_says,
};

pub(crate) const CASES: &[Case] = cases![
    a_missing_deployment_is_said_and_not_made => Needs::BOTH_SHAPES,
    a_deployment_without_the_main_container_is_left_alone => Needs::BOTH_SHAPES,
    a_foreign_owners_deployment_is_left_alone => Needs::BOTH_SHAPES,
    a_deployment_of_other_pods_is_left_alone,
    a_missing_config_is_said_and_nothing_written,
    a_nonsense_reference_is_not_written => Needs::BOTH_SHAPES,
    a_deployment_paused_by_a_person_stays_paused => Needs::BOTH_SHAPES,
    a_paused_config_or_server_is_left_alone => Needs::BOTH_SHAPES,
    what_is_put_back_twice_stays_and_is_said => Needs::BOTH_SHAPES,
];

const FIRST: &str = "registry.example/code:v1";
const SECOND: &str = "registry.example/code:v2";
const THIRD: &str = "registry.example/code:v3";

async fn a_missing_deployment_is_said_and_not_made(cluster: &Cluster) {
    cluster.create_config("production", Some(cluster.code(FIRST))).await;
    cluster.create_server_alone(&NewServer::default()).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    assert_says(&cluster.event("server", "DeploymentMissing").await, &["no Deployment", "openvox-operator"]);
    cluster.patch("Server", "server", json!({"metadata": {"annotations": {"example.org/note": "1"}}})).await;
    let before = cluster.get("Server", "server").await;
    cluster.everything_was_seen().await;
    assert_eq!(cluster.try_get("Deployment", "server").await, None);
    assert_eq!(cluster.get("Server", "server").await, before);
    assert_eq!(said(cluster, "server").await, ["DeploymentMissing"], "said once");

    // Another tool makes it at last.
    cluster.create(bare_deployment("server", "openvox-server")).await;
    cluster.rolled("server", &[FIRST]).await;
}

async fn a_deployment_without_the_main_container_is_left_alone(cluster: &Cluster) {
    let said = refused(cluster, bare_deployment("server", "puppet"), "NoMainContainer").await;
    assert_says(&said, &["openvox-server"]);
}

async fn a_foreign_owners_deployment_is_left_alone(cluster: &Cluster) {
    let owner = cluster.create(json!({"kind": "ConfigMap", "metadata": {"name": "somebody"}})).await;
    let mut deployment = bare_deployment("server", "openvox-server");
    deployment["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "somebody", "uid": owner["metadata"]["uid"], "controller": true,
    }]);
    let said = refused(cluster, deployment, "ForeignOwner").await;
    assert_says(&said, &["ConfigMap", "somebody"]);
}

async fn a_deployment_of_other_pods_is_left_alone(cluster: &Cluster) {
    let mut deployment = bare_deployment("another", "openvox-server");
    deployment["metadata"]["name"] = json!("server");
    let said = refused(cluster, deployment, "OtherSelector").await;
    assert_says(&said, &["openvox.voxpupuli.org/server=server"]);
}

async fn a_missing_config_is_said_and_nothing_written(cluster: &Cluster) {
    at_rest(cluster).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    let before = cluster.versions(&["server"]).await;
    cluster.delete("Config", "production").await;
    assert_says(&cluster.event("server", "ConfigMissing").await, &["production"]);
    cluster.everything_was_seen().await;
    assert_eq!(cluster.versions(&["server"]).await, before);
}

async fn a_nonsense_reference_is_not_written(cluster: &Cluster) {
    at_rest(cluster).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    let before = cluster.versions(&["server"]).await;
    cluster.set_code("production", cluster.code("not a valid ref!!")).await;
    assert_says(&cluster.event("server", "BadReference").await, &["spec.code", "not a valid ref!!"]);
    cluster.everything_was_seen().await;
    assert_eq!(cluster.versions(&["server"]).await, before);
}

async fn a_deployment_paused_by_a_person_stays_paused(cluster: &Cluster) {
    at_rest(cluster).await;
    cluster.patch("Deployment", "server", json!({"spec": {"paused": true}})).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    cluster.set_code("production", cluster.code(SECOND)).await;
    cluster.template_with("server", &[SECOND]).await;
    cluster.everything_was_seen().await;
    let deployment = cluster.get("Deployment", "server").await;
    assert_eq!((&deployment["spec"]["paused"], revision(&deployment)), (&json!(true), "1"));

    cluster.patch("Deployment", "server", json!({"spec": {"paused": null}})).await;
    assert_eq!(revision(&cluster.rolled("server", &[SECOND]).await), "2");
}

async fn a_paused_config_or_server_is_left_alone(cluster: &Cluster) {
    at_rest(cluster).await;
    let pause = |value: Value| json!({"metadata": {"annotations": {"openvox.voxpupuli.org/paused": value}}});
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    for (kind, name, wanted) in [("Config", "production", SECOND), ("Server", "server", THIRD)] {
        cluster.patch(kind, name, pause(json!("true"))).await;
        // No change of the one may overtake the pause of the other.
        cluster.everything_was_seen().await;
        let before = cluster.versions(&["server"]).await;
        cluster.set_code("production", cluster.code(wanted)).await;
        cluster.everything_was_seen().await;
        assert_eq!(cluster.versions(&["server"]).await, before, "{kind} is paused");
        cluster.patch(kind, name, pause(Value::Null)).await;
        cluster.rolled("server", &[wanted]).await;
    }
}

async fn what_is_put_back_twice_stays_and_is_said(cluster: &Cluster) {
    cluster.create_config("production", Some(cluster.code(FIRST))).await;
    cluster.create_server_by_hand(&NewServer::default()).await;
    cluster.rolled("server", &[FIRST]).await;
    let recorder = Recorder::start(cluster, &["Deployment"]).await;
    let somebody = cluster.puts_back("server", SECOND, FIRST);
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    cluster.set_code("production", cluster.code(SECOND)).await;
    assert_says(&cluster.event("server", "PutBack").await, &[FIRST, SECOND, "2 times"]);
    cluster.everything_was_seen().await;

    let server = cluster.get("Server", "server").await;
    assert_eq!(server["metadata"]["annotations"]["voxsync.dev/requested-code"], SECOND);
    let versions = recorder.versions("Deployment", "server");
    let images: Vec<_> = versions.iter().map(|version| code_images(version).join(",")).collect();
    let written = images.windows(2).filter(|pair| pair[0] == FIRST && pair[1] == SECOND).count();
    assert_eq!((written, images.last().map(String::as_str)), (2, Some(FIRST)), "{images:?}");
    // Another change is another try.
    cluster.set_code("production", cluster.code(THIRD)).await;
    cluster.rolled("server", &[THIRD]).await;
    somebody.abort();
}

/// The Config `production` on the first code, and a Server of it, rolled out.
async fn at_rest(cluster: &Cluster) {
    cluster.create_config("production", Some(cluster.code(FIRST))).await;
    cluster.create_server(&NewServer::default()).await;
    cluster.rolled("server", &[FIRST]).await;
}

/// Asserts that the reconciler refuses to write a Deployment for that reason, and gives what it says.
async fn refused(cluster: &Cluster, deployment: Value, reason: &str) -> String {
    cluster.create_config("production", Some(cluster.code(FIRST))).await;
    cluster.create_server_alone(&NewServer::default()).await;
    cluster.create(deployment).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    let message = cluster.event("server", reason).await;
    cluster.set_code("production", cluster.code(SECOND)).await;
    cluster.everything_was_seen().await;
    let deployment = cluster.get("Deployment", "server").await;
    assert_eq!((&deployment["metadata"]["generation"], code_images(&deployment).len()), (&json!(1), 0));
    assert_eq!(said(cluster, "server").await, [reason], "said once");
    message
}

/// The reasons of the events about a Server.
async fn said(cluster: &Cluster, server: &str) -> Vec<String> {
    let events = cluster.list("Event").await;
    let about = events.iter().filter(|event| event["involvedObject"]["kind"] == "Server");
    about
        .filter(|event| event["involvedObject"]["name"] == server)
        .map(|event| event["reason"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// A Deployment for a Server of that name, as a person might write it.
fn bare_deployment(server: &str, container: &str) -> Value {
    let labels = json!({"openvox.voxpupuli.org/server": server});
    let containers = json!([{"name": container, "image": "registry.example/openvox-server:8"}]);
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": containers}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
    json!({"kind": "Deployment", "metadata": {"name": server}, "spec": spec})
}

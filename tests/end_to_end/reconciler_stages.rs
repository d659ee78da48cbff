//! What a promotion makes of the reconciler's work: a stage is done when its pods run the code, and never before.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{
    Case, Cluster, Halves, Needs, NewServer, Recorder, Voxsync, cases,
    estate::{Estate, PRODUCTION},
    rollouts::{code_images, revision},
    status::{DEADLINE, assert_says, phase, text, waits_for},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    without_the_reconciler_a_stage_does_not_complete => Needs::BOTH_SHAPES,
    a_stuck_rollout_is_reported_within_five_seconds => Needs::BOTH_SHAPES,
    a_persons_pause_holds_the_stage_and_is_not_a_failure => Needs::BOTH_SHAPES,
    a_helm_upgrade_leaves_the_first_code => Needs::BOTH_SHAPES,
];

/// From the pod's own state to the CodeSync's status and the Server's event.
const REPORT_DEADLINE: Duration = Duration::from_secs(5);

async fn without_the_reconciler_a_stage_does_not_complete(cluster: &Cluster) {
    let mut estate = Estate::staged(cluster, "0s").await;
    estate.voxsync = None;
    let recorder = Recorder::start(cluster, &["CodeSync", "Deployment"]).await;
    estate.voxsync = Some(Voxsync::start_with(cluster, Halves { reconciler: None, ..Halves::default() }));
    let before = cluster.get("Config", PRODUCTION).await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    cluster
        .status_when(PRODUCTION, "the canary is written", |status| phase(status, "canary") == "Rolling")
        .await;
    assert_eq!(cluster.code_of("Server", "canary").await, wanted);
    for _ in 0..2 {
        let status = cluster.look(PRODUCTION).await;
        assert_eq!(phase(&status, "canary"), "Rolling", "{status}");
    }
    assert_eq!(cluster.get("Config", PRODUCTION).await, before);
    assert_ne!(cluster.template_of("canary").await, [wanted.as_str()]);

    estate.voxsync = None;
    estate.voxsync = Some(Voxsync::start(cluster));
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    let in_template = recorder.first("Deployment", "canary", |found| code_images(found) == [wanted.as_str()]);
    let is_passed = |found: &Value| {
        let status = &found["status"];
        status["candidate"]["name"] == "v1.1.0"
            && ["Soaking", "Deployed"].contains(&phase(status, "canary"))
            && status["stages"][0]["reference"] == *wanted
    };
    assert!(in_template < recorder.first("CodeSync", PRODUCTION, is_passed));
}

async fn a_stuck_rollout_is_reported_within_five_seconds(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "0s").await;
    let before = cluster.get("Config", PRODUCTION).await;
    let wanted = estate.push("v1.1.0-missing").await;
    wait_for("a pod that cannot pull its code image", DEADLINE, async || {
        let pods = cluster.list("Pod").await;
        let waiting =
            pods.iter().map(|pod| text(&pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]));
        let reasons: Vec<_> = waiting.collect();
        if reasons.contains(&"ImagePullBackOff") { Ok(()) } else { Err(format!("{reasons:?}")) }
    })
    .await;
    wait_for("CodeSync and Server say so", REPORT_DEADLINE, async || {
        let status = cluster.get("CodeSync", PRODUCTION).await["status"].clone();
        let events = cluster.list("Event").await;
        let is_said = events
            .iter()
            .any(|event| event["reason"] == "RolloutStuck" && event["involvedObject"]["name"] == "canary");
        let phase = phase(&status, "canary");
        if ["RollingBack", "Failed"].contains(&phase) && is_said {
            Ok(())
        } else {
            Err(format!("{phase}, event: {is_said}"))
        }
    })
    .await;
    assert_says(
        &cluster.event("canary", "RolloutStuck").await,
        &["ImagePullBackOff", "the code image", &wanted],
    );
    let is_back = |status: &Value| !waits_for(status, "RolledBack").is_empty();
    let status = cluster.status_when(PRODUCTION, "it is given back", is_back).await;
    assert_says(waits_for(&status, "RolledBack"), &["canary", "ImagePullBackOff"]);
    assert_eq!(cluster.get("Config", PRODUCTION).await, before, "the later stage, to the byte");
}

async fn a_persons_pause_holds_the_stage_and_is_not_a_failure(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "0s").await;
    cluster.patch("Deployment", "canary", json!({"spec": {"paused": true}})).await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    cluster.template_with("canary", &[&wanted]).await;
    let status = cluster
        .status_when(PRODUCTION, "it waits for the person", |status| {
            !waits_for(status, "PausedByPerson").is_empty()
        })
        .await;
    assert_eq!(phase(&status, "canary"), "Rolling");
    let deployment = cluster.get("Deployment", "canary").await;
    assert_eq!((&deployment["spec"]["paused"], revision(&deployment)), (&json!(true), "1"));

    cluster.patch("Deployment", "canary", json!({"spec": {"paused": null}})).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
}

async fn a_helm_upgrade_leaves_the_first_code(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    cluster.create_config("fresh", None).await;
    cluster.create_server(&NewServer { name: "fresh", config: "fresh", ..NewServer::default() }).await;
    let target = json!({"kind": "Config", "name": "fresh"});
    cluster.create_code_sync("fresh", json!({"source": estate.source(), "target": target})).await;
    cluster.deployed("fresh", "v1.0.0").await;
    let wanted = cluster.code_of("Config", "fresh").await;
    assert_eq!(cluster.template_of("fresh").await, [wanted.as_str()]);

    // Helm 3 sends what changed between the old and the new manifest; Helm 4 applies the new one. Neither names code.
    let image = |tag: &str| json!({"repository": "ghcr.io/slauger/openvox-server", "tag": tag});
    let helm3 = Patch::Merge(json!({"spec": {"image": image("8.12.2")}}));
    let helm4 = Patch::Apply(json!({
        "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Config", "metadata": {"name": "fresh"},
        "spec": {"image": image("8.12.3")},
    }));
    let merge = PatchParams { field_manager: Some("helm".to_owned()), ..PatchParams::default() };
    for (parameters, upgrade) in [(merge, helm3), (PatchParams::apply("helm").force(), helm4)] {
        let upgraded = cluster.api("Config").patch("fresh", &parameters, &upgrade).await;
        upgraded.unwrap_or_else(|error| panic!("{upgrade:?}: {error}"));
        let status = cluster.look("fresh").await;
        assert_eq!((&status["deployed"]["name"], status.get("holds")), (&json!("v1.0.0"), None));
        assert_eq!(cluster.code_of("Config", "fresh").await, wanted);
    }
    assert_eq!(revision(&cluster.rolled("fresh", &[&wanted]).await), "2");
}

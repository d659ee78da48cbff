//! Gates without a promotion: what a reconciler makes of those that it finds.

use serde_json::json;

use crate::{
    audit::audit_when,
    harness::{
        Case, Cluster, Needs, Recorder, cases,
        estate::{Estate, PRODUCTION},
        gated::{assert_free, half_way, is_held, pause},
        rollouts::code_images,
        status::assert_says,
    },
};

pub(crate) const CASES: &[Case] = cases![
    an_orphaned_gate_is_resolved_at_start => Needs::BOTH_SHAPES,
    an_orphaned_gate_is_lifted_when_the_others_run_the_code,
    an_orphaned_gate_stays_and_is_said_where_nobody_runs_the_code,
];

/// Deletes the CodeSync while voxsync does not run, and so does not give back anything.
async fn orphan(cluster: &Cluster, estate: &mut Estate) {
    estate.kill();
    cluster.patch("CodeSync", PRODUCTION, json!({"metadata": {"finalizers": null}})).await;
    cluster.delete("CodeSync", PRODUCTION).await;
    assert!(is_held(&cluster.get("Deployment", "ca").await));
}

async fn an_orphaned_gate_is_resolved_at_start(cluster: &Cluster) {
    let (mut estate, _) = half_way(cluster).await;
    orphan(cluster, &mut estate).await;
    let first = estate.tagged("v1.0.0");
    cluster.set_code(PRODUCTION, cluster.code(&first)).await;
    let recorder = Recorder::start(cluster, &["Deployment"]).await;
    estate.start_again(cluster);
    assert_free(cluster, "ca", &first, "1").await;
    let right = recorder.first("Deployment", "ca", |found| code_images(found) == [first.as_str()]);
    let lifted = recorder.first("Deployment", "ca", |found| !is_held(found));
    assert!(right < lifted, "first the template, then the gate");
    assert_says(&cluster.event("ca", "GateLifted").await, &["its pods run the code"]);
}

async fn an_orphaned_gate_is_lifted_when_the_others_run_the_code(cluster: &Cluster) {
    let (mut estate, wanted) = half_way(cluster).await;
    orphan(cluster, &mut estate).await;
    estate.start_again(cluster);
    assert_says(&cluster.event("ca", "OrphanedGate").await, &["kubectl patch deployment ca", "null"]);
    cluster.patch("Deployment", "compile", pause(false)).await;
    assert_free(cluster, "compile", &wanted, "2").await;
    assert_free(cluster, "ca", &wanted, "2").await;
}

async fn an_orphaned_gate_stays_and_is_said_where_nobody_runs_the_code(cluster: &Cluster) {
    let (mut estate, wanted) = half_way(cluster).await;
    orphan(cluster, &mut estate).await;
    estate.start_again(cluster);
    let message = cluster.event("ca", "OrphanedGate").await;
    cluster.everything_was_seen().await;
    assert!(is_held(&cluster.get("Deployment", "ca").await));
    let rows = audit_when(cluster, "the orphan", |verdicts, _| verdicts["ca"] == "Gated").await;
    let row = rows.iter().find(|row| row["server"] == "ca").expect("one row a Server");
    assert_says(row["message"].as_str().expect("text"), &["kubectl patch deployment ca", "--type merge"]);
    // The command that it names, as a shell would read it.
    let patch = message.split('\'').nth(1).expect("a patch in quotes");
    cluster.patch("Deployment", "ca", serde_json::from_str(patch).expect("a JSON patch")).await;
    assert_free(cluster, "ca", &wanted, "2").await;
}

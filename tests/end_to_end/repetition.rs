//! Events say something once: what is still wrong after a restart is not said again.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use crate::harness::{
    Case, Cluster, Needs, Process, cases,
    estate::{Estate, PRODUCTION},
    status::text,
    wait_for,
};

const DEADLINE: Duration = Duration::from_mins(4);

pub(crate) const CASES: &[Case] = cases![
    a_restart_says_nothing_again => Needs::BOTH_SHAPES,
    an_event_that_is_said_again_is_counted,
];

/// A candidate that cannot run and a target that a person changed, both told of; then voxsync starts again, twice.
async fn a_restart_says_nothing_again(cluster: &Cluster) {
    let mut estate = Estate::staged(cluster, "1s").await;
    // What cannot run stays as it is.
    cluster.change_code_sync(PRODUCTION, json!({"rollback": {"mode": "Manual"}})).await;
    estate.push("v1.1.0-missing").await;
    cluster.event(PRODUCTION, "PromotionFailed").await;
    cluster.event("canary", "RolloutStuck").await;
    let by_hand = json!({"spec": {"code": cluster.code(&estate.tagged("v0.9.0"))}});
    cluster.patch("Config", PRODUCTION, by_hand).await;
    cluster.event(PRODUCTION, "Held").await;
    wait_for("the code of the person to be told of", DEADLINE, async || {
        let said = events(cluster).await;
        let is_meant =
            |what: &String| what.starts_with("compile: RolloutComplete") && what.contains("v0.9.0");
        if said.keys().any(is_meant) { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    estate.kill();
    let before = events(cluster).await;
    for restart in ["the first restart", "the second restart"] {
        let process = Process::start(cluster);
        cluster.look(PRODUCTION).await;
        // The canary is still stuck: a new process finds out that it was said already.
        let metrics = wait_for("the event that is there already", DEADLINE, async || {
            let metrics = process.get("/metrics").await.map_err(|error| error.to_string())?;
            let found = r#"voxsync_api_requests_total{verb="get",resource="events",code="200"}"#;
            if metrics.contains(found) { Ok(metrics) } else { Err(metrics) }
        })
        .await;
        process.signal("-TERM");
        let ended = async || process.ended().ok_or_else(|| "it still runs".to_owned());
        wait_for("the process to end", DEADLINE, ended).await;
        assert_eq!(events(cluster).await, before, "{restart}: {metrics}");
    }
}

async fn an_event_that_is_said_again_is_counted(cluster: &Cluster) {
    let regarding = serde_json::from_value(json!({
        "kind": "Config", "apiVersion": "openvox.voxpupuli.org/v1alpha1", "name": "production", "uid": "1",
        "namespace": cluster.namespace(),
    }));
    let regarding: k8s_openapi::api::core::v1::ObjectReference = regarding.expect("a reference");
    let news = voxsync_event::News {
        reporter: "voxsync.dev/test",
        action: "Test",
        severity: voxsync_event::Severity::Warning,
        reason: "Tested",
        note: "it is tested",
    };
    let start = jiff::Timestamp::now();
    for minutes in [0, 1, 10, 11, 20] {
        let now = start + jiff::SignedDuration::from_mins(minutes);
        let said = voxsync_event::publish(&cluster.voxsync_client(), regarding.clone(), news, now).await;
        said.expect("the account of voxsync may say it");
    }
    let found = cluster.list("Event").await;
    let [event] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(event["series"]["count"], 3, "{event}");
    assert_eq!([&event["message"], &event["reason"]], ["it is tested", "Tested"]);
}

/// What was said so far, with the version of each event.
async fn events(cluster: &Cluster) -> BTreeMap<String, String> {
    let found = cluster.list("Event").await;
    let is_ours = |event: &&serde_json::Value| text(&event["reportingComponent"]).starts_with("voxsync");
    let said = found.iter().filter(is_ours).map(|event| {
        let [about, reason, message] =
            [&event["involvedObject"]["name"], &event["reason"], &event["message"]].map(text);
        (format!("{about}: {reason}: {message}"), text(&event["metadata"]["resourceVersion"]).to_owned())
    });
    said.collect()
}

//! CodeSyncs that follow each other: what the one has released is the candidate of the next.

use serde_json::{Value, json};

use crate::harness::{
    Case, Cluster, cases,
    estate::{Estate, PRODUCTION, bare_server},
    status::{assert_says, waits_for},
};

pub(crate) const CASES: &[Case] = cases![what_one_has_released_is_the_candidate_of_the_next];

fn following(source: &Value, config: &str) -> Value {
    json!({"source": {"codeSync": source}, "image": {"insecure": true},
           "target": {"kind": "Config", "name": config}})
}

async fn what_one_has_released_is_the_candidate_of_the_next(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    for config in ["early", "late"] {
        bare_server(cluster, config).await;
    }
    cluster.create_code_sync("late", following(&json!({"name": PRODUCTION}), "late")).await;
    let status = cluster
        .status_when("late", "it says what it waits for", |status| {
            !waits_for(status, "NoSuchCodeSync").is_empty()
        })
        .await;
    assert_says(waits_for(&status, "NoSuchCodeSync"), &["/production"]);

    let early = following(&json!({"name": PRODUCTION, "stage": "canary"}), "early");
    cluster.create_code_sync("early", early).await;
    cluster.create_code_sync(PRODUCTION, estate.stages("1h")).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    cluster.deployed("early", "v1.0.0").await;
    // All of it was taken over as it was, a tag alone: that may be something else by now.
    let says_so = |status: &Value| waits_for(status, "NoDigest").contains("v1.0.0, which has no digest");
    cluster.status_when("late", "it takes no tag alone", says_so).await;
    estate.push_and_look(cluster, "v1.1.0").await;
    cluster.status_when(PRODUCTION, "the canary soaks", |status| !waits_for(status, "Soak").is_empty()).await;
    let spec = json!({"stages": [
        {"name": "canary", "targets": [{"kind": "Server", "name": "canary"}], "soak": "0s"},
        {"name": "production", "targets": [{"kind": "Config", "name": PRODUCTION}], "soak": "1h"},
    ]});
    cluster.change_code_sync(PRODUCTION, spec).await;
    let status = cluster.deployed("early", "v1.1.0").await;
    assert_eq!(
        [&status["source"]["summary"], &status["source"]["revision"]],
        ["codesync production/canary", "v1.1.0"]
    );
    let late = cluster.get("CodeSync", "late").await["status"].clone();
    assert!(late["candidate"].is_null(), "not all stages of production run v1.1.0: {late}");
    cluster.change_code_sync(PRODUCTION, json!({"stages": estate.stages("0s")["stages"]})).await;
    cluster.deployed("late", "v1.1.0").await;
}

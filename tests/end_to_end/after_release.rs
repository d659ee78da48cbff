//! Checks after the release: what fails then is told, and goes back where that is asked for.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::{
    checks::{checked, server},
    harness::{
        Case, Cluster, cases,
        estate::{Estate, PRODUCTION},
        status::{assert_says, text, waits_for},
    },
};

pub(crate) const CASES: &[Case] = cases![what_fails_after_its_release_is_told_or_goes_back];

fn after_release(action: &str) -> Value {
    json!({"afterRelease": {"duration": "1h", "action": action}})
}

async fn what_fails_after_its_release_is_told_or_goes_back(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let (url, server) = server().await;
    let check = json!({"name": "answers", "interval": "1s", "timeout": "1s", "http": {"url": url}});
    let mut spec = checked(&estate, "0s", &check);
    spec["rollback"] = after_release("Report");
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let good = estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;

    server.store(500, Ordering::Relaxed);
    let status = cluster.condition(PRODUCTION, "Ready", "False", "CheckFailed").await;
    assert_says(
        waits_for(&status, "CheckFailed"),
        &["it answers 500, not 200", "voxsync rollback production"],
    );
    assert_says(&cluster.event(PRODUCTION, "CheckFailed").await, &["after the release of v1.1.0"]);
    assert_eq!(
        (&status["deployed"]["name"], cluster.code_of("Config", PRODUCTION).await),
        (&json!("v1.1.0"), good.clone()),
        "only told"
    );
    server.store(200, Ordering::Relaxed);
    let holds = |status: &Value| waits_for(status, "CheckFailed").contains("is called well again");
    cluster.status_when(PRODUCTION, "it holds, and is called well in a while", holds).await;

    cluster.change_code_sync(PRODUCTION, json!({"rollback": after_release("Rollback")})).await;
    let digest = estate.push("v1.2.0").await;
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    server.store(500, Ordering::Relaxed);
    let is_back = |status: &Value| {
        status["deployed"]["name"] == "v1.1.0"
            && status["promotion"].is_null()
            && status["quarantine"][0]["digest"] == *digest
    };
    let status = cluster.status_when(PRODUCTION, "it goes back, and is in quarantine", is_back).await;
    for (kind, name) in [("Server", "canary"), ("Config", PRODUCTION)] {
        assert_eq!(cluster.code_of(kind, name).await, good);
    }
    let last = |place: usize| {
        ["name", "trigger", "outcome"].map(|field| text(&status["history"][place][field]).to_owned())
    };
    assert_eq!(last(0), ["v1.1.0", "Rollback", "Released"], "{status}");
    assert_eq!(last(1), ["v1.2.0", "Source", "Released"], "{status}");
    let release = cluster.release(text(&status["history"][0]["id"])).await;
    assert_says(text(&release["spec"]["reason"]), &["check answers: it answers 500, not 200"]);
    let said = cluster.event(PRODUCTION, "RollingBack").await;
    assert_says(&said, &["check answers of stage canary failed"]);
    // It fails still, and what was gone back to is not asked about.
    cluster.condition(PRODUCTION, "Ready", "False", "Quarantined").await;
}

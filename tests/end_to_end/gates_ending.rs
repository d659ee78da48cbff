//! Promotions that end while Deployments are held back: superseded, pinned away, deleted, too old; and stages in which
//! nobody can hold anything back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use voxsync_reconciler::Mode;

use crate::harness::{
    Case, Cluster, Halves, Needs, Recorder, Voxsync, cases,
    estate::{Estate, PRODUCTION},
    gated::{assert_free, at_rest, half_way, has_gate, is_held, pause, replay, rolls_to},
    rollouts::code_images,
    status::{DEADLINE, assert_says, condition, phase, reference_in, waits_for},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    while_gates_are_awaited_a_newer_candidate_takes_over,
    half_way_a_newer_candidate_waits_for_the_stage,
    a_pin_half_way_gives_back_what_there_was => Needs::BOTH_SHAPES,
    deleted_half_way_the_authority_keeps_what_it_runs => Needs::BOTH_SHAPES,
    deleted_half_way_without_a_process_it_goes_when_one_comes,
    a_gate_of_two_hours_fails_the_stage,
    a_server_without_code_before_has_none_again => Needs::BOTH_SHAPES,
    without_anybody_who_holds_back_the_stage_is_stalled,
    allow_unordered_rolls_all_at_once,
    who_is_scaled_down_proves_nothing => Needs::BOTH_SHAPES,
];

/// The agent alone: it waits for gates that nobody places.
fn agent_only(cluster: &Cluster) -> Voxsync {
    Voxsync::start_with(cluster, Halves { reconciler: None, ..Halves::default() })
}

async fn promotes(cluster: &Cluster, candidate: &str, stage_phase: &str) -> Value {
    let what = format!("{candidate} is {stage_phase}");
    cluster
        .status_when(PRODUCTION, &what, |status| {
            status["promotion"]["candidate"]["name"] == candidate && phase(status, "all") == stage_phase
        })
        .await
}

/// The status once the last promotion ended so.
async fn ended(cluster: &Cluster, outcome: &str) -> Value {
    cluster.status_when(PRODUCTION, outcome, |status| status["history"][0]["outcome"] == outcome).await
}

async fn gone(cluster: &Cluster) {
    wait_for("the CodeSync is gone", DEADLINE, async || {
        cluster.try_get("CodeSync", PRODUCTION).await.map_or(Ok(()), |there| Err(there.to_string()))
    })
    .await;
}

async fn while_gates_are_awaited_a_newer_candidate_takes_over(cluster: &Cluster) {
    let mut estate = at_rest(cluster, &["compile", "ca"], false, json!({})).await;
    estate.kill();
    estate.voxsync = Some(agent_only(cluster));
    estate.push_and_look(cluster, "v1.1.0").await;
    let status = promotes(cluster, "v1.1.0", "Gating").await;
    assert_eq!(condition(&status, "Reconciling")["reason"], "Gating", "{status}");
    let wanted = estate.push_and_look(cluster, "v1.2.0").await;
    let status = promotes(cluster, "v1.2.0", "Gating").await;
    assert_eq!(status["history"][0]["outcome"], "Superseded", "{status}");
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, estate.tagged("v1.0.0"));

    estate.kill();
    estate.start_again(cluster);
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    for server in ["compile", "ca"] {
        assert_free(cluster, server, &wanted, "2").await;
    }
}

async fn half_way_a_newer_candidate_waits_for_the_stage(cluster: &Cluster) {
    let (estate, first) = half_way(cluster).await;
    let recorder = Recorder::start(cluster, &["Deployment"]).await;
    let second = estate.push_and_look(cluster, "v1.2.0").await;
    let status = cluster
        .status_when(PRODUCTION, "the newer one waits", |status| !waits_for(status, "Newer").is_empty())
        .await;
    assert_says(waits_for(&status, "Newer"), &["v1.2.0 takes over from v1.1.0"]);
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, first);
    cluster.patch("Deployment", "compile", pause(false)).await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    for server in ["compile", "ca"] {
        assert_free(cluster, server, &second, "3").await;
    }
    let ran_first = |found: &Value| code_images(found) == [first.as_str()] && !has_gate(found);
    assert!(recorder.versions("Deployment", "ca").iter().any(ran_first), "the stage is finished first");
}

async fn a_pin_half_way_gives_back_what_there_was(cluster: &Cluster) {
    let (estate, given) = half_way(cluster).await;
    let recorder = Recorder::start(cluster, &["Deployment", "Config"]).await;
    let pinned = estate.push("v1.0.5").await;
    let pin = json!({"reference": estate.tagged("v1.0.5"), "reason": "the half is bad"});
    cluster.change_code_sync(PRODUCTION, json!({"pin": pin})).await;
    ended(cluster, "Superseded").await;
    assert_says(&cluster.event(PRODUCTION, "GivingBack").await, &["v1.1.0 makes way"]);
    cluster.patch("Deployment", "compile", pause(false)).await;
    cluster.condition(PRODUCTION, "Ready", "True", "Deployed").await;
    let pinned = format!("{}@{pinned}", estate.tagged("v1.0.5"));
    for server in ["compile", "ca"] {
        assert_free(cluster, server, &pinned, "2").await;
    }
    let of_config: Vec<_> = recorder.versions("Config", PRODUCTION).iter().filter_map(reference_in).collect();
    assert!(of_config.contains(&estate.tagged("v1.0.0")), "it is given back first: {of_config:?}");
    for found in recorder.versions("Deployment", "ca").iter().filter(|found| !is_held(found)) {
        assert_ne!(code_images(found), [given.as_str()], "it may not run what nobody ran: {found}");
    }
}

async fn deleted_half_way_the_authority_keeps_what_it_runs(cluster: &Cluster) {
    let (estate, _) = half_way(cluster).await;
    let recorder = Recorder::start(cluster, &["Deployment"]).await;
    cluster.delete("CodeSync", PRODUCTION).await;
    gone(cluster).await;
    assert_given_back(cluster, &estate, &recorder).await;
}

async fn deleted_half_way_without_a_process_it_goes_when_one_comes(cluster: &Cluster) {
    let (mut estate, _) = half_way(cluster).await;
    let recorder = Recorder::start(cluster, &["Deployment"]).await;
    estate.kill();
    cluster.delete("CodeSync", PRODUCTION).await;
    assert!(cluster.try_get("CodeSync", PRODUCTION).await.is_some(), "its finalizer keeps it");
    estate.start_again(cluster);
    gone(cluster).await;
    assert_given_back(cluster, &estate, &recorder).await;
}

async fn assert_given_back(cluster: &Cluster, estate: &Estate, recorder: &Recorder) {
    let first = estate.tagged("v1.0.0");
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, first);
    assert_free(cluster, "ca", &first, "1").await;
    assert_says(&cluster.event(PRODUCTION, "Deleted").await, &["v1.1.0", "have what they had before"]);
    let releases = cluster.list("CodeRelease").await;
    let outcomes: Vec<_> = releases.iter().map(|release| &release["spec"]["outcome"]).collect();
    assert!(outcomes.contains(&&json!("Abandoned")), "{outcomes:?}");
    for found in recorder.versions("Deployment", "ca").iter().filter(|found| !is_held(found)) {
        assert_eq!(code_images(found), [first.as_str()], "{found}");
    }
    cluster.everything_was_seen().await;
    let told = cluster.list("Event").await;
    let deleted = told.iter().filter(|event| event["reason"] == "Deleted").count();
    assert_eq!(deleted, 1, "it is said once");
}

async fn a_gate_of_two_hours_fails_the_stage(cluster: &Cluster) {
    let (estate, _) = half_way(cluster).await;
    let ago = (Timestamp::now() - SignedDuration::from_hours(2)).to_string();
    let status = cluster.get("CodeSync", PRODUCTION).await["status"].clone();
    let mut stages = status["stages"].clone();
    stages[0]["gates"]["since"] = json!(ago);
    let mut promotion = status["promotion"].clone();
    promotion["startedAt"] = json!(ago);
    let patch = Patch::Merge(json!({"status": {"stages": stages, "promotion": promotion}}));
    let api = cluster.api("CodeSync");
    api.patch_status(PRODUCTION, &PatchParams::default(), &patch).await.expect("the status is patched");
    let status = ended(cluster, "RolledBack").await;
    let failure = &status["promotion"]["failure"];
    assert_eq!((&failure["reason"], &failure["server"]), (&json!("GateTooOld"), &json!("ca")), "{status}");
    let first = estate.tagged("v1.0.0");
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, first);
    assert_free(cluster, "ca", &first, "1").await;
}

async fn a_server_without_code_before_has_none_again(cluster: &Cluster) {
    let mut estate = at_rest(cluster, &["compile", "ca"], false, json!({})).await;
    let servers = ["compile", "ca"];
    estate.kill();
    cluster.delete("CodeSync", PRODUCTION).await;
    let targets = servers.map(|name| json!({"kind": "Server", "name": name}));
    let stages = json!([{"name": "all", "targets": targets}]);
    estate.push("v1.1.0-missing").await;
    estate.start_again(cluster);
    cluster.create_code_sync(PRODUCTION, json!({"source": estate.source(), "stages": stages})).await;
    ended(cluster, "RolledBack").await;
    for server in servers {
        assert!(
            cluster.get("Server", server).await["spec"].get("code").is_none(),
            "{server} has its Config's"
        );
    }
    assert_free(cluster, "ca", &estate.tagged("v1.0.0"), "1").await;
}

async fn without_anybody_who_holds_back_the_stage_is_stalled(cluster: &Cluster) {
    let mut estate = at_rest(cluster, &["compile", "ca"], false, json!({})).await;
    estate.kill();
    let cooperative = Halves { reconciler: Some(Mode::Cooperative), ..Halves::default() };
    estate.voxsync = Some(Voxsync::start_with(cluster, cooperative));
    estate.push_and_look(cluster, "v1.1.0").await;
    cluster.condition(PRODUCTION, "Stalled", "True", "NoGates").await;
    let status = cluster.get("CodeSync", PRODUCTION).await["status"].clone();
    assert_says(waits_for(&status, "NoGates"), &["--reconciler=full", "allowUnordered: true", "later stage"]);
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, estate.tagged("v1.0.0"));
}

async fn allow_unordered_rolls_all_at_once(cluster: &Cluster) {
    let any_order = json!({"allowUnordered": true, "maxConcurrent": 1});
    let estate = at_rest(cluster, &["compile", "ca"], false, any_order).await;
    let recorder = Recorder::start(cluster, &["Deployment", "CodeSync"]).await;
    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    for server in ["compile", "ca"] {
        assert_free(cluster, server, &wanted, "2").await;
        assert!(!recorder.versions("Deployment", server).iter().any(has_gate), "{server} was held back");
    }
    let has_finalizer = |found: &Value| found["metadata"].get("finalizers").is_some();
    assert!(!recorder.versions("CodeSync", PRODUCTION).iter().any(has_finalizer));
}

/// What people do when a release looks bad: they take the others away. The authority stays held back until one ran it.
async fn who_is_scaled_down_proves_nothing(cluster: &Cluster) {
    let (_estate, wanted) = half_way(cluster).await;
    let recorder = Recorder::start(cluster, &["Deployment"]).await;
    cluster.patch("Deployment", "compile", json!({"spec": {"paused": null, "replicas": 0}})).await;
    let is_empty = |found: &Value| {
        found["status"]["observedGeneration"] == found["metadata"]["generation"]
            && found["status"]["replicas"].is_null()
    };
    cluster.deployment_when("compile", "without pods", is_empty).await;
    // Long enough to let the authority go, were that right.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(is_held(&cluster.get("Deployment", "ca").await), "nobody proved the code");

    cluster.patch("Deployment", "compile", json!({"spec": {"replicas": 1}})).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_free(cluster, "ca", &wanted, "2").await;
    replay(&recorder, &["compile", "ca"], |all| {
        let is_proven = all[0]["status"]["availableReplicas"] == 1;
        assert!(
            is_proven || !rolls_to(all[1], &wanted),
            "the authority goes after a pod that is ready: {}",
            all[0]
        );
    });
}

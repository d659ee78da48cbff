//! People win: what somebody else wrote is never written over until told, and what is there is adopted with care.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use voxsync_fixtures::CodeImage;

use crate::harness::{
    Case, Cluster, Needs, cases,
    estate::{Estate, PRODUCTION, stages},
    status::{assert_says, condition, follow_tags, holds, phase, reference_in, text, waits_for},
};

pub(crate) const CASES: &[Case] = cases![
    a_hand_made_change_is_held_until_somebody_resumes => Needs::BOTH_SHAPES,
    removed_code_is_held_too,
    a_hand_made_change_is_kept_with_a_pin,
    a_tool_that_writes_the_candidate_before_its_turn_is_named,
    a_tag_that_runs_already_is_adopted_as_it_is => Needs::BOTH_SHAPES,
    adoption_writes_the_digest_where_asked,
    another_reference_is_adopted_with_a_word,
    a_second_claimant_is_stalled_and_names_the_first,
    a_paused_config_is_not_promoted,
    claimed_code_is_left_alone,
];

async fn a_hand_made_change_is_held_until_somebody_resumes(cluster: &Cluster) {
    let estate = Estate::single(cluster).await;
    let by_hand = estate.tagged("v1.0.0");
    let edit = json!({"spec": {"code": cluster.code(&by_hand)}});
    cluster.patch("Config", PRODUCTION, edit).await;
    let status = cluster.condition(PRODUCTION, "Held", "True", "Changed").await;
    let sentence = text(&condition(&status, "Held")["message"]);
    assert_says(
        sentence,
        &["Config/production", "\"kubectl-edit\"", "v1.1.0", "→ v1.0.0", "voxsync resume production"],
    );
    assert_eq!(phase(&status, "default"), "Held");
    assert!(!holds(&status, "Ready") && !holds(&status, "Deployed") && !holds(&status, "Reconciling"));
    assert_eq!(status["holds"][0]["manager"], "kubectl-edit");
    assert_says(&cluster.event(PRODUCTION, "Held").await, &["kubectl-edit"]);

    // What a person wrote is carried out, and stays through newer candidates and restarts.
    let held = cluster.get("Config", PRODUCTION).await;
    let wanted = estate.push_and_look(cluster, "v1.2.0").await;
    cluster.condition(PRODUCTION, "Held", "True", "Changed").await;
    let mut estate = estate;
    estate.kill();
    estate.start_again(cluster);
    cluster.look(PRODUCTION).await;
    assert_eq!(cluster.get("Config", PRODUCTION).await, held);
    cluster.template_becomes("compile", &by_hand).await;

    cluster.resume(PRODUCTION).await;
    let status = cluster.deployed(PRODUCTION, "v1.2.0").await;
    assert!(!holds(&status, "Held") && status["holds"].is_null(), "{status}");
    assert_eq!(cluster.template_of("compile").await, [wanted]);
    cluster.event(PRODUCTION, "Resumed").await;
}

async fn removed_code_is_held_too(cluster: &Cluster) {
    let _estate = Estate::single(cluster).await;
    cluster.patch("Config", PRODUCTION, json!({"spec": {"code": null}})).await;
    let status = cluster.condition(PRODUCTION, "Held", "True", "Changed").await;
    assert_says(
        text(&condition(&status, "Held")["message"]),
        &["Config/production was changed", "→ no code"],
    );
    cluster.look(PRODUCTION).await;
    assert_eq!(cluster.get("Config", PRODUCTION).await["spec"]["code"], Value::Null);
    cluster.resume(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_says(&cluster.code_of("Config", PRODUCTION).await, &["v1.1.0@sha256:"]);
}

async fn a_hand_made_change_is_kept_with_a_pin(cluster: &Cluster) {
    let estate = Estate::single(cluster).await;
    let by_hand = estate.tagged("v1.0.0");
    cluster.patch("Config", PRODUCTION, json!({"spec": {"code": cluster.code(&by_hand)}})).await;
    cluster.condition(PRODUCTION, "Held", "True", "Changed").await;
    cluster.change_code_sync(PRODUCTION, json!({"pin": {"reference": by_hand}})).await;
    let status = cluster.deployed(PRODUCTION, "v1.0.0").await;
    assert!(!holds(&status, "Held"), "{status}");
    assert_says(&cluster.code_of("Config", PRODUCTION).await, &[&by_hand]);
}

async fn a_tool_that_writes_the_candidate_before_its_turn_is_named(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "0s").await;
    estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    cluster.change_code_sync(PRODUCTION, json!({"stages": stages("1h")})).await;
    let wanted = estate.push_and_look(cluster, "v1.2.0").await;
    let soaks = |status: &Value| phase(status, "canary") == "Soaking";
    cluster.status_when(PRODUCTION, "the canary soaks", soaks).await;
    let parameters =
        PatchParams { field_manager: Some("kustomize-controller".to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"spec": {"code": cluster.code(&wanted)}}));
    cluster.api("Config").patch(PRODUCTION, &parameters, &patch).await.expect("a patch by another tool");
    let status = cluster.condition(PRODUCTION, "Held", "True", "Changed").await;
    let sentence = text(&condition(&status, "Held")["message"]);
    assert_says(sentence, &["kustomize-controller", "before its turn", "leave spec.code out"]);
    assert_eq!(phase(&status, "production"), "Held");
    // When its turn comes, there is nothing left to be held.
    cluster.change_code_sync(PRODUCTION, json!({"stages": stages("0s")})).await;
    let status = cluster.deployed(PRODUCTION, "v1.2.0").await;
    assert!(!holds(&status, "Held"), "{status}");
    assert_eq!(
        cluster.applied_on("Config", PRODUCTION).await["reference"],
        *wanted,
        "and the record says so"
    );
}

async fn a_tag_that_runs_already_is_adopted_as_it_is(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let before = cluster.get("Config", PRODUCTION).await;
    cluster.create_code_sync(PRODUCTION, estate.only_config()).await;
    let status = cluster.deployed(PRODUCTION, "v1.0.0").await;
    assert_eq!(cluster.get("Config", PRODUCTION).await, before, "no write");
    assert_eq!(cluster.revision_of("compile").await, "1", "no restart");
    assert_eq!(status["deployed"]["digest"], Value::Null, "nobody knows its digest");
    assert_says(&cluster.event(PRODUCTION, "Adopted").await, &["already run", "v1.0.0"]);
    estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_says(&cluster.code_of("Config", PRODUCTION).await, &["v1.1.0@sha256:"]);
}

async fn adoption_writes_the_digest_where_asked(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let mut spec = estate.only_config();
    spec["adopt"] = json!("Pin");
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let written = cluster.code_of("Config", PRODUCTION).await;
    assert_says(&written, &[&estate.tagged("v1.0.0"), "@sha256:"]);
    assert_eq!(cluster.template_of("compile").await, [written]);
}

async fn another_reference_is_adopted_with_a_word(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let digest = estate.registry.push("other", "v7.0.0", &CodeImage::with_site("v7.0.0")).await;
    let source = follow_tags(&estate.registry, "other", &json!({"semver": "*"}));
    let target = json!({"kind": "Config", "name": PRODUCTION});
    cluster.create_code_sync(PRODUCTION, json!({"source": source, "target": target})).await;
    cluster.deployed(PRODUCTION, "v7.0.0").await;
    let wanted = format!("{}@{digest}", estate.registry.reference("other", "v7.0.0"));
    assert_eq!(cluster.template_of("compile").await, [wanted]);
    assert_says(&cluster.event(PRODUCTION, "Adopted").await, &["adopted from v1.0.0", "v7.0.0"]);
    assert_eq!(cluster.applied_on("Config", PRODUCTION).await["previous"], *estate.tagged("v1.0.0"));
}

async fn a_second_claimant_is_stalled_and_names_the_first(cluster: &Cluster) {
    let estate = Estate::single(cluster).await;
    let config = cluster.get("Config", PRODUCTION).await;
    let source = follow_tags(&estate.registry, "other", &json!({"semver": "*"}));
    estate.registry.push("other", "v7.0.0", &CodeImage::with_site("v7.0.0")).await;
    let target = json!({"kind": "Config", "name": PRODUCTION});
    cluster.create_code_sync("second", json!({"source": source, "target": target})).await;
    let status = cluster.condition("second", "Stalled", "True", "Claimed").await;
    let message = text(&condition(&status, "Ready")["message"]);
    assert_says(
        message,
        &["Config/production belongs to CodeSync production", "take it out of one of the two"],
    );
    assert!(!holds(&status, "Ready"), "{status}");
    cluster.look("second").await;
    assert_eq!(cluster.get("Config", PRODUCTION).await, config);
    cluster.deployed(PRODUCTION, "v1.1.0").await;

    cluster.delete("CodeSync", PRODUCTION).await;
    cluster.deployed("second", "v7.0.0").await;
    assert_says(&cluster.template_of("compile").await[0], &["other:v7.0.0@sha256:"]);
}

async fn a_paused_config_is_not_promoted(cluster: &Cluster) {
    let estate = Estate::single(cluster).await;
    let pause = |value: Value| json!({"metadata": {"annotations": {"openvox.voxpupuli.org/paused": value}}});
    cluster.patch("Config", PRODUCTION, pause(json!("true"))).await;
    let before = reference_in(&cluster.get("Config", PRODUCTION).await);
    estate.push_and_look(cluster, "v1.2.0").await;
    let status = cluster.condition(PRODUCTION, "Ready", "True", "Waiting").await;
    assert_says(
        waits_for(&status, "Paused"),
        &["Config/production is paused by a person", "openvox.voxpupuli.org/paused"],
    );
    assert_eq!(reference_in(&cluster.get("Config", PRODUCTION).await), before);
    cluster.patch("Config", PRODUCTION, pause(Value::Null)).await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
}

async fn claimed_code_is_left_alone(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let claim = cluster.code_entry(json!({"claimName": "code-volume", "image": null}));
    cluster.patch("Config", PRODUCTION, json!({"spec": {"code": claim}})).await;
    let config = cluster.get("Config", PRODUCTION).await;
    cluster.create_code_sync(PRODUCTION, estate.only_config()).await;
    let status = cluster.condition(PRODUCTION, "Ready", "False", "External").await;
    assert_says(waits_for(&status, "External"), &["PersistentVolumeClaim code-volume", "does not replace"]);
    assert_eq!(cluster.get("Config", PRODUCTION).await, config);
}

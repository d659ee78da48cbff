use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use rstest::rstest;
use serde_json::{Value, from_value, json};
use voxsync_crds::{CodeSync, Config, annotations::Gate};

use super::*;
use crate::{CrossNamespace, SERVER_LABEL};

const OLD: &str = "r.io/code:v1";
const NEW: &str = "r.io/code:v2@sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// The namespace `puppet` with the Config `production` of this code.
fn with_config(code: &Value) -> Snapshot {
    let mut snapshot = Snapshot::default();
    add_config(&mut snapshot, "puppet", code, &json!({}));
    snapshot
}

fn add_config(snapshot: &mut Snapshot, namespace: &str, code: &Value, annotations: &Value) {
    let metadata = json!({"name": "production", "namespace": namespace, "annotations": annotations});
    apply::<Config>(snapshot, json!({"metadata": metadata, "spec": {"code": code}}));
}

fn apply<T: serde::de::DeserializeOwned + Into<crate::Object>>(snapshot: &mut Snapshot, value: Value) {
    assert!(snapshot.apply(from_value::<T>(value).unwrap()));
}

/// A Server whose pods run that code. The words are of `ca`, `gated` (by CodeSync `uid` for promotion `p1`), `old` (the
/// template has the code that is declared, the pods do not) and `empty` (no pods are wanted).
fn add(snapshot: &mut Snapshot, name: &str, words: &str, runs: &str) {
    add_to(snapshot, "puppet", name, words, runs);
}

fn add_to(snapshot: &mut Snapshot, namespace: &str, name: &str, words: &str, runs: &str) {
    let has = |word: &str| words.split(' ').any(|one| one == word);
    let server = json!({
        "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": {"role": "server"}},
        "spec": {"configRef": "production", "ca": has("ca")},
    });
    apply::<Server>(snapshot, server);
    let code = snapshot.server_code(namespace, name).unwrap().unwrap();
    let declared = code.references().next().unwrap().to_owned();
    let template = |image: &str| {
        let mount =
            json!({"name": "code", "mountPath": "/etc/puppetlabs/code/environments", "readOnly": true});
        json!({
            "metadata": {"annotations": {"openvox.voxpupuli.org/code-image": image}},
            "spec": {
                "containers": [{"name": "openvox-server", "volumeMounts": [mount]}],
                "volumes": [{"name": "code", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}],
            },
        })
    };
    let pods = if has("empty") { 0 } else { 2 };
    let gate = json!({"codeSync": "uid", "promotion": "p1", "since": "2026-01-01T00:00:00Z"});
    let annotations = if has("gated") { json!({"voxsync.dev/gate": gate.to_string()}) } else { json!({}) };
    let metadata = json!({
        "name": name, "namespace": namespace, "uid": format!("d-{name}"), "annotations": annotations, "generation": 1,
    });
    let spec = json!({
        "replicas": pods, "paused": has("gated"), "selector": {"matchLabels": {SERVER_LABEL: name}},
        "template": template(if has("old") { &declared } else { runs }),
    });
    let updated = if has("old") { 0 } else { pods };
    let status = json!({
        "observedGeneration": 1, "replicas": pods, "updatedReplicas": updated, "availableReplicas": pods,
    });
    apply::<Deployment>(snapshot, json!({"metadata": metadata, "spec": spec, "status": status}));
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": format!("d-{name}"), "controller": true,
    });
    let metadata = json!({
        "name": format!("{name}-1"), "namespace": namespace, "ownerReferences": [owner],
        "annotations": {"deployment.kubernetes.io/revision": "1"},
    });
    let set = json!({
        "metadata": metadata, "spec": {"replicas": pods, "selector": {}, "template": template(runs)},
        "status": {"replicas": pods, "readyReplicas": pods},
    });
    apply::<ReplicaSet>(snapshot, set);
}

/// A CodeSync in the middle of promotion `p1` to the new code, changed by a merge patch.
fn code_sync(change: &Value) -> CodeSync {
    let candidate =
        json!({"name": "v2", "reference": NEW, "repository": "r.io/code", "tag": "v2", "digest": "sha256:1"});
    let promotion = json!({
        "id": "p1", "candidate": candidate, "trigger": "Source", "startedAt": "2026-01-01T00:00:00Z",
    });
    let mut value = json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {"name": "all", "namespace": "puppet", "uid": "uid", "finalizers": ["voxsync.dev/gates"]},
        "spec": {
            "source": {"registry": {"repository": "r.io/code", "tag": {"follow": "main"}}},
            "stages": [
                {"name": "canary", "targets": [{"kind": "Server", "name": "canary"}]},
                {"name": "rest", "targets": [{"kind": "Config", "name": "production"}]},
            ],
        },
        "status": {
            "conditions": [], "promotion": promotion,
            "stages": [{"name": "canary", "phase": "Deployed", "promotion": "p1"}, {"name": "rest", "phase": "Gating"}],
        },
    });
    json_patch::merge(&mut value, change);
    from_value(value).unwrap()
}

#[rstest]
#[case::as_asked(json!({}), true, true)]
#[case::it_rolls(json!({"status": {"stages": [{"name": "canary", "promotion": "p1"}, {"name": "rest", "phase": "Rolling"}]}}), true, false)]
#[case::suspended(json!({"spec": {"suspend": true}}), true, false)]
#[case::without_the_finalizer(json!({"metadata": {"finalizers": ["other"]}}), true, false)]
#[case::in_any_order(
    json!({"spec": {"stages": [{"name": "rest", "targets": [{"kind": "Config", "name": "production"}], "allowUnordered": true}]}}),
    true, false)]
#[case::ended(json!({"status": {"promotion": {"outcome": "Failed"}}}), false, false)]
#[case::ending(json!({"status": {"promotion": {"ending": "RolledBack"}}}), false, false)]
#[case::leaving(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), false, false)]
#[case::nothing_began(json!({"status": {"promotion": null}}), false, false)]
#[case::all_passed(json!({"status": {"stages": [{"name": "canary", "promotion": "p1"}, {"name": "rest", "promotion": "p1"}]}}), false, false)]
fn works_on_the_first_stage_that_has_not_passed(
    #[case] change: Value,
    #[case] works: bool,
    #[case] places_gates: bool,
) {
    let code_sync = code_sync(&change);
    let mut snapshot = with_config(&json!({"image": OLD}));
    assert!(snapshot.apply(code_sync.clone()));
    let work = snapshot.work_of(&code_sync);
    assert_eq!((work.is_some(), work.as_ref().is_some_and(Work::places_gates)), (works, places_gates));
    assert_eq!(snapshot.gating_in("puppet").count(), usize::from(places_gates));
    if let Some(work) = work {
        let targets: Vec<String> = work.targets.iter().map(ToString::to_string).collect();
        assert_eq!(targets, ["Config/production"]);
    }
}

#[rstest]
#[case::all_old(json!({"image": OLD}), OLD, &["ca"])]
#[case::written(json!({"image": NEW}), OLD, &[])]
#[case::adopted_with_the_tag_alone(json!({"image": "r.io/code:v2"}), "r.io/code:v2", &[])]
fn holds_back_who_does_not_have_the_candidate(
    #[case] code: Value,
    #[case] runs: &str,
    #[case] wanted: &[&str],
) {
    let mut snapshot = with_config(&code);
    add(&mut snapshot, "compile", "", runs);
    add(&mut snapshot, "ca", "ca", runs);
    let code_sync = code_sync(&json!({}));
    let work = snapshot.work_of(&code_sync).unwrap();
    assert_eq!(snapshot.to_gate(&work).into_iter().collect::<Vec<_>>(), wanted);
    assert_eq!(snapshot.is_served(&work, "ca"), Some(wanted.is_empty()));
    assert_eq!(snapshot.is_served(&work, "canary"), None);
}

#[test]
fn who_serves_no_code_or_has_no_deployment_is_no_company() {
    let mut snapshot = with_config(&json!({"image": OLD}));
    add(&mut snapshot, "ca", "ca", OLD);
    for (name, spec) in [
        ("early", json!({"configRef": "production"})),
        ("ca-only", json!({"configRef": "production", "server": false})),
    ] {
        apply::<Server>(
            &mut snapshot,
            json!({"metadata": {"name": name, "namespace": "puppet"}, "spec": spec}),
        );
    }
    let code_sync = code_sync(&json!({}));
    let work = snapshot.work_of(&code_sync).unwrap();
    assert!(snapshot.to_gate(&work).is_empty(), "the authority is alone");
}

#[test]
fn who_is_to_have_no_pods_is_no_company() {
    let mut snapshot = with_config(&json!({"image": OLD}));
    add(&mut snapshot, "ca", "ca", OLD);
    add(&mut snapshot, "compile", "empty", OLD);
    let code_sync = code_sync(&json!({}));
    let work = snapshot.work_of(&code_sync).unwrap();
    assert!(snapshot.to_gate(&work).is_empty(), "the authority has nobody to wait for");
}

#[rstest]
#[case::others_roll("old", &[])]
#[case::others_run_it("", &["ca"])]
#[case::others_have_no_pods_any_more("empty", &[])]
fn an_authority_goes_when_the_others_run_it(#[case] compile: &str, #[case] wanted: &[&str]) {
    let mut snapshot = with_config(&json!({"image": NEW}));
    let runs = |words: &str| if words == "old" { OLD } else { NEW };
    add(&mut snapshot, "compile", compile, runs(compile));
    add(&mut snapshot, "ca", "ca gated old", OLD);
    let rolling = json!({"status": {"stages": [{"name": "canary", "promotion": "p1"}, {"name": "rest", "phase": "Rolling"}]}});
    let code_sync = code_sync(&rolling);
    assert!(snapshot.apply(code_sync.clone()));
    let work = snapshot.work_of(&code_sync).unwrap();
    assert_eq!(snapshot.to_lift(&work).into_iter().collect::<Vec<_>>(), wanted);
    assert_eq!(snapshot.gates_to_look_at("puppet").into_iter().collect::<Vec<_>>(), wanted);
}

#[rstest]
#[case::its_own(json!({"metadata": {"uid": "other"}}))]
#[case::of_another_promotion(json!({"status": {"promotion": {"id": "p2"}}}))]
#[case::ended(json!({"status": {"promotion": {"outcome": "Failed"}}}))]
fn a_gate_whose_turn_never_comes_is_looked_at(#[case] change: Value) {
    let mut snapshot = with_config(&json!({"image": NEW}));
    add(&mut snapshot, "compile", "old", OLD);
    add(&mut snapshot, "ca", "ca gated old", OLD);
    assert!(snapshot.apply(code_sync(&change)));
    assert_eq!(snapshot.namespaces_with_gates().collect::<Vec<_>>(), ["puppet"]);
    assert_eq!(snapshot.gates_to_look_at("puppet").into_iter().collect::<Vec<_>>(), ["ca"]);
    assert_eq!(snapshot.gates_count(), 1);
}

#[rstest]
#[case::they_run_it("", false, true)]
#[case::they_roll("old", false, false)]
#[case::they_have_no_pods("empty", false, false)]
#[case::another_comes_first("", true, false)]
fn others_prove_the_code(#[case] compile: &str, #[case] has_first: bool, #[case] wanted: bool) {
    let mut snapshot = with_config(&json!({"image": NEW}));
    add(&mut snapshot, "compile", compile, if compile == "old" { OLD } else { NEW });
    add(&mut snapshot, "ca", "ca gated old", OLD);
    if has_first {
        add(&mut snapshot, "second", "gated old", OLD);
        assert!(snapshot.is_proven_by_others("puppet", "second"));
    }
    assert_eq!(snapshot.is_proven_by_others("puppet", "ca"), wanted);
}

#[rstest]
#[case::that_another_runs(NEW, true)]
#[case::that_nobody_else_runs("r.io/code:own", false)]
fn code_of_its_own_is_proven_by_who_runs_the_same(#[case] image: &str, #[case] wanted: bool) {
    let mut snapshot = with_config(&json!({"image": NEW}));
    add(&mut snapshot, "compile", "", NEW);
    add(&mut snapshot, "ca", "ca gated old", OLD);
    let own = json!({"configRef": "production", "ca": true, "code": {"image": image}});
    let metadata = json!({"name": "ca", "namespace": "puppet"});
    apply::<Server>(&mut snapshot, json!({"metadata": metadata, "spec": own}));
    assert_eq!(snapshot.is_proven_by_others("puppet", "ca"), wanted);
}

#[rstest]
#[case::it_waits("Pending", None, true)]
#[case::somebody_else_changed_a_target("Held", None, true)]
#[case::gates_are_placed("Gating", None, false)]
#[case::its_references_are_on_their_way("Writing", None, false)]
#[case::it_waits_half_written("Pending", Some("p1"), false)]
#[case::an_earlier_promotion_wrote_it("Pending", Some("p0"), true)]
fn gates_are_not_needed_while_a_stage_waits_unwritten(
    #[case] phase: &str,
    #[case] written_by: Option<&str>,
    #[case] wanted: bool,
) {
    let mut snapshot = with_config(&json!({"image": OLD}));
    if let Some(promotion) = written_by {
        let record = json!({"": {"codeSync": "uid", "promotion": promotion, "reference": OLD}}).to_string();
        let metadata = json!({"name": "production", "namespace": "puppet", "annotations": {"voxsync.dev/applied": record}});
        apply::<Config>(&mut snapshot, json!({"metadata": metadata, "spec": {"code": {"image": OLD}}}));
    }
    add(&mut snapshot, "compile", "", OLD);
    add(&mut snapshot, "ca", "ca gated", OLD);
    let stages = json!([{"name": "canary", "promotion": "p1"}, {"name": "rest", "phase": phase}]);
    let code_sync = code_sync(&json!({"status": {"stages": stages}}));
    assert!(snapshot.apply(code_sync.clone()));
    assert_eq!(snapshot.needs_no_gates(&snapshot.work_of(&code_sync).unwrap()), wanted);
    assert_eq!(snapshot.gates_to_look_at("puppet").contains("ca"), wanted);
}

#[test]
fn a_deployment_of_somebody_else_is_no_company() {
    let mut snapshot = with_config(&json!({"image": OLD}));
    add(&mut snapshot, "ca", "ca", OLD);
    add(&mut snapshot, "compile", "", OLD);
    let code_sync = code_sync(&json!({}));
    let work = snapshot.work_of(&code_sync).unwrap();
    assert_eq!(snapshot.to_gate(&work).into_iter().collect::<Vec<_>>(), ["ca"]);

    let owner = json!({
        "apiVersion": "example.org/v1", "kind": "Other", "name": "compile", "uid": "x", "controller": true,
    });
    let mut foreign = snapshot.deployment_of("puppet", "compile").unwrap();
    foreign.metadata.owner_references = Some(vec![from_value(owner).unwrap()]);
    assert!(snapshot.apply(foreign));
    assert!(snapshot.to_gate(&work).is_empty(), "the authority is alone");
    assert_eq!(snapshot.is_served(&work, "compile"), None);
    assert!(snapshot.server("puppet", "compile").is_some_and(|server| !snapshot.has_deployment(server)));
}

/// The Config as the promotion left it, or as it was given back; a person may have paused it.
fn going_back(snapshot: &mut Snapshot, image: &str, by: &str) {
    let record = json!({"": {"codeSync": "uid", "promotion": by, "reference": image, "previous": OLD}});
    let paused = json!({"voxsync.dev/applied": record.to_string()});
    let metadata = json!({"name": "production", "namespace": "puppet", "annotations": paused});
    apply::<Config>(snapshot, json!({"metadata": metadata, "spec": {"code": {"image": image}}}));
}

/// Promotion `p1` ends, and the second stage is given back.
fn ending() -> Value {
    let stages = json!([{"name": "canary", "phase": "Pending", "promotion": "p1"}, {"name": "rest", "phase": "RollingBack"}]);
    json!({"status": {"promotion": {"ending": "RolledBack"}, "stages": stages}})
}

#[rstest]
#[case::all_run_it("", NEW, "p1", &["ca"])]
#[case::one_at_a_time("one at a time", NEW, "p1", &["ca", "compile"])]
#[case::who_does_not_run_it_goes_at_once("old one at a time", NEW, "p1", &["ca"])]
#[case::given_back("", OLD, "p1", &[])]
#[case::of_another_promotion("", NEW, "p0", &[])]
fn holds_back_on_the_way_back_who_runs_the_candidate(
    #[case] compile: &str,
    #[case] image: &str,
    #[case] by: &str,
    #[case] wanted: &[&str],
) {
    let mut snapshot = with_config(&json!({"image": image}));
    going_back(&mut snapshot, image, by);
    add(&mut snapshot, "compile", compile, if compile.contains("old") { OLD } else { NEW });
    add(&mut snapshot, "ca", "ca", NEW);
    let mut change = ending();
    if compile.contains("one at a time") {
        change["spec"] = json!({"stages": [
            {"name": "canary", "targets": [{"kind": "Server", "name": "canary"}]},
            {"name": "rest", "targets": [{"kind": "Config", "name": "production"}], "maxConcurrent": 1},
        ]});
    }
    let code_sync = code_sync(&change);
    let work = snapshot.work_of(&code_sync).unwrap();
    assert_eq!((work.heading, work.places_gates()), (Heading::Back, true));
    assert_eq!(snapshot.to_gate(&work).into_iter().collect::<Vec<_>>(), wanted);
    assert_eq!(snapshot.is_served(&work, "ca"), Some(image == OLD || by != "p1"));
}

#[test]
fn what_may_not_run_again_is_not_given_back_and_what_an_earlier_one_wrote_is() {
    let mut snapshot = with_config(&json!({"image": NEW}));
    for name in ["compile", "ca"] {
        add(&mut snapshot, name, name, NEW);
    }
    let mut given = |by: &str, status: Value| {
        going_back(&mut snapshot, NEW, by);
        let mut change = ending();
        change["status"].as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
        let code_sync = code_sync(&change);
        let work = snapshot.work_of(&code_sync).unwrap();
        snapshot.is_served(&work, "ca")
    };
    let since = "2026-01-01T00:00:00Z";
    let quarantine = json!([{"digest": OLD, "name": "v1", "reason": "", "since": since}]);
    assert_eq!(given("p1", json!({"quarantine": quarantine})), Some(true));
    let ended = |outcome: &str| {
        let history =
            json!([{"id": "p0", "name": "v2", "reference": NEW, "outcome": outcome, "endedAt": since}]);
        json!({"history": history, "deployed": {"name": "v1", "reference": OLD}})
    };
    assert_eq!(given("p0", ended("RolledBack")), Some(false));
    assert_eq!(given("p0", ended("Released")), Some(true));
}

#[rstest]
#[case::the_others_roll("old", NEW, &[])]
#[case::the_others_run_what_they_had("", OLD, &["ca"])]
fn on_the_way_back_an_authority_goes_last(
    #[case] compile: &str,
    #[case] runs: &str,
    #[case] wanted: &[&str],
) {
    let mut snapshot = with_config(&json!({"image": OLD}));
    going_back(&mut snapshot, OLD, "p1");
    add(&mut snapshot, "compile", compile, runs);
    add(&mut snapshot, "ca", "ca gated old", NEW);
    let code_sync = code_sync(&ending());
    assert!(snapshot.apply(code_sync.clone()));
    let work = snapshot.work_of(&code_sync).unwrap();
    assert_eq!(snapshot.to_lift(&work).into_iter().collect::<Vec<_>>(), wanted);
}

#[rstest]
#[case::its_stage_is_not_the_first(json!({"status": {"promotion": {"trigger": "Rollback"}, "stages": [{"name": "canary"}, {"name": "rest"}]}}), Some("Config/production"))]
#[case::then_the_one_before(json!({"status": {"promotion": {"trigger": "Rollback"}, "stages": [{"name": "canary"}, {"name": "rest", "promotion": "p1"}]}}), Some("Server/canary"))]
#[case::deleted_it_goes_back(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"promotion": {"ending": "Abandoned"}, "stages": [{"name": "canary", "promotion": "p1"}, {"name": "rest", "phase": "RollingBack"}]}}), Some("Config/production"))]
#[case::nothing_is_given_back_yet(json!({"status": {"promotion": {"ending": "RolledBack"}, "stages": [{"name": "canary", "promotion": "p1"}, {"name": "rest", "phase": "Rolling"}]}}), None)]
fn a_rollback_works_from_the_end(#[case] change: Value, #[case] wanted: Option<&str>) {
    let snapshot = with_config(&json!({"image": OLD}));
    let code_sync = code_sync(&change);
    let work = snapshot.work_of(&code_sync);
    let first = work.and_then(|work| work.targets.first().map(ToString::to_string));
    assert_eq!(first.as_deref(), wanted);
}

/// A stage of the Configs of two namespaces, with Servers of the same names; only the authority of the other one is
/// to be held back, and has company in its own.
fn two_namespaces(code: &Value, ca: &str, consent: &Value) -> (Snapshot, CodeSync) {
    let mut snapshot = with_config(code);
    snapshot.set_cross_namespace(CrossNamespace::Allowed);
    add_config(&mut snapshot, "prod", code, consent);
    let runs = if *code == json!({"image": NEW}) { NEW } else { OLD };
    add(&mut snapshot, "main", "", runs);
    add_to(&mut snapshot, "prod", "main", ca, OLD);
    let targets = json!([
        {"kind": "Config", "name": "production"},
        {"kind": "Config", "name": "production", "namespace": "prod"},
    ]);
    let code_sync = code_sync(&json!({"spec": {"stages": [
        {"name": "canary", "targets": [{"kind": "Server", "name": "canary"}]}, {"name": "rest", "targets": targets},
    ]}}));
    assert!(snapshot.apply(code_sync.clone()));
    (snapshot, code_sync)
}

#[rstest]
#[case::consent(json!({"voxsync.dev/accepts-from": "ci, puppet"}), CrossNamespace::Allowed, true)]
#[case::of_others(json!({"voxsync.dev/accepts-from": "ci"}), CrossNamespace::Allowed, false)]
#[case::none(json!({}), CrossNamespace::Allowed, false)]
#[case::not_by_this_process(json!({"voxsync.dev/accepts-from": "puppet"}), CrossNamespace::Refused, false)]
fn a_stage_reaches_another_namespace_only_where_that_consents(
    #[case] consent: Value,
    #[case] cross_namespace: CrossNamespace,
    #[case] reaches: bool,
) {
    let (mut snapshot, code_sync) = two_namespaces(&json!({"image": OLD}), "ca", &consent);
    snapshot.set_cross_namespace(cross_namespace);
    let work = snapshot.work_of(&code_sync).unwrap();
    let gated: Vec<_> = snapshot.to_gate(&work).into_iter().collect();
    assert_eq!(gated, if reaches { vec!["prod/main"] } else { Vec::new() });
    assert_eq!(work.known_as("prod", "main"), "prod/main");
    assert_eq!(snapshot.is_served(&work, "prod/main"), reaches.then_some(false));
    assert_eq!(snapshot.is_served(&work, "main"), Some(false), "its own namesake");
    let gating = snapshot.gating_in("prod").count();
    assert_eq!(gating, usize::from(cross_namespace == CrossNamespace::Allowed), "it only says where to look");
}

#[test]
fn a_gate_in_another_namespace_has_its_turn_after_those_of_all() {
    let consent = json!({"voxsync.dev/accepts-from": "puppet"});
    let (mut snapshot, code_sync) = two_namespaces(&json!({"image": NEW}), "ca gated old", &consent);
    let work = snapshot.work_of(&code_sync).unwrap();
    assert_eq!(snapshot.to_lift(&work).into_iter().collect::<Vec<_>>(), ["prod/main"]);
    assert_eq!(snapshot.gates_to_look_at("prod").into_iter().collect::<Vec<_>>(), ["main"]);
    let gate = Gate {
        code_sync: "uid".to_owned(),
        promotion: "p1".to_owned(),
        since: jiff::Timestamp::UNIX_EPOCH.into(),
    };
    let holder = |snapshot: &Snapshot| snapshot.holder_of("prod", &gate).is_some();
    assert!(holder(&snapshot));
    add(&mut snapshot, "late", "old", OLD);
    assert!(snapshot.to_lift(&work).is_empty(), "a Server of the CodeSync's own namespace still rolls");
    assert!(snapshot.gates_to_look_at("prod").is_empty());
    // Consent was withdrawn: nobody's turn comes for it, which the reconciler has to look at.
    add_config(&mut snapshot, "prod", &json!({"image": NEW}), &json!({}));
    assert_eq!(snapshot.is_served(&work, "prod/main"), None);
    assert_eq!(snapshot.gates_to_look_at("prod").into_iter().collect::<Vec<_>>(), ["main"]);
    snapshot.set_cross_namespace(CrossNamespace::Refused);
    assert!(!holder(&snapshot));
}

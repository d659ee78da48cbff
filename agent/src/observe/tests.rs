use k8s_openapi::api::apps::v1::Deployment;
use rstest::rstest;
use serde_json::{Value, json};
use voxsync_cluster::Shapes;
use voxsync_crds::{Config, Server, annotations::ACCEPTS_FROM, openvox::CodeShape};
use voxsync_promotion::{Live, Unverified};

use super::*;
use crate::look::place::JudgedBy;

fn code_sync(name: &str, targets: &Value) -> CodeSync {
    serde_json::from_value(json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {"name": name, "namespace": "puppet", "uid": format!("uid-{name}"), "generation": 3,
                     "annotations": {"voxsync.dev/resume": "go"}},
        "spec": {"source": {"file": {"path": "/etc/voxsync/x"}}, "stages": targets},
    }))
    .unwrap()
}

fn stage(name: &str, targets: &[Value]) -> Value {
    json!({"name": name, "targets": targets})
}

/// A Config with three Servers, one of them with code of its own.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let record = json!({"": {"codeSync": "uid-other", "promotion": "p", "reference": "a:1"}}).to_string();
    let config: Config = serde_json::from_value(json!({
        "metadata": {"name": "production", "namespace": "puppet", "annotations": {"voxsync.dev/applied": record}},
        "spec": {"code": {"image": "a:1", "imagePullSecret": "pull"}},
    }))
    .unwrap();
    snapshot.apply(config);
    for (name, code) in [("one", Value::Null), ("two", Value::Null), ("canary", json!({"image": "a:2"}))] {
        let mut server = json!({
            "metadata": {"name": name, "namespace": "puppet", "labels": {"tier": name}},
            "spec": {"configRef": "production"},
        });
        if !code.is_null() {
            server["spec"]["code"] = code;
        }
        snapshot.apply(serde_json::from_value::<Server>(server).unwrap());
    }
    snapshot.set_shapes(Shapes { config: Some(CodeShape::Object), server: Some(CodeShape::Object) });
    snapshot
}

fn look(snapshot: &Snapshot, code_sync: &CodeSync) -> (Observed, BTreeSet<Involved>) {
    observe(snapshot, code_sync, Sight::default(), |_| None)
}

fn names(target: &ObservedTarget) -> Vec<&str> {
    target.servers.iter().map(|server| server.name.as_str()).collect()
}

#[test]
fn servers_with_code_of_their_own_are_not_the_configs() {
    let sync = code_sync(
        "mine",
        &json!([
            stage("canary", &[json!({"kind": "Server", "name": "canary"})]),
            stage("production", &[json!({"kind": "Config", "name": "production"})]),
        ]),
    );
    let (observed, involved) = look(&snapshot(), &sync);
    let (canary, production) = (&observed.stages[0][0], &observed.stages[1][0]);
    assert_eq!((names(canary), names(production)), (vec!["canary"], vec!["one", "two"]));
    assert_eq!(canary.live, Ok(Live { image: Some("a:2".into()), ..Live::default() }));
    assert_eq!(production.live, Ok(Live { image: Some("a:1".into()), ..Live::default() }));
    assert_eq!((observed.generation, observed.resume.as_deref()), (3, Some("go")));
    let involved: Vec<_> = involved.iter().map(|(_, _, name)| name.as_str()).collect();
    assert_eq!(involved, ["production", "canary", "one", "two"]);
}

#[rstest]
#[case::named(json!([stage("all", &[json!({"kind": "Config", "name": "production"})])]), Some("other"))]
#[case::no_longer_named(json!([stage("all", &[json!({"kind": "Config", "name": "staging"})])]), None)]
#[case::another_entry(json!([stage("all", &[json!({"kind": "Config", "name": "production", "entry": {"environment": "x"}})])]), None)]
fn a_claim_holds_while_its_code_sync_names_the_target(#[case] targets: Value, #[case] wanted: Option<&str>) {
    let mut snapshot = snapshot();
    let mine = code_sync("mine", &json!([stage("all", &[json!({"kind": "Config", "name": "production"})])]));
    let claim = |snapshot: &Snapshot| look(snapshot, &mine).0.stages[0][0].claims.clone();
    assert_eq!(claim(&snapshot), None, "its CodeSync is gone");
    snapshot.apply(code_sync("other", &targets));
    assert_eq!(claim(&snapshot).map(|claim| claim.code_sync).as_deref(), wanted);
}

/// A CodeSync of the target that was created at this second.
fn created(name: &str, second: i64, config: &str) -> CodeSync {
    let target = json!({"kind": "Config", "name": config});
    let mut sync = code_sync(name, &json!([stage("all", &[target])]));
    let time = jiff::Timestamp::from_second(second).unwrap();
    sync.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time));
    sync
}

#[rstest]
#[case::the_oldest("mine", 1, 2, "production", None)]
#[case::a_newcomer("mine", 2, 1, "production", Some("first"))]
#[case::of_one_second("mine", 1, 1, "production", Some("first"))]
#[case::another_target("mine", 2, 1, "staging", None)]
fn the_oldest_has_a_target_that_nobody_wrote(
    #[case] name: &str,
    #[case] second: i64,
    #[case] others_second: i64,
    #[case] others_target: &str,
    #[case] wanted: Option<&str>,
) {
    let mut snapshot = snapshot();
    let mine = created(name, second, "production");
    snapshot.apply(mine.clone());
    snapshot.apply(created("first", others_second, others_target));
    let claim = |snapshot: &Snapshot| look(snapshot, &mine).0.stages[0][0].claims.clone();
    assert_eq!(claim(&snapshot).map(|claim| claim.code_sync).as_deref(), wanted);
    // Who wrote it has it, whatever the age.
    snapshot.apply(created("other", 9, "production"));
    assert_eq!(claim(&snapshot).map(|claim| claim.code_sync).as_deref(), Some("other"));
}

fn release(promotion: &str, ended_at: &str, created: Option<&str>) -> voxsync_crds::CodeRelease {
    serde_json::from_value(json!({
        "metadata": {"name": promotion, "namespace": "puppet", "creationTimestamp": created},
        "spec": {
            "codeSync": "mine", "codeSyncUid": "uid-mine", "promotion": promotion, "trigger": "Source",
            "candidate": {"name": "v1", "reference": "a:1", "repository": "a", "digest": "sha256:0"},
            "outcome": "Released", "startedAt": ended_at, "endedAt": ended_at, "stages": [],
        },
    }))
    .unwrap()
}

#[test]
fn a_clock_that_steps_back_hides_no_release() {
    let mut sync =
        code_sync("mine", &json!([stage("all", &[json!({"kind": "Config", "name": "production"})])]));
    let promotion = json!({
        "id": "second", "trigger": "Source", "startedAt": "2026-01-01T00:00:00Z",
        "candidate": {"name": "v1", "reference": "a:1", "repository": "a", "digest": "sha256:0"},
    });
    sync.status = Some(serde_json::from_value(json!({"promotion": promotion})).unwrap());
    let mut snapshot = snapshot();
    snapshot.apply(release("first", "2026-01-09T00:00:00Z", Some("2026-01-01T00:00:00Z")));
    let hash = |snapshot: &Snapshot| look(snapshot, &sync).0.last_release_hash;
    let (first, is_recorded) = (hash(&snapshot), look(&snapshot, &sync).0.recorded);
    assert!(first.is_some() && !is_recorded);
    snapshot.apply(release("second", "2026-01-02T00:00:00Z", Some("2026-01-02T00:00:00Z")));
    assert!(look(&snapshot, &sync).0.recorded, "the release of a clock that was ahead is not in its way");
    assert_ne!(hash(&snapshot), first, "the next release goes on from the second");
}

#[rstest]
#[case::a_check_failed("Rollback", "Failed", 1)]
#[case::nothing_goes_back("Report", "Failed", 0)]
#[case::it_cannot_tell("Rollback", "Unknown", 0)]
fn what_was_released_is_seen_where_a_check_asks_to_go_back(
    #[case] action: &str,
    #[case] standing: &str,
    #[case] wanted: usize,
) {
    let mut snapshot = snapshot();
    let mut released = release("p1", "2026-01-01T00:00:00Z", None);
    let (repository, digest) = ("r.example/code".to_owned(), format!("sha256:{}", "0".repeat(64)));
    released.spec.candidate.reference = format!("{repository}@{digest}");
    (released.spec.candidate.repository, released.spec.candidate.digest) = (repository, digest);
    snapshot.apply(released);
    let mut sync =
        code_sync("mine", &json!([stage("all", &[json!({"kind": "Config", "name": "production"})])]));
    let rollback = json!({"afterRelease": {"duration": "1h", "action": action}});
    sync.spec.rollback = Some(serde_json::from_value(rollback).unwrap());
    let check =
        json!({"name": "nodes", "standing": standing, "since": "2026-01-01T00:00:00Z", "message": ""});
    let stages = json!([{"name": "all", "phase": "Deployed", "ready": 1, "desired": 1, "checks": [check]}]);
    sync.status = Some(serde_json::from_value(json!({"stages": stages})).unwrap());
    assert_eq!(look(&snapshot, &sync).0.released.len(), wanted);
}

#[test]
fn selectors_select_and_the_first_stage_has_a_target() {
    let sync = code_sync(
        "mine",
        &json!([
            stage("canary", &[json!({"kind": "Server", "name": "canary"})]),
            stage(
                "rest",
                &[
                    json!({"kind": "Server", "selector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}})
                ]
            ),
        ]),
    );
    let (observed, _) = look(&snapshot(), &sync);
    let names: Vec<_> = observed.stages[1].iter().map(|target| target.key.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(selects_in("puppet", &sync.spec), ["puppet".to_owned()].into());
}

#[test]
fn what_is_missing_says_so_and_is_waited_for() {
    let sync = code_sync("mine", &json!([stage("all", &[json!({"kind": "Config", "name": "staging"})])]));
    let (observed, involved) = look(&snapshot(), &sync);
    let problem = observed.stages[0][0].live.clone().unwrap_err();
    assert_eq!((problem.reason, problem.stalled), ("TargetMissing", false));
    assert!(problem.message.contains("Config puppet/staging does not exist"), "{}", problem.message);
    assert!(involved.contains(&(TargetKind::Config, "puppet".to_owned(), "staging".to_owned())));
}

#[test]
fn a_server_depends_on_its_config() {
    let sync = code_sync("mine", &json!([stage("all", &[json!({"kind": "Server", "name": "canary"})])]));
    let (_, involved) = look(&snapshot(), &sync);
    assert!(
        involved.contains(&(TargetKind::Config, "puppet".to_owned(), "production".to_owned())),
        "{involved:?}"
    );
}

#[rstest]
#[case::nothing("", json!({}), 1, None)]
#[case::an_obstacle("a:1", json!({}), 1, Some("Forbidden: it may not"))]
#[case::about_other_code("a:0", json!({}), 1, None)]
#[case::between_templates("", json!({"updatedReplicas": 0}), 1, Some("from one template to the next"))]
#[case::not_seen_yet("", json!({}), 2, Some("from one template to the next"))]
fn what_cannot_be_held_back_says_why(
    #[case] about: &str,
    #[case] status: Value,
    #[case] generation: i64,
    #[case] wanted: Option<&str>,
) {
    let mut snapshot = snapshot();
    let obstacle = json!({"code": about, "reason": "Forbidden", "message": "it may not"}).to_string();
    let server: Server = serde_json::from_value(json!({
        "metadata": {"name": "one", "namespace": "puppet", "uid": "uid-one",
                     "annotations": {"voxsync.dev/obstacle": obstacle}},
        "spec": {"configRef": "production"},
    }))
    .unwrap();
    snapshot.apply(server);
    let mut deployment = json!({
        "metadata": {"name": "one", "namespace": "puppet", "generation": generation},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"openvox.voxpupuli.org/server": "one"}}, "template": {"spec": {"containers": []}}},
        "status": {"observedGeneration": 1, "updatedReplicas": 1},
    });
    deployment["status"].as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    snapshot.apply(serde_json::from_value::<Deployment>(deployment).unwrap());
    let sync = code_sync("mine", &json!([stage("all", &[json!({"kind": "Config", "name": "production"})])]));
    let why = look(&snapshot, &sync).0.stages[0][0].servers[0].why_not_held.clone();
    match wanted {
        Some(wanted) => assert!(why.as_deref().is_some_and(|why| why.contains(wanted)), "{why:?}"),
        None => assert_eq!(why, None),
    }
}

#[test]
fn a_server_is_pulled_for_with_the_secret_of_its_config() {
    let snapshot = snapshot();
    let sync = code_sync("mine", &json!([stage("all", &[json!({"kind": "Server", "name": "one"})])]));
    let target = first_target(&snapshot, "puppet", &sync.spec).unwrap();
    assert_eq!(pull_secret(&snapshot, "puppet", &target), Some("pull"));
}

#[test]
fn what_looks_judged_is_seen() {
    let image = |repository: &str, digest: &str| CandidateStatus {
        repository: repository.into(),
        digest: digest.into(),
        ..CandidateStatus::default()
    };
    let (kept, others) = (image("a", "kept"), image("b", "kept"));
    let mut sync = code_sync("mine", &json!([]));
    sync.status =
        Some(voxsync_crds::code_sync::CodeSyncStatus { candidate: Some(kept.clone()), ..Default::default() });
    let refused = Unverified {
        what: Some("kept".into()),
        repository: Some("a".into()),
        named_by: None,
        reason: "NotVerified".into(),
        message: String::new(),
        overrules: true,
    };
    let source = Finding {
        judged_by: Some(JudgedBy::Keys("first".into())),
        kept: vec![
            Ok(kept.clone()),
            Ok(others),
            Err(refused.clone()),
            Err(Unverified { repository: Some("b".into()), ..refused.clone() }),
        ],
        ..Finding::default()
    };
    let pin = Finding { judged_by: Some(JudgedBy::Nothing("no Secret".into())), ..Finding::default() };
    let seen = |source, pin| {
        let sight = Sight { source, pin, ..Sight::default() };
        let (observed, _) = observe(&snapshot(), &sync, sight, |_| None);
        (observed.keys, observed.judged, observed.unverified)
    };
    assert_eq!(seen(Some(&source), None), (Some("first".into()), vec![kept], vec![refused]));
    let (keys, _, unverified) = seen(Some(&pin), None);
    assert_eq!((keys, unverified[0].what.as_ref(), unverified[0].overrules), (None, None, true));
    assert_eq!(seen(None, Some(&pin)).2, unverified);
}

/// The name is passed on only where the API server vouches for it; the approval counts without.
#[rstest]
#[case::nobody(Voucher::None, None)]
#[case::the_server(Voucher::ApiServer, Some("jane"))]
fn the_name_under_an_approval_needs_a_voucher(#[case] voucher: Voucher, #[case] approved_by: Option<&str>) {
    let mut sync = code_sync("mine", &json!([]));
    let annotations = sync.metadata.annotations.as_mut().unwrap();
    annotations.insert(APPROVE.to_owned(), "sha256:a".to_owned());
    annotations.insert(APPROVED_BY.to_owned(), "jane".to_owned());
    let (observed, _) = observe(&snapshot(), &sync, Sight { voucher, ..Sight::default() }, |_| None);
    assert_eq!(
        (observed.approve.as_deref(), observed.approved_by.as_deref()),
        (Some("sha256:a"), approved_by)
    );
}

/// As [`snapshot`], seen by CodeSyncs of the namespace `dev`, which the Config lets in or not.
fn seen_from_dev(accepts_from: &str) -> Snapshot {
    let mut snapshot = snapshot();
    snapshot.set_cross_namespace(voxsync_cluster::CrossNamespace::Allowed);
    let mut config = snapshot.config("puppet", "production").unwrap().clone();
    config.metadata.annotations.as_mut().unwrap().insert(ACCEPTS_FROM.to_owned(), accepts_from.to_owned());
    snapshot.apply(config);
    snapshot
}

fn in_dev(mut sync: CodeSync) -> CodeSync {
    sync.metadata.namespace = Some("dev".to_owned());
    sync
}

fn from_dev(name: &str) -> CodeSync {
    let target = json!({"kind": "Config", "name": "production", "namespace": "puppet"});
    in_dev(code_sync(name, &json!([stage("all", &[target])])))
}

#[test]
fn a_target_that_consents_is_seen_from_another_namespace() {
    let (observed, involved) = look(&seen_from_dev("dev"), &from_dev("mine"));
    let target = &observed.stages[0][0];
    assert_eq!(target.key.to_string(), "Config/puppet/production");
    assert_eq!(target.live, Ok(Live { image: Some("a:1".into()), ..Live::default() }));
    assert_eq!(names(target), ["puppet/one", "puppet/two"]);
    let object = |kind, name: &str| (kind, "puppet".to_owned(), name.to_owned());
    let wanted = [object(TargetKind::Config, "production"), object(TargetKind::Server, "one")];
    assert!(wanted.iter().all(|object| involved.contains(object)), "{involved:?}");
}

/// Who may write a CodeSync in one namespace learns nothing of another one by it.
#[rstest]
#[case::no_consent("", "mine")]
#[case::consent_for_another("development", "mine")]
#[case::withdrawn("", "other")]
fn of_a_target_that_does_not_consent_nothing_is_told(#[case] accepts_from: &str, #[case] name: &str) {
    let (observed, involved) = look(&seen_from_dev(accepts_from), &from_dev(name));
    let target = &observed.stages[0][0];
    let problem = target.live.clone().unwrap_err();
    assert_eq!((problem.reason, problem.stalled), ("NoConsent", false));
    let command = "`kubectl annotate config production -n puppet voxsync.dev/accepts-from=dev`";
    assert!(problem.message.contains(command), "{}", problem.message);
    assert!(involved.contains(&(TargetKind::Config, "puppet".to_owned(), "production".to_owned())));
    // What it wrote itself it knows: it is to be named when it is not given back.
    assert_eq!(target.applied.is_some(), name == "other");
    let hidden = ObservedTarget { applied: None, ..target.clone() };
    assert!(!format!("{hidden:?}").contains("a:1"), "{hidden:?}");
    let mut nowhere = Snapshot::default();
    nowhere.set_cross_namespace(voxsync_cluster::CrossNamespace::Allowed);
    let absent = look(&nowhere, &from_dev(name)).0.stages[0][0].live.clone();
    assert_eq!(absent, Err(problem), "the same as of one that is not there");
}

#[rstest]
#[case::let_in("dev", Some("dev/old"))]
#[case::not_let_in("", None)]
fn who_is_not_let_in_claims_nothing(#[case] accepts_from: &str, #[case] wanted: Option<&str>) {
    let mut snapshot = seen_from_dev(accepts_from);
    let mine = created("mine", 2, "production");
    snapshot.apply(mine.clone());
    let mut old = from_dev("old");
    let time = jiff::Timestamp::from_second(1).unwrap();
    old.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time));
    snapshot.apply(old.clone());
    let claims =
        |of: &CodeSync| look(&snapshot, of).0.stages[0][0].claims.clone().map(|claim| claim.code_sync);
    assert_eq!(claims(&mine).as_deref(), wanted);
    assert_eq!(claims(&old), None);
}

#[test]
fn without_the_option_no_other_namespace_is_seen() {
    let mut snapshot = seen_from_dev("dev");
    snapshot.set_cross_namespace(voxsync_cluster::CrossNamespace::Refused);
    let problem = look(&snapshot, &from_dev("mine")).0.stages[0][0].live.clone().unwrap_err();
    assert_eq!((problem.reason, problem.stalled), ("OtherNamespace", true));
    assert!(problem.message.contains("--allow-cross-namespace"), "{}", problem.message);
}

#[test]
fn a_pull_secret_of_another_namespace_is_not_used() {
    assert_eq!(first_target(&seen_from_dev("dev"), "dev", &from_dev("mine").spec), None);
}

#[rstest]
#[case::it_consents_itself("qa,dev", true)]
#[case::it_does_not("qa", false)]
fn what_is_wrong_with_inherited_code_is_told_who_its_config_lets_in(
    #[case] config_accepts: &str,
    #[case] wanted: bool,
) {
    let annotations = |accepts: &str| json!({ACCEPTS_FROM: accepts});
    let code = json!([{"image": "a:1", "environment": "x"}, {"image": "b:1", "environment": "y"}]);
    let config = json!({
        "metadata": {"name": "all", "namespace": "prod", "annotations": annotations(config_accepts)},
        "spec": {"code": code},
    });
    let server = json!({
        "metadata": {"name": "one", "namespace": "prod", "annotations": annotations("dev")},
        "spec": {"configRef": "all"},
    });
    let mut snapshot = Snapshot::default();
    snapshot.set_cross_namespace(voxsync_cluster::CrossNamespace::Allowed);
    snapshot.set_shapes(Shapes { config: Some(CodeShape::List), server: Some(CodeShape::List) });
    snapshot.apply(serde_json::from_value::<Config>(config).unwrap());
    snapshot.apply(serde_json::from_value::<Server>(server).unwrap());
    let target = json!({"kind": "Server", "name": "one", "namespace": "prod"});
    let mut sync = code_sync("mine", &json!([stage("all", &[target])]));
    sync.metadata.namespace = Some("dev".to_owned());
    let problem = look(&snapshot, &sync).0.stages[0][0].live.clone().unwrap_err();
    assert_eq!(problem.reason, "AmbiguousEntry");
    assert_eq!(problem.message.contains("has 2 entries"), wanted, "{}", problem.message);
}

#[test]
fn what_a_selector_found_is_named_when_it_shuts() {
    let record = json!({"": {"codeSync": "uid-mine", "promotion": "p", "reference": "a:1"}}).to_string();
    let config = json!({
        "metadata": {"name": "late", "namespace": "prod", "labels": {"ring": "late"},
                     "annotations": {"voxsync.dev/applied": record}},
        "spec": {"code": {"image": "a:1"}},
    });
    let mut snapshot = snapshot();
    snapshot.set_cross_namespace(voxsync_cluster::CrossNamespace::Allowed);
    snapshot.apply(serde_json::from_value::<Config>(config).unwrap());
    let selector = json!({"matchLabels": {"ring": "late"}});
    let target = json!({"kind": "Config", "selector": selector, "namespace": "prod"});
    let sync = code_sync("mine", &json!([stage("late", &[target])]));
    let target = &look(&snapshot, &sync).0.stages[0][0];
    assert_eq!(target.live.as_ref().unwrap_err().reason, "NoConsent");
    assert_eq!(target.applied.as_ref().and_then(|applied| applied.reference.as_deref()), Some("a:1"));
}

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn code_sync(name: &str, follows: &Value, status: &Value) -> CodeSync {
    serde_json::from_value(json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {"name": name, "namespace": "puppet", "uid": format!("uid-{name}")},
        "spec": {"source": follows, "stages": [
            {"name": "canary", "targets": [{"kind": "Server", "name": "canary"}]},
            {"name": "all", "targets": [{"kind": "Config", "name": "all"}]},
        ]},
        "status": status,
    }))
    .unwrap()
}

fn follows(name: &str) -> Value {
    json!({"codeSync": {"name": name}})
}

fn snapshot(all: &[CodeSync]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for one in all {
        snapshot.apply(one.clone());
    }
    snapshot
}

/// What is found at the CodeSync `staging`, with this status and by this stage.
fn found(status: &Value, stage: Option<&str>) -> Upstream {
    let file = json!({"file": {"path": "x"}});
    let production = json!({"codeSync": {"name": "staging", "stage": stage}});
    let production = code_sync("production", &production, &Value::Null);
    upstream(&snapshot(&[code_sync("staging", &file, status)]), &production).unwrap()
}

#[rstest]
#[case::all_stages(json!({"deployed": {"name": "v1", "reference": format!("h.example/a:v1@{DIGEST}")}}), None, "v1")]
#[case::a_digest_beside_the_tag(
    json!({"deployed": {"name": "v1", "reference": "h.example/a:v1", "digest": DIGEST}}), None, "v1"
)]
#[case::a_stage_that_is_ahead(
    json!({"deployed": {"name": "v0", "reference": "h.example/a:v0"}, "stages": [
        {"name": "canary", "promotion": "p", "reference": format!("h.example/a:v1@{DIGEST}")}, {"name": "all"}]}),
    Some("canary"),
    "v1"
)]
#[case::a_digest_alone(
    json!({"stages": [{"name": "all", "promotion": "p", "reference": format!("h.example/a@{DIGEST}")}]}),
    Some("all"),
    "1111111111"
)]
#[case::adopted(
    json!({"deployed": {"name": "v1", "reference": "h.example/a:v1", "digest": DIGEST}, "stages": [
        {"name": "all", "reference": format!("h.example/a:v1@{DIGEST}")}]}),
    Some("all"),
    "v1"
)]
#[case::adopted_by_its_tag(
    json!({"deployed": {"name": "v1", "reference": "h.example/a:v1"}, "stages": [
        {"name": "all", "reference": format!("h.example/a:v1@{DIGEST}")}]}),
    Some("all"),
    "v1"
)]
fn what_was_released_is_taken_with_its_digest(
    #[case] status: Value,
    #[case] stage: Option<&str>,
    #[case] name: &str,
) {
    let Upstream::Released(released) = found(&status, stage) else { panic!("nothing") };
    assert_eq!((released.name.as_str(), released.reference.digest()), (name, Some(DIGEST)));
}

#[rstest]
#[case::nothing_yet(json!({}), None, "NothingReleased")]
#[case::a_stage_that_never_passed(json!({"stages": [{"name": "canary"}]}), Some("canary"), "NothingReleased")]
#[case::what_no_promotion_passed(
    json!({"deployed": {"name": "v0", "reference": "h.example/a:v0"}, "stages": [
        {"name": "canary", "reference": format!("h.example/a:v1@{DIGEST}")}]}),
    Some("canary"),
    "NothingReleased"
)]
#[case::no_such_stage(json!({}), Some("cannery"), "NoSuchStage")]
#[case::a_tag_alone(json!({"deployed": {"name": "v1", "reference": "h.example/a:v1"}}), None, "NoDigest")]
#[case::no_reference(json!({"deployed": {"name": "?", "reference": "not a ref !!"}}), None, "NoDigest")]
fn what_cannot_be_taken_is_said(#[case] status: Value, #[case] stage: Option<&str>, #[case] reason: &str) {
    let problem = found(&status, stage).problem().unwrap();
    assert_eq!((problem.reason.as_str(), problem.unreachable), (reason, false));
    assert!(problem.message.contains("CodeSync puppet/staging"), "{}", problem.message);
}

#[test]
fn one_that_is_not_there_is_named() {
    let production = code_sync("production", &follows("staging"), &Value::Null);
    let problem = upstream(&Snapshot::default(), &production).and_then(Upstream::problem).unwrap();
    assert_eq!(problem.reason, "NoSuchCodeSync");
}

#[rstest]
#[case::itself(&[("a", "a")], "a → a")]
#[case::each_other(&[("a", "b"), ("b", "a")], "a → b → a")]
#[case::three(&[("a", "b"), ("b", "c"), ("c", "a")], "a → b → c → a")]
fn a_circle_is_none(#[case] way: &[(&str, &str)], #[case] wanted: &str) {
    let all: Vec<_> = way.iter().map(|(name, next)| code_sync(name, &follows(next), &Value::Null)).collect();
    let Some(Upstream::Circle(sentence)) = upstream(&snapshot(&all), &all[0]) else { panic!("no circle") };
    assert!(sentence.starts_with("source.codeSync.name: ") && sentence.contains(wanted), "{sentence}");
}

#[test]
fn a_chain_without_an_end_is_cut() {
    let name = |number: usize| format!("link-{number}");
    let all: Vec<_> =
        (0..40).map(|number| code_sync(&name(number), &follows(&name(number + 1)), &Value::Null)).collect();
    let Some(Upstream::Circle(sentence)) = upstream(&snapshot(&all), &all[0]) else { panic!("no end") };
    assert!(sentence.contains("16 CodeSyncs"), "{sentence}");
    let short = &all[41 - CHAIN_LIMIT];
    assert!(matches!(upstream(&snapshot(&all), short), Some(Upstream::Nothing(_))));
}

/// What the CodeSync `production` of the namespace `prod` finds at `staging` of `puppet`, which lets in these namespaces.
fn found_from_prod(accepts_from: &str, chain: &Value) -> Upstream {
    let status = json!({"deployed": {"name": "v1", "reference": format!("h.example/a:v1@{DIGEST}")}});
    let mut staging = code_sync("staging", chain, &status);
    let annotations = [(ACCEPTS_FROM.to_owned(), accepts_from.to_owned())];
    staging.metadata.annotations = Some(annotations.into());
    let source = json!({"codeSync": {"name": "staging", "namespace": "puppet"}});
    let mut production = code_sync("production", &source, &Value::Null);
    production.metadata.namespace = Some("prod".to_owned());
    let mut snapshot = snapshot(&[staging, production.clone()]);
    snapshot.set_cross_namespace(voxsync_cluster::CrossNamespace::Allowed);
    upstream(&snapshot, &production).unwrap()
}

#[test]
fn one_of_another_namespace_is_followed_where_it_consents() {
    let file = json!({"file": {"path": "x"}});
    assert!(matches!(found_from_prod("qa,prod", &file), Upstream::Released(_)));
    let problem = found_from_prod("qa", &file).problem().unwrap();
    assert_eq!(problem.reason, "NoConsent");
    let command = "`kubectl annotate codesync staging -n puppet voxsync.dev/accepts-from=prod`";
    assert!(problem.message.contains(command) && !problem.message.contains("v1"), "{}", problem.message);
}

#[test]
fn a_circle_of_others_stops_nobody_else() {
    let way = [("a", "b"), ("b", "c"), ("c", "b")];
    let all = way.map(|(name, next)| code_sync(name, &follows(next), &Value::Null));
    let found = upstream(&snapshot(&all), &all[0]).and_then(Upstream::problem).unwrap();
    assert_eq!(found.reason, "NothingReleased");
}

#[test]
fn a_circle_is_none_where_one_of_it_does_not_let_the_one_before_in() {
    // `prod` lets nobody in, so that staging does not follow it, and it takes what staging has.
    let back = json!({"codeSync": {"name": "production", "namespace": "prod"}});
    assert!(matches!(found_from_prod("prod", &back), Upstream::Released(_)));
    assert_eq!(found_from_prod("", &back).problem().unwrap().reason, "NoConsent");
}

#[test]
fn a_circle_names_only_what_lets_its_own_namespace_in() {
    let link = |name: &str, namespace: &str, next: (&str, &str), accepts: &str| {
        let source = json!({"codeSync": {"name": next.0, "namespace": next.1}});
        let mut link = code_sync(name, &source, &Value::Null);
        link.metadata.namespace = Some(namespace.to_owned());
        link.metadata.annotations = Some([(ACCEPTS_FROM.to_owned(), accepts.to_owned())].into());
        link
    };
    let all = [
        link("production", "prod", ("staging", "puppet"), "qa"),
        link("staging", "puppet", ("secret", "qa"), "prod"),
        link("secret", "qa", ("production", "prod"), "puppet"),
    ];
    let mut snapshot = snapshot(&all);
    snapshot.set_cross_namespace(voxsync_cluster::CrossNamespace::Allowed);
    let Some(Upstream::Circle(sentence)) = upstream(&snapshot, &all[0]) else { panic!("no circle") };
    assert!(sentence.contains("(production → puppet/staging → … → production)"), "{sentence}");
}

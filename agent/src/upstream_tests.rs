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
        {"name": "canary", "reference": format!("h.example/a:v1@{DIGEST}")}, {"name": "all"}]}),
    Some("canary"),
    "v1"
)]
#[case::a_digest_alone(
    json!({"stages": [{"name": "all", "reference": format!("h.example/a@{DIGEST}")}]}), Some("all"), "1111111111"
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
#[case::others(&[("a", "b"), ("b", "c"), ("c", "b")], "a → b → c → b")]
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

use serde_json::{Value, json};
use voxsync_promotion::Unverified;

use super::*;

const REPOSITORY: &str = "ghcr.io/a/b";

fn code_sync(promotion: &Value) -> CodeSync {
    serde_json::from_value(json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {"name": "production", "namespace": "puppet"},
        "spec": {"source": {"file": {"path": "x"}}, "target": {"kind": "Config", "name": "production"}},
        "status": {"promotion": promotion},
    }))
    .unwrap()
}

fn image(digest: &str) -> Found {
    Found::image(REPOSITORY, digest)
}

fn unsigned(digest: &str) -> Finding {
    let unverified = Unverified {
        named_by: None,
        what: Some(digest.to_owned()),
        repository: Some(REPOSITORY.to_owned()),
        reason: Unverified::REFUSED.to_owned(),
        message: "signed by somebody else".to_owned(),
        overrules: false,
    };
    Finding { unverified: vec![unverified], ..Finding::default() }
}

#[test]
fn a_verdict_is_of_the_image_that_it_is_about() {
    let sighted = |finding: Finding| {
        let sighted = Sighted::of(finding, |_| Vec::new());
        let reasons: Vec<String> = sighted.obstacles.into_iter().map(|it| it.reason).collect();
        (reasons, sighted.problem.map(|problem| problem.reason))
    };
    let refused = vec![Unverified::REFUSED.to_owned()];
    let best = Finding { image: Some(image("new")), ..unsigned("new") };
    assert_eq!(sighted(best), (refused.clone(), None));
    let older = Finding { image: Some(image("new")), next_best: vec![image("old")], ..unsigned("old") };
    assert_eq!(sighted(older), (Vec::new(), None));
    let mut commit = unsigned("c0ffee");
    commit.unverified.iter_mut().for_each(|unverified| unverified.repository = None);
    assert_eq!(sighted(commit), (Vec::new(), Some(Unverified::REFUSED.to_owned())));
    let judged_by = Some(JudgedBy::Nothing("the Secret is not there".to_owned()));
    let no_keys = Finding { image: Some(image("new")), judged_by, ..Finding::default() };
    assert_eq!(sighted(no_keys), (refused, None));
}

#[test]
fn what_a_stage_could_not_run_is_not_taken_again() {
    let promotion = |source_revision: Option<&str>, failure: Value| {
        json!({
            "id": "p", "trigger": "Source", "startedAt": "2026-01-05T12:00:00Z", "failure": failure,
            "candidate": {"repository": REPOSITORY, "digest": "bad", "sourceRevision": source_revision},
        })
    };
    let failure = json!({"stage": "canary", "server": "one", "reason": "ImagePullBackOff", "message": "…"});
    let failed = promotion(Some("v1"), failure.clone());
    let pin_failed = promotion(None, failure);
    let under_way = promotion(Some("v1"), Value::Null);
    for (promotion, digest, purpose, wanted) in [
        (&failed, "bad", Purpose::Source, true),
        (&failed, "new", Purpose::Source, false),
        (&failed, "bad", Purpose::Pin, false),
        (&pin_failed, "bad", Purpose::Pin, true),
        (&pin_failed, "bad", Purpose::Source, true),
        (&under_way, "bad", Purpose::Source, false),
        (&Value::Null, "bad", Purpose::Source, false),
    ] {
        let found = obstacles(&code_sync(promotion), &image(digest), purpose);
        assert_eq!(!found.is_empty(), wanted, "{promotion} {digest} {purpose:?}");
        for obstacle in found {
            let said = obstacle.message;
            assert!(said.contains("Server one of stage canary could not run it: ImagePullBackOff"), "{said}");
            assert!(said.contains("`voxsync resume production -n puppet`"), "{said}");
        }
    }
}

#[test]
fn what_is_in_quarantine_is_not_taken() {
    let mut code_sync = code_sync(&Value::Null);
    let kept = json!([{"digest": "bad", "name": "v1.5.0", "reason": "canary: CrashLoopBackOff", "since": "2026-01-05T12:00:00Z"}]);
    code_sync.status.as_mut().unwrap().quarantine = serde_json::from_value(kept).unwrap();
    let said = |digest: &str, purpose| obstacles(&code_sync, &image(digest), purpose);
    for purpose in [Purpose::Source, Purpose::Pin] {
        let obstacles = said("bad", purpose);
        assert_eq!(obstacles.len(), 1, "{obstacles:?}");
        let ImageProblem { reason, message } = &obstacles[0];
        assert_eq!(reason, "Quarantined");
        assert!(message.contains("`voxsync release-quarantine production bad -n puppet`"), "{message}");
        assert!(said("good", purpose).is_empty());
    }
}

#[test]
fn the_pull_secret_is_looked_for_where_the_targets_are() {
    let target = |namespace: Option<&str>| json!({"kind": "Config", "name": "all", "namespace": namespace});
    let spec = |stages: &Value| {
        let spec = json!({"source": {"file": {"path": "x"}}, "stages": stages});
        serde_json::from_value::<voxsync_crds::code_sync::CodeSyncSpec>(spec).unwrap()
    };
    let both = [target(None), target(Some("prod")), target(Some("prod"))];
    let both = spec(&json!([{"name": "all", "targets": both}]));
    assert_eq!(Vec::from_iter(both.pulling_namespaces("dev")), ["dev", "prod"]);
    let elsewhere = spec(&json!([{"name": "all", "targets": [target(Some("prod"))]}]));
    assert_eq!(Vec::from_iter(elsewhere.pulling_namespaces("dev")), ["prod"]);
}

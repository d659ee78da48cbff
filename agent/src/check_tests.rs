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

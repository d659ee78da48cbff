//! Every verdict, as a table: what the CodeSync says, what is asked, and what the answer is.

use serde_json::{Value, json};
use voxsync_crds::{CodeSync, code_release::CodeReleaseSpec};

use super::{
    answer::{
        Answer,
        Verdict::{self, Deployed, Failed, RolledBack, Superseded, Unanswerable, Unseen, Waiting},
    },
    selector::Selector,
    turned::AskedBy,
    verdict::{Question, answer},
};

pub(super) const AT: &str = "2026-03-01T10:00:00Z";
pub(super) const LATER: &str = "2026-03-01T11:00:00Z";
const COMMIT: &str = "4be01c7a4be01c7a4be01c7a4be01c7a4be01c7a";

pub(super) fn digest(tag: &str) -> String {
    let digits = tag.bytes().cycle().take(64).map(|byte| char::from_digit(u32::from(byte) % 16, 16).unwrap());
    format!("sha256:{}", digits.collect::<String>())
}

pub(super) fn candidate(tag: &str) -> Value {
    let digest = digest(tag);
    json!({
        "name": tag, "reference": format!("r.io/code:{tag}@{digest}"), "repository": "r.io/code", "tag": tag,
        "digest": digest, "sourceRevision": tag,
        "commit": if tag == "v2.0.0" { COMMIT.to_owned() } else { format!("{}0", &digest[7..46]) },
    })
}

fn deployed(tag: &str) -> Value {
    let mut deployed = candidate(tag);
    deployed["since"] = json!(AT);
    deployed["promotion"] = json!(format!("p-{tag}"));
    deployed
}

fn promotion(tag: &str, outcome: Option<&str>) -> Value {
    json!({
        "id": format!("p-{tag}"), "candidate": candidate(tag), "trigger": "Source", "startedAt": AT,
        "outcome": outcome, "endedAt": outcome.map(|_| AT),
        "failure": {"stage": "canary", "server": "canary", "reason": "ImagePullBackOff", "message": "not found"},
    })
}

fn stage(name: &str, phase: &str, promotion: &str) -> Value {
    json!({"name": name, "phase": phase, "promotion": promotion, "ready": 1, "desired": 1, "since": AT})
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": AT})
}

pub(super) fn summary(tag: &str, outcome: &str, at: &str) -> Value {
    json!({
        "id": format!("p-{tag}"), "name": tag, "reference": candidate(tag)["reference"], "outcome": outcome,
        "endedAt": at,
    })
}

pub(super) fn release(tag: &str, outcome: &str, at: &str) -> Value {
    json!({
        "codeSync": "production", "codeSyncUid": "u", "promotion": format!("p-{tag}"), "trigger": "Source",
        "candidate": candidate(tag), "outcome": outcome, "startedAt": AT, "endedAt": at,
        "failure": {"stage": "canary", "server": "canary", "reason": "CrashLoopBackOff", "message": "it ends"},
    })
}

/// A CodeSync that follows versions, with this status about all that it was told.
fn code_sync(status: &Value) -> Value {
    let stages = json!([
        {"name": "canary", "targets": [{"kind": "Server", "name": "canary"}]},
        {"name": "production", "targets": [{"kind": "Config", "name": "production"}]},
    ]);
    let registry = json!({"repository": "r.io/code", "tag": {"semver": ">=1.0.0"}});
    let mut code_sync = json!({
        "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
        "metadata": {"name": "production", "namespace": "puppet", "uid": "u", "generation": 2},
        "spec": {"source": {"registry": registry}, "stages": stages},
        "status": status,
    });
    if !code_sync["status"].is_null() {
        code_sync["status"]["observedGeneration"] = json!(2);
    }
    code_sync
}

pub(super) fn ask(
    selector: Selector,
    stage: Option<&str>,
    code_sync: &Value,
    releases: &[Value],
    was_seen: bool,
) -> Answer {
    ask_by(AskedBy::Anyone, selector, stage, code_sync, (releases, was_seen))
}

pub(super) fn ask_by(
    asked_by: AskedBy,
    selector: Selector,
    stage: Option<&str>,
    code_sync: &Value,
    (releases, was_seen): (&[Value], bool),
) -> Answer {
    let code_sync: CodeSync = serde_json::from_value(code_sync.clone()).unwrap();
    let releases: Vec<CodeReleaseSpec> =
        releases.iter().map(|release| serde_json::from_value(release.clone()).unwrap()).collect();
    let question = Question { selector, stage: stage.map(str::to_owned), asked_by };
    answer(&question, &code_sync, &releases, was_seen)
}

pub(super) fn tag(tag: &str) -> Selector {
    Selector::Tag(tag.to_owned(), None)
}

#[track_caller]
pub(super) fn expect(answer: &Answer, verdict: Verdict, says: &str) {
    assert_eq!(answer.verdict, verdict, "{}", answer.message);
    assert!(answer.message.contains(says), "{says:?} is not in {:?}", answer.message);
}

/// v2.0.0 is on its way, v1.0.0 runs.
pub(super) fn on_its_way(outcome: Option<&str>) -> Value {
    code_sync(&json!({
        "candidate": candidate("v2.0.0"), "promotion": promotion("v2.0.0", outcome), "deployed": deployed("v1.0.0"),
        "stages": [stage("canary", "Deployed", "p-v2.0.0"), stage("production", "Rolling", "p-v1.0.0")],
        "conditions": [condition("Ready", "False", "Rolling", "1 of 2 pods ready")],
    }))
}

pub(super) fn at_rest(tag: &str) -> Value {
    let promotion = format!("p-{tag}");
    code_sync(&json!({
        "candidate": candidate(tag), "deployed": deployed(tag),
        "stages": [stage("canary", "Deployed", &promotion), stage("production", "Deployed", &promotion)],
        "conditions": [condition("Ready", "True", "Deployed", ""), condition("Deployed", "True", "Deployed", "")],
    }))
}

#[test]
fn a_promotion_answers_for_its_candidate_by_each_of_its_names() {
    let names = [
        Selector::Present,
        tag("v2.0.0"),
        Selector::Digest(digest("v2.0.0")),
        Selector::Commit(COMMIT.to_owned()),
        Selector::Commit(COMMIT[..7].to_owned()),
    ];
    let outcomes = [
        (None, Waiting, "1 of 2 pods ready"),
        (Some("Released"), Deployed, "v2.0.0 was deployed in all stages"),
        (Some("Failed"), Failed, "stage canary: Server canary: ImagePullBackOff: not found"),
        (Some("RolledBack"), RolledBack, "v2.0.0 was rolled back"),
        (Some("Superseded"), Superseded, "v2.0.0 was superseded"),
        (Some("Abandoned"), Failed, "its CodeSync was deleted"),
    ];
    for name in names {
        for (outcome, verdict, says) in outcomes {
            expect(&ask(name.clone(), None, &on_its_way(outcome), &[], false), verdict, says);
        }
    }
}

/// The same image by another tag.
fn by_tag(tag: &str, candidate: &Value) -> Value {
    let mut other = candidate.clone();
    let reference = format!("r.io/code:{tag}@{}", candidate["digest"].as_str().unwrap());
    for (field, text) in [("name", tag), ("tag", tag), ("sourceRevision", tag), ("reference", &reference)] {
        other[field] = json!(text);
    }
    other
}

#[test]
fn a_tag_is_answered_by_what_runs_its_image_by_another_tag() {
    for (outcome, verdict, says) in [
        (None, Waiting, "1 of 2 pods ready"),
        (Some("Released"), Deployed, "v2.0.0 was deployed in all stages"),
        (Some("Failed"), Failed, "tag production names this image: v2.0.0 failed"),
        (Some("RolledBack"), RolledBack, "tag production names this image: v2.0.0 was rolled back"),
    ] {
        // The source names the other tag now, or never does, and the registry says what it is.
        let mut found = on_its_way(outcome);
        let known = Selector::Tag("production".to_owned(), Some(digest("v2.0.0")));
        expect(&ask(known.clone(), None, &found, &[], false), verdict, says);
        found["status"]["candidate"] = by_tag("production", &candidate("v2.0.0"));
        expect(&ask(tag("production"), None, &found, &[], false), verdict, says);
        let other = Selector::Tag("stable".to_owned(), Some(digest("v3.0.0")));
        expect(&ask(other, None, &found, &[], false), Unseen, "has not named tag stable yet");
        expect(&ask(known, Some("canary"), &found, &[], false), Deployed, "in stage canary");
    }
    let mut found = at_rest("v2.0.0");
    found["status"]["candidate"] = by_tag("production", &candidate("v2.0.0"));
    // It is also where something else, of which somebody has to take care, is not as it should be.
    found["status"]["conditions"] = json!([condition("Deployed", "False", "NotEverywhere", "")]);
    let says = "tag production names this image: v2.0.0 is deployed in all stages since";
    expect(&ask(tag("production"), None, &found, &[], false), Deployed, says);
    let both = ask(tag("v2.0.0"), None, &found, &[], false);
    assert!(!both.message.contains("this image"), "{}", both.message);
}

#[test]
fn a_commit_is_that_of_the_code_or_of_the_repository_that_named_it() {
    let mut found = on_its_way(None);
    found["status"]["promotion"]["candidate"]["sourceRevision"] = json!("release-2");
    found["status"]["promotion"]["candidate"]["namedBy"] =
        json!({"commit": "c3d4".repeat(10), "tag": "release-2"});
    for commit in ["c3d4c3d4", COMMIT] {
        expect(&ask(Selector::Commit(commit.to_owned()), None, &found, &[], false), Waiting, "1 of 2 pods");
    }
}

#[test]
fn a_stage_that_was_named_is_enough_once_it_has_passed() {
    for outcome in [None, Some("Failed"), Some("Superseded")] {
        let found = on_its_way(outcome);
        expect(&ask(tag("v2.0.0"), Some("canary"), &found, &[], false), Deployed, "in stage canary");
        expect(&ask(Selector::Present, Some("canary"), &found, &[], false), Deployed, "in stage canary");
    }
    let found = on_its_way(None);
    expect(&ask(tag("v2.0.0"), Some("production"), &found, &[], false), Waiting, "1 of 2");
    expect(&ask(tag("v2.0.0"), Some("blue"), &found, &[], false), Unanswerable, "canary, production");
}

#[test]
fn what_runs_is_deployed() {
    let found = at_rest("v2.0.0");
    for name in [Selector::Present, tag("v2.0.0"), Selector::Commit("4be01c7".to_owned())] {
        expect(
            &ask(name.clone(), None, &found, &[], false),
            Deployed,
            "v2.0.0 is deployed in all stages since",
        );
        expect(&ask(name, Some("canary"), &found, &[], false), Deployed, "in stage canary");
    }
}

#[test]
fn what_is_deployed_stays_so_while_another_comes_or_fails() {
    for (outcome, other) in [
        (None, "; v2.0.0 is on its way"),
        (Some("Failed"), "; v2.0.0 failed in stage canary"),
        (Some("RolledBack"), "; v2.0.0 was rolled back in stage canary"),
        (Some("Superseded"), "; v2.0.0 is the candidate"),
    ] {
        for (stage, says) in [
            (None, "v1.0.0 is deployed in all stages since 2026-03-01T10:00:00Z"),
            (
                Some("canary"),
                "v1.0.0 passed stage canary, and is what is deployed since 2026-03-01T10:00:00Z",
            ),
        ] {
            let mut found = on_its_way(outcome);
            let by_tag = ask(tag("v1.0.0"), stage, &found, &[], false);
            expect(&by_tag, Deployed, &format!("{says}{other}"));
            // It is what should run again, but nothing began yet.
            found["status"]["candidate"] = candidate("v1.0.0");
            for name in [tag("v1.0.0"), Selector::Present] {
                expect(&ask(name, stage, &found, &[], false), Waiting, "1 of 2 pods ready");
            }
        }
    }
    // What is on its way has not reached this stage.
    let mut found = on_its_way(None);
    found["status"]["stages"][0]["promotion"] = json!("p-v1.0.0");
    let production = ask(tag("v1.0.0"), Some("production"), &found, &[], false);
    expect(&production, Deployed, "v1.0.0 is deployed in stage production since");
    // Nothing of what comes next began yet.
    found["status"]["promotion"] = Value::Null;
    expect(&ask(tag("v1.0.0"), None, &found, &[], false), Deployed, "; v2.0.0 is the candidate");
}

#[test]
fn without_a_name_a_hold_on_what_was_deployed_is_waited_out() {
    let mut found = at_rest("v2.0.0");
    found["status"]["conditions"] = json!([
        condition("Ready", "False", "Held", "Config/production was changed by kubectl-edit"),
        condition("Deployed", "False", "NotEverywhere", ""),
    ]);
    found["status"]["stages"][1]["phase"] = json!("Held");
    expect(&ask(Selector::Present, None, &found, &[], false), Waiting, "Held: Config/production");
    expect(&ask(Selector::Present, Some("production"), &found, &[], false), Waiting, "Held");
    expect(&ask(Selector::Present, Some("canary"), &found, &[], false), Deployed, "stage canary");
    expect(&ask(tag("v2.0.0"), None, &found, &[], false), Deployed, "v2.0.0");
}

#[test]
fn nothing_is_an_answer_that_the_agent_gave_before_it_was_told() {
    let told = |path: &[&str], value: &str| {
        let mut found = on_its_way(Some("Failed"));
        let place = path.iter().fold(&mut found, |value, key| &mut value[*key]);
        *place = json!(value);
        ask(tag("v2.0.0"), None, &found, &[], false)
    };
    expect(&ask(Selector::Present, None, &code_sync(&Value::Null), &[], false), Unseen, "does `voxsync run`");
    let mut found = at_rest("v2.0.0");
    found["metadata"]["generation"] = json!(3);
    expect(&ask(Selector::Present, None, &found, &[], false), Unseen, "has not taken up the present spec");
    let requested = ["metadata", "annotations", "voxsync.dev/requestedAt"];
    expect(&told(&requested, "now"), Unseen, "the look that was asked for");
    expect(&told(&["metadata", "annotations", "voxsync.dev/resume"], "now"), Unseen, "the resume");

    let mut found = on_its_way(Some("Failed"));
    found["metadata"]["annotations"] =
        json!({"voxsync.dev/requestedAt": "now", "voxsync.dev/resume": "then"});
    found["status"]["lastHandledReconcileAt"] = json!("now");
    found["status"]["lastHandledResume"] = json!("then");
    expect(&ask(tag("v2.0.0"), None, &found, &[], false), Failed, "v2.0.0 failed");
}

#[test]
fn a_pin_that_is_not_resolved_is_waited_for_whatever_was_before() {
    let mut found = at_rest("v2.0.0");
    found["spec"]["pin"] = json!({"reference": "r.io/code:v1.0.0"});
    found["status"]["conditions"] = json!([condition("Ready", "False", "Pin", "the pin is being resolved")]);
    let releases = [release("v1.0.0", "Failed", AT)];
    expect(&ask(tag("v1.0.0"), None, &found, &releases, false), Unseen, "Pin: the pin is being resolved");
    found["status"]["candidate"]["sourceRevision"] = Value::Null;
    expect(&ask(tag("v1.0.0"), None, &found, &releases, false), Failed, "CrashLoopBackOff");
}

#[test]
fn the_beginning_of_several_commits_names_none() {
    let mut other = release("v1.0.0", "Released", AT);
    other["candidate"]["commit"] = json!("4be01c7ffff");
    let ambiguous =
        ask(Selector::Commit("4be01c7".to_owned()), None, &at_rest("v2.0.0"), &[other.clone()], false);
    expect(&ambiguous, Unanswerable, "several commits");
    let whole = ask(Selector::Commit(COMMIT.to_owned()), None, &at_rest("v2.0.0"), &[other], false);
    expect(&whole, Deployed, "v2.0.0");
}

#[test]
fn a_suspended_or_stalled_codesync_says_so() {
    let mut found = on_its_way(None);
    found["status"]["promotion"] = Value::Null;
    for (reason, message) in [("Suspended", "freeze until Monday"), ("InvalidSpec", "no such range")] {
        found["status"]["conditions"] = json!([condition("Ready", "True", reason, message)]);
        expect(&ask(tag("v2.0.0"), None, &found, &[], false), Waiting, &format!("{reason}: {message}"));
        expect(&ask(Selector::Present, None, &found, &[], false), Waiting, message);
    }
}

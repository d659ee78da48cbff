//! What is answered of what is in quarantine, and while a person has gone back.

use serde_json::{Value, json};

use super::{
    answer::Verdict::{Deployed, Failed, Quarantined, RolledBack, Unseen, Waiting},
    selector::Selector,
    turned::AskedBy,
    verdict_tests::{AT, LATER, ask, ask_by, at_rest, candidate, digest, expect, on_its_way, release, tag},
};

fn quarantine(name: &str) -> Value {
    json!([{"digest": digest(name), "name": name, "reason": "stage canary: CrashLoopBackOff", "since": AT}])
}

/// v1.0.0 runs, to which a person went back from v2.0.0.
pub(super) fn gone_back() -> Value {
    let mut found = at_rest("v1.0.0");
    found["status"]["candidate"]["sourceRevision"] = Value::Null;
    found["status"]["rollback"] =
        json!({"candidate": candidate("v1.0.0"), "fromName": "v2.0.0", "reason": "broken hiera", "at": AT});
    found
}

#[test]
fn what_is_in_quarantine_ends_the_waiting_at_once() {
    let mut found = gone_back();
    found["status"]["quarantine"] = quarantine("v2.0.0");
    let says = format!(
        "v2.0.0 is in quarantine since {AT}: stage canary: CrashLoopBackOff; `voxsync release-quarantine production -n puppet {}`",
        digest("v2.0.0")
    );
    // Whatever is recorded of it, and of another tag of its image.
    let releases = [release("v2.0.0", "Superseded", LATER)];
    let other = Selector::Tag("latest".to_owned(), Some(digest("v2.0.0")));
    for name in [tag("v2.0.0"), Selector::Digest(digest("v2.0.0")), other] {
        expect(&ask(name, None, &found, &releases, true), Quarantined, &says);
    }
    expect(&ask(tag("v1.0.0"), None, &found, &[], false), Deployed, "v1.0.0 is deployed");
    expect(&ask(Selector::Present, None, &found, &[], false), Deployed, "v1.0.0 is deployed");

    // Its place was taken a moment ago.
    let mut found = on_its_way(Some("Superseded"));
    found["status"]["quarantine"] = quarantine("v2.0.0");
    expect(&ask(tag("v2.0.0"), None, &found, &[], true), Quarantined, "is in quarantine");
    // Its own failure says more.
    let mut found = on_its_way(Some("RolledBack"));
    found["status"]["quarantine"] = quarantine("v2.0.0");
    expect(&ask(tag("v2.0.0"), None, &found, &[], true), RolledBack, "Server canary: ImagePullBackOff");
    // The source names it, and nothing lower is taken in its place.
    found["status"]["promotion"] = Value::Null;
    expect(&ask(Selector::Present, None, &found, &[], true), Quarantined, "is in quarantine");
}

#[test]
fn a_rollback_in_vain_is_no_success_of_the_rollback() {
    let mut found = at_rest("v1.0.0");
    found["status"]["waiting"] = json!([{"reason": "NoEarlierRelease", "message": "a rollback was asked for: there is nothing to go back to"}]);
    let says = "there is nothing to go back to; v1.0.0 stays";
    let by_rollback = |found: &Value| ask_by(AskedBy::Rollback, Selector::Present, None, found, (&[], false));
    expect(&by_rollback(&found), Failed, says);
    expect(&ask(tag("v1.0.0"), None, &found, &[], false), Deployed, "v1.0.0 is deployed");
    // The row stays until something else is promoted; who asks for something else is not told of it.
    expect(&ask(Selector::Present, None, &found, &[], false), Deployed, "v1.0.0 is deployed");
    let pin = AskedBy::Promote("r.io/code:v1.0.0".to_owned());
    found["spec"]["pin"] = json!({"reference": "r.io/code:v1.0.0"});
    let by_promote = ask_by(pin, Selector::Present, None, &found, (&[], false));
    expect(&by_promote, Unseen, "");
}

#[test]
fn a_tag_that_was_pushed_again_is_not_in_quarantine() {
    let mut found = on_its_way(None);
    found["status"]["promotion"] = Value::Null;
    found["status"]["quarantine"] = quarantine("v2.0.0");
    found["status"]["candidate"]["digest"] = json!(digest("v3.0.0"));
    found["status"]["candidate"]["reference"] = json!(format!("r.io/code:v2.0.0@{}", digest("v3.0.0")));
    expect(&ask(tag("v2.0.0"), None, &found, &[], false), Waiting, "1 of 2 pods ready");
    expect(&ask(Selector::Digest(digest("v2.0.0")), None, &found, &[], false), Quarantined, "quarantine");
}

#[test]
fn nothing_else_comes_as_long_as_a_person_has_gone_back() {
    let says = "a person went back from v2.0.0 to v1.0.0 at 2026-03-01T10:00:00Z (broken hiera): nothing else comes before \
                `voxsync resume production -n puppet`";
    for was_seen in [false, true] {
        expect(&ask(tag("v2.0.0"), None, &gone_back(), &[], was_seen), Waiting, says);
    }
}

#[test]
fn what_goes_back_by_itself_is_no_persons_doing_and_needs_no_resume() {
    let mut found = gone_back();
    found["status"]["rollback"]["failure"] =
        json!({"stage": "canary", "check": "nodes", "reason": "CheckFailed", "message": "4 % failed"});
    let answer = ask(tag("v2.0.0"), None, &found, &[], false);
    let says = "it goes back from v2.0.0 to v1.0.0 since 2026-03-01T10:00:00Z (broken hiera): nothing else comes before all \
                stages run v1.0.0";
    expect(&answer, Waiting, says);
    let whole = format!("{answer:?}");
    assert!(!whole.contains("a person") && !whole.contains("voxsync resume"), "{whole}");
}

#[test]
fn nothing_is_an_answer_before_a_rollback_or_a_release_is_taken_up() {
    for (annotation, handled, says) in [
        ("voxsync.dev/rollback", "lastHandledRollback", "the rollback that was asked for"),
        ("voxsync.dev/release-quarantine", "lastHandledReleaseQuarantine", "the release from quarantine"),
    ] {
        let mut found = at_rest("v2.0.0");
        found["metadata"]["annotations"] = json!({annotation: "now and why"});
        expect(&ask(tag("v2.0.0"), None, &found, &[], false), Unseen, says);
        found["status"][handled] = json!("now and why");
        expect(&ask(tag("v2.0.0"), None, &found, &[], false), Deployed, "v2.0.0");
    }
}

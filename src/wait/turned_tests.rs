//! What a verb with `--wait` is answered from the statuses that the agent stores one after the other.

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    answer::{
        Answer,
        Verdict::{self, Deployed, Failed, Superseded, Unseen, Waiting},
    },
    quarantine_tests::gone_back,
    selector::Selector,
    turned::AskedBy,
    verdict_tests::{AT, ask, ask_by, at_rest, candidate, digest, expect, on_its_way},
};

fn by_rollback(found: &Value) -> Answer {
    ask_by(AskedBy::Rollback, Selector::Present, None, found, (&[], false))
}

fn by_promote(pin: &str, found: &Value) -> Answer {
    ask_by(AskedBy::Promote(pin.to_owned()), Selector::Present, None, found, (&[], false))
}

/// The same code without a revision of the source: pinned, or gone back to.
fn chosen(tag: &str) -> Value {
    let mut candidate = candidate(tag);
    candidate["sourceRevision"] = Value::Null;
    candidate
}

fn rollback_to(tag: &str, from: &str) -> Value {
    json!({"candidate": candidate(tag), "fromName": from, "at": AT})
}

fn in_quarantine(tag: &str) -> Value {
    json!([{"digest": digest(tag), "name": tag, "reason": "a person went back", "since": AT}])
}

/// The rollback is stored, and the candidate is the one that is left still.
#[rstest]
#[case::from_a_release(at_rest("v2.0.0"), in_quarantine("v2.0.0"))]
#[case::without_quarantine(at_rest("v2.0.0"), json!([]))]
#[case::from_a_failure(on_its_way(Some("Failed")), in_quarantine("v2.0.0"))]
#[case::from_what_was_rolled_back(on_its_way(Some("RolledBack")), in_quarantine("v2.0.0"))]
fn a_rollback_is_not_answered_by_what_is_left(#[case] mut found: Value, #[case] quarantine: Value) {
    found["status"]["rollback"] = rollback_to("v1.0.0", "v2.0.0");
    found["status"]["quarantine"] = quarantine;
    expect(&by_rollback(&found), Unseen, "");
    expect(&ask(Selector::Present, None, &found, &[], false), Unseen, "");
}

#[test]
fn a_rollback_is_answered_by_what_it_went_back_to() {
    expect(&by_rollback(&gone_back()), Deployed, "v1.0.0 is deployed");
    // On its way, and where it cannot run.
    for (outcome, verdict) in [(None, Waiting), (Some("Failed"), Failed)] {
        let mut found = on_its_way(outcome);
        found["status"]["rollback"] = rollback_to("v2.0.0", "v1.0.0");
        found["status"]["candidate"] = chosen("v2.0.0");
        found["status"]["promotion"]["candidate"] = chosen("v2.0.0");
        found["status"]["promotion"]["trigger"] = json!("Rollback");
        expect(&by_rollback(&found), verdict, "");
    }
}

#[test]
fn a_rollback_that_somebody_ended_is_superseded() {
    let says = "the rollback was ended by a resume or a pin; v2.0.0 is deployed now";
    expect(&by_rollback(&at_rest("v2.0.0")), Superseded, says);
}

/// v1.0.0 runs, to which a person had gone back; that is over, and the candidate is the same still.
fn just_left() -> Value {
    let mut found = gone_back();
    found["status"]["rollback"] = Value::Null;
    found
}

#[test]
fn what_ends_a_rollback_is_not_answered_by_what_was_gone_back_to() {
    // `resume --wait`, and a plain wait.
    expect(&ask(Selector::Present, None, &just_left(), &[], false), Unseen, "");
    let mut found = just_left();
    found["status"]["candidate"] = candidate("v1.0.0");
    expect(&ask(Selector::Present, None, &found, &[], false), Deployed, "v1.0.0 is deployed");
    // The source's is not taken: it stays, and the agent says why.
    for reason in ["Downgrade", "MinimumAge"] {
        let mut found = just_left();
        found["status"]["waiting"] = json!([{"reason": reason, "message": "not taken"}]);
        expect(&ask(Selector::Present, None, &found, &[], false), Deployed, "v1.0.0 is deployed");
    }

    // `promote v1.4.3 --now --wait`.
    let mut found = just_left();
    let pin = "r.io/code:v1.4.3";
    found["spec"]["pin"] = json!({"reference": pin});
    expect(&by_promote(pin, &found), Unseen, "");
    expect(&ask(Selector::Present, None, &found, &[], false), Unseen, "");
    // What went back could not run: that is no failure of the pin's.
    found = on_its_way(Some("Failed"));
    found["status"]["promotion"]["trigger"] = json!("Rollback");
    for holder in ["candidate", "promotion"] {
        let candidate = if holder == "candidate" {
            &mut found["status"][holder]
        } else {
            &mut found["status"][holder]["candidate"]
        };
        *candidate = chosen("v2.0.0");
    }
    found["spec"]["pin"] = json!({"reference": "r.io/code:v2.0.0"});
    expect(&by_promote("r.io/code:v2.0.0", &found), Waiting, "");
}

#[rstest]
#[case::by_tag("r.io/code:v2.0.0".to_owned(), Deployed)]
#[case::by_digest(format!("r.io/code@{}", digest("v2.0.0")), Deployed)]
#[case::by_both(format!("r.io/code:v2.0.0@{}", digest("v2.0.0")), Deployed)]
#[case::another_tag("r.io/code:v2.0.1".to_owned(), Unseen)]
#[case::another_digest(format!("r.io/code:v2.0.0@{}", digest("v2.0.1")), Unseen)]
#[case::another_repository("r.io/other:v2.0.0".to_owned(), Unseen)]
fn a_pin_is_answered_by_what_it_names(#[case] pin: String, #[case] verdict: Verdict) {
    let mut found = at_rest("v2.0.0");
    found["spec"]["pin"] = json!({"reference": pin});
    // The source named it; whether the pin names the same is not known yet.
    expect(&by_promote(&pin, &found), Unseen, "");
    found["status"]["candidate"] = chosen("v2.0.0");
    expect(&by_promote(&pin, &found), verdict, "");
}

/// The agent knows what should run, and its promotion has not begun.
#[test]
fn what_is_deployed_still_is_no_answer_to_a_verb() {
    let mut found = at_rest("v1.0.0");
    found["status"]["candidate"] = chosen("v2.0.0");
    found["status"]["rollback"] = rollback_to("v2.0.0", "v1.0.0");
    expect(&by_rollback(&found), Waiting, "");
    found["status"]["rollback"] = Value::Null;
    let pin = "r.io/code:v2.0.0";
    found["spec"]["pin"] = json!({"reference": pin});
    expect(&by_promote(pin, &found), Waiting, "");
}

#[test]
fn what_failed_before_it_was_pinned_is_tried_again() {
    let mut found = on_its_way(Some("Failed"));
    found["spec"]["pin"] = json!({"reference": "r.io/code:v2.0.0"});
    found["status"]["candidate"] = chosen("v2.0.0");
    expect(&by_promote("r.io/code:v2.0.0", &found), Waiting, "");
    found["status"]["promotion"]["candidate"] = chosen("v2.0.0");
    expect(&by_promote("r.io/code:v2.0.0", &found), Failed, "v2.0.0 failed");
}

#[test]
fn another_pin_or_none_takes_the_place_of_one() {
    let mut found = at_rest("v2.0.0");
    let pin = "r.io/code:v1.4.3";
    expect(
        &by_promote(pin, &found),
        Superseded,
        "no longer pinned to r.io/code:v1.4.3; v2.0.0 is deployed now",
    );
    found["spec"]["pin"] = json!({"reference": "r.io/code:v3.0.0"});
    expect(&by_promote(pin, &found), Superseded, "it is pinned to r.io/code:v3.0.0 by now");
}

#[test]
fn an_approval_is_not_answered_by_what_runs() {
    // `approve --digest NEW --wait`, in advance.
    let approved = Selector::Digest(digest("v2.0.0"));
    expect(&ask(approved.clone(), None, &at_rest("v1.0.0"), &[], false), Unseen, "");
    expect(&ask(approved.clone(), None, &on_its_way(None), &[], false), Waiting, "1 of 2 pods ready");
    // A newer candidate took its place.
    expect(&ask(approved, None, &at_rest("v3.0.0"), &[], true), Superseded, "v3.0.0");
}

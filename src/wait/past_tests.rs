//! What is answered of the past, and of what nothing is known of, as tables.

use serde_json::{Value, json};

use super::{
    answer::Verdict::{Deployed, Failed, RolledBack, Superseded, Unseen, Waiting},
    selector::Selector,
    verdict_tests::{AT, LATER, ask, at_rest, candidate, digest, expect, on_its_way, release, summary, tag},
};

#[test]
fn the_last_record_answers_for_what_is_past() {
    for (outcome, verdict, says) in [
        (
            "Released",
            Superseded,
            "v1.0.0 was deployed in all stages at 2026-03-01T10:00:00Z; v1.5.0 took its place",
        ),
        ("Failed", Failed, "CrashLoopBackOff: it ends"),
        ("RolledBack", RolledBack, "v1.0.0 was rolled back"),
        ("Superseded", Superseded, "v1.0.0 was superseded: v1.5.0 took its place before all stages ran it"),
    ] {
        let releases = [release("v1.0.0", outcome, AT), release("v1.5.0", "Released", LATER)];
        let found = at_rest("v2.0.0");
        let commit = candidate("v1.0.0")["commit"].as_str().unwrap()[..8].to_owned();
        for name in [tag("v1.0.0"), Selector::Digest(digest("v1.0.0")), Selector::Commit(commit)] {
            expect(&ask(name, None, &found, &releases, false), verdict, says);
        }
        let mut of_another = releases.clone();
        of_another[0]["codeSyncUid"] = json!("another");
        let other = ask(Selector::Digest(digest("v1.0.0")), None, &found, &of_another, false);
        expect(&other, Unseen, "the source has not named digest");
        // Without the right to read them, the CodeSync's own short records answer, but know no commit.
        let mut found = found;
        found["status"]["history"] =
            json!([summary("v1.5.0", "Released", LATER), summary("v1.0.0", outcome, AT)]);
        expect(&ask(tag("v1.0.0"), None, &found, &[], false), verdict, "v1.0.0");
        expect(&ask(Selector::Digest(digest("v1.0.0")), None, &found, &[], false), verdict, "v1.0.0");
    }
    // Tried again, the newer record counts.
    let releases = [release("v1.0.0", "Released", LATER), release("v1.0.0", "Failed", AT)];
    let says = format!("v1.0.0 was deployed in all stages at {LATER}; v2.0.0 took its place");
    expect(&ask(tag("v1.0.0"), None, &at_rest("v2.0.0"), &releases, false), Superseded, &says);
    // What failed in between took no place.
    let releases = [release("v1.0.0", "Released", AT), release("v1.5.0", "Failed", LATER)];
    expect(&ask(tag("v1.0.0"), None, &at_rest("v2.0.0"), &releases, false), Superseded, "; v2.0.0 took");
    // What took its place may be gone, too.
    let releases = [release("v1.0.0", "Released", AT), release("v1.5.0", "Released", LATER)];
    let says = "; v1.5.0 took its place, and v2.0.0 is deployed now";
    expect(&ask(tag("v1.0.0"), None, &at_rest("v2.0.0"), &releases, false), Superseded, says);
}

#[test]
fn what_was_adopted_has_no_record_but_the_one_of_what_came_next() {
    let mut first = release("v1.6.0", "Released", AT);
    first["fromName"] = json!("v1.5.0");
    first["from"] = candidate("v1.5.0")["reference"].clone();
    // Not even adopted: it was only found there.
    let mut found_there = release("v1.6.0", "Released", AT);
    let target =
        json!({"target": "Config/production", "previous": candidate("v1.5.0")["reference"], "servers": []});
    found_there["stages"] = json!([{"name": "production", "targets": [target]}]);
    let mut found = at_rest("v2.0.0");
    // The newest one came nowhere, and took nobody's place.
    found["status"]["candidate"] = candidate("v2.1.0");
    let mut unread = found.clone();
    unread["status"]["promotion"] = json!({
        "id": "p-v1.6.0", "candidate": candidate("v1.6.0"), "trigger": "Source", "startedAt": AT, "outcome": "Released",
        "fromName": first["fromName"], "from": first["from"],
    });
    for (found, releases, was) in [
        (
            &found,
            vec![release("v2.0.0", "Released", LATER), first.clone()],
            "was deployed in all stages before v1.6.0",
        ),
        (&found, vec![found_there], "was the code of Config/production before v1.6.0"),
        (&unread, vec![], "was deployed in all stages before v1.6.0"),
    ] {
        for name in [tag("v1.5.0"), Selector::Digest(digest("v1.5.0"))] {
            let known = ask(name, None, found, &releases, false);
            expect(&known, Superseded, &format!("v1.5.0 {was}; v2.0.0 is deployed now"));
            assert!(!known.message.contains("v2.1.0"), "{}", known.message);
        }
    }
    // The same code by another tag is what is deployed.
    let mut other_tag = first.clone();
    other_tag["from"] = json!(format!("r.io/code:v1.5.0@{}", digest("v2.0.0")));
    expect(
        &ask(tag("v1.5.0"), None, &found, &[other_tag], false),
        Deployed,
        "v2.0.0 is deployed in all stages",
    );
    // It may be named again.
    let unordered = unordered(found, &json!({"file": {"path": "v"}}));
    let again = ask(tag("v1.5.0"), None, &unordered, &[first], false);
    expect(
        &again,
        Unseen,
        "v1.5.0 was deployed in all stages before v1.6.0; the source names v2.1.0 now: waiting for",
    );
}

#[test]
fn what_a_commit_brought_is_deployed_as_long_as_its_code_is() {
    let commit = |digits: &str| Selector::Commit(digits.repeat(10));
    let mut released = release("v1.0.0", "Released", AT);
    released["candidate"]["sourceRevision"] = json!("a1b2".repeat(10));
    // Another commit names the same, or something that fails.
    for mut found in [at_rest("v1.0.0"), on_its_way(Some("Failed"))] {
        found["status"]["candidate"]["sourceRevision"] = json!("c3d4".repeat(10));
        let says = "v1.0.0 is deployed in all stages since";
        expect(&ask(commit("a1b2"), None, &found, &[released.clone()], false), Deployed, says);
    }
    let gone = ask(commit("a1b2"), None, &at_rest("v2.0.0"), &[released.clone()], false);
    expect(&gone, Superseded, "; v2.0.0 took its place");
    // It is to run again, and does not yet.
    let mut found = on_its_way(Some("Failed"));
    found["status"]["candidate"] = candidate("v1.0.0");
    expect(&ask(commit("a1b2"), None, &found, &[released], false), Waiting, "1 of 2 pods ready");
}

#[test]
fn an_older_image_by_a_tag_that_is_to_come_is_waited_for() {
    let of_old = |tag: &str| Selector::Tag(tag.to_owned(), Some(digest("v1.0.0")));
    let mut found = at_rest("v2.0.0");
    let not_yet = "the source has not named tag v2.1.0 yet";
    for outcome in ["Released", "Superseded", "Failed", "RolledBack"] {
        let releases = [release("v1.0.0", outcome, AT), release("v1.5.0", "Released", LATER)];
        for was_seen in [false, true] {
            expect(&ask(of_old("v2.1.0"), None, &found, &releases, was_seen), Unseen, not_yet);
        }
    }
    // It is the last promotion's, or was only found there.
    let mut last = found.clone();
    last["status"]["promotion"] = json!({
        "id": "p-v1.0.0", "candidate": candidate("v1.0.0"), "trigger": "Source", "startedAt": AT, "outcome": "Superseded",
    });
    expect(&ask(of_old("v2.1.0"), None, &last, &[], false), Unseen, not_yet);
    expect(&ask(of_old("v1.9.0"), None, &last, &[], false), Superseded, "v1.0.0 was superseded");
    let mut next = release("v2.0.0", "Released", AT);
    (next["fromName"], next["from"]) = (json!("v1.0.0"), candidate("v1.0.0")["reference"].clone());
    expect(&ask(of_old("v2.1.0"), None, &found, &[next.clone()], false), Unseen, not_yet);
    expect(&ask(of_old("v1.9.0"), None, &found, &[next], false), Superseded, "before v2.0.0");

    // Lower, never to be taken, in no order, or while something is pinned.
    let releases = [release("v1.0.0", "Released", AT)];
    for other in ["v1.9.0", "v2.1.0-rc.1", "production"] {
        let says = format!("tag {other} names this image: v1.0.0 was deployed in all stages at");
        expect(&ask(of_old(other), None, &found, &releases, false), Superseded, &says);
    }
    let mut pinned = found.clone();
    pinned["spec"]["pin"] = json!({"reference": "r.io/code:v2.0.0"});
    pinned["status"]["candidate"]["sourceRevision"] = Value::Null;
    expect(&ask(of_old("v2.1.0"), None, &pinned, &releases, false), Superseded, "v1.0.0 was deployed");

    // It is seen, taken, and outdone.
    found["status"]["source"] = json!({"summary": "r.io/code", "revision": "v2.1.0", "changedAt": AT});
    for was_seen in [false, true] {
        let seen = ask(of_old("v2.1.0"), None, &found, &releases, was_seen);
        expect(&seen, Waiting, "the source names tag v2.1.0, which is no candidate yet");
    }
    let higher = at_rest("v2.2.0");
    expect(&ask(of_old("v2.1.0"), None, &higher, &[], false), Superseded, "v2.2.0 is higher");
    expect(&ask(of_old("v2.1.0"), None, &higher, &releases, true), Superseded, "v1.0.0 was deployed");
}

#[test]
fn what_ripens_is_waited_for_however_often_it_was_seen() {
    let row = json!({"reason": "MinimumAge", "message": "v2.1.0 is old enough at noon"});
    let mut found = at_rest("v2.0.0");
    found["status"]["source"] = json!({"summary": "r.io/code", "revision": "v2.2.0", "changedAt": AT});
    found["status"]["ripening"] = json!([candidate("v2.2.0"), candidate("v2.1.0")]);
    found["status"]["waiting"] = json!([row]);
    let commit = candidate("v2.1.0")["commit"].as_str().unwrap().to_owned();
    let file = unordered(found.clone(), &json!({"file": {"path": "v"}}));
    for name in [tag("v2.1.0"), Selector::Digest(digest("v2.1.0")), Selector::Commit(commit)] {
        for (found, was_seen) in [(&found, false), (&found, true), (&file, false), (&file, true)] {
            let known = ask(name.clone(), None, found, &[], was_seen);
            expect(&known, Waiting, ", which is no candidate yet: v2.1.0 is old enough at noon");
        }
    }
    // It ran before.
    let releases = [release("v2.1.0", "Released", AT)];
    for name in [tag("v2.1.0"), Selector::Digest(digest("v2.1.0"))] {
        expect(&ask(name, None, &file, &releases, true), Waiting, "no candidate yet");
    }
    // More ripen than the status keeps.
    found["status"]["ripening"] = json!([candidate("v2.2.0")]);
    expect(&ask(tag("v2.1.0"), None, &found, &[], true), Unseen, "it names v2.2.0");
    // What is lower than the candidate is not taken, however old it gets.
    found["status"]["ripening"] = json!([candidate("v1.9.0")]);
    expect(&ask(tag("v1.9.0"), None, &found, &[], false), Superseded, "v2.0.0 is higher");
}

/// The same CodeSync with a source that may name any tag at any time.
fn unordered(mut found: Value, source: &Value) -> Value {
    found["spec"]["source"] = source.clone();
    found["status"]["source"] = json!({"summary": "s", "revision": "0000000", "changedAt": AT});
    found
}

#[test]
fn where_a_source_may_name_it_again_the_past_proves_nothing_but_a_failure() {
    let file =
        json!({"git": {"url": "https://g.io/r.git", "ref": {"branch": "main"}, "reference": {"path": "v"}}});
    let sources = [
        file.clone(),
        json!({"registry": {"repository": "r.io/code", "tag": {"follow": "stable"}}}),
        json!({"file": {"path": "v"}}),
    ];
    let names = [
        (tag("v1.0.0"), "v1.0.0".to_owned()),
        (Selector::Digest(digest("v1.0.0")), format!("digest {}", digest("v1.0.0"))),
    ];
    for source in sources {
        let found = unordered(at_rest("v2.0.0"), &source);
        for (name, what) in names.clone() {
            let asked = |outcome: &str, was_seen: bool| {
                ask(name.clone(), None, &found, &[release("v1.0.0", outcome, AT)], was_seen)
            };
            for (outcome, was, past) in [
                ("Released", "deployed", "v1.0.0 was deployed in all stages at"),
                ("Superseded", "superseded", "v1.0.0 was superseded: v2.0.0 took its place"),
            ] {
                let says = format!(
                    "v1.0.0 was {was} at {AT}; the source names v2.0.0 now: waiting for it to name {what} again (to ask \
                     for one commit: --commit)"
                );
                expect(&asked(outcome, false), Unseen, &says);
                // It was on its way while this waited.
                expect(&asked(outcome, true), Superseded, past);
                let commit = candidate("v1.0.0")["commit"].as_str().unwrap().to_owned();
                let releases = [release("v1.0.0", outcome, AT)];
                expect(&ask(Selector::Commit(commit), None, &found, &releases, false), Superseded, past);
            }
            for was_seen in [false, true] {
                expect(&asked("Failed", was_seen), Failed, "CrashLoopBackOff");
                expect(&asked("RolledBack", was_seen), RolledBack, "CrashLoopBackOff");
            }
        }
    }
    // What is deployed is, however old its record.
    let found = unordered(on_its_way(Some("Failed")), &file);
    let releases = [release("v1.0.0", "Released", AT)];
    expect(&ask(tag("v1.0.0"), None, &found, &releases, false), Deployed, "; v2.0.0 failed");
    // Git tags are ordered as those of a registry are.
    let mut tags = file;
    tags["git"]["ref"] = json!({"tag": {"semver": "*"}});
    let found = unordered(at_rest("v2.0.0"), &tags);
    expect(&ask(tag("v1.0.0"), None, &found, &releases, false), Superseded, "; v2.0.0 took its place");
}

#[test]
fn what_no_record_is_about_is_waited_for_unless_its_turn_is_over() {
    let unknown = Selector::Commit("1234567".to_owned());
    let mut found = at_rest("v2.0.0");
    found["status"]["source"] = json!({"summary": "r.io/code", "revision": "v2.0.0", "changedAt": AT});
    expect(
        &ask(unknown.clone(), None, &found, &[], false),
        Unseen,
        "it names v2.0.0 since 2026-03-01T10:00:00Z",
    );
    expect(&ask(unknown.clone(), None, &found, &[], true), Superseded, "v2.0.0 took its place");
    expect(&ask(tag("v2.1.0"), None, &found, &[], false), Unseen, "has not named tag v2.1.0 yet");
    let says =
        "no record is about tag v1.9.0, and v2.0.0 is higher, which the source names; v2.0.0 is deployed now";
    expect(&ask(tag("v1.9.0"), None, &found, &[], false), Superseded, says);
    expect(&ask(tag("main"), None, &found, &[], false), Unseen, "has not named tag main yet");

    let source = &mut found["status"]["source"];
    source["revision"] = json!("12345678");
    source["message"] = json!("the image is not there");
    expect(
        &ask(unknown.clone(), None, &found, &[], false),
        Waiting,
        "no candidate yet: the image is not there",
    );
    found["status"]["source"]["unreachableSince"] = json!(AT);
    expect(&ask(unknown.clone(), None, &found, &[], false), Unseen, "cannot be asked since");
    // A spec that was changed leaves no candidate until the next look: nothing took the place of anything.
    found["status"]["candidate"] = Value::Null;
    expect(&ask(unknown, None, &found, &[], true), Unseen, "cannot be asked since");
}

//! What people do, and what others do to what is theirs.

use crate::{assert_told, lines, spec, told, tried};
use voxsync_simulation::Expectations;

#[test]
fn a_person_goes_back_and_goes_on() {
    let spec = spec("", "", "");
    let events = "[{at: +0s, tag: v1.5.0}, {at: +1h, rollback: broken hiera}, {at: +2h, tag: v1.6.0}, {at: +3h, resume: true}]";
    let story =
        told(&spec, &format!("{{start: '2026-11-23T09:00:00Z', deployed: v1.4.2, events: {events}}}"));
    assert_told(
        &story,
        "
11-23 09:00:00 source » v1.5.0 is pushed
11-23 09:00:00 voxsync · CandidateFound
11-23 09:00:00 voxsync · PromotionStarted
11-23 09:00:00 canary · Server/canary is given v1.5.0
11-23 09:00:30 voxsync ✔ StageRolledOut
11-23 09:00:30 production · Config/production is given v1.5.0
11-23 09:01:00 production · production-compile-1, production-compile-2: ready
11-23 09:01:00 voxsync ✔ StageRolledOut
11-23 09:01:00 voxsync ✔ Released
11-23 10:00:00 a person » goes back: broken hiera
11-23 10:00:00 voxsync ✘ Quarantined
11-23 10:00:00 voxsync · CandidateFound
11-23 10:00:00 voxsync · PromotionStarted
11-23 10:00:00 production · Config/production is given v1.4.2
11-23 10:00:00 voxsync ⏸ RolledBack
11-23 10:00:30 production · production-compile-1, production-compile-2: ready
11-23 10:00:30 voxsync ✔ StageRolledOut
11-23 10:00:30 canary · Server/canary is given v1.4.2
11-23 10:01:00 voxsync ✔ StageRolledOut
11-23 10:01:00 voxsync ✔ Released
11-23 11:00:00 source » v1.6.0 is pushed
11-23 12:00:00 a person » resumes it
11-23 12:00:00 voxsync · RollbackEnded
11-23 12:00:00 voxsync · CandidateFound
11-23 12:00:00 voxsync · PromotionStarted
11-23 12:00:00 canary · Server/canary is given v1.6.0
11-23 12:00:30 voxsync ✔ StageRolledOut
11-23 12:00:30 production · Config/production is given v1.6.0
11-23 12:01:00 production · production-compile-1, production-compile-2: ready
11-23 12:01:00 voxsync ✔ StageRolledOut
11-23 12:01:00 voxsync ✔ Released",
    );
    assert!(story.is_well());
}

#[test]
fn what_somebody_else_changes_is_held() {
    let spec = spec("", "", "");
    let events = "[{at: +0s, tag: v1.5.0}, {at: +1h, change: Config/production, to: v1.4.2, by: argocd},
        {at: +2h, tag: v1.6.0}, {at: +3h, resume: true}]";
    let story =
        told(&spec, &format!("{{start: '2026-11-23T09:00:00Z', deployed: v1.4.2, events: {events}}}"));
    assert_told(
        &story,
        "
11-23 09:00:00 source » v1.5.0 is pushed
11-23 09:00:00 voxsync · CandidateFound
11-23 09:00:00 voxsync · PromotionStarted
11-23 09:00:00 canary · Server/canary is given v1.5.0
11-23 09:00:30 voxsync ✔ StageRolledOut
11-23 09:00:30 production · Config/production is given v1.5.0
11-23 09:01:00 production · production-compile-1, production-compile-2: ready
11-23 09:01:00 voxsync ✔ StageRolledOut
11-23 09:01:00 voxsync ✔ Released
11-23 10:00:00 argocd » changes Config/production to v1.4.2
11-23 10:00:00 production ✘ Held
11-23 10:00:30 production · production-compile-1, production-compile-2: ready
11-23 11:00:00 source » v1.6.0 is pushed
11-23 11:00:00 voxsync · CandidateFound
11-23 11:00:00 voxsync · PromotionStarted
11-23 11:00:00 canary · Server/canary is given v1.6.0
11-23 11:00:30 voxsync ✔ StageRolledOut
11-23 12:00:00 a person » resumes it
11-23 12:00:00 voxsync · Resumed
11-23 12:00:00 production · Config/production is given v1.6.0
11-23 12:00:30 production · production-compile-1, production-compile-2: ready
11-23 12:00:30 voxsync ✔ StageRolledOut
11-23 12:00:30 voxsync ✔ Released",
    );
    assert!(story.is_well());
}

#[test]
fn an_emergency_waits_for_nothing() {
    let freeze =
        "windows: [{name: freeze, deny: {from: '2026-11-01T00:00:00Z', to: '2026-12-01T00:00:00Z'}}]";
    let spec = spec("soak: 10m", "approval: Manual", freeze);
    let events = "[{at: +0s, tag: v1.5.0}, {at: +1h, promote: v1.5.0, now: true, reason: CVE}]";
    let story = told(
        &spec,
        &format!("{{start: '2026-11-23T09:00:00Z', deployed: v1.4.2, for: 2h, events: {events}}}"),
    );
    assert_told(
        &story,
        "
11-23 09:00:00 source » v1.5.0 is pushed
11-23 09:00:00 voxsync · CandidateFound
11-23 09:00:00 voxsync · PromotionStarted
11-23 09:00:00 canary ⏸ Window
11-23 10:00:00 a person » pins v1.5.0 in an emergency
11-23 10:00:00 voxsync ✘ Emergency
11-23 10:00:00 canary · Server/canary is given v1.5.0
11-23 10:00:00 voxsync ⏸ Pinned
11-23 10:00:30 voxsync ✔ StageRolledOut
11-23 10:00:30 production · Config/production is given v1.5.0
11-23 10:01:00 production · production-compile-1, production-compile-2: ready
11-23 10:01:00 voxsync ✔ StageRolledOut
11-23 10:01:00 voxsync ✔ Released",
    );
}

#[test]
fn an_outage_and_a_suspend_change_nothing() {
    let spec = spec("", "", "");
    let events = "[{at: +0s, outage: 1h}, {at: +10m, tag: v1.5.0}, {at: +50m, suspend: a holiday}, {at: +2h, resume: true},
        {at: +110m, expect: {canary: v1.4.2, production: v1.4.2}}, {at: +3h, expect: {production: v1.5.0}}]";
    let story =
        told(&spec, &format!("{{start: '2026-11-23T09:00:00Z', deployed: v1.4.2, events: {events}}}"));
    assert_told(
        &story,
        "
11-23 09:00:00 source » it cannot be asked until 2026-11-23 10:00:00Z
11-23 09:00:00 voxsync ⏸ Unreachable
11-23 09:10:00 source » v1.5.0 is pushed
11-23 09:50:00 a person » suspends it: a holiday
11-23 09:50:00 voxsync ⏸ Suspended
11-23 10:00:00 voxsync · SourceRecovered
11-23 10:00:00 voxsync · CandidateFound
11-23 10:00:00 voxsync ⏸ Suspended
11-23 10:50:00 canary ✔ runs v1.4.2, as expected
11-23 10:50:00 production ✔ runs v1.4.2, as expected
11-23 11:00:00 a person » resumes it
11-23 11:00:00 voxsync · Unsuspended
11-23 11:00:00 voxsync · PromotionStarted
11-23 11:00:00 canary · Server/canary is given v1.5.0
11-23 11:00:30 voxsync ✔ StageRolledOut
11-23 11:00:30 production · Config/production is given v1.5.0
11-23 11:01:00 production · production-compile-1, production-compile-2: ready
11-23 11:01:00 voxsync ✔ StageRolledOut
11-23 11:01:00 voxsync ✔ Released
11-23 12:00:00 production ✔ runs v1.5.0, as expected",
    );
    assert_eq!(story.expectations, Some(Expectations { met: 3, missed: 0 }));
}

#[test]
fn what_is_expected_and_does_not_come_is_no_success() {
    let spec = spec("soak: 10m", "", "");
    let events = "[{at: +0s, tag: v1.5.0}, {at: +5m, expect: {canary: v1.5.0, production: v1.5.0}}]";
    let story = told(&spec, &format!("{{deployed: v1.4.2, events: {events}}}"));
    assert_eq!(story.expectations, Some(Expectations { met: 1, missed: 1 }));
    assert!(!story.is_well(), "though all ends well");
}

#[test]
fn a_target_that_there_is_not_is_an_error_that_names_those_there_are() {
    let spec = spec("", "", "");
    let error =
        tried(&spec, "{deployed: v1.4.2, events: [{at: +1h, change: Config/x, to: v1.4.2}]}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "change: there is no target \"Config/x\"; there are Server/canary, Config/production"
    );
}

#[test]
fn the_same_timeline_tells_the_same_story() {
    let spec = spec("soak: 10m", "approval: Manual", "");
    let timeline = "{deployed: v1.4.2, events: [{at: +0s, tag: v1.5.0}, {at: +1h, approve: v1.5.0}]}";
    let (one, other) = (told(&spec, timeline), told(&spec, timeline));
    assert_eq!((one.ladder, one.status), (other.ladder, other.status));
}

#[test]
fn who_resumes_while_it_goes_back_keeps_the_pin() {
    let spec = spec("", "", "");
    let events = "[{at: +0s, tag: v1.5.0, fails: {stage: canary}}, {at: +10s, promote: v1.5.0}, {at: +40s, resume: true}]";
    // A certificate authority takes its time to go back.
    let timeline = format!("{{deployed: v1.4.2, servers: {{canary: {{ca: 1}}}}, for: 1h, events: {events}}}");
    let story = told(&spec, &timeline);
    let waits: Vec<&str> = story.status.waiting.iter().map(|row| row.reason.as_str()).collect();
    assert!(waits.contains(&"Pinned"), "{waits:?}\n{}", lines(&story));
}

#[test]
fn who_goes_back_twice_finds_what_only_a_record_names() {
    let fails =
        (3..8).map(|number| format!("{{at: +{number}h, tag: v1.{number}.0, fails: {{stage: canary}}}}"));
    let fails = fails.collect::<Vec<_>>().join(", ");
    let events = format!(
        "[{{at: +1h, tag: v1.1.0}}, {{at: +2h, tag: v1.2.0}}, {fails}, {{at: +10h, rollback: one}},
          {{at: +11h, rollback: two}}, {{at: +12h, expect: {{canary: v1.1.0, production: v1.1.0}}}}]"
    );
    let story = told(&spec("", "", ""), &format!("{{deployed: v1.0.0, events: {events}}}"));
    assert!(story.is_well(), "{}", lines(&story));
}

#[test]
fn what_fails_after_its_release_is_told_to_its_end() {
    let check = "checks: [{name: nodes, interval: 1m, http: {url: 'https://canary/'}}]";
    let tried = |action: &str| {
        let spec =
            spec(check, "", &format!("rollback: {{afterRelease: {{duration: 24h, action: {action}}}}}"));
        let events = "[{at: +0s, tag: v1.5.0}, {at: +1h, check: nodes, stage: canary, says: Failed}]";
        lines(&told(&spec, &format!("{{deployed: v1.4.2, for: 3h, events: {events}}}")))
    };
    let back = tried("Rollback");
    let (_, end) = back.split_once("Config/production is given v1.4.2").expect(&back);
    assert_eq!(end.matches("voxsync ✘ RolledBack").count(), 1, "{back}");
    let reported = tried("Report");
    assert!(reported.ends_with("canary ✘ CheckFailed"), "somebody has to do something:\n{reported}");
}

//! Who rolls when, what fails, and what is given back.

use voxsync_simulation::Expectations;

use crate::{assert_told, lines, spec, told, tried};

#[test]
fn what_fails_on_the_canary_is_given_back_and_a_fix_is_taken() {
    let spec = spec("", "", "");
    let events =
        "[{at: +0s, tag: v1.5.0, fails: {stage: canary, message: no layer}}, {at: +1h, tag: v1.5.1}]";
    let story =
        told(&spec, &format!("{{start: '2026-11-23T09:00:00Z', deployed: v1.4.2, events: {events}}}"));
    assert_told(
        &story,
        "
11-23 09:00:00 source » v1.5.0 is pushed
11-23 09:00:00 voxsync · CandidateFound
11-23 09:00:00 voxsync · PromotionStarted
11-23 09:00:00 canary · Server/canary is given v1.5.0
11-23 09:00:30 canary ✘ canary: ImagePullBackOff: no layer
11-23 09:00:30 voxsync ✘ Quarantined
11-23 09:00:30 voxsync ✘ RollingBack
11-23 09:00:30 canary · Server/canary is given v1.4.2
11-23 09:00:30 canary ✘ RolledBack
11-23 10:00:00 source » v1.5.1 is pushed
11-23 10:00:00 voxsync · CandidateFound
11-23 10:00:00 voxsync · PromotionStarted
11-23 10:00:00 canary · Server/canary is given v1.5.1
11-23 10:00:30 voxsync ✔ StageRolledOut
11-23 10:00:30 production · Config/production is given v1.5.1
11-23 10:01:00 production · production-compile-1, production-compile-2: ready
11-23 10:01:00 voxsync ✔ StageRolledOut
11-23 10:01:00 voxsync ✔ Released",
    );
    assert!(story.is_well());
}

#[test]
fn one_after_the_other_and_the_authority_last() {
    let spec = spec("", "maxConcurrent: 1", "");
    let story = told(
        &spec,
        "{start: '2026-11-23T09:00:00Z', deployed: v1.4.2, servers: {production: {compile: 2, ca: 1}},
          events: [{at: +0s, tag: v1.5.0}]}",
    );
    assert_told(
        &story,
        "
11-23 09:00:00 source » v1.5.0 is pushed
11-23 09:00:00 voxsync · CandidateFound
11-23 09:00:00 voxsync · PromotionStarted
11-23 09:00:00 canary · Server/canary is given v1.5.0
11-23 09:00:30 voxsync ✔ StageRolledOut
11-23 09:00:30 production · production-compile-1, production-compile-2, production-ca: held back
11-23 09:00:30 voxsync · StageGated
11-23 09:00:30 production · Config/production is given v1.5.0
11-23 09:00:30 production · production-compile-1: let go
11-23 09:01:00 production · production-compile-1: ready
11-23 09:01:00 production · production-compile-2: let go
11-23 09:01:30 production · production-compile-2: ready
11-23 09:01:30 production · production-ca: let go
11-23 09:02:00 production · production-ca: ready
11-23 09:02:00 voxsync ✔ StageRolledOut
11-23 09:02:00 voxsync ✔ Released",
    );
    assert!(story.is_well());
}

#[test]
fn an_authority_that_cannot_run_it_never_starts_it() {
    let spec = spec("", "", "");
    let story = told(
        &spec,
        "{start: '2026-11-23T09:00:00Z', deployed: v1.4.2, servers: {production: {compile: 2, ca: 1}},
          events: [{at: +0s, tag: v1.5.0, fails: {stage: production}}]}",
    );
    let text = lines(&story);
    assert!(!text.contains("production-ca: let go") && !text.contains("production-ca: ready"), "{text}");
    assert!(text.contains("canary · Server/canary is given v1.4.2"), "{text}");
    assert!(!story.is_well());
}

#[test]
fn a_check_that_fails_during_the_soak_gives_back() {
    let check = "checks: [{name: nodes, interval: 1m, failureLimit: 2, http: {url: 'https://canary/'}}]";
    let spec = spec(&format!("soak: 10m, {check}"), "", "");
    let events = "[{at: +0s, tag: v1.5.0, fails: {stage: canary, check: nodes, after: 5m}}]";
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
11-23 09:00:30 voxsync ✔ ChecksPassed
11-23 09:00:30 canary ⏸ Soak
11-23 09:05:30 canary ⏸ Checking
11-23 09:06:30 voxsync ✘ Quarantined
11-23 09:06:30 voxsync ✘ RollingBack
11-23 09:06:30 canary · Server/canary is given v1.4.2
11-23 09:07:00 canary ✘ RolledBack",
    );
}

#[test]
fn a_check_that_cannot_be_asked_is_waited_for() {
    let check = "checks: [{name: nodes, http: {url: 'https://canary/'}}]";
    let spec = spec(check, "", "");
    let events = "[{at: +0s, check: nodes, stage: canary, says: Unreachable}, {at: +0s, tag: v1.5.0},
        {at: +1h, check: nodes, stage: canary, says: Passed}]";
    let story =
        told(&spec, &format!("{{start: '2026-11-23T09:00:00Z', deployed: v1.4.2, events: {events}}}"));
    assert_told(
        &story,
        "
11-23 09:00:00 canary » check nodes says Unreachable
11-23 09:00:00 source » v1.5.0 is pushed
11-23 09:00:00 voxsync · CandidateFound
11-23 09:00:00 voxsync · PromotionStarted
11-23 09:00:00 canary · Server/canary is given v1.5.0
11-23 09:00:30 voxsync ✔ StageRolledOut
11-23 09:00:30 canary ⏸ Check
11-23 09:15:30 canary ✘ CheckUnreachable
11-23 10:00:00 canary » check nodes says Passed
11-23 10:00:00 voxsync ✔ ChecksPassed
11-23 10:00:00 production · Config/production is given v1.5.0
11-23 10:00:30 production · production-compile-1, production-compile-2: ready
11-23 10:00:30 voxsync ✔ StageRolledOut
11-23 10:00:30 voxsync ✔ Released",
    );
    assert!(story.is_well());
}

#[test]
fn an_authority_that_cannot_start_runs_nothing() {
    let spec = spec("", "", "rollback: {mode: Manual}");
    let events = "[{at: +0s, tag: v1.5.0, fails: {stage: canary}}, {at: +10s, expect: {canary: v1.4.2}},
        {at: +1h, expect: {canary: v1.4.2}}]";
    let story = told(
        &spec,
        &format!("{{deployed: v1.4.2, servers: {{canary: {{ca: 1}}}}, for: 1h, events: {events}}}"),
    );
    assert_eq!(story.expectations, Some(Expectations { met: 0, missed: 2 }));
    assert!(lines(&story).ends_with("canary ✘ runs nothing, and v1.4.2 is expected"), "{}", lines(&story));
}

#[test]
fn as_many_as_may_be_go_one_after_the_other() {
    let spec = spec("", "maxConcurrent: 1", "");
    let timeline = |compilers: u16| {
        format!(
            "{{deployed: v1.4.2, rollout: 1s, servers: {{production: {{compile: {compilers}}}}},
              events: [{{at: +0s, tag: v1.5.0}}, {{at: +10m, expect: {{production: v1.5.0}}}}]}}"
        )
    };
    let story = told(&spec, &timeline(300));
    assert!(story.is_well(), "{:?}", story.ladder.last());
    let error = tried(&spec, &timeline(500)).unwrap_err();
    assert_eq!(error.to_string(), "there are 501 Servers, and 500 at most in all stages together");
}

//! What is waited for: soak times, windows, ages and approvals.

use crate::{assert_told, spec, told};

#[test]
fn a_window_opens_an_hour_later_after_the_clock_was_put_back() {
    let windows =
        "windows: [{name: days, allow: {cron: '0 8 * * *', duration: 8h, timeZone: Europe/Berlin}}]";
    let spec = spec("soak: 2h", "windows: [days]", windows);
    let story =
        told(&spec, "{start: '2026-10-24T13:30:00Z', deployed: v1.4.2, events: [{at: +0s, tag: v1.5.0}]}");
    assert_told(
        &story,
        "
10-24 13:30:00 source » v1.5.0 is pushed
10-24 13:30:00 voxsync · CandidateFound
10-24 13:30:00 voxsync · PromotionStarted
10-24 13:30:00 canary · Server/canary is given v1.5.0
10-24 13:30:30 voxsync ✔ StageRolledOut
10-24 13:30:30 canary ⏸ Soak
10-24 15:30:30 production ⏸ Window
10-25 07:00:00 production · Config/production is given v1.5.0
10-25 07:00:30 production · production-compile-1, production-compile-2: ready
10-25 07:00:30 voxsync ✔ StageRolledOut
10-25 07:00:30 voxsync ✔ Released",
    );
    assert!(story.is_well());
}

#[test]
fn a_freeze_holds_back_what_has_soaked() {
    let freeze =
        "windows: [{name: freeze, deny: {from: '2026-12-18T00:00:00Z', to: '2027-01-07T00:00:00Z'}}]";
    let spec = spec("soak: 10h", "", freeze);
    let story = told(
        &spec,
        "{start: '2026-12-17T15:00:00Z', deployed: v1.4.2, events: [{at: +0s, tag: v1.5.0}, {at: +24h, tag: v1.6.0}]}",
    );
    assert_told(
        &story,
        "
12-17 15:00:00 source » v1.5.0 is pushed
12-17 15:00:00 voxsync · CandidateFound
12-17 15:00:00 voxsync · PromotionStarted
12-17 15:00:00 canary · Server/canary is given v1.5.0
12-17 15:00:30 voxsync ✔ StageRolledOut
12-17 15:00:30 canary ⏸ Soak
12-18 01:00:30 production ⏸ Window
12-18 15:00:00 source » v1.6.0 is pushed
12-18 15:00:00 voxsync · CandidateFound
12-18 15:00:00 voxsync · Superseded
12-18 15:00:00 voxsync · PromotionStarted
12-18 15:00:00 canary ⏸ Window
01-07 00:00:00 canary · Server/canary is given v1.6.0
01-07 00:00:30 voxsync ✔ StageRolledOut
01-07 00:00:30 canary ⏸ Soak
01-07 10:00:30 production · Config/production is given v1.6.0
01-07 10:01:00 production · production-compile-1, production-compile-2: ready
01-07 10:01:00 voxsync ✔ StageRolledOut
01-07 10:01:00 voxsync ✔ Released",
    );
}

#[test]
fn a_stage_waits_for_a_person() {
    let spec = spec("", "approval: Manual", "");
    let events = "[{at: +0s, tag: v1.5.0}, {at: +1h, approve: v1.5.0, by: maria}, {at: +2h, tag: v1.6.0}]";
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
11-23 09:00:30 production ⏸ Approval
11-23 10:00:00 maria » approves v1.5.0 for all stages
11-23 10:00:00 voxsync · Approved
11-23 10:00:00 production · Config/production is given v1.5.0
11-23 10:00:30 production · production-compile-1, production-compile-2: ready
11-23 10:00:30 voxsync ✔ StageRolledOut
11-23 10:00:30 voxsync ✔ Released
11-23 11:00:00 source » v1.6.0 is pushed
11-23 11:00:00 voxsync · CandidateFound
11-23 11:00:00 voxsync · PromotionStarted
11-23 11:00:00 canary · Server/canary is given v1.6.0
11-23 11:00:30 voxsync ✔ StageRolledOut
11-23 11:00:30 production ⏸ Approval",
    );
    assert!(!story.is_well(), "v1.6.0 waits");
}

#[test]
fn the_newest_that_is_old_enough_is_taken() {
    let spec = spec("", "", "minimumAge: 24h");
    let events = "[{at: +0s, tag: v1.5.0}, {at: +12h, tag: v1.6.0}, {at: +20h, remove: v1.5.0}]";
    let story =
        told(&spec, &format!("{{start: '2026-11-23T09:00:00Z', deployed: v1.4.2, events: {events}}}"));
    assert_told(
        &story,
        "
11-23 09:00:00 source » v1.5.0 is pushed
11-23 09:00:00 voxsync ⏸ MinimumAge
11-23 21:00:00 source » v1.6.0 is pushed
11-23 21:00:00 voxsync ⏸ MinimumAge
11-24 05:00:00 source » v1.5.0 is taken away
11-24 05:00:00 voxsync ⏸ MinimumAge
11-24 21:00:00 voxsync · CandidateFound
11-24 21:00:00 voxsync · PromotionStarted
11-24 21:00:00 canary · Server/canary is given v1.6.0
11-24 21:00:30 voxsync ✔ StageRolledOut
11-24 21:00:30 production · Config/production is given v1.6.0
11-24 21:01:00 production · production-compile-1, production-compile-2: ready
11-24 21:01:00 voxsync ✔ StageRolledOut
11-24 21:01:00 voxsync ✔ Released",
    );
    assert!(story.is_well());
}

#[test]
fn what_nobody_approves_is_waited_for_at_the_end() {
    let spec = spec("", "approval: Manual", "");
    let story = told(&spec, "{deployed: v1.4.2, for: 1h, events: [{at: +0s, tag: v1.5.0}]}");
    assert_eq!((story.is_well(), story.is_cut_off), (false, false));
    assert_eq!(story.end.to_string(), "2026-11-23T10:00:00Z");
}

#[test]
fn nights_of_which_nothing_comes_are_told_once() {
    let window = "windows: [{name: night, allow: {cron: \"0 2 * * *\", duration: 1h}}]";
    let spec = spec("", "approval: Manual, windows: [night]", window);
    let story = told(
        &spec,
        "{deployed: v1.4.2, for: 240h, events: [{at: +0s, tag: v1.5.0}, {at: +100h, tag: v1.6.0}]}",
    );
    let closed = story.ladder.iter().filter(|line| line.reason == "Window").count();
    assert_eq!(closed, 2, "once a candidate: {:#?}", story.ladder);
}

#[test]
fn what_is_suspended_or_not_old_enough_is_waited_for_at_the_end() {
    let suspended = "{deployed: v1.4.2, for: 1h, events: [{at: +0s, suspend: a holiday}]}";
    assert!(!told(&spec("", "", ""), suspended).is_well());
    let young = "{deployed: v1.4.2, for: 1h, events: [{at: +0s, tag: v1.5.0}]}";
    assert!(!told(&spec("", "", "minimumAge: 24h"), young).is_well());
    assert!(told(&spec("", "", ""), young).is_well());
}

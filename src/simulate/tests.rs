use jiff::Timestamp;
use voxsync_cluster::Snapshot;
use voxsync_crds::CodeSync;
use voxsync_simulation::Story;

use super::{json::json, text::text};

fn code_sync() -> CodeSync {
    serde_saphyr::from_str(include_str!("../../examples/careful.yaml")).unwrap()
}

fn simulated(
    code_sync: &CodeSync,
    snapshot: &Snapshot,
    timeline: &str,
    now: Timestamp,
) -> anyhow::Result<Story> {
    super::simulated(code_sync, snapshot, timeline, now, &mut |_| ())
}

fn now() -> Timestamp {
    "2026-12-14T15:00:00Z".parse().unwrap()
}

#[test]
fn a_person_reads_what_happens_day_by_day() {
    let timeline = "{deployed: v1.4.2, rollout: 40s, for: 20h, events: [{at: +0s, tag: v1.5.0}, {at: +2h, approve: v1.5.0},
        {at: +20h, expect: {production: v1.5.0}}]}";
    let story = simulated(&code_sync(), &Snapshot::default(), timeline, now()).unwrap();
    let told = text("production", "r.io/code >=1.0.0", &story, false);
    let lines = [
        "production  ·  r.io/code >=1.0.0, simulated from 2026-12-14 15:00Z",
        "",
        "Mon 2026-12-14",
        "  15:00:00Z  source      » v1.5.0 is pushed",
        "  15:00:00Z  canary      · Server/canary is given v1.5.0",
        "  17:00:00Z  somebody    » approves v1.5.0 for all stages",
        "Tue 2026-12-15",
        "  07:00:00Z  production  · Config/production is given v1.5.0",
        "  07:00:40Z  production  · production-compile-1: ready",
        "  11:00:00Z  production  ✔ runs v1.5.0, as expected",
        "  at the end, 2026-12-15 11:00Z: deployed v1.5.0; Deployed",
        "  1 of 1 expectations came true",
    ];
    let mut rest = told.lines();
    for line in lines {
        assert!(rest.any(|other| other == line), "{line:?} is not there, or not in its place:\n{told}");
    }
    let waits = "  16:00:40Z  production  ⏸ ";
    assert_eq!(told.matches(waits).count(), 2, "for the approval and the window:\n{told}");
    assert!(text("production", "r.io/code", &story, true).contains("\x1b[1mMon 2026-12-14\x1b[0m"));
}

#[test]
fn programs_are_told_the_same() {
    let timeline =
        "{deployed: v1.4.2, for: 1h, events: [{at: +0s, tag: v1.5.0}, {at: +1h, expect: {canary: v1.4.2}}]}";
    let story = simulated(&code_sync(), &Snapshot::default(), timeline, now()).unwrap();
    let told = json("puppet", "production", &story);
    assert_eq!([&told["apiVersion"], &told["name"]], ["simulation.voxsync.dev/v1", "production"]);
    assert_eq!(told["expectations"], serde_json::json!({"met": 0, "missed": 1}));
    assert_eq!([&told["isWell"], &told["isCutOff"]], [&serde_json::json!(false); 2]);
    assert_eq!(
        told["ladder"][2],
        serde_json::json!({"at": "2026-12-14T15:00:00Z", "who": "source", "what": "v1.5.0 is pushed", "reason": "Given", "tone": "given"})
    );
    assert_eq!(told["status"]["stages"][0]["phase"], "Soaking");
}

#[test]
fn a_timeline_that_cannot_be_read_names_the_line() {
    let error = simulated(&code_sync(), &Snapshot::default(), "events:\n- {at: +0s}", now()).unwrap_err();
    assert!(error.to_string().starts_with("line 2: events[0]: give exactly one of tag, "), "{error}");
}

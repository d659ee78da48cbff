//! Windows: they hold back the start of a stage, and nothing else.

use serde_json::{Value, json};
use voxsync_crds::code_sync::StagePhase::{Deployed, Gating, Pending, Rolling, Soaking};
use voxsync_promotion::{check_windows, idle_windows};

use super::world::{Fate, World, at};

/// On weekdays from nine o'clock in Berlin: that is 08:00 in UTC in winter.
fn office_hours() -> Value {
    json!({"name": "office-hours", "allow": {"cron": "0 9 * * mon-fri", "duration": "8h", "timeZone": "Europe/Berlin"}})
}

/// As [`World::promoted`]; the second stage keeps to these windows. It is a Sunday, 14:10 in UTC.
fn keeping_to(windows: &[Value]) -> World {
    let mut world = World::promoted();
    for window in windows {
        world.spec.windows.push(serde_json::from_value(window.clone()).unwrap());
    }
    let names = world.spec.windows.iter().filter(|window| window.allow.is_some());
    let names: Vec<String> = names.map(|window| window.name.clone()).collect();
    world.spec.stages.as_mut().unwrap()[1].windows = names;
    assert_eq!(check_windows(&world.spec), Ok(()));
    world
}

/// A version is found, and ran in the canary for its soak time.
fn until_second_stage(world: &mut World, tag: &str) {
    world.finds(tag);
    world.settle();
    world.passes(600);
    world.settle();
}

#[test]
fn the_line_of_a_table_says_when_a_window_opens_whatever_its_name() {
    let mut window = office_hours();
    window["name"] = json!("weekend-of-the-operators");
    window["allow"]["cron"] = json!("0 16 * * *");
    let mut world = keeping_to(&[window]);
    until_second_stage(&mut world, "v1.5.0");
    assert_eq!(world.summary(), "Waiting: window weekend-of-the…, opens 2026-11-22 15:00Z");
}

#[test]
fn a_stage_starts_when_its_window_opens() {
    let mut world = keeping_to(&[office_hours()]);
    until_second_stage(&mut world, "v1.5.0");
    assert_eq!(
        (world.tags(), world.phases()),
        (vec!["v1.5.0".into(), "v1.4.2".into()], vec![Deployed, Pending])
    );
    assert_eq!(
        world.message("Window"),
        "stage production does not start: window office-hours is closed until Mon 2026-11-23 09:00 CET (2026-11-23 08:00Z)"
    );
    assert_eq!(world.status.waiting[0].until.unwrap().timestamp(), at("2026-11-23T08:00:00Z"));
    assert_eq!(world.wake_at, Some(at("2026-11-23T08:00:00Z")));
    assert_eq!(world.condition("Ready"), "True Waiting");
    assert_eq!(world.condition("Reconciling"), "-");
    assert_eq!(world.summary(), "Waiting: window office-hours, opens 2026-11-23 08:00Z");
    world.forget();

    world.now = at("2026-11-23T07:59:59.999Z");
    assert!(!world.step(), "nothing changes before");
    world.now = at("2026-11-23T08:00:00Z");
    world.settle();
    assert_eq!(
        (world.deployed(), world.writes.as_slice()),
        ("v1.5.0", &["Config/production=v1.5.0".to_owned()][..])
    );
}

#[test]
fn what_has_started_goes_on_when_the_window_closes() {
    let mut world = keeping_to(&[office_hours()]);
    world.now = at("2026-11-23T08:00:00Z");
    until_second_stage(&mut world, "v1.5.0");
    assert_eq!(world.deployed(), "v1.5.0");

    world.now = at("2026-11-23T15:49:00Z");
    world.production().servers[0].fate = Fate::Rolls;
    until_second_stage(&mut world, "v1.6.0");
    assert_eq!(world.phases(), [Deployed, Rolling]);
    world.now = at("2026-11-23T16:00:01Z");
    world.settle();
    assert_eq!((world.phases(), world.reasons()), (vec![Deployed, Rolling], vec!["Rollout"]));
    world.production().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!(world.deployed(), "v1.6.0");
}

#[test]
fn gates_that_were_asked_for_in_time_may_come_late() {
    let mut world = World::with_authority();
    let window = json!({"name": "hours", "allow": {"cron": "0 9 * * *", "duration": "8h"}});
    world.spec.windows.push(serde_json::from_value(window).unwrap());
    world.spec.stages.as_mut().unwrap()[0].windows = vec!["hours".into()];
    world.finds("v1.5.0");
    world.settle();
    assert_eq!((world.phases(), world.reasons()), (vec![Gating], vec!["Gating"]), "14:00 is within");
    world.now = at("2026-11-22T17:00:05Z");
    world.hold_back(&["ca"]);
    world.settle();
    assert_eq!(world.writes, ["Config/production=v1.5.0"]);

    world.server("ca").lift();
    world.settle();
    world.finds("v1.6.0");
    world.settle();
    assert_eq!(
        (world.phases(), world.reasons()),
        (vec![Pending], vec!["Window"]),
        "no gate before the window"
    );
}

#[test]
fn a_freeze_holds_back_all_stages_and_beats_every_allow() {
    let freeze =
        json!({"name": "freeze", "deny": {"from": "2026-11-22T00:00:00Z", "to": "2026-11-23T10:30:00Z"}});
    let mut world = keeping_to(&[office_hours(), freeze]);
    world.finds("v1.5.0");
    world.settle();
    assert_eq!((world.writes.len(), world.phases()), (0, vec![Pending, Pending]));
    let message = world.message("Window");
    assert!(
        message.starts_with("stage canary does not start: window freeze lets nothing start"),
        "{message}"
    );
    assert!(message.ends_with("lets nothing start until Mon 2026-11-23 10:30 UTC"), "{message}");
    world.now = at("2026-11-23T10:30:00Z");
    world.settle();
    assert_eq!(world.phases(), [Soaking, Pending]);
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0", "the office hours are open by then");
}

#[test]
fn a_window_that_never_opens_again_needs_somebody() {
    let past =
        json!({"name": "trial", "allow": {"from": "2026-10-01T00:00:00Z", "to": "2026-10-02T00:00:00Z"}});
    let mut world = keeping_to(&[past]);
    until_second_stage(&mut world, "v1.5.0");
    assert_eq!(
        (world.condition("Ready"), world.summary()),
        ("False Window".into(), "Window: trial never opens")
    );
    let message = world.message("Window");
    let wanted = "change its windows, or skip them in an emergency with `voxsync promote production ghcr.io/example/puppet-code:v1.5.0@sha256:";
    assert!(message.contains(wanted) && message.ends_with(" -n puppet --now --reason TEXT`"), "{message}");
}

#[test]
fn a_window_that_was_not_found_in_time_is_looked_for_again() {
    let each = json!({"name": "each", "allow": {"cron": "*/2 * * * *", "duration": "1m"}});
    let november = json!({"name": "november", "deny": {"cron": "*/2 * * 11 *", "duration": "1m"}});
    let mut world = keeping_to(&[each, november]);
    world.spec.stages.as_mut().unwrap()[1].windows.push("november".into());
    world.now = at("2026-11-23T00:00:00Z");
    until_second_stage(&mut world, "v1.5.0");
    let summary = "Window: november, no time found before ";
    assert!(world.summary().starts_with(summary), "{}", world.summary());
    while let Some(time) = world.wake_at {
        assert!(time > world.now, "{time}");
        world.now = time;
        world.settle();
    }
    assert_eq!((world.deployed(), world.now), ("v1.5.0", at("2026-12-01T00:00:00Z")));
}

#[test]
fn a_stage_that_has_it_already_and_one_that_joins_need_no_window() {
    let mut world = keeping_to(&[office_hours()]);
    let now = world.now;
    let candidate = super::world::reference("v1.5.0");
    world.production().changed_by("helm", Some(&candidate), now);
    world.observed.resume = Some("go on".into());
    let started = world.status.stages[1].started.clone();
    until_second_stage(&mut world, "v1.5.0");
    let record_alone = "Config/production=v1.5.0".to_owned();
    assert_eq!((world.deployed(), world.writes.last()), ("v1.5.0", Some(&record_alone)), "nothing restarts");
    assert_eq!(world.status.stages[1].started, started, "what is only recorded is no start");

    let joiner =
        super::world::Target::new(voxsync_crds::code_sync::TargetKind::Config, "late", None, &["late"]);
    world.stages[1].push(joiner);
    world.settle();
    assert_eq!(world.tags()[2], "v1.5.0", "{:#?}", world.status.waiting);
}

#[test]
fn somebody_elses_joiner_does_not_start_a_stage() {
    // A target joins a stage that rests, and is written, as a new promotion begins: that is no start of it.
    let mut world = keeping_to(&[office_hours()]);
    let joiner =
        super::world::Target::new(voxsync_crds::code_sync::TargetKind::Config, "late", None, &["late"]);
    world.spec.stages.as_mut().unwrap()[0].windows = vec!["office-hours".into()];
    world.stages[0].push(joiner);
    world.server("late").fate = Fate::Rolls;
    world.step();
    assert_eq!(world.phases()[0], voxsync_crds::code_sync::StagePhase::Writing);
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2", "v1.4.2"]);
    assert_eq!(world.phases(), [Pending, Pending]);
    world.now = at("2026-11-23T08:00:00Z");
    world.settle();
    assert_eq!(world.tags()[0], "v1.5.0");
}

#[test]
fn a_suspended_one_still_says_what_it_waits_for() {
    let mut world = keeping_to(&[office_hours()]);
    until_second_stage(&mut world, "v1.5.0");
    world.spec.suspend = true;
    world.settle();
    assert_eq!(world.reasons(), ["Suspended", "Window"]);
    world.now = at("2026-11-23T09:00:00Z");
    world.settle();
    assert_eq!((world.reasons(), world.tags()[1].as_str()), (vec!["Suspended"], "v1.4.2"));
}

#[test]
fn windows_that_cannot_be_are_said_with_their_field() {
    for (windows, named, wanted) in [
        (
            json!([{"name": "a", "allow": {"cron": "0 9 * * mon", "duration": "1h"}}]),
            json!(["b"]),
            "stages[canary].windows: there is no window \"b\"",
        ),
        (
            json!([{"name": "a", "allow": {"cron": "0 9 30 2 *", "duration": "1h"}}]),
            json!(["a"]),
            "windows[a].allow.cron",
        ),
        (
            json!([{"name": "a", "deny": {"cron": "0 9 * * *", "duration": "1h", "timeZone": "Europe/Bern"}}]),
            json!([]),
            "windows[a].deny.timeZone",
        ),
    ] {
        let mut world = World::promoted();
        world.spec.windows = serde_json::from_value(windows).unwrap();
        world.spec.stages.as_mut().unwrap()[0].windows = serde_json::from_value(named).unwrap();
        let error = check_windows(&world.spec).unwrap_err();
        assert!(error.starts_with(wanted), "{error}");
        world.finds("v1.5.0");
        world.settle();
        assert_eq!((world.condition("Stalled"), world.writes.len()), ("True InvalidSpec".into(), 0));
    }
}

#[test]
fn an_allow_window_that_no_stage_keeps_to_holds_nothing_back_and_is_named() {
    let mut world = keeping_to(&[office_hours()]);
    assert!(idle_windows(&world.spec).is_empty());
    world.spec.stages.as_mut().unwrap()[1].windows.clear();
    let pause =
        json!({"name": "christmas", "deny": {"from": "2026-12-24T00:00:00Z", "to": "2026-12-27T00:00:00Z"}});
    world.spec.windows.push(serde_json::from_value(pause).unwrap());
    assert_eq!(idle_windows(&world.spec), ["office-hours"], "a deny that no stage names is for all");
    until_second_stage(&mut world, "v1.5.0");
    assert_eq!((world.deployed(), world.reasons()), ("v1.5.0", vec!["IdleWindow"]));
    assert!(world.message("IdleWindow").contains("no stage keeps to office-hours"));
    assert_eq!(
        (world.condition("Ready"), world.condition("Deployed")),
        ("True Deployed".into(), "True Deployed".into())
    );
}

//! What would happen now: it is what then does.

use serde_json::{Value, json};
use voxsync_crds::code_sync::StagePhase::{Deployed, Pending, Soaking, Writing};
use voxsync_promotion::{Forecast, StageForecast, WindowForecast, forecast};

use super::world::{World, at, digest};

fn told(world: &World) -> Forecast {
    forecast(&world.spec, &world.status, &world.observe(), world.now)
}

fn changes(stage: &StageForecast) -> Vec<String> {
    let tag = |reference: &Option<String>| {
        let tagged =
            reference.as_deref().and_then(|reference| reference.split_once('@')).map(|(tagged, _)| tagged);
        tagged.and_then(|tagged| tagged.rsplit_once(':')).map_or("none".to_owned(), |(_, tag)| tag.to_owned())
    };
    let text = |change: &voxsync_promotion::Change| {
        format!("{}: {} -> {}", change.target, tag(&change.from), tag(&change.to))
    };
    stage.changes.iter().map(text).collect()
}

fn rounds(stage: &StageForecast) -> Vec<String> {
    stage.rounds.iter().map(|round| format!("{} ({})", round.servers.join(" "), round.at_once)).collect()
}

/// The second stage with these fields.
fn with_second(mut world: World, fields: &Value, windows: &Value) -> World {
    let mut stage = serde_json::to_value(&world.spec.stages.as_ref().unwrap()[1]).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        stage[name] = value.clone();
    }
    world.spec.stages.as_mut().unwrap()[1] = serde_json::from_value(stage).unwrap();
    world.spec.windows = serde_json::from_value(windows.clone()).unwrap();
    world
}

#[test]
fn a_new_candidate_is_told_stage_by_stage() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    let before = (world.status.clone(), world.tags());
    let told = told(&world);
    assert_eq!(told.candidate.unwrap().name, "v1.5.0");
    let [canary, production] = told.stages.as_slice() else { panic!("{:?}", told.stages) };
    assert_eq!((canary.phase, production.phase), (Writing, Pending));
    assert_eq!(changes(canary), ["Server/canary: v1.4.2 -> v1.5.0"]);
    assert_eq!(changes(production), ["Config/production: v1.4.2 -> v1.5.0"]);
    assert_eq!((rounds(canary), rounds(production)), (vec!["canary (1)".into()], vec!["compile (1)".into()]));
    assert_eq!((canary.soak.as_deref(), production.soak.as_deref()), (Some("10m"), None));
    assert_eq!(production.earliest, Some(world.now + jiff::SignedDuration::from_mins(10)));
    assert_eq!((world.status.clone(), world.tags()), before);

    world.settle();
    assert_eq!(world.writes, ["Server/canary=v1.5.0"]);
}

#[test]
fn what_is_under_way_is_told_from_where_it_is() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.passes(240);
    let told = told(&world);
    let [canary, production] = told.stages.as_slice() else { panic!("{:?}", told.stages) };
    assert_eq!((canary.phase, changes(canary)), (Soaking, vec![]));
    assert_eq!(production.earliest, Some(world.now + jiff::SignedDuration::from_mins(6)));
    assert_eq!(told.next, production.earliest);
}

#[test]
fn what_is_deployed_is_left_alone() {
    let world = World::promoted();
    let told = told(&world);
    assert!(told.stages.iter().all(|stage| stage.phase == Deployed && stage.changes.is_empty()), "{told:?}");
    assert!(told.waiting.is_empty() && told.next.is_none());
}

#[test]
fn a_later_stage_says_its_window_and_approval() {
    let windows = json!([{"name": "office-hours",
        "allow": {"cron": "0 9 * * mon-fri", "duration": "8h", "timeZone": "Europe/Berlin"}}]);
    let fields = json!({"windows": ["office-hours"], "approval": "Manual"});
    let mut world = with_second(World::promoted(), &fields, &windows);
    world.finds("v1.5.0");
    let production = told(&world).stages.remove(1);
    let Some(WindowForecast::Closed(closed)) = &production.window else { panic!("{production:?}") };
    assert_eq!(closed.to_string(), "window office-hours is closed until Mon 2026-11-23 09:00 CET");
    assert_eq!(production.earliest, Some(at("2026-11-23T08:00:00Z")));
    let command = format!("`voxsync approve production -n puppet --digest {}`", digest("v1.5.0"));
    assert_eq!(production.approval, Some(command));

    world.now = at("2026-11-23T10:00:00Z");
    world.observed.approve = Some(digest("v1.5.0"));
    let production = told(&world).stages.remove(1);
    assert_eq!(production.window, Some(WindowForecast::Open(Some(at("2026-11-23T16:00:00Z")))));
    assert_eq!((production.approval, production.earliest), (None, Some(at("2026-11-23T10:10:00Z"))));
}

#[test]
fn a_window_that_closes_before_the_soak_is_over_is_waited_for() {
    let windows = json!([{"name": "freeze",
        "deny": {"from": "2026-11-22T14:05:00Z", "to": "2026-11-22T20:00:00Z"}}]);
    let mut world = with_second(World::promoted(), &json!({"windows": ["freeze"]}), &windows);
    world.now = at("2026-11-22T14:00:00Z");
    world.finds("v1.5.0");
    let told = told(&world);
    assert_eq!(told.stages[0].phase, Writing);
    assert_eq!(told.stages[1].earliest, Some(at("2026-11-22T20:00:00Z")));
}

#[test]
fn authorities_come_last() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    let told = told(&world);
    assert_eq!(rounds(&told.stages[0]), ["compile (1)", "ca (1)"]);
    assert!(told.stages[0].rounds[1].is_of_authorities);
}

#[test]
fn a_suspended_one_says_what_it_would_do() {
    let mut world = World::promoted();
    world.spec.suspend = true;
    world.finds("v1.5.0");
    let told = told(&world);
    assert_eq!(changes(&told.stages[0]), ["Server/canary: v1.4.2 -> v1.5.0"]);
    world.settle();
    assert!(world.writes.is_empty());
}

#[test]
fn what_is_in_the_way_of_a_later_stage_is_told_before() {
    let mut world = World::promoted();
    world.production().changed_by(
        "kubectl-edit",
        Some("ghcr.io/example/puppet-code:v9"),
        at("2026-11-22T15:00:00Z"),
    );
    world.finds("v1.5.0");
    let production = told(&world).stages.remove(1);
    assert!(
        production.changes.is_empty() && production.obstacles[0].contains("kubectl-edit"),
        "{production:?}"
    );
}

#[test]
fn a_promotion_that_takes_over_is_told() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.finds("v1.6.0");
    let told = told(&world);
    assert_eq!(told.candidate.unwrap().name, "v1.6.0");
    assert_eq!(changes(&told.stages[0]), ["Server/canary: v1.5.0 -> v1.6.0"]);
    assert_eq!(changes(&told.stages[1]), ["Config/production: v1.4.2 -> v1.6.0"]);
}

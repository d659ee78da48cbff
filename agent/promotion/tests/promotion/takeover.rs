//! Newer candidates and fallen stages: nothing that is being rolled is left without somebody who sees how it ends, and no
//! stage starts upon the word of one that has fallen over since.

use rstest::rstest;
use serde_json::json;
use voxsync_crds::code_sync::{Approval, CodeSyncSpec, Outcome, StagePhase, TargetKind};
use voxsync_rollout::state::{RolloutState, Stuck, StuckImage};

use super::world::{Fate, Target, World, reference};

/// As [`World::promoted`]; v1.5.0 has passed the canary and rolls in production.
fn rolling() -> World {
    let mut world = World::promoted();
    world.production().servers[0].fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Deployed, StagePhase::Rolling]);
    world
}

/// Of a Server that ran it before.
fn fallen_over() -> Fate {
    Fate::Is(RolloutState::Stuck(Stuck {
        reason: "CrashLoopBackOff".into(),
        pod: "pod-1".into(),
        message: "back-off 5m0s".into(),
        image: StuckImage::Unknown,
    }))
}

fn under_way(world: &World) -> &str {
    &world.status.promotion.as_ref().unwrap().candidate.name
}

#[test]
fn a_stage_that_rolls_is_seen_to_its_end_before_a_newer_candidate_starts() {
    let mut world = rolling();
    world.finds("v1.6.0");
    world.settle();
    assert_eq!((under_way(&world), world.tags()), ("v1.5.0", vec!["v1.5.0".into(), "v1.5.0".into()]));
    assert!(world.message("Newer").contains("v1.6.0 takes over from v1.5.0"), "{}", world.message("Newer"));
    world.production().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!((world.deployed(), under_way(&world)), ("v1.5.0", "v1.6.0"));
}

#[test]
fn what_cannot_run_goes_back_before_a_newer_candidate_starts() {
    let mut world = rolling();
    world.finds("v1.6.0");
    world.settle();
    world.production().servers[0].fate = Fate::Sticks("ImagePullBackOff");
    world.settle();
    let outcomes: Vec<_> = world.releases.iter().map(|release| release.outcome).collect();
    assert_eq!(outcomes.last(), Some(&Outcome::RolledBack), "{outcomes:?}");
    assert_eq!((under_way(&world), world.tags()), ("v1.6.0", vec!["v1.6.0".into(), "v1.4.2".into()]));
}

#[test]
fn nor_does_one_start_where_another_target_of_the_stage_is_held() {
    let mut world = World::promoted();
    world.stages[1].push(Target::new(TargetKind::Config, "second", Some(reference("v1.4.2")), &["second"]));
    world.production().servers[0].fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    let now = world.now;
    world.stages[1][1].changed_by("kubectl-edit", Some("r.example/other:1"), now);
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Deployed, StagePhase::Held]);
    world.finds("v1.6.0");
    world.settle();
    assert_eq!(under_way(&world), "v1.5.0");
    world.production().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!(under_way(&world), "v1.6.0");
}

#[test]
fn what_never_proved_itself_is_not_given_back_however_many_came_after_it() {
    let mut world = World::promoted();
    world.spec.stages.as_mut().unwrap()[1].soak = Some("10m".into());
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.phases()[1], StagePhase::Soaking);
    for tag in ["v1.6.0", "v1.6.1", "v1.6.2", "v1.6.3", "v1.6.4", "v1.6.5", "v1.6.6"] {
        world.finds(tag);
        world.settle();
    }
    world.production().servers[0].fate = Fate::Sticks("ImagePullBackOff");
    world.passes(600);
    world.settle();
    world.production().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"], "v1.5.0 proved itself in the canary, and only there");
}

#[test]
fn a_person_does_not_wait_for_a_stage_that_rolls() {
    let mut world = rolling();
    world.pins("v1.6.0");
    world.settle();
    assert_eq!((under_way(&world), world.tags()), ("v1.6.0", vec!["v1.6.0".into(), "v1.5.0".into()]));
}

#[test]
fn what_a_person_paused_binds_nobody() {
    let mut world = rolling();
    world.production().servers[0].fate = Fate::Is(RolloutState::PausedByPerson);
    world.finds("v1.6.0");
    world.settle();
    assert_eq!(under_way(&world), "v1.6.0");
}

/// The newer candidate may have to wait before the first stage, and the older one is watched by nobody meanwhile.
#[rstest]
#[case::nothing(|_: &mut CodeSyncSpec| (), "v1.6.0")]
#[case::a_window(|spec: &mut CodeSyncSpec| spec.stages.as_mut().unwrap()[0].windows.push("day".into()), "v1.5.0")]
#[case::a_freeze(
    |spec: &mut CodeSyncSpec| {
        let freeze = json!({"name": "freeze", "deny": {"cron": "0 0 1 1 *", "duration": "1h"}});
        spec.windows.push(serde_json::from_value(freeze).unwrap());
    },
    "v1.5.0"
)]
#[case::a_person(
    |spec: &mut CodeSyncSpec| spec.stages.as_mut().unwrap()[0].approval = Some(Approval::Manual),
    "v1.5.0"
)]
fn the_first_stage_takes_what_is_newer_at_once_if_it_waits_for(
    #[case] change: fn(&mut CodeSyncSpec),
    #[case] taken: &str,
) {
    let mut world = World::promoted();
    let day = json!({"name": "day", "allow": {"cron": "0 0 * * *", "duration": "24h"}});
    world.spec.windows.push(serde_json::from_value(day).unwrap());
    world.canary().servers[0].fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle();
    change(&mut world.spec);
    world.finds("v1.6.0");
    world.settle();
    assert_eq!(under_way(&world), taken);
}

#[test]
fn no_stage_starts_while_one_that_has_passed_cannot_run_the_candidate() {
    let mut world = World::promoted();
    world.spec.stages.as_mut().unwrap()[1].approval = Some(Approval::Manual);
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Deployed, StagePhase::Pending]);
    world.canary().servers[0].fate = fallen_over();
    world.settle();
    assert_eq!(
        world.reasons(),
        ["CrashLoopBackOff", "Rollout", "Approval"],
        "the approval is asked for all the time"
    );
    world.spec.stages.as_mut().unwrap()[1].approval = None;
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    assert!(world.condition("Ready").starts_with("False CrashLoopBackOff"), "{}", world.condition("Ready"));
    assert!(
        world
            .message("Rollout")
            .contains("stage production does not start before all Servers of stage canary"),
        "{}",
        world.message("Rollout")
    );
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!((world.tags(), world.deployed()), (vec!["v1.5.0".into(), "v1.5.0".into()], "v1.5.0"));
}

#[test]
fn what_falls_over_where_the_turn_of_the_next_is_to_come_is_said() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.production().servers[0].fate = fallen_over();
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Soaking, StagePhase::Pending]);
    assert_eq!(world.condition("Ready"), "False CrashLoopBackOff");
}

/// As [`World::promoted`], on v1.5.0 by now; v1.6.0 has passed the canary, and production waits for a person.
fn waiting() -> World {
    let mut world = World::promoted();
    for tag in ["v1.5.0", "v1.6.0"] {
        world.finds(tag);
        world.settle();
        world.spec.stages.as_mut().unwrap()[1].approval = (tag == "v1.6.0").then_some(Approval::Manual);
        world.passes(600);
        world.settle();
    }
    assert_eq!(world.phases(), [StagePhase::Deployed, StagePhase::Pending]);
    world.forget();
    world
}

#[test]
fn what_moves_into_a_passed_stage_is_promoted_there_before_anything_is_released() {
    let mut world = waiting();
    let moved = world.stages[1].remove(0);
    world.stages[0].push(moved);
    world.spec.stages.as_mut().unwrap()[1].allow_empty = true;
    world.spec.stages.as_mut().unwrap()[1].approval = None;
    world.settle();
    assert_eq!((world.deployed(), world.writes.join(" ")), ("v1.5.0", "Config/production=v1.6.0".into()));
    assert_eq!(world.phases(), [StagePhase::Soaking, StagePhase::Pending], "it soaks like the first");
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), &world.status.promotion), ("v1.6.0", &None));
}

#[test]
fn what_moves_into_a_passed_stage_and_cannot_run_there_goes_back_with_all_else() {
    let mut world = waiting();
    let mut moved = world.stages[1].remove(0);
    moved.servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.stages[0].push(moved);
    world.settle();
    world.settle();
    let last = world.releases.last().unwrap();
    assert_eq!((last.outcome, world.deployed()), (Outcome::RolledBack, "v1.5.0"));
    let live = |target: &super::world::Target| target.live.image.clone();
    let fifth = Some(super::world::reference("v1.5.0"));
    assert_eq!(world.stages[0].iter().map(live).collect::<Vec<_>>(), [fifth.clone(), fifth]);
    assert_eq!(world.status.quarantine.len(), 1);
}

#[test]
fn what_was_in_no_stage_for_a_while_goes_back_to_what_was_released_there() {
    let mut world = World::promoted();
    for tag in ["v1.5.0", "v1.6.0"] {
        world.finds(tag);
        world.settle();
        world.passes(600);
        world.settle();
    }
    let production = world.spec.stages.as_mut().unwrap().remove(1);
    let targets = world.stages.remove(1);
    world.finds("v1.7.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.7.0");
    world.spec.stages.as_mut().unwrap().push(production);
    world.stages.push(targets);
    world.production().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    assert_eq!(world.tags(), ["v1.7.0", "v1.6.0"]);
}

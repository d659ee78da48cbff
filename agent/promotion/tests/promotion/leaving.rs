//! Deleting a CodeSync: its targets stay as they are, but for those with Servers that are held back.

use voxsync_crds::code_sync::{Outcome, StagePhase};

use super::world::{Fate, World, reference};

fn half_way() -> World {
    let mut world = World::with_authority();
    world.server("compile").fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    assert_eq!((world.tags(), world.observed.has_finalizer), (vec!["v1.5.0".to_owned()], true));
    world.observed.is_leaving = true;
    world
}

#[test]
fn deleted_half_way_the_stage_is_given_back_and_the_gates_go_first() {
    let mut world = half_way();
    world.settle();
    assert_eq!((world.tags(), world.phases()), (vec!["v1.4.2".to_owned()], vec![StagePhase::RollingBack]));
    assert!(world.observed.has_finalizer && world.releases.is_empty());
    assert!(world.message("Deleting").contains("as soon as nothing is held back"));
    assert_eq!(world.server("ca").runs, Some(reference("v1.4.2")));

    world.server("ca").lift();
    world.settle();
    assert!(!world.observed.has_finalizer);
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::Abandoned);
    assert!(world.event("Deleted").contains("have what they had before"));
}

#[test]
fn deleted_while_suspended_it_goes_all_the_same() {
    let mut world = half_way();
    world.spec.suspend = true;
    world.settle();
    world.server("ca").lift();
    world.settle();
    assert_eq!((world.tags(), world.observed.has_finalizer), (vec!["v1.4.2".to_owned()], false));
}

#[test]
fn deleted_while_its_target_is_paused_it_goes_and_names_what_is_left() {
    let mut world = half_way();
    world.stages[0][0].paused = true;
    world.settle();
    assert!(!world.observed.has_finalizer);
    let said = world.event("Deleted");
    assert!(said.contains("had before, but for Config/production (a person paused it)"), "{said}");
}

#[test]
fn deleted_before_anything_is_written_only_the_gates_are_waited_for() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle();
    world.hold_back(&["ca"]);
    world.observed.is_leaving = true;
    world.settle();
    assert!(world.observed.has_finalizer);
    world.server("ca").lift();
    world.settle();
    assert_eq!((world.writes.len(), world.observed.has_finalizer), (0, false));
}

#[test]
fn without_gates_it_goes_at_once_and_leaves_what_there_is() {
    let mut world = World::with_authority();
    world.spec.stages.as_mut().unwrap()[0].allow_unordered = true;
    world.server("compile").fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle();
    world.observed.has_finalizer = true;
    world.observed.is_leaving = true;
    world.settle();
    assert_eq!((world.tags(), world.observed.has_finalizer), (vec!["v1.5.0".to_owned()], false));
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::Abandoned);
}

#[test]
fn a_record_that_cannot_be_written_does_not_keep_it() {
    let mut world = half_way();
    world.server("ca").lift();
    world.observed.record_refused = Some("forbidden".into());
    world.step();
    assert!(world.status.promotion.as_ref().unwrap().outcome.is_some());
    world.step();
    assert!(!world.observed.has_finalizer);
}

#[test]
fn nothing_is_promoted_while_it_waits_for_somebody_else_s_finalizer() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.observed.is_leaving = true;
    assert!(!world.step(), "nothing is left to do");
}

#[test]
fn a_promotion_that_goes_back_already_goes_on_so() {
    let mut world = World::with_authority();
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.observed.is_leaving = true;
    world.settle();
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    assert!(!world.observed.has_finalizer);
}

/// A person went back, and that failed half-way: the certificate authority is still held back.
fn failed_to_go_back() -> World {
    let mut world = World::released_with_authority();
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.observed.rollback = Some("1".into());
    world.settle_gating(&["ca"]);
    assert_eq!(world.summary(), "Failed: all ImagePullBackOff");
    let ca = world.server("ca");
    assert_eq!((ca.gate.is_some(), &ca.runs), (true, &Some(reference("v1.5.0"))));
    world
}

#[test]
fn what_is_held_back_after_a_rollback_that_failed_is_said_with_what_ends_it() {
    let world = failed_to_go_back();
    let said = world.message("Failed");
    for words in [
        "Try it again with `voxsync resume production -n puppet`",
        "Still held back, on the code that it runs: ca; its turn comes with what is taken next",
        "`kubectl rollout resume deployment/ca",
    ] {
        assert!(said.contains(words), "{said}");
    }
    // However much the pod has to say.
    let mut world = failed_to_go_back();
    let promotion = world.status.promotion.as_mut().unwrap();
    promotion.failure.as_mut().unwrap().message = "x".repeat(900);
    world.settle();
    assert!(world.message("Failed").contains("`kubectl rollout resume deployment/ca"));
}

#[test]
fn what_is_held_back_after_a_rollback_that_failed_gets_its_turn_when_it_is_tried_again() {
    let mut world = failed_to_go_back();
    world.server("compile").fate = Fate::Runs;
    world.observed.resume = Some("again".into());
    world.settle();
    // The gate is of the promotion before: the reconciler lifts it as soon as the others run the code.
    assert_eq!(
        (world.server("compile").runs.clone(), world.deployed()),
        (Some(reference("v1.4.2")), "v1.5.0")
    );
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.server("ca").runs, Some(reference("v1.4.2")));
    assert_eq!(world.deployed(), "v1.4.2");
    assert!(!world.observed.has_finalizer);
}

#[test]
fn what_is_held_back_after_a_rollback_that_failed_gets_its_turn_in_the_next_promotion() {
    let mut world = failed_to_go_back();
    world.server("compile").fate = Fate::Runs;
    world.pins("v1.6.0");
    // It is not written before the gate is for this promotion.
    world.settle_gating(&["ca"]);
    assert_eq!(world.server("ca").runs, Some(reference("v1.5.0")));
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.server("ca").runs, Some(reference("v1.6.0")));
    assert_eq!(world.deployed(), "v1.6.0");
    assert!(!world.observed.has_finalizer);
}

#[test]
fn what_stays_held_back_is_named() {
    let mut world = failed_to_go_back();
    world.observed.is_leaving = true;
    world.settle();
    assert!(!world.observed.has_finalizer);
    assert!(world.event("StillHeldBack").contains("kubectl rollout resume deployment/"));
}

//! People win: what somebody else changed is not written over until told.

use super::world::{Fate, REPOSITORY, Target, World, reference};
use rstest::rstest;
use voxsync_crds::{
    annotations::Applied,
    code_sync::{StagePhase, TargetKind},
};
use voxsync_promotion::{RefusedWrite, TargetProblem};

#[rstest]
#[case::another_image(Some(reference("v1.3.9")))]
#[case::removed(None)]
#[case::nonsense(Some("not a ref!!".to_owned()))]
#[case::without_digest(Some(format!("{REPOSITORY}:v1.4.2")))]
fn a_change_by_hand_is_held_and_said_once(#[case] found: Option<String>) {
    let mut world = World::promoted();
    let now = world.now;
    world.production().changed_by("kubectl-edit", found.as_deref(), now);
    world.settle();
    world.finds("v1.5.0");
    world.settle();
    world.passes(6000);
    world.settle();
    let hold = world.status.holds[0].clone();
    assert_eq!((hold.target.as_str(), hold.found.clone()), ("Config/production", found.clone()));
    assert_eq!((hold.recorded, hold.manager.as_deref()), (Some(reference("v1.4.2")), Some("kubectl-edit")));
    assert_eq!(hold.changed_at, Some(now.into()));
    assert_eq!(
        (world.condition("Ready"), world.condition("Held")),
        ("False Held".into(), "True Changed".into())
    );
    assert_eq!(world.summary(), "Held: changed by kubectl-edit");
    assert_eq!(world.writes, ["Server/canary=v1.5.0"], "the canary goes on, production is not written");
    assert!(world.event("Held").contains("changed by kubectl-edit at 2026-11-22T14:10:00Z"));
    assert!(
        world.message("Held").contains(
            "Go on with `voxsync resume production -n puppet`, or keep it with `voxsync promote production "
        ),
        "{}",
        world.message("Held")
    );

    world.observed.resume = Some("token".into());
    world.settle();
    assert_eq!((world.tags(), world.deployed()), (vec!["v1.5.0".to_owned(); 2], "v1.5.0"));
    assert_eq!((world.status.holds.len(), world.condition("Held")), (0, "False NotHeld".into()));
    world.event("Resumed");
}

#[test]
fn a_hold_in_rest_is_mended_by_resume_without_a_promotion() {
    let mut world = World::promoted();
    let now = world.now;
    world.production().changed_by("kubectl-edit", Some(&reference("v1.3.9")), now);
    world.settle();
    world.observed.resume = Some("token".into());
    world.settle();
    assert_eq!((world.tags(), world.releases.len()), (vec!["v1.4.2".to_owned(); 2], 1));
}

#[test]
fn a_hold_is_gone_on_with_before_a_rollback_ends() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    world.observed.rollback = Some("1".into());
    world.settle();
    let (now, back) = (world.now, vec!["v1.4.2".to_owned(); 2]);
    assert_eq!(world.tags(), back);
    world.production().changed_by("kubectl-edit", Some(&reference("v1.5.0")), now);
    world.settle();
    world.observed.resume = Some("first".into());
    world.settle();
    assert_eq!((world.tags(), world.status.rollback.is_some()), (back, true));
    world.observed.resume = Some("second".into());
    world.settle();
    assert_eq!(world.status.rollback, None);
}

#[test]
fn a_hold_ends_when_the_change_is_taken_back() {
    let mut world = World::promoted();
    let now = world.now;
    world.production().changed_by("kubectl-edit", Some(&reference("v1.3.9")), now);
    world.settle();
    world.production().changed_by("kubectl-edit", Some(&reference("v1.4.2")), now);
    world.settle();
    assert_eq!(
        (world.status.holds.len(), world.condition("Ready"), world.writes.len()),
        (0, "True Deployed".into(), 0)
    );
}

#[test]
fn a_change_is_kept_by_a_pin_of_what_was_found() {
    let mut world = World::promoted();
    let now = world.now;
    world.production().changed_by("kubectl-edit", Some(&format!("{REPOSITORY}:v1.3.9")), now);
    world.settle();
    assert_eq!(world.condition("Held"), "True Changed");
    world.pins("v1.3.9");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.tags(), world.deployed()), (vec!["v1.3.9".to_owned(); 2], "v1.3.9"));
    assert_eq!((world.status.holds.len(), world.condition("Held")), (0, "False NotHeld".into()));
}

#[test]
fn a_resume_is_for_what_was_found_then() {
    let mut world = World::promoted();
    let now = world.now;
    world.production().changed_by("kubectl-edit", Some(&reference("v1.3.9")), now);
    world.observed.resume = Some("token".into());
    world.step();
    assert!(world.status.holds[0].resumed);
    world.production().changed_by("helm", Some(&reference("v1.3.8")), now);
    world.settle();
    assert_eq!((world.tags()[1].as_str(), world.status.holds[0].resumed), ("v1.3.8", false));
    assert_eq!(world.told().iter().filter(|reason| **reason == "Held").count(), 2);
}

#[test]
fn the_same_change_made_again_is_held_again() {
    let mut world = World::promoted();
    for token in 1..3 {
        world.passes(1);
        let now = world.now;
        world.production().changed_by("kubectl-edit", None, now);
        world.settle();
        assert_eq!(world.tags(), ["v1.4.2", "-"], "{token}");
        world.observed.resume = Some(token.to_string());
        // The hold is written over; the person is quicker than the next step.
        world.step();
        world.step();
        assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"], "{token}");
    }
}

#[test]
fn a_resume_that_waits_for_its_turn_outlives_an_edit_of_another_field() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    let now = world.now;
    world.production().changed_by("kubectl-edit", Some(&reference("v1.3.9")), now);
    world.settle();
    world.observed.resume = Some("token".into());
    world.settle();
    world.passes(300);
    // The same tool changes another field: its managed fields have another time now.
    let now = world.now;
    world.production().changed_by("kubectl-edit", Some(&reference("v1.3.9")), now);
    world.settle();
    world.passes(300);
    world.settle();
    assert_eq!((world.tags(), world.deployed()), (vec!["v1.5.0".to_owned(); 2], "v1.5.0"));
    assert_eq!(world.told().iter().filter(|reason| **reason == "Held").count(), 1);
}

#[test]
fn a_refused_write_is_tried_again_without_a_word() {
    let mut world = World::promoted();
    let refused = |is_retry_due| {
        Some(RefusedWrite { message: "Server/canary: a webhook refuses it".into(), is_retry_due })
    };
    world.canary().refused = refused(false);
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(
        (world.reasons(), world.condition("Ready")),
        (vec!["WriteRefused"], "False WriteRefused".into())
    );
    assert_eq!(world.message("WriteRefused"), "Server/canary: a webhook refuses it");
    assert_eq!(world.writes.len(), 0);
    world.forget();
    world.passes(300);
    world.canary().refused = refused(true);
    world.step();
    assert_eq!((world.status_writes, world.told().len()), (0, 0), "nothing else is said while it is tried");
    assert_eq!(world.writes, ["Server/canary=v1.5.0"]);
    world.canary().refused = None;
    world.settle();
    assert_eq!(world.reasons(), ["Soak"]);
}

#[test]
fn a_resume_on_an_object_without_status_is_only_recorded() {
    let mut world = World::canary_and_production();
    world.status = voxsync_crds::code_sync::CodeSyncStatus::default();
    world.forget();
    world.observed.resume = Some("from a backup".into());
    let now = world.now;
    world.production().applied = Some(Applied {
        code_sync: super::world::UID.into(),
        promotion: "old".into(),
        reference: Some(reference("v1.0.0")),
        previous: None,
        beside: None,
    });
    world.production().changed_by("kubectl-edit", Some(&reference("v1.3.9")), now);
    world.settle();
    assert_eq!(world.status.last_handled_resume.as_deref(), Some("from a backup"));
    assert_eq!((world.tags()[1].as_str(), world.status.holds[0].resumed), ("v1.3.9", false));
    assert!(!world.told().contains(&"Resumed"));
}

#[test]
fn a_held_target_stops_its_stage_and_the_later_ones_but_not_its_neighbours() {
    let mut world = World::promoted();
    world.stages[0].push(Target::new(TargetKind::Server, "second", None, &["second"]));
    world.settle();
    let now = world.now;
    world.canary().changed_by("kubectl-edit", Some(&reference("v1.3.9")), now);
    world.finds("v1.5.0");
    world.settle();
    world.passes(6000);
    world.settle();
    assert_eq!(world.tags(), ["v1.3.9", "v1.5.0", "v1.4.2"]);
    assert_eq!(world.phases(), [StagePhase::Held, StagePhase::Pending]);
}

#[test]
fn a_passed_stage_that_somebody_changes_stops_the_later_ones() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.production().paused = true;
    world.passes(600);
    world.settle();
    let now = world.now;
    world.canary().changed_by("kubectl-edit", Some(&reference("v1.3.9")), now);
    world.production().paused = false;
    world.settle();
    assert_eq!(world.tags(), ["v1.3.9", "v1.4.2"]);
    world.observed.resume = Some("token".into());
    world.settle();
    assert_eq!((world.tags(), world.deployed()), (vec!["v1.5.0".to_owned(); 2], "v1.5.0"));
}

#[test]
fn what_another_tool_wrote_too_early_is_taken_when_its_turn_comes() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    let now = world.now;
    world.production().changed_by("kustomize-controller", Some(&reference("v1.5.0")), now);
    world.settle();
    assert_eq!(world.summary(), "Held: changed by kustomize-controller");
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.5.0", "True Deployed".into()));
    assert_eq!(world.production().applied.as_ref().unwrap().reference, Some(reference("v1.5.0")));
}

#[test]
fn a_candidate_that_another_tool_writes_before_its_turn_is_held_until_its_turn() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Rolls;
    world.settle();
    let now = world.now;
    world.production().changed_by("kustomize-controller", Some(&reference("v1.5.0")), now);
    world.settle();
    assert_eq!((world.condition("Ready"), world.phases()[1]), ("False Held".into(), StagePhase::Held));
    assert!(world.message("Held").contains("before its turn"), "{}", world.message("Held"));
    // A resume does not take production back: it waits for its turn.
    world.observed.resume = Some("token".into());
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.5.0"]);
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.status.holds.len()), ("v1.5.0", 0));
    // The record says so now: the next candidate finds nothing odd.
    assert_eq!(world.production().applied.as_ref().unwrap().reference, Some(reference("v1.5.0")));
    world.finds("v1.6.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.6.0");
}

#[test]
fn a_target_that_was_adopted_and_then_changed_is_held_though_it_has_no_record() {
    let mut world = World::canary_and_production();
    world.passes(60);
    let now = world.now;
    world.production().changed_by("kubectl-edit", Some(&reference("v1.3.9")), now);
    world.settle();
    assert_eq!((world.tags()[1].as_str(), world.condition("Ready")), ("v1.3.9", "False Held".into()));
    world.observed.resume = Some("token".into());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(
        (world.tags(), world.condition("Ready")),
        (vec!["v1.4.2".to_owned(); 2], "True Deployed".into())
    );
}

#[test]
fn a_target_of_another_codesync_stalls_and_names_it() {
    let mut world = World::promoted();
    world.canary().claimed_by = Some("staging".into());
    world.canary().applied = None;
    world.finds("v1.5.0");
    world.settle();
    assert_eq!((world.writes.len(), world.condition("Stalled")), (0, "True Claimed".into()));
    assert_eq!(
        (world.condition("Ready"), world.summary()),
        ("False Claimed".into(), "Claimed: canary: Server/canary")
    );
    assert!(world.message("Claimed").contains("belongs to CodeSync staging"));
}

#[rstest]
#[case::missing("TargetMissing", false, "False TargetMissing", "-")]
#[case::entry("NoSuchEntry", true, "False NoSuchEntry", "True NoSuchEntry")]
fn a_target_that_cannot_be_written_is_waited_for(
    #[case] reason: &'static str,
    #[case] stalled: bool,
    #[case] ready: &str,
    #[case] stalls: &str,
) {
    let mut world = World::promoted();
    world.canary().problem = Some(TargetProblem { reason, message: "what is wrong".into(), stalled });
    world.finds("v1.5.0");
    world.settle();
    assert_eq!((world.condition("Ready"), world.condition("Stalled")), (ready.into(), stalls.into()));
    assert_eq!((world.writes.len(), world.message(reason)), (0, "what is wrong"));
    world.canary().problem = None;
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
}

#[test]
fn a_paused_target_waits_for_the_person() {
    let mut world = World::promoted();
    world.canary().paused = true;
    world.settle();
    assert_eq!(world.condition("Ready"), "True Deployed", "nothing is to be written");
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(
        (world.writes.len(), world.reasons(), world.condition("Ready")),
        (0, vec!["Paused"], "True Waiting".into())
    );
}

#[test]
fn a_claim_is_never_replaced() {
    let mut world = World::promoted();
    world.production().live = voxsync_promotion::Live { claim: Some("code".into()), ..Default::default() };
    world.production().servers.clear();
    world.finds("v1.5.0");
    world.observed.resume = Some("even if told".into());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.writes, ["Server/canary=v1.5.0"]);
    assert!(world.message("External").contains("the PersistentVolumeClaim code"));
    assert_eq!(world.condition("Ready"), "False External");
}

//! A promotion that ends half-way: its targets get back what they had, and it ends when nothing is held back any more.

use rstest::rstest;
use voxsync_crds::code_sync::{Outcome, StagePhase, TargetKind};

use super::world::{Fate, Target, World, reference, staged};

/// v1.5.0 cannot run, and the certificate authority is held back.
fn failing() -> World {
    let mut world = World::with_authority();
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world
}

#[test]
fn a_stage_that_fails_with_gates_gives_back_what_its_targets_had() {
    let mut world = failing();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::RollingBack], vec!["v1.4.2".to_owned()]));
    assert_eq!(world.condition("Reconciling"), "True RollingBack");
    assert!(
        world.message("RollingBack").contains("Server compile: ImagePullBackOff"),
        "{}",
        world.message("RollingBack")
    );
    assert!(world.event("RollingBack").contains("given back what they had"));
    assert_eq!((world.server("ca").runs.clone(), world.releases.len()), (Some(reference("v1.4.2")), 0));
    assert!(world.observed.has_finalizer, "it still holds back");

    world.server("ca").lift();
    world.server("compile").fate = Fate::Runs;
    world.settle();
    assert_eq!(
        (world.phases(), world.condition("Ready")),
        (vec![StagePhase::Failed], "False RolledBack".into())
    );
    assert!(world.event("RolledBack").contains("ImagePullBackOff"));
    let release = world.releases.last().unwrap();
    let target = &release.stages[0].targets[0];
    assert_eq!((release.outcome, release.failure.is_some()), (Outcome::RolledBack, true));
    assert_eq!(
        (&target.previous, &target.reference),
        (&Some(reference("v1.4.2")), &Some(reference("v1.4.2")))
    );
    assert!(!world.observed.has_finalizer);

    // The same is not tried again by itself; another is.
    world.passes(86_400);
    world.settle();
    assert_eq!((world.tags(), world.deployed()), (vec!["v1.4.2".to_owned()], "v1.4.2"));
    world.finds("v1.5.1");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.deployed(), "v1.5.1");
}

#[test]
fn by_hand_and_without_gates_a_failure_changes_nothing_back() {
    let mut world = World::with_authority();
    world.gives_back_by_hand();
    world.spec.stages.as_mut().unwrap()[0].allow_unordered = true;
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.finds("v1.5.0");
    world.settle();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::Failed], vec!["v1.5.0".to_owned()]));
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::Failed);
}

#[test]
fn a_rollback_is_not_rolled_back_but_ends_within_an_hour() {
    let mut world = failing();
    world.passes(3599);
    world.settle();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::RollingBack], vec!["v1.4.2".to_owned()]));
    assert!(world.message("RollingBack").contains("held back until that is in their Deployments"));
    world.finds("v1.6.0");
    world.settle();
    assert!(world.message("Newer").contains("v1.6.0 starts as soon as v1.5.0 is given back"));
    assert_eq!(world.tags(), ["v1.4.2"]);
    assert_eq!(world.wake_at, Some(world.now + jiff::SignedDuration::from_secs(1)));
    // From then on the gate is nobody's, which the reconciler says.
    world.passes(1);
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    assert_eq!(world.phases(), [StagePhase::Gating]);
}

#[test]
fn what_the_authority_cannot_run_on_its_own_turn_is_given_back_too() {
    let mut world = World::with_authority();
    world.gives_back_by_hand();
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    // Nothing is held back any more, and its node cannot pull it.
    world.server("ca").fate = Fate::Sticks("ImagePullBackOff");
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2"]);
    let release = world.releases.last().unwrap();
    assert_eq!(
        (release.outcome, release.failure.as_ref().unwrap().server.as_deref()),
        (Outcome::RolledBack, Some("ca"))
    );
    assert_eq!(world.condition("Ready"), "False RolledBack");
    let message = world.message("RolledBack");
    assert!(
        message.contains("All that v1.5.0 was written to has what it had before"),
        "no stage is before it: {message}"
    );

    // The next promotion in which nothing was held back changes nothing back.
    world.spec.stages.as_mut().unwrap()[0].allow_unordered = true;
    world.finds("v1.5.1");
    world.settle();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::Failed], vec!["v1.5.1".to_owned()]));
    assert_eq!(world.status.stages[0].gates, None);
}

#[test]
fn that_it_had_gates_is_known_after_a_stage_before_it_was_held() {
    let one = |name: &str| serde_json::json!({"name": name, "targets": [{"kind": "Config", "name": name}]});
    let target = |name: &str, servers: &[&str]| {
        vec![Target::new(TargetKind::Config, name, Some(reference("v1.4.2")), servers)]
    };
    let stages = vec![target("first", &["canary"]), target("second", &["compile", "ca"])];
    let mut world = World::new(staged(&serde_json::json!([one("first"), one("second")])), stages);
    world.gives_back_by_hand();
    world.server("ca").is_authority = true;
    world.finds("v1.4.2");
    world.settle();
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("ca").fate = Fate::Rolls;
    world.server("ca").lift();
    world.settle();
    world.passes(60);
    let now = world.now;
    world.stages[0][0].changed_by("kubectl-edit", Some(&reference("v1.0.0")), now);
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Held, StagePhase::Pending]);
    world.server("ca").fate = Fate::Sticks("ImagePullBackOff");
    world.observed.resume = Some("on".into());
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    // It is said of what happened, whatever is chosen now.
    world.spec.rollback = None;
    world.settle();
    assert!(world.message("RolledBack").contains("the stages before it have v1.5.0"));
}

#[test]
fn a_stage_that_passed_is_not_rolled_back_for_the_gates_that_it_had() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    assert_eq!((world.deployed(), world.status.stages[0].gates.as_ref()), ("v1.5.0", None));
}

/// Two Configs, the first with the authority; v1.5.0 is in both, and has failed. `takes` is what somebody does to the first
/// before it is given back what it had.
fn taken(takes: impl FnOnce(&mut Target)) -> World {
    let mut world = World::with_authority();
    let live = Some(reference("v1.4.2"));
    world.stages[0].push(Target::new(TargetKind::Config, "other", live, &["other"]));
    world.server("compile").fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    assert_eq!(world.tags(), ["v1.5.0", "v1.5.0"]);
    takes(&mut world.stages[0][0]);
    world.server("other").fate = Fate::Sticks("CrashLoopBackOff");
    world.server("other").runs = Some(reference("v1.4.2"));
    world
}

#[rstest]
#[case::paused(|target: &mut Target| target.paused = true, "a person paused it")]
#[case::claimed(|target: &mut Target| target.claimed_by = Some("other".into()), "another CodeSync has it")]
#[case::shut(|target: &mut Target| target.shut(), "it does not let this CodeSync in any more")]
#[case::a_claim(|target: &mut Target| target.live.claim = Some("pvc".into()), "its code is a claim")]
fn what_somebody_else_has_by_now_is_not_waited_for(#[case] takes: fn(&mut Target), #[case] why: &str) {
    let mut world = taken(takes);
    world.settle();
    assert_eq!(world.tags()[1], "v1.4.2");
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    let said = format!("what they had before, but for Config/production ({why})");
    assert!(world.event("RolledBack").ends_with(&said), "{}", world.event("RolledBack"));
    let said = said.replace("they had", "it had");
    assert!(world.message("RolledBack").contains(&said), "{}", world.message("RolledBack"));

    world.finds("v1.6.0");
    world.settle();
    assert_eq!(world.status.promotion.as_ref().unwrap().candidate.name, "v1.6.0");
}

#[test]
fn what_cannot_be_written_is_left_after_an_hour() {
    let refused = |target: &mut Target| {
        target.refused = Some(voxsync_promotion::RefusedWrite { message: "no".into(), is_retry_due: false });
    };
    let mut world = taken(refused);
    world.settle();
    world.passes(3599);
    world.settle();
    assert_eq!((world.phases(), world.tags()[0].as_str()), (vec![StagePhase::RollingBack], "v1.5.0"));
    assert_eq!(world.wake_at, Some(world.now + jiff::SignedDuration::from_secs(1)));
    world.passes(1);
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    let said = "but for Config/production (it could not be written)";
    assert!(world.event("RolledBack").contains(said), "{}", world.event("RolledBack"));
}

#[test]
fn the_hour_of_a_rollback_stands_still_while_it_is_suspended() {
    let mut world = failing();
    world.spec.suspend = true;
    world.settle();
    let written = world.status_writes;
    world.passes(43_200);
    world.settle();
    assert_eq!(world.status_writes, written, "nothing is written for the time that passes");
    world.spec.suspend = false;
    world.settle();
    assert_eq!(
        (world.phases(), world.releases.len()),
        (vec![StagePhase::RollingBack], 0),
        "it holds back still"
    );
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
}

#[test]
fn what_fails_while_suspended_is_given_back_afterwards_and_not_called_so_before() {
    let mut world = World::with_authority();
    world.server("compile").fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.spec.suspend = true;
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.settle();
    assert_eq!(
        (world.phases(), world.status.promotion.as_ref().unwrap().ending),
        (vec![StagePhase::Rolling], None)
    );
    assert!(world.message("ImagePullBackOff").contains("Server compile"), "{:?}", world.reasons());
    world.passes(86_400);
    world.spec.suspend = false;
    world.settle();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::RollingBack], vec!["v1.4.2".to_owned()]));
    assert_eq!(world.releases.len(), 0, "it holds back still");
}

#[test]
fn a_resume_waits_until_all_is_given_back_and_then_tries_again() {
    let mut world = failing();
    world.observed.resume = Some("again".into());
    world.settle();
    assert_eq!(world.status.last_handled_resume, None);
    world.server("ca").lift();
    world.server("compile").fate = Fate::Runs;
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Gating]);
    world.hold_back(&["ca"]);
    world.settle();
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn what_had_no_code_gets_none_again() {
    let stages = serde_json::json!([{"name": "all", "targets": [{"kind": "Config", "name": "production"}]}]);
    let target = Target::new(TargetKind::Config, "production", None, &["compile", "ca"]);
    let mut world = World::new(staged(&stages), vec![vec![target]]);
    world.server("ca").is_authority = true;
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    assert_eq!((world.tags(), world.phases()), (vec!["-".to_owned()], vec![StagePhase::RollingBack]));
    let record = world.stages[0][0].applied.clone().unwrap();
    assert_eq!((record.reference, record.previous), (None, None));
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);

    // Nobody else took it away: it is no hold, and the next candidate is written.
    world.server("compile").fate = Fate::Runs;
    world.finds("v1.5.1");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    assert_eq!((world.deployed(), world.status.holds.len()), ("v1.5.1", 0));
}

#[test]
fn a_held_target_is_skipped_and_named() {
    let mut world = World::with_authority();
    let live = Some(reference("v1.4.2"));
    world.stages[0].push(Target::new(TargetKind::Config, "other", live, &["other"]));
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.passes(60);
    let now = world.now;
    world.stages[0][0].changed_by("kubectl-edit", Some(&reference("v1.0.0")), now);
    world.server("other").fate = Fate::Sticks("CrashLoopBackOff");
    world.server("other").runs = Some(reference("v1.4.2"));
    world.settle();
    assert_eq!(world.tags(), ["v1.0.0", "v1.4.2"]);
    assert!(world.message("Held").contains("kubectl-edit"));
    // Its Deployment stays held back; the promotion does not wait for it.
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
}

#[rstest]
#[case::a_pin(false)]
#[case::another_pin(true)]
fn a_person_does_not_wait_for_the_stage_that_rolls(#[case] pinned_before: bool) {
    let mut world = World::with_authority();
    world.server("compile").fate = Fate::Rolls;
    if pinned_before {
        world.pins("v1.5.0");
    } else {
        world.finds("v1.5.0");
    }
    world.settle_gating(&["ca"]);
    assert_eq!(world.tags(), ["v1.5.0"]);
    world.pins("v1.4.0");
    world.settle();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::RollingBack], vec!["v1.4.2".to_owned()]));
    assert!(world.event("GivingBack").contains("makes way"));
    world.server("compile").fate = Fate::Runs;
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::Superseded);
    assert_eq!(world.phases(), [StagePhase::Gating]);
    world.hold_back(&["ca"]);
    world.settle();
    world.server("ca").lift();
    world.settle();
    assert_eq!((world.deployed(), world.tags()), ("v1.4.0", vec!["v1.4.0".to_owned()]));
}

#[test]
fn an_unpin_does_not_wait_either() {
    let mut world = World::with_authority();
    world.server("compile").fate = Fate::Rolls;
    world.pins("v1.5.0");
    world.settle_gating(&["ca"]);
    world.finds("v1.6.0");
    world.unpins();
    world.settle();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::RollingBack], vec!["v1.4.2".to_owned()]));
}

#[test]
fn an_invalid_spec_does_not_stop_a_rollback_but_a_suspension_does() {
    let mut world = World::with_authority();
    world.server("compile").fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.step();
    world.spec.suspend = true;
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0"]);
    world.spec.suspend = false;
    world.observed.invalid = Some("the range".into());
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2"]);
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
}

#[test]
fn what_is_given_back_is_what_last_held_in_its_stage() {
    let mut world = World::with_authority();
    // v1.5.0 is written, but makes way before its stage ran it; v1.6.0 fails.
    world.spec.stages.as_mut().unwrap()[0].soak = Some("1h".into());
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Soaking]);
    world.finds("v1.6.0");
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.settle_gating(&["ca"]);
    assert_eq!((world.tags(), world.phases()), (vec!["v1.4.2".to_owned()], vec![StagePhase::RollingBack]));
}

#[test]
fn what_somebody_wrote_over_ours_is_not_given_back() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    world.passes(60);
    let now = world.now;
    world.stages[0][0].changed_by("kubectl-edit", Some("not a ref!!"), now);
    world.settle();
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.finds("v1.6.0");
    world.observed.resume = Some("over".into());
    world.settle_gating(&["ca"]);
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::RollingBack], vec!["v1.5.0".to_owned()]));
}

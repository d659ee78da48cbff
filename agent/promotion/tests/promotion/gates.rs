//! Gates: what is held back before a stage is written, how long, and what is said of it.

use rstest::rstest;
use serde_json::json;
use voxsync_crds::code_sync::{StagePhase, TargetKind};
use voxsync_promotion::{Gatekeeper, TargetProblem};
use voxsync_rollout::state::RolloutState;

use super::world::{Fate, Target, World, reference, staged};

#[test]
fn nothing_is_written_before_the_gates_are_there() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::Gating], vec!["v1.4.2".to_owned()]));
    assert!(world.observed.has_finalizer);
    assert_eq!(
        (world.condition("Ready"), world.condition("Reconciling")),
        ("False Gating".into(), "True Gating".into())
    );
    assert_eq!(world.summary(), "Gating: all 0 of 1 held back");

    world.hold_back(&["ca"]);
    world.settle();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::Rolling], vec!["v1.5.0".to_owned()]));
    assert_eq!((world.reasons(), world.held(0)), (vec!["Rollout", "Gated"], 1));
    assert!(world.message("Gated").contains("held back in stage all until it is their turn: ca"));
    assert!(world.event("StageGated").contains("held back until it is their turn: 1"));
    assert!(world.observed.has_finalizer);

    world.server("ca").lift();
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.5.0", "True Deployed".into()));
    assert!(!world.observed.has_finalizer, "nothing is held back any more");
    assert_eq!(world.writes, ["Config/production=v1.5.0"]);
}

#[test]
fn a_gate_for_somebody_else_does_not_count() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle();
    let now = world.now;
    world.server("ca").hold_back("another promotion", now);
    world.settle();
    assert_eq!((world.phases(), world.writes.len()), (vec![StagePhase::Gating], 0));
    world.hold_back(&["ca"]);
    world.server("ca").gate.as_mut().unwrap().code_sync = "another CodeSync".into();
    world.settle();
    assert_eq!((world.phases(), world.writes.len()), (vec![StagePhase::Pending], 0));
    assert!(world.message("Gated").contains("held back for another CodeSync (uid another CodeSync)"));
}

#[rstest]
#[case::an_authority_alone(json!({}), &["ca"], &[])]
#[case::no_authority(json!({}), &["a", "b"], &[])]
#[case::an_authority_in_company(json!({}), &["a", "ca"], &["ca"])]
#[case::one_at_a_time(json!({"maxConcurrent": 1}), &["a", "b"], &["a", "b"])]
#[case::room_for_all(json!({"maxConcurrent": 2}), &["a", "b"], &[])]
#[case::any_order(json!({"maxConcurrent": 1, "allowUnordered": true}), &["a", "ca"], &[])]
fn a_stage_asks_for_the_gates_that_it_needs(
    #[case] stage: serde_json::Value,
    #[case] servers: &[&str],
    #[case] wanted: &[&str],
) {
    let mut one = json!({"name": "all", "targets": [{"kind": "Config", "name": "production"}]});
    one.as_object_mut().unwrap().extend(stage.as_object().unwrap().clone());
    let target = Target::new(TargetKind::Config, "production", Some(reference("v1.4.2")), servers);
    let mut world = World::new(staged(&json!([one])), vec![vec![target]]);
    for server in &mut world.stages[0][0].servers {
        server.is_authority = server.name == "ca";
    }
    world.finds("v1.4.2");
    world.settle();
    world.finds("v1.5.0");
    world.settle();
    if wanted.is_empty() {
        assert_eq!(world.deployed(), "v1.5.0");
        return;
    }
    for (index, server) in wanted.iter().enumerate() {
        assert_eq!((world.phases()[0], world.writes.len()), (StagePhase::Gating, 0), "{index}");
        world.hold_back(&[server]);
        world.settle();
    }
    assert_eq!(world.writes, ["Config/production=v1.5.0"]);
    for server in wanted {
        world.server(server).lift();
        world.settle();
    }
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn servers_without_code_or_deployment_need_no_order() {
    let mut world = World::with_authority();
    world.server("compile").serves_code = false;
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn what_a_person_paused_is_waited_for_before_anything_is_written() {
    let mut world = World::with_authority();
    world.server("ca").is_paused = true;
    world.finds("v1.5.0");
    world.settle();
    world.passes(100_000);
    world.settle();
    assert_eq!((world.phases(), world.writes.len()), (vec![StagePhase::Pending], 0));
    assert!(world.message("PausedByPerson").contains("kubectl rollout resume deployment/ca"));
    assert!(!world.observed.has_finalizer, "nothing is held back for what may take days");

    world.server("ca").is_paused = false;
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Gating]);
}

#[test]
fn without_anybody_who_holds_back_the_stage_is_stalled_and_names_the_ways_out() {
    let mut world = World::with_authority();
    world.observed.gatekeeper = Gatekeeper::Absent;
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.writes.len(), 0);
    assert_eq!(
        (world.condition("Stalled"), world.condition("Ready")),
        ("True NoGates".into(), "False NoGates".into())
    );
    for way in ["later stage of their own", "--reconciler=full", "allowUnordered: true"] {
        assert!(world.message("NoGates").contains(way), "{}", world.message("NoGates"));
    }
    world.spec.stages.as_mut().unwrap()[0].allow_unordered = true;
    world.observed.generation += 1;
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn gates_that_nobody_places_are_somebody_s_to_look_at() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.wake_at, Some(world.now + jiff::SignedDuration::from_secs(60)));
    world.passes(60);
    world.settle();
    assert_eq!((world.phases(), world.condition("Ready")), (vec![StagePhase::Gating], "False Gating".into()));
    assert_eq!(world.condition("Reconciling"), "-");
    let said = world.message("Gating").to_owned();
    assert!(said.contains("Deployments of ca") && said.contains("--reconciler=full must run"), "{said}");
    world.server("ca").why_not_held = Some("RefusedByAdmission: deployments.example denies it".into());
    world.settle();
    let said = world.message("Gating").to_owned();
    assert!(said.contains("Server ca: RefusedByAdmission: deployments.example denies it"), "{said}");
    assert!(!said.contains("--reconciler=full"), "it runs: {said}");
    world.passes(86_400);
    world.settle();
    assert_eq!(
        (world.phases(), world.status.promotion.as_ref().unwrap().failure.as_ref()),
        (vec![StagePhase::Gating], None)
    );
}

#[test]
fn a_stage_passes_only_when_nothing_of_it_is_held_back() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle();
    world.hold_back(&["ca"]);
    world.settle();
    // Its pods run the code already: the gate has to go all the same.
    world.server("ca").runs = Some(reference("v1.5.0"));
    world.settle();
    assert_eq!((world.phases(), world.reasons()), (vec![StagePhase::Rolling], vec!["Gated"]));
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn a_gate_is_let_go_within_an_hour_or_the_stage_fails() {
    let mut world = World::with_authority();
    world.spec.stages.as_mut().unwrap()[0].max_concurrent = Some(1);
    world.finds("v1.5.0");
    world.settle();
    world.hold_back(&["ca", "compile"]);
    world.settle();
    world.passes(3599);
    world.settle();
    assert_eq!(world.held(0), 2);
    // A gate that goes is progress.
    world.server("compile").lift();
    world.settle();
    assert_eq!(world.wake_at, Some(world.now + jiff::SignedDuration::from_secs(3600)));
    world.passes(3599);
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Rolling]);
    world.passes(1);
    world.settle();
    // Who runs it is held back before all are given what they had.
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::RollingBack], vec!["v1.5.0".to_owned()]));
    world.hold_back(&["compile"]);
    world.settle();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::RollingBack], vec!["v1.4.2".to_owned()]));
    let failure = world.status.promotion.as_ref().unwrap().failure.clone().unwrap();
    assert_eq!((failure.reason.as_str(), failure.server.as_deref()), ("GateTooOld", Some("ca")));
    assert!(failure.message.contains("held back since 2026-11-22 14:59:59Z"), "{}", failure.message);
}

#[test]
fn what_a_person_lets_go_too_early_is_held_back_again_before_it_is_written() {
    let mut world = World::with_authority();
    let other = Target::new(TargetKind::Config, "other", Some(reference("v1.4.2")), &["other"]);
    world.stages[0].push(other);
    world.finds("v1.5.0");
    world.stages[0][0].refused =
        Some(voxsync_promotion::RefusedWrite { message: "no".into(), is_retry_due: false });
    world.settle_gating(&["ca"]);
    // What is refused is tried again, and what is held back for it stays so.
    assert_eq!((world.phases(), world.tags()[1].as_str()), (vec![StagePhase::Writing], "v1.5.0"));
    world.server("ca").lift();
    world.stages[0][0].refused = None;
    world.settle();
    assert_eq!((world.phases(), world.tags()[0].as_str()), (vec![StagePhase::Gating], "v1.4.2"));
    world.hold_back(&["ca"]);
    world.settle();
    assert_eq!((world.phases(), world.tags()[0].as_str()), (vec![StagePhase::Rolling], "v1.5.0"));
}

#[rstest]
#[case::held(true)]
#[case::missing(false)]
fn nothing_is_held_back_for_a_target_that_cannot_be_written(#[case] held: bool) {
    let mut world = World::with_authority();
    let live = Some(reference("v1.4.2"));
    world.stages[0].push(Target::new(TargetKind::Config, "other", live, &["other"]));
    if held {
        world.passes(60);
        let now = world.now;
        world.stages[0][1].changed_by("kubectl-edit", Some(&reference("v1.0.0")), now);
    } else {
        let gone = TargetProblem { reason: "TargetMissing", message: "gone".into(), stalled: false };
        world.stages[0][1].problem = Some(gone);
    }
    world.finds("v1.5.0");
    world.settle();
    let phase = if held { StagePhase::Held } else { StagePhase::Pending };
    assert_eq!((world.phases(), world.writes.len(), world.observed.has_finalizer), (vec![phase], 0, false));
}

#[test]
fn suspended_nothing_is_held_back_or_written() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle();
    world.spec.suspend = true;
    world.settle();
    assert_eq!((world.phases(), world.observed.has_finalizer), (vec![StagePhase::Pending], false));
    world.hold_back(&["ca"]);
    world.settle();
    world.passes(100_000);
    world.settle();
    assert_eq!((world.writes.len(), world.status.promotion.as_ref().unwrap().ending), (0, None));
}

#[test]
fn gates_that_nobody_asked_for_meanwhile_are_asked_for_again_before_anything_is_written() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle();
    world.hold_back(&["ca"]);
    world.spec.suspend = true;
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Pending], "the reconciler may let it go now");
    world.spec.suspend = false;
    world.step();
    assert_eq!((world.phases(), world.writes.len()), (vec![StagePhase::Gating], 0));
    world.server("ca").lift();
    world.settle();
    assert_eq!((world.phases(), world.writes.len()), (vec![StagePhase::Gating], 0));
    world.hold_back(&["ca"]);
    world.settle();
    assert_eq!((world.phases(), world.writes.len()), (vec![StagePhase::Rolling], 1));
}

#[test]
fn nothing_of_an_ordered_stage_is_written_beside_a_target_that_came_to_be_held() {
    let mut world = World::with_authority();
    let live = Some(reference("v1.4.2"));
    world.stages[0].push(Target::new(TargetKind::Config, "other", live, &["other"]));
    world.finds("v1.5.0");
    world.settle();
    world.hold_back(&["ca"]);
    world.passes(60);
    let now = world.now;
    world.stages[0][1].changed_by("kubectl-edit", Some(&reference("v1.0.0")), now);
    world.settle();
    assert_eq!((world.phases(), world.writes.len()), (vec![StagePhase::Held], 0));
}

#[rstest]
#[case::suspended(true)]
#[case::invalid(false)]
fn the_hour_of_a_gate_stands_still_while_nothing_is_decided(#[case] suspended: bool) {
    let mut world = World::with_authority();
    world.spec.rollback = Some(serde_json::from_value(json!({"progressDeadline": "2h"})).unwrap());
    world.server("compile").fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    let stop = |world: &mut World, stops: bool| {
        world.spec.suspend = stops && suspended;
        world.observed.invalid = (stops && !suspended).then(|| "the range".to_owned());
        world.settle();
    };
    stop(&mut world, true);
    world.passes(43_200);
    world.settle();
    let written = world.status_writes;
    world.passes(43_200);
    world.settle();
    assert_eq!(
        (world.held(0), world.status_writes),
        (1, written),
        "nothing is written for the time that passes"
    );
    stop(&mut world, false);
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::Rolling], vec!["v1.5.0".to_owned()]));
    world.passes(3599);
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Rolling]);
    world.passes(1);
    world.settle();
    assert_eq!(world.phases(), [StagePhase::RollingBack]);
}

#[test]
fn a_newer_candidate_waits_for_the_authority_that_rolls_too_but_not_for_ever() {
    let mut world = World::with_authority();
    world.spec.rollback = Some(serde_json::from_value(json!({"progressDeadline": "2h"})).unwrap());
    world.server("ca").fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.finds("v1.6.0");
    world.settle();
    let candidate = |world: &World| world.status.promotion.as_ref().unwrap().candidate.name.clone();
    assert_eq!(candidate(&world), "v1.5.0");
    assert!(world.message("Newer").contains("is held back or rolls any more"), "{}", world.message("Newer"));
    assert_eq!(world.wake_at, Some(world.now + jiff::SignedDuration::from_secs(3600)));
    world.passes(3600);
    world.settle();
    assert_eq!((candidate(&world), world.tags()), ("v1.6.0".into(), vec!["v1.5.0".to_owned()]));
}

#[test]
fn a_candidate_of_the_source_takes_over_at_once_while_nothing_is_written() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle();
    world.hold_back(&["ca"]);
    world.finds("v1.6.0");
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Gating], "the gate is of the promotion before");
    assert_eq!(world.status.promotion.as_ref().unwrap().candidate.name, "v1.6.0");
    assert_eq!(world.writes.len(), 0);
    world.hold_back(&["ca"]);
    world.settle();
    world.server("ca").lift();
    world.settle();
    assert_eq!((world.deployed(), &world.writes), ("v1.6.0", &vec!["Config/production=v1.6.0".to_owned()]));
}

#[test]
fn half_way_a_stage_is_finished_before_a_newer_candidate_starts() {
    let mut world = World::with_authority();
    world.server("compile").fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.finds("v1.6.0");
    world.settle();
    assert_eq!(world.status.promotion.as_ref().unwrap().candidate.name, "v1.5.0");
    assert!(world.message("Newer").contains("v1.6.0 takes over from v1.5.0"), "{}", world.message("Newer"));
    world.server("compile").fate = Fate::Runs;
    world.settle();
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.status.promotion.as_ref().unwrap().candidate.name, "v1.6.0");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.deployed(), "v1.6.0");
}

#[test]
fn who_joins_a_passed_stage_gets_its_code_without_gates() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    let mut joined = Target::new(TargetKind::Config, "joined", None, &["one", "ca-2"]);
    joined.servers[1].is_authority = true;
    joined.created = Some(world.now);
    world.stages[0].push(joined);
    world.settle();
    assert_eq!((world.tags(), world.phases()), (vec!["v1.5.0".to_owned(); 2], vec![StagePhase::Deployed]));
}

#[test]
fn what_waits_for_the_reconciler_is_not_called_rolling() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("ca").fate = Fate::Is(RolloutState::Pending);
    world.settle();
    assert!(world.message("Rollout").contains("Server ca does not have the code yet"));
}

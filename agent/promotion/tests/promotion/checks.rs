//! Checks: asked once all Servers of a stage run the candidate, until the stage passes.

use rstest::rstest;
use serde_json::json;
use voxsync_crds::code_sync::{
    CheckStanding::{self, Failed, Passed, Unknown, Unreachable},
    StagePhase::{self, Checking, Deployed, Pending, Rolling, Soaking},
};
use voxsync_promotion::{CheckAnswer, CheckRun, step};

use super::world::{Fate, World};

/// As [`World::promoted`]; the first stage has two checks, `nodes` of which three failures in a row are too many.
fn checking() -> World {
    let mut world = World::promoted();
    let checks = json!([
        {"name": "smoke", "http": {"url": "http://x.example/"}},
        {"name": "nodes", "failureLimit": 3, "http": {"url": "http://y.example/"}},
    ]);
    world.spec.stages.as_mut().unwrap()[0].checks = serde_json::from_value(checks).unwrap();
    world
}

fn started() -> World {
    let mut world = checking();
    world.finds("v1.5.0");
    world.settle();
    world
}

fn wanted(world: &World) -> Vec<CheckRun> {
    step(&world.spec, &world.status, &world.observe(), world.now).checks
}

/// Who asks has this answer.
fn answer(world: &mut World, check: &str, standing: CheckStanding, failures: u16) {
    let promotion = world.status.promotion.as_ref().unwrap().id.clone();
    world.observed.checks.retain(|known| known.check != check);
    world.observed.checks.push(CheckAnswer {
        stage: "canary".into(),
        check: check.into(),
        promotion,
        standing,
        failures,
        message: format!("{check} says {failures}"),
    });
    world.settle();
}

fn both_pass(world: &mut World) {
    answer(world, "smoke", Passed, 0);
    answer(world, "nodes", Passed, 0);
}

#[test]
fn a_stage_passes_when_its_checks_hold_until_the_end_of_its_soak() {
    let mut world = started();
    assert_eq!((world.phases(), world.reasons()), (vec![Checking, Pending], vec!["Checking"]));
    assert_eq!(
        (world.condition("Ready"), world.condition("Reconciling")),
        ("False Checking".into(), "True Checking".into())
    );
    assert_eq!(world.summary(), "Checking: canary smoke, nodes");
    let runs = wanted(&world);
    let names: Vec<&str> = runs.iter().map(|run| run.check.as_str()).collect();
    assert_eq!((names, &runs[0].servers), (vec!["smoke", "nodes"], &vec!["canary".to_owned()]));
    let (since, started) = (world.now, &world.status.promotion.as_ref().unwrap().id);
    assert_eq!((runs[0].since, &runs[0].promotion, runs[0].stage.as_str()), (since, started, "canary"));

    world.passes(300);
    answer(&mut world, "smoke", Passed, 0);
    assert_eq!((world.phases(), world.summary()), (vec![Checking, Pending], "Checking: canary nodes"));
    world.passes(300);
    answer(&mut world, "nodes", Passed, 0);
    assert_eq!((world.phases(), world.reasons()), (vec![Soaking, Pending], vec!["Soak"]));
    assert!(world.event("ChecksPassed").ends_with("stage canary: all checks of v1.5.0 hold"));
    world.passes(599);
    assert!(!world.step(), "the soak counts from when all of them held");
    assert_eq!(
        (wanted(&world).len(), wanted(&world)[0].since),
        (2, since),
        "they are asked during the soak, as before"
    );
    world.passes(1);
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
    assert!(wanted(&world).is_empty(), "nothing is asked any more");
    assert!(world.status.stages[0].checks.is_empty() && world.status.stages[0].healthy_since.is_none());
}

#[test]
fn a_check_that_fails_too_often_fails_the_stage() {
    let mut world = started();
    both_pass(&mut world);
    world.passes(60);
    answer(&mut world, "nodes", Failed, 1);
    assert_eq!((world.phases()[0], world.reasons()), (Soaking, vec!["Soak", "Checking"]));
    assert!(
        world
            .message("Checking")
            .contains("nodes: fails since 14:11:00Z, and 3 in a row are too many: nodes says 1"),
        "{}",
        world.message("Checking")
    );
    world.forget();
    answer(&mut world, "nodes", Failed, 2);
    assert_eq!(world.status_writes, 0, "the same standing writes nothing");
    answer(&mut world, "nodes", Failed, 3);
    let release = world.releases.last().unwrap();
    assert!(release.outcome.is_failure(), "{release:#?}");
    let failure = release.failure.as_ref().unwrap();
    assert_eq!(
        (failure.check.as_deref(), &failure.server, failure.message.as_str()),
        (Some("nodes"), &None, "nodes says 3")
    );
    assert_eq!(failure.clause(), "check nodes of stage canary failed: nodes says 3");
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"], "it goes back, and later stages are untouched");
    assert!(
        world.message("RolledBack").starts_with("check nodes of stage canary failed: nodes says 3. "),
        "{}",
        world.message("RolledBack")
    );
    assert!(world.summary().ends_with(": canary check nodes"), "{}", world.summary());
    assert_eq!(world.status.stages[0].checks[1].standing, Failed, "what failed stays to be seen");
    assert!(wanted(&world).is_empty());
}

#[test]
fn what_cannot_be_asked_has_not_passed_and_needs_somebody_after_a_while() {
    let mut world = started();
    answer(&mut world, "smoke", Passed, 0);
    answer(&mut world, "nodes", Unreachable, 0);
    assert_eq!(
        (world.condition("Ready"), world.summary()),
        ("True Waiting".into(), "Waiting: check nodes of canary")
    );
    assert!(
        world.message("Check").ends_with("hold: nodes: cannot be asked since 14:10:00Z: nodes says 0"),
        "{}",
        world.message("Check")
    );
    world.passes(899);
    assert!(!world.step());
    world.passes(1);
    assert_eq!(world.wake_at, Some(world.now));
    world.settle();
    assert_eq!(
        (world.condition("Ready"), world.summary()),
        ("False CheckUnreachable".into(), "CheckUnreachable: canary nodes")
    );
    answer(&mut world, "nodes", Passed, 0);
    assert_eq!(world.phases()[0], Soaking);
    assert_eq!(world.tags()[1], "v1.4.2");
}

#[test]
fn what_has_not_enough_to_say_waits_and_is_nobodys_fault() {
    let mut world = started();
    answer(&mut world, "smoke", Passed, 0);
    answer(&mut world, "nodes", Unknown, 0);
    world.passes(86_400);
    world.settle();
    assert_eq!(
        (world.condition("Ready"), world.summary(), world.phases()[0]),
        ("True Waiting".into(), "Waiting: check nodes of canary", Checking)
    );
}

#[rstest]
#[case::failed(Failed, 1)]
#[case::unknown(Unknown, 0)]
#[case::unreachable(Unreachable, 0)]
fn at_the_end_of_the_soak_each_last_answer_must_be_good(
    #[case] standing: CheckStanding,
    #[case] failures: u16,
) {
    let mut world = started();
    both_pass(&mut world);
    answer(&mut world, "nodes", standing, failures);
    world.passes(601);
    world.settle();
    assert_eq!(
        (world.phases(), world.tags()[1].as_str()),
        (vec![Soaking, Pending], "v1.4.2"),
        "{:?}",
        world.status.waiting
    );
    assert!(!world.reasons().is_empty());
    answer(&mut world, "nodes", Passed, 0);
    assert_eq!(world.deployed(), "v1.5.0", "the soak time was over");
}

#[test]
fn after_a_restart_the_soak_goes_on_and_a_fresh_answer_is_waited_for() {
    let mut world = started();
    both_pass(&mut world);
    let answers = std::mem::take(&mut world.observed.checks);
    world.forget();
    world.passes(60);
    world.settle();
    assert_eq!((world.status_writes, world.reasons()), (0, vec!["Soak"]), "a restart is nothing to speak of");
    world.passes(600);
    world.settle();
    assert_eq!((world.phases()[0], world.reasons()), (Soaking, vec!["Checking"]));
    assert!(world.message("Checking").ends_with("smoke: no answer yet; nodes: no answer yet"));
    world.observed.checks = answers;
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn answers_of_another_promotion_or_stage_say_nothing() {
    let mut world = started();
    both_pass(&mut world);
    for answer in &mut world.observed.checks {
        answer.standing = Failed;
        answer.failures = 99;
    }
    world.observed.checks[0].promotion = "another".into();
    world.observed.checks[1].stage = "production".into();
    world.passes(60);
    world.settle();
    assert_eq!((world.phases()[0], world.reasons()), (Soaking, vec!["Soak"]));
}

#[test]
fn pods_that_fall_over_are_waited_for_and_all_is_asked_again() {
    let mut world = started();
    both_pass(&mut world);
    world.canary().servers[0].runs = None;
    world.canary().servers[0].fate = Fate::Rolls;
    world.settle();
    assert_eq!((world.phases()[0], wanted(&world).len()), (Rolling, 0));
    assert!(world.status.stages[0].checks.is_empty());
    world.passes(60);
    world.observed.checks.clear();
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!((world.phases()[0], wanted(&world)[0].since), (Checking, world.now));
}

#[test]
fn nothing_is_asked_before_it_is_stored_since_when_and_while_it_is_suspended() {
    let mut world = checking();
    world.finds("v1.5.0");
    while world.phases().first() != Some(&Checking) {
        assert!(wanted(&world).is_empty());
        assert!(world.step());
    }
    assert_eq!(wanted(&world).len(), 2);
    world.spec.suspend = true;
    world.settle();
    assert!(wanted(&world).is_empty());
    assert_eq!(world.phases()[0], Checking);
    let promotion = world.status.promotion.as_ref().unwrap().id.clone();
    answer(&mut world, "smoke", Failed, 9);
    assert_eq!(world.status.promotion.as_ref().unwrap().id, promotion, "nothing is decided");
    assert!(world.status.promotion.as_ref().unwrap().outcome.is_none());
}

#[test]
fn a_resumed_promotion_asks_anew() {
    let mut world = started();
    answer(&mut world, "smoke", Failed, 1);
    assert_eq!(world.status.stages[0].phase, StagePhase::Failed, "{:#?}", world.status.waiting);
    world.observed.resume = Some("again".into());
    world.settle();
    let runs = wanted(&world);
    assert_eq!((world.phases()[0], runs.len()), (Checking, 2), "{:#?}", world.status.waiting);
    assert_ne!(runs[0].promotion, world.observed.checks[0].promotion);
    both_pass(&mut world);
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.phases()), ("v1.5.0", vec![Deployed, Deployed]));
}

/// The authority was held back, and all run the candidate when a check fails: nothing is between the two.
#[test]
fn by_hand_a_failed_check_changes_nothing_back_even_where_there_were_gates() {
    let mut world = World::with_authority();
    world.gives_back_by_hand();
    let check = json!([{"name": "smoke", "http": {"url": "http://x.example/"}}]);
    world.spec.stages.as_mut().unwrap()[0].checks = serde_json::from_value(check).unwrap();
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    assert_eq!((world.phases(), world.held(0)), (vec![Checking], 0));
    assert!(world.status.stages[0].gates.is_some(), "that it had gates is known");
    let promotion = world.status.promotion.as_ref().unwrap().id.clone();
    world.observed.checks.push(CheckAnswer {
        stage: "all".into(),
        check: "smoke".into(),
        promotion,
        standing: Failed,
        failures: 1,
        message: "500".into(),
    });
    world.settle();
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::Failed], vec!["v1.5.0".to_owned()]));
    let release = world.releases.last().unwrap();
    assert_eq!(release.outcome, voxsync_crds::code_sync::Outcome::Failed);
    assert!(world.status.quarantine.is_empty());
}

//! Checks after the release: asked for a while where that is asked for; what fails is told, or goes back.

use serde_json::json;
use voxsync_crds::code_sync::{
    CheckStanding::{self, Failed, Passed, Unknown, Unreachable},
    Outcome, Trigger,
};
use voxsync_promotion::{CheckAnswer, CheckRun, step};

use super::world::{Fate, World, digest};

/// As [`World::promoted`]: the stage `production` has a check, of which two failures in a row are too many, and which is
/// asked for an hour after the release. v1.5.0 was released.
fn released(action: &str) -> World {
    let mut world = World::promoted();
    let checks = json!([
        {"name": "nodes", "failureLimit": 2, "http": {"url": "http://x.example/"}},
        {"name": "compile", "job": {"image": "i"}},
    ]);
    world.spec.stages.as_mut().unwrap()[1].checks = serde_json::from_value(checks).unwrap();
    let rollback = json!({"afterRelease": {"duration": "1h", "action": action}});
    world.spec.rollback = Some(serde_json::from_value(rollback).unwrap());
    release(&mut world, "v1.5.0");
    world
}

fn release(world: &mut World, tag: &str) {
    world.finds(tag);
    world.settle();
    world.passes(600);
    world.settle();
    answer(world, "nodes", Passed, 0);
    answer(world, "compile", Passed, 0);
    assert_eq!(world.deployed(), tag, "{:#?}", world.status.waiting);
    world.forget();
}

fn runs(world: &World) -> Vec<CheckRun> {
    step(&world.spec, &world.status, &world.observe(), world.now).checks
}

/// The check says this of what the stage runs or is given.
fn answer(world: &mut World, check: &str, standing: CheckStanding, failures: u16) {
    let under_way = world.status.promotion.as_ref().map(|promotion| promotion.id.clone());
    let promotion = under_way.or_else(|| world.status.deployed.as_ref()?.promotion.clone()).unwrap();
    world.observed.checks.retain(|known| known.check != check);
    world.observed.checks.push(CheckAnswer {
        stage: "production".into(),
        check: check.into(),
        promotion,
        standing,
        failures,
        message: format!("{check} says {failures}"),
    });
    world.settle();
}

#[test]
fn they_are_asked_for_as_long_as_it_says_and_nothing_is_written_while_they_hold() {
    let mut world = released("Report");
    let asked = runs(&world);
    let names: Vec<&str> = asked.iter().map(|run| run.check.as_str()).collect();
    assert_eq!(names, ["nodes"], "a Job is not run again");
    assert_eq!(Some(&asked[0].promotion), world.status.deployed.as_ref().unwrap().promotion.as_ref());
    for (standing, failures) in [(Passed, 0), (Unknown, 0), (Failed, 1), (Unreachable, 1), (Passed, 0)] {
        world.passes(60);
        answer(&mut world, "nodes", standing, failures);
    }
    assert_eq!((world.status_writes, world.condition("Ready")), (0, "True Deployed".into()));
    world.step();
    let ends = world.wake_at.expect("the hour ends");
    world.now = ends - jiff::SignedDuration::from_secs(1);
    assert_eq!(runs(&world).len(), 1);
    world.now = ends;
    world.settle();
    assert_eq!((runs(&world).len(), world.wake_at, world.status_writes), (0, None, 0));
}

#[test]
fn without_it_nothing_is_asked_after_the_release() {
    let mut world = released("Report");
    world.spec.rollback = None;
    world.settle();
    assert!(runs(&world).is_empty());
    release(&mut world, "v1.6.0");
    assert!(runs(&world).is_empty() && world.status.stages[1].healthy_since.is_none());
}

#[test]
fn one_that_fails_is_told_until_it_holds_again() {
    let mut world = released("Report");
    answer(&mut world, "nodes", Failed, 2);
    assert_eq!(world.condition("Ready"), "False CheckFailed");
    assert_eq!(world.condition("Deployed"), "True Deployed");
    assert_eq!(world.summary(), "CheckFailed: production check nodes");
    assert!(world.event("CheckFailed").contains("after the release of v1.5.0"), "{:?}", world.events);
    assert!(
        world.message("CheckFailed").contains("nodes says 2")
            && world.message("CheckFailed").contains("`voxsync rollback production -n puppet`"),
        "{}",
        world.message("CheckFailed")
    );
    assert_eq!((world.deployed(), world.tags()), ("v1.5.0", vec!["v1.5.0".to_owned(); 2]));
    // Neither the end of the hour, nor a restart, nor what cannot be asked ends it; and nothing is written for them.
    world.forget();
    world.passes(7200);
    world.settle();
    world.observed.checks.clear();
    world.settle();
    answer(&mut world, "nodes", Unreachable, 0);
    assert_eq!(
        (world.status_writes, world.condition("Ready"), runs(&world).len()),
        (0, "False CheckFailed".into(), 1)
    );
    answer(&mut world, "nodes", Passed, 0);
    assert_eq!((world.condition("Ready"), world.told()), ("False CheckFailed".into(), vec![]));
    assert!(
        world.message("CheckFailed").contains("check nodes holds since"),
        "{}",
        world.message("CheckFailed")
    );
    assert_eq!(world.wake_at, Some(world.now + jiff::SignedDuration::from_mins(10)));
    world.passes(600);
    world.settle();
    assert_eq!((world.condition("Ready"), runs(&world).len()), ("True Deployed".into(), 0));
    assert_eq!(
        world.event("ChecksPassed"),
        "ChecksPassed: stage production: check nodes of v1.5.0 holds again"
    );
    world.forget();
    world.passes(86_400);
    assert!(!world.step());
}

#[test]
fn one_that_fails_now_and_then_is_told_once() {
    let mut world = released("Report");
    world.forget();
    for _ in 0..10 {
        answer(&mut world, "nodes", Failed, 2);
        world.passes(60);
        answer(&mut world, "nodes", Passed, 0);
        world.passes(540);
    }
    assert_eq!((world.told(), world.condition("Ready")), (vec!["CheckFailed"], "False CheckFailed".into()));
    // Nobody knows whether it holds: that ends nothing, and wakes nobody for ever.
    world.passes(3600);
    world.observed.checks.clear();
    world.settle();
    assert_eq!((world.told().len(), world.wake_at), (1, None));
    answer(&mut world, "nodes", Passed, 0);
    assert_eq!(
        (world.told(), world.condition("Ready")),
        (vec!["CheckFailed", "ChecksPassed"], "True Deployed".into())
    );
}

#[test]
fn every_failure_begins_the_time_anew_that_it_has_to_hold() {
    let mut world = released("Report");
    answer(&mut world, "nodes", Failed, 2);
    world.forget();
    // One failure alone is fewer than are too many.
    for _ in 0..10 {
        answer(&mut world, "nodes", Passed, 0);
        world.passes(300);
        answer(&mut world, "nodes", Failed, 1);
        world.passes(300);
        assert!(!world.step(), "nothing is written while it fails on");
    }
    assert_eq!((world.told(), world.condition("Ready")), (vec![], "False CheckFailed".into()));
    answer(&mut world, "nodes", Passed, 0);
    assert_eq!(world.wake_at, Some(world.now + jiff::SignedDuration::from_mins(10)));
    world.passes(600);
    world.settle();
    assert_eq!((world.told(), world.condition("Ready")), (vec!["ChecksPassed"], "True Deployed".into()));
    answer(&mut world, "nodes", Failed, 1);
    assert_eq!(world.condition("Ready"), "True Deployed", "it is well, and one failure is not too many");
}

#[test]
fn what_goes_back_by_itself_is_said_of_no_person() {
    let mut world = released("Rollback");
    let verify = json!({"cosign": {"keys": {"secretRef": {"name": "keys"}}}});
    world.spec.verify = Some(serde_json::from_value(verify).unwrap());
    world.observed.keys = Some("others".into());
    world.server("canary").fate = Fate::Rolls;
    answer(&mut world, "nodes", Failed, 2);
    assert!(world.status.rollback.as_ref().is_some_and(|rollback| rollback.failure.is_some()));
    let said = world.status.condition("Verified").unwrap();
    assert_eq!(said.reason, "RanBefore");
    assert!(said.message.starts_with("v1.4.2 ran before, and it was gone back to: "), "{}", said.message);
}

#[test]
fn where_that_is_asked_for_it_goes_back_and_the_source_decides_again() {
    let mut world = released("Rollback");
    answer(&mut world, "nodes", Failed, 2);
    assert_eq!((world.deployed(), world.tags()), ("v1.4.2", vec!["v1.4.2".to_owned(); 2]));
    assert_eq!(world.writes, ["Config/production=v1.4.2", "Server/canary=v1.4.2"]);
    let release = world.releases.last().unwrap();
    assert_eq!((release.trigger, release.outcome), (Trigger::Rollback, Outcome::Released));
    assert!(release.reason.as_deref().unwrap().contains("check nodes: nodes says 2"), "{release:?}");
    assert!(world.event("RollingBack").contains("check nodes of stage production failed: nodes says 2"));
    assert!(world.event("RolledBack").ends_with("all stages run v1.4.2 again"));
    assert_eq!(world.status.quarantine[0].digest, digest("v1.5.0"));
    assert_eq!((&world.status.rollback, world.condition("Ready")), (&None, "False Quarantined".into()));
    assert!(
        runs(&world).is_empty(),
        "what was gone back to is not asked about: a rollback leads to no other"
    );
    world.forget();
    world.passes(86_400);
    assert!(!world.step(), "{:?}", world.events);

    world.observed.checks.clear();
    release_next(&mut world);
}

fn release_next(world: &mut World) {
    release(world, "v1.6.0");
    assert_eq!(world.condition("Ready"), "True Deployed");
}

#[test]
fn with_nothing_to_go_back_to_it_is_told() {
    let mut world = released("Rollback");
    // All that is known of earlier releases is gone.
    world.status.history.clear();
    world.releases.clear();
    answer(&mut world, "nodes", Failed, 2);
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.5.0", "False CheckFailed".into()));
    assert!(world.message("CheckFailed").ends_with("there is no earlier release to go back to"));
}

#[test]
fn what_was_there_before_and_cannot_run_either_stops_it() {
    let mut world = released("Rollback");
    world.server("compile").runs = Some(super::world::reference("v1.5.0"));
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    answer(&mut world, "nodes", Failed, 2);
    let release = world.releases.last().unwrap();
    assert_eq!((release.trigger, release.outcome), (Trigger::Rollback, Outcome::Failed));
    assert_eq!(
        world.tags(),
        ["v1.5.0", "v1.4.2"],
        "a rollback is not rolled back, and no other stage follows"
    );
    world.finds("v1.6.0");
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"], "somebody has to look");
    assert!(world.status.rollback.is_some());
}

#[test]
fn what_an_emergency_brought_is_not_asked_about() {
    let mut world = released("Rollback");
    world.pins("v1.6.0");
    world.spec.pin.as_mut().unwrap().emergency = true;
    world.settle();
    assert_eq!((world.deployed(), runs(&world).len()), ("v1.6.0", 0));
}

#[test]
fn while_it_is_suspended_nothing_is_asked_or_gone_back() {
    let mut world = released("Rollback");
    world.spec.suspend = true;
    world.settle();
    answer(&mut world, "nodes", Failed, 2);
    assert_eq!((world.deployed(), runs(&world).len()), ("v1.5.0", 0));
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.deployed(), "v1.4.2");
}

/// The stages have a check each; both are asked after the release, of which one failure is too many.
fn two_asked() -> World {
    let mut world = released("Rollback");
    let check = json!([{"name": "answers", "http": {"url": "http://x.example/"}}]);
    world.spec.stages.as_mut().unwrap()[0].checks = serde_json::from_value(check).unwrap();
    world
}

fn answer_of_canary(world: &mut World, standing: CheckStanding, failures: u16) {
    answer(world, "answers", standing, failures);
    world.observed.checks.last_mut().unwrap().stage = "canary".into();
    world.settle();
}

#[test]
fn what_goes_back_ends_by_itself_also_where_it_is_written_in_another_form() {
    for (before, after) in [("Tag", "TagAndDigest"), ("TagAndDigest", "Tag"), ("Digest", "Tag")] {
        let mut world = released("Rollback");
        let writes_as = |world: &mut World, form: &str| {
            world.spec.write = Some(serde_json::from_value(json!({"form": form})).unwrap());
        };
        writes_as(&mut world, before);
        release(&mut world, "v1.6.0");
        writes_as(&mut world, after);
        release(&mut world, "v1.7.0");
        answer(&mut world, "nodes", Failed, 2);
        let deployed = world.status.deployed.as_ref().unwrap().digest.as_deref();
        assert_eq!((deployed, &world.status.rollback), (Some(&*digest("v1.6.0")), &None), "{before} {after}");
        world.observed.checks.clear();
        release(&mut world, "v1.8.0");
        assert_eq!(world.condition("Ready"), "True Deployed");
    }
}

#[test]
fn a_check_that_was_changed_after_the_release_is_not_asked_about_it() {
    let changed = |world: &mut World| {
        let checks = json!([{"name": "nodes", "http": {"url": "http://wrong.example/"}}]);
        world.spec.stages.as_mut().unwrap()[1].checks = serde_json::from_value(checks).unwrap();
    };
    let mut world = released("Rollback");
    changed(&mut world);
    world.settle();
    assert!(runs(&world).is_empty(), "it never held for what is deployed");
    answer(&mut world, "nodes", Failed, 2);
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.5.0", "True Deployed".into()));

    let mut world = released("Report");
    answer(&mut world, "nodes", Failed, 2);
    assert_eq!(world.condition("Ready"), "False CheckFailed");
    world.forget();
    changed(&mut world);
    world.settle();
    assert_eq!(world.condition("Ready"), "True Deployed", "what an earlier one said counts no more");
    assert!(!world.told().contains(&"ChecksPassed"), "nobody asked it: {:?}", world.events);
}

#[test]
fn a_check_that_is_changed_in_the_step_that_would_go_back_counts_no_more() {
    let mut world = released("Report");
    answer(&mut world, "nodes", Failed, 2);
    let rollback = json!({"afterRelease": {"duration": "1h", "action": "Rollback"}});
    world.spec.rollback = Some(serde_json::from_value(rollback).unwrap());
    let checks = json!([{"name": "nodes", "http": {"url": "http://wrong.example/"}}]);
    world.spec.stages.as_mut().unwrap()[1].checks = serde_json::from_value(checks).unwrap();
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn what_became_an_emergency_half_way_is_not_asked_about() {
    let mut world = two_asked();
    world.finds("v1.6.0");
    world.settle();
    answer_of_canary(&mut world, Passed, 0);
    world.passes(600);
    world.spec.stages.as_mut().unwrap()[1].approval = Some(voxsync_crds::code_sync::Approval::Manual);
    world.settle();
    assert!(world.status.stages[0].healthy_since.is_some(), "the canary passed: {:#?}", world.status.stages);
    world.pins("v1.6.0");
    world.spec.pin.as_mut().unwrap().emergency = true;
    world.settle();
    assert_eq!((world.deployed(), runs(&world).len()), ("v1.6.0", 0));
    answer_of_canary(&mut world, Failed, 1);
    assert_eq!(world.deployed(), "v1.6.0");
}

#[test]
fn what_failed_long_ago_goes_back_only_once_it_is_asked_again() {
    let mut world = released("Report");
    answer(&mut world, "nodes", Failed, 2);
    // A new leader has no answer yet; meanwhile a person wants it to go back.
    world.observed.checks.clear();
    let rollback = json!({"afterRelease": {"duration": "1h", "action": "Rollback"}});
    world.spec.rollback = Some(serde_json::from_value(rollback).unwrap());
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
    answer(&mut world, "nodes", Failed, 1);
    assert_eq!(world.deployed(), "v1.5.0", "once is not twice");
    answer(&mut world, "nodes", Failed, 2);
    assert_eq!(world.deployed(), "v1.4.2");
}

#[test]
fn what_is_not_recorded_yet_says_what_it_waits_for() {
    let mut world = released("Rollback");
    world.finds("v1.6.0");
    world.settle();
    world.passes(600);
    world.settle();
    answer(&mut world, "nodes", Passed, 0);
    // Its record is refused.
    world.observed.checks.retain(|known| known.check != "compile");
    let promotion = world.status.promotion.as_ref().unwrap().id.clone();
    world.refuses_records = true;
    answer(&mut world, "compile", Passed, 0);
    assert_eq!((world.deployed(), world.status.promotion.is_some()), ("v1.6.0", true));
    answer(&mut world, "nodes", Failed, 2);
    assert!(
        world.message("CheckFailed").ends_with("it goes back once its release is recorded"),
        "{promotion}: {}",
        world.message("CheckFailed")
    );
    world.refuses_records = false;
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

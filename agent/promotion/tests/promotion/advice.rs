//! What a person is advised works in the state that they read it in, and is not lost behind the words of others.

use serde_json::json;
use voxsync_crds::{
    code_sync::{StagePhase, Trigger},
    duration::DurationText,
};
use voxsync_promotion::ImageProblem;
use voxsync_rollout::state::{RolloutState, Stuck, StuckImage};

use super::world::{Fate, World, digest};

const RELEASE: &str = "`voxsync release-quarantine production ";
const ROLLBACK: &str = "or go back to v1.4.2 with `voxsync rollback production -n puppet`";
const RESUME: &str = "`voxsync resume production -n puppet`";

/// A pod that says a lot.
fn talks() -> Fate {
    Fate::Is(RolloutState::Stuck(Stuck {
        reason: "ImagePullBackOff".into(),
        pod: "canary-5d8f-x2x".into(),
        message: format!("pulling {} not found", "\"registry.example/layers\" ".repeat(30)),
        image: StuckImage::Code,
    }))
}

fn goes_back(world: &mut World) {
    world.observed.rollback = Some("1 broken".into());
    world.settle();
}

#[test]
fn the_words_of_a_pod_do_not_push_out_the_commands() {
    for is_manual in [false, true] {
        let mut world = World::promoted();
        if is_manual {
            world.gives_back_by_hand();
        }
        world.finds("v1.5.0");
        world.canary().servers[0].fate = talks();
        world.settle();
        world.canary().servers[0].fate = Fate::Runs;
        world.settle();
        let message = world.message(if is_manual { "Failed" } else { "RolledBack" });
        assert!(
            message.contains("ImagePullBackOff: pod canary-5d8f-x2x: the code image: pulling"),
            "{message}"
        );
        assert!(message.contains("not found. ") && message.contains(RESUME), "{message}");
        assert!(message.ends_with('`'), "{message}");
        assert_eq!(message.contains(RELEASE), !is_manual, "{message}");
        assert_eq!(
            message.ends_with(ROLLBACK),
            is_manual,
            "what went back has nothing to go back from: {message}"
        );
        let release = world.releases.last().unwrap();
        assert!(release.failure.as_ref().unwrap().message.len() > 700, "the record has all of it");
    }
}

#[test]
fn where_a_person_has_chosen_nothing_newer_is_promised() {
    let mut world = World::promoted();
    world.pins("v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    let message = world.message("RolledBack");
    let other = "go on with `voxsync promote production REFERENCE -n puppet`, or try again with";
    assert!(message.contains(other) && !message.contains("newer"), "{message}");

    // Left by a person, and pinned again.
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    goes_back(&mut world);
    world.pins("v1.5.0");
    world.settle();
    let message = world.message("Quarantined");
    assert!(message.contains(RELEASE) && message.contains(RESUME) && !message.contains("newer"), "{message}");
    world.observed.release_quarantine = Some(digest("v1.5.0"));
    world.settle();
    assert_eq!(world.tags()[0], "v1.5.0", "the advice works");
}

#[test]
fn what_is_too_young_and_in_quarantine_is_not_promoted_before_it_is_out() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    goes_back(&mut world);
    world.spec.minimum_age = Some(DurationText("1h".into()));
    world.observed.generation += 1;
    world.observed.resume = Some("on".into());
    world.settle();
    let message = world.message("MinimumAge");
    assert!(message.contains(RELEASE) && !message.contains("takes it at once"), "{message}");
}

#[test]
fn back_to_what_is_deployed_is_a_rollback() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    world.finds("v1.4.2");
    world.settle();
    let message = world.message("Downgrade");
    assert!(message.ends_with(". Go back to it with `voxsync rollback production -n puppet`"), "{message}");
    goes_back(&mut world);
    assert_eq!(
        (world.tags(), world.deployed()),
        (vec!["v1.4.2".to_owned(); 2], "v1.4.2"),
        "the advice works"
    );
    let release = world.releases.last().unwrap();
    assert_eq!((release.trigger, release.from_name.as_deref()), (Trigger::Rollback, Some("v1.5.0")));
    assert_eq!(world.status.history[0].trigger, Some(Trigger::Rollback));
    assert!(
        world.event("Released").starts_with("Released: v1.5.0 → v1.4.2 in all stages"),
        "{:?}",
        world.events
    );
    // What was left and never ran in all stages is nothing to go back to.
    world.observed.release_quarantine = Some(digest("v1.5.0"));
    world.observed.rollback = Some("2".into());
    world.settle();
    assert!(world.reasons().contains(&"NoEarlierRelease"), "{:?}", world.status.waiting);
}

#[test]
fn a_pin_that_names_nothing_says_how_to_get_rid_of_it() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.pins("v9.9.9");
    let problem = ImageProblem { reason: "NotFound".into(), message: "there is no tag v9.9.9".into() };
    world.observed.pin = Some(Err(problem));
    world.settle();
    let message = world.message("NotFound");
    assert!(message.starts_with("there is no tag v9.9.9. ") && message.contains(RESUME), "{message}");
    // A plan cannot ask for it, and tells what is known.
    let mut observed = world.observe();
    observed.pin = None;
    let plan = voxsync_promotion::forecast(&world.spec, &world.status, &observed, world.now);
    assert_eq!((plan.candidate, plan.summary.as_str()), (None, "NotFound: spec.pin"));
    assert!(plan.waiting.iter().any(|row| row.message.contains(RESUME)), "{:?}", plan.waiting);
}

#[test]
fn servers_of_a_stage_that_has_not_begun_are_not_down() {
    let mut world = World::promoted();
    let window = json!({"name": "nights", "allow": {"cron": "0 22 * * *", "duration": "6h"}});
    world.spec.windows.push(serde_json::from_value(window).unwrap());
    let stages = world.spec.stages.as_mut().unwrap();
    stages[0].windows = vec!["nights".into()];
    world.finds("v1.5.0");
    world.settle();
    let canary = &world.status.stages[0];
    assert_eq!((canary.phase, canary.ready, canary.desired), (StagePhase::Pending, 1, 1));
}

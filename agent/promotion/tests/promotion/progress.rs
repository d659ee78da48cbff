//! A rollout that shows no progress fails its stage.

use serde_json::json;
use voxsync_crds::code_sync::Outcome;
use voxsync_rollout::state::{Progress, RolloutState};

use super::world::{Fate, World};

fn rolling() -> World {
    let mut world = World::promoted();
    world.canary().servers[0].replicas = 3;
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Rolls;
    world.settle();
    world
}

#[test]
fn ten_minutes_without_progress_are_too_many() {
    let mut world = rolling();
    assert_eq!(world.wake_at, Some(world.now + jiff::SignedDuration::from_secs(600)));
    world.forget();
    world.passes(599);
    world.settle();
    assert_eq!((world.tags()[0].as_str(), world.status_writes), ("v1.5.0", 0), "time alone writes nothing");
    world.passes(1);
    world.canary().servers[0].runs = Some(super::world::reference("v1.4.2"));
    world.settle();
    let release = world.releases.last().unwrap();
    let failure = release.failure.as_ref().unwrap();
    assert_eq!(
        (release.outcome, failure.server.as_deref(), failure.reason.as_str()),
        (Outcome::RolledBack, Some("canary"), "ProgressDeadlineExceeded")
    );
    assert!(failure.message.contains("0 of 3 ready"), "{}", failure.message);
    assert_eq!(world.summary(), "RolledBack: canary ProgressDeadlineExceeded");
}

#[test]
fn each_pod_that_gets_ready_is_progress() {
    let mut world = rolling();
    for ready in 1..3 {
        world.passes(599);
        let progress = Progress { updated: 3, ready, wanted: 3 };
        world.canary().servers[0].fate = Fate::Is(RolloutState::Progressing(progress));
        world.settle();
        assert_eq!(world.tags()[0], "v1.5.0");
    }
    world.passes(600);
    world.step();
    assert!(world.status.promotion.as_ref().unwrap().failure.is_some());
}

#[test]
fn the_deadline_is_the_spec_s() {
    let mut world = World::promoted();
    world.spec.rollback = Some(serde_json::from_value(json!({"progressDeadline": "1m"})).unwrap());
    world.finds("v1.5.0");
    // What is not in the Deployment yet says nothing of the code.
    world.canary().servers[0].fate = Fate::Is(RolloutState::Pending);
    world.settle();
    world.passes(86_400);
    world.settle();
    assert_eq!(world.tags()[0], "v1.5.0");
    world.canary().servers[0].fate = Fate::Rolls;
    world.settle();
    world.passes(59);
    world.step();
    assert!(world.status.promotion.as_ref().unwrap().failure.is_none());
    world.passes(1);
    world.step();
    let failure = world.status.promotion.clone().unwrap().failure.unwrap();
    assert_eq!(failure.reason, "ProgressDeadlineExceeded");
}

#[test]
fn no_time_passes_while_it_is_suspended_or_a_person_paused_it() {
    let mut world = rolling();
    world.spec.suspend = true;
    world.settle();
    world.passes(86_400);
    world.settle();
    world.spec.suspend = false;
    world.canary().servers[0].fate = Fate::Is(RolloutState::PausedByPerson);
    world.settle();
    world.passes(86_400);
    world.settle();
    assert_eq!(world.reasons(), ["PausedByPerson"]);
    world.canary().servers[0].fate = Fate::Rolls;
    world.settle();
    world.passes(599);
    world.settle();
    assert_eq!(world.tags()[0], "v1.5.0");
    assert_eq!(world.status.promotion.as_ref().unwrap().failure, None);
}

//! Quarantine: who cannot take what is in it, and how it gets out.

use rstest::rstest;
use serde_json::json;
use voxsync_crds::code_sync::{CodeSyncStatus, Outcome, TargetKind};

use super::world::{Fate, REPOSITORY, Target, World, canary_and_production, candidate_at, digest, reference};

/// v1.5.0 failed in the canary, and is in quarantine.
fn with_quarantine() -> World {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!(world.status.quarantine[0].digest, digest("v1.5.0"));
    world.forget();
    world
}

/// The failed promotion is forgotten: v1.5.1 was released, and what failed is named again.
fn long_ago() -> World {
    let mut world = with_quarantine();
    world.finds("v1.4.3");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.4.3");
    world.forget();
    world
}

#[rstest]
#[case::the_source(|world: &mut World| world.finds("v1.5.0"))]
#[case::another_tag_of_the_same_digest(|world: &mut World| world.finds_candidate(candidate_at("v1.5.9", &digest("v1.5.0"))))]
#[case::a_pin(|world: &mut World| world.pins("v1.5.0"))]
fn nobody_takes_what_is_in_quarantine(#[case] wants: fn(&mut World)) {
    for mut world in [with_quarantine(), long_ago()] {
        let runs = world.tags();
        wants(&mut world);
        world.settle();
        world.passes(86_400);
        world.settle();
        assert_eq!((world.tags(), world.writes.len()), (runs, 0));
        assert!(world.condition("Ready").starts_with("False"), "{}", world.condition("Ready"));
        let command = format!("`voxsync release-quarantine production {} -n puppet`", digest("v1.5.0"));
        assert!(
            world.status.waiting.iter().any(|row| row.message.contains(&command)),
            "{:#?}",
            world.status.waiting
        );
    }
}

#[test]
fn what_should_run_is_named_with_the_reason() {
    let mut world = long_ago();
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(
        (world.condition("Ready"), world.summary()),
        ("False Quarantined".into(), "Quarantined: v1.5.0")
    );
    assert!(world.message("Quarantined").contains("CrashLoopBackOff"), "{}", world.message("Quarantined"));
}

#[test]
fn nothing_lower_is_taken_in_its_place_but_a_newer_one_is() {
    let mut world = with_quarantine();
    world.finds("v1.4.9");
    world.observed.source.next_best = vec![super::world::candidate("v1.4.2")];
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"]);
    world.finds("v1.6.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.status.quarantine.len()), ("v1.6.0", 1));
}

#[rstest]
#[case::the_digest("DIGEST")]
#[case::once_more("DIGEST again")]
fn a_person_releases_it(#[case] token: &str) {
    let mut world = long_ago();
    world.finds("v1.5.0");
    world.settle();
    world.observed.release_quarantine = Some(token.replace("DIGEST", &digest("v1.5.0")));
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.status.quarantine.len()), ("v1.5.0", 0));
    assert_eq!(world.status.last_handled_release_quarantine, world.observed.release_quarantine);
    world.event("QuarantineReleased");
}

#[test]
fn what_failed_last_is_tried_again_as_soon_as_it_is_released() {
    let mut world = with_quarantine();
    world.observed.release_quarantine = Some(digest("v1.5.0"));
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn the_release_of_another_one_starts_nothing() {
    let mut world = long_ago();
    world.finds("v1.6.0");
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    world.observed.release_quarantine = Some(digest("v1.5.0"));
    world.settle();
    assert_eq!((world.tags(), world.status.quarantine.len()), (vec!["v1.4.3".into(), "v1.4.3".into()], 1));
}

#[test]
fn a_token_is_carried_out_once() {
    let mut world = with_quarantine();
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.observed.release_quarantine = Some(digest("v1.5.0"));
    world.settle();
    assert_eq!(world.status.quarantine.len(), 0);
    world.passes(300);
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    assert_eq!(world.status.quarantine.len(), 1, "it failed again, and the old token says nothing of that");
}

#[test]
fn a_token_without_status_is_only_recorded() {
    let mut world = with_quarantine();
    world.status =
        CodeSyncStatus { quarantine: world.status.quarantine.clone(), ..CodeSyncStatus::default() };
    world.observed.release_quarantine = Some(digest("v1.5.0"));
    world.settle();
    assert_eq!(
        (world.status.quarantine.len(), world.status.last_handled_release_quarantine.is_some()),
        (1, true)
    );
}

#[test]
fn the_oldest_of_more_than_32_makes_room() {
    let mut world = World::promoted();
    for number in 0..40 {
        world.finds(&format!("v2.{number}.0"));
        world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
        world.settle();
    }
    let names: Vec<&str> = world.status.quarantine.iter().map(|it| it.name.as_str()).collect();
    assert_eq!((names.len(), names[0], names[31]), (32, "v2.39.0", "v2.8.0"));
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"]);
    let size = json!(world.status.quarantine).to_string().len();
    assert!(size < 16 * 1024, "{size}");
}

/// What is written names no digest, so that v1.5.0 is what was pushed last.
#[test]
fn a_tag_that_was_pushed_again_and_is_deployed_is_given_back() {
    let mut world = World::promoted();
    world.spec.write = Some(serde_json::from_value(json!({"form": "Tag"})).unwrap());
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!(world.status.quarantine[0].digest, digest("v1.5.0"));
    let mended = candidate_at("v1.5.0", &digest("mended"));
    world.pins("v1.5.0");
    world.observed.pin = Some(Ok(mended.clone()));
    world.settle();
    world.passes(600);
    world.settle();
    world.unpins();
    world.finds_candidate(mended);
    world.settle();
    let deployed = world.status.deployed.clone().unwrap();
    assert_eq!((deployed.name.as_str(), deployed.digest), ("v1.5.0", Some(digest("mended"))));
    world.finds("v1.6.0");
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    assert_eq!((world.tags(), world.status.quarantine.len()), (vec!["v1.5.0".to_owned(); 2], 2));
}

/// All run the tag without a digest, as it was found; a Config that comes later cannot.
#[test]
fn what_was_adopted_by_its_tag_is_not_in_quarantine_because_it_failed_where_it_is_new() {
    let live = Some(format!("{REPOSITORY}:v1.4.2"));
    let stages = vec![
        vec![Target::new(TargetKind::Server, "canary", live.clone(), &["canary"])],
        vec![Target::new(TargetKind::Config, "production", live.clone(), &["compile"])],
    ];
    let mut world = World::new(canary_and_production(), stages);
    world.finds("v1.4.2");
    world.settle();
    assert_eq!(world.status.deployed.as_ref().unwrap().reference, format!("{REPOSITORY}:v1.4.2"));
    world.stages[1].push(Target::new(TargetKind::Server, "late", Some(reference("v1.0.0")), &["late"]));
    world.server("late").fate = Fate::Sticks("ImagePullBackOff");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    assert_eq!(world.status.quarantine, []);
    world.stages[1].pop();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!((world.canary().live.image.clone(), world.status.quarantine.len()), (live, 1));
}

//! The same code once more: what an earlier promotion of it wrote is given back as well, and what is deployed already stays.

use serde_json::json;
use voxsync_crds::code_sync::{Outcome, StagePhase, TargetKind};
use voxsync_promotion::RefusedWrite;

use super::world::{Fate, Target, World, reference};

/// v1.5.0 was written to the canary, a person paused that, and then it failed there: it stays.
fn left_in_a_paused_canary() -> World {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Rolls;
    world.settle();
    world.canary().paused = true;
    world.canary().servers[0].fate = Fate::Sticks("ImagePullBackOff");
    world.settle();
    assert_eq!(
        (world.tags(), world.summary()),
        (vec!["v1.5.0".into(), "v1.4.2".into()], "RolledBack: canary ImagePullBackOff")
    );
    world.canary().servers[0].fate = Fate::Rolls;
    world.forget();
    world
}

/// A person says to try it again, and it fails once more.
fn fails_again(world: &mut World) {
    world.observed.resume = Some("again".into());
    world.settle();
    world.canary().servers[0].fate = Fate::Sticks("ImagePullBackOff");
    world.passes(300);
    world.settle();
    assert_eq!(world.releases.len(), 3);
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
}

#[test]
fn what_an_earlier_promotion_of_it_wrote_is_given_back() {
    let mut world = left_in_a_paused_canary();
    world.canary().paused = false;
    fails_again(&mut world);
    assert_eq!(
        (world.tags(), world.writes.clone()),
        (vec!["v1.4.2".to_owned(); 2], vec!["Server/canary=v1.4.2".to_owned()])
    );
}

#[test]
fn what_an_earlier_promotion_of_it_wrote_is_named_where_it_stays() {
    let mut world = left_in_a_paused_canary();
    fails_again(&mut world);
    let said = "but for Server/canary (a person paused it)";
    assert!(world.event("RolledBack").contains(said), "{}", world.event("RolledBack"));
    assert!(world.message("RolledBack").contains(said), "{}", world.message("RolledBack"));
}

#[test]
fn what_failed_by_hand_is_given_back_after_it_is_tried_again() {
    let mut world = World::promoted();
    world.gives_back_by_hand();
    world.finds("v1.5.0");
    world.settle();
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.passes(600);
    world.settle();
    assert_eq!((world.tags(), world.status.quarantine.len()), (vec!["v1.5.0".to_owned(); 2], 0));

    world.spec.rollback = None;
    world.observed.resume = Some("again".into());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(
        (world.tags(), world.summary()),
        (vec!["v1.4.2".to_owned(); 2], "RolledBack: production ImagePullBackOff")
    );
}

/// v1.4.2 is deployed, and a stage is new in which it cannot run.
fn fails_in_a_new_stage(world: World) -> World {
    fails_in_a_new_stage_of(world, "v1.0.0")
}

/// The new stage has this version.
fn fails_in_a_new_stage_of(mut world: World, version: &str) -> World {
    let stage = json!({"name": "new", "targets": [{"kind": "Server", "name": "new"}]});
    world.spec.stages.as_mut().unwrap().push(serde_json::from_value(stage).unwrap());
    world.stages.push(vec![Target::new(TargetKind::Server, "new", Some(reference(version)), &["new"])]);
    world.server("new").fate = Fate::Sticks("ImagePullBackOff");
    world.observed.generation += 1;
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2", version]);
    world
}

#[test]
fn a_person_tries_it_again_also_where_what_was_given_back_is_higher() {
    let mut world = fails_in_a_new_stage_of(World::promoted(), "v1.9.0");
    let given_back = ["v1.4.2", "v1.4.2", "v1.9.0"].map(str::to_owned);
    world.server("new").fate = Fate::Runs;
    world.passes(86_400);
    world.settle();
    assert_eq!(world.tags(), given_back, "by itself it is not taken over once more");
    assert!(world.message("RolledBack").contains("try again with `voxsync resume"));

    world.observed.resume = Some("again".into());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2"; 3]);
}

#[test]
fn stages_that_ran_it_before_run_it_on() {
    let mut world = fails_in_a_new_stage(World::promoted());
    assert_eq!(world.summary(), "RolledBack: new ImagePullBackOff");
    let deployed = world.status.deployed.clone().unwrap();
    for stage in &world.status.stages[..2] {
        assert_eq!(
            (&stage.reference, &stage.promotion),
            (&Some(deployed.reference.clone()), &deployed.promotion)
        );
    }
    // Who joins gets it.
    let mut joined = Target::new(TargetKind::Server, "second", None, &["second"]);
    joined.created = Some(world.now);
    world.stages[0].push(joined);
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2", "v1.4.2", "v1.0.0"]);
}

#[test]
fn what_was_adopted_is_still_held_after_it() {
    let mut world = fails_in_a_new_stage(World::canary_and_production());
    world.passes(60);
    let now = world.now;
    world.production().changed_by("kubectl-edit", Some(&reference("v1.0.1")), now);
    world.settle();
    assert_eq!(world.phases()[1], StagePhase::Held);
    assert!(world.message("Held").contains("kubectl-edit"), "{}", world.message("Held"));
}

/// v1.5.0 is everywhere and failed in production, which cannot be given back.
fn stuck_in_production() -> World {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.passes(600);
    world.settle_until_rolling_back();
    world.production().refused = Some(RefusedWrite { message: "no".into(), is_retry_due: false });
    world.settle();
    assert_eq!((world.tags(), world.phases()[1]), (vec!["v1.5.0".to_owned(); 2], StagePhase::RollingBack));
    world
}

#[test]
fn a_stage_that_takes_too_long_does_not_keep_the_others_from_going_back() {
    let mut world = stuck_in_production();
    world.canary().servers[0].fate = Fate::Rolls;
    world.canary().servers[0].runs = None;
    world.passes(3600);
    world.settle();
    assert_eq!((world.tags(), world.releases.len()), (vec!["v1.4.2".into(), "v1.5.0".into()], 1));
    assert_eq!(world.phases(), [StagePhase::RollingBack; 2]);
    let rows: Vec<&str> = world.status.waiting.iter().map(|row| row.message.as_str()).collect();
    assert!(rows.iter().any(|row| row.contains("took too long")), "{rows:#?}");
    world.passes(3600);
    world.settle();
    assert!(
        world.event("RolledBack").ends_with("but for Config/production (it could not be written)"),
        "{}",
        world.event("RolledBack")
    );
    assert_eq!(world.phases(), [StagePhase::Pending, StagePhase::Failed]);
}

#[test]
fn a_deleted_one_goes_all_the_same_when_a_stage_takes_too_long() {
    let mut world = stuck_in_production();
    world.observed.has_finalizer = true;
    world.observed.is_leaving = true;
    // Its write is refused, too.
    world.canary().refused = Some(RefusedWrite { message: "no".into(), is_retry_due: false });
    world.settle();
    world.passes(3600);
    world.settle();
    assert_eq!((world.phases(), world.observed.has_finalizer), (vec![StagePhase::RollingBack; 2], true));
    world.passes(3600);
    world.settle();
    assert!(!world.observed.has_finalizer);
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
}

#[test]
fn whose_stage_has_what_is_in_quarantine_gets_nothing_and_is_told_why() {
    let mut world = World::promoted();
    let kept = voxsync_crds::code_sync::Quarantined {
        digest: super::world::digest("v1.4.2"),
        name: "v1.4.2".into(),
        reason: "a person left it".into(),
        since: world.now.into(),
    };
    world.status.quarantine.push(kept);
    world.stages[0].push(Target::new(TargetKind::Server, "second", None, &["second"]));
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "-", "v1.4.2"]);
    let row = world.status.waiting.iter().find(|row| row.message.contains("Server/second"));
    let row = row.unwrap_or_else(|| panic!("{:#?}", world.status.waiting));
    assert_eq!(row.reason, "Quarantined");
    assert!(row.message.contains("voxsync release-quarantine"), "{}", row.message);
}

/// What runs is written by its tag alone.
fn released_by_tag(tags: &[&str]) -> World {
    let mut spec = super::world::canary_and_production();
    spec.write = Some(serde_json::from_value(json!({"form": "Tag"})).unwrap());
    let stages =
        ["canary", "production"].map(|name| vec![Target::new(TargetKind::Server, name, None, &[name])]);
    let mut world = World::new(spec, stages.into());
    for tag in tags {
        world.finds(tag);
        world.settle();
        world.passes(600);
        world.settle();
        assert_eq!(world.deployed(), *tag);
    }
    world
}

#[test]
fn by_its_tag_alone_what_was_left_is_not_gone_back_to_either() {
    let mut world = released_by_tag(&["v1.4.2", "v1.5.0", "v1.6.0"]);
    for (token, runs) in [("1", "v1.5.0"), ("2", "v1.4.2"), ("3", "v1.4.2")] {
        world.observed.rollback = Some(token.into());
        world.settle();
        assert_eq!((world.deployed(), world.tags()), (runs, vec![runs.to_owned(); 2]));
    }
    let kept: Vec<&str> = world.status.quarantine.iter().map(|it| it.digest.as_str()).collect();
    assert_eq!(kept, ["v1.5.0", "v1.6.0"].map(super::world::digest));
}

#[test]
fn what_has_no_digest_is_in_quarantine_by_its_reference() {
    let mut world = released_by_tag(&["v1.4.2", "v1.5.0"]);
    world.status.deployed.as_mut().unwrap().digest = None;
    world.observed.rollback = Some("1".into());
    world.settle();
    assert_eq!(world.deployed(), "v1.4.2");
    let left = format!("{}:v1.5.0", super::world::REPOSITORY);
    assert_eq!(world.status.quarantine[0].digest, left);
    world.observed.resume = Some("on".into());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.summary()), ("v1.4.2", "Quarantined: v1.5.0"));
    world.observed.release_quarantine = Some(left);
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

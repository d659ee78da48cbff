//! Approvals: by digest, for one stage or for all, by whom.

use serde_json::json;
use voxsync_crds::code_sync::{
    Approval,
    StagePhase::{Deployed, Gating, Pending},
};

use super::world::{Fate, World, candidate, digest};

/// As [`World::promoted`]; the second stage asks for approval.
fn asking() -> World {
    let mut world = World::promoted();
    world.spec.stages.as_mut().unwrap()[1].approval = Some(Approval::Manual);
    world
}

fn until_second_stage(world: &mut World) {
    let mut found = candidate("v1.5.0");
    found.commit = Some("4be01c7f".repeat(5));
    world.finds_candidate(found);
    world.settle();
    world.passes(600);
    world.settle();
}

fn approve(world: &mut World, token: &str) {
    world.observed.approve = Some(token.into());
    world.settle();
}

#[test]
fn a_stage_waits_until_a_person_approves_its_digest() {
    let mut world = asking();
    until_second_stage(&mut world);
    assert_eq!((world.tags()[1].as_str(), world.phases()), ("v1.4.2", vec![Deployed, Pending]));
    let digits = digest("v1.5.0")[7..17].to_owned();
    assert_eq!(
        world.message("Approval"),
        format!(
            "stage production waits until a person approves v1.5.0 ({digits}, commit 4be01c7): `voxsync approve \
             production -n puppet --digest {}`",
            digest("v1.5.0")
        )
    );
    assert_eq!(
        (world.condition("Ready"), world.condition("Reconciling")),
        ("True Waiting".into(), "-".into())
    );
    assert_eq!((world.summary(), world.wake_at), ("Waiting: approval of production", None));

    world.observed.approved_by = Some("alice".into());
    approve(&mut world, &digest("v1.5.0"));
    assert_eq!((world.deployed(), world.told().contains(&"Approved")), ("v1.5.0", true));
    assert_eq!(
        world.event("Approved"),
        format!("Approved: v1.5.0 ({digits}) is approved for all stages by alice")
    );
    let release = world.releases.last().unwrap();
    let approval = &release.approvals[0];
    assert_eq!(
        (approval.approver.as_str(), &approval.stage, approval.at.timestamp()),
        ("alice", &None, world.now)
    );
}

/// What its targets say proves nothing: they may have come from another stage.
#[test]
fn a_target_that_comes_from_a_stage_that_passed_starts_nothing() {
    let mut world = asking();
    until_second_stage(&mut world);
    world.forget();
    let relabelled = world.stages[0].remove(0);
    world.stages[1].push(relabelled);
    world.settle();
    assert_eq!((world.writes.len(), world.tags()[0].as_str()), (0, "v1.4.2"), "{:#?}", world.status.stages);
    assert_eq!(world.reasons(), ["NothingToProve", "Approval"]);
    approve(&mut world, &digest("v1.5.0"));
    assert_eq!(
        (world.deployed(), world.writes.as_slice()),
        ("v1.5.0", &["Config/production=v1.5.0".to_owned()][..])
    );
}

#[test]
fn what_an_earlier_version_began_goes_on() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.phases(), [Gating]);
    // It did not store that.
    let started = world.status.stages[0].started.take();
    world.spec.stages.as_mut().unwrap()[0].approval = Some(Approval::Manual);
    world.hold_back(&["ca"]);
    world.settle();
    assert_eq!(world.writes, ["Config/production=v1.5.0"]);
    assert_eq!(world.status.stages[0].started, started);
}

/// What failed was approved once, not for good.
#[test]
fn what_was_in_quarantine_has_to_be_approved_again() {
    let mut world = asking();
    until_second_stage(&mut world);
    world.observed.approved_by = Some("alice".into());
    world.production().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    approve(&mut world, &digest("v1.5.0"));
    world.server("compile").fate = Fate::Runs;
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"], "given back");
    assert_eq!(world.releases.last().unwrap().approvals.len(), 1, "its release knows who approved it");
    world.forget();
    world.observed.release_quarantine = Some(digest("v1.5.0"));
    world.observed.resume = Some("again".into());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(
        (world.writes.as_slice(), world.reasons()),
        (&["Server/canary=v1.5.0".to_owned()][..], vec!["Approval"])
    );
    approve(&mut world, &format!("{} again", digest("v1.5.0")));
    assert_eq!(world.deployed(), "v1.5.0");
}

/// Nor is what a person left approved any more; and who approves it while it is in quarantine did not approve that it comes
/// out of there.
#[test]
fn what_was_left_has_to_be_approved_again() {
    let mut world = asking();
    until_second_stage(&mut world);
    approve(&mut world, &digest("v1.5.0"));
    assert_eq!(world.deployed(), "v1.5.0");
    world.observed.rollback = Some("1".into());
    world.settle();
    assert_eq!((world.deployed(), world.status.approvals.len()), ("v1.4.2", 0));
    approve(&mut world, &format!("{} again", digest("v1.5.0")));
    world.observed.release_quarantine = Some(digest("v1.5.0"));
    world.observed.resume = Some("again".into());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.status.approvals.len()), ("v1.4.2", 0));
    assert!(world.reasons().contains(&"Approval"), "{:?}", world.reasons());
    approve(&mut world, &format!("{} at last", digest("v1.5.0")));
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn approving_one_candidate_never_approves_the_next() {
    let mut world = asking();
    until_second_stage(&mut world);
    approve(&mut world, &digest("v1.5.0"));
    assert_eq!(world.deployed(), "v1.5.0");
    world.finds("v1.6.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.tags()[1].as_str(), world.reasons()), ("v1.5.0", vec!["Approval"]));
    approve(&mut world, &format!("{}/canary", digest("v1.6.0")));
    assert_eq!(
        (world.tags()[1].as_str(), world.reasons()),
        ("v1.5.0", vec!["Approval"]),
        "not for this stage"
    );
    approve(&mut world, &format!("{}/production", digest("v1.6.0")));
    assert_eq!(world.deployed(), "v1.6.0");
    let approvals = &world.releases.last().unwrap().approvals;
    assert_eq!(approvals.len(), 1, "what was approved for another stage counted for nothing: {approvals:?}");
    assert_eq!(approvals[0].approver, "unauthenticated", "nobody vouches for a name");
}

#[test]
fn an_approval_may_come_before_its_candidate_and_is_read_once() {
    let mut world = asking();
    world.spec.suspend = true;
    world.settle();
    world.forget();
    approve(&mut world, &digest("v1.5.0"));
    assert_eq!(world.status_writes, 1);
    world.spec.suspend = false;
    until_second_stage(&mut world);
    assert_eq!(world.deployed(), "v1.5.0");
    assert_eq!(world.told().iter().filter(|told| **told == "Approved").count(), 1);
}

#[test]
fn the_command_names_the_stage_where_several_wait() {
    let mut world = asking();
    world.spec.stages.as_mut().unwrap()[0].approval = Some(Approval::Manual);
    world.finds("v1.5.0");
    world.settle();
    let command =
        format!("`voxsync approve production -n puppet --digest {} --stage canary`", digest("v1.5.0"));
    assert!(world.message("Approval").ends_with(&command), "{}", world.message("Approval"));
    assert_eq!(world.reasons(), ["Approval"], "what later stages wait for is no reason now");
}

#[test]
fn all_that_it_waits_for_is_said_at_once() {
    let mut world = asking();
    let window = json!({"name": "nights", "allow": {"cron": "0 22 * * *", "duration": "6h"}});
    world.spec.windows.push(serde_json::from_value(window).unwrap());
    world.spec.stages.as_mut().unwrap()[1].windows = vec!["nights".into()];
    until_second_stage(&mut world);
    assert_eq!(world.reasons(), ["Approval", "Window"]);
    assert_eq!(world.summary(), "Waiting: approval, window from 2026-11-22 22:00Z");
    let ready = &world.status.condition("Ready").unwrap().message;
    assert!(
        ready.contains("`voxsync approve production -n puppet") && ready.contains("window nights"),
        "{ready}"
    );
    world.now = super::world::at("2026-11-22T23:00:00Z");
    world.settle();
    assert_eq!(world.reasons(), ["Approval"]);
    assert_eq!(world.wake_at, Some(super::world::at("2026-11-23T04:00:00Z")), "then it waits for both again");
}

#[test]
fn what_names_no_digest_approves_nothing() {
    for (token, why) in [
        ("v1.5.0".to_owned(), "it must be a digest"),
        (format!("{}/prod", digest("v1.5.0")), "there is no stage \"prod\""),
    ] {
        let mut world = asking();
        until_second_stage(&mut world);
        world.forget();
        approve(&mut world, &token);
        assert!(world.event("BadApproval").contains(why), "{:?}", world.events);
        assert_eq!((world.status.approvals.len(), world.reasons()), (0, vec!["Approval"]));
        assert_eq!(world.status.last_handled_approve, Some(token));
        assert_eq!(world.status_writes, 1);
    }
}

#[test]
fn an_approval_found_on_a_restored_object_is_not_carried_out() {
    let mut world = asking();
    world.status = voxsync_crds::code_sync::CodeSyncStatus::default();
    world.observed.approve = Some(digest("v1.5.0"));
    world.settle();
    assert_eq!((&world.status.approvals.len(), world.status.last_handled_approve.is_some()), (&0, true));
}

#[test]
fn sixteen_approvals_are_kept() {
    let mut world = asking();
    for version in 0..20 {
        world.observed.approved_by = Some("x".repeat(300));
        approve(&mut world, &digest(&format!("v2.{version}.0")));
    }
    assert_eq!(world.status.approvals.len(), 16);
    assert_eq!(world.status.approvals[0].digest, digest("v2.19.0"), "the newest first");
    world.observed.approved_by = Some("bob".into());
    approve(&mut world, &digest("v1.5.0"));
    approve(&mut world, &format!("{}/production", digest("v1.5.0")));
    approve(&mut world, &digest("v1.5.0"));
    let same = world.status.approvals.iter().filter(|it| it.digest == digest("v1.5.0")).count();
    assert_eq!(same, 2, "the same said again takes the place of what was said");
}

/// Also where it was let out of quarantine before the promotion that stood on its approval was recorded.
#[test]
fn what_is_let_out_before_it_is_recorded_has_to_be_approved_again() {
    let mut world = asking();
    until_second_stage(&mut world);
    world.production().servers[0].fate = Fate::Rolls;
    approve(&mut world, &digest("v1.5.0"));
    assert_eq!((world.tags()[1].as_str(), world.deployed()), ("v1.5.0", "v1.4.2"), "half-way");
    world.refuses_records = true;
    world.observed.rollback = Some("1".into());
    world.settle();
    let ended = world.status.promotion.as_ref().unwrap();
    assert!(ended.outcome.is_some() && !ended.recorded, "{ended:#?}");
    world.observed.release_quarantine = Some(digest("v1.5.0"));
    world.settle();
    assert!(world.status.quarantine.is_empty());
    world.refuses_records = false;
    world.server("compile").fate = Fate::Runs;
    world.settle();
    assert_eq!(world.tags()[1], "v1.4.2");
    world.observed.resume = Some("again".into());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.tags()[1].as_str(), world.reasons()), ("v1.4.2", vec!["Approval"]));
}

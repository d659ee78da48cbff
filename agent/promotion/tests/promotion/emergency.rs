//! An emergency: what it skips, and what it never does.

use serde_json::json;
use voxsync_crds::code_sync::{Approval, Trigger};

use super::world::{Fate, World, digest};

/// Everything that may make a stage wait.
fn waiting() -> World {
    let mut world = World::promoted();
    let never =
        json!({"name": "freeze", "deny": {"from": "2026-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}});
    world.spec.windows.push(serde_json::from_value(never).unwrap());
    for stage in world.spec.stages.as_mut().unwrap() {
        stage.approval = Some(Approval::Manual);
        stage.soak = Some("1h".into());
        stage.checks =
            serde_json::from_value(json!([{"name": "c", "http": {"url": "http://x.example"}}])).unwrap();
    }
    world
}

fn promote_now(world: &mut World, tag: &str) {
    world.pins(tag);
    let pin = world.spec.pin.as_mut().unwrap();
    (pin.emergency, pin.reason) = (true, Some("CVE".into()));
}

#[test]
fn an_emergency_waits_for_no_window_approval_check_and_soak() {
    let mut world = waiting();
    promote_now(&mut world, "v1.5.0");
    world.canary().servers[0].fate = Fate::Rolls;
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"], "the order of the stages stays");
    assert!(
        world
            .event("Emergency")
            .ends_with("is an emergency (CVE): it skips windows, soak, checks and approvals")
    );
    assert!(world.message("Pinned").contains(" (CVE), in an emergency;"), "{}", world.message("Pinned"));
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
    let release = world.releases.last().unwrap();
    assert_eq!((release.emergency, release.trigger, release.approvals.len()), (true, Trigger::Pin, 0));
    assert_eq!(release.reason.as_deref(), Some("CVE"));
}

#[test]
fn what_waits_already_is_hurried() {
    let mut world = waiting();
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.reasons(), ["Approval", "Window"]);
    world.observed.approve = Some(format!("{}/canary", digest("v1.5.0")));
    world.settle();
    assert_eq!(world.reasons(), ["Window"]);
    let id = world.status.promotion.as_ref().unwrap().id.clone();
    world.forget();
    promote_now(&mut world, "v1.5.0");
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
    let release = world.releases.last().unwrap();
    assert_eq!((&release.promotion, release.emergency), (&id, true));
    assert_eq!((release.reason.as_deref(), world.event("Emergency").contains(&id)), (Some("CVE"), true));
    assert_eq!(release.trigger, Trigger::Pin, "a person's word brought it there");
    assert_eq!(release.approvals, world.status.approvals, "what was approved before is of the record");
    assert_eq!(release.approvals.len(), 1);
}

#[test]
fn a_pin_alone_is_no_emergency() {
    let mut world = waiting();
    world.pins("v1.5.0");
    world.settle();
    assert_eq!(
        (world.reasons(), world.tags()),
        (vec!["Pinned", "Approval", "Window"], vec!["v1.4.2".into(), "v1.4.2".to_owned()])
    );
}

#[test]
fn an_emergency_is_verified_and_keeps_the_order() {
    let mut world = World::with_authority();
    promote_now(&mut world, "v1.5.0");
    world.settle();
    assert_eq!(world.reasons(), ["Pinned", "Gating"], "the certificate authority comes last");
    world.hold_back(&["ca"]);
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0"]);

    let mut world = waiting();
    let keys = json!({"cosign": {"keys": {"secretRef": {"name": "keys"}}}});
    world.spec.verify = Some(serde_json::from_value(keys).unwrap());
    promote_now(&mut world, "v1.5.0");
    world.settle();
    assert_eq!(
        (world.tags()[0].as_str(), world.status.candidate.as_ref().unwrap().digest.as_str()),
        ("v1.4.2", digest("v1.5.0").as_str())
    );
    assert!(
        world.reasons().contains(&"Signature") || world.condition("Verified").starts_with("False"),
        "{:?}",
        world.status.waiting
    );
}

#[test]
fn an_emergency_ends_with_its_pin() {
    let mut world = waiting();
    promote_now(&mut world, "v1.5.0");
    world.canary().servers[0].fate = Fate::Rolls;
    world.settle();
    world.spec.pin.as_mut().unwrap().emergency = false;
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!(
        (world.tags(), world.reasons()),
        (vec!["v1.5.0".to_owned(), "v1.4.2".into()], vec!["Pinned", "Checking"])
    );
    assert!(world.status.promotion.as_ref().unwrap().emergency, "the release says how it began");

    let mut world = waiting();
    promote_now(&mut world, "v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks("ImagePullBackOff");
    world.settle();
    world.spec.pin = None;
    world.canary().servers[0].fate = Fate::Runs;
    world.finds("v1.4.2");
    world.settle();
    world.observed.resume = Some("on".into());
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"], "tried again, it waits as all do: {:?}", world.reasons());
}

//! The status stays small, whatever the world says; and the same, whatever a person does not change.

use super::world::{Fate, Target, World, canary_and_production, candidate, reference};
use serde_json::json;
use voxsync_crds::{
    code_sync::{
        ApprovalStatus, CandidateStatus, Check, CheckStanding, CheckStatus, Quarantined, TargetKind,
    },
    duration::DurationText,
    time::Time,
};
use voxsync_promotion::{RIPENING_LIMIT, SourceProblem, TargetProblem};

const STATUS_LIMIT_BYTES: usize = 64 * 1024;

fn size(world: &World) -> usize {
    serde_json::to_string(&world.status).unwrap().len()
}

/// Sixteen stages with the longest names, and in each 80 targets with the longest names.
fn huge() -> World {
    let mut spec = canary_and_production();
    let stage = spec.stages.as_ref().unwrap()[0].clone();
    let stages: Vec<_> = (0..16)
        .map(|index| {
            let mut stage = stage.clone();
            stage.name = format!("{index:02}{}", "s".repeat(61));
            stage
        })
        .collect();
    let targets = (0..16)
        .map(|stage| {
            let target = |index| {
                let name = format!("{stage}-{index}-{}", "n".repeat(240));
                Target::new(TargetKind::Server, &name, None, &[&name])
            };
            (0..80).map(target).collect()
        })
        .collect();
    spec.stages = Some(stages);
    World::new(spec, targets)
}

/// People approved and rolled back as often as is kept, and every check of a stage said something.
fn many_people_and_checks(world: &mut World, hostile: &str) {
    let time = Time::from(world.now);
    let text = |limit| hostile.chars().filter(char::is_ascii_alphanumeric).cycle().take(limit).collect();
    let digest = super::world::digest("v0.1.0");
    let status = &mut world.status;
    let (approver, stage): (String, Option<String>) = (text(128), Some(text(63)));
    let approval = ApprovalStatus { digest: digest.clone(), stage, approver, at: time };
    status.approvals = vec![approval; 16];
    let quarantined = Quarantined { digest, name: text(128), reason: text(200), since: time };
    status.quarantine = vec![quarantined; 32];
    for (last, stage) in status.stages.iter_mut().zip(world.spec.stages.as_mut().unwrap()) {
        let check = |number: usize| {
            let check =
                json!({"name": format!("{number}{}", "c".repeat(62)), "http": {"url": "http://x.example"}});
            serde_json::from_value::<Check>(check).unwrap()
        };
        stage.checks = (0..8).map(check).collect();
        let said = |check: &Check| CheckStatus {
            name: check.name.clone(),
            standing: CheckStanding::Unreachable,
            since: time,
            message: text(250),
        };
        last.checks = stage.checks.iter().map(said).collect();
    }
}

#[test]
fn holds_and_hostile_texts_do_not_make_the_status_large() {
    let mut world = huge();
    world.spec.stages.as_mut().unwrap().iter_mut().for_each(|stage| stage.soak = None);
    world.finds("v1.0.0");
    world.settle();
    assert_eq!(world.deployed(), "v1.0.0");
    let now = world.now;
    let hostile = format!("{}\u{1}\"\\{}", "x".repeat(200), "ä€".repeat(3000));
    for target in world.stages.iter_mut().flatten() {
        target.changed_by(&hostile, Some(&hostile), now);
    }
    world.observed.source.problem =
        Some(SourceProblem { reason: "Unreachable".into(), message: hostile.repeat(20), unreachable: true });
    world.observed.source.revision = Some(hostile.repeat(20));
    world.observed.requested_at = Some(hostile.repeat(20));
    world.observed.resume = Some(hostile.repeat(20));
    world.spec.minimum_age = Some(DurationText("1h".into()));
    many_people_and_checks(&mut world, &hostile);
    let young = |number: usize| CandidateStatus {
        commit: Some(hostile.clone()),
        author: Some(hostile.clone()),
        ..candidate(&format!("v2.0.{number}-{}", "x".repeat(110)))
    };
    world.observed.source.candidate = Some(young(99));
    world.observed.source.next_best = (0..RIPENING_LIMIT).rev().map(young).collect();
    world.step();
    assert!(size(&world) < STATUS_LIMIT_BYTES, "{}", size(&world));
    assert!(!world.status.holds.is_empty() && world.status.ripening.len() > 10);
    assert!(world.status.waiting.len() > 3, "it still says why: {:?}", world.status.waiting);
    assert!(!world.status.approvals.is_empty() && !world.status.quarantine.is_empty());
    for row in &world.status.waiting {
        assert!(row.message.len() <= 1024, "{}", row.message.len());
    }
}

#[test]
fn resumed_holds_are_written_over_even_if_not_all_are_remembered() {
    let mut world = huge();
    world.spec.stages.as_mut().unwrap().iter_mut().for_each(|stage| stage.soak = None);
    world.finds("v1.0.0");
    world.settle();
    let now = world.now;
    for target in world.stages.iter_mut().flatten() {
        target.changed_by("kubectl-edit", Some(&reference("v0.1.0")), now);
    }
    world.settle();
    let held = |world: &World| world.tags().iter().filter(|tag| *tag == "v0.1.0").count();
    let mut before = held(&world);
    assert_eq!(before, 16 * 80);
    for token in 0..3 {
        world.observed.resume = Some(token.to_string());
        world.settle();
        assert!(held(&world) < before, "a resume does something each time");
        before = held(&world);
    }
}

#[test]
fn problems_with_every_target_do_not_make_the_status_large() {
    let mut world = huge();
    let message = "\"\\\u{7}€".repeat(2000);
    for (number, target) in world.stages.iter_mut().flatten().enumerate() {
        let message = format!("{number} {message}");
        target.problem = Some(TargetProblem { reason: "ShapeMismatch", message, stalled: true });
        target.servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    }
    world.finds("v1.0.0");
    world.settle();
    assert!(size(&world) < STATUS_LIMIT_BYTES, "{}", size(&world));
    assert!(world.message("ShapeMismatch").ends_with("(and 79 more)"));
    assert!(world.summary().chars().count() <= 64);
}

#[test]
fn time_alone_writes_nothing() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.forget();
    for _ in 0..59 {
        world.passes(10);
        assert!(!world.step(), "soaking, and nothing changed");
    }
    world.passes(600);
    world.settle();
    world.forget();
    for _ in 0..100 {
        world.passes(86_400);
        assert!(!world.step(), "deployed, and nothing changed");
    }
    assert_eq!((world.status_writes, world.events.len(), world.wake_at), (0, 0, None));
}

#[test]
fn a_request_to_look_is_echoed() {
    let mut world = World::promoted();
    world.observed.requested_at = Some("now".into());
    world.settle();
    assert_eq!((world.status.last_handled_reconcile_at.as_deref(), world.status_writes), (Some("now"), 1));
}

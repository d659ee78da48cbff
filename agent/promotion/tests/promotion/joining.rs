//! Targets that come to a stage late: what they are given at once, one after the other, or by the next promotion.

use rstest::rstest;
use serde_json::json;
use voxsync_crds::code_sync::{Outcome, StagePhase, TargetKind};
use voxsync_promotion::RefusedWrite;
use voxsync_rollout::state::{RolloutState, Stuck, StuckImage};

use super::world::{Fate, Target, World, reference, staged};

/// A Config of which Servers run v1.0.0, and which nobody of us wrote: a namespace that lets this one in only now.
fn latecomer(servers: &[&str]) -> Target {
    Target::new(TargetKind::Config, "late", Some(reference("v1.0.0")), servers)
}

/// v1.5.0 is released to a certificate authority and another Server.
fn released() -> World {
    let mut world = World::released_with_authority();
    world.forget();
    world
}

/// Then a Config with two Servers and a certificate authority comes.
fn joined() -> World {
    let mut world = released();
    needs_order(&mut world, 0);
    world
}

/// A target comes to a stage of which the Servers need an order.
fn needs_order(world: &mut World, stage: usize) {
    world.stages[stage].push(latecomer(&["one", "two", "late-ca"]));
    world.server("late-ca").is_authority = true;
}

/// It keeps what it has, and that is all there is to be said.
fn keeps_its_code(world: &mut World, stage: usize) {
    let releases = world.releases.len();
    for _ in 0..3 {
        world.settle();
        world.passes(86_400);
    }
    assert_eq!((world.releases.len(), &world.status.promotion), (releases, &None));
    let late = world.stages[stage].last().unwrap();
    assert_eq!((late.live.image.clone(), late.applied.clone()), (Some(reference("v1.0.0")), None));
    let message = world.message("Joining");
    assert!(message.starts_with("Config/late (v1.0.0@"), "{message}");
    assert!(message.contains("until the next promotion") && message.contains("allowUnordered: true"));
}

fn crashes() -> Fate {
    Fate::Is(RolloutState::Stuck(Stuck {
        reason: "CrashLoopBackOff".into(),
        pod: "one-5d8f-x2x".into(),
        message: "exit 1".into(),
        image: StuckImage::Unknown,
    }))
}

#[test]
fn servers_that_need_an_order_keep_their_code_until_the_next_promotion() {
    let mut world = joined();
    keeps_its_code(&mut world, 0);
    assert_eq!(world.writes, [""; 0]);
    assert_eq!(
        (world.phases(), world.condition("Ready")),
        (vec![StagePhase::Deployed], "True Waiting".into())
    );
    assert_eq!(world.summary(), "Waiting: Config/late joins all");

    world.finds("v1.6.0");
    world.settle_gating(&["ca", "late-ca"]);
    assert_eq!(world.server("one").runs, Some(reference("v1.6.0")));
    assert_eq!(world.server("late-ca").runs, Some(reference("v1.0.0")), "it comes last");
    for name in ["ca", "late-ca"] {
        world.server(name).lift();
        world.settle();
    }
    assert_eq!(
        (world.tags(), world.condition("Ready")),
        (vec!["v1.6.0".to_owned(); 2], "True Deployed".into())
    );
    assert_eq!(world.stages[0][1].applied.clone().unwrap().previous, Some(reference("v1.0.0")));
}

#[test]
fn what_cannot_run_there_is_given_back_there() {
    let mut world = joined();
    world.finds("v1.6.0");
    world.server("one").fate = Fate::Sticks("ImagePullBackOff");
    world.settle_gating(&["ca", "late-ca"]);
    for name in ["ca", "late-ca"] {
        world.server(name).lift();
    }
    world.server("one").fate = Fate::Runs;
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    assert_eq!((world.tags(), world.deployed()), (vec!["v1.5.0".into(), "v1.0.0".into()], "v1.5.0"));
}

#[test]
fn once_no_order_is_asked_for_it_gets_what_the_stage_runs() {
    let mut world = joined();
    keeps_its_code(&mut world, 0);
    world.spec.stages.as_mut().unwrap()[0].allow_unordered = true;
    world.observed.generation += 1;
    world.settle();
    assert_eq!(
        (&*world.writes, world.condition("Ready")),
        (&["Config/late=v1.5.0".to_owned()][..], "True Deployed".into())
    );
}

#[test]
fn what_it_runs_meanwhile_says_nothing_of_its_stage() {
    let mut world = joined();
    world.server("one").fate = crashes();
    keeps_its_code(&mut world, 0);
    assert_eq!(
        (world.phases(), world.condition("Ready")),
        (vec![StagePhase::Deployed], "True Waiting".into())
    );
    let stage = &world.status.stages[0];
    assert_eq!((stage.ready, stage.desired), (2, 5));
    // Nobody else is there any more who runs what the stage passed with.
    world.stages[0].remove(0);
    keeps_its_code(&mut world, 0);
    assert_eq!((world.phases(), world.reasons()), (vec![StagePhase::Pending], vec!["Joining"]));
}

#[test]
fn after_a_rollback_by_a_person_nothing_begins_for_it() {
    let mut world = released();
    world.observed.rollback = Some("1 broken hiera".into());
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.deployed(), "v1.4.2");
    needs_order(&mut world, 0);
    keeps_its_code(&mut world, 0);
    // Who goes on ends the rollback with it.
    world.observed.resume = Some("token".into());
    world.finds("v1.6.0");
    world.settle_gating(&["ca", "late-ca"]);
    assert_eq!(world.status.rollback, None);
}

#[test]
fn while_what_should_run_is_in_quarantine_it_waits() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.passes(600);
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    needs_order(&mut world, 0);
    let releases = world.releases.len();
    world.settle();
    assert_eq!((world.releases.len(), world.tags()[1].as_str()), (releases, "v1.0.0"));
    assert!(world.message("Joining").contains("allowUnordered: true"));
    // One that needs no order does not.
    world.stages[0].push(Target::new(TargetKind::Server, "alone", Some(reference("v1.0.0")), &["alone"]));
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.0.0", "v1.4.2", "v1.4.2"]);
}

#[test]
fn where_not_all_may_roll_at_once_they_come_one_after_the_other_the_authority_last() {
    let mut world = released();
    world.spec.stages.as_mut().unwrap()[0].max_concurrent = Some(1);
    let names = ["authority", "two", "three", "four", "five"];
    for name in names {
        // Seconds apart: each is alone when it comes.
        world.stages[0].push(Target::new(TargetKind::Server, name, Some(reference("v1.0.0")), &[name]));
        let server = world.server(name);
        (server.is_authority, server.fate) = (name == "authority", Fate::Rolls);
        if name != "authority" {
            world.settle();
        }
    }
    assert_eq!(world.writes, ["Server/two=v1.5.0"]);
    let message = world.message("Joining");
    assert!(message.starts_with("Server/three (v1.0.0@") && message.contains("after two"), "{message}");
    assert_eq!(world.condition("Ready"), "False Rolling");
    for name in ["two", "three", "four", "five", "authority"] {
        assert_eq!(world.writes.last().unwrap(), &format!("Server/{name}=v1.5.0"));
        world.server(name).fate = Fate::Runs;
        world.settle();
    }
    assert_eq!((world.releases.len(), world.condition("Ready")), (1, "True Deployed".into()));
}

#[test]
fn nobody_follows_an_authority_that_rolls() {
    let mut world = released();
    world.server("ca").fate = crashes();
    world.stages[0].push(latecomer(&["one"]));
    world.settle();
    assert_eq!(world.writes, [""; 0]);
    assert!(world.message("Joining").contains("after ca"));
    world.server("ca").fate = Fate::Runs;
    world.settle();
    assert_eq!(world.writes, ["Config/late=v1.5.0"]);
}

#[test]
fn who_is_refused_takes_nobodys_place() {
    let mut world = released();
    world.spec.stages.as_mut().unwrap()[0].max_concurrent = Some(1);
    for name in ["first", "second"] {
        world.stages[0].push(Target::new(TargetKind::Server, name, Some(reference("v1.0.0")), &[name]));
    }
    let message = "a webhook says no".to_owned();
    world.stages[0][1].refused = Some(RefusedWrite { message, is_retry_due: false });
    world.settle();
    assert_eq!(
        (&*world.writes, world.reasons()),
        (&["Server/second=v1.5.0".to_owned()][..], vec!["WriteRefused"])
    );
}

#[test]
fn what_a_person_lets_go_on_is_not_late() {
    let mut world = released();
    let now = world.now;
    world.stages[0][0].changed_by("kubectl-edit", Some(&reference("v1.3.9")), now);
    world.settle();
    world.stages[0].push(Target::new(TargetKind::Server, "alone", Some(reference("v1.0.0")), &["alone"]));
    world.server("alone").fate = Fate::Rolls;
    world.settle();
    assert_eq!(world.writes, ["Server/alone=v1.5.0"]);
    world.observed.resume = Some("token".into());
    world.settle();
    assert!(world.message("Joining").contains("after alone"));
    world.server("alone").fate = Fate::Runs;
    world.settle();
    assert_eq!((world.tags(), world.releases.len()), (vec!["v1.5.0".to_owned(); 2], 1));
}

#[rstest]
#[case::no_order_is_asked_for(json!({"allowUnordered": true}), &["one", "late-ca"])]
#[case::nobody_else_comes(json!({}), &["late-ca"])]
#[case::not_more_than_may_roll_at_once(json!({"maxConcurrent": 2}), &["one", "two"])]
#[case::no_authority_and_no_bound(json!({}), &["one", "two", "three"])]
fn what_needs_no_order_gets_it_without_a_promotion(
    #[case] stage: serde_json::Value,
    #[case] servers: &[&str],
) {
    let mut world = joined();
    world.stages[0].pop();
    let mut whole = serde_json::to_value(&world.spec).unwrap();
    whole["stages"][0].as_object_mut().unwrap().extend(stage.as_object().unwrap().clone());
    world.spec = serde_json::from_value(whole).unwrap();
    world.stages[0].push(latecomer(servers));
    for server in world.stages[0][1].servers.iter_mut().filter(|server| server.name == "late-ca") {
        server.is_authority = true;
    }
    let releases = world.releases.len();
    world.settle();
    assert_eq!((&*world.writes, world.releases.len()), (&["Config/late=v1.5.0".to_owned()][..], releases));
    assert_eq!(world.reasons(), [""; 0]);
}

#[test]
fn a_promotion_that_passed_the_stage_does_not_come_back_for_it() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.server("compile").fate = Fate::Rolls;
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Deployed, StagePhase::Rolling]);
    // One that has no code yet does not wait with them.
    world.stages[0].push(latecomer(&["one", "late-ca"]));
    world.server("late-ca").is_authority = true;
    let none = Target::new(TargetKind::Server, "empty", None, &["empty"]);
    world.stages[0].push(none);
    world.forget();
    world.settle();
    assert_eq!(world.writes, ["Server/empty=v1.5.0"]);
    let message = world.message("Joining");
    assert!(message.starts_with("Config/late (v1.0.0@"), "{message}");
    world.server("compile").fate = Fate::Runs;
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.5.0", "True Waiting".into()));
    assert_eq!(world.tags(), ["v1.5.0", "v1.0.0", "v1.5.0", "v1.5.0"]);
}

#[test]
fn before_its_turn_a_stage_gives_it_nothing_that_needs_an_order() {
    let one =
        |name: &str| json!({"name": name, "targets": [{"kind": "Config", "name": name}], "soak": "10m"});
    let target = |name: &str| {
        vec![Target::new(TargetKind::Config, name, Some(reference("v1.4.2")), &[&format!("{name}-1")])]
    };
    let mut world =
        World::new(staged(&json!([one("first"), one("second")])), vec![target("first"), target("second")]);
    world.finds("v1.4.2");
    world.settle();
    world.finds("v1.5.0");
    world.settle();
    world.stages[1].push(latecomer(&["one", "late-ca"]));
    world.server("late-ca").is_authority = true;
    world.forget();
    world.settle();
    assert_eq!((world.writes.len(), world.phases()[0]), (0, StagePhase::Soaking));
    world.passes(600);
    world.settle_gating(&["late-ca"]);
    assert_eq!(world.tags(), ["v1.5.0"; 3]);
}

//! A promotion that fails is given back everywhere, in order, and is not tried again before a person says so.

use rstest::rstest;
use serde_json::json;
use voxsync_crds::code_sync::{Outcome, StagePhase, TargetKind, Trigger};
use voxsync_promotion::Gatekeeper;
use voxsync_rollout::state::RolloutState;

use super::world::{Fate, Target, World, digest, reference, staged};

/// Canary passed with v1.5.0, and production cannot run it.
fn failed_in_production() -> World {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.passes(600);
    world
}

#[test]
fn what_fails_is_given_back_in_all_stages_the_last_one_first() {
    let mut world = failed_in_production();
    world.forget();
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"]);
    assert_eq!(
        world.writes,
        ["Config/production=v1.5.0", "Config/production=v1.4.2", "Server/canary=v1.4.2"]
    );
    assert_eq!(world.phases(), [StagePhase::Pending, StagePhase::Failed]);
    assert_eq!(
        (world.condition("Ready"), world.summary()),
        ("False RolledBack".into(), "RolledBack: production ImagePullBackOff")
    );
    let release = world.releases.last().unwrap();
    assert_eq!(release.outcome, Outcome::RolledBack);
    assert!(release.failure.as_ref().unwrap().message.contains("manifest unknown"), "the pod's own message");
    let [quarantined] = &world.status.quarantine[..] else { panic!("{:?}", world.status.quarantine) };
    assert_eq!((quarantined.digest.clone(), quarantined.name.as_str()), (digest("v1.5.0"), "v1.5.0"));
    assert!(quarantined.reason.contains("production: Server compile: ImagePullBackOff"), "{quarantined:?}");
    let said = world.message("RolledBack");
    let release = format!("`voxsync release-quarantine production {} -n puppet`", digest("v1.5.0"));
    assert!(said.contains(&release) && said.contains("voxsync resume production"), "{said}");
    assert_eq!(world.status.stages[0].reference, Some(reference("v1.4.2")));
    world.event("Quarantined");

    // Who joins the canary gets what that runs, and a newer candidate goes on.
    let mut joined = Target::new(TargetKind::Server, "second", None, &["second"]);
    joined.created = Some(world.now);
    world.stages[0].push(joined);
    world.server("compile").fate = Fate::Runs;
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2"; 3]);
    world.finds("v1.5.1");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.5.1", "True Deployed".into()));
}

#[test]
fn the_stage_before_waits_until_this_one_runs_what_it_had() {
    let mut world = failed_in_production();
    world.settle_until_rolling_back();
    world.server("compile").fate = Fate::Rolls;
    world.server("compile").runs = None;
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    assert_eq!(world.phases(), [StagePhase::Pending, StagePhase::RollingBack]);
    assert!(world.message("RollingBack").contains("nothing else is given back: compile"));
    world.server("compile").fate = Fate::Runs;
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"]);
}

#[test]
fn what_cannot_run_what_it_had_either_stops_the_way_back() {
    let mut world = failed_in_production();
    world.settle_until_rolling_back();
    world.server("compile").runs = None;
    world.settle();
    assert_eq!(
        (world.tags(), world.condition("Reconciling")),
        (vec!["v1.5.0".into(), "v1.4.2".into()], "-".into())
    );
    assert_eq!(world.summary(), "RollingBack: production ImagePullBackOff");
    let said = world.message("RollingBack");
    assert!(
        said.contains("what stage production had before cannot run either: Server compile: ImagePullBackOff"),
        "{said}"
    );
    assert_eq!(world.releases.len(), 1, "it does not end before a person, or an hour");

    // Another candidate does not wait for that.
    world.server("compile").fate = Fate::Runs;
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.finds("v1.5.1");
    world.settle();
    assert_eq!(world.status.promotion.as_ref().unwrap().candidate.name, "v1.5.1");
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
}

#[test]
fn it_ends_within_an_hour_even_if_what_was_there_cannot_run() {
    let mut world = failed_in_production();
    world.settle_until_rolling_back();
    world.server("compile").runs = None;
    world.settle();
    world.passes(3600);
    world.settle();
    assert!(world.event("RolledBack").contains("but for Server/canary (its turn did not come)"));
    assert_eq!(world.summary(), "RolledBack: production ImagePullBackOff");
}

#[test]
fn by_hand_nothing_is_given_back_and_nothing_is_in_quarantine() {
    let mut world = failed_in_production();
    world.gives_back_by_hand();
    world.settle();
    assert_eq!((world.tags(), world.status.quarantine.len()), (vec!["v1.5.0".to_owned(); 2], 0));
    assert_eq!(world.summary(), "Failed: production ImagePullBackOff");
}

#[test]
fn suspended_nothing_is_given_back() {
    let mut world = failed_in_production();
    world.settle_until_rolling_back_but_for(|world| world.spec.suspend = true);
    assert_eq!(world.tags(), ["v1.5.0", "v1.5.0"]);
    assert!(world.condition("Ready").contains("Suspended"), "{}", world.condition("Ready"));
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"]);
}

/// All Servers of the one stage run v1.5.0, and a check fails.
fn all_run_it(stage: &serde_json::Value, servers: &[&str]) -> World {
    let mut one = json!({"name": "all", "targets": [{"kind": "Config", "name": "production"}], "soak": "1h"});
    one.as_object_mut().unwrap().extend(stage.as_object().unwrap().clone());
    let target = Target::new(TargetKind::Config, "production", Some(reference("v1.4.2")), servers);
    let mut world = World::new(staged(&json!([one])), vec![vec![target]]);
    world.finds("v1.4.2");
    for server in servers.iter().filter(|server| server.starts_with("ca")) {
        world.server(server).is_authority = true;
    }
    world.settle();
    world.finds("v1.5.0");
    world.settle();
    if world.phases() == [StagePhase::Gating] {
        world.hold_back(servers);
        world.settle();
        for server in servers {
            world.server(server).lift();
        }
        world.settle();
    }
    assert_eq!(world.phases(), [StagePhase::Soaking]);
    world
}

#[rstest]
#[case::all_at_once(json!({}), &["a", "b", "c"], &[])]
#[case::one_at_a_time(json!({"maxConcurrent": 1}), &["a", "b", "c"], &["b", "c"])]
#[case::the_authority_last(json!({}), &["a", "b", "ca"], &["ca"])]
#[case::any_order(json!({"allowUnordered": true}), &["a", "ca"], &[])]
fn who_runs_it_is_held_back_before_it_is_given_back(
    #[case] stage: serde_json::Value,
    #[case] servers: &[&str],
    #[case] wanted: &[&str],
) {
    let mut world = all_run_it(&stage, servers);
    world.forget();
    // Who cannot run it goes first, and is never held back.
    world.server("a").fate = Fate::Sticks("CrashLoopBackOff");
    world.server("a").runs = Some(reference("v1.4.2"));
    world.settle();
    for (index, server) in wanted.iter().enumerate() {
        assert_eq!((world.writes.len(), world.observed.has_finalizer), (0, true), "{index}");
        assert!(world.message("RollingBack").contains("held back, so that not all restart at once"));
        assert!(world.message("RollingBack").contains(server) || index > 0);
        world.hold_back(&[server]);
        world.settle();
    }
    assert_eq!(world.writes, ["Config/production=v1.4.2"]);
    world.server("a").fate = Fate::Runs;
    for server in wanted {
        assert_eq!(world.phases(), [StagePhase::RollingBack]);
        world.server(server).lift();
        world.settle();
    }
    assert_eq!((world.phases(), world.tags()), (vec![StagePhase::Failed], vec!["v1.4.2".to_owned()]));
    assert!(!world.observed.has_finalizer);
}

#[test]
fn a_target_whose_servers_need_no_gate_does_not_wait_for_the_others() {
    let mut world = World::promoted();
    world.stages[0].push(Target::new(TargetKind::Server, "second", Some(reference("v1.4.2")), &["second"]));
    world.stages[0].push(Target::new(TargetKind::Server, "third", Some(reference("v1.4.2")), &["third"]));
    world.spec.stages.as_mut().unwrap()[0].max_concurrent = Some(2);
    world.finds("v1.5.0");
    world.settle();
    let all = ["canary", "second", "third"];
    world.hold_back(&all);
    world.settle();
    for server in all {
        world.server(server).lift();
    }
    world.settle();
    world.server("second").fate = Fate::Sticks("CrashLoopBackOff");
    world.server("second").runs = Some(reference("v1.4.2"));
    world.settle();
    assert_eq!(world.tags()[..3], ["v1.5.0", "v1.4.2", "v1.5.0"]);
    world.hold_back(&["canary", "third"]);
    world.settle();
    assert_eq!(world.tags()[..3], ["v1.4.2"; 3]);
}

#[test]
fn without_anybody_who_holds_back_it_is_left_and_said() {
    let mut world = all_run_it(&json!({"maxConcurrent": 1}), &["a", "b"]);
    world.observed.gatekeeper = Gatekeeper::Absent;
    world.server("a").fate = Fate::Is(RolloutState::TimedOut { message: "late".into() });
    world.settle();
    assert!(world.message("RollingBack").contains("--reconciler=full"), "{}", world.message("RollingBack"));
    world.passes(3600);
    world.settle();
    assert!(world.message("RolledBack").contains("but for Config/production (its turn did not come)"));
}

#[test]
fn a_resume_takes_it_out_of_quarantine_and_tries_it_again() {
    let mut world = failed_in_production();
    world.settle();
    world.server("compile").fate = Fate::Runs;
    world.observed.resume = Some("again".into());
    world.settle();
    let promotion = world.status.promotion.clone().unwrap();
    assert_eq!((promotion.trigger, promotion.candidate.name.as_str()), (Trigger::Resume, "v1.5.0"));
    assert_eq!(world.status.quarantine.len(), 0);
    assert!(world.told().contains(&"QuarantineReleased"));
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn what_is_deployed_and_fails_in_a_new_stage_is_not_in_quarantine() {
    let mut world = World::promoted();
    let stage = json!({"name": "new", "targets": [{"kind": "Config", "name": "new"}]});
    world.spec.stages.as_mut().unwrap().push(serde_json::from_value(stage).unwrap());
    let mut target = Target::new(TargetKind::Config, "new", Some(reference("v1.0.0")), &["new"]);
    target.servers[0].fate = Fate::Sticks("ImagePullBackOff");
    world.stages.push(vec![target]);
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack);
    assert_eq!(
        (world.tags(), world.status.quarantine.len()),
        (vec!["v1.4.2".into(), "v1.4.2".into(), "v1.0.0".into()], 0)
    );
}

#[test]
fn an_outage_of_the_source_does_not_stop_the_way_back() {
    let mut world = failed_in_production();
    world.observed.source.problem = Some(voxsync_promotion::SourceProblem {
        reason: "Unreachable".into(),
        message: "no route".into(),
        unreachable: true,
    });
    world.observed.source.candidate = None;
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"]);
}

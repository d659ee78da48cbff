//! Stages in order: rollouts and soak times between them, failures, superseded promotions, Servers that join.

use super::world::{Fate, Server, Target, World, reference, staged};
use rstest::rstest;
use serde_json::json;
use voxsync_crds::code_sync::{Outcome, StagePhase, TargetKind, Trigger};
use voxsync_rollout::state::{Progress, RolloutState, Stuck, StuckImage};

#[test]
fn a_candidate_goes_through_the_stages_in_order() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Rolls;
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    assert_eq!(world.phases(), [StagePhase::Rolling, StagePhase::Pending]);
    assert_eq!(
        (world.summary(), world.status.stage.as_deref()),
        ("Rolling: canary 0 of 1 ready", Some("canary"))
    );

    world.passes(42);
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!(world.phases(), [StagePhase::Soaking, StagePhase::Pending]);
    assert_eq!(world.summary(), "Waiting: soak of canary until 14:20:42Z");
    assert_eq!(world.wake_at, Some("2026-11-22T14:20:42Z".parse().unwrap()));

    world.passes(599);
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"], "one second too early");
    world.passes(1);
    world.settle();
    assert_eq!(world.writes, ["Server/canary=v1.5.0", "Config/production=v1.5.0"]);
    assert_eq!((world.deployed(), world.summary(), &world.status.promotion), ("v1.5.0", "Deployed", &None));
    assert_eq!(
        world.told(),
        ["CandidateFound", "PromotionStarted", "StageRolledOut", "StageRolledOut", "Released"],
    );
    assert!(
        world.events[2].contains("canary runs v1.5.0: 1 of 1 pods ready after 42 s"),
        "{}",
        world.events[2]
    );
    assert!(world.event("Released").contains("v1.4.2 → v1.5.0 in all stages after 10 m 42 s"));
}

#[test]
fn the_release_says_what_happened() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    let [first, second] = &world.releases[..] else { panic!("{:?}", world.releases) };
    assert_eq!(
        (second.outcome, second.trigger, second.from_name.as_deref()),
        (Outcome::Released, Trigger::Source, Some("v1.4.2"))
    );
    assert_eq!(second.previous_hash, Some(super::world::digest(&first.promotion)));
    assert_eq!(first.previous_hash, None);
    let production = &second.stages[1].targets[0];
    assert_eq!(
        (production.previous.clone(), production.reference.clone()),
        (Some(reference("v1.4.2")), Some(reference("v1.5.0")))
    );
    assert_eq!(production.servers, ["compile"]);
    assert_eq!(world.status.history.len(), 2);
    assert_eq!(world.status.history[0].id, second.promotion);
    assert!(
        second.promotion.starts_with("production-") && second.promotion.len() == 21,
        "{}",
        second.promotion
    );
}

#[test]
fn a_soak_starts_anew_when_the_stage_was_not_healthy_all_the_time() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.passes(300);
    world.canary().servers[0].fate =
        Fate::Is(RolloutState::Progressing(Progress { updated: 1, ready: 0, wanted: 1 }));
    world.settle();
    assert_eq!(world.phases()[0], StagePhase::Rolling);
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    world.passes(599);
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    world.passes(1);
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.5.0"]);
}

#[test]
fn nothing_of_a_promotion_is_written_before_it_is_stored() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    assert!(world.step());
    let promotion = world.status.promotion.clone().expect("started");
    assert_eq!(world.writes, Vec::<String>::new());
    assert!(world.step());
    assert_eq!(world.writes, ["Server/canary=v1.5.0"]);
    assert_eq!(world.canary().applied.as_ref().map(|applied| applied.promotion.clone()), Some(promotion.id));
}

#[rstest]
#[case::image("ImagePullBackOff")]
#[case::first_pull("ErrImagePull")]
#[case::name("InvalidImageName")]
#[case::crash("CrashLoopBackOff")]
#[case::container("CreateContainerError")]
#[case::configuration("CreateContainerConfigError")]
fn a_stage_that_cannot_run_it_stops_the_promotion(#[case] reason: &'static str) {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks(reason);
    world.settle();
    world.passes(100_000);
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"]);
    assert_eq!(world.phases(), [StagePhase::Failed, StagePhase::Pending]);
    assert_eq!(
        (world.condition("Ready"), world.summary()),
        ("False RolledBack".into(), format!("RolledBack: canary {reason}").as_str())
    );
    assert!(world.event("RolledBack").contains("manifest unknown"));
    let release = world.releases.last().unwrap();
    assert_eq!(release.outcome, Outcome::RolledBack);
    let failure = release.failure.as_ref().unwrap();
    assert_eq!(
        (failure.stage.as_str(), failure.server.as_deref(), failure.reason.as_str()),
        ("canary", Some("canary"), reason)
    );
    assert_eq!(world.deployed(), "v1.4.2");

    // A newer candidate goes on from there.
    world.finds("v1.5.1");
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(
        (world.tags(), world.condition("Ready")),
        (vec!["v1.5.1".into(), "v1.5.1".into()], "True Deployed".into())
    );
}

#[test]
fn what_heals_by_itself_fails_only_with_the_deadline() {
    let mut world = World::promoted();
    world.gives_back_by_hand();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks("Unschedulable");
    world.settle();
    assert_eq!((world.phases()[0], world.status.stages[0].desired), (StagePhase::Rolling, 1));
    assert_eq!(
        world.message("Unschedulable"),
        "the Servers of stage canary are rolling: 0 of 1 ready; Server canary: pod canary-5d8f-x2x: Unschedulable: \
         manifest unknown"
    );
    assert_eq!(world.condition("Reconciling"), "True Rolling");
    let message = "ReplicaSet has timed out progressing".to_owned();
    world.canary().servers[0].fate = Fate::Is(RolloutState::TimedOut { message });
    world.settle();
    assert_eq!(world.summary(), "Failed: canary ProgressDeadlineExceeded");
}

#[test]
fn a_stuck_server_of_the_stage_stops_the_writes_to_the_others() {
    let mut world = World::promoted();
    world.gives_back_by_hand();
    world.stages[0].push(Target::new(TargetKind::Server, "second", None, &["second"]));
    world.settle();
    world.stages[0][1].paused = true;
    world.finds("v1.5.0");
    world.settle();
    world.stages[0][1].paused = false;
    world.canary().servers[0].fate = Fate::Is(RolloutState::TimedOut { message: "late".into() });
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2", "v1.4.2"]);
}

#[test]
fn a_resume_tries_the_failed_candidate_again_and_bears_old_pods_for_a_while() {
    let mut world = World::promoted();
    world.gives_back_by_hand();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks("ImagePullBackOff");
    world.settle();
    let failed = world.status.promotion.clone().unwrap();
    assert!(failed.recorded);

    world.observed.resume = Some("1".into());
    world.settle();
    let again = world.status.promotion.clone().unwrap();
    assert_eq!((again.trigger, again.outcome, again.id == failed.id), (Trigger::Resume, None, false));
    assert_eq!(world.summary(), "Rolling: canary still ImagePullBackOff");
    world.passes(300);
    world.settle();
    assert_eq!(world.summary(), "Failed: canary ImagePullBackOff", "five minutes are over");

    world.observed.resume = Some("2".into());
    world.settle();
    world.canary().servers[0].fate = Fate::Runs;
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.releases.len()), ("v1.5.0", 4));
    assert_eq!(world.told().iter().filter(|reason| **reason == "Resumed").count(), 2);
}

#[test]
fn a_resume_is_not_lost_while_it_cannot_be_acted_upon() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks("ImagePullBackOff");
    while world.status.promotion.as_ref().is_none_or(|promotion| promotion.outcome.is_none()) {
        world.step();
    }
    let failed = world.status.promotion.clone().unwrap();
    let released = world.releases.pop().unwrap();
    world.observed.resume = Some("while its record is not seen".into());
    world.step();
    assert_eq!(
        (world.status.promotion.clone(), &world.status.last_handled_resume),
        (Some(failed.clone()), &None)
    );
    world.releases = vec![released];
    world.spec.suspend = true;
    world.settle();
    assert_eq!(world.status.promotion.as_ref().unwrap().id, failed.id);
    world.spec.suspend = false;
    world.settle();
    assert_ne!(world.status.promotion.as_ref().unwrap().id, failed.id);
}

#[test]
fn a_failed_release_that_was_pruned_is_not_written_again() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks("ImagePullBackOff");
    world.settle();
    world.releases.clear();
    assert!(!world.step());
    assert!(world.releases.is_empty());
}

#[test]
fn a_newer_candidate_takes_the_place_of_one_under_way() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.finds("v1.6.0");
    world.settle();
    assert_eq!(world.tags(), ["v1.6.0", "v1.4.2"]);
    let [.., superseded] = &world.releases[..] else { panic!() };
    assert_eq!((superseded.outcome, superseded.candidate.name.as_str()), (Outcome::Superseded, "v1.5.0"));
    assert!(world.event("Superseded").contains("v1.5.0 makes way for v1.6.0"));
    world.passes(599);
    world.settle();
    assert_eq!(world.tags(), ["v1.6.0", "v1.4.2"], "the soak of v1.5.0 does not count for v1.6.0");
    world.passes(1);
    world.settle();
    assert_eq!(world.deployed(), "v1.6.0");
    assert_eq!(world.status.promotion, None);
}

#[test]
fn what_has_just_passed_its_last_stage_is_released_before_a_newer_one_starts() {
    let mut world = World::promoted();
    world.production().servers[0].fate = Fate::Rolls;
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.5.0"]);
    // Both are seen by the same step.
    world.production().servers[0].fate = Fate::Runs;
    world.finds("v1.6.0");
    world.settle();
    let outcomes: Vec<_> = world.releases.iter().map(|release| release.outcome).collect();
    assert!(!outcomes.contains(&Outcome::Superseded), "{outcomes:?}");
    assert_eq!((world.deployed(), world.tags().join(" ")), ("v1.5.0", "v1.6.0 v1.5.0".into()));
}

#[test]
fn the_next_promotion_waits_until_the_last_one_is_recorded() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.finds("v1.6.0");
    let releases = world.releases.clone();
    for _ in 0..5 {
        world.step();
        world.releases.clone_from(&releases);
    }
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    assert_eq!(world.summary(), "Superseded: v1.6.0 instead of v1.5.0");
    assert_eq!(world.condition("Reconciling"), "True Superseded");
}

#[rstest]
#[case::selector(|stage: &mut Vec<Target>| stage.clear(), "match no Config and no Server")]
#[case::overrides(|stage: &mut Vec<Target>| stage[0].servers.clear(), "no Server takes its code from Server/canary")]
#[case::authority(|stage: &mut Vec<Target>| stage[0].servers[0].serves_code = false, "certificate authorities only")]
#[case::replicas(|stage: &mut Vec<Target>| stage[0].servers[0].replicas = 0, "0 replicas")]
fn a_stage_without_a_ready_pod_proves_nothing(#[case] empty: fn(&mut Vec<Target>), #[case] why: &str) {
    let mut world = World::promoted();
    empty(&mut world.stages[0]);
    world.settle();
    assert_eq!(world.condition("Ready"), "True Deployed", "what is deployed stays so");
    world.finds("v1.5.0");
    world.settle();
    world.passes(100_000);
    world.settle();
    assert_eq!(world.phases(), [StagePhase::NothingToProve, StagePhase::Pending]);
    assert!(world.message("NothingToProve").contains(why), "{}", world.message("NothingToProve"));
    assert_eq!(world.condition("Ready"), "False NothingToProve");
    assert!(!world.writes.iter().any(|write| write.starts_with("Config")));

    world.spec.stages.as_mut().unwrap()[0].allow_empty = true;
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

#[test]
fn a_server_that_joins_gets_the_code_of_its_stage_without_a_promotion() {
    let mut world = World::promoted();
    world.stages[1].push(Target::new(TargetKind::Server, "new", Some(reference("v1.0.0")), &["new"]));
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2", "v1.4.2"]);
    assert_eq!((world.releases.len(), world.writes.len()), (1, 1));
    assert!(world.event("Adopted").contains("Server/new is adopted from v1.0.0@"));
    let promotion = world.status.deployed.clone().unwrap().promotion;
    assert_eq!(world.stages[1][1].applied.clone().map(|applied| applied.promotion), promotion);
}

#[test]
fn a_server_that_joins_a_later_stage_gets_what_that_stage_runs() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.stages[1].push(Target::new(TargetKind::Server, "new", None, &["new"]));
    world.stages[0].push(Target::new(TargetKind::Server, "early", None, &["early"]));
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.5.0", "v1.4.2", "v1.4.2"]);
    world.passes(600);
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0"; 4]);
}

#[test]
fn a_new_stage_is_promoted_to() {
    let mut world = World::promoted();
    let mut spec = world.spec.clone();
    spec.stages.as_mut().unwrap().push(
        serde_json::from_value(json!({"name": "late", "targets": [{"kind": "Server", "name": "late"}]}))
            .unwrap(),
    );
    world.spec = spec;
    world.observed.generation += 1;
    world.stages.push(vec![Target::new(TargetKind::Server, "late", None, &["late"])]);
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(
        (world.tags(), world.writes.len(), world.releases.len()),
        (vec!["v1.4.2".to_owned(); 3], 1, 2)
    );
}

#[test]
fn a_passed_stage_does_not_go_back_when_a_pod_restarts() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.production().servers[0].fate = Fate::Rolls;
    world.settle();
    world.canary().servers[0].fate =
        Fate::Is(RolloutState::Progressing(Progress { updated: 1, ready: 0, wanted: 1 }));
    world.settle();
    world.production().servers[0].fate = Fate::Runs;
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
    assert_eq!(
        (world.condition("Ready"), world.condition("Deployed")),
        ("False Rolling".into(), "False NotEverywhere".into())
    );
}

#[rstest]
#[case(RolloutState::Impossible { reason: "DeploymentMissing", message: "there is no Deployment canary".into() }, "DeploymentMissing", "False DeploymentMissing")]
#[case(RolloutState::Impossible { reason: "Paused", message: "there is no Deployment canary, ".into() }, "Paused", "True Waiting")]
#[case(RolloutState::PausedByPerson, "PausedByPerson", "True Waiting")]
fn a_rollout_that_does_not_go_on_is_waited_for(
    #[case] state: RolloutState,
    #[case] reason: &str,
    #[case] ready: &str,
) {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Is(state);
    world.settle();
    world.passes(100_000);
    world.settle();
    assert_eq!((world.reasons(), world.condition("Ready")), (vec![reason], ready.into()));
    assert_eq!((world.tags()[1].as_str(), world.phases()[0]), ("v1.4.2", StagePhase::Rolling));
    assert_eq!(world.status.stages[0].desired, 1);
    let message = world.message(reason);
    assert!(
        message.contains("Deployment of Server canary") || message.contains("no Deployment canary"),
        "{message}"
    );
}

#[test]
fn a_resumed_promotion_names_its_targets() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    world.canary().servers[0].fate = Fate::Runs;
    world.observed.resume = Some("token".into());
    world.settle();
    world.passes(600);
    world.settle();
    let release = world.releases.last().unwrap();
    let targets: Vec<_> = release.stages.iter().flat_map(|stage| &stage.targets).collect();
    let targets: Vec<_> =
        targets.iter().map(|target| (target.target.as_str(), &target.servers[..])).collect();
    assert_eq!(release.trigger, voxsync_crds::code_sync::Trigger::Resume);
    assert_eq!(
        targets,
        [("Server/canary", &["canary".to_owned()][..]), ("Config/production", &["compile".to_owned()][..])]
    );
}

#[test]
fn a_record_that_cannot_be_written_is_said() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    for _ in 0..10 {
        world.step();
        world.releases.truncate(1);
        world.observed.record_refused = Some("exceeded quota: releases".into());
    }
    world.finds("v1.6.0");
    world.step();
    world.releases.truncate(1);
    assert_eq!(
        (world.reasons(), world.condition("Ready")),
        (vec!["NotRecorded"], "False NotRecorded".into())
    );
    assert!(world.message("NotRecorded").ends_with("exceeded quota: releases"));
    world.observed.record_refused = None;
    world.settle();
    assert_eq!(
        (world.releases.len(), world.tags()[0].as_str(), world.reasons()),
        (2, "v1.6.0", vec!["Soak"])
    );
}

#[test]
fn the_image_of_the_server_itself_is_told_from_the_code_image() {
    let mut world = World::promoted();
    world.gives_back_by_hand();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = Fate::Is(RolloutState::Stuck(Stuck {
        reason: "ImagePullBackOff".into(),
        pod: "canary-1".into(),
        message: "not found".into(),
        image: StuckImage::Server,
    }));
    world.settle();
    assert!(
        world
            .event("PromotionFailed")
            .contains("the image of the server itself, not the code image: not found")
    );
}

#[test]
fn all_targets_of_a_stage_are_written_at_once() {
    let spec = staged(
        &json!([{"name": "all", "targets": [{"kind": "Server", "selector": {"matchLabels": {"a": "b"}}}]}]),
    );
    let target = |name| Target::new(TargetKind::Server, name, None, &[name]);
    let mut world = World::new(spec, vec![vec![target("a"), target("b"), target("c")]]);
    world.finds("v1.0.0");
    world.step();
    world.step();
    assert_eq!(world.writes, ["Server/a=v1.0.0", "Server/b=v1.0.0", "Server/c=v1.0.0"]);
}

#[test]
fn pull_secret_and_policy_are_written_beside_it() {
    let mut world = World::promoted();
    let write = json!({"imagePullSecret": "ghcr-pull", "imagePullPolicy": "Always", "form": "Digest"});
    world.spec.write = Some(serde_json::from_value(write).unwrap());
    world.finds("v1.5.0");
    world.step();
    let taken = voxsync_promotion::step(&world.spec, &world.status, &world.observe(), world.now);
    let [voxsync_promotion::Action::Write(write)] = &taken.actions[..] else { panic!("{:?}", taken.actions) };
    assert_eq!(write.pull_secret.as_deref(), Some("ghcr-pull"));
    assert!(write.pull_policy.is_some());
    assert_eq!(
        write.applied.reference,
        Some(format!("{}@{}", super::world::REPOSITORY, super::world::digest("v1.5.0")))
    );
}

#[test]
fn a_ca_beside_a_server_that_serves_is_enough() {
    let mut world = World::promoted();
    let ca = Server { serves_code: false, fate: Fate::Is(RolloutState::Pending), ..Server::new("ca") };
    world.canary().servers.push(ca);
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.phases()[0], StagePhase::Soaking);
}

#[test]
fn a_stage_that_loses_all_its_servers_says_so_and_stays() {
    let mut world = World::promoted();
    world.production().servers.clear();
    world.settle();
    assert_eq!((world.condition("Ready"), world.reasons()), ("True Deployed".into(), vec!["NothingToProve"]));
    let said = world.message("NothingToProve").to_owned();
    assert!(said.contains("nothing in stage production proves any more that its code runs"), "{said}");
}

//! What targets run already, and how it is taken over.

use super::world::{Fate, REPOSITORY, Target, World, canary_and_production, reference};
use rstest::rstest;
use voxsync_crds::code_sync::{Adopt, TargetKind};
use voxsync_promotion::TargetProblem;
use voxsync_rollout::state::{RolloutState, Stuck, StuckImage};

fn adopting(live: Option<String>, adopt: Option<Adopt>) -> World {
    let mut world = World::new(
        canary_and_production(),
        vec![
            vec![Target::new(TargetKind::Server, "canary", live.clone(), &["canary"])],
            vec![Target::new(TargetKind::Config, "production", live, &["compile"])],
        ],
    );
    world.spec.adopt = adopt;
    world.finds("v1.4.2");
    world.settle();
    world.passes(600);
    world.settle();
    world
}

fn tag_only() -> String {
    format!("{REPOSITORY}:v1.4.2")
}

#[rstest]
#[case::equal(Some(reference("v1.4.2")), None, 0)]
#[case::equal_with_pin(Some(reference("v1.4.2")), Some(Adopt::Pin), 0)]
#[case::tag_only(Some(tag_only()), None, 0)]
#[case::tag_only_kept(Some(tag_only()), Some(Adopt::Keep), 0)]
#[case::tag_only_pinned(Some(tag_only()), Some(Adopt::Pin), 2)]
#[case::something_else(Some(reference("v1.0.0")), None, 2)]
#[case::nonsense(Some("not a ref!!".to_owned()), None, 2)]
#[case::nothing(None, None, 2)]
fn what_is_there_is_taken_over(
    #[case] live: Option<String>,
    #[case] adopt: Option<Adopt>,
    #[case] writes: usize,
) {
    let mut world = adopting(live.clone(), adopt);
    assert_eq!((world.writes.len(), world.releases.len()), (writes, writes.min(1)));
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.4.2", "True Deployed".into()));
    assert_eq!(world.condition("Deployed"), "True Deployed");
    let adopted = world.told().iter().filter(|reason| **reason == "Adopted").count();
    assert_eq!(adopted, if live.is_none() { 0 } else { writes.max(1) });
    if writes > 0 {
        assert_eq!(world.production().applied.clone().unwrap().previous, live);
    } else {
        assert_eq!(world.production().applied, None);
    }
    // The next candidate takes all of them on.
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.tags()), ("v1.5.0", vec!["v1.5.0".to_owned(); 2]));
    assert!(world.production().applied.is_some());
}

#[test]
fn what_a_target_runs_that_comes_after_its_codesync_is_taken_over() {
    let live = Some(reference("v1.4.2"));
    let gone = TargetProblem { reason: TargetProblem::MISSING, message: "gone".into(), stalled: false };
    let stages = vec![
        vec![Target::new(TargetKind::Server, "canary", live.clone(), &["canary"])],
        vec![Target::new(TargetKind::Config, "production", live, &["compile"])],
    ];
    let mut world = World::new(canary_and_production(), stages);
    // That none of them is there is the same as one.
    for missing in [vec![0, 1], vec![1]] {
        for (index, stage) in world.stages.iter_mut().enumerate() {
            stage[0].problem = missing.contains(&index).then(|| gone.clone());
        }
        world.finds("v1.4.2");
        world.settle();
        assert!(world.status.promotion.is_none() && world.writes.is_empty());
        assert_eq!(world.condition("Ready"), "False TargetMissing");
    }
    world.production().problem = None;
    world.settle();
    assert_eq!((world.deployed(), world.writes.len(), world.releases.len()), ("v1.4.2", 0, 0));
    // One that goes away later holds up no other stage.
    world.production().problem = Some(gone);
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.writes, ["Server/canary=v1.5.0"]);
}

#[test]
fn an_adopted_tag_is_shown_without_a_digest() {
    let world = adopting(Some(tag_only()), None);
    let deployed = world.status.deployed.clone().unwrap();
    assert_eq!((deployed.reference, deployed.digest, deployed.promotion), (tag_only(), None, None));
    let mut world = World { spec: world.spec.clone(), ..world };
    world.spec.adopt = Some(Adopt::Pin);
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.status.deployed.as_ref().unwrap().reference, reference("v1.4.2"));
}

#[test]
fn only_what_differs_is_written() {
    let mut world = World::new(
        canary_and_production(),
        vec![
            vec![Target::new(TargetKind::Server, "canary", Some(reference("v1.4.2")), &["canary"])],
            vec![Target::new(TargetKind::Config, "production", Some(reference("v1.4.0")), &["compile"])],
        ],
    );
    world.finds("v1.4.2");
    world.settle();
    assert_eq!(world.summary(), "Waiting: soak of canary until 14:10:00Z");
    world.passes(600);
    world.settle();
    assert_eq!(world.writes, ["Config/production=v1.4.2"]);
    assert!(world.event("Adopted").contains("Config/production is adopted from v1.4.0@"));
}

#[test]
fn a_server_that_joins_what_was_adopted_is_promoted() {
    let mut world = World::canary_and_production();
    world.forget();
    world.stages[1].push(Target::new(TargetKind::Server, "new", None, &["new"]));
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.tags(), world.writes.len()), (vec!["v1.4.2".to_owned(); 3], 1));
    assert_eq!(world.condition("Ready"), "True Deployed");
}

#[test]
fn suspended_adoption_writes_nothing_and_says_what_it_would() {
    let mut world = World::new(
        canary_and_production(),
        vec![
            vec![Target::new(TargetKind::Server, "canary", Some(reference("v1.0.0")), &["canary"])],
            vec![Target::new(TargetKind::Config, "production", None, &["compile"])],
        ],
    );
    world.spec.suspend = true;
    world.finds("v1.4.2");
    world.settle();
    assert_eq!(world.writes.len(), 0);
    assert!(
        world.message("Suspended").contains("Config/production (no code → v1.4.2@"),
        "{}",
        world.message("Suspended")
    );
}

#[test]
fn a_record_of_a_codesync_that_is_gone_is_nobodys() {
    let mut world = World::promoted();
    world.observed.uid = "another uid".into();
    world.status = voxsync_crds::code_sync::CodeSyncStatus::default();
    world.releases.clear();
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
    assert_eq!(world.production().applied.clone().unwrap().code_sync, "another uid");
}

#[test]
fn what_is_adopted_in_the_middle_of_a_rollout_is_not_deployed_before_its_end() {
    let mut world = World::with_authority();
    world.status = voxsync_crds::code_sync::CodeSyncStatus::default();
    world.server("ca").fate = Fate::Rolls;
    world.server("ca").runs = None;
    world.settle();
    assert_eq!((world.deployed(), world.reasons()), ("-", vec!["Adopting"]));
    assert_eq!(
        (world.condition("Ready"), world.condition("Deployed")),
        ("False Adopting".into(), "False NeverDeployed".into())
    );
    assert!(world.message("Adopting").contains("which ca does not yet"), "{}", world.message("Adopting"));
    world.server("ca").fate = Fate::Runs;
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.4.2", "True Deployed".into()));
    assert_eq!((world.writes.len(), world.releases.len()), (0, 0));
}

fn stuck(reason: &str) -> RolloutState {
    RolloutState::Stuck(Stuck {
        reason: reason.into(),
        pod: "compile-5d8f-x2x".into(),
        message: "manifest unknown".into(),
        image: StuckImage::Code,
    })
}

#[rstest]
#[case::missing(RolloutState::Impossible { reason: "DeploymentMissing", message: "the Server has no Deployment yet".into() },
    "compile (DeploymentMissing: the Server has no Deployment yet) does not yet")]
#[case::paused_by_annotation(RolloutState::Impossible { reason: "Paused", message: "there is no Deployment".into() },
    "compile (Paused: there is no Deployment) does not yet")]
#[case::stuck(
    stuck("ImagePullBackOff"),
    "compile (ImagePullBackOff: pod compile-5d8f-x2x: manifest unknown) does not yet"
)]
#[case::may_heal(stuck("Unschedulable"), "compile (Unschedulable: pod compile-5d8f-x2x: manifest unknown)")]
#[case::timed_out(RolloutState::TimedOut { message: "no progress for 600 s".into() },
    "compile (ProgressDeadlineExceeded: no progress for 600 s) does not yet")]
#[case::paused(
    RolloutState::PausedByPerson,
    "compile (PausedByPerson: its Deployment is paused by a person: `kubectl rollout resume deployment/compile -n puppet`)"
)]
fn what_a_server_cannot_run_is_not_deployed_and_the_row_says_why(
    #[case] state: RolloutState,
    #[case] says: &str,
) {
    let mut world = World::canary_and_production();
    world.status = voxsync_crds::code_sync::CodeSyncStatus::default();
    world.forget();
    // That one is on its way is not the news.
    world.server("canary").fate = Fate::Rolls;
    world.server("canary").runs = None;
    world.server("compile").fate = Fate::Is(state);
    world.settle();
    assert_eq!((world.deployed(), world.reasons()), ("-", vec!["Adopting"]));
    assert_eq!(
        (world.condition("Ready"), world.condition("Deployed")),
        ("False Adopting".into(), "False NeverDeployed".into())
    );
    assert!(world.message("Adopting").contains(says), "{}", world.message("Adopting"));
    assert!(world.summary().starts_with("Adopting: compile ("), "{}", world.summary());
    assert!(!world.told().contains(&"Adopted"), "{:?}", world.events);
    for server in ["canary", "compile"] {
        world.server(server).fate = Fate::Runs;
    }
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.4.2", "True Deployed".into()));
    assert_eq!((world.writes.len(), world.told()), (0, vec!["CandidateFound", "Adopted"]));
}

#[test]
fn a_server_that_can_never_run_keeps_no_new_candidate_from_the_others() {
    let mut world = World::canary_and_production();
    world.status = voxsync_crds::code_sync::CodeSyncStatus::default();
    world.forget();
    let foreign =
        RolloutState::Impossible { reason: "ForeignOwner", message: "it is owned by others".into() };
    world.server("compile").fate = Fate::Is(foreign);
    world.settle();
    assert_eq!((world.deployed(), world.reasons()), ("-", vec!["Adopting"]));
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.writes, ["Server/canary=v1.5.0", "Config/production=v1.5.0"]);
    assert_eq!(world.message("ForeignOwner"), "Server compile: it is owned by others");
    world.server("compile").fate = Fate::Runs;
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.5.0", "True Deployed".into()));
}

#[test]
fn a_target_that_nobody_makes_holds_up_the_others_for_two_minutes() {
    let gone = TargetProblem { reason: TargetProblem::MISSING, message: "gone".into(), stalled: false };
    let stages = vec![
        vec![Target::new(TargetKind::Server, "canary", None, &["canary"])],
        vec![Target::new(TargetKind::Config, "production", None, &["compile"])],
    ];
    let mut world = World::new(canary_and_production(), stages);
    world.production().problem = Some(gone);
    world.finds("v1.5.0");
    world.settle();
    world.passes(119);
    world.settle();
    assert!(world.writes.is_empty());
    world.passes(1);
    world.settle();
    assert_eq!(world.writes, ["Server/canary=v1.5.0"]);
}

//! The table of conditions: what a tool that waits for them, and a person who reads one line, are told.

use super::world::{Fate, World, reference};
use rstest::rstest;
use voxsync_promotion::{ObservedSource, SourceProblem};

fn fresh(world: &mut World) {
    world.status = voxsync_crds::code_sync::CodeSyncStatus::default();
    world.observed.source = ObservedSource { looked: true, ..ObservedSource::default() };
}

fn problem(reason: &str, unreachable: bool) -> SourceProblem {
    SourceProblem { reason: reason.into(), message: "it was so and so".into(), unreachable }
}

/// The image of a commit is not there yet.
fn builds(world: &mut World) {
    let git = serde_json::json!({
        "url": "https://git.example/code.git", "ref": {"branch": "main"}, "image": "ghcr.io/example/code:{commit}",
    });
    world.spec.source = serde_json::from_value(serde_json::json!({"git": git})).unwrap();
    world.observed.source.problem = Some(problem(SourceProblem::IMAGE_UNAVAILABLE, false));
}

#[rstest]
#[case::deployed(|_: &mut World| (), "True Deployed", "-", "-", "True Deployed", "Deployed")]
#[case::rolling(
    |world: &mut World| { world.finds("v1.5.0"); world.canary().servers[0].fate = Fate::Rolls; },
    "False Rolling", "True Rolling", "-", "False CandidateNotDeployed", "Rolling: canary 0 of 1 ready"
)]
#[case::soaking(
    |world: &mut World| world.finds("v1.5.0"),
    "True Waiting", "-", "-", "False CandidateNotDeployed", "Waiting: soak of canary until 14:20:00Z"
)]
#[case::failed(
    |world: &mut World| { world.finds("v1.5.0"); world.canary().servers[0].fate = Fate::Sticks("ImagePullBackOff"); },
    "False RolledBack", "-", "-", "False CandidateNotDeployed", "RolledBack: canary ImagePullBackOff"
)]
#[case::held(
    |world: &mut World| { let now = world.now; world.production().changed_by("helm", Some(&reference("v1.0.0")), now); },
    "False Held", "-", "-", "False NotEverywhere", "Held: changed by helm"
)]
#[case::claimed(
    |world: &mut World| world.production().claimed_by = Some("other".into()),
    "False Claimed", "-", "True Claimed", "False NotEverywhere", "Claimed: production: Config/production"
)]
#[case::invalid(
    |world: &mut World| world.observed.invalid = Some("spec.source: no".into()),
    "False InvalidSpec", "-", "True InvalidSpec", "False NotEverywhere", "InvalidSpec: spec.source: no"
)]
#[case::suspended(
    |world: &mut World| world.spec.suspend = true,
    "True Suspended", "-", "-", "True Deployed", "Suspended: spec.suspend is true; no reason is given"
)]
#[case::suspended_and_held(
    |world: &mut World| { world.spec.suspend = true; world.production().live = voxsync_promotion::Live::default(); },
    "False Held", "-", "-", "False NotEverywhere", "Held: changed by voxsync"
)]
#[case::lower(
    |world: &mut World| world.finds("v1.0.0"),
    "True Waiting", "-", "-", "True Deployed", "Waiting: v1.0.0 is lower than v1.4.2"
)]
#[case::outage(
    |world: &mut World| world.observed.source.problem = Some(problem("Unreachable", true)),
    "True Deployed", "-", "-", "True Deployed", "Deployed: source Unreachable"
)]
#[case::source_needs_somebody(
    |world: &mut World| world.observed.source.problem = Some(problem("Unauthorized", true)),
    "False Unauthorized", "-", "-", "True Deployed", "Unauthorized: the source"
)]
#[case::named_image_is_on_its_way(
    |world: &mut World| world.observed.source.problem = Some(problem("ImageUnavailable", false)),
    "True Waiting", "-", "-", "True Deployed", "Waiting: ImageUnavailable"
)]
#[case::ci_builds_the_image(
    |world: &mut World| { builds(world); world.observed.source.revision = Some("85e7bb0c9f".repeat(4)); },
    "True Waiting", "-", "-", "True Deployed", "Waiting: image of commit 85e7bb0"
)]
#[case::ci_builds_the_image_of_a_tag(
    |world: &mut World| { builds(world); world.observed.source.revision = Some("v1.5.0".into()); },
    "True Waiting", "-", "-", "True Deployed", "Waiting: image of v1.5.0"
)]
#[case::ci_builds_the_first_image(
    |world: &mut World| { fresh(world); builds(world); },
    "False ImageUnavailable", "True ImageUnavailable", "-", "False NeverDeployed",
    "ImageUnavailable: image of the newest commit"
)]
#[case::source_needs_somebody_while_it_rolls(
    |world: &mut World| {
        world.finds("v1.5.0");
        world.canary().servers[0].fate = Fate::Rolls;
        world.settle();
        world.observed.source.problem = Some(problem("BadReference", false));
    },
    "False Rolling", "True Rolling", "-", "False CandidateNotDeployed", "Rolling: canary 0 of 1 ready"
)]
#[case::never_a_candidate(
    |world: &mut World| {
        fresh(world);
        world.observed.source.problem = Some(problem("NoMatch", false));
    },
    "False NoMatch", "-", "-", "False NeverDeployed", "NoMatch: no candidate"
)]
#[case::first_look(
    |world: &mut World| { fresh(world); world.observed.source.looked = false; },
    "False Source", "True Source", "-", "False NeverDeployed", "Source: first look"
)]
#[case::stuck_in_rest(
    |world: &mut World| world.production().servers[0].fate = Fate::Is(voxsync_rollout::state::RolloutState::TimedOut { message: "late".into() }),
    "False ProgressDeadlineExceeded", "-", "-", "False NotEverywhere", "ProgressDeadlineExceeded: production compile"
)]
fn conditions(
    #[case] change: fn(&mut World),
    #[case] ready: &str,
    #[case] reconciling: &str,
    #[case] stalled: &str,
    #[case] deployed: &str,
    #[case] summary: &str,
) {
    let mut world = World::promoted();
    change(&mut world);
    world.settle();
    let said = ["Ready", "Reconciling", "Stalled", "Deployed"].map(|kind| world.condition(kind));
    assert_eq!(said, [ready, reconciling, stalled, deployed]);
    assert_eq!(world.summary(), summary);
    let source = world.condition("SourceReady");
    let is_built = source == "True ImageUnavailable";
    assert_eq!(is_built, world.spec.source.git.is_some(), "nothing is wrong while CI builds: {source}");
    for kind in ["Ready", "SourceReady", "Held", "Suspended", "Deployed"] {
        assert_ne!(world.condition(kind), "-", "{kind} is always there");
    }
    assert!(world.status.conditions.iter().all(|condition| condition.observed_generation == Some(1)));
}

#[test]
fn what_was_adopted_and_rolls_is_said() {
    let mut world = World::canary_and_production();
    world.production().servers[0].fate = Fate::Rolls;
    world.production().servers[0].runs = None;
    world.settle();
    assert_eq!((world.summary(), world.deployed()), ("Rolling: production 0 of 1 ready", "v1.4.2"));
}

#[test]
fn the_transition_time_moves_only_with_the_status() {
    let mut world = World::promoted();
    let time = |world: &World| {
        world.status.conditions.iter().find(|it| it.kind == "Ready").unwrap().last_transition_time
    };
    let first = time(&world);
    world.passes(60);
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(
        (world.condition("Ready"), time(&world)),
        ("True Waiting".into(), world.now.into()),
        "it was False while it rolled"
    );
    let soaking = time(&world);
    world.passes(60);
    world.observed.generation += 1;
    world.settle();
    assert_eq!(time(&world), soaking);
    assert!(soaking > first);
}

#[test]
fn a_soak_of_a_day_names_the_day() {
    let mut world = World::promoted();
    world.spec.stages.as_mut().unwrap()[0].soak = Some("24h".into());
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.summary(), "Waiting: soak of canary until 2026-11-23 14:10Z");
}

#[test]
fn a_soak_that_is_no_duration_stalls() {
    let mut world = World::promoted();
    world.spec.stages.as_mut().unwrap()[0].soak = Some("a while".into());
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.condition("Stalled"), "True InvalidSpec");
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
}

//! Targets in other namespaces: consent that goes and comes again, and records that may be anybody's text.

use rstest::rstest;
use serde_json::json;
use voxsync_crds::code_sync::{Outcome, StagePhase, TargetKind};

use super::world::{Fate, REPOSITORY, Target, World, reference, staged};

/// A certificate authority by itself, and the only other Server of its stage in a namespace of its own; on v1.4.2.
fn authority_apart() -> World {
    let targets = [
        Target::new(TargetKind::Config, "others", Some(reference("v1.4.2")), &["compile"]),
        Target::new(TargetKind::Server, "ca", Some(reference("v1.4.2")), &["ca"]),
    ];
    let stages = json!([{"name": "all", "targets": [{"kind": "Config", "name": "x"}]}]);
    let mut world = World::new(staged(&stages), vec![targets.into()]);
    world.server("ca").is_authority = true;
    world.finds("v1.4.2");
    world.settle();
    assert_eq!(world.deployed(), "v1.4.2");
    world.forget();
    world
}

fn goes_back(world: &mut World) {
    world.observed.rollback = Some("1".into());
    world.settle();
}

fn promoted_to(world: &mut World, tag: &str) {
    world.finds(tag);
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), tag);
    world.forget();
}

#[test]
fn consent_given_again_after_a_rollback_brings_it_in_order() {
    let mut world = World::released_with_authority();
    let open = world.stages[0][0].clone();
    world.stages[0][0].shut();
    goes_back(&mut world);
    assert_eq!((world.deployed(), world.tags()), ("v1.4.2", vec!["v1.5.0".to_owned()]));
    world.forget();
    world.stages[0][0] = open;
    world.settle();
    // The certificate authority is held back first, as always.
    assert_eq!((world.phases(), world.writes.len()), (vec![StagePhase::Gating], 0));
    world.hold_back(&["ca"]);
    world.settle();
    assert_eq!(
        (world.tags(), world.server("ca").runs.clone()),
        (vec!["v1.4.2".into()], Some(reference("v1.5.0")))
    );
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::Released);
}

#[test]
fn consent_given_again_while_others_go_back_is_given_before_it_counts_as_gone_back() {
    let mut world = World::promoted();
    promoted_to(&mut world, "v1.5.0");
    let open = world.production().clone();
    world.production().shut();
    world.server("canary").fate = Fate::Rolls;
    goes_back(&mut world);
    let first = world.status.promotion.as_ref().unwrap().id.clone();
    *world.production() = open;
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.5.0"]);
    world.server("canary").fate = Fate::Runs;
    world.settle();
    assert_eq!((world.deployed(), world.tags()), ("v1.4.2", vec!["v1.4.2".to_owned(); 2]));
    assert_eq!(world.releases.last().unwrap().promotion, first);
}

/// Found by simulation: nobody else of the stage was seen, and so nobody had to run it first.
#[test]
fn an_authority_does_not_go_first_because_the_others_shut() {
    let mut world = authority_apart();
    world.stages[0][0].shut();
    world.finds("v1.5.0");
    world.settle();
    assert_eq!((world.writes.len(), world.phases()), (0, vec![StagePhase::Pending]));
    assert_eq!(world.condition("Ready"), "False NoConsent");

    world.stages[0][0].problem = None;
    world.settle_gating(&["ca"]);
    assert_eq!(world.server("compile").runs, Some(reference("v1.5.0")));
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
}

/// What ran everywhere before needs nobody to prove it.
#[test]
fn a_person_goes_back_with_an_authority_whose_company_shut() {
    let mut world = authority_apart();
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    assert_eq!(world.deployed(), "v1.5.0");
    world.stages[0][0].shut();
    goes_back(&mut world);
    assert_eq!((world.deployed(), world.tags()), ("v1.4.2", vec!["v1.5.0".into(), "v1.4.2".into()]));
}

#[test]
fn a_record_on_a_target_that_shut_refuses_no_candidate() {
    let mut world = World::promoted();
    world.production().applied.as_mut().unwrap().reference = Some(format!("{REPOSITORY}:v9.0.0"));
    world.production().shut();
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.tags()[0], "v1.5.0", "{:?}", world.status.waiting);
}

#[test]
fn a_record_on_a_target_that_shut_is_in_no_release() {
    let mut world = World::promoted();
    promoted_to(&mut world, "v1.5.0");
    world.production().applied.as_mut().unwrap().reference = Some(reference("v1.4.2"));
    world.production().shut();
    goes_back(&mut world);
    let release = world.releases.last().unwrap();
    let named: Vec<_> =
        release.stages.iter().flat_map(|stage| &stage.targets).map(|it| it.target.as_str()).collect();
    assert_eq!((release.outcome, named), (Outcome::Released, vec!["Server/canary"]));
}

#[rstest]
#[case::what_it_had(None, Some(reference("v1.4.2")))]
#[case::what_somebody_put_there(Some("evil.example/code:v1"), None)]
fn what_a_target_elsewhere_was_given_back_is_believed_only_if_it_ran(
    #[case] forged: Option<&str>,
    #[case] wanted: Option<String>,
) {
    let mut world = World::promoted();
    world.canary().key.namespace = Some("staging".to_owned());
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.finds("v1.5.0");
    world.settle();
    if let Some(forged) = forged {
        world.canary().applied.as_mut().unwrap().previous = Some(forged.to_owned());
    }
    world.passes(600);
    world.server("compile").runs = None;
    world.settle();
    world.server("compile").fate = Fate::Runs;
    world.settle();
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::RolledBack, "{:?}", world.status.waiting);
    assert_eq!(world.status.stages[0].reference, wanted);
}

#[test]
fn what_stays_held_back_elsewhere_is_let_go_with_its_namespace() {
    let mut world = World::with_authority();
    world.server("ca").name = "prod/ca".to_owned();
    world.finds("v1.5.0");
    world.settle_gating(&["prod/ca"]);
    world.server("prod/ca").lift();
    world.settle();
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    world.observed.rollback = Some("1".into());
    world.settle_gating(&["prod/ca"]);
    let said = world.message("Failed");
    assert!(said.contains("let go with `kubectl rollout resume deployment/ca -n prod`"), "{said}");
}

#[rstest]
#[case::its_own("puppet", false)]
#[case::another("prod", true)]
fn consent_is_spoken_of_only_where_it_is_needed(#[case] namespace: &str, #[case] wanted: bool) {
    let selector = json!({"matchLabels": {"ring": "late"}});
    let stages = json!([
        {"name": "first", "targets": [{"kind": "Config", "name": "first"}]},
        {"name": "late", "targets": [{"kind": "Config", "selector": selector, "namespace": namespace}]},
    ]);
    let live = Some(reference("v1.4.2"));
    let first = Target::new(TargetKind::Config, "first", live, &["one"]);
    let mut world = World::new(staged(&stages), vec![vec![first], Vec::new()]);
    world.finds("v1.5.0");
    world.settle();
    let rows = &world.status.waiting;
    let row = rows.iter().find(|row| row.message.contains("its selectors match no Config")).expect("a row");
    assert_eq!(row.message.contains("voxsync.dev/accepts-from"), wanted, "{}", row.message);
}

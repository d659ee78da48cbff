//! Which candidate should run: no accidents by a shorter list, a moved tag, or an outage; pins.

use super::world::{Fate, REPOSITORY, World, candidate, candidate_at, digest};
use rstest::rstest;
use serde_json::json;
use voxsync_crds::code_sync::{CandidateStatus, CodeSyncSpec, Trigger};
use voxsync_promotion::{ImageProblem, SourceProblem};

fn follow(world: &mut World) {
    world.spec.source = source(&json!({"registry": {"repository": REPOSITORY, "tag": {"follow": "stable"}}}));
}

fn source(value: &serde_json::Value) -> voxsync_crds::code_sync::Source {
    let spec = json!({"source": value, "target": {"kind": "Server", "name": "x"}});
    serde_json::from_value::<CodeSyncSpec>(spec).unwrap().source
}

fn unreachable() -> SourceProblem {
    SourceProblem { reason: "Unreachable".into(), message: "no route to ghcr.io".into(), unreachable: true }
}

#[test]
fn a_lower_version_starts_nothing() {
    let mut world = World::promoted();
    world.finds("v1.4.1");
    world.settle();
    assert_eq!((world.tags(), world.writes.len()), (vec!["v1.4.2".to_owned(); 2], 0));
    assert_eq!(
        world.message("Downgrade"),
        "the source's newest is v1.4.1, which is lower than v1.4.2, which runs: nothing goes back by itself. Force it \
         with `voxsync promote production v1.4.1 -n puppet`"
    );
    assert_eq!(
        (world.condition("Ready"), world.condition("Deployed")),
        ("True Waiting".into(), "True Deployed".into())
    );
    assert_eq!(world.summary(), "Waiting: v1.4.1 is lower than v1.4.2");
}

#[test]
fn a_git_tag_that_disappears_brings_nothing_back() {
    let mut world = World::promoted();
    world.spec.source = source(&json!({"git": {
        "url": "https://git.example/c.git", "ref": {"tag": {"semver": "*"}}, "reference": {"path": "image.txt"},
    }}));
    let from_tag = |git_tag: &str, image: &str| CandidateStatus {
        source_revision: Some(git_tag.into()),
        ..candidate(image)
    };
    world.finds_candidate(from_tag("v2.0.0", "b"));
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "b");
    // The second look tells from what is stored, not from what was seen before.
    for _ in 0..2 {
        world.finds_candidate(from_tag("v1.9.0", "a"));
        world.settle();
        world.passes(600);
    }
    assert_eq!((world.deployed(), world.reasons(), world.writes.len()), ("b", vec!["Downgrade"], 2));
    let message = world.message("Downgrade");
    assert!(message.contains("v1.9.0, which is lower than v2.0.0, which runs"), "{message}");
    let moved = CandidateStatus { repository: "registry.example/before".into(), ..from_tag("v1.8.0", "c") };
    world.finds_candidate(moved);
    world.settle();
    assert_eq!((world.deployed(), world.writes.len()), ("b", 2), "wherever the image is that it names");
    world.finds_candidate(from_tag("v2.0.1", "a"));
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "a", "the text of the file says nothing of the order");
}

#[rstest]
#[case::a_fix("v1.4.3", None, "v1.4.3")]
#[case::what_was_deployed_before(
    "v1.4.2",
    Some("v1.4.2, which is lower than v2.0.0, which failed"),
    "v2.0.0"
)]
#[case::something_older("v1.4.1", Some("v1.4.1, which is lower than v2.0.0, which failed"), "v2.0.0")]
fn a_version_that_failed_blocks_no_fix(
    #[case] next: &str,
    #[case] says: Option<&str>,
    #[case] canary_runs: &str,
) {
    let mut world = World::promoted();
    world.gives_back_by_hand();
    world.finds("v2.0.0");
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    world.canary().servers[0].fate = Fate::Runs;
    world.finds(next);
    world.settle();
    assert_eq!(world.tags(), [canary_runs, "v1.4.2"]);
    if let Some(sentence) = says {
        assert!(world.message("Downgrade").contains(sentence), "{:?}", world.status.waiting);
        return;
    }
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), (next, "True Deployed".into()));
}

#[test]
fn a_tag_that_disappears_stops_no_promotion_under_way() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.finds("v1.4.2");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.reasons()), ("v1.5.0", vec!["Downgrade"]));
}

#[test]
fn a_tag_that_disappears_after_it_was_superseded_by_one_that_disappears_brings_nothing_back() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.finds("v1.6.0");
    let releases = world.releases.clone();
    world.step();
    world.releases = releases;
    world.finds("v1.4.2");
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"], "the canary is not taken back");
    assert_eq!(world.reasons(), ["Downgrade"]);
}

#[test]
fn a_higher_version_by_hand_is_not_taken_back_at_the_first_adoption() {
    let mut world = World::canary_and_production();
    world.status = voxsync_crds::code_sync::CodeSyncStatus::default();
    world.forget();
    world.finds("v1.4.0");
    world.settle();
    assert_eq!((world.writes.len(), world.reasons()), (0, vec!["Downgrade"]));
}

#[rstest]
#[case::git(json!({"git": {"url": "https://git.example/c.git", "ref": {"branch": "production"}, "reference": {"path": "code-version.txt"}}}))]
#[case::file(json!({"file": {"path": "reference.txt"}}))]
fn a_reference_file_may_go_back(#[case] from: serde_json::Value) {
    let mut world = World::promoted();
    world.spec.source = source(&from);
    world.finds("v1.4.1");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.tags()), ("v1.4.1", vec!["v1.4.1".to_owned(); 2]));
}

#[test]
fn a_followed_tag_moves_by_its_digest() {
    let mut world = World::promoted();
    follow(&mut world);
    for name in ["one", "two", "one"] {
        world.finds_candidate(candidate_at("stable", &digest(name)));
        world.settle();
        world.passes(600);
        world.settle();
        assert_eq!(world.status.deployed.as_ref().unwrap().digest, Some(digest(name)));
    }
    assert_eq!(world.told().iter().filter(|reason| **reason == "TagMoved").count(), 0);
    assert_eq!(world.writes.len(), 6);
}

#[test]
fn the_same_digest_under_another_tag_restarts_nothing() {
    let mut world = World::promoted();
    world.finds_candidate(candidate_at("v1.4.3", &digest("v1.4.2")));
    world.settle();
    assert_eq!((world.writes.len(), world.releases.len()), (0, 1));
    assert_eq!(world.condition("Deployed"), "True Deployed");

    world.spec.write = Some(serde_json::from_value(json!({"form": "Tag"})).unwrap());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(
        world.tags(),
        ["v1.4.3", "v1.4.3"],
        "a form with only the tag has nothing else to tell codes apart"
    );
}

#[test]
fn a_version_tag_that_is_pushed_again_is_reported_and_never_deployed() {
    let mut world = World::promoted();
    for _ in 0..2 {
        world.finds_candidate(candidate_at("v1.4.2", &digest("other")));
        world.settle();
        world.observed.source.candidate = Some(candidate_at("v1.4.2", &digest("other")));
        world.settle();
    }
    assert_eq!(world.writes.len(), 0);
    let event = world.event("TagMoved");
    assert!(event.contains("the tag v1.4.2 of ghcr.io/example/puppet-code was pushed again"), "{event}");
    assert_eq!(world.condition("SourceReady"), "True TagMoved");
    assert!(world.status.source.as_ref().unwrap().message.as_ref().unwrap().contains("pushed again"));
    assert_eq!(world.status.candidate.as_ref().unwrap().digest, digest("v1.4.2"));

    world.finds("v1.4.3");
    world.settle();
    assert_eq!(world.condition("SourceReady"), "True Seen");
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.4.3");
}

#[test]
fn a_tag_in_a_file_keeps_its_digest_unless_the_file_names_another_one() {
    let mut world = World::promoted();
    world.spec.source = source(&json!({"file": {"path": "reference.txt"}}));
    world.finds_candidate(candidate_at("v1.4.2", &digest("other")));
    world.settle();
    assert_eq!((world.writes.len(), world.condition("SourceReady")), (0, "True TagMoved".into()));
    world.observed.source.names_digest = true;
    world.settle();
    assert_eq!((world.writes.len(), world.condition("SourceReady")), (1, "True Seen".into()));
}

#[test]
fn a_pin_goes_back_through_the_stages_and_its_removal_goes_up_again() {
    let mut world = World::promoted();
    world.pins("v1.3.0");
    world.settle();
    assert_eq!(world.tags(), ["v1.3.0", "v1.4.2"], "with soak");
    assert_eq!(world.status.promotion.as_ref().unwrap().trigger, Trigger::Pin);
    world.finds("v1.9.0");
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.summary()), ("v1.3.0", "Deployed: pinned"));
    assert!(world.message("Pinned").contains("because"));
    assert_eq!(world.releases.last().unwrap().reason.as_deref(), Some("because"));

    world.unpins();
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), "v1.9.0");
    world.event("Pinned");
    world.event("Unpinned");
}

#[test]
fn a_removed_pin_above_the_source_stays() {
    let mut world = World::promoted();
    world.pins("v2.0.0");
    world.settle();
    world.passes(600);
    world.settle();
    world.unpins();
    world.settle();
    assert_eq!((world.deployed(), world.reasons()), ("v2.0.0", vec!["Downgrade"]));
    assert_eq!(world.condition("Deployed"), "True Deployed");
}

#[test]
fn a_pin_that_cannot_be_resolved_is_said_and_nothing_is_written() {
    let mut world = World::promoted();
    world.pins("v9");
    let message = "ghcr.io/example/puppet-code:v9: there is no such tag".to_owned();
    world.observed.pin = Some(Err(ImageProblem { reason: "NotFound".into(), message: message.clone() }));
    world.finds("v1.5.0");
    world.settle();
    assert_eq!((world.writes.len(), world.condition("Ready")), (0, "False NotFound".into()));
    assert!(world.status.conditions.iter().any(|condition| condition.message.starts_with(&message)));
    world.observed.pin = None;
    world.settle();
    assert_eq!((world.writes.len(), world.summary()), (0, "Pin: resolving the pin"));
}

#[test]
fn a_pinned_tag_is_resolved_once() {
    let mut world = World::promoted();
    world.pins("v1.3.0");
    world.settle();
    world.passes(600);
    world.settle();
    world.forget();
    for resolved in [
        None,
        Some(Err(ImageProblem { reason: "Unreachable".into(), message: "no route".into() })),
        Some(Ok(candidate_at("v1.3.0", &digest("moved")))),
    ] {
        world.observed.pin = resolved;
        world.settle();
    }
    assert_eq!(
        (world.writes.len(), world.status_writes, world.condition("Ready")),
        (0, 0, "True Deployed".into())
    );
}

#[test]
fn a_pin_to_what_failed_tries_it_again() {
    let mut world = World::promoted();
    world.gives_back_by_hand();
    world.finds("v1.5.0");
    world.canary().servers[0].fate = super::world::Fate::Sticks("CrashLoopBackOff");
    world.settle();
    let failed = world.status.promotion.clone().unwrap().id;
    world.pins("v1.5.0");
    world.settle();
    let pinned = world.status.promotion.clone().unwrap();
    assert_eq!((pinned.trigger, pinned.id == failed, pinned.outcome.is_some()), (Trigger::Pin, false, true));
    // It failed again; neither time nor a resume that failed makes the pin start by itself.
    world.observed.resume = Some("1".into());
    world.settle();
    world.passes(300);
    world.settle();
    let releases = world.releases.len();
    world.passes(3000);
    world.settle();
    assert_eq!((world.releases.len(), releases), (4, 4));
}

#[test]
fn an_outage_of_the_source_changes_nothing_but_what_is_said_of_it() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.observed.source.problem = Some(unreachable());
    world.settle();
    assert_eq!(world.condition("SourceReady"), "False Unreachable");
    let since = world.status.source.as_ref().unwrap().unreachable_since;
    assert_eq!(since, Some(world.now.into()));
    world.passes(600);
    // The process was started again in the outage, and knows only the status.
    world.observed.source.candidate = None;
    world.settle();
    assert_eq!((world.deployed(), world.condition("Ready")), ("v1.5.0", "True Deployed".into()));
    assert_eq!(world.status.source.as_ref().unwrap().unreachable_since, since);
    world.observed.source.problem = None;
    world.settle();
    assert_eq!(world.condition("SourceReady"), "True Seen");
    world.event("SourceFailed");
    world.event("SourceRecovered");
}

#[test]
fn a_restart_before_the_first_look_writes_no_status() {
    let mut world = World::promoted();
    world.observed.source = voxsync_promotion::ObservedSource::default();
    world.settle();
    assert_eq!((world.status_writes, world.writes.len()), (0, 0));
    assert_eq!(world.condition("SourceReady"), "True Seen");
}

#[test]
fn a_candidate_that_was_found_goes_on_after_a_restart_in_an_outage() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.step();
    world.status.promotion = None;
    world.observed.source = voxsync_promotion::ObservedSource {
        problem: Some(unreachable()),
        looked: true,
        ..Default::default()
    };
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
}

#[test]
fn another_spec_does_not_start_from_the_candidate_of_the_old_one() {
    let mut world = World::promoted();
    world.status.candidate = Some(candidate("v7.0.0"));
    world.observed.source = voxsync_promotion::ObservedSource::default();
    world.observed.generation += 1;
    world.settle();
    assert_eq!(world.writes.len(), 0);
}

#[test]
fn the_time_at_which_a_candidate_was_first_seen_is_kept() {
    let mut world = World::promoted();
    let first_seen = world.status.candidate.as_ref().unwrap().first_seen;
    world.passes(1000);
    world.settle();
    assert!(first_seen.is_some());
    assert_eq!((world.status.candidate.as_ref().unwrap().first_seen, world.status_writes), (first_seen, 0));
}

#[test]
fn suspended_it_says_what_it_would_do_and_does_nothing() {
    let mut world = World::promoted();
    world.spec.suspend = true;
    world.spec.suspend_reason = Some("dry run".into());
    world.finds("v1.5.0");
    world.settle();
    assert_eq!((world.writes.len(), &world.status.promotion), (0, &None));
    let message = world.message("Suspended");
    assert!(
        message
            .contains("suspended (dry run); would write, in the order of the stages: Server/canary (v1.4.2@"),
        "{message}"
    );
    assert!(message.contains("Config/production"), "{message}");
    assert_eq!(
        (world.condition("Ready"), world.condition("Suspended")),
        ("True Suspended".into(), "True Suspended".into())
    );
    assert_eq!(
        (world.summary(), world.condition("Deployed")),
        ("Suspended: dry run", "False CandidateNotDeployed".into())
    );
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    world.event("Suspended");
    world.event("Unsuspended");
}

#[test]
fn suspended_in_the_middle_a_promotion_stands_still() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.spec.suspend = true;
    world.passes(600);
    world.finds("v1.6.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    assert_eq!(world.status.promotion.as_ref().unwrap().candidate.name, "v1.5.0");
}

#[test]
fn suspended_a_promotion_neither_fails_nor_passes() {
    let mut world = World::promoted();
    world.gives_back_by_hand();
    world.finds("v1.5.0");
    world.settle();
    world.spec.suspend = true;
    world.canary().servers[0].fate =
        super::world::Fate::Is(voxsync_rollout::state::RolloutState::TimedOut { message: "late".into() });
    world.settle();
    assert_eq!(world.status.promotion.as_ref().unwrap().outcome, None);
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.summary(), "Failed: canary ProgressDeadlineExceeded");
}

#[test]
fn a_spec_that_is_not_valid_stalls_and_writes_nothing() {
    let mut world = World::promoted();
    let sentence = "source.registry.tag.semver: \">=1.x.y\" is not a version range";
    world.observed.invalid = Some(sentence.into());
    world.finds("v1.5.0");
    world.settle();
    assert_eq!(world.writes.len(), 0);
    assert_eq!(
        (world.condition("Stalled"), world.condition("Ready")),
        ("True InvalidSpec".into(), "False InvalidSpec".into())
    );
    world.event("Stalled");
    world.observed.invalid = None;
    world.settle();
    assert_eq!((world.condition("Stalled"), world.writes.len()), ("-".into(), 1));
}

#[rstest]
#[case::calver(json!({"calver": "YYYY.0M.MICRO"}), "2026.02.10", "2026.02.9")]
#[case::numerical(json!({"numerical": {}}), "10", "9")]
#[case::lowest(json!({"numerical": {"select": "Lowest"}}), "9", "10")]
#[case::alphabetical(json!({"alphabetical": {}}), "y", "x")]
fn under_each_order_nothing_goes_back(
    #[case] rule: serde_json::Value,
    #[case] better: &str,
    #[case] worse: &str,
) {
    let mut world = World::promoted();
    world.spec.source = source(&json!({"registry": {"repository": REPOSITORY, "tag": rule}}));
    for tag in [better, worse] {
        world.finds(tag);
        world.settle();
        world.passes(600);
        world.settle();
    }
    assert_eq!((world.deployed(), world.reasons()), (better, vec!["Downgrade"]));
}

#[test]
fn an_image_that_was_built_earlier_takes_no_later_ones_place() {
    let mut world = World::promoted();
    world.spec.source = source(&json!({"registry": {"repository": REPOSITORY, "tag": {"newestBuild": {}}}}));
    let built = |tag: &str, created: &str| CandidateStatus {
        created: Some(super::world::at(created).into()),
        ..candidate(tag)
    };
    for (tag, created, runs) in [
        ("main-2", "2026-11-02T00:00:00Z", "main-2"),
        ("main-1", "2026-11-01T00:00:00Z", "main-2"),
        ("main-0", "2026-11-03T00:00:00Z", "main-0"),
    ] {
        world.finds_candidate(built(tag, created));
        world.settle();
        world.passes(600);
        world.settle();
        assert_eq!((world.deployed(), world.reasons().is_empty()), (runs, tag == runs), "{tag}");
    }
}

/// Each build has a tag of its own, and `latest`.
#[test]
fn of_two_tags_the_image_that_was_built_last_keeps_the_one_it_was_taken_by() {
    let mut world = World::promoted();
    world.spec.source = source(&json!({"registry": {"repository": REPOSITORY, "tag": {"newestBuild": {}}}}));
    let built = |tag: &str, image: &str, day: u8| CandidateStatus {
        created: Some(super::world::at(&format!("2026-11-{day:02}T00:00:00Z")).into()),
        ..candidate_at(tag, &digest(image))
    };
    for found in [built("latest", "a", 1), built("2c", "b", 2), built("4e", "c", 3)] {
        world.finds_candidate(found.clone());
        world.settle();
        world.passes(600);
        world.settle();
        assert_eq!(world.deployed(), found.name);
    }
    let writes = world.writes.len();
    world.finds_candidate(built("latest", "c", 3));
    world.settle();
    assert_eq!((world.deployed(), world.reasons(), world.writes.len()), ("4e", vec![], writes));
    world.finds_candidate(CandidateStatus { created: None, ..built("2c", "b", 2) });
    world.settle();
    assert_eq!((world.deployed(), world.writes.len()), ("4e", writes), "nobody knows that it is later");
    world.finds_candidate(built("latest", "d", 4));
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.condition("SourceReady")), ("latest", "True Seen".into()));
}

#[test]
fn what_is_deployed_is_called_as_what_should_run() {
    let mut world = World::promoted();
    let image = digest("v1.4.2");
    world.finds_candidate(candidate_at("v1.4.3", &image));
    world.settle();
    assert_eq!((world.deployed(), world.writes.len()), ("v1.4.3", 0), "the same image by another tag");
    assert_eq!(world.condition("Deployed"), "True Deployed");
    let writes = world.status_writes;
    world.passes(600);
    world.settle();
    assert_eq!(world.status_writes, writes, "once");
    // A digest has no better name.
    world.pins("v1.4.3");
    let pinned = CandidateStatus { name: "45b23dee08".into(), tag: None, ..candidate_at("v1.4.3", &image) };
    world.spec.pin.as_mut().unwrap().reference = format!("{REPOSITORY}@{image}");
    world.observed.pin = Some(Ok(pinned));
    world.settle();
    assert_eq!((world.deployed(), world.writes.len()), ("v1.4.3", 0));
}

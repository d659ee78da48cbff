//! A person goes back: to what, how fast, and until when.

use rstest::rstest;
use voxsync_crds::{
    code_sync::{Approval, CodeSyncStatus, Outcome, Trigger},
    duration::DurationText,
};

use super::world::{Fate, World, candidate, digest, reference};

/// v1.4.2 and then v1.5.0 were released.
fn released() -> World {
    let mut world = World::promoted();
    release(&mut world, "v1.5.0");
    world
}

fn release(world: &mut World, tag: &str) {
    world.finds(tag);
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!(world.deployed(), tag);
    world.forget();
}

fn goes_back(world: &mut World, token: &str) {
    world.observed.rollback = Some(token.into());
    world.settle();
}

fn quarantine(world: &World) -> Vec<&str> {
    world.status.quarantine.iter().map(|it| it.name.as_str()).collect()
}

#[test]
fn it_goes_to_the_last_good_release_production_first_and_without_waiting() {
    let mut world = released();
    goes_back(&mut world, "1 broken hiera");
    assert_eq!((world.deployed(), world.tags()), ("v1.4.2", vec!["v1.4.2".to_owned(); 2]));
    assert_eq!(world.writes, ["Config/production=v1.4.2", "Server/canary=v1.4.2"]);
    let release = world.releases.last().unwrap();
    assert_eq!(
        (release.trigger, release.outcome, release.reason.as_deref()),
        (Trigger::Rollback, Outcome::Released, Some("broken hiera"))
    );
    assert_eq!(quarantine(&world), ["v1.5.0"]);
    assert!(world.status.quarantine[0].reason.contains("broken hiera"));
    assert!(
        world.event("RollbackRequested").contains("from v1.5.0 to v1.4.2"),
        "{}",
        world.event("RollbackRequested")
    );
    assert_eq!(
        (world.condition("Ready"), world.summary()),
        ("True Deployed".into(), "Deployed: rolled back")
    );

    // Neither the source nor time moves it.
    world.finds("v1.6.0");
    world.settle();
    world.passes(86_400);
    world.settle();
    assert_eq!(world.deployed(), "v1.4.2");
    // Told to go on, the source decides again.
    world.observed.resume = Some("on".into());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.status.rollback.clone()), ("v1.6.0", None));
    world.event("RollbackEnded");
}

#[test]
fn after_a_resume_what_was_left_is_still_in_quarantine() {
    let mut world = released();
    goes_back(&mut world, "1");
    world.observed.resume = Some("on".into());
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.summary()), ("v1.4.2", "Quarantined: v1.5.0"));
}

#[rstest]
#[case::none("1 no-quarantine", None, &[])]
#[case::none_and_why("1 no-quarantine until the database is up", Some("until the database is up"), &[])]
#[case::a_word_that_begins_so("1 no-quarantines", Some("no-quarantines"), &["v1.5.0"])]
#[case::no_reason("1", None, &["v1.5.0"])]
fn the_token_says_why_and_whether_it_may_come_back(
    #[case] token: &str,
    #[case] reason: Option<&str>,
    #[case] kept: &[&str],
) {
    let mut world = released();
    goes_back(&mut world, token);
    assert_eq!(world.status.rollback.as_ref().unwrap().reason.as_deref(), reason);
    assert_eq!((quarantine(&world), world.deployed()), (kept.to_vec(), "v1.4.2"));
    if kept.is_empty() {
        world.observed.resume = Some("on".into());
        world.settle();
        world.passes(600);
        world.settle();
        assert_eq!(world.deployed(), "v1.5.0");
    }
}

#[test]
fn a_token_is_carried_out_once_and_none_without_status() {
    let mut world = released();
    goes_back(&mut world, "1 why");
    world.observed.resume = Some("on".into());
    world.settle();
    goes_back(&mut world, "1 another reason");
    assert_eq!(world.status.rollback, None);

    let mut world = released();
    world.status = CodeSyncStatus::default();
    goes_back(&mut world, "from a backup");
    assert_eq!(world.status.last_handled_rollback.as_deref(), Some("from a backup"));
    assert_eq!((world.status.rollback.clone(), world.tags()), (None, vec!["v1.5.0".to_owned(); 2]));
}

#[test]
fn again_it_goes_further_back() {
    let mut world = released();
    release(&mut world, "v1.6.0");
    goes_back(&mut world, "1");
    assert_eq!(world.deployed(), "v1.5.0");
    goes_back(&mut world, "2");
    assert_eq!((world.deployed(), quarantine(&world)), ("v1.4.2", vec!["v1.5.0", "v1.6.0"]));
    world.forget();
    goes_back(&mut world, "3");
    assert_eq!((world.deployed(), world.writes.len()), ("v1.4.2", 0));
    assert!(world.event("NoEarlierRelease").contains("nothing to go back to"));
    world.passes(60);
    world.settle();
    assert!(world.reasons().contains(&"NoEarlierRelease"), "it stays to be read: {:?}", world.reasons());
    assert_eq!(world.status.last_handled_rollback.as_deref(), Some("3"));
}

#[test]
fn of_a_promotion_under_way_it_is_what_is_deployed() {
    let mut world = released();
    world.finds("v1.6.0");
    world.settle();
    assert_eq!(world.tags(), ["v1.6.0", "v1.5.0"]);
    goes_back(&mut world, "1");
    assert_eq!((world.deployed(), world.tags()), ("v1.5.0", vec!["v1.5.0".to_owned(); 2]));
    assert_eq!((quarantine(&world), world.condition("Ready")), (vec!["v1.6.0"], "True Deployed".into()));
}

#[test]
fn of_what_failed_and_stayed_it_is_what_is_deployed() {
    let mut world = released();
    world.gives_back_by_hand();
    world.finds("v1.6.0");
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.settle();
    assert_eq!(world.tags(), ["v1.6.0", "v1.5.0"]);
    world.canary().servers[0].runs = Some(reference("v1.5.0"));
    goes_back(&mut world, "1");
    assert_eq!((world.deployed(), world.tags()), ("v1.5.0", vec!["v1.5.0".to_owned(); 2]));
}

#[test]
fn what_was_adopted_is_gone_back_to() {
    let mut world = World::canary_and_production();
    release(&mut world, "v1.5.0");
    goes_back(&mut world, "1");
    assert_eq!((world.deployed(), world.tags()), ("v1.4.2", vec!["v1.4.2".to_owned(); 2]));
}

#[test]
fn what_the_status_does_not_reach_is_in_the_releases() {
    let mut world = released();
    world.status.history.clear();
    goes_back(&mut world, "1");
    assert_eq!(world.deployed(), "v1.4.2");
}

#[test]
fn a_canary_that_is_broken_does_not_stop_production() {
    let mut world = released();
    world.canary().servers[0].fate = Fate::Sticks("CrashLoopBackOff");
    world.canary().servers[0].runs = None;
    world.settle();
    goes_back(&mut world, "1");
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"]);
    assert_eq!(world.server("compile").runs, Some(reference("v1.4.2")));
    // What was gone back to cannot run in the canary: a rollback is not rolled back.
    assert_eq!((world.summary(), world.deployed()), ("Failed: canary CrashLoopBackOff", "v1.5.0"));
    assert!(world.message("Failed").contains("a rollback is not rolled back"), "{}", world.message("Failed"));
    world.passes(86_400);
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"]);
}

#[test]
fn a_target_that_somebody_changed_is_skipped_and_named() {
    let mut world = released();
    let now = world.now;
    world.passes(60);
    world.production().changed_by("kubectl-edit", Some(&reference("v1.0.0")), now);
    world.settle();
    goes_back(&mut world, "1");
    assert_eq!((world.tags(), world.deployed()), (vec!["v1.4.2".into(), "v1.0.0".into()], "v1.4.2"));
    assert!(world.message("Held").contains("kubectl-edit"));
}

#[test]
fn a_target_that_lets_nobody_in_any_more_is_skipped_and_named() {
    let mut world = released();
    world.production().shut();
    world.settle();
    goes_back(&mut world, "1");
    assert_eq!((world.tags(), world.deployed()), (vec!["v1.4.2".into(), "v1.5.0".into()], "v1.4.2"));
    assert_eq!(world.condition("Ready"), "False NoConsent");
    assert!(world.message("NoConsent").contains("does not let this one in"));
}

#[test]
fn a_pin_from_before_does_not_count_and_another_ends_it() {
    let mut world = released();
    world.pins("v1.5.0");
    world.settle();
    goes_back(&mut world, "1");
    assert_eq!(world.deployed(), "v1.4.2");
    world.passes(60);
    world.settle();
    assert_eq!(world.deployed(), "v1.4.2");
    world.pins("v1.4.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.status.rollback.clone()), ("v1.4.0", None));
}

#[test]
fn the_same_pin_set_anew_is_a_choice_too() {
    let mut world = released();
    world.pins("v1.6.0");
    world.settle();
    world.passes(600);
    world.settle();
    goes_back(&mut world, "1 no-quarantine");
    assert_eq!(world.deployed(), "v1.5.0");
    world.unpins();
    world.settle();
    assert!(world.status.rollback.is_some());
    world.pins("v1.6.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.status.rollback.clone()), ("v1.6.0", None));
}

#[test]
fn suspended_nothing_is_written_but_it_is_kept() {
    let mut world = released();
    world.spec.suspend = true;
    goes_back(&mut world, "1");
    assert_eq!((world.tags(), world.status.rollback.is_some()), (vec!["v1.5.0".to_owned(); 2], true));
    let message = world.message("Suspended");
    let (first, last) = (message.find("Config/production (v1.5.0@"), message.find("Server/canary (v1.5.0@"));
    assert!(
        message.contains("would write, the last stage first: ") && first.is_some() && first < last,
        "{message}"
    );
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.deployed(), "v1.4.2");
}

/// v1.5.0 has soaked in the canary, and production waits for a person.
fn waiting_for_a_person() -> World {
    let mut world = World::promoted();
    world.spec.stages.as_mut().unwrap()[1].approval = Some(Approval::Manual);
    world.finds("v1.5.0");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.tags(), world.reasons()), (vec!["v1.5.0".into(), "v1.4.2".into()], vec!["Approval"]));
    world
}

#[rstest]
#[case::in_quarantine("1 INC-42")]
#[case::not_in_quarantine("1 no-quarantine INC-42")]
fn suspended_half_way_it_says_that_what_was_begun_is_undone(#[case] token: &str) {
    let mut world = waiting_for_a_person();
    world.spec.suspend = true;
    goes_back(&mut world, token);
    let message = world.message("Suspended");
    assert!(message.ends_with(&would_write("Server/canary", ["v1.5.0", "v1.4.2"])), "{message}");
    assert!(!message.contains("Config/production"), "{message}");
    // Nobody is asked to approve, or to release, what is not wanted any more.
    assert_eq!(world.reasons(), ["RolledBack", "Newer", "Suspended"]);
    assert_eq!(world.message("Newer"), "v1.4.2 takes over from v1.5.0 as soon as the CodeSync is resumed");
    assert_eq!(world.condition("Ready"), "True Suspended");
    let deployed = &world.status.condition("Deployed").unwrap().message;
    assert_eq!(deployed, "v1.4.2 is deployed and should run; v1.5.0 was begun, and some stages may run it");
    world.writes.clear();
    world.spec.suspend = false;
    world.settle();
    assert_eq!((&world.writes[..], world.deployed()), (&["Server/canary=v1.4.2".to_owned()][..], "v1.4.2"));
}

/// The end of what is said of a suspended CodeSync.
fn would_write(target: &str, tags: [&str; 2]) -> String {
    let [from, to] = tags.map(|tag| format!("{tag}@{}", &digest(tag)["sha256:".len()..][..10]));
    format!("would write, the last stage first: {target} ({from} → {to})")
}

#[test]
fn suspended_half_way_a_newer_candidate_is_what_would_be_written() {
    let mut world = waiting_for_a_person();
    world.spec.suspend = true;
    world.settle();
    assert!(
        world.message("Suspended").contains("Config/production (v1.4.2@"),
        "{}",
        world.message("Suspended")
    );
    world.finds("v1.6.0");
    world.settle();
    let message = world.message("Suspended");
    for would in
        ["in the order of the stages: Server/canary (v1.5.0@", "→ v1.6.0@", "Config/production (v1.4.2@"]
    {
        assert!(message.contains(would), "{message}");
    }
    assert_eq!(message.matches("→ v1.6.0@").count(), 2, "{message}");
    assert_eq!(world.reasons(), ["Newer", "Suspended"]);
}

#[test]
fn an_invalid_spec_and_an_outage_do_not_stop_it() {
    let mut world = released();
    world.observed.invalid = Some("the soak".into());
    for stage in world.spec.stages.as_mut().unwrap() {
        stage.soak = Some(DurationText::from("a while"));
    }
    world.observed.source.candidate = None;
    goes_back(&mut world, "1");
    assert_eq!(world.deployed(), "v1.4.2");
}

#[test]
fn what_ran_before_needs_no_new_signature() {
    let mut world = released();
    world.spec.verify = Some(
        serde_json::from_value(serde_json::json!({"cosign": {"keys": {"secretRef": {"name": "keys"}}}}))
            .unwrap(),
    );
    world.observed.keys = Some("others".into());
    goes_back(&mut world, "1");
    assert_eq!(world.deployed(), "v1.4.2");
    // Nobody signed it, and nobody is said to have.
    assert_eq!(world.condition("Verified"), "False RanBefore");
    let said = world.status.condition("Verified").unwrap();
    assert!(said.message.contains("v1.4.2 ran before, and a person went back to it"), "{}", said.message);
    assert!(!world.told().contains(&"Verified"), "{:?}", world.events);
}

#[test]
fn gated_half_way_the_stage_goes_back_first_and_then_to_the_release() {
    let mut world = World::with_authority();
    world.finds("v1.5.0");
    world.settle_gating(&["ca"]);
    world.server("ca").lift();
    world.settle();
    world.finds("v1.6.0");
    world.server("compile").fate = Fate::Rolls;
    world.settle_gating(&["ca"]);
    goes_back(&mut world, "1");
    assert_eq!(world.tags(), ["v1.5.0"]);
    world.server("compile").fate = Fate::Runs;
    world.server("ca").lift();
    world.settle();
    assert_eq!((world.deployed(), quarantine(&world)), ("v1.5.0", vec!["v1.6.0"]));
    let ended: Vec<Outcome> = world.releases.iter().map(|release| release.outcome).collect();
    assert_eq!(ended, [Outcome::Released, Outcome::Superseded, Outcome::Released]);
}

#[rstest]
#[case::with_its_digest("TagAndDigest")]
#[case::by_its_tag_alone("Tag")]
fn nothing_gives_back_what_is_in_quarantine(#[case] form: &str) {
    let mut world = World::with_authority();
    world.spec.write = Some(serde_json::from_value(serde_json::json!({"form": form})).unwrap());
    for tag in ["v1.5.0", "v1.6.0"] {
        world.finds(tag);
        world.settle_gating(&["ca"]);
        world.server("ca").lift();
        world.settle();
    }
    world.server("compile").fate = Fate::Rolls;
    goes_back(&mut world, "1");
    world.hold_back(&["ca"]);
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0"]);
    // Half-way back, a person chooses something else: v1.6.0 is not written on the way.
    world.forget();
    world.pins("v1.4.0");
    world.settle();
    assert!(world.writes.iter().all(|write| !write.contains("v1.6.0")), "{:?}", world.writes);
    let superseded = world.releases.last().unwrap();
    assert_eq!((superseded.outcome, superseded.trigger), (Outcome::Superseded, Trigger::Rollback));
    assert!(
        world.event("Superseded").contains("what it had before is in quarantine"),
        "{}",
        world.event("Superseded")
    );
    assert_eq!(world.status.promotion.as_ref().unwrap().candidate.digest, digest("v1.4.0"));
    assert_eq!(candidate("v1.4.0").digest, digest("v1.4.0"));
}

/// v1.4.2 was gone back to, and production cannot run it.
fn failed_to_go_back() -> World {
    let mut world = released();
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    goes_back(&mut world, "1");
    assert_eq!(world.releases.last().unwrap().outcome, Outcome::Failed);
    world
}

#[test]
fn what_could_not_be_gone_back_to_is_tried_again() {
    let mut world = failed_to_go_back();
    assert!(
        world.message("Failed").contains("Try it again with `voxsync resume"),
        "{}",
        world.message("Failed")
    );
    world.observed.resume = Some("on".into());
    world.settle();
    // Its pod still shows how it was.
    assert!(world.status.promotion.as_ref().unwrap().outcome.is_none(), "{:?}", world.status.promotion);
    world.server("compile").fate = Fate::Runs;
    world.settle();
    assert_eq!((world.deployed(), world.tags()), ("v1.4.2", vec!["v1.4.2".to_owned(); 2]));
    assert!(world.status.rollback.is_some(), "it is kept as if it had worked at once");
}

#[test]
fn who_chooses_the_same_anew_gets_it() {
    let mut world = failed_to_go_back();
    world.server("compile").fate = Fate::Runs;
    world.pins("v1.4.2");
    world.settle();
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.status.rollback.clone()), ("v1.4.2", None));
    assert_eq!(world.releases.last().unwrap().trigger, Trigger::Pin);
}

#[test]
fn a_resume_from_before_does_not_end_it() {
    let mut world = released();
    world.spec.suspend = true;
    world.observed.resume = Some("before".into());
    world.settle();
    goes_back(&mut world, "1");
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.deployed(), "v1.4.2");
    assert!(world.status.rollback.is_some());
}

#[test]
fn who_goes_back_further_does_not_come_to_what_was_left() {
    let mut world = World::promoted();
    release(&mut world, "v1.4.3");
    release(&mut world, "v1.5.0");
    world.server("compile").fate = Fate::Sticks("ImagePullBackOff");
    goes_back(&mut world, "1 no-quarantine");
    assert_eq!(world.status.rollback.as_ref().unwrap().candidate.name, "v1.4.3");
    world.server("compile").fate = Fate::Runs;
    goes_back(&mut world, "2");
    assert_eq!(world.deployed(), "v1.4.2");
}

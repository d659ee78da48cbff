//! Nothing that is not verified by the present rules is written, whatever else is the case; what ran can be given back.

use rstest::rstest;
use serde_json::json;
use voxsync_crds::code_sync::{CandidateStatus, GitObjects, VerifiedStatus, Verify};
use voxsync_promotion::{Unverified, verify_rules};

use super::world::{Fate, World, candidate, digest, reference};

fn verify(secret: &str) -> Verify {
    serde_json::from_value(json!({"cosign": {"keys": {"secretRef": {"name": secret}}}})).unwrap()
}

fn rules(secret: &str) -> String {
    verify_rules(&verify(secret))
}

fn asks(world: &mut World, secret: &str) {
    world.spec.verify = Some(verify(secret));
    world.observed.generation += 1;
}

fn signed(tag: &str, secret: &str) -> CandidateStatus {
    signed_by(tag, secret, "first")
}

/// Found good by what the Secret held then.
fn signed_by(tag: &str, secret: &str, keys: &str) -> CandidateStatus {
    let by = vec!["key cosign.pub".into()];
    let verified = VerifiedStatus { by, rules: rules(secret), keys: keys.into(), until: None };
    CandidateStatus { verified: Some(verified), ..candidate(tag) }
}

/// As a version wrote it that knew no names of keys.
fn signed_before_the_upgrade(tag: &str) -> CandidateStatus {
    signed_by(tag, "keys", "")
}

fn unverified(tag: &str, reason: &str) -> Unverified {
    let message = format!("{tag}: {reason}");
    let repository = Some(candidate(tag).repository);
    let (what, reason) = (Some(digest(tag)), reason.into());
    Unverified { what, repository, named_by: None, reason, message, overrules: true }
}

/// v1.4.2 runs; v1.5.0 is found, and signatures are asked for.
fn found(finding: CandidateStatus) -> World {
    let mut world = World::promoted();
    asks(&mut world, "keys");
    world.finds_candidate(finding);
    world.observed.keys = Some("first".into());
    world
}

#[test]
fn a_signature_that_is_missing_is_waited_for() {
    let mut world = found(candidate("v1.5.0"));
    world.observed.unverified = vec![unverified("v1.5.0", Unverified::MISSING)];
    world.settle();
    assert!(world.writes.is_empty() && world.status.promotion.is_none(), "{:?}", world.writes);
    assert_eq!(
        (world.condition("Ready"), world.condition("Verified")),
        ("True Waiting".into(), "False SignatureMissing".into())
    );
    assert_eq!(
        (world.message("Signature"), world.summary()),
        ("v1.5.0: SignatureMissing", "Waiting: signature of v1.5.0")
    );
    world.event("SignatureMissing");

    world.finds_candidate(signed("v1.5.0", "keys"));
    world.observed.unverified.clear();
    world.settle();
    assert_eq!(world.writes, ["Server/canary=v1.5.0"]);
    assert_eq!(world.condition("Verified"), "True Verified");
    assert_eq!(world.event("Verified"), "Verified: v1.5.0 is signed by key cosign.pub");
    assert_eq!(world.status.candidate.as_ref().unwrap().verified.as_ref().unwrap().rules, rules("keys"));
}

#[rstest]
#[case::refused(candidate("v1.5.0"), &[unverified("v1.5.0", Unverified::REFUSED)], "False NotVerified", "False NotVerified")]
#[case::not_judged(candidate("v1.5.0"), &[], "True Waiting", "False NotJudged")]
#[case::by_other_rules(signed("v1.5.0", "others"), &[], "True Waiting", "False NotJudged")]
#[case::by_other_keys(signed_by("v1.5.0", "keys", "others"), &[], "True Waiting", "False NotJudged")]
#[case::before_the_upgrade(signed_before_the_upgrade("v1.5.0"), &[], "True Waiting", "False NotJudged")]
#[case::refused_since(signed("v1.5.0", "keys"), &[unverified("v1.5.0", Unverified::REFUSED)], "False NotVerified", "False NotVerified")]
#[case::nothing_to_judge_by(
    signed("v1.5.0", "keys"),
    &[Unverified { what: None, repository: None, ..unverified("v1.5.0", Unverified::REFUSED) }],
    "False NotVerified",
    "False NotVerified"
)]
fn what_is_not_verified_starts_nothing(
    #[case] finding: CandidateStatus,
    #[case] said: &[Unverified],
    #[case] ready: &str,
    #[case] verified: &str,
) {
    let mut world = found(finding);
    world.observed.unverified = said.to_vec();
    world.settle();
    assert!(world.writes.is_empty() && world.status.promotion.is_none(), "{:?}", world.writes);
    assert_eq!((world.condition("Ready"), world.condition("Verified")), (ready.into(), verified.into()));
    assert_eq!(world.tags(), ["v1.4.2", "v1.4.2"]);
}

#[test]
fn without_rules_nothing_is_said_of_signatures() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    assert_eq!((world.condition("Verified"), world.writes.len()), ("-".into(), 1));
}

/// v1.5.0 runs on the canary, which soaks; production is to come.
fn half_way() -> World {
    let mut world = found(signed("v1.5.0", "keys"));
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    world.forget();
    world
}

#[test]
fn rules_that_change_half_way_stop_the_next_stage() {
    let mut world = half_way();
    asks(&mut world, "others");
    world.passes(600);
    world.settle();
    assert_eq!((world.tags(), world.writes.len()), (vec!["v1.5.0".to_owned(), "v1.4.2".to_owned()], 0));
    assert_eq!(world.status.promotion.as_ref().unwrap().candidate.verified, None);
    world.finds_candidate(signed("v1.5.0", "others"));
    world.settle();
    assert_eq!(world.writes, ["Config/production=v1.5.0"]);
}

#[test]
fn rules_that_are_added_half_way_stop_the_next_stage() {
    let mut world = World::promoted();
    world.finds("v1.5.0");
    world.settle();
    world.forget();
    asks(&mut world, "keys");
    world.passes(600);
    world.settle();
    assert!(world.writes.is_empty(), "{:?}", world.writes);
}

#[test]
fn a_key_that_is_changed_half_way_stops_the_next_stage() {
    let mut world = half_way();
    world.finds("v1.5.0");
    world.observed.unverified = vec![unverified("v1.5.0", Unverified::REFUSED)];
    world.passes(600);
    world.settle();
    assert!(world.writes.is_empty(), "{:?}", world.writes);
    assert_eq!(world.condition("Ready"), "False NotVerified");
}

/// The source has moved on, to something that nobody signed, when the keys are others.
fn with_other_keys() -> World {
    let mut world = half_way();
    world.finds("v1.6.0");
    world.observed.keys = Some("second".into());
    world.observed.unverified = vec![unverified("v1.6.0", Unverified::MISSING)];
    world.passes(600);
    world
}

#[test]
fn other_keys_stop_what_is_under_way_although_the_source_has_moved_on() {
    let mut world = with_other_keys();
    world.settle();
    assert!(world.writes.is_empty(), "{:?}", world.writes);
    assert_eq!(world.status.promotion.as_ref().unwrap().candidate.verified, None);
    assert_eq!(
        world.message("Signature"),
        "v1.5.0: its signatures were not judged by the present rules and keys yet"
    );
    // A restart forgets which keys those were, and the status has no verdict any more.
    world.observed.keys = None;
    world.observed.source.candidate = None;
    world.settle();
    assert!(world.writes.is_empty(), "{:?}", world.writes);
}

#[test]
fn what_is_under_way_goes_on_as_soon_as_it_is_judged_by_other_keys() {
    let mut world = with_other_keys();
    world.observed.judged = vec![signed_by("v1.5.0", "keys", "second")];
    world.settle();
    assert_eq!(world.writes, ["Config/production=v1.5.0"]);
    let promoted = &world.status.candidate.as_ref().unwrap().name;
    assert_eq!((promoted.as_str(), world.deployed()), ("v1.6.0", "v1.5.0"));
}

#[test]
fn what_is_refused_by_other_keys_is_said() {
    let mut world = with_other_keys();
    world.observed.unverified.push(unverified("v1.5.0", Unverified::REFUSED));
    world.settle();
    assert!(world.writes.is_empty(), "{:?}", world.writes);
    assert_eq!(world.condition("Ready"), "False NotVerified");
}

#[test]
fn a_copy_elsewhere_that_nobody_signed_takes_no_verdict_away() {
    let mut world = half_way();
    let repository = Some("ghcr.io/mirror/b".into());
    world.observed.unverified = vec![Unverified { repository, ..unverified("v1.5.0", Unverified::REFUSED) }];
    world.passes(600);
    world.settle();
    assert_eq!(world.writes, ["Config/production=v1.5.0"]);
}

#[test]
fn other_keys_count_for_what_is_pinned() {
    let mut world = half_way();
    world.pins("v1.5.0");
    world.observed.pin = Some(Ok(signed("v1.5.0", "keys")));
    world.settle();
    world.observed.keys = Some("second".into());
    world.passes(600);
    world.settle();
    assert!(world.writes.is_empty(), "{:?}", world.writes);
    world.observed.judged = vec![signed_by("v1.5.0", "keys", "second")];
    world.settle();
    assert_eq!(world.writes, ["Config/production=v1.5.0"]);
}

#[rstest]
#[case::not_judged(&[], "True Waiting", "Signature")]
#[case::refused(&[unverified("v1.4.2", Unverified::REFUSED)], "False NotVerified", "NotVerified")]
fn a_pin_that_is_not_verified_stops_what_is_under_way_and_says_so(
    #[case] said: &[Unverified],
    #[case] ready: &str,
    #[case] reason: &str,
) {
    let mut world = half_way();
    world.pins("v1.4.2");
    world.observed.unverified = said.to_vec();
    world.passes(600);
    world.settle();
    assert!(world.writes.is_empty() && world.status.promotion.is_some(), "{:?}", world.writes);
    assert_eq!(world.condition("Ready"), ready);
    assert!(world.reasons().contains(&reason), "{:?}", world.reasons());
}

#[test]
fn a_verdict_of_before_the_upgrade_counts_until_the_first_look() {
    let mut world = World::promoted();
    asks(&mut world, "keys");
    world.finds_candidate(signed_before_the_upgrade("v1.5.0"));
    world.settle();
    assert_eq!(world.writes, ["Server/canary=v1.5.0"]);
    world.forget();
    world.observed.keys = Some("first".into());
    world.passes(600);
    world.settle();
    assert!(world.writes.is_empty(), "{:?}", world.writes);
    world.finds_candidate(signed("v1.5.0", "keys"));
    world.settle();
    assert_eq!(world.writes, ["Config/production=v1.5.0"]);
}

#[test]
fn a_verdict_ends_when_its_key_expires() {
    let mut finding = signed("v1.5.0", "keys");
    let mut world = found(candidate("v1.5.0"));
    let until = world.now.checked_add(jiff::SignedDuration::from_secs(500)).unwrap();
    finding.verified.as_mut().unwrap().until = Some(until.into());
    world.finds_candidate(finding);
    world.settle();
    assert_eq!((world.tags(), world.wake_at), (vec!["v1.5.0".to_owned(), "v1.4.2".to_owned()], Some(until)));
    world.forget();
    // During an outage, too.
    world.observed.source.candidate = None;
    world.passes(600);
    world.settle();
    assert_eq!((world.writes.len(), world.condition("Verified")), (0, "False NotJudged".into()));
}

#[test]
fn an_outage_or_a_restart_stops_nothing_that_was_verified() {
    let mut world = half_way();
    world.observed.source.candidate = None;
    world.observed.source.looked = false;
    world.observed.keys = None;
    world.passes(600);
    world.settle();
    assert_eq!(world.writes, ["Config/production=v1.5.0"]);
}

#[test]
fn what_was_named_by_a_commit_keeps_it_when_it_is_pinned() {
    let objects = GitObjects { commit: "c0ffee".into(), ..GitObjects::default() };
    let mut world = found(CandidateStatus { named_by: Some(objects.clone()), ..signed("v1.5.0", "keys") });
    world.pins("v1.5.0");
    world.settle();
    world.finds("v1.6.0");
    world.settle();
    let candidate = world.status.candidate.as_ref().unwrap();
    assert_eq!((candidate.name.as_str(), &candidate.source_revision), ("v1.5.0", &None));
    assert_eq!(candidate.named_by, Some(objects));
}

/// As this commit named it.
fn named_by(commit: &str, finding: CandidateStatus) -> CandidateStatus {
    let named_by = GitObjects { commit: commit.into(), ..GitObjects::default() };
    CandidateStatus { source_revision: Some(commit.into()), named_by: Some(named_by), ..finding }
}

/// v1.5.0, as the first commit named it, runs on the canary; by the second keys that commit is refused.
fn with_a_commit_that_is_refused() -> World {
    let mut world = found(named_by("one", signed("v1.5.0", "keys")));
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.4.2"]);
    world.forget();
    world.observed.keys = Some("second".into());
    let objects = named_by("one", candidate("v1.5.0")).named_by.map(Box::new);
    world.observed.unverified =
        vec![Unverified { named_by: objects, ..unverified("v1.5.0", Unverified::REFUSED) }];
    world.passes(600);
    world
}

#[test]
fn a_verdict_and_a_refusal_are_of_one_commit() {
    let mut world = with_a_commit_that_is_refused();
    // Whatever it is that says so.
    let good = named_by("one", signed_by("v1.5.0", "keys", "second"));
    world.observed.judged = vec![good.clone()];
    world.settle();
    world.finds_candidate(good);
    world.settle();
    assert!(world.writes.is_empty(), "{:?}", world.writes);
    assert_eq!(world.condition("Verified"), "False NotVerified");
}

#[test]
fn what_a_newer_commit_names_too_stands_on_that() {
    let mut world = with_a_commit_that_is_refused();
    world.finds_candidate(named_by("two", candidate("v1.5.0")));
    world.settle();
    assert!(world.writes.is_empty(), "nobody judged it: {:?}", world.writes);
    let newer = named_by("two", signed_by("v1.5.0", "keys", "second"));
    world.finds_candidate(newer.clone());
    world.step();
    let promoted = world.status.promotion.clone().unwrap().candidate;
    assert_eq!((&promoted.named_by, &promoted.verified), (&newer.named_by, &newer.verified));
    world.settle();
    assert_eq!(
        (world.writes.as_slice(), world.deployed()),
        (&["Config/production=v1.5.0".into()][..], "v1.5.0")
    );
}

#[test]
fn what_an_older_voxsync_left_out_is_kept_once_it_is_found_again() {
    let objects = GitObjects { commit: "c0ffee".into(), ..GitObjects::default() };
    let mut world = half_way();
    assert_eq!(world.status.candidate.as_ref().unwrap().named_by, None);
    world.observed.source.candidate = None;
    world.observed.judged =
        vec![CandidateStatus { named_by: Some(objects.clone()), ..signed("v1.5.0", "keys") }];
    world.settle();
    assert_eq!(world.status.candidate.as_ref().unwrap().named_by, Some(objects));
}

#[test]
fn a_newer_one_that_is_not_verified_takes_nobody_s_place() {
    let mut world = half_way();
    world.finds("v1.6.0");
    world.observed.unverified = vec![unverified("v1.6.0", Unverified::REFUSED)];
    world.passes(600);
    world.settle();
    assert_eq!((world.deployed(), world.tags()), ("v1.5.0", vec!["v1.5.0".to_owned(); 2]));
    assert_eq!(world.condition("Ready"), "False NotVerified", "now that nothing is under way");
}

#[test]
fn a_pin_is_verified_like_everything() {
    let mut world = half_way();
    world.pins("v1.3.0");
    world.observed.unverified = vec![unverified("v1.3.0", Unverified::MISSING)];
    world.passes(600);
    world.settle();
    assert!(world.writes.is_empty(), "neither the pin nor what it puts to rest: {:?}", world.writes);
    assert_eq!(world.message("Signature"), "v1.3.0: SignatureMissing");
    world.observed.unverified.clear();
    world.observed.pin = Some(Ok(signed("v1.3.0", "keys")));
    world.settle();
    assert_eq!(world.tags()[0], "v1.3.0");
}

#[test]
fn what_is_the_candidate_already_can_be_pinned_without_another_verdict() {
    let mut world = half_way();
    world.pins("v1.5.0");
    world.observed.unverified =
        vec![Unverified { overrules: false, ..unverified("v1.5.0", Unverified::REFUSED) }];
    world.passes(600);
    world.settle();
    assert_eq!(world.tags(), ["v1.5.0", "v1.5.0"]);
}

#[test]
fn what_ran_before_can_be_given_back() {
    let mut world = World::with_authority();
    asks(&mut world, "keys");
    world.finds_candidate(signed("v1.5.0", "keys"));
    world.server("compile").fate = Fate::Rolls;
    world.settle_gating(&["ca"]);
    assert_eq!(world.tags(), ["v1.5.0"]);
    world.server("compile").fate = Fate::Sticks("ErrImagePull");
    // By now nothing at all is trusted any more.
    world.observed.unverified =
        vec![Unverified { what: None, repository: None, ..unverified("v1.5.0", Unverified::REFUSED) }];
    world.settle();
    assert_eq!(world.tags(), ["v1.4.2"], "{:?}", world.status.waiting);
    assert_eq!(world.stages[0][0].live.image, Some(reference("v1.4.2")));
}

#[test]
fn a_target_that_joins_gets_what_its_stage_runs() {
    let mut world = World::promoted();
    asks(&mut world, "keys");
    let mut joined = world.stages[1][0].clone();
    joined.key.name = "joined".into();
    joined.live.image = None;
    joined.applied = None;
    world.stages[1].push(joined);
    world.settle();
    assert_eq!(world.writes, ["Config/joined=v1.4.2"]);
}

#[test]
fn a_tag_that_does_not_fit_beside_its_digest_is_left_out() {
    let repository = format!("ghcr.io/{}", "r".repeat(390));
    let long = CandidateStatus { repository: repository.clone(), ..candidate(&"t".repeat(100)) };
    let mut world = World::promoted();
    world.spec.write = Some(serde_json::from_value(json!({"form": "TagAndDigest"})).unwrap());
    world.finds_candidate(long.clone());
    world.settle();
    let reference = &world.status.candidate.as_ref().unwrap().reference;
    assert_eq!(*reference, format!("{repository}@{}", long.digest));
}

#[test]
fn a_restart_says_nothing_new() {
    let mut world = found(candidate("v1.5.0"));
    world.observed.unverified = vec![unverified("v1.5.0", Unverified::REFUSED)];
    world.settle();
    world.forget();
    let (candidate, said) =
        (world.observed.source.candidate.take(), std::mem::take(&mut world.observed.unverified));
    world.observed.source.looked = false;
    world.settle();
    (world.observed.source.candidate, world.observed.unverified) = (candidate, said);
    world.observed.source.looked = true;
    world.settle();
    assert_eq!((world.status_writes, world.events.len()), (0, 0), "{:?}", world.events);
}

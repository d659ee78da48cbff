//! What is promoted or pinned stays to be judged: by other keys too, and whatever the source names by now.

mod named;
mod older;
mod remembered;

use std::collections::HashMap;

use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};
use voxsync_crds::code_sync::{GitObjects, GitTag};
use voxsync_fixtures::{
    Access as Guard, CodeImage, CosignKey, Fault, GitRepository, GitServer, GitSigner, Registry, Transport,
};

use super::*;
use crate::{
    Registries,
    look::{
        Job, carry_out,
        place::{FieldQuery, Found, GitFollow, UNREACHABLE},
        tools::tests::tools,
    },
};

const NAMESPACE: &str = "puppet";
const CODE: &str = "team/code";

fn access() -> Access {
    Access::new(NAMESPACE, None, None, true)
}

fn asked(want: Want, verify: &Value) -> Asked {
    let verify = VerifyQuery::of(&serde_json::from_value(verify.clone()).unwrap(), NAMESPACE);
    Asked { want, verify: Some(verify.unwrap()) }
}

/// A source that is looked at again and again, by what the Secret holds then.
struct World {
    place: Place,
    asked: Asked,
    kept: CandidateStatus,
    pin: Option<Place>,
    memory: Memory,
    now: Timestamp,
    is_afresh: bool,
    folder: tempfile::TempDir,
}

impl World {
    fn new(place: Place, asked: Asked, kept: CandidateStatus) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (memory, now) = (Memory::default(), Timestamp::now());
        Self { place, asked, kept, pin: None, memory, now, is_afresh: false, folder }
    }

    /// A look of a process that finds these keys; none where there is no Secret.
    async fn look(&mut self, keys: impl Into<Option<Value>>) -> Finding {
        let secrets: Vec<_> = keys.into().into_iter().map(|keys| ("keys", keys)).collect();
        let tools = tools(&secrets, Registries::default(), &self.folder).await;
        let kept = Kept { asked: self.asked.clone(), pin: self.pin.clone(), candidate: self.kept.clone() };
        let job = Job {
            id: 0,
            place: self.place.clone(),
            asked: vec![self.asked.clone()],
            is_afresh: self.is_afresh,
            kept: vec![kept],
            sought: HashMap::new(),
            begun: self.now,
            memory: std::mem::take(&mut self.memory),
        };
        let mut report = carry_out(&tools, job).await;
        self.memory = report.memory;
        report.findings.remove(0).1
    }
}

/// By whom what is kept is signed, and the name of the keys.
fn verdict(finding: &Finding) -> Result<(String, String), &Unverified> {
    let [kept] = finding.kept.as_slice() else { panic!("{finding:?}") };
    let verified = kept.as_ref()?.verified.clone().unwrap();
    assert_eq!(finding.judged_by, Some(JudgedBy::Keys(verified.keys.clone())));
    Ok((verified.by.join("; "), verified.keys))
}

/// A tag that nobody signed is followed; what is kept was signed by the first of two keys.
async fn world_of_images() -> (World, Registry, [CosignKey; 2]) {
    let registry = Registry::start(Guard::Anonymous, Transport::Plain);
    let keys = [CosignKey::new(), CosignKey::new()];
    let old = registry.push(CODE, "v1", &CodeImage::with_site("old")).await;
    keys[0].sign_image(&registry, CODE, &old).await;
    registry.push(CODE, "stable", &CodeImage::with_site("new")).await;
    let repository = format!("{}/{CODE}", registry.host());
    let place = Place::Registry { repository: repository.clone(), access: access() };
    let kept = CandidateStatus {
        repository,
        digest: old,
        source_revision: Some("stable".to_owned()),
        ..CandidateStatus::default()
    };
    let verify = json!({"cosign": {"keys": {"secretRef": {"name": "keys"}}}});
    let asked = asked(Want::Follow("stable".to_owned()), &verify);
    (World::new(place, asked, kept), registry, keys)
}

fn holding(keys: &[&CosignKey]) -> Value {
    json!({"cosign.pub": keys.iter().map(|key| key.public_key()).collect::<String>()})
}

#[tokio::test]
async fn an_image_is_judged_by_other_keys_after_the_source_has_moved_on() {
    let (mut world, registry, [first, second]) = world_of_images().await;
    let found = world.look(holding(&[&first])).await;
    let (by, name) = verdict(&found).unwrap();
    assert!(by.starts_with("key cosign.pub (") && found.unverified.len() == 1, "{found:?}");
    registry.forget_requests();
    assert_eq!(verdict(&world.look(holding(&[&first])).await).unwrap().1, name);
    let of_kept = |path: &str| path.contains(world.kept.digest.trim_start_matches("sha256:"));
    assert!(!registry.requests().iter().any(|request| of_kept(&request.path)), "an idle look reads none");

    let with_another = verdict(&world.look(holding(&[&first, &second])).await).unwrap().1;
    assert_ne!(with_another, name);
    let found = world.look(holding(&[&second])).await;
    let refused = verdict(&found).unwrap_err();
    let is_of_it = refused.what.as_ref() == Some(&world.kept.digest);
    assert!(is_of_it && refused.overrules && refused.reason == Unverified::REFUSED, "{refused:?}");
}

/// As a proxy has it that wants to be logged in to.
#[tokio::test]
async fn a_signature_that_arrives_broken_says_nothing() {
    let (mut world, registry, [first, second]) = world_of_images().await;
    registry.answer(Fault { path: ".sig", status: 200, headers: Vec::new(), times: usize::MAX });
    let found = world.look(holding(&[&first])).await;
    let open = verdict(&found).unwrap_err();
    assert!(!open.overrules && open.reason == UNREACHABLE && found.is_failure(), "{open:?}");
    registry.end_faults();
    verdict(&world.look(holding(&[&first])).await).unwrap();
    let refused = world.look(holding(&[&second])).await;
    assert!(verdict(&refused).unwrap_err().overrules, "{refused:?}");
}

#[rstest]
#[case::no_secret(None, "Secret puppet/keys does not exist")]
#[case::no_keys(Some(json!({"cosign.pub": "nothing"})), "Secret keys: ")]
#[tokio::test]
async fn keys_are_read_although_the_source_is_away(#[case] keys: Option<Value>, #[case] said: &str) {
    let (mut world, _registry, [first, _]) = world_of_images().await;
    world.asked.want = Want::Follow("gone".to_owned());
    let found = world.look(holding(&[&first])).await;
    assert!(found.problem.is_some() && verdict(&found).is_ok(), "{found:?}");
    let found = world.look(keys).await;
    let Some(JudgedBy::Nothing(why)) = &found.judged_by else { panic!("{found:?}") };
    assert!(why.starts_with(said) && found.is_incomplete(&world.asked.want), "{why}");
    assert!(verdict(&world.look(holding(&[&first])).await).is_ok(), "the Secret is back");
}

#[tokio::test]
async fn no_login_of_a_source_goes_to_another_repository() {
    let (mut world, registry, [first, _]) = world_of_images().await;
    let repository = std::mem::replace(&mut world.kept.repository, format!("{}/team/other", registry.host()));
    registry.forget_requests();
    assert!(world.look(holding(&[&first])).await.kept.is_empty());
    assert!(!registry.requests().iter().any(|request| request.path.contains("team/other")));
    // A pin is got at as a pin is, and only what it names.
    let reference = format!("{repository}:v1").parse().unwrap();
    world.pin = Some(Place::Image { reference, access: access() });
    assert!(world.look(holding(&[&first])).await.kept.is_empty());
    world.kept.repository = repository;
    assert!(verdict(&world.look(holding(&[&first])).await).is_ok());
}

/// A repository whose newest commit nobody signed; what is kept was named by these objects.
fn world_of_git(
    server: &GitServer,
    registry: &Registry,
    follow: GitFollow,
    named_by: Option<GitObjects>,
) -> World {
    let place = Place::Git { url: server.url().parse().unwrap(), follow, access: access() };
    let kept = CandidateStatus {
        repository: format!("{}/{CODE}", registry.host()),
        digest: format!("sha256:{}", "1".repeat(64)),
        named_by,
        source_revision: Some("before".to_owned()),
        ..CandidateStatus::default()
    };
    let field = FieldQuery { path: "code".to_owned(), ..FieldQuery::default() };
    let verify = json!({"git": {"keys": {"secretRef": {"name": "keys"}}}});
    World::new(place, asked(Want::Named { field, image: access() }, &verify), kept)
}

#[rstest]
#[case::commit(false)]
#[case::tag(true)]
#[tokio::test]
async fn what_named_an_image_is_judged_by_other_keys_after_the_source_has_moved_on(#[case] is_tag: bool) {
    let registry = Registry::start(Guard::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let (signer, other) = (GitSigner::gpg(), GitSigner::ssh("ed25519"));
    let commit = repository.signed_commit("code", "ghcr.io/a/b:v1", &signer);
    let (follow, named_by) = if is_tag {
        repository.signed_tag("v1.0.0", &signer);
        let tag_object = Some(repository.git(&["rev-parse", "refs/tags/v1.0.0"]));
        let named_by = GitObjects { commit, tag: Some("v1.0.0".to_owned()), tag_object };
        repository.commit("code", "ghcr.io/a/b:v2", "Nobody signs this");
        repository.annotated_tag("v2.0.0", "Nobody signs this");
        (GitFollow::Tag(GitTag { semver: "*".to_owned(), matching: None, ignore: Vec::new() }), named_by)
    } else {
        repository.commit("code", "ghcr.io/a/b:v2", "Nobody signs this");
        (GitFollow::Branch("production".to_owned()), GitObjects { commit, ..GitObjects::default() })
    };
    let server = GitServer::daemon(&repository);
    let mut world = world_of_git(&server, &registry, follow, Some(named_by));
    let holding = |signers: &[&GitSigner]| {
        let files =
            signers.iter().zip(["one", "two"]).map(|(signer, name)| (name.to_owned(), signer.trusted()));
        Some(serde_json::to_value(files.collect::<HashMap<String, String>>()).unwrap())
    };
    let found = world.look(holding(&[&signer])).await;
    let (by, name) = verdict(&found).unwrap();
    let on = if is_tag { "on the tag v1.0.0" } else { "on the commit" };
    assert!(by.contains("A Signer") && by.ends_with(on), "{by}");
    assert_eq!(found.problem.unwrap().reason, Unverified::REFUSED, "of the newest");
    assert_ne!(verdict(&world.look(holding(&[&signer, &other])).await).unwrap().1, name);
    let found = world.look(holding(&[&other])).await;
    assert!(verdict(&found).unwrap_err().overrules, "{found:?}");
    world.kept.named_by = None;
    let found = world.look(holding(&[&signer])).await;
    let refused = verdict(&found).unwrap_err();
    assert!(!refused.overrules && refused.message.contains("not known which commit"), "{refused:?}");
}

#[test]
fn only_what_is_wanted_is_waited_for() {
    let found = |digest: &str| Found::image("a", digest);
    let unsigned = |digest: &str| Unverified {
        what: Some(digest.to_owned()),
        repository: Some("a".to_owned()),
        named_by: None,
        reason: Unverified::MISSING.to_owned(),
        message: String::new(),
        overrules: true,
    };
    let finding = |digest| Finding {
        image: Some(found("best")),
        next_best: vec![found("older")],
        unverified: vec![unsigned(digest)],
        ..Finding::default()
    };
    let awaits = |finding: &Finding| {
        let want = Want::Follow("v1".to_owned());
        (finding.is_missing(), finding.is_incomplete(&want))
    };
    assert_eq!(awaits(&finding("best")), (true, true));
    assert_eq!(awaits(&finding("older")), (false, false), "it may never be signed");
    let kept = Finding { kept: vec![Err(unsigned("older"))], ..finding("older") };
    assert_eq!(awaits(&kept), (true, true), "it is promoted or pinned");
    let revision = Unverified { repository: None, ..unsigned("a commit") };
    let of_source = Finding { unverified: vec![revision], ..Finding::default() };
    assert_eq!(awaits(&of_source), (true, true));
}

#[test]
fn a_verdict_is_remembered_until_it_ends() {
    let judged = Judged {
        query: asked(Want::Image, &json!({"git": {"keys": {"secretRef": {"name": "keys"}}}})).verify.unwrap(),
        material: [7; 32],
        what: "a commit".to_owned(),
    };
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut memory = Memory::default();
    memory.judged(judged.clone(), voxsync_verify::Signed { by: "a key".to_owned(), until: Some(at(100)) });
    assert!(memory.verdict(&judged, at(99)).is_some() && memory.verdict(&judged, at(100)).is_none());
    let other = Judged { material: [8; 32], ..judged };
    assert!(memory.verdict(&other, at(99)).is_none());
}

//! Several commits may name one image: each vouches for itself.

use super::*;

#[tokio::test]
async fn what_another_commit_named_is_judged_for_itself() {
    let registry = Registry::start(Guard::Anonymous, Transport::Plain);
    let digest = registry.push(CODE, "v1", &CodeImage::with_site("one")).await;
    let (repository, signer) = (GitRepository::create(), GitSigner::ssh("ed25519"));
    let image = format!("{}/{CODE}:v1", registry.host());
    let older = repository.commit("code", &format!("{image}\n"), "Nobody signs this");
    let newer = repository.signed_commit("code", &image, &signer);
    let server = GitServer::daemon(&repository);
    let objects = |commit: &str| GitObjects { commit: commit.to_owned(), ..GitObjects::default() };
    let follow = GitFollow::Branch("production".to_owned());
    let mut world = world_of_git(&server, &registry, follow, Some(objects(&older)));
    world.kept.digest.clone_from(&digest);

    let keys = json!({"one": signer.trusted()});
    let found = world.look(keys.clone()).await;
    let best = found.image.as_ref().unwrap();
    assert!(best.digest == digest && best.verified.is_some() && found.unverified.is_empty(), "{found:?}");
    let refused = verdict(&found).unwrap_err();
    assert!(refused.overrules && refused.is_about(&world.kept), "{refused:?}");
    assert_eq!(
        refused.named_by,
        Some(Box::new(objects(&older))),
        "it says nothing of what the newer one named"
    );
    world.kept.named_by = Some(objects(&newer));
    assert!(world.look(keys).await.kept.is_empty(), "it is what was found");
}

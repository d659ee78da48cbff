//! What an older voxsync found is judged by the commit that its status names, where that commit named it.

use voxsync_source::git::{Follows, ImageTemplate};

use super::*;

/// The newest commit is nobody's; what is kept is of this tag, and of the one before, which is signed.
async fn judged(tag: Option<&str>, template: Option<&str>) -> Result<(String, GitObjects), Unverified> {
    let registry = Registry::start(Guard::Anonymous, Transport::Plain);
    let (repository, signer) = (GitRepository::create(), GitSigner::ssh("ed25519"));
    let image = format!("{}/{CODE}", registry.host());
    let commit = repository.signed_commit("code", &format!("{image}:v1"), &signer);
    repository.commit("code", "ghcr.io/a/b:v2", "Nobody signs this");
    let server = GitServer::daemon(&repository);
    let mut world = world_of_git(&server, &registry, GitFollow::Branch("production".to_owned()), None);
    if let Some(template) = template {
        let template = ImageTemplate::new(&format!("{image}:{template}"), Follows::Branch("production"));
        world.asked.want = Want::Built { template: template.unwrap(), image: access() };
    }
    world.kept.tag = Some(tag.map_or_else(|| commit.clone(), str::to_owned));
    world.kept.source_revision = Some(commit.clone());
    let mut found = world.look(json!({"one": signer.trusted()})).await;
    let kept = found.kept.remove(0)?;
    let objects = kept.named_by.unwrap();
    assert_eq!(objects.commit, commit);
    Ok((kept.verified.unwrap().by.join("; "), objects))
}

#[rstest]
#[case::a_file_names_it(Some("v1"), None)]
#[case::its_name_is_made_of_the_commit(None, Some("{commit}"))]
#[tokio::test]
async fn the_commit_of_the_status_is_judged(#[case] tag: Option<&str>, #[case] template: Option<&str>) {
    let (by, objects) = judged(tag, template).await.unwrap();
    assert!(by.ends_with("on the commit"), "{by}");
    assert_eq!((objects.tag, objects.tag_object), (None, None));
}

#[rstest]
#[case::a_file_names_another(Some("v9"), None)]
#[case::its_name_is_made_of_another(Some("v1"), Some("{commit}"))]
#[tokio::test]
async fn a_commit_that_named_something_else_vouches_for_nothing(
    #[case] tag: Option<&str>,
    #[case] template: Option<&str>,
) {
    let refused = judged(tag, template).await.unwrap_err();
    assert!(
        !refused.overrules && refused.message.contains("pin what is the candidate already"),
        "{refused:?}"
    );
}

//! From a reference to an image that can be fetched.

use voxsync_crds::CodeReference;
use voxsync_promotion::SourceProblem;
use voxsync_source::registry::{ManifestFacts, Subject, Wanted};

use super::{
    looks::Order,
    memory::Memory,
    place::{Access, Found, IMAGE_UNAVAILABLE, Place, Want},
    tools::Tools,
    verify::access_of,
};

/// Resolves a reference to a digest; its manifest was fetched then. What was resolved once keeps its digest.
pub(crate) async fn resolve(
    tools: &Tools,
    memory: &mut Memory,
    want: &Want,
    reference: &CodeReference,
    access: &Access,
) -> Result<ManifestFacts, SourceProblem> {
    let key = (reference.clone(), access.clone());
    if let Some(facts) = memory.image(want, &key) {
        return Ok(facts);
    }
    let asked = reference.digest().or(reference.tag()).unwrap_or_default();
    let wanted = Wanted { platform: access.platform.as_ref(), created: access.dated };
    let subject = reference.digest().map_or(Subject::Names, |_| Subject::Content);
    let facts = tools
        .ask((reference.repository(), access), subject, |client| async move {
            client.resolve_for(asked, wanted).await
        })
        .await?;
    memory.insert(want, key, facts.clone());
    Ok(facts)
}

/// What is known of an image that can be fetched.
pub(crate) fn found(reference: &CodeReference, facts: &ManifestFacts) -> Found {
    Found {
        name: Found::short_name(reference.tag(), &facts.digest),
        repository: reference.repository().to_owned(),
        tag: reference.tag().map(str::to_owned),
        digest: facts.digest.clone(),
        commit: facts.revision.clone(),
        author: None,
        source_revision: None,
        created: facts.created,
        named_by: None,
        names_digest: reference.digest().is_some(),
        verified: None,
    }
}

/// The digest that a tag names now in the repository of an order, or else in that of the image that is known; none where
/// there is no such tag.
pub(crate) async fn digest_of(
    tools: &Tools,
    Order { place, want, .. }: &Order,
    known: Option<&str>,
    tag: &str,
) -> Result<Option<String>, SourceProblem> {
    let Some(access) = access_of(place, want) else { return Ok(None) };
    let (repository, access) = match (place, known) {
        (Place::Registry { repository, .. }, _) => (repository.as_str(), access.clone()),
        (_, Some(known)) => (known, access.clone().only_bound()),
        (_, None) => return Ok(None),
    };
    let ask =
        tools.ask((repository, &access), Subject::Names, |client| async move { client.head(tag).await });
    match ask.await {
        Ok(digest) => Ok(Some(digest)),
        Err(problem) if problem.reason == IMAGE_UNAVAILABLE => Ok(None),
        Err(problem) => Err(problem),
    }
}

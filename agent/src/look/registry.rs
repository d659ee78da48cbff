//! A look at a repository of a registry: one request a page of tags, one for each followed tag.

use voxsync_crds::{CodeReference, reference::short_digest};
use voxsync_promotion::SourceProblem;
use voxsync_source::registry::TagList;

use super::{
    image::{found, resolve},
    memory::Memory,
    place::{Access, Finding, Found, TagQuery, Want},
    tools::Tools,
};

/// Looks for what is wanted of a repository.
pub(crate) async fn look(
    tools: &Tools,
    memory: &mut Memory,
    repository: &str,
    access: &Access,
    wants: Vec<Want>,
) -> Vec<(Want, Finding)> {
    let tags = if wants.iter().any(|want| matches!(want, Want::Highest(_))) {
        Some(list(tools, memory, repository, access).await)
    } else {
        None
    };
    let mut findings = Vec::with_capacity(wants.len());
    for want in wants {
        let finding = match (&want, &tags) {
            (Want::Highest(query), Some(Ok(tags))) => {
                highest(tools, memory, (repository, access), &want, query, tags).await
            }
            (Want::Highest(_), Some(Err(problem))) => Finding::problem(problem.clone()),
            (Want::Follow(tag), _) => {
                follow(tools, memory, (repository, access), &want, tag).await.unwrap_or_else(Finding::problem)
            }
            _ => Finding::default(),
        };
        findings.push((want, finding));
    }
    findings
}

async fn list(
    tools: &Tools,
    memory: &mut Memory,
    repository: &str,
    access: &Access,
) -> Result<TagList, SourceProblem> {
    let previous = memory.tags.clone();
    let previous = previous.as_ref();
    let tags =
        tools.ask(repository, access, |client| async move { client.list_tags(previous).await }).await?;
    if !previous.is_some_and(|previous| tags.is_unchanged_since(previous)) {
        memory.elected.clear();
    }
    memory.tags = Some(tags.clone());
    Ok(tags)
}

async fn highest(
    tools: &Tools,
    memory: &mut Memory,
    (repository, access): (&str, &Access),
    want: &Want,
    query: &TagQuery,
    tags: &TagList,
) -> Finding {
    let tag_count = u32::try_from(tags.len()).ok();
    let seen = Finding { tag_count, ..Finding::default() };
    let tag = match memory.elected.get(want) {
        Some(tag) => tag.clone(),
        None => match elect(repository, query, tags) {
            Ok(tag) => tag,
            Err(problem) => return Finding { problem: Some(problem), ..seen },
        },
    };
    memory.elected.insert(want.clone(), tag.clone());
    let revision = Some(tag.clone());
    let image = match CodeReference::new(repository, Some(&tag), None) {
        Ok(reference) => resolve(tools, memory, want, &reference, access)
            .await
            .map(|facts| Found { source_revision: revision.clone(), ..found(&reference, &facts) }),
        Err(error) => Err(unusable("BadReference", error.to_string())),
    };
    let (image, problem) = image.map_or_else(|problem| (None, Some(problem)), |image| (Some(image), None));
    Finding { image, revision, problem, ..seen }
}

fn elect(repository: &str, query: &TagQuery, tags: &TagList) -> Result<String, SourceProblem> {
    let policy = query.policy().map_err(|error| unusable("BadPolicy", error.to_string()))?;
    let election = policy.elect(tags.tags());
    let no_match = || unusable("NoMatch", format!("{repository} {}: {election}", query.semver));
    Ok(election.chosen.as_ref().ok_or_else(no_match)?.tag.clone())
}

async fn follow(
    tools: &Tools,
    memory: &mut Memory,
    (repository, access): (&str, &Access),
    want: &Want,
    tag: &str,
) -> Result<Finding, SourceProblem> {
    let digest = tools.ask(repository, access, |client| async move { client.head(tag).await }).await?;
    let reference = CodeReference::new(repository, Some(tag), Some(&digest))
        .map_err(|error| unusable("BadReference", error.to_string()))?;
    let facts = resolve(tools, memory, want, &reference, access).await?;
    let image = Found {
        // All its candidates have the same tag.
        name: short_digest(&digest).to_owned(),
        source_revision: Some(tag.to_owned()),
        names_digest: false,
        ..found(&reference, &facts)
    };
    Ok(Finding { image: Some(image), revision: Some(tag.to_owned()), ..Finding::default() })
}

fn unusable(reason: &str, message: String) -> SourceProblem {
    SourceProblem { reason: reason.to_owned(), message, unreachable: false }
}

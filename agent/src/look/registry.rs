//! A look at a repository of a registry: one request a page of tags, one for each followed tag.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use voxsync_crds::{CodeReference, code_sync::RegistrySource, reference::short_digest};
use voxsync_policy::TagPolicy;
use voxsync_promotion::SourceProblem;
use voxsync_source::registry::{Subject, TagList};

use super::{
    awaits::Sought,
    builds::{Builds, TAGS_A_LOOK},
    confirm::SILENT_TAGS_LIMIT,
    image::{found, resolve},
    memory::{Elected, Memory},
    place::{
        Access, BAD_REFERENCE, Finding, Found, OF_ONE_TAG, READING_BUILD_TIMES, TagQuery, Want, unusable,
    },
    tools::Tools,
};

/// Looks for what is wanted of a repository.
pub(crate) async fn look(
    tools: &Tools,
    memory: &mut Memory,
    (repository, access): (&str, &Access),
    (wants, sought): (Vec<Want>, &HashMap<Want, Sought>),
) -> Vec<(Want, Finding)> {
    let tags = if wants.iter().any(|want| matches!(want, Want::Best(_))) {
        Some(list(tools, memory, repository, access).await)
    } else {
        None
    };
    let mut findings = Vec::with_capacity(wants.len());
    for want in wants {
        let finding = match (&want, &tags) {
            (Want::Best(query), Some(Ok(tags))) => {
                let sought = sought.get(&want).into_iter().flat_map(|sought| sought.keys());
                let awaited = sought.filter_map(|reference| reference.tag().map(str::to_owned)).collect();
                best(tools, memory, (repository, access), (&want, query, awaited), tags).await
            }
            (Want::Best(_), Some(Err(problem))) => Finding::problem(problem.clone()),
            (Want::Follow(tag), _) => {
                follow(tools, memory, (repository, access), &want, tag).await.unwrap_or_else(Finding::problem)
            }
            _ => Finding::default(),
        };
        findings.push((want, finding));
    }
    findings
}

/// All tags of a source, and when those were built that its policy asks for: however many looks that takes.
///
/// # Errors
/// A sentence that says what is wrong with the source, or why it cannot be read.
pub(crate) async fn listed(
    tools: &Tools,
    memory: &mut Memory,
    source: &RegistrySource,
    access: &Access,
) -> Result<(TagList, HashMap<String, Timestamp>), String> {
    let policy = TagPolicy::of(source).map_err(|error| error.to_string())?;
    let repository = source.repository.as_str();
    let tags = list(tools, memory, repository, access).await.map_err(|problem| problem.message)?;
    let builds = &mut memory.builds;
    if !policy.asks_build_time() {
        return Ok((tags, HashMap::new()));
    }
    let wanted: HashSet<&str> = tags.tags().filter(|tag| policy.wants(tag)).collect();
    // Each look reads some; what has no answer is left out if others have one.
    let mut further_looks = 0..=wanted.len() / TAGS_A_LOOK;
    while let Err(problem) = builds.read(tools, (repository, access), &wanted).await {
        let reason = problem.reason.as_str();
        let is_to_go_on = reason == READING_BUILD_TIMES || OF_ONE_TAG.contains(&reason);
        if !is_to_go_on || further_looks.next().is_none() {
            return Err(problem.message);
        }
        builds.begin(tags.tags());
    }
    let times = wanted.iter().filter_map(|tag| Some(((*tag).to_owned(), builds.time(tag)?))).collect();
    Ok((tags, times))
}

async fn list(
    tools: &Tools,
    memory: &mut Memory,
    repository: &str,
    access: &Access,
) -> Result<TagList, SourceProblem> {
    let previous = memory.tags.clone();
    let previous = previous.as_ref();
    let tags = tools
        .ask((repository, access), Subject::Names, |client| async move { client.list_tags(previous).await })
        .await?;
    let is_to_ask_again = memory.builds.begin(tags.tags());
    if is_to_ask_again || !previous.is_some_and(|previous| tags.is_unchanged_since(previous)) {
        memory.elected.clear();
    }
    memory.tags = Some(tags.clone());
    Ok(tags)
}

async fn best(
    tools: &Tools,
    memory: &mut Memory,
    (repository, access): (&str, &Access),
    (want, query, awaited): (&Want, &TagQuery, Vec<String>),
    tags: &TagList,
) -> Finding {
    let tag_count = u32::try_from(tags.len()).ok();
    let seen = Finding { tag_count, ..Finding::default() };
    let elected = match memory.elected.get(want).filter(|elected| elected.awaited == awaited) {
        Some(elected) => elected.clone(),
        None => match elect(tools, &mut memory.builds, (repository, access), (query, &awaited), tags).await {
            Ok(tags) => Elected { tags, awaited },
            Err(problem) => return Finding { problem: Some(problem), ..seen },
        },
    };
    memory.elected.insert(want.clone(), elected.clone());
    let (mut images, mut problem, mut silent) = (Vec::new(), None::<SourceProblem>, 0);
    for tag in &elected.tags {
        let Ok(reference) = CodeReference::new(repository, Some(tag), None) else { continue };
        let is_known = memory.knows(&(reference.clone(), access.clone()));
        if silent >= SILENT_TAGS_LIMIT && !is_known {
            continue;
        }
        match resolve(tools, memory, want, &reference, access).await {
            Ok(facts) => {
                silent = if is_known { silent } else { 0 };
                images.push(Found { source_revision: Some(tag.clone()), ..found(&reference, &facts) });
            }
            Err(lacking) => {
                silent += match lacking.reason.as_str() {
                    reason if OF_ONE_TAG.contains(&reason) => 1,
                    // It is the registry that has no answer, whatever the tag.
                    _ if lacking.unreachable => SILENT_TAGS_LIMIT,
                    _ => 0,
                };
                // What the best one lacks is said, unless the look did not come to all of them.
                let is_said = |said: &SourceProblem| said.unreachable || !lacking.unreachable;
                problem = problem.filter(is_said).or(Some(lacking));
            }
        }
    }
    let mut images = images.into_iter();
    Finding {
        image: images.next(),
        next_best: images.collect(),
        revision: elected.tags.first().cloned(),
        problem,
        ..seen
    }
}

/// The best tags and those of the awaited that fit, the very best first.
async fn elect(
    tools: &Tools,
    builds: &mut Builds,
    (repository, access): (&str, &Access),
    (query, awaited): (&TagQuery, &[String]),
    tags: &TagList,
) -> Result<Vec<String>, SourceProblem> {
    let policy = query.policy().map_err(|error| unusable("BadPolicy", error.to_string()))?;
    if policy.asks_build_time() {
        let wanted = tags.tags().filter(|tag| policy.wants(tag)).collect();
        builds.read(tools, (repository, access), &wanted).await?;
    }
    let election = policy.elect_best(tags.tags(), query.count, |tag| builds.time(tag));
    let no_match = || unusable("NoMatch", format!("{repository} {}: {election}", query.rule));
    let chosen = election.chosen.as_ref().ok_or_else(no_match)?;
    let best = || [chosen].into_iter().chain(&election.next_best).map(|chosen| chosen.tag.as_str());
    let awaited: HashSet<&str> = awaited.iter().map(String::as_str).collect();
    if awaited.is_empty() {
        return Ok(best().map(str::to_owned).collect());
    }
    let listed = tags.tags().filter(|tag| awaited.contains(tag));
    let all = policy.elect_best(best().chain(listed), query.count + awaited.len(), |tag| builds.time(tag));
    Ok(all.chosen.iter().chain(&all.next_best).map(|chosen| chosen.tag.clone()).collect())
}

async fn follow(
    tools: &Tools,
    memory: &mut Memory,
    (repository, access): (&str, &Access),
    want: &Want,
    tag: &str,
) -> Result<Finding, SourceProblem> {
    let digest = tools
        .ask((repository, access), Subject::Names, |client| async move { client.head(tag).await })
        .await?;
    let reference = CodeReference::new(repository, Some(tag), Some(&digest))
        .map_err(|error| unusable(BAD_REFERENCE, error.to_string()))?;
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

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;

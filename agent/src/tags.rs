//! The tags of a repository, for people who try a policy: nothing is elected here, and nothing is remembered.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use kube::{Client, ResourceExt as _};
use voxsync_crds::{CodeSync, code_sync::RegistrySource};
use voxsync_source::registry::Repository;

use crate::{
    Options,
    look::{Memory, Tools, digest_of as digest, listed, plan, registry_access},
};

/// What a repository has.
#[derive(Clone, Debug, Default)]
pub struct RepositoryTags {
    /// Its tags, one a line, in the registry's order, which means nothing.
    pub tags: String,
    /// When their images were built, where the policy asks for that and it is known.
    pub built: HashMap<String, Timestamp>,
}

/// Lists the tags that a registry source has, with the Secrets of a namespace that `client` gives; without a namespace, as
/// the command line names it, which has no Secrets.
///
/// # Errors
/// A sentence that says what is wrong with the source, or why it cannot be read.
pub async fn tags(
    client: Client,
    source: &RegistrySource,
    namespace: Option<&str>,
    options: &Options,
) -> Result<RepositoryTags, String> {
    let tools = Tools::new(client, options);
    let access = match namespace {
        Some(namespace) => registry_access(source, namespace),
        None => registry_access(source, "").said_by_command_line(),
    };
    let (list, built) = listed(&tools, &mut Memory::of_one_look(), source, &access).await?;
    Ok(RepositoryTags { tags: list.tags().collect::<Vec<_>>().join("\n"), built })
}

/// Why a registry gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    /// A sentence.
    pub why: String,
    /// How long it wants to be left alone.
    pub rest: Duration,
}

/// The digest that a tag names now in the repository of a CodeSync's images, with the Secrets that `client` gives; none
/// where there is no such tag.
///
/// # Errors
/// Why that cannot be known.
pub async fn digest_of(
    client: Client,
    code_sync: &CodeSync,
    tag: &str,
    options: &Options,
) -> Result<Option<String>, NoAnswer> {
    let namespace = code_sync.namespace().unwrap_or_default();
    let plan = plan(&code_sync.spec, &namespace, None, None)
        .map_err(|why| NoAnswer { why, rest: Duration::ZERO })?;
    let Some(source) = plan.source else { return Ok(None) };
    let candidate = code_sync.status.as_ref().and_then(|status| status.candidate.as_ref());
    let known = candidate.map(|candidate| candidate.repository.as_str());
    let answer = digest(&Tools::new(client, options), &source, known, tag).await;
    answer.map_err(|problem| {
        let of_source = code_sync.spec.source.registry.as_ref().map(|source| source.repository.as_str());
        let repository = of_source.or(known).and_then(|repository| repository.parse::<Repository>().ok());
        let rest = repository.map(|repository| options.registries.pace.rest_of(repository.api_host()));
        NoAnswer { why: problem.message, rest: rest.unwrap_or_default() }
    })
}

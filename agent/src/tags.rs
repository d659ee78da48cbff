//! The tags of a repository, for people who try a policy: nothing is elected here, and nothing is remembered.

mod words;

use std::collections::HashMap;

use jiff::Timestamp;
use kube::Client;
use voxsync_crds::code_sync::RegistrySource;

use crate::{
    Options,
    look::{Memory, Tools, listed},
};

pub use words::for_command_line;

/// What a repository has.
#[derive(Clone, Debug, Default)]
pub struct RepositoryTags {
    /// Its tags, one a line, in the registry's order, which means nothing.
    pub tags: String,
    /// When their images were built, where the policy asks for that and it is known.
    pub built: HashMap<String, Timestamp>,
}

/// Lists the tags that a registry source has, with the Secrets that `client` gives.
///
/// # Errors
/// A sentence that says what is wrong with the source, or why it cannot be read.
pub async fn tags(
    client: Client,
    source: &RegistrySource,
    namespace: &str,
    options: &Options,
) -> Result<RepositoryTags, String> {
    let tools = Tools::new(client, options);
    let (list, built) = listed(&tools, &mut Memory::default(), source, namespace).await?;
    Ok(RepositoryTags { tags: list.tags().collect::<Vec<_>>().join("\n"), built })
}

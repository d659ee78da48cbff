//! The agent as a verb uses it that looks once: with no more than the options of the command line, and nothing kept.

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use voxsync_agent::{Gatekeeper, LookBell, Metrics, Options};

use crate::{arguments::LookArguments, halves::USER_AGENT};

/// What a look needs, for as long as this is not dropped.
pub struct OneLook {
    /// Files are only read in a folder that is empty, and local repositories not at all, unless somebody changes that.
    pub options: Options,
    _cache: TempDir,
}

impl OneLook {
    /// Prepares it; nothing is asked yet.
    pub async fn prepare(arguments: LookArguments) -> anyhow::Result<Self> {
        let (registries, authorities) = arguments.read().await?;
        let cache = tempfile::Builder::new().prefix("voxsync-").tempdir().context("a temporary folder")?;
        let options = Options {
            file_root: cache.path().to_owned(),
            git_file_root: None,
            cache_folder: cache.path().to_owned(),
            selector: None,
            user_agent: USER_AGENT.to_owned(),
            registries,
            authorities,
            metrics: Metrics::register(&mut Registry::default()),
            gatekeeper: Gatekeeper::Present,
            bell: LookBell::default(),
        };
        Ok(Self { options, _cache: cache })
    }
}

//! The agent as a verb uses it that looks once: with no more than the options of the command line, and nothing kept.

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use voxsync_agent::{Gatekeeper, LookBell, Metrics, Options};

use crate::{arguments::LookArguments, halves::USER_AGENT};

/// Below this there is no file, and none can be made.
const NOWHERE: &str = "/dev/null";

/// What a look needs, for as long as this is not dropped.
pub struct OneLook {
    /// Neither files nor local repositories are read, unless somebody changes that.
    pub options: Options,
    _cache: Option<TempDir>,
}

impl OneLook {
    /// Prepares it; nothing is asked yet.
    pub async fn prepare(arguments: LookArguments) -> anyhow::Result<Self> {
        let (registries, authorities) = arguments.read().await?;
        let options = Options {
            file_root: NOWHERE.into(),
            git_file_root: None,
            cache_folder: NOWHERE.into(),
            selector: None,
            user_agent: USER_AGENT.to_owned(),
            registries,
            authorities,
            metrics: Metrics::register(&mut Registry::default()),
            gatekeeper: Gatekeeper::Present,
            job_service_account: None,
            bell: LookBell::default(),
        };
        Ok(Self { options, _cache: None })
    }

    /// Makes the folder that a look at Git needs for what it fetches. No other look needs one: registries can be asked where
    /// no folder can be written.
    pub fn with_git(self) -> anyhow::Result<Self> {
        let cache = tempfile::Builder::new().prefix("voxsync-").tempdir();
        let cache =
            cache.context("a temporary folder for what is fetched from Git: name a place in $TMPDIR")?;
        let options = Options { cache_folder: cache.path().to_owned(), ..self.options };
        Ok(Self { options, _cache: Some(cache) })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    #[tokio::test]
    async fn only_what_looks_at_git_makes_a_folder() {
        let Verb::Wait(options) = Arguments::parse_from(["voxsync", "wait", "a"]).verb else {
            panic!("another verb")
        };
        let look = OneLook::prepare(options.look).await.unwrap();
        let made = std::fs::create_dir_all(look.options.cache_folder.join("a"));
        assert!(made.is_err() && !look.options.file_root.is_dir());
        let look = look.with_git().unwrap();
        let folder = look.options.cache_folder.clone();
        assert!(folder.is_dir());
        drop(look);
        assert!(!folder.exists());
    }
}

//! `voxsync run`: the agent and the reconciler, until a signal.

mod health;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use futures::FutureExt as _;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tracing::info;
use voxsync_cluster::{Cluster, Scope};

use crate::{
    arguments::{Connection, RunOptions},
    connect::connect,
    halves::{self, Halves},
    stop::Signals,
    telemetry,
};

/// Runs until SIGTERM or SIGINT.
pub async fn run(connection: &Connection, options: RunOptions) -> anyhow::Result<ExitCode> {
    telemetry::log(&options.log, options.log_format)?;
    let (client, namespace) = connect(connection).await?;
    let scope = if options.all_namespaces { Scope::All } else { Scope::Namespace(namespace) };
    info!(
        version = env!("CARGO_PKG_VERSION"), ?scope, agent = ?options.agent, reconciler = ?options.reconciler, "starting"
    );
    let cancel = CancellationToken::new();
    let mut signals = Signals::catch()?;
    let cancelled = cancel.clone();
    tokio::spawn(async move {
        info!("{}: stopping", signals.first().await);
        cancelled.cancel();
    });

    let cluster = Cluster::watch(client.clone(), scope, cancel.clone());
    let (cache, _temporary) = cache_folder(&options)?;
    let halves = Halves {
        agent: options.agent,
        reconciler: options.reconciler,
        file_root: options.file_root,
        git_file_root: options.git_file_root,
        cache,
    };
    let mut metrics = Registry::default();
    let mut work = halves::work(&halves, &client, &cluster, &mut metrics, &cancel);
    work.push(health::serve(options.listen, cluster, Arc::new(metrics), cancel.clone()).boxed());
    tokio::select! {
        ended = halves::until_ended(work) => ended?,
        () = overdue(&cancel, options.grace) => {
            bail!("work that was under way did not end within --grace {:?}; what it left is in the cluster, and goes on at the next start", options.grace)
        }
    }
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Comes when work is still under way some time after it should have ended.
async fn overdue(cancel: &CancellationToken, grace: Duration) {
    cancel.cancelled().await;
    tokio::time::sleep(grace).await;
}

/// The folder for Git objects, and what removes it at the end where the user named none.
fn cache_folder(options: &RunOptions) -> anyhow::Result<(std::path::PathBuf, Option<tempfile::TempDir>)> {
    if let Some(folder) = &options.cache {
        std::fs::create_dir_all(folder).with_context(|| format!("--cache {}", folder.display()))?;
        return Ok((folder.clone(), None));
    }
    let folder = tempfile::Builder::new().prefix("voxsync-").tempdir().context("a temporary folder")?;
    Ok((folder.path().to_owned(), Some(folder)))
}

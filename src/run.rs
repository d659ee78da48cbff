//! `voxsync run`: the agent and the reconciler, until a signal.

mod admin;
mod election;
mod health;
mod hooks;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use futures::FutureExt as _;
use prometheus_client::{metrics::info::Info, registry::Registry};
use tokio_util::sync::CancellationToken;
use tracing::info;
use voxsync_agent::LookBell;
use voxsync_cluster::{Cluster, Scope};

use crate::{
    api_requests::ApiRequests,
    arguments::{Connection, RunOptions},
    connect::connect_counted,
    halves::{self, Halves},
    stop::Signals,
    telemetry::{LogFilter, Telemetry},
};

pub use election::ElectionOptions;
pub use hooks::HooksOptions;

/// Runs until SIGTERM or SIGINT.
pub async fn run(connection: &Connection, options: RunOptions) -> anyhow::Result<ExitCode> {
    let telemetry = Telemetry::start(&options.log, options.log_format, options.otlp_endpoint.as_deref())?;
    let ended = serve(connection, options, telemetry.log()).await;
    telemetry.end().await;
    ended
}

async fn serve(connection: &Connection, options: RunOptions, log: LogFilter) -> anyhow::Result<ExitCode> {
    let mut metrics = Registry::default();
    metrics.register(
        "voxsync_build",
        "The version that runs",
        Info::new([("version", env!("CARGO_PKG_VERSION"))]),
    );
    let requests = ApiRequests::register(&mut metrics);
    let (client, namespace) = connect_counted(connection, &requests).await?;
    let election = options.election.election(&namespace);
    let scope = if options.all_namespaces { Scope::All } else { Scope::Namespace(namespace) };
    info!(
        version = env!("CARGO_PKG_VERSION"), ?scope, cross_namespace = options.allow_cross_namespace, agent = ?options.agent,
        reconciler = ?options.reconciler, "starting"
    );
    let cancel = CancellationToken::new();
    let mut signals = Signals::catch()?;
    let cancelled = cancel.clone();
    tokio::spawn(async move {
        info!("{}: stopping", signals.first().await);
        cancelled.cancel();
    });

    let cluster = Cluster::watch(client.clone(), scope, cancel.clone());
    if options.allow_cross_namespace {
        cluster.allow_cross_namespace();
    }
    let (cache, _temporary) = cache_folder(&options)?;
    let bell = LookBell::default();
    let halves = Halves {
        agent: options.agent,
        reconciler: options.reconciler,
        file_root: options.file_root,
        git_file_root: options.git_file_root,
        cache,
        registries: options.registries.registries().await?,
        selector: options.election.shard_selector,
        bell: bell.clone(),
        job_service_account: options.job_service_account,
        election,
    };
    let mut work = halves::work(&halves, &client, &cluster, &mut metrics, &cancel);
    if let Some(address) = options.hooks.hooks_address {
        let parts = hooks::Parts {
            client: client.clone(),
            cluster: cluster.clone(),
            selector: halves.selector.clone(),
            bell,
            metrics: hooks::Metrics::register(&mut metrics),
        };
        work.push(hooks::Hooks::bind(address, &options.hooks, parts).await?.serve(cancel.clone()).boxed());
    }
    if let Some(address) = options.admin_listen {
        work.push(admin::serve(address, log, cancel.clone()).boxed());
    }
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

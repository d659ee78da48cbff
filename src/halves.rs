//! The two halves of voxsync, as `run` and `demo` start them. They meet only in the Kubernetes API.

use std::path::PathBuf;

use futures::future::{BoxFuture, FutureExt as _, try_join_all};
use kube::Client;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use voxsync_cluster::Cluster;

use crate::arguments::{ReconcilerMode, Switch};

/// Names voxsync to registries and Git servers.
const USER_AGENT: &str = concat!("voxsync/", env!("CARGO_PKG_VERSION"));

/// Which halves run, and with what.
pub struct Halves {
    pub agent: Switch,
    pub reconciler: ReconcilerMode,
    pub file_root: PathBuf,
    pub git_file_root: Option<PathBuf>,
    pub cache: PathBuf,
}

/// A half at work: it ends when it was cancelled, or with what made it end.
pub type Work = BoxFuture<'static, anyhow::Result<()>>;

/// Sets up the halves that are on. Nothing runs until the work is awaited; metrics are registered at once.
pub fn work(
    halves: &Halves,
    client: &Client,
    cluster: &Cluster,
    metrics: &mut Registry,
    cancel: &CancellationToken,
) -> Vec<Work> {
    let mut work: Vec<Work> = Vec::new();
    if halves.agent == Switch::On {
        let options = voxsync_agent::Options {
            file_root: halves.file_root.clone(),
            git_file_root: halves.git_file_root.clone(),
            cache_folder: halves.cache.clone(),
            user_agent: USER_AGENT.to_owned(),
            metrics: voxsync_agent::Metrics::register(metrics),
            looks: voxsync_agent::LookBoard::default(),
        };
        let agent = voxsync_agent::run(client.clone(), cluster.clone(), options, cancel.clone());
        work.push(async move { Ok(agent.await?) }.boxed());
    }
    let mode = match halves.reconciler {
        ReconcilerMode::Full => Some(voxsync_reconciler::Mode::Full),
        ReconcilerMode::Cooperative => Some(voxsync_reconciler::Mode::Cooperative),
        ReconcilerMode::Observe => Some(voxsync_reconciler::Mode::Observe),
        ReconcilerMode::Off => None,
    };
    if let Some(mode) = mode {
        let options =
            voxsync_reconciler::Options { mode, metrics: voxsync_reconciler::Metrics::register(metrics) };
        let reconciler = voxsync_reconciler::run(client.clone(), cluster.clone(), options, cancel.clone());
        work.push(async move { Ok(reconciler.await?) }.boxed());
    }
    work
}

/// Waits for all of it: until it was cancelled, or the first that fails.
pub async fn until_ended(work: Vec<Work>) -> anyhow::Result<()> {
    try_join_all(work).await.map(|_| ())
}

//! The two halves of voxsync, as `run` and `demo` start them. They meet only in the Kubernetes API.
//!
//! Where replicas elect a leader, each half works under a Lease of its own: the agent under one for each shard, the
//! reconciler under one for all that this process watches. The caches are in every replica, so that a follower takes
//! over at once.
//!
//! A Lease is for one scope. Where two scopes overlap (one process serves all namespaces, another one of them), there
//! are two Leases, and both processes work there: every write is conditional, so neither undoes what the other did,
//! but they look, write and tell twice. The same holds for shards whose selectors overlap. A CodeSync that no shard
//! selects rests.

use std::path::PathBuf;

use futures::future::{BoxFuture, FutureExt as _, TryFutureExt as _, try_join_all};
use kube::Client;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use voxsync_agent::LookBell;
use voxsync_cluster::Cluster;
use voxsync_crds::code_sync::LabelSelector;
use voxsync_lease::{LeaseOptions, Timing};

use crate::arguments::{ReconcilerMode, Switch};

/// Names voxsync to registries and Git servers.
pub const USER_AGENT: &str = concat!("voxsync/", env!("CARGO_PKG_VERSION"));

/// The Lease of the agent; that of a shard has its name behind it.
const AGENT_LEASE: &str = "voxsync-agent";
/// The Lease of the reconciler.
const RECONCILER_LEASE: &str = "voxsync-reconciler";

/// Which halves run, and with what.
pub struct Halves {
    pub agent: Switch,
    pub reconciler: ReconcilerMode,
    pub file_root: PathBuf,
    pub git_file_root: Option<PathBuf>,
    pub cache: PathBuf,
    /// How registries are asked.
    pub registries: voxsync_agent::Registries,
    /// The CodeSyncs that the agent decides on; all where none is given.
    pub selector: Option<LabelSelector>,
    /// By which the agent is asked to look now.
    pub bell: LookBell,
    /// As what the pods of checks of kind `job` run; without it there are none.
    pub job_service_account: Option<String>,
    /// How replicas agree on who works; none where this process is the only one.
    pub election: Option<Election>,
}

/// How replicas agree on who works.
#[derive(Clone)]
pub struct Election {
    /// Where the Leases are.
    pub namespace: String,
    /// Names this process in them.
    pub identity: String,
    /// The agent's shard.
    pub shard: Option<String>,
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
    let election =
        halves.election.clone().map(|election| (election, voxsync_lease::Metrics::register(metrics)));
    let lease = |name| {
        let (Election { namespace, identity, .. }, metrics) = election.clone()?;
        Some(LeaseOptions { namespace, name, identity, timing: Timing::default(), metrics })
    };
    if halves.agent == Switch::On {
        voxsync_agent::register_state(metrics, cluster);
        let options = voxsync_agent::Options {
            file_root: halves.file_root.clone(),
            git_file_root: halves.git_file_root.clone(),
            cache_folder: halves.cache.clone(),
            selector: halves.selector.clone(),
            user_agent: USER_AGENT.to_owned(),
            registries: halves.registries.clone(),
            authorities: None,
            metrics: voxsync_agent::Metrics::register(metrics),
            gatekeeper: match halves.reconciler {
                ReconcilerMode::Full | ReconcilerMode::Off => voxsync_agent::Gatekeeper::Present,
                ReconcilerMode::Cooperative | ReconcilerMode::Observe => voxsync_agent::Gatekeeper::Absent,
            },
            bell: halves.bell.clone(),
            job_service_account: halves.job_service_account.clone(),
        };
        let shard = halves.election.as_ref().and_then(|election| election.shard.as_ref());
        let name = shard.map_or_else(|| AGENT_LEASE.to_owned(), |shard| format!("{AGENT_LEASE}-{shard}"));
        work.push(led(lease(name), client, cluster, cancel, move |client, cluster, leading| {
            voxsync_agent::run(client, cluster, options.clone(), leading).err_into()
        }));
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
        let name = RECONCILER_LEASE.to_owned();
        work.push(led(lease(name), client, cluster, cancel, move |client, cluster, leading| {
            voxsync_reconciler::run(client, cluster, options.clone(), leading).err_into()
        }));
    }
    work
}

/// A half that works whenever this process leads, or from now on where it is the only one.
fn led<Half>(
    lease: Option<LeaseOptions>,
    client: &Client,
    cluster: &Cluster,
    cancel: &CancellationToken,
    start: impl Fn(Client, Cluster, CancellationToken) -> Half + Send + Sync + 'static,
) -> Work
where
    Half: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let (client, cluster, cancel) = (client.clone(), cluster.clone(), cancel.clone());
    async move {
        let Some(lease) = lease else { return start(client, cluster, cancel).await };
        // Who leads must be able to decide.
        if cancel.run_until_cancelled(cluster.ready()).await.is_none() {
            return Ok(());
        }
        let work = |leading| start(client.clone(), cluster.clone(), leading);
        voxsync_lease::lead(client.clone(), lease, cancel, work).await
    }
    .boxed()
}

/// Waits for all of it: until it was cancelled, or the first that fails.
pub async fn until_ended(work: Vec<Work>) -> anyhow::Result<()> {
    try_join_all(work).await.map(|_| ())
}

//! The agent: decides which code should run, and writes the code reference.
//!
//! The way of the data, in the order of the modules:
//! - `look`: sources → what could run (registries, Git, files; shared by all who want the same).
//! - `elsewhere`: what a CodeSync names in other namespaces (pure).
//! - `observe`: the cluster's index and the looks → what one CodeSync sees (pure).
//! - `vouch`: whether the API server vouches for who signed an approval.
//! - `voxsync_promotion::step`: → the new status, and what to do (pure, a crate of its own).
//! - `write`: a decision → the JSON patch of a target (pure).
//! - `notify`: tells those whom a CodeSync names of what happens to it.
//! - `controller`: the loop around it: wakes, stores the status, carries out the actions.
//!
//! The agent writes nothing but the status of CodeSync objects, code references with their records, CodeRelease
//! objects, events, and the Jobs of checks. It holds no state that is not in the cluster or found again by a look.

mod call;
mod check;
mod checks;
mod controller;
mod credentials;
mod elsewhere;
mod estate;
mod forecast;
mod key;
mod look;
mod metrics;
mod notify;
mod observe;
mod progress;
mod registries;
mod state;
mod tags;
mod target;
#[cfg(test)]
mod test_options;
mod trace;
mod upstream;
mod vouch;
mod write;

use std::path::PathBuf;

use kube::Client;
use tokio_util::sync::CancellationToken;
use voxsync_cluster::Cluster;
use voxsync_crds::code_sync::LabelSelector;

pub use check::{Checked, CheckedCheck, CheckedSecret, CheckedTarget, Fault, Sighted, Tried, check};
pub use controller::{Listener, LookBell};
pub use estate::{spec_problem, targets_of};
pub use forecast::{forecast, last_good};
pub use key::CodeSyncKey;
pub use look::{NextLook, next_look};
pub use metrics::Metrics;
pub use registries::{DEFAULT_REQUESTS_PER_SECOND, Mirror, OwnLoginOptions, OwnLogins, Pace, Registries};
pub use state::register_state;
pub use tags::{NoAnswer, RepositoryTags, digest_of, tags};
pub use voxsync_promotion::{
    Change, Forecast, Gatekeeper, LastGood, Left, NoLastGood, ObservedTarget, StageForecast, WindowForecast,
    idle_windows, is_bad_pin, ripe_at,
};
pub use voxsync_source::{pause, proxy_address};

/// How the agent is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// `file` sources are only read below this folder.
    pub file_root: PathBuf,
    /// `file://` repositories are only read below this folder; `None` refuses them all.
    pub git_file_root: Option<PathBuf>,
    /// Where fetched commits are kept; all of it may be lost.
    pub cache_folder: PathBuf,
    /// Only CodeSync objects with such labels are decided on, the others are another shard's; `None` selects all. Claims
    /// on targets are judged over all of them.
    pub selector: Option<LabelSelector>,
    /// As what registries see voxsync.
    pub user_agent: String,
    /// How registries are asked.
    pub registries: Registries,
    /// Certificates in PEM of authorities that registries and Git servers may have, besides those that a CodeSync names.
    pub authorities: Option<String>,
    /// Where the agent counts.
    pub metrics: Metrics,
    /// Whether there is a reconciler that holds Deployments back when a stage needs an order.
    pub gatekeeper: Gatekeeper,
    /// By which others ask it to look now.
    pub bell: LookBell,
    /// As what the pods of checks of kind `job` run; `None` makes none.
    pub job_service_account: Option<String>,
}

/// Why the agent could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder for fetched commits cannot be made.
    #[error("cannot make the cache folder {}: {source}; name another one with --cache", folder.display())]
    CacheFolder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Runs the agent until cancelled; what it is writing then is finished first, within a few seconds.
///
/// # Errors
/// Where it cannot start; see [`Error`].
pub async fn run(
    client: Client,
    cluster: Cluster,
    options: Options,
    cancel: CancellationToken,
) -> Result<(), Error> {
    tokio::fs::create_dir_all(&options.cache_folder)
        .await
        .map_err(|source| Error::CacheFolder { folder: options.cache_folder.clone(), source })?;
    controller::run(client, cluster, &options, cancel).await;
    Ok(())
}

//! voxsync itself, both halves, in the process of the test: as `voxsync run` starts them, for the test's namespace.

use std::path::{Path, PathBuf};

use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use voxsync_cluster::{CrossNamespace, Scope};
use voxsync_reconciler::Mode;

use super::cluster::Cluster;

/// Which halves run, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Halves {
    pub(crate) agent: bool,
    pub(crate) reconciler: Option<Mode>,
    /// The folder for files and local Git repositories; a new, empty one where none is given.
    pub(crate) files: Option<PathBuf>,
    /// All namespaces instead of the test's own; for tests that have the cluster for themselves.
    pub(crate) all_namespaces: bool,
    /// What may be done there for CodeSyncs of other namespaces.
    pub(crate) cross_namespace: CrossNamespace,
}

impl Default for Halves {
    fn default() -> Self {
        Self {
            agent: true,
            reconciler: Some(Mode::Full),
            files: None,
            all_namespaces: false,
            cross_namespace: CrossNamespace::Refused,
        }
    }
}

/// Runs until it is dropped: then it ends at once, in the middle of what it does, as if it were killed.
pub(crate) struct Voxsync {
    cancel: CancellationToken,
    halves: Vec<JoinHandle<()>>,
    /// Its own folder: a cache, and files where the test names no folder for them.
    folder: TempDir,
}

impl Voxsync {
    /// Both halves.
    pub(crate) fn start(cluster: &Cluster) -> Self {
        Self::start_with(cluster, Halves::default())
    }

    /// Only the reconciler.
    pub(crate) fn reconciler(cluster: &Cluster, mode: Mode) -> Self {
        Self::start_with(cluster, Halves { agent: false, reconciler: Some(mode), ..Halves::default() })
    }

    /// The halves that the test wants.
    pub(crate) fn start_with(cluster: &Cluster, halves: Halves) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [files, cache] = ["files", "cache"].map(|name| folder.path().join(name));
        for path in [&files, &cache] {
            std::fs::create_dir(path).expect("create a folder");
        }
        let cancel = CancellationToken::new();
        let client = cluster.voxsync_client();
        let scope =
            if halves.all_namespaces { Scope::All } else { Scope::Namespace(cluster.namespace().to_owned()) };
        let watched = voxsync_cluster::Cluster::watch(client.clone(), scope, cancel.clone());
        if halves.cross_namespace == CrossNamespace::Allowed {
            watched.allow_cross_namespace();
        }
        let mut running = Vec::new();
        if halves.agent {
            let files = halves.files.unwrap_or(files);
            let options = voxsync_agent::Options {
                file_root: files.clone(),
                git_file_root: Some(files),
                cache_folder: cache,
                selector: None,
                user_agent: "voxsync/test".to_owned(),
                registries: voxsync_agent::Registries::default(),
                authorities: None,
                metrics: voxsync_agent::Metrics::register(&mut Registry::default()),
                gatekeeper: match halves.reconciler {
                    Some(Mode::Full) | None => voxsync_agent::Gatekeeper::Present,
                    Some(Mode::Cooperative | Mode::Observe) => voxsync_agent::Gatekeeper::Absent,
                },
                bell: voxsync_agent::LookBell::default(),
                job_service_account: Some("voxsync-checks".to_owned()),
            };
            let agent = voxsync_agent::run(client.clone(), watched.clone(), options, cancel.clone());
            running.push(tokio::spawn(async move { agent.await.expect("the agent") }));
        }
        if let Some(mode) = halves.reconciler {
            let options = voxsync_reconciler::Options { mode, ..voxsync_reconciler::Options::default() };
            let reconciler = voxsync_reconciler::run(client, watched, options, cancel.clone());
            running.push(tokio::spawn(async move { reconciler.await.expect("the reconciler") }));
        }
        Self { cancel, halves: running, folder }
    }

    /// The folder for its files, unless the test named another one.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }
}

impl Drop for Voxsync {
    fn drop(&mut self) {
        for half in &self.halves {
            assert!(
                !half.is_finished() || std::thread::panicking(),
                "a half of voxsync ended before the test did; see its panic above"
            );
            half.abort();
        }
        // The watches.
        self.cancel.cancel();
    }
}

/// The folder that is the root of files, for a repository in it.
pub(crate) fn files_in(folder: &Path) -> Halves {
    Halves { files: Some(folder.to_owned()), ..Halves::default() }
}

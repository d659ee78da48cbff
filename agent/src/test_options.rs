//! The agent's options as tests have them.

use std::path::Path;

use prometheus_client::registry::Registry;

use crate::{LookBell, Metrics, Options, Registries};

/// Options with this folder for all files.
pub(crate) fn options(folder: &Path) -> Options {
    Options {
        file_root: folder.to_owned(),
        git_file_root: None,
        cache_folder: folder.join("git"),
        selector: None,
        user_agent: "voxsync-test".to_owned(),
        registries: Registries::default(),
        authorities: None,
        metrics: Metrics::register(&mut Registry::default()),
        gatekeeper: voxsync_promotion::Gatekeeper::Present,
        bell: LookBell::default(),
        job_service_account: None,
    }
}

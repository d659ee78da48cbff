//! The status of a CodeSync, stored.

use kube::{Api, Client, api::PostParams};
use tracing::{debug, warn};
use voxsync_cluster::Cluster;
use voxsync_crds::{CodeSync, FIELD_MANAGER, code_sync::CodeSyncStatus};

use crate::call::call;

/// How it went.
pub(super) enum Stored {
    Yes,
    /// Somebody changed the CodeSync in between: what is there now is in the index.
    Conflict,
    No,
}

/// Stores a status in the place of the one that it was made from.
pub(super) async fn store(
    client: &Client,
    cluster: &Cluster,
    code_sync: &CodeSync,
    status: CodeSyncStatus,
) -> Stored {
    let namespace = code_sync.metadata.namespace.as_deref().unwrap_or_default();
    let name = code_sync.metadata.name.as_deref().unwrap_or_default();
    let api: Api<CodeSync> = Api::namespaced(client.clone(), namespace);
    // With its resource version: a status is stored only in the place of the one that it was made from.
    let wanted = CodeSync { status: Some(status), ..code_sync.clone() };
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match call(api.replace_status(name, &parameters, &wanted)).await {
        Ok(stored) => {
            cluster.apply(stored);
            Stored::Yes
        }
        Err(kube::Error::Api(refusal)) if refusal.is_conflict() || refusal.is_not_found() => {
            debug!(namespace, name, "the CodeSync changed in between");
            if let Ok(present) = call(api.get(name)).await {
                cluster.apply(present);
            }
            Stored::Conflict
        }
        Err(error) => {
            warn!(namespace, name, %error, "the status of the CodeSync could not be stored");
            Stored::No
        }
    }
}

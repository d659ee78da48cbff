//! What CodeSyncs of a namespace are about, read once: all of that namespace, and of the others that they name.
//!
//! It is read with the rights of who asks. Whether the voxsync that runs goes to other namespaces is not to be seen from
//! here: it is taken to.

use std::collections::BTreeSet;

use anyhow::Context as _;
use kube::Client;
use voxsync_cluster::{CrossNamespace, Scope, Snapshot};
use voxsync_crds::code_sync::CodeSyncSpec;

/// What is said with an answer that is about other namespaces.
pub const ASSUMED: &str =
    "it names other namespaces: this takes it that voxsync runs with --allow-cross-namespace";

/// What the cluster says of a namespace, and of those that specs in it name.
pub async fn snapshot(
    client: Client,
    namespace: &str,
    specs: impl Iterator<Item = &CodeSyncSpec>,
) -> anyhow::Result<Snapshot> {
    let mut snapshot = Snapshot::fetch(client.clone(), &Scope::Namespace(namespace.to_owned())).await?;
    snapshot.set_cross_namespace(CrossNamespace::Allowed);
    let others = specs.flat_map(|spec| spec.other_namespaces(namespace));
    let named: BTreeSet<&str> = others.map(|(_, place)| place).collect();
    for place in named {
        let scope = Scope::Namespace(place.to_owned());
        let read = snapshot.fetch_also(&client, &scope).await;
        read.with_context(|| format!("namespace {place}, which a CodeSync of {namespace} names"))?;
    }
    Ok(snapshot)
}

/// Whether a spec names another namespace than its own.
pub fn goes_elsewhere(namespace: &str, spec: &CodeSyncSpec) -> bool {
    spec.other_namespaces(namespace).next().is_some()
}

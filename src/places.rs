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
    let named: BTreeSet<&str> = specs.flat_map(|spec| others(namespace, spec)).collect();
    for place in named {
        let scope = Scope::Namespace(place.to_owned());
        let read = snapshot.fetch_also(&client, &scope).await;
        read.with_context(|| format!("namespace {place}, which a CodeSync of {namespace} names"))?;
    }
    Ok(snapshot)
}

/// Whether a spec names another namespace than its own.
pub fn goes_elsewhere(namespace: &str, spec: &CodeSyncSpec) -> bool {
    others(namespace, spec).next().is_some()
}

/// The other namespaces that a spec names.
pub fn others<'a>(namespace: &'a str, spec: &'a CodeSyncSpec) -> impl Iterator<Item = &'a str> {
    let followed = spec.source.code_sync.as_ref().and_then(|source| source.namespace.as_deref());
    spec.target_namespaces().chain(followed).filter(move |place| *place != namespace)
}

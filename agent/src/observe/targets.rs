//! Which target comes first, and what the kubelet pulls its code with. Pure.

use voxsync_cluster::Snapshot;
use voxsync_crds::code_sync::CodeSyncSpec;
use voxsync_promotion::TargetKey;

use crate::target::Target;

/// The first target of a spec in its own namespace, by its order. A Secret of another one is not for a CodeSync here.
pub(crate) fn first_target(snapshot: &Snapshot, namespace: &str, spec: &CodeSyncSpec) -> Option<TargetKey> {
    snapshot.stage_targets(namespace, spec).into_iter().flatten().find(|key| key.namespace.is_none())
}

/// The Secret that the kubelet pulls a target's code with.
pub(crate) fn pull_secret<'a>(snapshot: &'a Snapshot, namespace: &str, key: &TargetKey) -> Option<&'a str> {
    let target = Target::find(snapshot, namespace, key).ok()?;
    let code = target.code().or(target.inherited_code())?;
    let place = code.position(key.entry.as_ref()).ok().flatten()?;
    code.entries().get(place)?.image_pull_secret.as_deref().filter(|secret| !secret.is_empty())
}

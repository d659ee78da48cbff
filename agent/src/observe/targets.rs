//! Which targets a spec means. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use voxsync_cluster::Snapshot;
use voxsync_crds::code_sync::{CodeSyncSpec, Target as TargetSpec, TargetKind};
use voxsync_promotion::TargetKey;

use crate::target::Target;

/// The targets of each stage, in order. A target that several stages mean belongs to the first of them.
pub(crate) fn stage_targets(
    snapshot: &Snapshot,
    namespace: &str,
    spec: &CodeSyncSpec,
) -> Vec<Vec<TargetKey>> {
    let mut taken = BTreeSet::new();
    let stages = spec.ordered_stages();
    let stages = stages.iter().map(|stage| {
        let keys = stage.targets.iter().flat_map(|target| targets(snapshot, namespace, target));
        keys.filter(|key| taken.insert(key.clone())).collect()
    });
    stages.collect()
}

/// The first target of a spec, by its order.
pub(crate) fn first_target(snapshot: &Snapshot, namespace: &str, spec: &CodeSyncSpec) -> Option<TargetKey> {
    stage_targets(snapshot, namespace, spec).into_iter().flatten().next()
}

/// The Secret that the kubelet pulls a target's code with.
pub(crate) fn pull_secret<'a>(snapshot: &'a Snapshot, namespace: &str, key: &TargetKey) -> Option<&'a str> {
    let target = Target::find(snapshot, namespace, key).ok()?;
    let code = target.code().or(target.inherited_code())?;
    let place = code.position(key.entry.as_ref()).ok().flatten()?;
    code.entries().get(place)?.image_pull_secret.as_deref().filter(|secret| !secret.is_empty())
}

/// Whether a spec means this target.
pub(crate) fn is_named_by(
    spec: &CodeSyncSpec,
    key: &TargetKey,
    labels: Option<&BTreeMap<String, String>>,
) -> bool {
    spec.ordered_stages().iter().flat_map(|stage| &stage.targets).any(|target| {
        target.kind == key.kind
            && target.entry == key.entry
            && (target.name.as_ref() == Some(&key.name)
                || target.selector.as_ref().is_some_and(|selector| selector.selects(labels)))
    })
}

fn targets(snapshot: &Snapshot, namespace: &str, target: &TargetSpec) -> Vec<TargetKey> {
    let key = |name: String| TargetKey { kind: target.kind, name, entry: target.entry.clone() };
    if let Some(name) = &target.name {
        return vec![key(name.clone())];
    }
    let Some(selector) = &target.selector else { return Vec::new() };
    let selected = |metadata: &ObjectMeta| {
        let name = metadata.name.clone().filter(|_| selector.selects(metadata.labels.as_ref()));
        name.map(key)
    };
    match target.kind {
        TargetKind::Config => {
            snapshot.configs_in(namespace).filter_map(|one| selected(&one.metadata)).collect()
        }
        TargetKind::Server => {
            snapshot.servers_in(namespace).filter_map(|one| selected(&one.metadata)).collect()
        }
    }
}

//! Which targets a CodeSync means, and which Servers take their code from them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use voxsync_crds::{
    Server,
    code_sync::{CodeSyncSpec, Target, TargetKey, TargetKind},
};

use crate::Snapshot;

impl Snapshot {
    /// The targets of each stage, in order. A target that several stages mean belongs to the first of them.
    pub fn stage_targets(&self, namespace: &str, spec: &CodeSyncSpec) -> Vec<Vec<TargetKey>> {
        let mut taken = BTreeSet::new();
        let stages = spec.ordered_stages();
        let stages = stages.iter().map(|stage| {
            let keys = stage.targets.iter().flat_map(|target| self.targets(namespace, target));
            keys.filter(|key| taken.insert(key.clone())).collect()
        });
        stages.collect()
    }

    /// The Servers that take their code from a target: of a Config, those without code of their own.
    pub fn servers_of_target(&self, namespace: &str, target: &TargetKey) -> Vec<&Server> {
        match target.kind {
            TargetKind::Server => self.server(namespace, &target.name).into_iter().collect(),
            TargetKind::Config => {
                let all = self.servers_of_config(namespace, &target.name);
                all.filter(|server| !has_own_code(server)).collect()
            }
        }
    }

    fn targets(&self, namespace: &str, target: &Target) -> Vec<TargetKey> {
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
                self.configs_in(namespace).filter_map(|one| selected(&one.metadata)).collect()
            }
            TargetKind::Server => {
                self.servers_in(namespace).filter_map(|one| selected(&one.metadata)).collect()
            }
        }
    }
}

/// Whether a spec means this target.
pub fn is_named_by(spec: &CodeSyncSpec, key: &TargetKey, labels: Option<&BTreeMap<String, String>>) -> bool {
    spec.ordered_stages().iter().flat_map(|stage| &stage.targets).any(|target| {
        target.kind == key.kind
            && target.entry == key.entry
            && (target.name.as_ref() == Some(&key.name)
                || target.selector.as_ref().is_some_and(|selector| selector.selects(labels)))
    })
}

/// Whether a Server takes its code from a target.
pub(crate) fn takes_from(server: &Server, target: &TargetKey) -> bool {
    match target.kind {
        TargetKind::Server => server.metadata.name.as_ref() == Some(&target.name),
        TargetKind::Config => server.spec.config_ref.as_ref() == Some(&target.name) && !has_own_code(server),
    }
}

/// An empty list is no code.
fn has_own_code(server: &Server) -> bool {
    server.spec.code.as_ref().is_some_and(|code| !code.entries().is_empty())
}

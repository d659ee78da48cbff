//! How the index is fed: object by object, each as new as what is there or newer, and what is gone taken out.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Snapshot;
use crate::{
    Kind, Object, Unreadable,
    kept::{Content, Kept, KeptReplicaSet, key, version},
};

impl Snapshot {
    /// Takes an object in, unless the index has it as new or newer. Says whether anything changed.
    pub fn apply(&mut self, object: impl Into<Object>) -> bool {
        Kept::of(object.into()).is_some_and(|kept| self.take(kept))
    }

    /// As [`Snapshot::apply`], for what is kept of an object.
    pub(crate) fn take(&mut self, kept: Kept) -> bool {
        let Kept { kind, namespace, name, version, content, .. } = kept;
        self.unreadable.remove(&(kind, namespace.clone(), name.clone()));
        match content {
            Content::Config(object) => self.configs.put(&namespace, &name, version, object),
            Content::Server(object) => self.servers.put(&namespace, &name, version, object),
            Content::Deployment(object) => self.deployments.put(&namespace, &name, version, object),
            Content::ReplicaSet(object) => {
                let deployment = object.controller.clone();
                let is_changed = self.replica_sets.put(&namespace, &name, version, object);
                if let Some((deployment, _)) = deployment.filter(|_| is_changed) {
                    self.forget_outdated_sets(&namespace, &deployment);
                }
                is_changed
            }
            Content::Pod(object) => self.pods.put(&namespace, &name, version, object),
            Content::CodeSync(object) => self.code_syncs.put(&namespace, &name, version, object),
            Content::CodeRelease(object) => self.releases.put(&namespace, &name, version, object),
        }
    }

    /// Whether the index has a newer version of an object.
    pub(crate) fn has_newer(&self, kept: &Kept) -> bool {
        let Kept { namespace, name, .. } = kept;
        let version = match kept.kind {
            Kind::Config => self.configs.version(namespace, name),
            Kind::Server => self.servers.version(namespace, name),
            Kind::Deployment => self.deployments.version(namespace, name),
            Kind::ReplicaSet => self.replica_sets.version(namespace, name),
            Kind::Pod => self.pods.version(namespace, name),
            Kind::CodeSync => self.code_syncs.version(namespace, name),
            Kind::CodeRelease => self.releases.version(namespace, name),
        };
        version.is_some_and(|version| version > kept.version)
    }

    /// Takes an object in, whatever the index has of it.
    pub(crate) fn replace(&mut self, kept: Kept) {
        // Without a version, any is taken out.
        let metadata = ObjectMeta {
            namespace: Some(kept.namespace.clone()),
            name: Some(kept.name.clone()),
            ..ObjectMeta::default()
        };
        self.delete(kept.kind, &metadata);
        self.take(kept);
    }

    /// Forgets the `ReplicaSet`s that a Deployment keeps of its old templates: ten a Deployment, if nothing is said,
    /// without pods. One that is gone back to gets another revision, and so arrives again.
    fn forget_outdated_sets(&mut self, namespace: &str, deployment: &str) {
        let sets = || self.replica_sets.owned_by(namespace, deployment);
        let is_outdated = |old: &KeptReplicaSet| {
            let mut others = sets().filter(|(_, other)| other.controller == old.controller);
            old.is_idle && others.any(|(_, other)| other.revision > old.revision)
        };
        let outdated: Vec<String> =
            sets().filter(|(_, set)| is_outdated(set)).map(|(name, _)| name.to_owned()).collect();
        for name in outdated {
            self.replica_sets.delete(namespace, &name, 0);
        }
    }

    /// Takes an object out, unless the index has one that was made after this deletion.
    pub fn delete(&mut self, kind: Kind, metadata: &ObjectMeta) -> bool {
        let Some((namespace, name)) = key(metadata) else { return false };
        let version = version(metadata);
        let was_unreadable = self.unreadable.remove(&(kind, namespace.clone(), name.clone())).is_some();
        was_unreadable
            | match kind {
                Kind::Config => self.configs.delete(&namespace, &name, version),
                Kind::Server => self.servers.delete(&namespace, &name, version),
                Kind::Deployment => self.deployments.delete(&namespace, &name, version),
                Kind::ReplicaSet => self.replica_sets.delete(&namespace, &name, version),
                Kind::Pod => self.pods.delete(&namespace, &name, version),
                Kind::CodeSync => self.code_syncs.delete(&namespace, &name, version),
                Kind::CodeRelease => self.releases.delete(&namespace, &name, version),
            }
    }

    /// Notes that an object could not be decoded; what was known of it is no longer true.
    pub(crate) fn note_unreadable(&mut self, unreadable: Unreadable) {
        let metadata = ObjectMeta {
            namespace: Some(unreadable.namespace.clone()),
            name: Some(unreadable.name.clone()),
            ..ObjectMeta::default()
        };
        self.delete(unreadable.kind, &metadata);
        let key = (unreadable.kind, unreadable.namespace.clone(), unreadable.name.clone());
        self.unreadable.insert(key, unreadable);
    }

    /// After a list: takes out what was not in it. Gives back namespace and name of what went.
    pub(crate) fn retain(
        &mut self,
        kind: Kind,
        listed: &BTreeSet<(String, String)>,
    ) -> Vec<(String, String)> {
        self.unreadable.retain(|(of, namespace, name), _| {
            *of != kind || listed.contains(&(namespace.clone(), name.clone()))
        });
        match kind {
            Kind::Config => self.configs.retain(listed),
            Kind::Server => self.servers.retain(listed),
            Kind::Deployment => self.deployments.retain(listed),
            Kind::ReplicaSet => self.replica_sets.retain(listed),
            Kind::Pod => self.pods.retain(listed),
            Kind::CodeSync => self.code_syncs.retain(listed),
            Kind::CodeRelease => self.releases.retain(listed),
        }
    }
}

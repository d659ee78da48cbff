//! The index: what the cluster says at one moment.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use voxsync_crds::{CodeSync, Config, Server, annotations::Gate, code_sync::TargetKind};
use voxsync_rollout::state::{Progress, RolloutState};

use crate::{
    CrossNamespace, Kind, Object, ReleaseFact, Shapes, Unreadable, Writer,
    kept::{Content, Kept, KeptDeployment, KeptPod, KeptReplicaSet, Written, key, version},
    table::Table,
};

/// What the cluster says at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    configs: Table<Box<Written<Config>>>,
    servers: Table<Box<Written<Server>>>,
    deployments: Table<KeptDeployment>,
    replica_sets: Table<KeptReplicaSet>,
    pods: Table<KeptPod>,
    code_syncs: Table<Box<CodeSync>>,
    releases: Table<ReleaseFact>,
    unreadable: BTreeMap<(Kind, String, String), Unreadable>,
    shapes: Shapes,
    cross_namespace: CrossNamespace,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            configs: Table::new(|_| None),
            servers: Table::new(|server| server.object.spec.config_ref.as_deref()),
            deployments: Table::new(|deployment| {
                deployment.gate.as_ref().map(|gate| gate.code_sync.as_str())
            }),
            replica_sets: Table::new(|set| set.controller.as_ref().map(|(name, _)| name.as_str())),
            pods: Table::new(|pod| pod.controller.as_deref()),
            code_syncs: Table::new(|code_sync| code_sync.metadata.uid.as_deref()),
            releases: Table::new(|release| Some(&release.code_sync_uid)),
            unreadable: BTreeMap::new(),
            shapes: Shapes::default(),
            cross_namespace: CrossNamespace::default(),
        }
    }
}

impl Snapshot {
    /// A Config.
    pub fn config(&self, namespace: &str, name: &str) -> Option<&Config> {
        self.configs.get(namespace, name).map(|config| &config.object)
    }

    /// All Configs, by namespace and name.
    pub fn configs(&self) -> impl Iterator<Item = &Config> {
        self.configs.all().map(|config| &config.object)
    }

    /// The Configs of a namespace.
    pub fn configs_in(&self, namespace: &str) -> impl Iterator<Item = &Config> {
        self.configs.in_namespace(namespace).map(|config| &config.object)
    }

    /// A Server.
    pub fn server(&self, namespace: &str, name: &str) -> Option<&Server> {
        self.servers.get(namespace, name).map(|server| &server.object)
    }

    /// All Servers, by namespace and name.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.all().map(|server| &server.object)
    }

    /// The Servers of a namespace.
    pub fn servers_in(&self, namespace: &str) -> impl Iterator<Item = &Server> {
        self.servers.in_namespace(namespace).map(|server| &server.object)
    }

    /// The Servers that refer to a Config, those with code of their own included.
    pub fn servers_of_config(&self, namespace: &str, config: &str) -> impl Iterator<Item = &Server> {
        self.servers.owned_by(namespace, config).map(|(_, server)| &server.object)
    }

    /// Who wrote a Config's or Server's code last.
    pub fn code_writer(&self, kind: TargetKind, namespace: &str, name: &str) -> Option<&Writer> {
        match kind {
            TargetKind::Config => self.configs.get(namespace, name)?.writer.as_ref(),
            TargetKind::Server => self.servers.get(namespace, name)?.writer.as_ref(),
        }
    }

    /// The Deployment of a Server, the one of its name: the parts of it that something is decided by.
    pub fn deployment_of(&self, namespace: &str, server: &str) -> Option<Deployment> {
        self.deployments.get(namespace, server)?.packed.unpack()
    }

    /// Whether a Server has a Deployment that is its own. One of its name may be somebody else's.
    pub fn has_deployment(&self, server: &Server) -> bool {
        let place = server.metadata.namespace.as_deref().zip(server.metadata.name.as_deref());
        let found = place.and_then(|(namespace, name)| self.deployments.get(namespace, name));
        found.is_some_and(|deployment| deployment.ownership.is_of(server))
    }

    /// Whether a Server's Deployment is to have pods. Nothing is unpacked for it.
    pub(crate) fn is_to_have_pods(&self, namespace: &str, server: &str) -> bool {
        self.deployments.get(namespace, server).is_some_and(|deployment| deployment.has_pods)
    }

    /// Whether a Server's Deployment is paused, by anybody.
    pub fn is_paused(&self, namespace: &str, server: &str) -> bool {
        self.deployments.get(namespace, server).is_some_and(|deployment| deployment.is_paused)
    }

    /// Whether a Server's Deployment is between two templates, so that a pause would leave it without pods; `None` where
    /// it has none.
    pub fn is_between_templates(&self, namespace: &str, server: &str) -> Option<bool> {
        self.deployments.get(namespace, server).map(|deployment| deployment.is_between)
    }

    /// What is known of how far a Server with a Deployment is, worked out anew where it is of other rows than these.
    pub(crate) fn measured_once(
        &self,
        namespace: &str,
        name: &str,
        measure: impl FnOnce() -> (RolloutState, Progress),
    ) -> (RolloutState, Progress) {
        let Some(deployment) = self.deployments.get(namespace, name) else { return measure() };
        let config = self.server(namespace, name).and_then(|server| server.spec.config_ref.as_deref());
        let config = config.and_then(|config| self.configs.arrival(namespace, config));
        let server = self.servers.arrival(namespace, name);
        let sets = self.replica_sets.owned_by(namespace, name).flat_map(|(set, _)| {
            let pods = self.pods.owned_by(namespace, set);
            let pods = pods.map(|(pod, _)| self.pods.arrival(namespace, pod));
            // What is not there counts as zero, which also parts one set from the next.
            std::iter::once(self.replica_sets.arrival(namespace, set)).chain(pods).chain([None])
        });
        let rows = [server, config].into_iter().chain(sets).map(Option::unwrap_or_default);
        deployment.measured.get_or(rows.collect(), measure)
    }

    /// The gate that is written on a Server's Deployment, be it paused or not.
    pub fn gate_on(&self, namespace: &str, server: &str) -> Option<&Gate> {
        self.deployments.get(namespace, server)?.gate.as_ref()
    }

    /// The CodeSyncs that have gates in a namespace, by uid, each with the names of the Deployments.
    pub(crate) fn gates_of(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.deployments.owners_in(namespace)
    }

    /// The namespaces in which a gate is written on a Deployment.
    pub fn namespaces_with_gates(&self) -> impl Iterator<Item = &str> {
        self.deployments.namespaces_with_owners()
    }

    /// How many Deployments a gate is written on.
    pub fn gates_count(&self) -> usize {
        self.deployments.owned_count()
    }

    /// The `ReplicaSet`s of a Server's Deployment that have pods, and that of its newest template.
    pub fn replica_sets_of(&self, namespace: &str, server: &str) -> impl Iterator<Item = ReplicaSet> {
        self.replica_sets.owned_by(namespace, server).filter_map(|(_, set)| set.packed.unpack())
    }

    /// The pods of a Server's Deployment.
    pub fn pods_of(&self, namespace: &str, server: &str) -> impl Iterator<Item = Pod> {
        self.kept_pods_of(namespace, server).filter_map(|pod| pod.packed.unpack())
    }

    /// Those of the pods of a Server's Deployment that may not start.
    pub(crate) fn troubled_pods_of(&self, namespace: &str, server: &str) -> impl Iterator<Item = Pod> {
        let troubled = self.kept_pods_of(namespace, server).filter(|pod| pod.is_troubled);
        troubled.filter_map(|pod| pod.packed.unpack())
    }

    fn kept_pods_of(&self, namespace: &str, server: &str) -> impl Iterator<Item = &KeptPod> {
        let sets = self.replica_sets.owned_by(namespace, server);
        sets.flat_map(move |(name, _)| self.pods.owned_by(namespace, name).map(|(_, pod)| pod))
    }

    /// A CodeSync.
    pub fn code_sync(&self, namespace: &str, name: &str) -> Option<&CodeSync> {
        self.code_syncs.get(namespace, name).map(Box::as_ref)
    }

    /// The CodeSync of a uid.
    pub fn code_sync_of_uid(&self, namespace: &str, uid: &str) -> Option<&CodeSync> {
        self.code_syncs.owned_by(namespace, uid).next().map(|(_, code_sync)| code_sync.as_ref())
    }

    /// The CodeSync that a gate on a Deployment of a namespace is for, if it is there.
    pub fn holder_of(&self, namespace: &str, gate: &Gate) -> Option<&CodeSync> {
        self.holder_of_uid(namespace, &gate.code_sync)
    }

    pub(crate) fn holder_of_uid(&self, namespace: &str, uid: &str) -> Option<&CodeSync> {
        let elsewhere = || self.code_syncs().find(|one| one.metadata.uid.as_deref() == Some(uid));
        self.code_sync_of_uid(namespace, uid)
            .or_else(|| elsewhere().filter(|_| self.cross_namespace == CrossNamespace::Allowed))
    }

    /// Every CodeSync, by namespace and name.
    pub fn code_syncs(&self) -> impl Iterator<Item = &CodeSync> {
        self.code_syncs.all().map(Box::as_ref)
    }

    /// Every CodeSync of a namespace.
    pub fn code_syncs_in(&self, namespace: &str) -> impl Iterator<Item = &CodeSync> {
        self.code_syncs.in_namespace(namespace).map(Box::as_ref)
    }

    /// Every CodeRelease of the CodeSync of a uid.
    pub fn releases_of(&self, namespace: &str, code_sync_uid: &str) -> impl Iterator<Item = &ReleaseFact> {
        self.releases.owned_by(namespace, code_sync_uid).map(|(_, release)| release)
    }

    /// In which shape the installed API has `spec.code`.
    pub fn shapes(&self) -> Shapes {
        self.shapes
    }

    /// Says in which shape the installed API has `spec.code`.
    pub fn set_shapes(&mut self, shapes: Shapes) {
        self.shapes = shapes;
    }

    /// Whether CodeSyncs may go to other namespaces than their own; not, if nothing was said.
    pub fn cross_namespace(&self) -> CrossNamespace {
        self.cross_namespace
    }

    /// Says whether CodeSyncs may go to other namespaces than their own.
    pub fn set_cross_namespace(&mut self, cross_namespace: CrossNamespace) {
        self.cross_namespace = cross_namespace;
    }

    /// Objects that could not be decoded; they count as not there.
    pub fn unreadable(&self) -> impl Iterator<Item = &Unreadable> {
        self.unreadable.values()
    }

    /// Why a Config or Server that is there could not be decoded.
    pub fn why_unreadable(&self, kind: Kind, namespace: &str, name: &str) -> Option<&str> {
        let key = (kind, namespace.to_owned(), name.to_owned());
        self.unreadable.get(&key).map(|unreadable| unreadable.reason.as_str())
    }

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

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;

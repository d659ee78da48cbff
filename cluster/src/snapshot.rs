//! The index: what the cluster says at one moment. Here it is asked; `feed` is how it comes to know.

mod feed;

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use voxsync_crds::{CodeSync, Config, Server, annotations::Gate, code_sync::TargetKind};
use voxsync_rollout::state::{Progress, RolloutState};

use crate::{
    CrossNamespace, Kind, ReleaseFact, Shapes, Unreadable, Writer,
    kept::{KeptDeployment, KeptPod, KeptReplicaSet, Written},
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
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;

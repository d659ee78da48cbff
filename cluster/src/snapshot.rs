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

use crate::{
    Kind, Object, ReleaseFact, Shapes, Unreadable, Writer,
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

    /// The gate that is written on a Server's Deployment, be it paused or not.
    pub(crate) fn gate_on(&self, namespace: &str, server: &str) -> Option<&Gate> {
        self.deployments.get(namespace, server)?.gate.as_ref()
    }

    /// The CodeSyncs that have gates in a namespace, by uid, each with the names of the Deployments.
    pub(crate) fn gates_of(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.deployments.owners_in(namespace)
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
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::SERVER_LABEL;

    fn apply<T: serde::de::DeserializeOwned + Into<Object>>(snapshot: &mut Snapshot, value: Value) -> bool {
        snapshot.apply(serde_json::from_value::<T>(value).unwrap())
    }

    fn owned(name: &str, owner: Option<(&str, &str)>) -> Value {
        let owners = owner.map(|(kind, name)| {
            json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": true}])
        });
        json!({"name": name, "namespace": "puppet", "ownerReferences": owners})
    }

    fn deployment(name: &str, label: &str) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "puppet", "managedFields": [
                {"manager": "manager", "operation": "Update", "fieldsV1": {"f:spec": {"f:template": {}}}}]},
            "spec": {"selector": {"matchLabels": {label: name}}, "template": {"spec": {
                "containers": [{"name": "openvox-server", "env": [{"name": "A", "value": "b"}]}],
                "volumes": [{"name": "ssl", "secret": {"secretName": "s"}}, {"name": "code", "image": {"reference": "a:1"}}]}}},
        })
    }

    #[test]
    fn goes_from_a_config_to_its_pods() {
        let mut snapshot = Snapshot::default();
        apply::<Config>(&mut snapshot, json!({"metadata": {"name": "production", "namespace": "puppet"}}));
        for (name, config) in [("one", "production"), ("two", "production"), ("other", "staging")] {
            let metadata = json!({"name": name, "namespace": "puppet"});
            apply::<Server>(&mut snapshot, json!({"metadata": metadata, "spec": {"configRef": config}}));
        }
        apply::<Deployment>(&mut snapshot, deployment("one", SERVER_LABEL));
        let template = json!({"metadata": {}, "spec": {"containers": []}});
        apply::<ReplicaSet>(
            &mut snapshot,
            json!({"metadata": owned("one-1", Some(("Deployment", "one"))), "spec": {"selector": {}, "template": template}}),
        );
        apply::<Pod>(&mut snapshot, json!({"metadata": owned("one-1-a", Some(("ReplicaSet", "one-1")))}));
        apply::<Pod>(&mut snapshot, json!({"metadata": owned("stray", None)}));

        let servers = snapshot.servers_of_config("puppet", "production");
        let names: Vec<_> = servers.filter_map(|server| server.metadata.name.as_deref()).collect();
        assert_eq!(names, ["one", "two"]);
        let pods = snapshot.pods_of("puppet", "one").filter_map(|pod| pod.metadata.name);
        assert_eq!(pods.collect::<Vec<_>>(), ["one-1-a"]);
    }

    #[test]
    fn keeps_positions_and_drops_the_rest() {
        let mut snapshot = Snapshot::default();
        apply::<Deployment>(&mut snapshot, deployment("one", SERVER_LABEL));
        let kept = snapshot.deployment_of("puppet", "one").unwrap();
        assert_eq!(kept.metadata.managed_fields, None);
        let template = serde_json::to_value(&kept.spec.as_ref().unwrap().template).unwrap();
        assert_eq!(
            template,
            json!({"spec": {"containers": [{"name": "openvox-server"}],
                            "volumes": [{"name": "ssl"}, {"name": "code", "image": {"reference": "a:1"}}]}})
        );
    }

    #[test]
    fn of_old_templates_only_what_has_pods_is_kept() {
        let mut snapshot = Snapshot::default();
        let set = |name: &str, version: &str, revision: &str, replicas: u32| {
            let mut metadata = owned(name, Some(("Deployment", "one")));
            metadata["annotations"] = json!({"deployment.kubernetes.io/revision": revision});
            metadata["resourceVersion"] = json!(version);
            json!({"metadata": metadata, "spec": {"replicas": replicas, "selector": {}}, "status": {"replicas": replicas}})
        };
        let names = |snapshot: &Snapshot| -> Vec<String> {
            snapshot.replica_sets_of("puppet", "one").filter_map(|set| set.metadata.name).collect()
        };
        apply::<ReplicaSet>(&mut snapshot, set("a", "1", "1", 0));
        assert_eq!(names(&snapshot), ["a"], "it is that of the newest template");
        apply::<ReplicaSet>(&mut snapshot, set("b", "2", "2", 1));
        apply::<ReplicaSet>(&mut snapshot, set("c", "3", "3", 0));
        assert_eq!(names(&snapshot), ["b", "c"]);
        apply::<ReplicaSet>(&mut snapshot, set("b", "4", "2", 0));
        assert_eq!(names(&snapshot), ["c"]);
        apply::<ReplicaSet>(&mut snapshot, set("a", "5", "4", 0));
        assert_eq!(names(&snapshot), ["a"], "its template is the newest again");
    }

    #[test]
    fn of_a_pod_what_keeps_it_from_starting_is_kept() {
        let mut snapshot = Snapshot::default();
        let template = json!({"metadata": {}, "spec": {"containers": []}});
        apply::<ReplicaSet>(
            &mut snapshot,
            json!({"metadata": owned("one-1", Some(("Deployment", "one"))), "spec": {"selector": {}, "template": template}}),
        );
        let mut pod = |name: &str, state: Value, condition: Value| {
            let container = json!({"name": "c", "image": "i", "imageID": "x", "ready": false, "restartCount": 0, "state": state});
            let status =
                json!({"containerStatuses": [container], "conditions": [condition], "podIP": "10.0.0.1"});
            apply::<Pod>(
                &mut snapshot,
                json!({"metadata": owned(name, Some(("ReplicaSet", "one-1"))), "spec": {"containers": []}, "status": status}),
            );
        };
        let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "m"}});
        pod("waits", waiting.clone(), json!({"type": "Ready", "status": "False"}));
        pod(
            "nowhere",
            json!({}),
            json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}),
        );
        pod("well", json!({"running": {}}), json!({"type": "Ready", "status": "True"}));
        let troubled: Vec<Pod> = snapshot.troubled_pods_of("puppet", "one").collect();
        let names: Vec<_> = troubled.iter().filter_map(|pod| pod.metadata.name.as_deref()).collect();
        assert_eq!(names, ["nowhere", "waits"]);
        let kept = serde_json::to_value(&troubled[1]).unwrap();
        assert_eq!(kept["status"]["containerStatuses"][0]["state"], waiting);
        assert_eq!(snapshot.pods_of("puppet", "one").count(), 3);
    }

    #[test]
    fn of_other_deployments_only_the_selector_is_kept() {
        let mut snapshot = Snapshot::default();
        apply::<Deployment>(&mut snapshot, deployment("web", "app"));
        let kept = serde_json::to_value(snapshot.deployment_of("puppet", "web")).unwrap();
        assert_eq!(kept["spec"], json!({"selector": {"matchLabels": {"app": "web"}}, "template": {}}));
    }

    #[test]
    fn an_unreadable_object_is_not_there_and_says_why() {
        let mut snapshot = Snapshot::default();
        let metadata = json!({"name": "production", "namespace": "puppet", "resourceVersion": "5"});
        assert!(apply::<Config>(&mut snapshot, json!({"metadata": metadata})));
        assert!(
            !apply::<Config>(&mut snapshot, json!({"metadata": metadata})),
            "the same again is no change"
        );
        snapshot.note_unreadable(Unreadable {
            kind: Kind::Config,
            namespace: "puppet".into(),
            name: "production".into(),
            reason: "spec.code is a number".into(),
        });
        assert!(snapshot.config("puppet", "production").is_none());
        assert_eq!(
            snapshot.why_unreadable(Kind::Config, "puppet", "production"),
            Some("spec.code is a number")
        );
        assert!(apply::<Config>(&mut snapshot, json!({"metadata": metadata})));
        assert_eq!(snapshot.unreadable().count(), 0);
    }
}

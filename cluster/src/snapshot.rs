//! The index: what the cluster says at one moment.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use voxsync_crds::{CodeSync, Config, Server, code_sync::TargetKind};

use crate::{
    Kind, Object, ReleaseFact, SERVER_LABEL, Shapes, Unreadable, Writer, projection, table::Table, writer,
};

/// What the cluster says at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    configs: Table<Written<Config>>,
    servers: Table<Written<Server>>,
    deployments: Table<(Deployment, Vec<Writer>)>,
    replica_sets: Table<ReplicaSet>,
    pods: Table<Pod>,
    code_syncs: Table<CodeSync>,
    releases: Table<ReleaseFact>,
    unreadable: BTreeMap<(Kind, String, String), Unreadable>,
    shapes: Shapes,
}

/// A Config or Server, with who wrote its code last.
#[derive(Clone, Debug)]
struct Written<T> {
    object: T,
    writer: Option<Writer>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            configs: Table::new(|_| None),
            servers: Table::new(|server| server.object.spec.config_ref.as_deref()),
            deployments: Table::new(|_| None),
            replica_sets: Table::new(|replica_set| controller(&replica_set.metadata, "Deployment")),
            pods: Table::new(|pod| controller(&pod.metadata, "ReplicaSet")),
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
        self.servers.owned_by(namespace, config).map(|server| &server.object)
    }

    /// Who wrote a Config's or Server's code last.
    pub fn code_writer(&self, kind: TargetKind, namespace: &str, name: &str) -> Option<&Writer> {
        match kind {
            TargetKind::Config => self.configs.get(namespace, name)?.writer.as_ref(),
            TargetKind::Server => self.servers.get(namespace, name)?.writer.as_ref(),
        }
    }

    /// The Deployment of a Server: the one of its name.
    pub fn deployment_of(&self, namespace: &str, server: &str) -> Option<&Deployment> {
        self.deployments.get(namespace, server).map(|(deployment, _)| deployment)
    }

    /// Who owns parts of the pod template of a Server's Deployment.
    pub fn template_writers(&self, namespace: &str, server: &str) -> &[Writer] {
        self.deployments.get(namespace, server).map_or(&[], |(_, writers)| writers)
    }

    /// The `ReplicaSet`s of a Server's Deployment.
    pub fn replica_sets_of(&self, namespace: &str, server: &str) -> impl Iterator<Item = &ReplicaSet> {
        self.replica_sets.owned_by(namespace, server)
    }

    /// The pods of a Server's Deployment.
    pub fn pods_of(&self, namespace: &str, server: &str) -> impl Iterator<Item = &Pod> {
        let names = self.replica_sets_of(namespace, server).filter_map(|set| set.metadata.name.as_deref());
        names.flat_map(move |name| self.pods.owned_by(namespace, name))
    }

    /// A CodeSync.
    pub fn code_sync(&self, namespace: &str, name: &str) -> Option<&CodeSync> {
        self.code_syncs.get(namespace, name)
    }

    /// The CodeSync of a uid.
    pub fn code_sync_of_uid(&self, namespace: &str, uid: &str) -> Option<&CodeSync> {
        self.code_syncs.owned_by(namespace, uid).next()
    }

    /// Every CodeSync, by namespace and name.
    pub fn code_syncs(&self) -> impl Iterator<Item = &CodeSync> {
        self.code_syncs.all()
    }

    /// Every CodeSync of a namespace.
    pub fn code_syncs_in(&self, namespace: &str) -> impl Iterator<Item = &CodeSync> {
        self.code_syncs.in_namespace(namespace)
    }

    /// Every CodeRelease of the CodeSync of a uid.
    pub fn releases_of(&self, namespace: &str, code_sync_uid: &str) -> impl Iterator<Item = &ReleaseFact> {
        self.releases.owned_by(namespace, code_sync_uid)
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
        let object = object.into();
        let metadata = object.metadata();
        let Some((namespace, name)) = key(metadata) else { return false };
        let version = version(metadata);
        self.unreadable.remove(&(object.kind(), namespace.clone(), name.clone()));
        match object {
            Object::Config(mut object) => {
                let writer = writer::of_code(&object.metadata);
                projection::config(&mut object);
                self.configs.put(&namespace, &name, version, Written { object: *object, writer })
            }
            Object::Server(mut object) => {
                let writer = writer::of_code(&object.metadata);
                projection::server(&mut object);
                self.servers.put(&namespace, &name, version, Written { object: *object, writer })
            }
            Object::Deployment(object) if !selects_by_server(&object) => {
                let foreign = projection::foreign_deployment(*object);
                self.deployments.put(&namespace, &name, version, (foreign, Vec::new()))
            }
            Object::Deployment(mut object) => {
                let writers = writer::of_template(&object.metadata);
                projection::deployment(&mut object);
                self.deployments.put(&namespace, &name, version, (*object, writers))
            }
            Object::ReplicaSet(mut object) => {
                projection::replica_set(&mut object);
                self.replica_sets.put(&namespace, &name, version, *object)
            }
            Object::Pod(mut object) => {
                projection::pod(&mut object);
                self.pods.put(&namespace, &name, version, *object)
            }
            Object::CodeSync(mut object) => {
                projection::code_sync(&mut object);
                self.code_syncs.put(&namespace, &name, version, *object)
            }
            Object::CodeRelease(object) => {
                self.releases.put(&namespace, &name, version, ReleaseFact::of(&object))
            }
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

/// Namespace and name.
pub(crate) fn key(metadata: &ObjectMeta) -> Option<(String, String)> {
    Some((metadata.namespace.clone()?, metadata.name.clone()?))
}

/// Resource versions are ordered numbers (Kubernetes 1.35, "resource versions are comparable"; etcd revisions
/// before that).
fn version(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn controller<'a>(metadata: &'a ObjectMeta, kind: &str) -> Option<&'a str> {
    let owners = metadata.owner_references.iter().flatten();
    let mut of_kind = owners.filter(|owner| owner.controller == Some(true) && owner.kind == kind);
    of_kind.next().map(|owner| owner.name.as_str())
}

fn selects_by_server(deployment: &Deployment) -> bool {
    let selector = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.as_ref());
    selector.is_some_and(|labels| labels.contains_key(SERVER_LABEL))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

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
        let pods = snapshot.pods_of("puppet", "one").filter_map(|pod| pod.metadata.name.as_deref());
        assert_eq!(pods.collect::<Vec<_>>(), ["one-1-a"]);
        assert_eq!(snapshot.template_writers("puppet", "one")[0].manager, "manager");
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

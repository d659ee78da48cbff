//! An object as the API sends it, one of a page of a list or of a watch.
//!
//! What is kept of it is taken while it is decoded: a page is never in memory in its full size. One that cannot be
//! decoded as its kind still says whose it is, and ends neither list nor watch.

use std::{borrow::Cow, marker::PhantomData};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed as _, Error as _},
};
use serde_json::Value;

use crate::{
    Unreadable,
    kept::{Kept, key},
    kind::Indexed,
    read::Without,
};

/// The longest reason that is kept of an object that cannot be decoded.
const REASON_LIMIT_CHARACTERS: usize = 500;

/// An object of a kind, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived<K> {
    /// Namespace, name and version, and nothing else.
    metadata: ObjectMeta,
    /// What is kept of it, or why it cannot be decoded; nothing where it has no namespace or name.
    pub(crate) content: Option<Result<Kept, Unreadable>>,
    of: PhantomData<fn() -> K>,
}

impl<'de, K: Indexed> Deserialize<'de> for Arrived<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Without(K::UNREAD).deserialize(deserializer)?;
        let (metadata, content) = match K::deserialize(&value) {
            Ok(object) => (names(object.meta()), Kept::of(object.into_object()).map(Ok)),
            Err(error) => {
                let metadata = value.get("metadata").unwrap_or(&Value::Null);
                let metadata = names(&ObjectMeta::deserialize(metadata).map_err(D::Error::custom)?);
                let reason = error.to_string().chars().take(REASON_LIMIT_CHARACTERS).collect();
                let content = key(&metadata)
                    .map(|(namespace, name)| Err(Unreadable { kind: K::KIND, namespace, name, reason }));
                (metadata, content)
            }
        };
        Ok(Self { metadata, content, of: PhantomData })
    }
}

fn names(metadata: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        resource_version: metadata.resource_version.clone(),
        ..ObjectMeta::default()
    }
}

impl<K: Resource> Resource for Arrived<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::kind(dynamic)
    }
    fn group(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::group(dynamic)
    }
    fn version(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::version(dynamic)
    }
    fn plural(dynamic: &K::DynamicType) -> Cow<'_, str> {
        K::plural(dynamic)
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::Pod,
    };
    use serde_json::json;

    use super::*;
    use crate::Kind;

    #[test]
    fn what_cannot_be_decoded_says_whose_it_is_and_why() {
        let metadata = json!({"name": "a", "namespace": "n", "resourceVersion": "7"});
        let arrived =
            serde_json::from_value::<Arrived<Pod>>(json!({"metadata": metadata, "spec": "x"})).unwrap();
        assert_eq!(arrived.meta().resource_version.as_deref(), Some("7"));
        let Some(Err(unreadable)) = arrived.content else { panic!("it was decoded") };
        assert_eq!((unreadable.kind, unreadable.name.as_str()), (Kind::Pod, "a"));
        assert!(unreadable.reason.contains("\"x\""), "{unreadable:?}");
    }

    #[test]
    fn what_is_not_read_is_not_kept_either() {
        let all = json!({"name": "openvox-server", "image": "i", "env": [{"name": "A", "value": "b"}], "envFrom": [],
            "args": ["a"], "command": ["c"], "lifecycle": {}, "livenessProbe": {}, "readinessProbe": {}, "startupProbe": {},
            "ports": [{"containerPort": 8140}], "resources": {"limits": {"cpu": "1"}}, "securityContext": {"privileged": true},
            "volumeMounts": [{"name": "code", "mountPath": "/code"}]});
        let volumes = json!([
            {"name": "ssl", "secret": {"secretName": "s"}}, {"name": "config", "configMap": {"name": "c"}},
            {"name": "token", "projected": {"sources": []}}, {"name": "code", "image": {"reference": "a:1"}}]);
        let pod = json!({"containers": [all], "initContainers": [all], "volumes": volumes, "affinity": {}, "tolerations": [],
            "securityContext": {}, "topologySpreadConstraints": [], "imagePullSecrets": [{"name": "p"}]});
        let labels = json!({"openvox.voxpupuli.org/server": "a"});
        let metadata = json!({"name": "a", "namespace": "n", "resourceVersion": "7", "labels": labels,
            "annotations": {"voxsync.dev/gate": "g"}, "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}]});
        let template = json!({"metadata": {"labels": labels}, "spec": pod});
        let spec =
            json!({"replicas": 1, "paused": true, "selector": {"matchLabels": labels}, "template": template});
        let workload = json!({"metadata": metadata, "spec": spec, "status": {"replicas": 1}});
        agree::<Deployment>(&workload);
        agree::<ReplicaSet>(&workload);
        agree::<Pod>(&json!({"metadata": metadata, "spec": pod, "status": {"phase": "Running"}}));
    }

    fn agree<K: Indexed>(value: &Value) {
        let Ok(arrived) = Arrived::<K>::deserialize(value) else { panic!("it does not arrive") };
        let whole = Kept::of(K::deserialize(value).unwrap().into_object());
        assert_eq!(format!("{:?}", arrived.content), format!("{:?}", whole.map(Ok::<_, Unreadable>)));
    }

    #[test]
    fn it_knows_its_names_and_its_version() {
        let metadata = json!({"name": "a", "namespace": "n", "resourceVersion": "7", "labels": {"l": "m"}});
        let arrived = serde_json::from_value::<Arrived<Pod>>(json!({"metadata": metadata})).unwrap();
        assert_eq!((&arrived.metadata.labels, arrived.metadata.name.as_deref()), (&None, Some("a")));
        let Some(Ok(kept)) = arrived.content else { panic!("it was not decoded") };
        assert_eq!((kept.namespace.as_str(), kept.name.as_str(), kept.version), ("n", "a", 7));
    }
}

//! The table of built-in resources: what Kubernetes itself would serve, as far as the sandbox does.
//!
//! Plain data.

use k8s_openapi::{
    api::{apps, coordination, core, rbac},
    apiextensions_apiserver::pkg::apis::apiextensions,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    built_in_columns::columns,
    resource::{Family, Resource, ScalePaths, Typed},
};

/// Group, version, plural, kind, short names, whether it is namespaced, whether it has a status, its type.
type Row =
    (&'static str, &'static str, &'static str, &'static str, &'static [&'static str], bool, bool, Typed);

const TABLE: &[Row] = &[
    ("", "v1", "namespaces", "Namespace", &["ns"], false, true, typed::<core::v1::Namespace>),
    ("", "v1", "nodes", "Node", &["no"], false, true, typed::<core::v1::Node>),
    ("", "v1", "secrets", "Secret", &[], true, false, typed::<core::v1::Secret>),
    ("", "v1", "configmaps", "ConfigMap", &["cm"], true, false, typed::<core::v1::ConfigMap>),
    ("", "v1", "events", "Event", &["ev"], true, false, typed::<core::v1::Event>),
    ("", "v1", "pods", "Pod", &["po"], true, true, typed::<core::v1::Pod>),
    ("", "v1", "services", "Service", &["svc"], true, true, typed::<core::v1::Service>),
    ("", "v1", "serviceaccounts", "ServiceAccount", &["sa"], true, false, typed::<core::v1::ServiceAccount>),
    (
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        &["pvc"],
        true,
        true,
        typed::<core::v1::PersistentVolumeClaim>,
    ),
    ("apps", "v1", "deployments", "Deployment", &["deploy"], true, true, typed::<apps::v1::Deployment>),
    ("apps", "v1", "replicasets", "ReplicaSet", &["rs"], true, true, typed::<apps::v1::ReplicaSet>),
    ("coordination.k8s.io", "v1", "leases", "Lease", &[], true, false, typed::<coordination::v1::Lease>),
    ("events.k8s.io", "v1", "events", "Event", &["ev"], true, false, typed::<core::v1::Event>),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", &[], true, false, typed::<rbac::v1::Role>),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "rolebindings",
        "RoleBinding",
        &[],
        true,
        false,
        typed::<rbac::v1::RoleBinding>,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "clusterroles",
        "ClusterRole",
        &[],
        false,
        false,
        typed::<rbac::v1::ClusterRole>,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        &[],
        false,
        false,
        typed::<rbac::v1::ClusterRoleBinding>,
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        &["crd", "crds"],
        false,
        true,
        typed::<apiextensions::v1::CustomResourceDefinition>,
    ),
];

/// How `events.k8s.io/v1` calls what core events call otherwise. There is one store, the core's.
const EVENT_NAMES: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// All built-in resources.
pub(crate) fn built_in() -> impl Iterator<Item = Resource> {
    TABLE.iter().map(|&(group, version, plural, kind, short_names, namespaced, status, typed)| Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        kind: kind.to_owned(),
        list_kind: format!("{kind}List"),
        short_names: short_names.iter().map(|&name| name.to_owned()).collect(),
        categories: if matches!(plural, "pods" | "deployments" | "replicasets" | "services") {
            vec!["all".to_owned()]
        } else {
            Vec::new()
        },
        namespaced,
        status,
        scale: matches!(plural, "deployments" | "replicasets").then(|| ScalePaths {
            spec_replicas: "/spec/replicas".to_owned(),
            status_replicas: "/status/replicas".to_owned(),
            selector: None,
        }),
        columns: columns(plural),
        family: Family::BuiltIn(typed),
        renamed: if group == "events.k8s.io" { EVENT_NAMES } else { &[] },
        stored_in_group: if group == "events.k8s.io" { String::new() } else { group.to_owned() },
    })
}

fn typed<T: Serialize + DeserializeOwned>(value: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(T::deserialize(value)?)
}

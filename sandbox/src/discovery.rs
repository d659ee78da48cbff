//! What the API says about itself: groups, versions, resources, health.
//!
//! Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{catalog::Catalog, resource::Resource};

/// The content type of aggregated discovery, which clients ask for by name.
pub(crate) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// `/version`.
pub(crate) fn version(git_version: &str) -> Value {
    let mut parts = git_version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
    json!({
        "major": major, "minor": minor, "gitVersion": git_version, "gitCommit": "voxsync-sandbox",
        "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc",
        "platform": "sandbox",
    })
}

/// `/api`.
pub(crate) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"],
           "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}]})
}

/// The versions of each group but the core.
fn groups(catalog: &Catalog) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in catalog.all().filter(|resource| !resource.group.is_empty()) {
        let versions = groups.entry(&resource.group).or_default();
        if !versions.contains(&resource.version.as_str()) {
            versions.push(&resource.version);
        }
    }
    groups
}

/// `/apis`.
pub(crate) fn group_list(catalog: &Catalog) -> Value {
    let groups: Vec<Value> =
        groups(catalog).into_iter().map(|(group, versions)| group_entry(group, &versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`, if there is such a group.
pub(crate) fn group(catalog: &Catalog, name: &str) -> Option<Value> {
    let mut entry = group_entry(name, groups(catalog).get(name)?);
    let members = crate::json::object_mut(&mut entry);
    members.insert("kind".to_owned(), json!("APIGroup"));
    members.insert("apiVersion".to_owned(), json!("v1"));
    Some(entry)
}

fn group_entry(group: &str, versions: &[&str]) -> Value {
    let entries: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "versions": entries, "preferredVersion": entries.first()})
}

/// `/api/v1` or `/apis/<group>/<version>`, if there is such a group version.
pub(crate) fn resource_list(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let mut rows = Vec::new();
    for resource in catalog.all().filter(|resource| resource.group == group && resource.version == version) {
        rows.push(json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": Resource::verbs(), "shortNames": resource.short_names,
            "categories": resource.categories, "storageVersionHash": "",
        }));
        for (subresource, kind) in subresources(resource) {
            let mut row = json!({
                "name": format!("{}/{subresource}", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "kind": kind, "verbs": ["get", "patch", "update"],
            });
            if subresource == "scale" {
                let members = crate::json::object_mut(&mut row);
                members.insert("group".to_owned(), json!("autoscaling"));
                members.insert("version".to_owned(), json!("v1"));
            }
            rows.push(row);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!rows.is_empty()).then(|| {
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": rows})
    })
}

fn subresources(resource: &Resource) -> Vec<(&'static str, String)> {
    let status = resource.status.then(|| ("status", resource.kind.clone()));
    let scale = resource.scale.as_ref().map(|_| ("scale", "Scale".to_owned()));
    status.into_iter().chain(scale).collect()
}

/// `/api` (core) or `/apis` (all others) in the aggregated form: everything in one answer.
pub(crate) fn aggregated(catalog: &Catalog, core: bool) -> Value {
    let names: BTreeMap<&str, Vec<&str>> =
        if core { BTreeMap::from([("", vec!["v1"])]) } else { groups(catalog) };
    let items: Vec<Value> = names
        .into_iter()
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|version| {
                    let resources: Vec<Value> = catalog
                        .all()
                        .filter(|resource| resource.group == group && resource.version == version)
                        .map(|resource| aggregated_resource(resource))
                        .collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_resource(resource: &Resource) -> Value {
    let below: Vec<Value> = subresources(resource)
        .into_iter()
        .map(|(subresource, kind)| {
            let (group, version) = if subresource == "scale" {
                ("autoscaling", "v1")
            } else {
                (resource.group.as_str(), resource.version.as_str())
            };
            json!({
                "subresource": subresource, "verbs": ["get", "patch", "update"],
                "responseKind": {"group": group, "version": version, "kind": kind},
            })
        })
        .collect();
    json!({
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular, "verbs": Resource::verbs(), "shortNames": resource.short_names,
        "categories": resource.categories, "subresources": below,
    })
}

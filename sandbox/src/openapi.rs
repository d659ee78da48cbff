//! OpenAPI v3: an index with a hash for each group version, and a document with the schemas of its CRDs.
//!
//! Pure. Built-in resources appear with their names and verbs, but without the fields of their schemas.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    catalog::Catalog,
    json::object_mut,
    resource::{Family, Resource},
};

/// `/openapi/v3`.
pub(crate) fn index(catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    for resource in catalog.all() {
        let path = path(&resource.group, &resource.version);
        if !paths.contains_key(&path)
            && let Some(document) = document(catalog, &resource.group, &resource.version)
        {
            let hash = hex::encode(Sha256::digest(document.to_string().as_bytes()));
            let address = format!("/openapi/v3/{path}?hash={hash}");
            paths.insert(path, json!({"serverRelativeURL": address}));
        }
    }
    json!({"paths": paths})
}

fn path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// `/openapi/v3/apis/<group>/<version>`, if there is such a group version.
pub(crate) fn document(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let (mut schemas, mut paths) = (Map::new(), Map::new());
    for resource in catalog.all().filter(|resource| resource.group == group && resource.version == version) {
        let kind = json!({"group": group, "version": version, "kind": resource.kind});
        schemas.insert(schema_name(resource), schema(resource, &kind));
        let scope = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
        let collection = format!("/{}/{scope}{}", path(group, version), resource.plural);
        let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"]
            .iter()
            .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
            .collect();
        let operation = |action: &str| {
            json!({
                "x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind, "parameters": parameters,
                "responses": {"200": {"description": "OK", "content": {"application/json": {"schema":
                    {"$ref": format!("#/components/schemas/{}", schema_name(resource))}}}}},
            })
        };
        let mut patch = operation("patch");
        let content = json!({"content": {"application/merge-patch+json": {"schema": {"type": "object"}}}});
        object_mut(&mut patch).insert("requestBody".to_owned(), content);
        paths.insert(collection.clone(), json!({"get": operation("list"), "post": operation("post")}));
        paths.insert(
            format!("{collection}/{{name}}"),
            json!({"get": operation("get"), "put": operation("put"), "patch": patch}),
        );
    }
    (!schemas.is_empty()).then(|| {
        json!({
            "openapi": "3.0.0", "info": {"title": "voxsync sandbox", "version": "v1"}, "paths": paths,
            "components": {"schemas": schemas},
        })
    })
}

/// `dev.voxsync.v1alpha1.CodeSync`: the group backwards.
fn schema_name(resource: &Resource) -> String {
    let group = if resource.group.is_empty() { "core.api.k8s.io" } else { &resource.group };
    let mut parts: Vec<&str> = group.split('.').collect();
    parts.reverse();
    format!("{}.{}.{}", parts.join("."), resource.version, resource.kind)
}

fn schema(resource: &Resource, kind: &Value) -> Value {
    let mut schema = match &resource.family {
        Family::Custom(custom) => custom.document.clone(),
        Family::BuiltIn(_) => json!({
            "description": "A built-in resource. The sandbox keeps its fields but does not publish their schema.",
            "type": "object",
        }),
    };
    let members = object_mut(&mut schema);
    members.insert("x-kubernetes-group-version-kind".to_owned(), json!([kind]));
    let properties = object_mut(members.entry("properties").or_insert(Value::Null));
    for name in ["apiVersion", "kind"] {
        properties.entry(name).or_insert_with(|| json!({"type": "string"}));
    }
    properties.entry("metadata").or_insert_with(|| json!({"type": "object"}));
    schema
}

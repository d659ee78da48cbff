//! From a CRD to the resources that it defines, one for each served version.
//!
//! Pure. A CRD with a schema or rule that the sandbox cannot read is refused with the reason: it must never be
//! accepted and then not enforced.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    column::{Cell, Column, age_cell, name_cell},
    json::{list, number, text},
    json_path::JsonPath,
    refusal::Cause,
    resource::{Bucket, Custom, Family, Resource, ScalePaths},
    schema::Schema,
};

/// Where the objects of a CRD are stored.
pub(crate) fn bucket(definition: &Value) -> Bucket {
    let of = |pointer| text(definition, pointer).unwrap_or_default().to_owned();
    (of("/spec/group"), of("/spec/names/plural"))
}

/// The resources of a CRD.
pub(crate) fn resources(definition: &Value) -> Result<Vec<Resource>, Vec<Cause>> {
    let (group, plural) = bucket(definition);
    let expected = format!("{plural}.{group}");
    if crate::json::name(definition) != expected {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        return Err(vec![Cause::invalid(
            "metadata.name",
            &json!(crate::json::name(definition)).to_string(),
            detail,
        )]);
    }
    let mut resources = Vec::new();
    for (index, version) in list(definition, "/spec/versions").iter().enumerate() {
        if version.get("served") == Some(&Value::Bool(true)) {
            let path = format!("spec.versions[{index}]");
            resources.push(resource(definition, version, &path).map_err(|cause| vec![cause])?);
        }
    }
    Ok(resources)
}

fn resource(definition: &Value, version: &Value, path: &str) -> Result<Resource, Cause> {
    let name = |pointer: &str| text(definition, pointer).unwrap_or_default().to_owned();
    let names = |pointer: &str| {
        list(definition, pointer).iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let kind = name("/spec/names/kind");
    let document = version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_else(|| json!({}));
    let schema = Schema::read(&document).map_err(|error| {
        Cause::invalid(&format!("{path}.schema.openAPIV3Schema"), "\"object\"", &error.to_string())
    })?;
    let subresource = |name: &str| version.pointer("/subresources").and_then(|all| all.get(name));
    let list_kind = text(definition, "/spec/names/listKind").map_or(format!("{kind}List"), str::to_owned);
    let singular = text(definition, "/spec/names/singular").map_or(kind.to_lowercase(), str::to_owned);
    Ok(Resource {
        group: name("/spec/group"),
        version: text(version, "/name").unwrap_or_default().to_owned(),
        plural: name("/spec/names/plural"),
        singular,
        kind,
        list_kind,
        short_names: names("/spec/names/shortNames"),
        categories: names("/spec/names/categories"),
        namespaced: text(definition, "/spec/scope") == Some("Namespaced"),
        status: subresource("status").is_some_and(|status| !status.is_null()),
        scale: subresource("scale").map(scale_paths),
        columns: columns(version, path)?,
        family: Family::Custom(Box::new(Custom { schema, document })),
        renamed: &[],
        stored_in_group: name("/spec/group"),
    })
}

fn scale_paths(scale: &Value) -> ScalePaths {
    let pointer = |name: &str| scale.get(name).and_then(Value::as_str).map(|path| path.replace('.', "/"));
    ScalePaths {
        spec_replicas: pointer("specReplicasPath").unwrap_or_default(),
        status_replicas: pointer("statusReplicasPath").unwrap_or_default(),
        selector: pointer("labelSelectorPath"),
    }
}

fn columns(version: &Value, path: &str) -> Result<Vec<Column>, Cause> {
    let mut columns = vec![Column::computed("Name", 0, name_cell)];
    let declared = list(version, "/additionalPrinterColumns");
    if declared.is_empty() {
        columns.push(Column::computed("Age", 0, age_cell));
    }
    for (index, column) in declared.iter().enumerate() {
        let json_path = text(column, "/jsonPath").unwrap_or_default();
        let cell = JsonPath::parse(json_path).map_err(|error| {
            let field = format!("{path}.additionalPrinterColumns[{index}].jsonPath");
            Cause::invalid(&field, &json!(json_path).to_string(), &error.to_string())
        })?;
        columns.push(Column {
            name: text(column, "/name").unwrap_or_default().to_owned(),
            kind: text(column, "/type").unwrap_or("string").to_owned(),
            description: text(column, "/description").unwrap_or_default().to_owned(),
            priority: number(column, "/priority").unwrap_or(0),
            cell: Cell::Path(cell),
        });
    }
    Ok(columns)
}

/// The status of an accepted CRD: its names are taken and it is served.
pub(crate) fn established(definition: &Value, now: Timestamp) -> Value {
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": crate::stamp(now),
        })
    };
    let mut names = definition.pointer("/spec/names").cloned().unwrap_or_default();
    let kind = text(definition, "/spec/names/kind").unwrap_or_default().to_owned();
    let members = crate::json::object_mut(&mut names);
    members.entry("listKind").or_insert_with(|| json!(format!("{kind}List")));
    members.entry("singular").or_insert_with(|| json!(kind.to_lowercase()));
    let stored: Vec<&str> = list(definition, "/spec/versions")
        .iter()
        .filter(|version| version.get("storage") == Some(&Value::Bool(true)))
        .filter_map(|version| text(version, "/name"))
        .collect();
    json!({
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "acceptedNames": names,
        "storedVersions": stored,
    })
}

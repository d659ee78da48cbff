//! How an answer is shaped: whole objects, `Table`s for `kubectl get`, or metadata alone.
//!
//! Pure.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::{
    json,
    resource::{Family, Resource},
};

/// What the client asked for in `Accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Table,
    Metadata,
}

/// How much of each object a table's row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowObject {
    Nothing,
    Metadata,
    Object,
}

impl Shape {
    pub(crate) fn of_accept(accept: &str) -> Self {
        let first = accept.split(',').find(|one| {
            one.contains("json") && (!one.contains(";v=") || one.contains("v=v1;") || one.ends_with("v=v1"))
        });
        let asked = first.unwrap_or_default();
        if asked.contains("as=Table") {
            Self::Table
        } else if asked.contains("as=PartialObjectMetadata") {
            Self::Metadata
        } else {
            Self::Object
        }
    }
}

impl RowObject {
    pub(crate) fn of_query(value: Option<&str>) -> Self {
        match value {
            Some("None") => Self::Nothing,
            Some("Object") => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// A `Table` with a row for each object.
pub(crate) fn table<'a>(
    resource: &Resource,
    objects: impl Iterator<Item = &'a Value>,
    row_object: RowObject,
    list_metadata: &Value,
    now: Timestamp,
) -> Value {
    let definitions: Vec<Value> = resource.columns.iter().map(crate::column::Column::definition).collect();
    let rows: Vec<Value> = objects.map(|object| row(resource, object, row_object, now)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_metadata,
        "columnDefinitions": definitions, "rows": rows,
    })
}

fn row(resource: &Resource, object: &Value, row_object: RowObject, now: Timestamp) -> Value {
    let cells: Vec<Value> = resource.columns.iter().map(|column| column.cell(object, now)).collect();
    let carried = match row_object {
        RowObject::Nothing => Value::Null,
        RowObject::Metadata => metadata_only(object),
        RowObject::Object => resource.present(object).into_owned(),
    };
    json!({"cells": cells, "object": carried})
}

/// A `PartialObjectMetadata`.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata")})
}

/// One object in the shape that was asked for.
pub(crate) fn shaped(
    resource: &Resource,
    object: &Value,
    shape: Shape,
    row_object: RowObject,
    now: Timestamp,
) -> Value {
    match shape {
        Shape::Object => resource.present(object).into_owned(),
        Shape::Metadata => metadata_only(object),
        Shape::Table => {
            let version = json::text(object, "/metadata/resourceVersion");
            table(
                resource,
                std::iter::once(object),
                row_object,
                &json!({"resourceVersion": version.unwrap_or_default()}),
                now,
            )
        }
    }
}

/// Many objects in the shape that was asked for, as text: thousands are not copied before they are written.
pub(crate) fn shaped_list<'a>(
    resource: &Resource,
    objects: impl Iterator<Item = &'a Value>,
    shape: Shape,
    row_object: RowObject,
    list_metadata: &Value,
    now: Timestamp,
) -> String {
    match shape {
        Shape::Table => table(resource, objects, row_object, list_metadata, now).to_string(),
        Shape::Metadata => json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": list_metadata,
            "items": objects.map(metadata_only).collect::<Vec<Value>>(),
        })
        .to_string(),
        Shape::Object => {
            let says_kind = !matches!(resource.family, Family::BuiltIn(_));
            let item = |object| Item { object: resource.present(object), says_kind };
            let list = List {
                kind: &resource.list_kind,
                api_version: resource.api_version(),
                metadata: list_metadata,
                items: objects.map(item).collect(),
            };
            // Into memory, and with texts as the names of members, it cannot fail.
            serde_json::to_string(&list).unwrap_or_default()
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: &'a str,
    api_version: String,
    metadata: &'a Value,
    items: Vec<Item<'a>>,
}

/// An object in a list: those of built-in kinds do not say their kind again.
struct Item<'a> {
    object: Cow<'a, Value>,
    says_kind: bool,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.object {
            Value::Object(members) if !self.says_kind => serializer.collect_map(
                members.iter().filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind")),
            ),
            object => object.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("application/json", Shape::Object)]
    #[case("*/*", Shape::Object)]
    #[case("", Shape::Object)]
    #[case("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Shape::Table)]
    #[case("application/json;as=Table;g=meta.k8s.io;v=v1", Shape::Table)]
    #[case("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Shape::Object)]
    #[case("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Shape::Metadata)]
    #[case("application/vnd.kubernetes.protobuf,application/json", Shape::Object)]
    fn accept(#[case] header: &str, #[case] expected: Shape) {
        assert_eq!(Shape::of_accept(header), expected);
    }
}

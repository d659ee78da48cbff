//! `metadata.managedFields`: who set which field, by which kind of request, when.
//!
//! Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    field_set::{FieldSet, compare},
    json::{list, metadata_mut, text},
    resource::Resource,
    structure::Structure,
};

/// Members of metadata that nobody owns: the server sets them, or they name the object.
const NOT_OWNED: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "generateName",
];

/// Who writes: one entry of `managedFields` is one writer's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Writer {
    pub(crate) manager: String,
    /// `Apply` or `Update`.
    pub(crate) operation: &'static str,
    pub(crate) api_version: String,
    /// Empty for the object itself.
    pub(crate) subresource: String,
}

/// One entry, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) manager: String,
    pub(crate) operation: String,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
    pub(crate) time: String,
    pub(crate) fields: FieldSet,
}

impl Entry {
    fn read(entry: &Value) -> Self {
        let of = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            manager: of("manager"),
            operation: of("operation"),
            api_version: of("apiVersion"),
            subresource: of("subresource"),
            time: of("time"),
            fields: FieldSet {
                itself: false,
                ..FieldSet::from_fields_v1(entry.get("fieldsV1").unwrap_or(&Value::Null))
            },
        }
    }

    fn written(&self) -> Value {
        let mut entry = json!({
            "manager": self.manager, "operation": self.operation, "apiVersion": self.api_version,
            "time": self.time, "fieldsType": "FieldsV1", "fieldsV1": self.fields.to_fields_v1(),
        });
        if !self.subresource.is_empty() {
            crate::json::object_mut(&mut entry).insert("subresource".to_owned(), json!(self.subresource));
        }
        entry
    }

    pub(crate) fn is_of(&self, writer: &Writer) -> bool {
        self.manager == writer.manager
            && self.operation == writer.operation
            && self.subresource == writer.subresource
            && (writer.operation == "Apply" || self.api_version == writer.api_version)
    }
}

/// The entries of an object.
pub(crate) fn read(object: &Value) -> Vec<Entry> {
    list(object, "/metadata/managedFields").iter().map(Entry::read).collect()
}

/// Puts entries that still own something into an object.
pub(crate) fn store(object: &mut Value, entries: &[Entry]) {
    let written: Vec<Value> =
        entries.iter().filter(|entry| !entry.fields.is_empty()).map(Entry::written).collect();
    metadata_mut(object).insert("managedFields".to_owned(), Value::Array(written));
}

/// The part of a set that can be owned by a writer to an object or to one of its subresources.
pub(crate) fn ownable(mut set: FieldSet, resource: &Resource, subresource: &str) -> FieldSet {
    for name in ["f:apiVersion", "f:kind"] {
        set.remove(&[name]);
    }
    for name in NOT_OWNED {
        set.remove(&["f:metadata", &format!("f:{name}")]);
    }
    if subresource == "status" {
        set.below.retain(|name, _| name == "f:status");
    } else if resource.status {
        set.remove(&["f:status"]);
    }
    set
}

/// The entries after an update from `before` (null for a creation) to `after` by a writer.
pub(crate) fn after_update(
    resource: &Resource,
    before: &Value,
    after: &Value,
    writer: &Writer,
    now: Timestamp,
) -> Vec<Entry> {
    let mut entries = read(before);
    let (changed, removed) = compare(Structure::of(resource), before, after);
    let changed = ownable(changed, resource, &writer.subresource);
    let gone = ownable(removed, resource, &writer.subresource).union(&changed);
    if gone.is_empty() {
        return entries;
    }
    for entry in entries.iter_mut().filter(|entry| !entry.is_of(writer)) {
        entry.fields = entry.fields.difference(&gone);
    }
    match entries.iter_mut().find(|entry| entry.is_of(writer)) {
        Some(own) => {
            own.fields = own.fields.difference(&gone).union(&changed);
            own.time = crate::stamp(now);
        }
        None => entries.push(new_entry(writer, changed, now)),
    }
    entries
}

pub(crate) fn new_entry(writer: &Writer, fields: FieldSet, now: Timestamp) -> Entry {
    Entry {
        manager: writer.manager.clone(),
        operation: writer.operation.to_owned(),
        api_version: writer.api_version.clone(),
        subresource: writer.subresource.clone(),
        time: crate::stamp(now),
        fields,
    }
}

/// Whether two objects differ in nothing but when their managed fields were last touched.
pub(crate) fn same_but_for_times(one: &Value, other: &Value) -> bool {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        let entries: Vec<Value> = list(&object, "/metadata/managedFields")
            .iter()
            .map(|entry| {
                let mut entry = entry.clone();
                crate::json::object_mut(&mut entry).remove("time");
                entry
            })
            .collect();
        metadata_mut(&mut object).insert("managedFields".to_owned(), Value::Array(entries));
        object
    };
    one == other || timeless(one) == timeless(other)
}

/// The manager's name where the request gives none: the client's name before the first slash.
pub(crate) fn default_manager(user_agent: Option<&str>) -> String {
    let name = user_agent.and_then(|agent| agent.split('/').next()).unwrap_or_default();
    if name.is_empty() { "unknown".to_owned() } else { name.chars().take(128).collect() }
}

/// Whether the request wants all managed fields forgotten: an explicit list of nothing.
pub(crate) fn is_reset(proposed: &Value) -> bool {
    match proposed.pointer("/metadata/managedFields") {
        Some(Value::Array(entries)) => entries.iter().all(|entry| text(entry, "/manager").is_none()),
        _ => false,
    }
}

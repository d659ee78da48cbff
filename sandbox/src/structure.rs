//! How lists and maps of an object hang together: what is one value, and by which keys list elements are the same.
//!
//! Pure. CRDs say it in their schema; for built-in resources it is a table of field names.

use serde_json::{Value, json};

use crate::{
    resource::{Family, Resource},
    schema::Schema,
};

/// What is known of the structure at one place of an object.
#[derive(Clone, Copy)]
pub(crate) enum Structure<'a> {
    Declared(&'a Schema),
    /// In a built-in type, below the field of this name.
    BuiltIn(&'a str),
    /// Nothing is declared: maps are open, lists are one value.
    Free,
}

/// How the elements of a list are told apart.
#[derive(Debug, PartialEq)]
pub(crate) enum ListKind<'a> {
    /// Not at all: the list is one value.
    Atomic,
    Set,
    Keyed(Vec<&'a str>),
}

impl<'a> Structure<'a> {
    pub(crate) fn of(resource: &'a Resource) -> Self {
        match &resource.family {
            Family::BuiltIn(_) => Self::BuiltIn(""),
            Family::Custom(custom) => Self::Declared(&custom.schema),
        }
    }

    /// The structure of a member of an object. `metadata` is built in, whatever the schema says.
    pub(crate) fn member<'b>(self, name: &'b str, at_root: bool) -> Structure<'b>
    where
        'a: 'b,
    {
        match self {
            Self::Declared(_) if at_root && name == "metadata" => Structure::BuiltIn("metadata"),
            Self::Declared(schema) => schema.member(name).map_or(Structure::Free, Structure::Declared),
            Self::BuiltIn(_) => Structure::BuiltIn(name),
            Self::Free => Structure::Free,
        }
    }

    pub(crate) fn items(self) -> Self {
        match self {
            Self::Declared(schema) => schema.items.as_deref().map_or(Self::Free, Self::Declared),
            Self::BuiltIn(_) => Self::BuiltIn(""),
            Self::Free => Self::Free,
        }
    }

    /// Whether a map is owned and merged as one value.
    pub(crate) fn is_atomic_map(self) -> bool {
        match self {
            Self::Declared(schema) => schema.map_type.as_deref() == Some("atomic"),
            Self::BuiltIn(name) => {
                matches!(name, "selector" | "nodeSelector" | "secretKeyRef" | "configMapKeyRef" | "fieldRef")
            }
            Self::Free => false,
        }
    }

    pub(crate) fn list_kind(self) -> ListKind<'a> {
        match self {
            Self::Declared(schema) => match schema.list_type.as_deref() {
                Some("set") => ListKind::Set,
                Some("map") => ListKind::Keyed(schema.list_map_keys.iter().map(String::as_str).collect()),
                _ => ListKind::Atomic,
            },
            Self::BuiltIn(name) => match name {
                "containers"
                | "initContainers"
                | "ephemeralContainers"
                | "volumes"
                | "env"
                | "imagePullSecrets"
                | "secrets" => ListKind::Keyed(vec!["name"]),
                "volumeMounts" => ListKind::Keyed(vec!["mountPath"]),
                "volumeDevices" => ListKind::Keyed(vec!["devicePath"]),
                "ports" => ListKind::Keyed(vec!["containerPort", "port", "protocol"]),
                "conditions" => ListKind::Keyed(vec!["type"]),
                "ownerReferences" => ListKind::Keyed(vec!["uid"]),
                "hostAliases" => ListKind::Keyed(vec!["ip"]),
                "topologySpreadConstraints" => ListKind::Keyed(vec!["topologyKey", "whenUnsatisfiable"]),
                "finalizers" => ListKind::Set,
                _ => ListKind::Atomic,
            },
            Self::Free => ListKind::Atomic,
        }
    }

    /// An element's keys and their values, which tell it from the others of its list.
    pub(crate) fn identity(self, keys: &[&str], item: &Value) -> Value {
        let value = |key: &str| match self {
            Self::Declared(schema) => schema.key_of(item, key).cloned(),
            _ => item.get(key).cloned().or_else(|| (key == "protocol").then(|| json!("TCP"))),
        };
        keys.iter().filter_map(|key| Some(((*key).to_owned(), value(key)?))).collect()
    }
}

//! What a resource of the API is: its names, its scope, its subresources, and how its objects are checked.
//!
//! Plain values, made from the table of built-in resources or from a CRD.

use std::borrow::Cow;

use serde_json::Value;

use crate::{column::Column, json, schema::Schema};

/// A resource in one version of its group.
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) status: bool,
    pub(crate) scale: Option<ScalePaths>,
    pub(crate) columns: Vec<Column>,
    pub(crate) family: Family,
    /// Members that are called differently here than where the object is stored: (here, stored).
    pub(crate) renamed: &'static [(&'static str, &'static str)],
    /// The group whose store this resource shares; its own as a rule.
    pub(crate) stored_in_group: String,
}

/// JSON pointers into an object that a `Scale` is made of.
pub(crate) struct ScalePaths {
    pub(crate) spec_replicas: String,
    pub(crate) status_replicas: String,
    pub(crate) selector: Option<String>,
}

/// How objects of a resource are checked.
pub(crate) enum Family {
    /// Known to Kubernetes: read into its type and written back, which drops unknown fields.
    BuiltIn(Typed),
    /// Defined by a CRD.
    Custom(Box<Custom>),
}

/// Reads an object as its Kubernetes type and writes it back.
pub(crate) type Typed = fn(&Value) -> Result<Value, serde_json::Error>;

/// What a CRD says of the objects of one version.
pub(crate) struct Custom {
    pub(crate) schema: Schema,
    /// The schema as it was written, for OpenAPI.
    pub(crate) document: Value,
}

/// Where objects are stored: a group and a plural, whatever the version.
pub(crate) type Bucket = (String, String);

impl Resource {
    /// `deployments.apps`, or `secrets` in the core group.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    pub(crate) fn bucket(&self) -> Bucket {
        (self.stored_in_group.clone(), self.plural.clone())
    }

    /// The verbs that discovery names for the resource itself.
    pub(crate) fn verbs() -> &'static [&'static str] {
        &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    }

    /// Whether `metadata.generation` counts the changes of the object.
    pub(crate) fn counts_generations(&self) -> bool {
        match self.family {
            Family::Custom(_) => true,
            Family::BuiltIn(_) => self.group == "apps" || self.group == "apiextensions.k8s.io",
        }
    }

    /// The stored object as this resource shows it.
    pub(crate) fn present<'a>(&self, stored: &'a Value) -> Cow<'a, Value> {
        let api_version = self.api_version();
        if self.renamed.is_empty() && json::text(stored, "/apiVersion") == Some(&api_version) {
            return Cow::Borrowed(stored);
        }
        let mut shown = stored.clone();
        let members = json::object_mut(&mut shown);
        for (here, stored_as) in self.renamed {
            if let Some(value) = members.remove(*stored_as) {
                members.insert((*here).to_owned(), value);
            }
        }
        members.insert("apiVersion".to_owned(), Value::String(api_version));
        Cow::Owned(shown)
    }

    /// The object of a request as it is stored.
    pub(crate) fn absorb(&self, mut given: Value) -> Value {
        let members = json::object_mut(&mut given);
        for (here, stored_as) in self.renamed {
            if let Some(value) = members.remove(*here) {
                members.insert((*stored_as).to_owned(), value);
            }
        }
        if !self.renamed.is_empty() {
            // Another view of a core kind: it is stored, and checked, as that kind.
            members.insert("apiVersion".to_owned(), "v1".into());
        }
        given
    }
}

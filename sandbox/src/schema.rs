//! A structural schema of a CRD, read once: patterns and rules are compiled here.
//!
//! Plain values; a schema that cannot be read in full is an error, so that nothing is silently not enforced.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::rule::Rule;

/// What a CRD says about one value.
#[allow(clippy::struct_excessive_bools, reason = "they are the members of OpenAPI's own object")]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Schema {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) properties: BTreeMap<String, Schema>,
    pub(crate) additional_properties: Option<Additional>,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) required: Vec<String>,
    pub(crate) default: Option<Value>,
    pub(crate) nullable: bool,
    #[serde(rename = "enum")]
    pub(crate) values: Vec<Value>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
    pub(crate) min_items: Option<usize>,
    pub(crate) max_items: Option<usize>,
    pub(crate) min_properties: Option<usize>,
    pub(crate) max_properties: Option<usize>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) format: Option<String>,
    pub(crate) one_of: Vec<Schema>,
    pub(crate) any_of: Vec<Schema>,
    pub(crate) all_of: Vec<Schema>,
    pub(crate) not: Option<Box<Schema>>,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    pub(crate) preserves_unknown: bool,
    #[serde(rename = "x-kubernetes-int-or-string")]
    pub(crate) int_or_string: bool,
    #[serde(rename = "x-kubernetes-embedded-resource")]
    pub(crate) embedded_resource: bool,
    #[serde(rename = "x-kubernetes-list-type")]
    pub(crate) list_type: Option<String>,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    pub(crate) list_map_keys: Vec<String>,
    #[serde(rename = "x-kubernetes-map-type")]
    pub(crate) map_type: Option<String>,
    #[serde(rename = "x-kubernetes-validations")]
    pub(crate) rules: Vec<Rule>,
}

/// What members beside the named ones may be.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Additional {
    Anything(bool),
    Like(Box<Schema>),
}

/// A regular expression together with its text.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern(pub(crate) Regex);

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Regex::new(&text).map(Self)
    }
}

/// A schema that the sandbox cannot enforce.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot read this schema: {0}")]
pub(crate) struct SchemaError(#[from] serde_json::Error);

impl Schema {
    pub(crate) fn read(document: &Value) -> Result<Self, SchemaError> {
        Ok(Self::deserialize(document)?)
    }

    /// The schema of a member, declared or additional.
    pub(crate) fn member(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or(match &self.additional_properties {
            Some(Additional::Like(schema)) => Some(schema),
            _ => None,
        })
    }

    /// Whether members are kept of which the schema says nothing.
    pub(crate) fn keeps_undeclared(&self) -> bool {
        self.preserves_unknown || matches!(self.additional_properties, Some(Additional::Anything(true)))
    }

    /// What the error messages call a value of this schema.
    pub(crate) fn type_name(&self) -> &str {
        self.kind.as_deref().unwrap_or("object")
    }

    /// The element of a list that is the same element as this one; nothing in atomic lists.
    pub(crate) fn counterpart<'a>(&self, item: &Value, among: Option<&'a Value>) -> Option<&'a Value> {
        if self.list_type.as_deref() != Some("map") {
            return None;
        }
        let same = |other: &&Value| {
            self.list_map_keys.iter().all(|key| self.key_of(item, key) == self.key_of(other, key))
        };
        among?.as_array()?.iter().find(same)
    }

    /// An element's value for a key of its list, its default where it is left out.
    pub(crate) fn key_of<'a>(&'a self, item: &'a Value, key: &str) -> Option<&'a Value> {
        let default = || {
            self.items
                .as_ref()
                .and_then(|items| items.properties.get(key))
                .and_then(|key| key.default.as_ref())
        };
        item.get(key).or_else(default)
    }
}

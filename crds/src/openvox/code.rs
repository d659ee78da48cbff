//! `spec.code` in both shapes: an object (up to openvox-operator v0.9) and a list of such objects (later).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `spec.code` of a Config or Server, in the shape that the object has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Code {
    /// One entry: the whole of the environments.
    Object(CodeEntry),
    /// Several entries, each with an environment or a mount path where there is more than one.
    List(Vec<CodeEntry>),
}

/// Which of the two shapes an installed API has, or an object is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeShape {
    /// `spec.code` is an object.
    Object,
    /// `spec.code` is a list.
    List,
}

/// Where one part of a Server's code comes from: an image or a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeEntry {
    /// The code reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A `PersistentVolumeClaim` that holds the code instead of an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_name: Option<String>,
    /// `Always`, `IfNotPresent` (the default) or `Never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// The name of a Secret of type `kubernetes.io/dockerconfigjson`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_secret: Option<String>,
    /// Lists only: the one environment that the image's root is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Lists only: the folder that the image's root is mounted at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_path: Option<String>,
    /// Everything else, kept as it is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Names one entry of a list by what makes it unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EntryKey {
    /// The entry of this environment.
    Environment(#[schemars(length(min = 1, max = 253))] String),
    /// The entry that is mounted at this path.
    MountPath(#[schemars(length(min = 1, max = 512))] String),
}

/// Why a target's entry cannot be told from its `spec.code`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The target names an entry, the object has the shape without entries.
    #[error("spec.code is an object and has no entries: leave `entry` out of the target")]
    NoEntries,
    /// No entry of that name.
    #[error("spec.code has no entry {0}: name one of those that it has, or add it")]
    Missing(EntryKey),
    /// Several entries, none named.
    #[error("spec.code has {0} entries: name one in the target, as `entry: {{environment: …}}`")]
    Ambiguous(usize),
}

impl fmt::Display for EntryKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(environment) => write!(formatter, "environment={environment}"),
            Self::MountPath(path) => write!(formatter, "mountPath={path}"),
        }
    }
}

impl EntryKey {
    fn names(&self, entry: &CodeEntry) -> bool {
        match self {
            Self::Environment(environment) => entry.environment.as_ref() == Some(environment),
            Self::MountPath(path) => entry.mount_path.as_ref() == Some(path),
        }
    }
}

impl Code {
    /// The shape that this value is in.
    pub fn shape(&self) -> CodeShape {
        match self {
            Self::Object(_) => CodeShape::Object,
            Self::List(_) => CodeShape::List,
        }
    }

    /// All entries; the object shape has exactly one.
    pub fn entries(&self) -> &[CodeEntry] {
        match self {
            Self::Object(entry) => std::slice::from_ref(entry),
            Self::List(entries) => entries,
        }
    }

    /// The place of the entry that a target means: the named one, or the only one. `None` for an empty list.
    ///
    /// # Errors
    /// See [`EntryError`].
    pub fn position(&self, key: Option<&EntryKey>) -> Result<Option<usize>, EntryError> {
        match (self, key) {
            (Self::Object(_), None) => Ok(Some(0)),
            (Self::Object(_), Some(_)) => Err(EntryError::NoEntries),
            (Self::List(entries), Some(key)) => entries
                .iter()
                .position(|entry| key.names(entry))
                .map(Some)
                .ok_or_else(|| EntryError::Missing(key.clone())),
            (Self::List(entries), None) => match entries.len() {
                0 => Ok(None),
                1 => Ok(Some(0)),
                several => Err(EntryError::Ambiguous(several)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(value: Value) -> Code {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn keeps_what_it_does_not_know_in_both_shapes() {
        for value in [
            json!({"image": "a:1", "imagePullPolicy": "Always", "future": {"x": [1]}}),
            json!([{"image": "a:1", "environment": "production", "future": true}, {"claimName": "c", "mountPath": "/x"}]),
        ] {
            assert_eq!(serde_json::to_value(code(value.clone())).unwrap(), value);
        }
    }

    #[test]
    fn finds_the_entry_that_a_target_means() {
        let object = code(json!({"image": "a:1"}));
        let list =
            code(json!([{"image": "a:1", "environment": "production"}, {"image": "b:1", "mountPath": "/x"}]));
        let production = EntryKey::Environment("production".into());
        let other = EntryKey::Environment("other".into());
        assert_eq!(object.position(None), Ok(Some(0)));
        assert_eq!(object.position(Some(&production)), Err(EntryError::NoEntries));
        assert_eq!(list.position(Some(&production)), Ok(Some(0)));
        assert_eq!(list.position(Some(&EntryKey::MountPath("/x".into()))), Ok(Some(1)));
        assert_eq!(list.position(None), Err(EntryError::Ambiguous(2)));
        assert_eq!(list.position(Some(&other)), Err(EntryError::Missing(other.clone())));
        assert_eq!(code(json!([])).position(None), Ok(None));
    }
}

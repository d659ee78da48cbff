//! The conditions of a status, and how one of them is found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::CodeSyncStatus;
use crate::time::Time;

/// One condition, by the Kubernetes API conventions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Its type, for instance Ready.
    #[serde(rename = "type")]
    #[schemars(length(max = 316))]
    pub kind: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// A word for programs.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// A sentence for people.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Time,
    /// The generation of the spec that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the three words of the Kubernetes API")]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl CodeSyncStatus {
    /// The condition of this type, whatever it says.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// The condition of this type, where this is what it says.
    pub fn condition_that_is(&self, kind: &str, status: ConditionStatus) -> Option<&Condition> {
        self.condition(kind).filter(|condition| condition.status == status)
    }
}

//! `CodeRelease`: the record of one promotion. Written once, at its end; it outlives its CodeSync.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    code_sync::{ApprovalStatus, CandidateStatus, Outcome, PromotionFailure, Trigger},
    time::Time,
};

/// The label with the name of the CodeSync that a release belongs to.
pub const CODE_SYNC_LABEL: &str = "voxsync.dev/codesync";

/// A CodeRelease is the record of one promotion: what, when, why, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "voxsync.dev",
    version = "v1alpha1",
    kind = "CodeRelease",
    plural = "codereleases",
    singular = "coderelease",
    shortname = "crel",
    category = "voxsync",
    namespaced,
    derive = "PartialEq",
    doc = "A CodeRelease is the record of one promotion: what, when, why, and how it ended.",
    printcolumn = r#"{"name":"CodeSync","type":"string","jsonPath":".spec.codeSync"}"#,
    printcolumn = r#"{"name":"From","type":"string","jsonPath":".spec.fromName"}"#,
    printcolumn = r#"{"name":"To","type":"string","jsonPath":".spec.candidate.name"}"#,
    printcolumn = r#"{"name":"Outcome","type":"string","jsonPath":".spec.outcome"}"#,
    printcolumn = r#"{"name":"Trigger","type":"string","jsonPath":".spec.trigger"}"#,
    printcolumn = r#"{"name":"Started","type":"date","jsonPath":".spec.startedAt"}"#,
    printcolumn = r#"{"name":"Ended","type":"date","jsonPath":".spec.endedAt"}"#,
    printcolumn = r#"{"name":"Message","type":"string","priority":1,"jsonPath":".spec.failure.message"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct CodeReleaseSpec {
    /// The CodeSync's name.
    pub code_sync: String,
    /// The CodeSync's uid: a new object of the same name is another one.
    pub code_sync_uid: String,
    /// The promotion that this is the record of.
    pub promotion: String,
    /// What started it.
    pub trigger: Trigger,
    /// The reason that a person gave with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A person said that it waits for nothing that can be skipped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub approvals: Vec<ApprovalStatus>,
    /// What was promoted.
    pub candidate: CandidateStatus,
    /// The short name of what was deployed before; of a rollback, what a person left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// The reference of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<PromotionFailure>,
    /// When it started.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Time,
    /// What each stage was given, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<ReleasedStage>,
    /// SHA-256 of the `spec` of the CodeSync's release before this one; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_hash: Option<String>,
}

/// One stage of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleasedStage {
    /// The stage's name.
    pub name: String,
    /// Its targets.
    pub targets: Vec<ReleasedTarget>,
}

/// One target of a released stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleasedTarget {
    /// The target: `Config/production`, with `[entry]` for lists.
    pub target: String,
    /// The reference that it had before; none if it had no code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The reference that it was given; none if its code was taken away again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Its Servers.
    pub servers: Vec<String>,
}

//! A candidate's way through the stages, and what is kept of those that ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Adopt, CandidateStatus, CodeSyncStatus, PromotionFailure};
use crate::{
    annotations::Applied,
    reference::{is_only_tag, is_same_code},
    time::Time,
};

/// The candidate's way through the stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotionStatus {
    /// Unique in the CodeSync; also in the `voxsync.dev/applied` record of each target.
    pub id: String,
    /// What is promoted.
    pub candidate: CandidateStatus,
    /// What started it.
    pub trigger: Trigger,
    /// The reason that a person gave with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A person said that it waits for nothing that can be skipped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// The short name of what was deployed when it started; of a rollback, what a person left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// The reference of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it started.
    pub started_at: Time,
    /// How it will end, as soon as the targets of the stage that it works on have what they had before and nothing of
    /// that stage is held back any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Outcome>,
    /// How it ended; none while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<PromotionFailure>,
    /// Its CodeRelease was seen: it is not written again, even if it is pruned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recorded: bool,
}

/// What the agent and the reconciler ask of a target: both must say the same.
impl PromotionStatus {
    /// Whether a target says the candidate already, so that nothing of it will roll. An adopted one that has the candidate's
    /// tag may stay as it is.
    pub fn is_on(&self, image: &str, record: Option<&Applied>, adopt: Adopt) -> bool {
        let Self { candidate, .. } = self;
        let is_kept = adopt == Adopt::Keep && record.is_none();
        is_same_code(image, &candidate.reference)
            || (is_kept && is_only_tag(image, &candidate.repository, candidate.tag.as_deref()))
    }

    /// Whether a target says the candidate, and is to be given back what it had, which may run. What somebody else changed
    /// is not.
    pub fn is_to_leave(&self, image: &str, record: &Applied, status: &CodeSyncStatus) -> bool {
        is_same_code(image, &self.candidate.reference)
            && record.gives_back(self, status)
            && record.may_go_back(status)
    }
}

/// What started a promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Trigger {
    /// The source named another candidate.
    Source,
    /// A person pinned a reference.
    Pin,
    /// A person asked to go on after a failure or a hold.
    Resume,
    /// A person went back to an earlier release.
    Rollback,
}

/// How a promotion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// All stages run it.
    Released,
    /// A stage could not run it; the stages after it were left alone.
    Failed,
    /// A stage could not run it, and its targets were given back what they had.
    RolledBack,
    /// A newer candidate took its place before all stages ran it.
    Superseded,
    /// Its CodeSync was deleted before all stages ran it.
    Abandoned,
}

impl Outcome {
    /// Whether a stage could not run it.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::RolledBack)
    }
}

/// One release in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSummary {
    /// The promotion, and the name of its CodeRelease.
    pub id: String,
    /// The candidate's short name.
    pub name: String,
    /// The reference.
    pub reference: String,
    /// Its digest, where the reference does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The reference that was deployed when it started: what it replaced. Not of a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The digest of that, where its reference does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_digest: Option<String>,
    /// What began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub ended_at: Time,
}

/// The release that all stages run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeployedStatus {
    /// The short name for a table.
    pub name: String,
    /// The reference.
    pub reference: String,
    /// Its tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Its digest; none for an adopted reference without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The commit of the code, as the image claims: by its annotation, or else by the tag that CI gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The promotion that brought it; none if it was adopted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promotion: Option<String>,
    /// Since when all stages run it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

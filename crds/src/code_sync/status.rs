//! What voxsync says about a CodeSync. All state that a promotion needs is here, so that a restart loses nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    failure::PromotionFailure,
    promotion::{DeployedStatus, PromotionStatus, ReleaseSummary},
    quarantine::Quarantined,
    stage_status::StageStatus,
};
use crate::time::Time;

/// What voxsync says about a CodeSync.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CodeSyncStatus {
    /// The generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The last value of the annotation `voxsync.dev/requestedAt` that was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The last value of the annotation `voxsync.dev/resume` that was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_resume: Option<String>,
    /// The last value of the annotation `voxsync.dev/approve` that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_approve: Option<String>,
    /// The last value of the annotation `voxsync.dev/rollback` that was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_rollback: Option<String>,
    /// The last value of the annotation `voxsync.dev/release-quarantine` that was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_release_quarantine: Option<String>,
    /// The stage in which something happens or is waited for; the last one if nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// One line for a table: the reason and, if known, the time at which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Ready, Reconciling, Stalled, SourceReady, Verified, Held, Suspended and Deployed.
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The source at the last look that changed something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceStatus>,
    /// What should run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateStatus>,
    /// Candidates that are younger than `minimumAge`, the best first: a restart does not start their time again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub ripening: Vec<CandidateStatus>,
    /// Why the candidate is not further yet, one row a reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub waiting: Vec<Waiting>,
    /// The candidate's way through the stages, stored before its first write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promotion: Option<PromotionStatus>,
    /// Each stage, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub stages: Vec<StageStatus>,
    /// Targets that somebody else changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub holds: Vec<Hold>,
    /// What people approved, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub approvals: Vec<ApprovalStatus>,
    /// What is not taken again until a person releases it, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub quarantine: Vec<Quarantined>,
    /// A person went back to an earlier release: it stays until they resume, whatever the source says. Or a check failed
    /// after the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackStatus>,
    /// The release that all stages run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployed: Option<DeployedStatus>,
    /// The last releases, newest first; all of them are CodeReleases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub history: Vec<ReleaseSummary>,
}

/// The source at the last look that changed something; an idle look writes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceStatus {
    /// The repository and what is followed in it.
    pub summary: String,
    /// What was seen: the tag or commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Time>,
    /// How many tags the repository has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "int32"))]
    pub tag_count: Option<u32>,
    /// Since when looks fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<Time>,
    /// Why looks fail, or what was odd in the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// A code reference resolved to a digest, with what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CandidateStatus {
    /// The short name for a table: the tag, or ten digits of the digest.
    pub name: String,
    /// The reference in the form in which it is written to targets.
    pub reference: String,
    /// Host and path.
    pub repository: String,
    /// The tag that was resolved, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The digest that it was resolved to.
    pub digest: String,
    /// The commit of the code, as the image claims: by its annotation, or else by the tag that CI gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Who wrote the commit that names the image (Git sources).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The tag or commit of the source that named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_revision: Option<String>,
    /// The objects of the Git repository that named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_by: Option<GitObjects>,
    /// When the image says it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// When voxsync first saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Time>,
    /// The digest that its tag had before, where the tag was pushed again while that was too young.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Whose signatures were found good; none where `spec.verify` asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<VerifiedStatus>,
}

/// A commit of a Git repository, and the tag that led to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GitObjects {
    /// The id of the commit.
    pub commit: String,
    /// The name of the tag, where tags are followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The id of the annotated tag; a lightweight one has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_object: Option<String>,
}

/// Signatures that were found good.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VerifiedStatus {
    /// Whose, for people: the name of a key in the Secret with its fingerprint, or an identity.
    #[schemars(length(max = 4), inner(length(max = 1024)))]
    pub by: Vec<String>,
    /// SHA-256 of the `spec.verify` that it was judged by, in hexadecimal: another one asks for another verdict.
    pub rules: String,
    /// SHA-256 of what the Secrets of `spec.verify` held, in hexadecimal: other keys ask for another verdict.
    pub keys: String,
    /// Until when it is good, where a key that it stands on expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// One reason why the candidate is not further yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The stage that waits; none where the whole promotion does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// A word for programs: Approval, Window, Rollout, Checking, Check, Soak, NothingToProve, Held, Suspended, Source, ….
    pub reason: String,
    /// A sentence for people.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When it ends, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// What a person approved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalStatus {
    /// The digest.
    pub digest: String,
    /// The stage that it is for; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Who, if the API server vouches for it; `unauthenticated` otherwise.
    #[schemars(length(max = 256))]
    pub approver: String,
    /// When it was read.
    pub at: Time,
}

/// An earlier release that a person went back to, or that is gone back to because a check failed after the release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackStatus {
    /// What they went back to.
    pub candidate: CandidateStatus,
    /// The short name of what they left.
    pub from_name: String,
    /// The reference of what they left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
    /// When.
    pub at: Time,
    /// What names the `spec.pin` that was there then: another one is chosen anew, and ends the rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The check that failed after the release, where that is why, and nobody asked for it: it ends as soon as all stages
    /// are back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<PromotionFailure>,
}

/// A target that somebody else changed: voxsync does not write it until told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The target: `Config/production`, with `[entry]` for lists.
    pub target: String,
    /// What it says now; none if the code was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What voxsync had written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// The field manager that wrote it: a tool's name, never proof of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// When it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Time>,
    /// A person said to go on: what was found may be overwritten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
}

//! What voxsync says about a CodeSync. All state that a promotion needs is here, so that a restart loses nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{condition::Condition, failure::PromotionFailure};
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
    /// A person went back to an earlier release: it stays until they resume, whatever the source says.
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
    /// The short name of what was deployed when it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// The reference that was deployed when it started.
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

/// Where a stage is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StagePhase {
    /// Its turn has not come.
    #[default]
    Pending,
    /// Deployments whose turn is not the first are being held back.
    Gating,
    /// Its references are being written.
    Writing,
    /// Its Deployments go from the old pod template to the new one.
    Rolling,
    /// It runs the candidate, healthy, and its checks have not all passed yet.
    Checking,
    /// It runs the candidate, healthy, and waits for its soak time to pass.
    Soaking,
    /// It runs the candidate.
    Deployed,
    /// Nothing in it would prove that the candidate runs.
    NothingToProve,
    /// One of its targets was changed by somebody else.
    Held,
    /// Its targets are given back what they had.
    RollingBack,
    /// It cannot run the candidate.
    Failed,
}

/// One stage, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StageStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub phase: StagePhase,
    /// The reference that it last passed with: all its targets ran it, and its soak time passed. While a
    /// promotion works on the stage, its targets are given that promotion's candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The promotion that it passed in; none if it was adopted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promotion: Option<String>,
    /// The last promotion that began to change it, stored before its first gate or write: from then on neither windows nor
    /// approvals hold that one back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Since when it is in this phase; Writing and Rolling count as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// How many of its Deployments are held back, until it passes; none where none were in its promotion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gates: Option<GatesStatus>,
    /// Since when all of its Servers run the candidate, where it has checks; none while they do not, and once it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_since: Option<Time>,
    /// What its checks said when that last changed, until it passed; a check that said nothing yet is not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub checks: Vec<CheckStatus>,
    /// When its rollout last got further; none while it does not roll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progressed_at: Option<Time>,
    /// How many pods run the reference and are ready.
    #[schemars(extend("format" = "int32"))]
    pub ready: u32,
    /// How many pods there should be.
    #[schemars(extend("format" = "int32"))]
    pub desired: u32,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// The Deployments of a stage that are held back until it is their turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatesStatus {
    /// How many.
    #[schemars(extend("format" = "int32"))]
    pub held: u32,
    /// Since when it is this many: too long without a change, and the stage fails. None while nothing is decided, as
    /// of a suspended CodeSync.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// What a check of a stage said when that last changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckStatus {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub standing: CheckStanding,
    /// Since when.
    pub since: Time,
    /// A sentence for people, as it was then.
    #[schemars(length(max = 256))]
    pub message: String,
}

/// Whether a check holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckStanding {
    /// It does.
    Passed,
    /// It does not.
    Failed,
    /// It was asked, or is being asked, and cannot tell yet: too few nodes reported, no data, a Job that runs.
    Unknown,
    /// It could not be asked: nobody answers, or what answers is not what was asked for.
    Unreachable,
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

/// A digest that is not taken again until a person releases it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    /// The digest; or the reference, where no digest is known.
    pub digest: String,
    /// The short name that it had.
    pub name: String,
    /// Why, with the pod's own message where there is one.
    #[schemars(length(max = 512))]
    pub reason: String,
    /// Since when.
    pub since: Time,
}

impl CodeSyncStatus {
    /// Whether a reference names what is in quarantine.
    pub fn bans(&self, reference: &str) -> bool {
        self.quarantine.iter().any(|quarantined| quarantined.bans(reference))
    }
}

impl Quarantined {
    /// Whether a reference names it.
    pub fn bans(&self, reference: &str) -> bool {
        let (name, digest) =
            reference.split_once('@').map_or((reference, None), |(name, digest)| (name, Some(digest)));
        name == self.digest || digest == Some(&self.digest)
    }
}

/// An earlier release that a person went back to.
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
    /// The reference that was deployed when it started: what it replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The digest of that, where its reference does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_digest: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub ended_at: Time,
}

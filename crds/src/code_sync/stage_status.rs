//! Where the stages of a CodeSync are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Time;

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
    /// Since when all of its Servers run the candidate, where it has checks; none while they do not, and once it passed,
    /// unless they are asked after the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_since: Option<Time>,
    /// The checks that it passed with, as a fingerprint, while they are asked after the release: once they are changed, they
    /// are not asked any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub passed_checks: Option<String>,
    /// What its checks said when that last changed, until it passed; a check that said nothing yet is not there. After the
    /// release only those that failed are, until they held for ten minutes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub checks: Vec<CheckStatus>,
    /// When its rollout last got further; none while it does not roll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progressed_at: Option<Time>,
    /// How many pods are ready: on the candidate once the stage has begun with it, before on the code that they have.
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

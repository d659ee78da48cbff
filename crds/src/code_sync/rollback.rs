//! What is done where a stage cannot run the candidate.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{DurationText, within};

/// What is done where a stage cannot run the candidate, or one of its checks fails.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = within("progressDeadline", "1m", "24h"))]
pub struct Rollback {
    /// Automatic (the default) or Manual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RollbackMode>,
    /// How long the rollout of a stage may show no progress before the stage fails (default 10m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<DurationText>,
    /// Go on asking the checks of the stages after all of them passed (default: nothing is asked any more).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_release: Option<AfterRelease>,
}

/// What is done with the checks of the stages after a release. Jobs are not run again; nor is anything asked after an
/// emergency or a rollback, which waited for no check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = within("duration", "1m", "168h"))]
pub struct AfterRelease {
    /// For how long they are asked; one that fails then is asked until it holds again.
    pub duration: DurationText,
    /// What is done where one fails as often in a row as it may not (default Report).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<AfterReleaseAction>,
}

/// What is done where a check fails after the release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AfterReleaseAction {
    /// People are told.
    #[default]
    Report,
    /// All stages go back to the release before, and what failed goes to quarantine.
    Rollback,
}

/// Who gives the targets back what they had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RollbackMode {
    /// voxsync, at once: all targets that the promotion wrote, the last stage first.
    #[default]
    Automatic,
    /// A person: the promotion stops and says so. Only a stage of which a part is held back is given back what it had.
    Manual,
}

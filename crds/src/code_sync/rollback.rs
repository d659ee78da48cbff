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

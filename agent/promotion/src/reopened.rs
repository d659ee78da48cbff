//! A stage that has passed, and to which a target comes that has other code of ours: from a later stage, most likely. The
//! promotion is not through it any more: the target gets the candidate in that stage, with all that the stage waits for.

use voxsync_crds::code_sync::{CodeSyncStatus, PromotionStatus, Stage, StagePhase, StageStatus};

use crate::{
    observed::ObservedTarget,
    target::{Goal, Standing, changes_ours, judge},
    view::View,
};

/// Whether such a target came to a stage.
pub(crate) fn is_left_behind(
    view: &View<'_>,
    after: &CodeSyncStatus,
    stage: &Stage,
    targets: &[ObservedTarget],
) -> bool {
    let promotion = after.promotion.as_ref().filter(|it| it.outcome.is_none() && it.ending.is_none());
    let last = after.stages.iter().find(|last| last.name == stage.name);
    promotion.zip(last).is_some_and(|(promotion, last)| {
        last.promotion.as_ref() == Some(&promotion.id)
            && targets.iter().any(|target| brings(view, last, target, promotion))
    })
}

/// Whether a stage is in the middle of its rollout: that is seen to its end before another one is gone through again.
pub(crate) fn is_busy(after: &CodeSyncStatus) -> bool {
    let Some(promotion) = &after.promotion else { return false };
    let is_begun = |stage: &&StageStatus| stage.started.as_ref() == Some(&promotion.id);
    after.stages.iter().filter(is_begun).any(|stage| stage.promotion.as_ref() != Some(&promotion.id))
}

/// The stage as it is to be gone through again: as it was before the promotion.
pub(crate) fn reopened(after: &CodeSyncStatus, last: &StageStatus) -> StageStatus {
    let deployed = after.deployed.as_ref();
    StageStatus {
        name: last.name.clone(),
        phase: StagePhase::Pending,
        reference: deployed.map(|deployed| deployed.reference.clone()),
        promotion: deployed.and_then(|deployed| deployed.promotion.clone()),
        started: None,
        since: None,
        gates: None,
        healthy_since: None,
        passed_checks: None,
        checks: Vec::new(),
        progressed_at: None,
        ready: last.ready,
        desired: last.desired,
        message: None,
    }
}

/// Whether a target has something of ours, and the promotion brings it something else.
fn brings(view: &View<'_>, last: &StageStatus, target: &ObservedTarget, promotion: &PromotionStatus) -> bool {
    let standing = judge(view, target, Some(last), Some(Goal::of(promotion)), None).standing;
    matches!(standing, Standing::Due(write) if changes_ours(view, &write))
}

//! The way through the stages: what each says now, and what the first one that is not done needs.
//!
//! Only the first stage that is not done is worked on. A stage that has passed, or whose turn has not come, only
//! gives its reference to targets that joined it.

use voxsync_crds::code_sync::{
    CodeSyncStatus, Hold, Outcome, PromotionFailure, Stage, StagePhase, StageStatus,
};

use crate::{
    observed::TargetWrite,
    rows::Rows,
    target::{Goal, Reach, Standing, judge},
    view::View,
    visit::{Position, Visit},
};

/// What the walk found.
#[derive(Default)]
pub(crate) struct Walk {
    pub stages: Vec<StageStatus>,
    pub holds: Vec<Hold>,
    pub rows: Rows,
    pub writes: Vec<TargetWrite>,
    pub failure: Option<PromotionFailure>,
    /// Whether the promotion under way passed all stages.
    pub passed_all: bool,
    /// What people are told about references that are written over for the first time.
    pub adoptions: Vec<String>,
}

/// Goes through all stages. `after` is the status as far as it is decided; `frozen` means that nothing may be
/// written or decided; `rows` are those about the whole.
pub(crate) fn through_stages(view: &View<'_>, after: &CodeSyncStatus, rows: Rows, frozen: bool) -> Walk {
    let mut walk = Walk { rows, ..Walk::default() };
    let active = after.promotion.as_ref().filter(|promotion| promotion.outcome.is_none());
    let mut open = true;
    for (stage, targets) in view.stages() {
        let last = after.stages.iter().find(|last| last.name == stage.name);
        let position = position(after, last, stage, open);
        let visit = Visit { view, stage, targets, last, position, frozen };
        let status = visit.run(&mut walk);
        open = open
            && active.is_some_and(|active| status.promotion.as_ref() == Some(&active.id))
            && status.phase != StagePhase::Held;
        walk.stages.push(status);
    }
    walk.passed_all = active.is_some() && open && !walk.stages.is_empty();
    walk
}

fn position<'a>(
    after: &'a CodeSyncStatus,
    last: Option<&StageStatus>,
    stage: &Stage,
    open: bool,
) -> Position<'a> {
    let Some(promotion) = &after.promotion else {
        return if is_settled(after) { Position::Resting } else { Position::Abandoned };
    };
    let passed = last.is_some_and(|last| last.promotion.as_ref() == Some(&promotion.id));
    match (promotion.outcome, &promotion.failure) {
        (None, _) if passed => Position::Passed(promotion),
        (None, _) if open => Position::Working(promotion),
        (None, _) => Position::Later(promotion),
        (Some(_), _) if passed => Position::Resting,
        (Some(_), Some(failure)) if failure.stage == stage.name => Position::Failed(failure),
        (Some(_), _) => Position::Abandoned,
    }
}

/// Whether the last promotion was released (or there was none): then all stages run what is deployed.
pub(crate) fn is_settled(after: &CodeSyncStatus) -> bool {
    after.history.first().is_none_or(|last| last.outcome == Outcome::Released)
}

/// What would be written if the candidate were promoted now, stage by stage.
pub(crate) fn plan(
    view: &View<'_>,
    after: &CodeSyncStatus,
    reference: &str,
    tag: Option<&str>,
) -> Vec<Planned> {
    let goal = Goal { reference, tag, promotion: "", reach: Reach::All };
    let mut planned = Vec::new();
    for (stage, targets) in view.stages() {
        let last = after.stages.iter().find(|last| last.name == stage.name);
        let judgements = targets.iter().map(|target| judge(view, target, last, Some(goal), None));
        let mut open =
            Planned { stage: stage.name.clone(), writes: Vec::new(), all_settled: !targets.is_empty() };
        for judgement in judgements {
            match judgement.standing {
                Standing::Settled => {}
                Standing::Due(write) => {
                    open.all_settled = false;
                    open.writes.push(*write);
                }
                _ => open.all_settled = false,
            }
        }
        planned.push(open);
    }
    planned
}

/// What a stage would need.
pub(crate) struct Planned {
    pub stage: String,
    pub writes: Vec<TargetWrite>,
    /// Whether there are targets, and all of them say what they should.
    pub all_settled: bool,
}

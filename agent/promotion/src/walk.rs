//! The way through the stages: what each says now, and what the first one that is not done needs.
//!
//! Only the first stage that is not done is worked on. A stage that has passed, or whose turn has not come, only
//! gives its reference to targets that joined it.

use voxsync_crds::{
    code_sync::{CodeSyncStatus, Hold, Outcome, PromotionFailure, Stage, StagePhase, StageStatus},
    time::Time,
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
    /// A part of the stage that failed is held back: its targets are given back what they had.
    pub rolls_back: bool,
    /// The promotion ends, and something is still to be given back or held back.
    pub is_giving_back: bool,
    /// The targets of a promotion that ends that are not given back what they had, each with the reason.
    pub left: Vec<String>,
    /// Whether the promotion under way passed all stages.
    pub passed_all: bool,
    /// What people are told about references that are written over for the first time.
    pub adoptions: Vec<String>,
    wakes: Option<Time>,
}

impl Walk {
    /// Something is to be decided at this time, if nothing comes before.
    pub(crate) fn wake_by(&mut self, time: Time) {
        self.wakes = self.wakes.into_iter().chain([time]).min();
    }

    /// The next time at which something is to be decided.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.wakes.into_iter().chain(self.rows.next_end()).min()
    }
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
        let is_rolling_back = matches!(position, Position::RollingBack(_));
        if view.observed.is_leaving && !is_rolling_back {
            walk.stages.extend(last.map(left));
            continue;
        }
        // What ends half-way goes back whatever the source and the spec say by now.
        let frozen = if is_rolling_back { view.is_suspended() } else { frozen };
        let visit = Visit { view, stage, targets, last, position, frozen };
        let status = visit.run(&mut walk);
        open = open
            && active.is_some_and(|active| status.promotion.as_ref() == Some(&active.id))
            && status.phase != StagePhase::Held;
        walk.stages.push(status);
    }
    walk.passed_all = active.is_some_and(|active| active.ending.is_none()) && open && !walk.stages.is_empty();
    walk
}

/// A stage of a CodeSync that is deleted, as it is left.
fn left(last: &StageStatus) -> StageStatus {
    let is_deployed = last.phase == StagePhase::Deployed;
    let phase = if is_deployed { StagePhase::Deployed } else { StagePhase::Pending };
    StageStatus { phase, gates: None, ..last.clone() }
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
        (None, _) if promotion.ending.is_some() => Position::RollingBack(promotion),
        (None, _) if open => Position::Working(promotion),
        (None, _) => Position::Later(promotion),
        (Some(_), _) if passed => Position::Resting,
        (Some(_), Some(failure)) if failure.stage == stage.name => Position::Failed(promotion, failure),
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
    let goal = Goal { reference: Some(reference), tag, promotion: "", reach: Reach::All };
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

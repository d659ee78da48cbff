//! The way through the stages: what each says now, and what the first one that is not done needs.
//!
//! Only the first stage that is not done is worked on. A stage that has passed, or whose turn has not come, only
//! gives its reference to targets that joined it.

use std::collections::BTreeMap;

use voxsync_crds::{
    code_sync::{
        CodeSyncStatus, Hold, Outcome, PromotionFailure, PromotionStatus, Stage, StagePhase, StageStatus,
        Trigger,
    },
    time::Time,
};

use crate::{
    decided::{CheckRun, TargetWrite},
    observed::ObservedTarget,
    reopened::{is_busy, is_left_behind, reopened},
    rollback,
    rows::Rows,
    target::{Goal, Reach, Standing, judge},
    view::View,
    visit::{Position, Visit},
};

/// How far a promotion that ends is on the way back.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum WayBack {
    /// There is none, or it is done.
    #[default]
    Done,
    /// Something is still to be given back or held back.
    Going,
    /// What is given back cannot run either.
    Stuck,
}

/// What the walk found.
#[derive(Default)]
pub(crate) struct Walk {
    pub stages: Vec<StageStatus>,
    pub holds: Vec<Hold>,
    pub rows: Rows,
    pub writes: Vec<TargetWrite>,
    pub failure: Option<PromotionFailure>,
    /// What failed is given back.
    pub rolls_back: bool,
    /// How far a promotion that ends is on the way back.
    pub way_back: WayBack,
    /// Deployments have to be held back before a stage is given back.
    pub asks_for_gates: bool,
    /// The first stage that the promotion passed and whose Servers are not all ready any more.
    pub unwell: Option<String>,
    /// Whether the promotion under way passed all stages.
    pub passed_all: bool,
    /// What people are told about references that are written over for the first time.
    pub adoptions: Vec<String>,
    /// What is to be asked about the stage that the promotion works on.
    pub checks: Vec<CheckRun>,
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
    let ending = active.filter(|active| active.ending.is_some());
    let given_back = ending.and_then(|ending| rollback::place(view, after, ending));
    if given_back.is_some() {
        walk.way_back = WayBack::Going;
    }
    let (mut open, mut all_brought) = (true, true);
    let mut visited = BTreeMap::new();
    for (index, (stage, targets)) in in_turn(view, active) {
        let last = after.stages.iter().find(|last| last.name == stage.name);
        let left_behind = is_left_behind(view, after, stage, targets);
        all_brought &= !left_behind;
        let reopened = last.filter(|_| left_behind && !is_busy(after)).map(|last| reopened(after, last));
        let last = reopened.as_ref().or(last);
        let position = position(after, last, stage, open, given_back == Some(index));
        let is_rolling_back = matches!(position, Position::RollingBack(_));
        if view.observed.is_leaving && !is_rolling_back {
            visited.extend(last.map(|last| (index, left(last, given_back.is_some()))));
            continue;
        }
        // What ends goes back whatever the source and the spec say by now.
        let frozen = if is_rolling_back { view.is_suspended() } else { frozen };
        let visit = Visit { view, after, stage, targets, last, position, frozen };
        let status = visit.run(&mut walk);
        let passed = active.filter(|active| status.promotion.as_ref() == Some(&active.id));
        // Who goes back skips what somebody else changed.
        let goes_on =
            |it: &PromotionStatus| status.phase != StagePhase::Held || it.trigger == Trigger::Rollback;
        open = open && passed.is_some_and(goes_on);
        visited.insert(index, status);
    }
    walk.stages = visited.into_values().collect();
    let is_whole = open && all_brought && !walk.stages.is_empty();
    walk.passed_all = is_whole && active.is_some_and(|active| active.ending.is_none());
    walk
}

/// The stages in the order in which a promotion goes through them. Who goes back begins where it matters most, and does not
/// wait for a canary.
fn in_turn<'s, 'a>(
    view: &'s View<'a>,
    active: Option<&PromotionStatus>,
) -> Vec<(usize, (&'s Stage, &'a [ObservedTarget]))> {
    let mut stages: Vec<_> = view.stages().enumerate().collect();
    if active.is_some_and(|active| active.trigger == Trigger::Rollback) {
        stages.reverse();
    }
    stages
}

/// A stage of a CodeSync that is deleted, as it is left.
fn left(last: &StageStatus, goes_back: bool) -> StageStatus {
    let is_deployed = last.phase == StagePhase::Deployed;
    // What took too long to give back is not begun again while others are given back.
    let is_over = goes_back && last.phase == StagePhase::RollingBack;
    let phase = match () {
        () if is_deployed => StagePhase::Deployed,
        () if is_over => StagePhase::RollingBack,
        () => StagePhase::Pending,
    };
    StageStatus { phase, gates: None, ..last.clone() }
}

fn position<'a>(
    after: &'a CodeSyncStatus,
    last: Option<&StageStatus>,
    stage: &Stage,
    open: bool,
    is_given_back: bool,
) -> Position<'a> {
    let Some(promotion) = &after.promotion else {
        return if is_settled(after) { Position::Resting } else { Position::Abandoned };
    };
    let passed = last.is_some_and(|last| last.promotion.as_ref() == Some(&promotion.id));
    match (promotion.outcome, &promotion.failure) {
        (None, _) if is_given_back => Position::RollingBack(promotion),
        (None, _) if promotion.ending.is_some() => Position::GoingBack,
        (None, _) if passed => Position::Passed(promotion),
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
        let mut open =
            Planned { stage: stage.name.clone(), writes: Vec::new(), all_settled: !targets.is_empty() };
        for target in targets {
            let standing = judge(view, target, last, Some(goal), None).standing;
            open.all_settled &= matches!(standing, Standing::Settled);
            if let Standing::Due(write) = standing {
                open.writes.push(*write);
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

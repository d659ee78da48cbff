//! The targets of a stage, by how they stand.

use voxsync_crds::code_sync::{CandidateStatus, Trigger};

use crate::{
    candidate::is_same_code,
    decided::TargetWrite,
    joining::{Cause, Due},
    observed::{ObservedTarget, TargetProblem},
    quarantine, rollback,
    rows::{HELD, QUARANTINED, Weight},
    target::{Blocker, BlockerKind, Goal, Judgement, Reach, Standing, changes_ours, judge},
    visit::{Position, Visit},
    walk::Walk,
};

/// The targets of a stage, by how they stand.
#[derive(Default)]
pub(crate) struct Standings<'a> {
    pub settled: Vec<&'a ObservedTarget>,
    pub idle: Vec<&'a ObservedTarget>,
    /// Those that wait until they may be given what the stage runs: what they run says nothing of it.
    pub joining: Vec<&'a ObservedTarget>,
    pub writes: Vec<TargetWrite>,
    /// Writes that were refused before and are tried again: what is said of them stays as it is.
    pub retries: Vec<TargetWrite>,
    pub held: Vec<&'a ObservedTarget>,
    /// Some cannot be written, for a reason that nobody has to try to know.
    pub blocked: bool,
    /// The API server did not take a write.
    pub refused: bool,
    /// The stage may not start yet: nothing of it is written.
    pub is_awaited: bool,
}

impl<'a> Standings<'a> {
    /// The targets on which nothing is to be done.
    pub(crate) fn running(&self) -> Vec<&'a ObservedTarget> {
        self.settled.iter().chain(&self.idle).copied().collect()
    }
}

impl<'a> Visit<'a, '_> {
    fn goal(&self) -> Option<Goal<'_>> {
        let deployed_tag = self.view.before.deployed.as_ref().and_then(|deployed| deployed.tag.as_deref());
        let passed_with = |reach| {
            let last = self.last?;
            let (reference, promotion) = (last.reference.as_deref()?, last.promotion.as_deref()?);
            Some(Goal { reference: Some(reference), tag: deployed_tag, promotion, reach })
        };
        match self.position {
            Position::Working(promotion) | Position::Passed(promotion) => Some(Goal::of(promotion)),
            Position::Resting => passed_with(Reach::All),
            Position::Later(_) | Position::Abandoned => passed_with(Reach::Joiners),
            // What a target is given back is its own.
            Position::RollingBack(_) | Position::GoingBack | Position::Failed(..) => None,
        }
    }

    pub(crate) fn judge_all(&self, walk: &mut Walk) -> Standings<'a> {
        let mut standings = Standings::default();
        let coming = match self.position {
            Position::Later(promotion) => Some(promotion.candidate.reference.as_str()),
            _ => None,
        };
        let goal = self.goal();
        let mut due = Vec::new();
        for target in self.targets {
            let goal = match self.position {
                Position::RollingBack(promotion) => rollback::goal(self.view, target, promotion),
                _ => goal,
            };
            let Judgement { standing, hold } = judge(self.view, target, self.last, goal, coming);
            match standing {
                Standing::Settled => standings.settled.push(target),
                Standing::Idle => standings.idle.push(target),
                // The last line before a write would drop it.
                Standing::Due(write) if !quarantine::lets_through(self.after, &write) => {
                    standings.blocked = true;
                    if !self.makes_way() {
                        self.block(walk, target, quarantine::blocker(self.view, self.after, &write));
                    }
                }
                // A promotion of its own brings it, with all that a promotion waits for.
                Standing::Due(write)
                    if matches!(self.position, Position::Passed(_) | Position::Resting)
                        && changes_ours(self.view, &write) =>
                {
                    standings.idle.push(target);
                }
                Standing::Due(write) => {
                    let is_late = hold.is_none() && self.view.record_on(target).is_none();
                    let cause = if is_late { Cause::Late } else { Cause::Ours };
                    due.push(Due { target, write: *write, cause });
                }
                Standing::Held(sentence) => {
                    standings.held.push(target);
                    let manager = hold.as_ref().and_then(|hold| hold.manager.as_deref());
                    let brief = format!("changed by {}", manager.unwrap_or("somebody"));
                    walk.rows.push(self.row(Weight::Blocks, HELD, sentence, brief));
                }
                Standing::Blocked(blocker) => {
                    // Who goes back skips what does not let it in any more, as what is held: it is named.
                    let is_shut = target.live.as_ref().is_err_and(TargetProblem::is_shut);
                    standings.blocked |= !(is_shut && self.goes_back_by_hand());
                    self.block(walk, target, blocker);
                }
            }
            walk.holds.extend(hold);
        }
        self.take_due(due, &mut standings, walk);
        standings
    }

    /// What is to be written: now, or later.
    fn take_due(&self, due: Vec<Due<'a>>, standings: &mut Standings<'a>, walk: &mut Walk) {
        let admission = self.admit(due);
        walk.rows.extend(self.joining_rows(&admission));
        let waiting = admission.for_promotion.iter().chain(&admission.for_others);
        standings.joining.extend(waiting.map(|due| due.target));
        for Due { target, write, .. } in admission.now {
            match &target.refused {
                None => standings.writes.push(write),
                Some(refused) => {
                    standings.refused = true;
                    standings.retries.extend(refused.is_retry_due.then_some(write));
                    self.block(walk, target, Blocker::refused(refused.message.clone()));
                }
            }
        }
    }

    fn block(&self, walk: &mut Walk, target: &ObservedTarget, blocker: Blocker) {
        let weight = match blocker.kind {
            BlockerKind::Specification => Weight::Stalls,
            BlockerKind::Cluster => Weight::Blocks,
            BlockerKind::Pause => Weight::Waits,
        };
        // What only the cluster or a person must mend is said when the stage's turn comes; but nobody's turn comes for
        // what is in quarantine.
        let is_said_now = weight == Weight::Stalls || blocker.reason == QUARANTINED;
        if is_said_now || !self.is_aside() {
            let is_paused = if weight == Weight::Waits { " is paused" } else { "" };
            let brief = format!("{}: {}{is_paused}", self.stage.name, target.key);
            walk.rows.push(self.row(weight, blocker.reason, blocker.message, brief));
        }
    }

    /// Whether nothing comes of what is promoted any more: something else takes its place as soon as something is decided.
    pub(crate) fn makes_way(&self) -> bool {
        let Position::Working(promotion) = self.position else { return false };
        let is_other = |wanted: &CandidateStatus| {
            !is_same_code(wanted, &promotion.candidate) && quarantine::of(self.after, wanted).is_none()
        };
        self.frozen && self.after.candidate.as_ref().is_some_and(is_other)
    }

    /// Whether a person's rollback works on the stage: what stands in its way is skipped and named.
    pub(crate) fn goes_back_by_hand(&self) -> bool {
        matches!(self.position, Position::Working(it) if it.trigger == Trigger::Rollback)
    }

    fn is_aside(&self) -> bool {
        use Position::{Abandoned, Failed, GoingBack, Later};
        matches!(self.position, Later(_) | Abandoned | GoingBack | Failed(..))
    }
}

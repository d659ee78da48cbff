//! One stage of the walk: its targets judged, its rollouts weighed, its phase.

use std::time::Duration;

use voxsync_crds::{
    code_sync::{CodeSyncStatus, PromotionFailure, PromotionStatus, Stage, StagePhase, StageStatus, Trigger},
    reference::is_same_code,
    time::Time,
};

use crate::{
    gates::Order,
    observed::ObservedTarget,
    proof::{Proof, count, prove},
    rows::{Row, Weight},
    standings::Standings,
    text::{cut, later, short_code},
    verified::may_run,
    view::View,
    walk::Walk,
};

/// How long a resumed promotion bears pods that still cannot start: the longest back-off of the kubelet.
const RESUME_GRACE_SECONDS: u64 = 300;
/// The longest sentence of a stage, in bytes of JSON; the whole one is in the row.
const STAGE_MESSAGE_LIMIT_BYTES: usize = 256;

/// Where a stage is, seen from the promotion.
#[derive(Clone, Copy)]
pub(crate) enum Position<'a> {
    /// The promotion works on it.
    Working(&'a PromotionStatus),
    /// The promotion under way passed it.
    Passed(&'a PromotionStatus),
    /// Its turn in the promotion under way comes later.
    Later(&'a PromotionStatus),
    /// No promotion is under way, and its targets should run what it passed with.
    Resting,
    /// The last promotion ended before its turn came.
    Abandoned,
    /// The promotion ends: the stage's targets are given back what they had before it.
    RollingBack(&'a PromotionStatus),
    /// The promotion ends, and this stage stays as it is: its turn comes later, was before, or does not come.
    GoingBack,
    /// The last promotion failed in it.
    Failed(&'a PromotionStatus, &'a PromotionFailure),
}

/// What one stage is asked with.
pub(crate) struct Visit<'a, 'v> {
    pub view: &'v View<'a>,
    /// The status as far as it is decided.
    pub after: &'v CodeSyncStatus,
    pub stage: &'v Stage,
    pub targets: &'a [ObservedTarget],
    pub last: Option<&'v StageStatus>,
    pub position: Position<'v>,
    pub frozen: bool,
}

impl Visit<'_, '_> {
    /// Looks at the stage: adds what it found to the walk, and gives the stage's new status.
    pub(crate) fn run(&self, walk: &mut Walk) -> StageStatus {
        let mut standings = self.judge_all(walk);
        standings.is_awaited = !self.may_start(&standings, walk);
        let order = self.order();
        let passed_before =
            self.last.and_then(|last| last.reference.clone().map(|it| (it, last.promotion.clone())));
        let (phase, passed) = match self.position {
            Position::Working(promotion) => self.work(promotion, &standings, &order, walk),
            Position::RollingBack(promotion) => (self.roll_back(promotion, &order, walk), None),
            Position::Passed(_) | Position::Resting => (self.rest(&standings, walk), None),
            Position::Failed(promotion, failure) => {
                walk.rows.push(self.failed_row(failure, Some(promotion)));
                (StagePhase::Failed, None)
            }
            Position::Later(_) | Position::Abandoned => (self.stand_aside(&standings, walk), None),
            Position::GoingBack => (self.waits_to_go_back(&standings, walk), None),
        };
        walk.adoptions.extend(self.adoptions(phase, &standings.writes));
        let passed =
            passed.map(|promotion| (promotion.candidate.reference.clone(), Some(promotion.id.clone())));
        let (reference, promotion) = passed.or(passed_before).unzip();
        let running = count(standings.running());
        let started = self.started(phase, &standings);
        // Gates stay only as long as the phase asks for them.
        let is_held_back =
            order.needed == 0 || matches!(phase, StagePhase::Writing | StagePhase::RollingBack);
        if !self.frozen && self.may_write() && walk.failure.is_none() && is_held_back && !standings.is_awaited
        {
            let writes = standings.writes.into_iter().chain(standings.retries);
            walk.writes.extend(writes.filter(|write| !order.holds_up(self.targets, &write.target)));
        }
        let (healthy_since, checks) = self.checks_status(phase, walk);
        StageStatus {
            name: self.stage.name.clone(),
            phase,
            reference,
            promotion: promotion.flatten(),
            started,
            // While it is suspended no time passes for what may take only so long.
            since: self
                .since(phase)
                .filter(|_| !(self.view.is_suspended() && phase == StagePhase::RollingBack)),
            healthy_since,
            passed_checks: self.passed_checks(phase, healthy_since),
            checks,
            progressed_at: self.progressed_at(phase, running),
            gates: self.gates_status().filter(|_| phase != StagePhase::Deployed),
            ready: if has_begun(phase) { running.ready } else { count(self.targets).ready },
            desired: count(self.targets).wanted,
            message: walk.rows.of_stage(&self.stage.name).map(|text| cut(text, STAGE_MESSAGE_LIMIT_BYTES)),
        }
    }

    /// The phase of the stage that the promotion works on, and the promotion if the stage passed.
    fn work<'p>(
        &self,
        promotion: &'p PromotionStatus,
        standings: &Standings<'_>,
        order: &Order<'_>,
        walk: &mut Walk,
    ) -> (StagePhase, Option<&'p PromotionStatus>) {
        let proof = prove(&self.view.observed.namespace, self.stage, &standings.settled);
        if let Proof::Failed(_) = proof
            && self.frozen
        {
            walk.rows.extend(self.rolling_row(proof));
            return (StagePhase::Rolling, None);
        }
        if let Proof::Failed(failure) = proof {
            return (self.fail(promotion, failure, walk), None);
        }
        if let Some(failure) = self.gate_too_old(walk) {
            return (self.failed(failure, walk), None);
        }
        if let Some(phase) = self.unsettled(standings, order, walk) {
            return (phase, None);
        }
        let gated = self.gated_row();
        match proof {
            Proof::Complete if gated.is_none() => self.watch(promotion, walk),
            // What is gone back to ran before.
            Proof::Nothing(_) if promotion.trigger == Trigger::Rollback && gated.is_none() => {
                self.watch(promotion, walk)
            }
            Proof::Nothing(why) => {
                walk.rows.push(self.nothing_row(Weight::Blocks, &why));
                (StagePhase::NothingToProve, None)
            }
            proof => {
                if let Proof::Rolling { ready, .. } = &proof
                    && let Some(failure) = self.no_progress(standings, *ready, walk)
                {
                    return (self.fail(promotion, failure, walk), None);
                }
                walk.rows.extend(self.rolling_row(proof));
                walk.rows.extend(gated);
                (StagePhase::Rolling, None)
            }
        }
    }

    /// The phase of a stage in which not all targets say what they should.
    fn unsettled(&self, standings: &Standings<'_>, order: &Order<'_>, walk: &mut Walk) -> Option<StagePhase> {
        // Who goes back skips what somebody else changed: it is named, and the others do not wait for it.
        if !standings.held.is_empty() && !self.goes_back_by_hand() {
            return Some(StagePhase::Held);
        }
        let is_due = !standings.writes.is_empty() || standings.refused;
        if is_due && (self.frozen || standings.is_awaited || !self.may_write()) {
            return Some(StagePhase::Pending);
        }
        if is_due && order.needed > 0 && !(order.missing.is_empty() && self.asks_for_gates()) {
            return Some(self.gate(order, standings, walk));
        }
        if let Some(write) = standings.writes.first() {
            let message =
                format!("{} is being given {}", write.target, short_code(write.applied.reference.as_deref()));
            let brief = format!("{} is written", self.stage.name);
            walk.rows.push(self.row(Weight::Moves, "Writing", message, brief));
            return Some(StagePhase::Writing);
        }
        if standings.refused && order.needed > 0 {
            // It is tried again, and what is held back for it stays so.
            return Some(StagePhase::Writing);
        }
        (standings.blocked || standings.refused).then_some(StagePhase::Pending)
    }

    /// Whether what the promotion brings is verified; the row that says otherwise is about the whole.
    fn may_write(&self) -> bool {
        match self.position {
            Position::Working(promotion) | Position::Passed(promotion) => {
                may_run(self.view, &promotion.candidate)
            }
            _ => true,
        }
    }

    /// Whether the stage is stored as one whose gates nobody lifts but in their turn.
    fn asks_for_gates(&self) -> bool {
        let asks = |phase| matches!(phase, StagePhase::Gating | StagePhase::Writing | StagePhase::Rolling);
        self.last.is_some_and(|last| asks(last.phase))
    }

    fn fail(&self, promotion: &PromotionStatus, failure: PromotionFailure, walk: &mut Walk) -> StagePhase {
        let grace_ends = later(promotion.started_at, Duration::from_secs(RESUME_GRACE_SECONDS));
        if self.is_tried_again(promotion) && self.view.now < grace_ends {
            let message = format!(
                "{} still has {} from before the resume: {}",
                failure.culprit(),
                failure.reason,
                failure.message
            );
            let brief = format!("{} still {}", self.stage.name, failure.reason);
            walk.rows
                .push(Row { until: Some(grace_ends), ..self.row(Weight::Moves, "Rollout", message, brief) });
            return StagePhase::Rolling;
        }
        self.failed(failure, walk)
    }

    /// Whether its pods may still show how it went before.
    fn is_tried_again(&self, promotion: &PromotionStatus) -> bool {
        let last = self.view.before.history.first().filter(|last| last.outcome.is_failure());
        let failed_before =
            last.is_some_and(|last| is_same_code(&last.reference, &promotion.candidate.reference));
        promotion.trigger == Trigger::Resume || (promotion.trigger == Trigger::Rollback && failed_before)
    }

    /// The stage has failed. Where a part of it is held back, its targets cannot stay as they are whatever people chose.
    pub(crate) fn failed(&self, failure: PromotionFailure, walk: &mut Walk) -> StagePhase {
        let rolls_back = self.gives_back_failure(&failure);
        walk.rows.push(self.failing_row(&failure, rolls_back));
        walk.failure = Some(failure);
        walk.rolls_back = rolls_back;
        if rolls_back { StagePhase::RollingBack } else { StagePhase::Failed }
    }

    /// The phase of a stage that has passed: what is not as it was is said, and mended where a target joined.
    fn rest(&self, standings: &Standings<'_>, walk: &mut Walk) -> StagePhase {
        if self.last.is_none_or(|last| last.reference.is_none()) {
            return aside(standings);
        }
        let running = standings.running();
        let proof = prove(&self.view.observed.namespace, self.stage, &running);
        if matches!(self.position, Position::Passed(_))
            && !matches!(proof, Proof::Complete | Proof::Nothing(_))
        {
            walk.unwell.get_or_insert_with(|| self.stage.name.clone());
        }
        if let Some(phase) = self.unsettled(standings, &Order::default(), walk) {
            return phase;
        }
        if running.is_empty() && !standings.joining.is_empty() {
            // Nobody runs it who could prove it.
            return StagePhase::Pending;
        }
        match proof {
            Proof::Complete => StagePhase::Deployed,
            Proof::Nothing(why) => {
                walk.rows.push(self.nothing_row(Weight::Tells, &why));
                StagePhase::Deployed
            }
            proof => {
                walk.rows.extend(self.rolling_row(proof));
                StagePhase::Rolling
            }
        }
    }

    /// The phase of a stage whose turn it is not. What cannot run there is said, whoever brought it.
    fn stand_aside(&self, standings: &Standings<'_>, walk: &mut Walk) -> StagePhase {
        let proof = prove(&self.view.observed.namespace, self.stage, &standings.running());
        if let Proof::Failed(_) = proof {
            walk.rows.extend(self.rolling_row(proof));
        }
        aside(standings)
    }

    pub(crate) fn since(&self, phase: StagePhase) -> Option<Time> {
        let moving = |phase| matches!(phase, StagePhase::Writing | StagePhase::Rolling);
        let kept = self.last.filter(|last| last.phase == phase || (moving(last.phase) && moving(phase)));
        kept.and_then(|last| last.since).or(Some(self.view.now))
    }
}

/// Whether pods are counted on what the promotion brings: before, they are on the code that they have.
fn has_begun(phase: StagePhase) -> bool {
    !matches!(phase, StagePhase::Pending | StagePhase::Held | StagePhase::Gating)
}

/// The phase of a stage whose turn it is not.
pub(crate) fn aside(standings: &Standings<'_>) -> StagePhase {
    if standings.held.is_empty() { StagePhase::Pending } else { StagePhase::Held }
}

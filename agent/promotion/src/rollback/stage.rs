//! A stage that is given back: its phase, and what is said of it.

use voxsync_crds::{
    annotations::Applied,
    code_sync::{Outcome, PromotionFailure, PromotionStatus, StagePhase, Trigger},
};

use super::{
    GivingBack, is_automatic, is_over, patience_ends,
    target::{Back, back},
};
use crate::{
    gate_age::limit,
    gates::Order,
    observed::ObservedTarget,
    proof::failure_of,
    rows::{ROLLING_BACK, Row, Weight},
    standings::Standings,
    text::{names, short_code},
    visit::{Position, Visit, aside},
    walk::{Walk, WayBack},
};

impl Visit<'_, '_> {
    /// The phase of a stage of a promotion that ends, while another one is given back. What took too long stays as it is,
    /// and is not begun again.
    pub(crate) fn waits_to_go_back(&self, standings: &Standings<'_>, walk: &mut Walk) -> StagePhase {
        let promotion = self.after.promotion.as_ref();
        let Some(promotion) = promotion
            .filter(|_| walk.way_back != WayBack::Done && is_over(self.view, self.last, self.targets))
        else {
            return aside(standings);
        };
        let what =
            "it took too long to give back all that its targets had: the stages before it are given back now";
        walk.rows.push(self.rolling_back_row(promotion, what));
        StagePhase::RollingBack
    }

    /// Whether what fails here is given back. A rollback is not rolled back. By hand, only what must not stay between the
    /// two is; where a check fails, all run the candidate, and nothing is held back any more.
    pub(crate) fn gives_back_failure(&self, failure: &PromotionFailure) -> bool {
        let Position::Working(promotion) = self.position else { return false };
        let may_be_between = || failure.check.is_none() && self.gates_status().is_some();
        promotion.trigger != Trigger::Rollback && (is_automatic(self.view.spec) || may_be_between())
    }

    /// Whether a target is to be given back what it had, and says the candidate until then.
    pub(crate) fn is_to_go_back(&self, target: &ObservedTarget, promotion: &PromotionStatus) -> bool {
        let is_to_leave = |record: &Applied| {
            target.image().is_some_and(|live| promotion.is_to_leave(live, record, self.view.before))
        };
        self.view.record_on(target).is_some_and(is_to_leave)
            && back(self.view, target, self.last, promotion) == Back::Due
    }

    /// The stage whose targets are given back what they had.
    pub(crate) fn roll_back(
        &self,
        promotion: &PromotionStatus,
        order: &Order<'_>,
        walk: &mut Walk,
    ) -> StagePhase {
        let GivingBack { due, gated, settling } =
            GivingBack::of(self.view, self.targets, self.last, promotion);
        walk.asks_for_gates = !self.frozen && !order.missing.is_empty();
        let last = self.last.filter(|last| last.phase == StagePhase::RollingBack);
        let ends = last
            .and_then(|last| patience_ends(self.view, last, self.targets))
            .unwrap_or(limit(self.view.now));
        if !self.frozen {
            walk.wake_by(ends);
        }
        let failure = settling.iter().find_map(|server| failure_of(self.stage, server));
        if let Some(failure) = failure {
            walk.way_back = WayBack::Stuck;
            walk.rows.push(self.stuck_row(promotion, &failure));
            return StagePhase::RollingBack;
        }
        let back = due.iter().map(|target| {
            let previous = self.view.record_on(target).and_then(|record| record.previous.as_deref());
            format!("{} ({})", target.key, short_code(previous))
        });
        let back: Vec<String> = back.collect();
        let missing = names(order.missing.iter().map(|server| server.name.as_str()));
        let what = if !missing.is_empty() {
            format!(
                "before what its targets had is given back, the Deployments of {missing} are held back, so that not all \
                 restart at once: a reconciler with --reconciler=full does it"
            )
        } else if !back.is_empty() {
            format!("what its targets had is given back: {}", names(back.iter().map(String::as_str)))
        } else if !gated.is_empty() {
            format!(
                "its targets have what they had; still held back until that is in their Deployments, and it is their \
                 turn: {}. A reconciler with --reconciler=full lifts them",
                names(gated.iter().copied())
            )
        } else {
            let servers = names(settling.iter().map(|server| server.name.as_str()));
            format!(
                "its targets have what they had; until they run it, nothing else is given back: {servers}"
            )
        };
        walk.rows.push(self.rolling_back_row(promotion, &what));
        StagePhase::RollingBack
    }

    /// What it had before cannot run either.
    fn stuck_row(&self, promotion: &PromotionStatus, failure: &PromotionFailure) -> Row {
        let name = &self.stage.name;
        let message = format!(
            "{}; and what stage {name} had before cannot run either: {}. Nothing more is given back: mend that, or take \
             another candidate",
            self.why_back(promotion),
            failure.cause()
        );
        self.row(Weight::Blocks, ROLLING_BACK, message, format!("{name} {}", failure.reason))
    }

    fn rolling_back_row(&self, promotion: &PromotionStatus, what: &str) -> Row {
        let (name, candidate) = (&self.stage.name, &promotion.candidate.name);
        let message = format!("{}; {what}", self.why_back(promotion));
        self.row(Weight::Moves, ROLLING_BACK, message, format!("{name} {candidate}"))
    }

    fn why_back(&self, promotion: &PromotionStatus) -> String {
        let (name, candidate) = (&self.stage.name, &promotion.candidate.name);
        match (&promotion.failure, promotion.ending) {
            (Some(failure), _) => {
                format!("{candidate} failed in stage {}: {}", failure.stage, failure.cause())
            }
            (None, Some(Outcome::Abandoned)) => {
                format!("the CodeSync is deleted while {candidate} is under way")
            }
            (None, _) => format!("{candidate} makes way for another candidate while stage {name} rolls"),
        }
    }
}

//! What may take only so long ends, the time in which nothing is decided apart; and what was held back for goes back.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use voxsync_crds::code_sync::{CodeSyncStatus, Outcome, PromotionStatus, StagePhase, Trigger};
use voxsync_promotion::{ObservedTarget, ServerRollout, Step};
use voxsync_rollout::state::RolloutState;

use super::{Simulation, Snapshot};

const LIMIT: SignedDuration = SignedDuration::from_hours(1);

/// Since when there is what may take only so long.
#[derive(Default)]
pub(super) struct Patience {
    /// When nothing could be decided, the last time.
    stood_still: Timestamp,
    /// Since when the promotion ends, and may write, at the latest: a stage counts from the first step that found it so.
    ends_since: Option<Timestamp>,
    /// Since when it does at the earliest: the stage that failed counts from the step that said so.
    ended_first: Option<Timestamp>,
    /// The promotions, with the stages, for which the leader saw something held back.
    gated: BTreeSet<(String, String)>,
}

impl Patience {
    /// Somebody else decided: what is known of time is void.
    pub(super) fn forget(&mut self, now: Timestamp) {
        self.stood_still = now;
        (self.ended_first, self.ends_since) = (None, None);
    }
}

impl Simulation {
    pub(super) fn check_patience(&mut self, snapshot: &Snapshot, taken: &Step) {
        let (now, observed) = (self.world.now, &snapshot.observed);
        let is_suspended = snapshot.spec.suspend && !observed.is_leaving;
        if is_suspended {
            self.patience.stood_still = now;
        }
        let Some(before) = snapshot.status.promotion.as_ref().filter(|it| it.outcome.is_none()) else {
            (self.patience.ended_first, self.patience.ends_since) = (None, None);
            return;
        };
        let Some(after) = taken.status.promotion.as_ref().filter(|after| after.id == before.id) else {
            return;
        };
        if before.ending.is_none() {
            (self.patience.ended_first, self.patience.ends_since) = (after.ending.map(|_| now), None);
            self.check_failure(snapshot, before, after);
            return;
        }
        if is_suspended {
            (self.patience.ended_first, self.patience.ends_since) = (Some(now), None);
            return;
        }
        // Each stage has its hour, and so has each Deployment that is let go.
        let going = |status: &CodeSyncStatus| -> Vec<(StagePhase, Option<u32>)> {
            let stages = status.stages.iter();
            stages.map(|stage| (stage.phase, stage.gates.as_ref().map(|gates| gates.held))).collect()
        };
        if going(&snapshot.status) != going(&taken.status) {
            self.patience.ends_since = None;
        }
        let lasted = now.duration_since(*self.patience.ends_since.get_or_insert(now));
        // Where an old leader decided that it ends, nobody here knows since when.
        let may_last = self.patience.ended_first.is_some_and(|first| now.duration_since(first) < LIMIT);
        if after.outcome.is_none() {
            assert!(lasted < LIMIT, "it ends for {lasted:?}: {:#?}", taken.status);
        } else if may_last && !is_stuck(&taken.status) {
            let ending = snapshot.status.stages.iter().zip(&observed.stages);
            let ending = ending.filter(|(last, _)| last.phase == StagePhase::RollingBack);
            for target in ending.flat_map(|(_, targets)| targets) {
                let holds = target.servers.iter().filter_map(|server| server.gate());
                let is_held = holds.into_iter().any(|gate| gate.code_sync == observed.uid);
                let is_left = is_taken(target) || bans_previous(snapshot, target);
                assert!(!is_held || is_left, "ended while held back: {target:#?}");
            }
        }
    }

    fn check_failure(&mut self, snapshot: &Snapshot, before: &PromotionStatus, after: &PromotionStatus) {
        let observed = &snapshot.observed;
        for (stage, targets) in snapshot.spec.stages.iter().flatten().zip(&observed.stages) {
            let mut gates =
                targets.iter().flat_map(|target| &target.servers).filter_map(|server| server.gate());
            if gates.any(|gate| gate.code_sync == observed.uid && gate.promotion == before.id) {
                self.patience.gated.insert((before.id.clone(), stage.name.clone()));
            }
        }
        let Some(failure) = &after.failure else { return };
        let decided = self.world.now.duration_since(self.patience.stood_still);
        let is_old = failure.reason == "GateTooOld";
        assert!(!is_old || decided >= LIMIT, "its hour was not over: {decided:?}, {failure:?}");
        let was_gated = self.patience.gated.contains(&(before.id.clone(), failure.stage.clone()));
        let mut stages = snapshot.spec.stages.iter().flatten().zip(&observed.stages);
        let targets = stages.find(|(stage, _)| stage.name == failure.stage).map(|(_, targets)| targets);
        let mut servers = targets.into_iter().flatten().flat_map(|target| &target.servers);
        let is_done = |server: &ServerRollout| {
            matches!(server.state, RolloutState::Complete(_)) && server.gate().is_none()
        };
        // By hand, a check that fails where all run it changes nothing back.
        let is_check = failure.check.is_some() && servers.all(is_done);
        assert!(
            !was_gated || is_check || after.outcome.is_none() || after.trigger == Trigger::Rollback,
            "it failed after gates, and nothing goes back: {after:#?}"
        );
    }

    /// Whether the promotion failed by an authority that nothing was held back for any more.
    pub(super) fn fell_on_its_turn(&self, taken: &Step) -> bool {
        let failure = taken.status.promotion.as_ref().and_then(|promotion| promotion.failure.as_ref());
        let Some(failure) = failure.filter(|failure| failure.reason != "GateTooOld") else { return false };
        let outcome = taken.status.promotion.as_ref().and_then(|promotion| promotion.outcome);
        let mut places = self.places().into_iter();
        outcome == Some(Outcome::RolledBack)
            && places.any(|place| self.is_authority(place) && Some(self.name(place)) == failure.server)
    }
}

/// Whether what was there before cannot run either: then another candidate does not wait.
fn is_stuck(status: &CodeSyncStatus) -> bool {
    status.waiting.iter().any(|row| row.message.contains("had before cannot run either"))
}

/// Whether what a target had before is in quarantine.
fn bans_previous(snapshot: &Snapshot, target: &ObservedTarget) -> bool {
    let previous = target.applied.as_ref().and_then(|record| record.previous.as_deref());
    let mut quarantine = snapshot.status.quarantine.iter();
    quarantine.any(|it| previous.is_some_and(|previous| previous.ends_with(&it.digest)))
}

/// Whether somebody else has a target, so that nothing is given back to it.
fn is_taken(target: &ObservedTarget) -> bool {
    let recorded = target.applied.as_ref().and_then(|record| record.reference.clone());
    let live = target.live.as_ref().ok().map(|live| live.image.clone());
    target.paused || target.claims.is_some() || live != Some(recorded)
}

//! The invariants of what is under way: nobody leaves a stage that rolls, nobody starts upon one that has fallen over.

use voxsync_crds::{
    code_sync::{CodeSyncStatus, Outcome, PromotionStatus, StagePhase, Trigger},
    reference::is_same_code,
};
use voxsync_promotion::{ObservedTarget, ServerRollout, Step};
use voxsync_rollout::state::RolloutState;

use super::{Simulation, Snapshot};

/// How long a stage may roll until it binds nobody any more.
const ROLL_LIMIT_SECONDS: i64 = 3600;

impl Simulation {
    /// No stage starts while the leader sees that one before it, which has passed, does not run the candidate.
    pub(super) fn check_starts(snapshot: &Snapshot, taken: &Step) {
        let Some(promotion) = open(&taken.status) else { return };
        let begins = |index: usize| {
            let started =
                |status: &CodeSyncStatus| status.stages.get(index).and_then(|it| it.started.clone());
            started(&taken.status) != started(&snapshot.status)
        };
        let Some(first) = (0..taken.status.stages.len()).find(|index| begins(*index)) else { return };
        if promotion.trigger == Trigger::Rollback {
            return;
        }
        for (index, stage) in snapshot.observed.stages.iter().enumerate().take(first) {
            let has_candidate = |target: &&ObservedTarget| {
                target.claims.is_none() && has(target, &promotion.candidate.reference)
            };
            let fallen =
                stage.iter().filter(has_candidate).flat_map(|target| &target.servers).find(is_moving);
            assert_eq!(fallen, None, "stage {first} starts, and stage {index} does not run it");
        }
    }

    /// What is released runs wherever voxsync wrote something else before: whoever came to a passed stage, too.
    pub(super) fn check_released(snapshot: &Snapshot, taken: &Step) {
        let (Some(before), Some(ended)) = (open(&snapshot.status), taken.status.history.first()) else {
            return;
        };
        if ended.id != before.id || ended.outcome != Outcome::Released {
            return;
        }
        for target in snapshot.observed.stages.iter().flatten() {
            let (Ok(live), Some(record)) = (&target.live, &target.applied) else { continue };
            let is_ours = record.code_sync == snapshot.observed.uid && record.reference == live.image;
            let is_out_of_reach = target.paused || target.claims.is_some() || target.refused.is_some();
            if is_ours && live.image.is_some() && !is_out_of_reach {
                assert!(has(target, &before.candidate.reference), "released without {target:#?}");
            }
        }
    }

    /// The source's next candidate leaves no later stage behind whose pods go over.
    pub(super) fn check_takeover(&self, snapshot: &Snapshot, taken: &Step) {
        let (Some(before), Some(ended)) = (open(&snapshot.status), taken.status.history.first()) else {
            return;
        };
        let is_of_source = snapshot.spec.pin.is_none()
            && snapshot.status.rollback.is_none()
            && ![Trigger::Pin, Trigger::Rollback].contains(&before.trigger);
        if !is_of_source
            || ended.id != before.id
            || ended.outcome != Outcome::Superseded
            || before.ending.is_some()
        {
            return;
        }
        for (index, stage) in snapshot.observed.stages.iter().enumerate().skip(1) {
            let last = snapshot.status.stages.get(index);
            let has_passed = last.is_some_and(|last| last.promotion.as_ref() == Some(&before.id));
            let is_rolled = !has_passed
                && last.is_some_and(|last| {
                    let is_young = last.since.is_some_and(|since| {
                        self.world.now.duration_since(since.timestamp()).as_secs() < ROLL_LIMIT_SECONDS
                    });
                    let phases =
                        [StagePhase::Writing, StagePhase::Rolling, StagePhase::Held, StagePhase::Pending];
                    phases.contains(&last.phase) && last.started.as_ref() == Some(&before.id) && is_young
                });
            if !is_rolled {
                continue;
            }
            let is_written = |target: &&ObservedTarget| {
                let applied = target.applied.as_ref().filter(|it| it.code_sync == snapshot.observed.uid);
                applied.is_some_and(|it| {
                    it.promotion == before.id
                        && it
                            .previous
                            .as_ref()
                            .is_none_or(|it| !is_same_code(it, &before.candidate.reference))
                }) && has(target, &before.candidate.reference)
            };
            let servers = || stage.iter().filter(is_written).flat_map(|target| &target.servers);
            let is_stopped = |server: &ServerRollout| {
                matches!(server.state, RolloutState::Impossible { .. } | RolloutState::PausedByPerson)
            };
            if !servers().any(is_stopped) {
                assert_eq!(servers().find(is_moving), None, "stage {index} is left while it rolls: {last:?}");
            }
        }
    }
}

fn open(status: &CodeSyncStatus) -> Option<&PromotionStatus> {
    status.promotion.as_ref().filter(|promotion| promotion.outcome.is_none())
}

fn has(target: &ObservedTarget, reference: &str) -> bool {
    let live = target.live.as_ref().ok().and_then(|live| live.image.as_deref());
    live.is_some_and(|live| is_same_code(live, reference))
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as `filter` and `find` hand it over")]
fn is_moving(server: &&ServerRollout) -> bool {
    use RolloutState::{Progressing, Stuck, TimedOut};
    server.serves_code && matches!(server.state, Progressing(_) | Stuck(_) | TimedOut { .. })
}

//! How long a rollout may show no progress: counted from when its numbers last changed.

use std::time::Duration;

use voxsync_crds::{
    code_sync::{PromotionFailure, StagePhase},
    duration::DurationText,
    time::Time,
};
use voxsync_rollout::state::{Progress, RolloutState};

use crate::{
    observed::ServerRollout,
    standings::Standings,
    text::{NAME_LIMIT_BYTES, SENTENCE_LIMIT_BYTES, cut, later, moment},
    visit::{Position, Visit},
    walk::Walk,
};

/// The deadline if nothing is said, as of a Deployment.
const DEFAULT_DEADLINE: Duration = Duration::from_mins(10);

impl Visit<'_, '_> {
    /// When the rollout of the stage last got further; none while it does not roll, or waits for a person or the reconciler.
    pub(crate) fn progressed_at(&self, phase: StagePhase, running: Progress) -> Option<Time> {
        let is_moving = |phase| matches!(phase, StagePhase::Writing | StagePhase::Rolling);
        let is_its_turn = matches!(self.position, Position::Working(_)) && is_moving(phase) && !self.frozen;
        let waits = |server: &ServerRollout| {
            server.serves_code
                // Not in the Deployment yet: what voxsync itself did not do says nothing of the code.
                && matches!(
                    server.state,
                    RolloutState::Pending | RolloutState::PausedByPerson | RolloutState::Impossible { .. }
                )
        };
        if !is_its_turn || self.targets.iter().flat_map(|target| &target.servers).any(waits) {
            return None;
        }
        let held = |gates: Option<u32>| gates.unwrap_or_default();
        let held_now = held(self.gates_status().map(|gates| gates.held));
        let unchanged = self.last.filter(|last| {
            let held_before = held(last.gates.as_ref().map(|gates| gates.held));
            is_moving(last.phase) && last.ready == running.ready && held_before == held_now
        });
        unchanged.and_then(|last| last.progressed_at).or(Some(self.view.now))
    }

    /// Why the stage fails where its rollout does not get further. Who is held back is not late.
    pub(crate) fn no_progress(
        &self,
        standings: &Standings<'_>,
        running: Progress,
        walk: &mut Walk,
    ) -> Option<PromotionFailure> {
        let since = self.progressed_at(StagePhase::Rolling, running)?;
        let servers = standings.settled.iter().flat_map(|target| &target.servers);
        let is_late = |server: &&ServerRollout| {
            server.serves_code
                && server.gate().is_none()
                && !matches!(server.state, RolloutState::Complete(_))
        };
        let late = servers.into_iter().find(is_late)?;
        let ends = later(since, self.deadline());
        if self.view.now < ends {
            walk.wake_by(ends);
            return None;
        }
        let message = format!(
            "{} of its pods, and no pod of stage {} became ready since {}{}",
            late.progress,
            self.stage.name,
            moment(since),
            match &late.state {
                RolloutState::Stuck(stuck) =>
                    format!("; pod {}: {}: {}", stuck.pod, stuck.reason, stuck.message),
                _ => String::new(),
            }
        );
        Some(PromotionFailure {
            stage: self.stage.name.clone(),
            server: Some(cut(&late.name, NAME_LIMIT_BYTES)),
            check: None,
            reason: "ProgressDeadlineExceeded".to_owned(),
            message: cut(&message, SENTENCE_LIMIT_BYTES),
        })
    }

    fn deadline(&self) -> Duration {
        let text = self.view.spec.rollback.as_ref().and_then(|rollback| rollback.progress_deadline.as_ref());
        // What cannot be read was refused before.
        text.map(DurationText::to_duration).and_then(Result::ok).unwrap_or(DEFAULT_DEADLINE)
    }
}

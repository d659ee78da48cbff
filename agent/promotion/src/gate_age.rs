//! For how long Deployments may be held back, and what is known of a stage that had some.

use std::time::Duration;

use voxsync_crds::{
    code_sync::{GatesStatus, PromotionFailure, StageStatus},
    time::Time,
};
use voxsync_rollout::state::RolloutState;

use crate::{
    gates::held,
    observed::{ObservedTarget, ServerRollout},
    text::{NAME_LIMIT_BYTES, SENTENCE_LIMIT_BYTES, cut, later, moment, names},
    view::View,
    visit::{Position, Visit},
    walk::Walk,
};

/// How long as many Deployments may be held back as before; then the stage has failed.
const GATE_LIMIT_SECONDS: u64 = 3600;

/// Whether pods go over in a stage whose Deployments were let go a short while ago.
pub(crate) fn rolls_after_gates(
    view: &View<'_>,
    last: Option<&StageStatus>,
    targets: &[ObservedTarget],
) -> bool {
    let Some(since) = last.and_then(|last| last.gates.as_ref()?.since) else { return false };
    let rolls = |server: &ServerRollout| {
        use RolloutState::{Progressing, Stuck, TimedOut};
        server.serves_code && matches!(server.state, Progressing(_) | Stuck(_) | TimedOut { .. })
    };
    view.now < limit(since) && targets.iter().flat_map(|target| &target.servers).any(rolls)
}

/// When that is over.
pub(crate) fn limit(since: Time) -> Time {
    later(since, Duration::from_secs(GATE_LIMIT_SECONDS))
}

impl Visit<'_, '_> {
    /// How many Deployments of the stage are held back, and since when it is that many in this promotion. Once some were,
    /// it stays: the last that is let go is the authority, and what it cannot run has to go back.
    pub(crate) fn gates_status(&self) -> Option<GatesStatus> {
        let (promotion, is_its_turn) = match self.position {
            Position::Working(promotion) | Position::RollingBack(promotion) => (promotion, true),
            // A stage before it is held by now.
            Position::Later(promotion) => (promotion, false),
            _ => return None,
        };
        let held = u32::try_from(held(self.view, self.targets).len()).unwrap_or(u32::MAX);
        let is_same = self.view.before.promotion.as_ref().is_some_and(|before| before.id == promotion.id);
        let before = self.last.and_then(|last| last.gates.as_ref()).filter(|_| is_same);
        let since = before.filter(|before| before.held == held).and_then(|before| before.since);
        // No time passes while nothing is decided: nobody can do anything about it.
        let since = (is_its_turn && !self.frozen).then(|| since.unwrap_or(self.view.now));
        (held > 0 || before.is_some()).then_some(GatesStatus { held, since })
    }

    /// Why the stage fails where nothing was let go for too long.
    pub(crate) fn gate_too_old(&self, walk: &mut Walk) -> Option<PromotionFailure> {
        let GatesStatus { held: count, since } = self.gates_status()?;
        let (since, ends) = (since?, limit(since?));
        if self.view.now < ends {
            walk.wake_by(ends);
            return None;
        }
        if count == 0 {
            return None;
        }
        let held = held(self.view, self.targets);
        let message = format!(
            "held back since {} without a change: {}; what the stage waited for: {}",
            moment(since),
            names(held.iter().copied()),
            self.last.and_then(|last| last.message.as_deref()).unwrap_or("nothing that it said")
        );
        Some(PromotionFailure {
            stage: self.stage.name.clone(),
            server: held.first().map(|server| cut(server, NAME_LIMIT_BYTES)),
            check: None,
            reason: PromotionFailure::GATE.to_owned(),
            message: cut(&message, SENTENCE_LIMIT_BYTES),
        })
    }
}

//! What people are told of the stages of a promotion.

use voxsync_crds::code_sync::{PromotionStatus, StagePhase};

use crate::{decided::EventKind, events::Events, text::took};

impl Events<'_> {
    /// A stage's gates are all there, and its writing begins.
    pub(crate) fn gated(&mut self) {
        let was_gating = |name: &str| {
            self.before.stages.iter().any(|was| was.name == name && was.phase == StagePhase::Gating)
        };
        let written = self.after.stages.iter().filter(|stage| stage.phase == StagePhase::Writing);
        let gated: Vec<String> = written
            .filter(|stage| was_gating(&stage.name))
            .filter_map(|stage| {
                let (name, held) = (&stage.name, stage.gates.as_ref()?.held);
                Some(format!("stage {name}: Deployments that are held back until it is their turn: {held}"))
            })
            .collect();
        for message in gated {
            self.say(EventKind::Normal, "StageGated", message);
        }
    }

    pub(crate) fn stages(&mut self) {
        let Some(promotion) = &self.after.promotion else { return };
        let done = |phase| matches!(phase, StagePhase::Checking | StagePhase::Soaking | StagePhase::Deployed);
        let rolled_out: Vec<String> = self
            .after
            .stages
            .iter()
            .filter(|stage| done(stage.phase))
            .filter_map(|stage| {
                let was = self.before.stages.iter().find(|was| was.name == stage.name)?;
                let moved = matches!(was.phase, StagePhase::Writing | StagePhase::Rolling);
                let passed = was.promotion.as_ref() == Some(&promotion.id);
                let took = took(was.since?, stage.since?);
                (moved && !passed).then(|| {
                    format!(
                        "stage {} runs {}: {} of {} pods ready after {took}",
                        stage.name, promotion.candidate.name, stage.ready, stage.desired
                    )
                })
            })
            .collect();
        for message in rolled_out {
            self.say(EventKind::Normal, "StageRolledOut", message);
        }
        self.checked(promotion);
    }

    fn checked(&mut self, promotion: &PromotionStatus) {
        let was_checking = |name: &str| {
            let mut stages = self.before.stages.iter();
            stages.any(|was| was.name == name && was.phase == StagePhase::Checking)
        };
        let holds = |phase| matches!(phase, StagePhase::Soaking | StagePhase::Deployed);
        let passed = self.after.stages.iter().filter(|stage| holds(stage.phase) && was_checking(&stage.name));
        let passed: Vec<&String> = passed.map(|stage| &stage.name).collect();
        for name in passed {
            let message = format!("stage {name}: all checks of {} hold", promotion.candidate.name);
            self.say(EventKind::Normal, "ChecksPassed", message);
        }
    }
}

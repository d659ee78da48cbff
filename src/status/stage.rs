//! What a screen shows of one stage in a line: where it is, and how many pods are ready on what. Pure.

use voxsync_crds::code_sync::{CheckStanding, CheckStatus, CodeSyncStatus, Outcome, StagePhase, StageStatus};

use super::view::{View, short};
use crate::{
    output::{Tone, paint},
    wording,
};

impl View {
    pub(super) fn stage(
        &self,
        number: usize,
        stage: &StageStatus,
        status: &CodeSyncStatus,
        width: usize,
    ) -> String {
        let promotion = status.promotion.as_ref();
        let is_open = |check: &CheckStatus| check.standing != CheckStanding::Passed;
        let (mark, tone) = match stage.phase {
            StagePhase::Soaking if stage.checks.iter().any(is_open) => ("▸", Tone::Attention),
            phase => wording::mark(phase),
        };
        let is_to_come = promotion.is_some_and(|it| {
            let is_its = |id: &Option<String>| id.as_ref() == Some(&it.id);
            it.outcome.or(it.ending).is_none() && !is_its(&stage.promotion) && !is_its(&stage.started)
        });
        let phase = match stage.phase {
            StagePhase::Pending if is_to_come => "not begun".to_owned(),
            phase => wording::phase(phase),
        };
        let candidate = promotion.map(|promotion| promotion.candidate.reference.as_str());
        let is_given_back = promotion.is_some_and(|promotion| promotion.outcome == Some(Outcome::RolledBack));
        // Pods are counted on what the stage should run: while it is worked on the candidate, else what it last
        // passed with.
        // One that is written in part runs both.
        let is_begun = promotion.is_some_and(|it| !is_given_back && stage.started.as_ref() == Some(&it.id));
        let (about, counted) = match stage.phase {
            StagePhase::Pending if is_begun => (None, None),
            StagePhase::Deployed | StagePhase::Pending | StagePhase::Gating => {
                (None, stage.reference.as_deref())
            }
            StagePhase::Held => (None, None),
            StagePhase::RollingBack => (candidate, stage.reference.as_deref()),
            StagePhase::Failed if is_given_back => (candidate, stage.reference.as_deref()),
            _ => (None, candidate),
        };
        let about = about.map_or(String::new(), |text| format!(" {}", short(text, text)));
        let counted = counted.map(|text| short(text, text));
        let pods = match (stage.desired, counted) {
            (0, counted) => counted.map_or(String::new(), |code| format!("   {code}, no pods wanted")),
            (desired, Some(code)) => format!("   {} of {desired} ready on {code}", stage.ready),
            (desired, None) => format!("   {} of {desired} ready on the code that they have", stage.ready),
        };
        let mark = paint(mark, tone, self.colourful);
        format!("  {number} {:width$}  {mark} {phase}{about}{pods}", stage.name)
    }
}

//! What a screen shows of a stage's checks, and of what a later stage will wait for. Pure.

use voxsync_crds::code_sync::{
    Approval, ApprovalStatus, CheckStanding, CodeSyncSpec, CodeSyncStatus, PromotionStatus, Stage,
    StageStatus, Trigger,
};
use voxsync_window::{Standing, Windows};

use super::view::View;
use crate::output::{harmless, minute};

impl View {
    /// What the checks of a stage said; what does not hold is said with its reason by a row.
    pub(super) fn checks(stage: &StageStatus) -> Option<String> {
        let said = stage.checks.iter().map(|check| {
            let name = harmless(&check.name);
            match check.standing {
                CheckStanding::Passed => format!("{name} ✔ {}", harmless(&check.message)),
                CheckStanding::Failed => format!("{name} ✘"),
                CheckStanding::Unknown => format!("{name} …"),
                CheckStanding::Unreachable => format!("{name} ?"),
            }
        });
        let said: Vec<String> = said.collect();
        (!said.is_empty()).then(|| format!("checks: {}", said.join(", ")))
    }

    /// What a stage will wait for whose turn comes later.
    pub(super) fn will_wait_for(
        &self,
        spec: &CodeSyncSpec,
        status: &CodeSyncStatus,
        index: usize,
    ) -> Option<String> {
        let promotion = status.promotion.as_ref().filter(|it| it.outcome.or(it.ending).is_none())?;
        let is_open = |stage: &StageStatus| stage.promotion.as_ref() != Some(&promotion.id);
        let first_open = status.stages.iter().position(is_open)?;
        let stages = spec.ordered_stages();
        let says_so = spec.pin.as_ref().is_some_and(|pin| pin.emergency);
        let is_hurried = (promotion.emergency && says_so) || promotion.trigger == Trigger::Rollback;
        let stage = stages.get(index).filter(|_| index > first_open && !is_hurried)?;
        let waits = Self::approval(stage, status, promotion).into_iter().chain(self.windows(spec, stage));
        let waits: Vec<String> = waits.collect();
        (!waits.is_empty()).then(|| format!("will wait for: {}", waits.join(", ")))
    }

    fn approval(stage: &Stage, status: &CodeSyncStatus, promotion: &PromotionStatus) -> Option<String> {
        if stage.approval != Some(Approval::Manual) {
            return None;
        }
        let is_for = |approval: &&ApprovalStatus| {
            let is_for_stage = approval.stage.as_ref().is_none_or(|it| *it == stage.name);
            is_for_stage && approval.digest == promotion.candidate.digest
        };
        let given = status.approvals.iter().find(is_for);
        Some(given.map_or_else(
            || "approval".to_owned(),
            |given| format!("approval (given by {})", harmless(&given.approver)),
        ))
    }

    fn windows(&self, spec: &CodeSyncSpec, stage: &Stage) -> Option<String> {
        let windows = Windows::of(spec).ok().filter(|_| !spec.windows.is_empty())?;
        match windows.standing(&stage.windows, self.now) {
            Standing::Closed(closed) => {
                let opens = match (closed.opens, closed.searched_until) {
                    (Some(opens), _) => format!("opens {}", minute(opens)),
                    (None, Some(time)) => format!("no time found before {}", minute(time)),
                    (None, None) => "never opens".to_owned(),
                };
                Some(format!("window {} ({opens})", harmless(&closed.window)))
            }
            Standing::Open { until } if !stage.windows.is_empty() => {
                let until = until.map_or_else(String::new, |until| format!(" until {}", minute(until)));
                Some(format!("window {} (open{until})", harmless(&stage.windows.join(", "))))
            }
            Standing::Open { .. } => None,
        }
    }
}

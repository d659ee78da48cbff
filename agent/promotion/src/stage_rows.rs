//! What a stage says of itself: its rows in `status.waiting`, and the references that it takes over.

use voxsync_crds::code_sync::{Outcome, PromotionFailure, PromotionStatus, StagePhase};

use crate::{
    commands,
    observed::TargetWrite,
    proof::Proof,
    rollback::but_for,
    rows::{ROLLING_BACK, Row, Weight},
    text::{short, short_code},
    visit::Visit,
};

impl Visit<'_, '_> {
    pub(crate) fn row(&self, weight: Weight, reason: &str, message: String, brief: String) -> Row {
        let stage = Some(self.stage.name.clone());
        Row { weight, stage, reason: reason.to_owned(), message, brief, until: None }
    }

    /// What is said of a stage that has failed, for good; `promotion` is the one that did, once it is over.
    pub(crate) fn failed_row(&self, failure: &PromotionFailure, promotion: Option<&PromotionStatus>) -> Row {
        let rolled_back = promotion.filter(|promotion| promotion.outcome == Some(Outcome::RolledBack));
        let done = rolled_back.map_or_else(
            || "The".to_owned(),
            |promotion| {
                let left = self.left(promotion);
                format!("Its targets have what they had before{}; the", but_for(&left))
            },
        );
        let message = format!(
            "Server {} of stage {} cannot run it: {}: {}. {done} stages after it are untouched; go on with a newer \
             candidate, or try again with {}",
            failure.server,
            failure.stage,
            failure.reason,
            failure.message,
            commands::resume(self.view)
        );
        self.row(Weight::Blocks, "Failed", message, format!("{} {}", failure.stage, failure.reason))
    }

    /// What is said of a stage that fails just now.
    pub(crate) fn failing_row(&self, failure: &PromotionFailure, rolls_back: bool) -> Row {
        if !rolls_back {
            return self.failed_row(failure, None);
        }
        let message = format!(
            "Server {} of stage {} cannot run it: {}: {}; the stage's targets are given back what they had",
            failure.server, failure.stage, failure.reason, failure.message
        );
        self.row(Weight::Moves, ROLLING_BACK, message, format!("{} {}", failure.stage, failure.reason))
    }

    /// What is said of a stage in which nothing would prove anything.
    pub(crate) fn nothing_row(&self, weight: Weight, why: &str) -> Row {
        let name = &self.stage.name;
        let message = match weight {
            Weight::Tells => format!("nothing in stage {name} proves any more that its code runs: {why}"),
            _ => format!(
                "nothing in stage {name} would prove that the candidate runs: {why}. Mend that, or let the stage pass \
                 with allowEmpty: true"
            ),
        };
        self.row(weight, "NothingToProve", message, name.clone())
    }

    /// What is said of rollouts that are not done.
    pub(crate) fn rolling_row(&self, proof: Proof) -> Option<Row> {
        let name = &self.stage.name;
        Some(match proof {
            Proof::Failed(failure) => {
                let message = format!("Server {}: {}: {}", failure.server, failure.reason, failure.message);
                self.row(Weight::Blocks, &failure.reason, message, format!("{name} {}", failure.server))
            }
            Proof::Waits { reason, message, paused } => {
                let weight = if paused { Weight::Waits } else { Weight::Blocks };
                self.row(weight, &reason, message, name.clone())
            }
            Proof::Rolling { ready, waits_for } => {
                let rolling = format!("the Servers of stage {name} are rolling: {ready}");
                let (reason, message) = match waits_for {
                    Some((reason, sentence)) => (reason, format!("{rolling}; {sentence}")),
                    None => ("Rollout".to_owned(), rolling),
                };
                self.row(Weight::Moves, &reason, message, format!("{name} {ready}"))
            }
            Proof::Complete | Proof::Nothing(_) => return None,
        })
    }

    /// What is said of references that are written over though we did not write them: once, when the writing starts.
    pub(crate) fn adoptions(&self, phase: StagePhase, writes: &[TargetWrite]) -> Vec<String> {
        if phase != StagePhase::Writing || self.last.is_some_and(|last| last.phase == StagePhase::Writing) {
            return Vec::new();
        }
        let is_ours = |write: &&TargetWrite| {
            let applied = write.expected_applied.as_ref();
            applied.is_some_and(|applied| applied.code_sync == self.view.observed.uid)
        };
        let sentence = |write: &TargetWrite| {
            let from = short(write.expected.image.as_deref()?);
            let to = short_code(write.applied.reference.as_deref());
            Some(format!("{} is adopted from {from} and given {to}", write.target))
        };
        writes.iter().filter(|write| !is_ours(write)).filter_map(sentence).collect()
    }
}

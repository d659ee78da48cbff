//! What a stage says of itself: its rows in `status.waiting`, and the references that it takes over.

use voxsync_crds::code_sync::{PromotionFailure, StagePhase};

use crate::{
    observed::TargetWrite,
    proof::Proof,
    rows::{Row, Weight},
    text::short,
    visit::Visit,
};

impl Visit<'_, '_> {
    pub(crate) fn row(&self, weight: Weight, reason: &str, message: String, brief: String) -> Row {
        let stage = Some(self.stage.name.clone());
        Row { weight, stage, reason: reason.to_owned(), message, brief, until: None }
    }

    pub(crate) fn failed_row(&self, failure: &PromotionFailure) -> Row {
        let message = format!(
            "Server {} of stage {} cannot run it: {}: {}. The stages after it are untouched; go on with a newer \
             candidate, or try again with `voxsync resume {}`",
            failure.server, failure.stage, failure.reason, failure.message, self.view.observed.name
        );
        self.row(Weight::Blocks, "Failed", message, format!("{} {}", failure.stage, failure.reason))
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
            let to = short(&write.applied.reference);
            Some(format!("{} is adopted from {from} and given {to}", write.target))
        };
        writes.iter().filter(|write| !is_ours(write)).filter_map(sentence).collect()
    }
}

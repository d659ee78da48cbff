//! What a stage says of itself: its rows in `status.waiting`, and the references that it takes over.

use voxsync_crds::code_sync::{Outcome, PromotionFailure, PromotionStatus, StagePhase, Trigger};

use crate::{
    commands,
    decided::TargetWrite,
    gates::still_held,
    last_good::last_good,
    proof::Proof,
    quarantine,
    rollback::{self, but_for},
    rows::{ROLLED_BACK, ROLLING_BACK, Row, Weight},
    text::{short, short_code, with_tail},
    visit::{Position, Visit},
};

impl Visit<'_, '_> {
    pub(crate) fn row(&self, weight: Weight, reason: &str, message: String, brief: String) -> Row {
        let stage = Some(self.stage.name.clone());
        Row { weight, stage, reason: reason.to_owned(), message, brief, until: None }
    }

    /// What is said of a stage that has failed, for good; `promotion` is the one that did, once it is over.
    pub(crate) fn failed_row(&self, failure: &PromotionFailure, promotion: Option<&PromotionStatus>) -> Row {
        let held = still_held(self.view, self.targets, "with what is taken next, or ");
        let held = held.map_or_else(String::new, |held| format!(". {held}"));
        let (clause, brief, resume) = (failure.clause(), failure.brief(), commands::resume(self.view));
        // What the source names next is not taken while a person has chosen.
        let onward = if self.view.spec.pin.is_some() {
            commands::promote_reference(self.view, "REFERENCE")
        } else {
            "a newer candidate".to_owned()
        };
        let working = match self.position {
            Position::Working(promotion) => Some(promotion),
            _ => None,
        };
        if promotion.or(working).is_some_and(|promotion| promotion.trigger == Trigger::Rollback) {
            let tail = format!(
                ". What was gone back to cannot run here, and a rollback is not rolled back: the other stages stay \
                 as they are. Try it again with {resume}, go back further with {}, or take another with {}{held}",
                commands::rollback(self.view),
                commands::promote_reference(self.view, "REFERENCE")
            );
            return self.row(Weight::Blocks, "Failed", with_tail(&clause, &tail), brief);
        }
        let Some(promotion) = promotion.filter(|promotion| promotion.outcome == Some(Outcome::RolledBack))
        else {
            let tail = format!(
                ". The stages after it are untouched; {}{held}",
                ways(&onward, &resume, self.way_back())
            );
            return self.row(Weight::Blocks, "Failed", with_tail(&clause, &tail), brief);
        };
        let candidate = &promotion.candidate;
        let is_kept = quarantine::entry(self.after, &candidate.digest).is_some();
        let released = || {
            format!(
                ". It is in quarantine until {}",
                commands::release_quarantine(self.view, &candidate.digest)
            )
        };
        let name = &candidate.name;
        // By hand, the stages that it passed stay with it, whatever people choose now.
        let passed = self.after.stages.iter().take_while(|stage| stage.name != self.stage.name);
        let has_passed = passed.map(|stage| &stage.promotion).any(|it| it.as_ref() == Some(&promotion.id));
        let back = if has_passed {
            let stage = &self.stage.name;
            format!(
                "A part of stage {stage} was held back, so its targets have what they had before; the stages before it have \
                 {name}"
            )
        } else {
            format!("All that {name} was written to has what it had before")
        };
        let tail = format!(
            ". {back}{}; the stages after it are untouched; {}{}{held}",
            but_for(&rollback::left(self.view, promotion)),
            ways(&onward, &resume, self.way_back().filter(|_| has_passed)),
            is_kept.then(released).unwrap_or_default(),
        );
        self.row(Weight::Blocks, ROLLED_BACK, with_tail(&clause, &tail), brief)
    }

    /// How a person undoes what does not go back by itself, where there is something to go back to.
    fn way_back(&self) -> Option<String> {
        let good = last_good(self.after, &self.view.observed.released).ok()?.candidate.name;
        Some(format!("go back to {good} with {}", commands::rollback(self.view)))
    }

    /// What is said of a stage that fails just now.
    pub(crate) fn failing_row(&self, failure: &PromotionFailure, rolls_back: bool) -> Row {
        if !rolls_back {
            return self.failed_row(failure, None);
        }
        let message = format!("{}; what its targets had is given back", failure.clause());
        self.row(Weight::Moves, ROLLING_BACK, message, failure.brief())
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
                let brief = format!("{name} {}", failure.server.as_deref().unwrap_or_default());
                self.row(Weight::Blocks, &failure.reason, failure.cause(), brief)
            }
            Proof::Waits { reason, message, paused } => {
                // The table says "Waiting" of what a person paused, and else the reason.
                let (weight, brief) = if paused {
                    (Weight::Waits, format!("{name} {reason}"))
                } else {
                    (Weight::Blocks, name.clone())
                };
                self.row(weight, &reason, message, brief)
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

/// What a person can do about a stage that failed.
fn ways(onward: &str, resume: &str, back: Option<String>) -> String {
    match back {
        Some(back) => format!("go on with {onward}, try again with {resume}, or {back}"),
        None => format!("go on with {onward}, or try again with {resume}"),
    }
}

//! Whether the agent has turned to what should run: a rollback, a pin, or its source again. Pure.
//!
//! The status that echoes what a person said is stored before the next step is taken from it: for that moment, it still
//! names the candidate from before. What it says of that one is no answer to who asks for whatever is the candidate.

use voxsync_crds::{
    code_sync::{CandidateStatus, DeployedStatus, Outcome, PromotionStatus, Trigger},
    reference::is_same_code,
};

use super::{
    answer::{Known, Verdict},
    selector::Selector,
    verdict::Asked,
};

/// The reasons of the agent's rows about a source's candidate that is not taken: what was there before stays.
const NOT_TAKEN: [&str; 2] = ["Downgrade", "MinimumAge"];

/// Who asks: what a verb asked for may be over before it is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskedBy {
    Anyone,
    /// Who went back.
    Rollback,
    /// Who pinned this reference.
    Promote(String),
}

impl Asked<'_> {
    /// What is said where that which a verb asked for is not what should run any more, or never was.
    pub(super) fn is_over(&self) -> Option<Known> {
        let superseded = |says: String| Some(Known::new(Verdict::Superseded, says));
        match &self.question.asked_by {
            AskedBy::Anyone => None,
            AskedBy::Rollback => self.refused_rollback().or_else(|| {
                let is_over = self.status.rollback.is_none();
                let says = || format!("the rollback was ended by a resume or a pin; {}", self.now());
                is_over.then(says).and_then(superseded)
            }),
            AskedBy::Promote(reference) => match &self.code_sync.spec.pin {
                Some(pin) if pin.reference == *reference => None,
                Some(pin) => superseded(format!("it is pinned to {} by now; {}", pin.reference, self.now())),
                None => superseded(format!("it is no longer pinned to {reference}; {}", self.now())),
            },
        }
    }

    /// What is said to who asks for whatever is the candidate, where the agent has not turned to that yet.
    pub(super) fn turns(&self) -> Option<Known> {
        let is_turned = self.question.selector != Selector::Present
            || self.status.candidate.as_ref().is_none_or(|candidate| self.is_what_should_run(candidate));
        (!is_turned).then(|| Known::new(Verdict::Unseen, self.reason()))
    }

    /// Whether a candidate was chosen by what decides now. What a pin names, or a person went back to, has no revision of
    /// the source.
    fn is_what_should_run(&self, candidate: &CandidateStatus) -> bool {
        let is_sourced = candidate.source_revision.is_some();
        if let Some(rollback) = &self.status.rollback {
            return !is_sourced && is_same(candidate, &rollback.candidate);
        }
        if let Some(pin) = &self.code_sync.spec.pin {
            return !is_sourced && pin.names(candidate);
        }
        is_sourced || self.status.waiting.iter().any(|row| NOT_TAKEN.contains(&row.reason.as_str()))
    }

    /// Whether what is deployed is no answer from before: who asked with a verb is told of what that verb asked for, though
    /// its promotion has not begun.
    pub(super) fn is_what_was_asked(&self, deployed: &DeployedStatus) -> bool {
        self.question.asked_by == AskedBy::Anyone
            || self
                .status
                .candidate
                .as_ref()
                .is_some_and(|it| is_same_code(&it.reference, &deployed.reference))
    }

    /// Whether a promotion failed that the agent is about to begin again: a person pinned what the source named, or does
    /// not go back any more.
    pub(super) fn is_tried_anew(&self, promotion: &PromotionStatus) -> bool {
        let is_sourced = promotion.candidate.source_revision.is_some();
        let is_pinned_anew =
            self.code_sync.spec.pin.is_some() && is_sourced && self.status.rollback.is_none();
        let is_left = promotion.trigger == Trigger::Rollback && self.status.rollback.is_none();
        promotion.outcome.is_some_and(Outcome::is_failure) && (is_pinned_anew || is_left)
    }
}

/// Whether it is the same image, maybe written in another form.
fn is_same(one: &CandidateStatus, other: &CandidateStatus) -> bool {
    let has_digest = !one.digest.is_empty() && one.digest == other.digest;
    (one.repository == other.repository && has_digest) || is_same_code(&one.reference, &other.reference)
}

//! What people are told of a promotion: that it started, that it is urgent, that it is given back, how it ended.

use voxsync_crds::code_sync::{Outcome, PromotionFailure, PromotionStatus, Trigger};

use crate::{
    decided::EventKind,
    events::Events,
    text::{short, took},
};

impl Events<'_> {
    pub(crate) fn started(&mut self) {
        if self.before.deployed.is_none()
            && let Some(deployed) =
                self.after.deployed.as_ref().filter(|deployed| deployed.promotion.is_none())
        {
            let message =
                format!("all targets already run {}: adopted as they are", short(&deployed.reference));
            self.say(EventKind::Normal, "Adopted", message);
        }
        let Some(promotion) = &self.after.promotion else { return };
        if self.before.promotion.as_ref().is_some_and(|before| before.id == promotion.id) {
            return;
        }
        let by = match promotion.trigger {
            Trigger::Source => "the source",
            Trigger::Pin => "a pin",
            Trigger::Resume => "a resume",
            Trigger::Rollback => "a rollback",
        };
        let what = from_to(promotion);
        self.say(
            EventKind::Normal,
            "PromotionStarted",
            format!("promotion {} started by {by}: {what}", promotion.id),
        );
    }

    /// A person said that what is promoted waits for nothing that can be skipped.
    pub(crate) fn emergency(&mut self) {
        let Some(promotion) = self.after.promotion.as_ref().filter(|promotion| promotion.emergency) else {
            return;
        };
        let before = self.before.promotion.as_ref().filter(|before| before.id == promotion.id);
        if before.is_none_or(|before| !before.emergency) {
            let reason = promotion.reason.as_deref().unwrap_or("no reason is given");
            let message = format!(
                "promotion {} of {} is an emergency ({reason}): it skips windows, soak, checks and approvals",
                promotion.id, promotion.candidate.name
            );
            self.say(EventKind::Warning, "Emergency", message);
        }
    }

    /// The promotion is to end, and its targets are given back what they had.
    /// Only what failed is rolling back: people are woken for that, and not for what makes way.
    pub(crate) fn ends(&mut self) {
        let Some(promotion) = &self.after.promotion else { return };
        let before = self.before.promotion.as_ref().filter(|before| before.id == promotion.id);
        let (Some(ending), None) = (promotion.ending, before.and_then(|before| before.ending)) else {
            return;
        };
        if promotion.outcome.is_some() {
            return;
        }
        let name = &promotion.candidate.name;
        let back = "its targets are given back what they had, one stage after the other";
        match (&promotion.failure, ending) {
            (Some(failure), _) => {
                let message = format!("{}; {back}", failed(name, failure));
                self.say(EventKind::Warning, "RollingBack", message);
            }
            (None, Outcome::Abandoned) => {
                let message = format!("deleted while {name} is under way: {back}");
                self.say(EventKind::Normal, "GivingBack", message);
            }
            (None, _) => {
                let message = format!("{name} makes way before its stage ran it: {back}");
                self.say(EventKind::Normal, "GivingBack", message);
            }
        }
    }

    pub(crate) fn ended(&mut self, but_for: &str) {
        let Some(promotion) = &self.after.promotion else { return };
        let before = self.before.promotion.as_ref().filter(|before| before.id == promotion.id);
        if before.is_some_and(|before| before.outcome.is_some()) {
            return;
        }
        let name = &promotion.candidate.name;
        match (promotion.outcome, &promotion.failure) {
            (Some(Outcome::Released), _) => {
                let took = took(promotion.started_at, promotion.ended_at.unwrap_or(promotion.started_at));
                let message = format!("{} in all stages after {took}", from_to(promotion));
                self.say(EventKind::Normal, "Released", message);
            }
            (Some(Outcome::Superseded), _) => {
                let newer =
                    self.after.candidate.as_ref().map_or("another candidate", |newer| newer.name.as_str());
                let back = if but_for.is_empty() { "" } else { "; targets have what they had before" };
                let message = format!("{name} makes way for {newer} before all stages ran it{back}{but_for}");
                self.say(EventKind::Normal, "Superseded", message);
            }
            (Some(Outcome::Failed), Some(failure)) => {
                let message = format!("{}; the stages after it are untouched", failed(name, failure));
                self.say(EventKind::Warning, "PromotionFailed", message);
            }
            (Some(Outcome::RolledBack), Some(failure)) => {
                let message =
                    format!("{}; its targets have what they had before{but_for}", failed(name, failure));
                self.say(EventKind::Warning, "RolledBack", message);
            }
            (Some(Outcome::Abandoned), _) => {
                let message = format!(
                    "deleted while {name} was under way: targets with Deployments that were held back have what they \
                     had before{but_for}; all others keep the code that they have; nobody follows the source for them any more"
                );
                self.say(EventKind::Normal, "Deleted", message);
            }
            _ => {}
        }
    }
}

fn failed(name: &str, failure: &PromotionFailure) -> String {
    format!("{name} failed in stage {}: {}", failure.stage, failure.cause())
}

/// What was deployed when the promotion started, and what it brings.
fn from_to(promotion: &PromotionStatus) -> String {
    match &promotion.from_name {
        Some(from) => format!("{from} → {}", promotion.candidate.name),
        None => promotion.candidate.name.clone(),
    }
}

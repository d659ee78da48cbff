//! What the timeline says: tags are pushed, people do something, others change what is not theirs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use voxsync_crds::code_sync::{Outcome, Pin};

use crate::{
    happening::Happening,
    ladder::Tone,
    world::{SOURCE, World},
};

/// Who does what only a person does, where the timeline names nobody.
const PERSON: &str = "a person";

impl World<'_> {
    /// An event of the timeline.
    pub(crate) fn happen(&mut self, happening: &Happening) {
        let now = self.now;
        match happening {
            Happening::Push { tag, fault } => {
                let what = match (self.source.names_one(), self.source.knows(tag)) {
                    (true, _) => format!("it names {tag}"),
                    (false, true) => format!("{tag} is pushed again"),
                    (false, false) => format!("{tag} is pushed"),
                };
                self.source.push(tag, fault.clone(), now);
                self.given(SOURCE, what);
            }
            Happening::Remove { tag } => {
                self.source.remove(tag);
                self.given(SOURCE, format!("{tag} is taken away"));
            }
            Happening::Outage { lasts } => {
                let until = now.saturating_add(*lasts).unwrap_or(Timestamp::MAX);
                self.source.falls_silent(until);
                self.given(SOURCE, format!("it cannot be asked until {}", until.strftime("%F %H:%M:%SZ")));
            }
            Happening::Approve { tag, stage, by } => self.approve(tag, stage.as_deref(), by),
            Happening::Promote { tag, reason, is_emergency } => {
                let Some(named) = self.source.named(tag) else { return self.not_yet("promotes", tag) };
                let how = if *is_emergency { " in an emergency" } else { "" };
                self.given(PERSON, format!("pins {tag}{how}"));
                self.spec.pin = Some(Pin {
                    reference: named.reference,
                    reason: reason.clone(),
                    emergency: *is_emergency,
                });
                self.generation += 1;
            }
            Happening::GoBack { reason } => {
                let token = format!("{} {reason}", self.said.again());
                self.said.rollback = Some(token);
                self.given(PERSON, format!("goes back: {reason}"));
            }
            Happening::Release { tag } => {
                let Some(named) = self.source.named(tag) else { return self.not_yet("releases", tag) };
                let token = format!("{} {}", named.digest, self.said.again());
                self.said.release_quarantine = Some(token);
                self.given(PERSON, format!("lets {tag} out of quarantine"));
            }
            Happening::Resume => self.resume(),
            Happening::Suspend { reason } => {
                (self.spec.suspend, self.spec.suspend_reason) = (true, Some(reason.clone()));
                self.generation += 1;
                self.given(PERSON, format!("suspends it: {reason}"));
            }
            Happening::Change { target, to, by } => {
                let Some(named) = self.source.named(to) else { return self.not_yet("changes to", to) };
                self.given(by, format!("changes {target} to {to}"));
                self.cluster.change(target, &named.reference, by, now);
            }
            Happening::Says { stage, check, standing } => {
                self.given(stage, format!("check {check} says {standing:?}"));
                self.checks.say(stage.clone(), check.clone(), *standing);
            }
            Happening::Expect { stages } => self.expect(stages),
        }
    }

    fn approve(&mut self, tag: &str, stage: Option<&str>, by: &str) {
        let Some(named) = self.source.named(tag) else { return self.not_yet("approves", tag) };
        let place = stage.map(|stage| format!("/{stage}")).unwrap_or_default();
        self.said.approve = Some(format!("{}{place} {}", named.digest, self.said.again()));
        self.said.approved_by = Some(by.to_owned());
        let place = stage.map_or_else(|| "all stages".to_owned(), |stage| format!("stage {stage}"));
        self.given(by, format!("approves {tag} for {place}"));
    }

    /// As `voxsync resume` does it: the innermost of what stops it.
    fn resume(&mut self) {
        let is_held = self.status.holds.iter().any(|hold| !hold.resumed);
        let ended = self.status.promotion.as_ref().and_then(|it| it.outcome.or(it.ending));
        let has_failed = ended.is_some_and(Outcome::is_failure);
        if self.spec.suspend {
            (self.spec.suspend, self.spec.suspend_reason) = (false, None);
            self.generation += 1;
        } else if !is_held && self.status.rollback.is_none() && !has_failed && self.spec.pin.take().is_some()
        {
            self.generation += 1;
        } else {
            let token = self.said.again().to_string();
            self.said.resume = Some(token);
        }
        self.given(PERSON, "resumes it".to_owned());
    }

    fn expect(&mut self, stages: &BTreeMap<String, String>) {
        let mut expectations = self.expectations.unwrap_or_default();
        for (stage, tag) in stages {
            let place = self.stages.iter().position(|name| name == stage).unwrap_or_default();
            let runs = self.cluster.running(&self.source, place);
            if runs == *tag {
                expectations.met += 1;
                self.tell(stage, format!("runs {tag}, as expected"), "ExpectationMet", Tone::Good);
            } else {
                expectations.missed += 1;
                let what = format!("runs {runs}, and {tag} is expected");
                self.tell(stage, what, "ExpectationMissed", Tone::Bad);
            }
        }
        self.expectations = Some(expectations);
    }

    fn given(&mut self, who: &str, what: String) {
        self.tell(who, what, "Given", Tone::Given);
    }

    fn not_yet(&mut self, verb: &str, tag: &str) {
        let what = format!("{verb} {tag}, which was not pushed yet: nothing comes of it");
        self.tell(PERSON, what, "NotPushed", Tone::Bad);
    }
}

//! Whether what is waited for is deployed, from what a CodeSync says of itself. Pure: nothing is asked, no clock is read.
//!
//! It is deployed if `status.deployed` names it. What is under way or at rest now goes before what is recorded of the
//! past; and as long as the agent has not taken up what it was told last (a spec, a request for a look, a resume),
//! nothing of the past is an answer.

use voxsync_crds::{
    CodeSync,
    code_release::CodeReleaseSpec,
    code_sync::{CodeSyncStatus, Condition, ConditionStatus, DeployedStatus, Outcome, PromotionStatus},
    reference::is_same_code,
    time::Time,
};

use super::{
    answer::{Answer, Known, Verdict},
    record::ended,
    runs::{is_candidate, is_done, runs},
    selector::{Facts, Selector},
    taken_up::taken_up,
    turned::AskedBy,
};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    pub selector: Selector,
    /// Only until this stage has passed.
    pub stage: Option<String>,
    pub asked_by: AskedBy,
}

/// Answers. `releases` are the CodeReleases of this CodeSync as far as they are known; `was_seen` says that what is
/// waited for was known to an earlier answer.
pub fn answer(
    question: &Question,
    code_sync: &CodeSync,
    releases: &[CodeReleaseSpec],
    was_seen: bool,
) -> Answer {
    known(question, code_sync, releases, was_seen).told(&question.selector)
}

fn known(question: &Question, code_sync: &CodeSync, releases: &[CodeReleaseSpec], was_seen: bool) -> Known {
    let stages = code_sync.spec.ordered_stages();
    if let Some(wanted) = &question.stage
        && stages.iter().all(|stage| stage.name != *wanted)
    {
        let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
        let says = format!("there is no stage {wanted:?}; there are: {}", names.join(", "));
        return Known::new(Verdict::Unanswerable, says);
    }
    let status = match taken_up(code_sync) {
        Ok(status) => status,
        // It may be about anything, so nothing of what is waited for was seen.
        Err(what) => return Known::new(Verdict::Unseen, what),
    };
    let releases: Vec<&CodeReleaseSpec> =
        releases.iter().filter(|release| is_of(release, code_sync)).collect();
    if let Some(sentence) = question.selector.ambiguity(all_facts(status, &releases)) {
        return Known::new(Verdict::Unanswerable, sentence);
    }
    Asked { question, code_sync, status }.known(&releases, was_seen)
}

fn is_of(release: &CodeReleaseSpec, code_sync: &CodeSync) -> bool {
    code_sync.metadata.uid.as_ref() == Some(&release.code_sync_uid)
}

/// All that the CodeSync and its records know.
fn all_facts<'a>(
    status: &'a CodeSyncStatus,
    releases: &'a [&CodeReleaseSpec],
) -> impl Iterator<Item = Facts> + 'a {
    let candidates = status.candidate.iter().chain(status.promotion.iter().map(|it| &it.candidate));
    let candidates = candidates.chain(releases.iter().map(|release| &release.candidate));
    candidates.map(Facts::from).chain(status.deployed.iter().map(Facts::from))
}

/// A question to a status that is about all that the agent was told.
pub(super) struct Asked<'a> {
    pub question: &'a Question,
    pub code_sync: &'a CodeSync,
    pub status: &'a CodeSyncStatus,
}

impl Asked<'_> {
    fn known(&self, releases: &[&CodeReleaseSpec], was_seen: bool) -> Known {
        let Self { question, code_sync, status } = self;
        let (selector, stage) = (&question.selector, question.stage.as_deref());
        if let Some(known) = self.is_over().or_else(|| self.turns()) {
            return known;
        }
        let promotion = status.promotion.as_ref().filter(|promotion| self.is_meant(promotion));
        let is_superseded = |promotion: &&PromotionStatus| promotion.outcome == Some(Outcome::Superseded);
        if let Some(promotion) = promotion.filter(|it| !is_superseded(it)) {
            return self.promoted(promotion);
        }
        // Its place may have been taken by what a person went back to.
        if let Some(known) = self.quarantined().or_else(|| promotion.map(|it| self.promoted(it))) {
            return known;
        }
        let candidate = status.candidate.as_ref();
        // What a pin names has no revision of the source.
        let is_sourced = candidate.is_none_or(|candidate| candidate.source_revision.is_some());
        if code_sync.spec.pin.is_some() && is_sourced {
            return Known::new(Verdict::Unseen, self.reason());
        }
        let is_asked_for = |deployed: &&DeployedStatus| {
            selector.fits(&Facts::from(*deployed)) || self.is_named(&deployed.reference)
        };
        if let Some(deployed) = status.deployed.as_ref().filter(is_asked_for) {
            return self.is_deployed(deployed);
        }
        if *selector == Selector::Present || candidate.is_some_and(|it| selector.fits(&Facts::from(it))) {
            return match &status.deployed {
                Some(deployed)
                    if self.is_at_rest()
                        && runs(status, deployed, stage)
                        && self.is_what_was_asked(deployed) =>
                {
                    self.deployed(&deployed.name, deployed.since)
                }
                _ => Known::new(Verdict::Waiting, self.reason()),
            };
        }
        self.past(releases, was_seen)
    }

    /// What is said of what is deployed: that it is, unless it is to run and does not.
    pub(super) fn is_deployed(&self, deployed: &DeployedStatus) -> Known {
        let DeployedStatus { name, since, .. } = deployed;
        let stage = self.question.stage.as_deref();
        let runs = runs(self.status, deployed, stage);
        if !runs && is_candidate(self.status, deployed) {
            return Known::new(Verdict::Waiting, self.reason());
        }
        let known = match stage {
            Some(stage) if !runs => {
                let since = since.map_or_else(String::new, |since| format!(" since {since}"));
                let says = format!("passed stage {stage}, and is what is deployed{since}");
                Known::of(name, Verdict::Deployed, says)
            }
            _ => self.deployed(name, *since),
        };
        known.and(&self.other(deployed))
    }

    /// What came after what is deployed.
    fn other(&self, deployed: &DeployedStatus) -> String {
        let is_other = |reference: &str| !is_same_code(reference, &deployed.reference);
        let promotion = self.status.promotion.as_ref().filter(|it| is_other(&it.candidate.reference));
        if let Some(PromotionStatus { candidate, outcome, failure, .. }) = promotion {
            let stage = failure.as_ref().map_or_else(String::new, |it| format!(" in stage {}", it.stage));
            let name = &candidate.name;
            match outcome {
                None => return format!("; {name} is on its way"),
                Some(Outcome::Failed) => return format!("; {name} failed{stage}"),
                Some(Outcome::RolledBack) => return format!("; {name} was rolled back{stage}"),
                // What comes instead of it is the candidate.
                Some(Outcome::Superseded | Outcome::Released | Outcome::Abandoned) => {}
            }
        }
        let candidate = self.status.candidate.as_ref().filter(|it| is_other(&it.reference));
        candidate.map_or_else(String::new, |candidate| format!("; {} is the candidate", candidate.name))
    }

    /// Whether a promotion is that of what is waited for.
    fn is_meant(&self, promotion: &PromotionStatus) -> bool {
        match &self.question.selector {
            Selector::Present => {
                let candidate = self.status.candidate.as_ref();
                candidate.is_some_and(|it| is_same_code(&it.reference, &promotion.candidate.reference))
                    && !self.is_tried_anew(promotion)
            }
            selector => {
                let facts = Facts::from(&promotion.candidate);
                // That one is of the past already, though it is the last.
                let is_past = promotion.outcome == Some(Outcome::Superseded);
                let fits = if is_past { self.is_about(&facts) } else { selector.fits(&facts) };
                fits || self.is_named(&promotion.candidate.reference)
            }
        }
    }

    /// Whether the candidate is what is asked for, and this is the same code by an older name.
    fn is_named(&self, reference: &str) -> bool {
        let candidate = self.status.candidate.as_ref();
        let candidate = candidate.filter(|it| self.question.selector.fits(&Facts::from(*it)));
        candidate.is_some_and(|candidate| is_same_code(&candidate.reference, reference))
    }

    fn promoted(&self, promotion: &PromotionStatus) -> Known {
        let name = &promotion.candidate.name;
        if let Some(wanted) = &self.question.stage {
            let mut stages = self.status.stages.iter().filter(|stage| stage.name == *wanted);
            if let Some(stage) = stages.find(|stage| stage.promotion.as_ref() == Some(&promotion.id)) {
                return self.deployed(name, stage.since);
            }
        }
        let Some(outcome) = promotion.outcome else { return Known::new(Verdict::Waiting, self.reason()) };
        let newer = self.status.candidate.as_ref().map(|candidate| candidate.name.as_str());
        ended(name, outcome, promotion.failure.as_ref(), promotion.ended_at, newer)
    }

    fn deployed(&self, name: &str, since: Option<Time>) -> Known {
        let place =
            self.question.stage.as_ref().map_or("all stages".to_owned(), |stage| format!("stage {stage}"));
        let since = since.map_or_else(String::new, |since| format!(" since {since}"));
        Known::of(name, Verdict::Deployed, format!("is deployed in {place}{since}"))
    }

    /// Whether all stages run the candidate, as the agent sees it; or the one that is asked for.
    fn is_at_rest(&self) -> bool {
        let is_deployed = self.status.condition_that_is("Deployed", ConditionStatus::True).is_some();
        is_deployed || self.question.stage.as_ref().is_some_and(|stage| is_done(self.status, stage))
    }

    /// Why it is not further, in the agent's own words.
    pub(super) fn reason(&self) -> String {
        let ready = self.status.condition("Ready").filter(|ready| ready.reason != "Deployed");
        let ready = ready.map(|Condition { reason, message, .. }| {
            // Its row has the more telling word.
            let row = self.status.waiting.iter().find(|row| row.message == *message);
            format!("{}: {message}", row.map_or(reason, |row| &row.reason))
        });
        ready
            .or_else(|| self.status.summary.clone())
            .unwrap_or_else(|| "the agent says nothing yet".to_owned())
    }
}

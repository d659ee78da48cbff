//! Whether what is waited for is deployed, from what a CodeSync says of itself. Pure: nothing is asked, no clock is read.
//!
//! What is under way or at rest now goes before what is recorded of the past; and as long as the agent has not taken
//! up what it was told last (a spec, a request for a look, a resume), nothing of the past is an answer.

use std::cmp::Ordering;

use voxsync_crds::{
    CodeSync,
    annotations::RESUME,
    code_release::CodeReleaseSpec,
    code_sync::{CodeSyncStatus, Condition, ConditionStatus, Outcome, PromotionFailure, PromotionStatus},
    reference::is_same_code,
    time::Time,
};
use voxsync_policy::{TagPolicy, TagRule};

use super::{
    runs::{is_candidate, is_done, runs},
    selector::{Facts, Selector},
    taken_up::{is_echo, taken_up},
};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    pub selector: Selector,
    /// Only until this stage has passed.
    pub stage: Option<String>,
}

/// How it is with what is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All stages ran it, or the one that is asked for.
    Deployed,
    /// A stage could not run it.
    Failed,
    /// A stage could not run it, and was given back what it had.
    RolledBack,
    /// Another candidate took its place.
    Superseded,
    /// It is on its way, or something is in its way.
    Waiting,
    /// Nothing is known of it yet.
    Unseen,
    /// The question itself is wrong.
    Unanswerable,
}

/// A verdict, and why, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub verdict: Verdict,
    pub message: String,
}

/// Answers. `releases` are the CodeReleases of this CodeSync as far as they are known; `was_seen` says that what is
/// waited for was known to an earlier answer.
pub fn answer(
    question: &Question,
    code_sync: &CodeSync,
    releases: &[CodeReleaseSpec],
    was_seen: bool,
) -> Answer {
    let stages = code_sync.spec.ordered_stages();
    if let Some(wanted) = &question.stage
        && stages.iter().all(|stage| stage.name != *wanted)
    {
        let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
        return say(
            Verdict::Unanswerable,
            format!("there is no stage {wanted:?}; there are: {}", names.join(", ")),
        );
    }
    let status = match taken_up(code_sync) {
        Ok(status) => status,
        Err(what) => return say(Verdict::Waiting, what),
    };
    let releases: Vec<&CodeReleaseSpec> =
        releases.iter().filter(|release| is_of(release, code_sync)).collect();
    if let Some(sentence) = question.selector.ambiguity(all_facts(status, &releases)) {
        return say(Verdict::Unanswerable, sentence);
    }
    Asked { question, code_sync, status }.answer(&releases, was_seen)
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
struct Asked<'a> {
    question: &'a Question,
    code_sync: &'a CodeSync,
    status: &'a CodeSyncStatus,
}

impl Asked<'_> {
    fn answer(&self, releases: &[&CodeReleaseSpec], was_seen: bool) -> Answer {
        let Self { question, code_sync, status } = self;
        let (selector, stage) = (&question.selector, question.stage.as_deref());
        if let Some(promotion) = status.promotion.as_ref().filter(|promotion| self.is_meant(promotion)) {
            return self.promoted(promotion);
        }
        let candidate = status.candidate.as_ref();
        // What a pin names has no revision of the source.
        let is_sourced = candidate.is_none_or(|candidate| candidate.source_revision.is_some());
        if code_sync.spec.pin.is_some() && is_sourced {
            return say(Verdict::Waiting, self.reason());
        }
        if let Some(deployed) =
            status.deployed.as_ref().filter(|deployed| selector.fits(&Facts::from(*deployed)))
        {
            return if runs(status, deployed, stage) {
                self.deployed(&deployed.name, deployed.since)
            } else if is_candidate(status, deployed) {
                say(Verdict::Waiting, self.reason())
            } else {
                let newer = status.promotion.as_ref().map(|promotion| &promotion.candidate).or(candidate);
                superseded(&deployed.name, newer.map(|newer| newer.name.as_str()))
            };
        }
        if *selector == Selector::Present || candidate.is_some_and(|it| selector.fits(&Facts::from(it))) {
            return match &status.deployed {
                Some(deployed) if self.is_at_rest() && runs(status, deployed, stage) => {
                    self.deployed(&deployed.name, deployed.since)
                }
                _ => say(Verdict::Waiting, self.reason()),
            };
        }
        self.recorded(releases).unwrap_or_else(|| self.unknown(was_seen))
    }

    /// Whether a promotion is that of what is waited for.
    fn is_meant(&self, promotion: &PromotionStatus) -> bool {
        match &self.question.selector {
            Selector::Present => {
                let candidate = self.status.candidate.as_ref();
                candidate.is_some_and(|it| is_same_code(&it.reference, &promotion.candidate.reference))
            }
            selector => selector.fits(&Facts::from(&promotion.candidate)),
        }
    }

    fn promoted(&self, promotion: &PromotionStatus) -> Answer {
        let name = &promotion.candidate.name;
        if let Some(wanted) = &self.question.stage {
            let mut stages = self.status.stages.iter().filter(|stage| stage.name == *wanted);
            if let Some(stage) = stages.find(|stage| stage.promotion.as_ref() == Some(&promotion.id)) {
                return self.deployed(name, stage.since);
            }
        }
        let Some(outcome) = promotion.outcome else { return say(Verdict::Waiting, self.reason()) };
        let annotations = self.code_sync.metadata.annotations.as_ref();
        let resume = annotations.and_then(|annotations| annotations.get(RESUME));
        if outcome.is_failure()
            && resume.is_some_and(|token| !is_echo(self.status.last_handled_resume.as_deref(), token))
        {
            return say(Verdict::Waiting, "the resume is not taken up yet".to_owned());
        }
        let newer = self.status.candidate.as_ref().map(|candidate| candidate.name.as_str());
        Self::ended(name, outcome, promotion.failure.as_ref(), promotion.ended_at, newer)
    }

    /// What the last record of it says.
    fn recorded(&self, releases: &[&CodeReleaseSpec]) -> Option<Answer> {
        type Record<'a> = (Facts, Outcome, Option<&'a PromotionFailure>, Time);
        let whole = releases.iter().map(|release| -> Record<'_> {
            (Facts::from(&release.candidate), release.outcome, release.failure.as_ref(), release.ended_at)
        });
        let short =
            self.status.history.iter().map(|it| -> Record<'_> { (it.into(), it.outcome, None, it.ended_at) });
        // Whole records come first, so that they win over the short ones of the same promotion.
        let mut records: Vec<Record<'_>> = whole.chain(short).collect();
        records.sort_by_key(|(.., ended_at)| std::cmp::Reverse(*ended_at));
        let place = records.iter().position(|(facts, ..)| self.question.selector.fits(facts))?;
        let (facts, outcome, failure, ended_at) = records.get(place)?;
        let newer = records.iter().take(place).rev().find(|(.., ended)| ended > ended_at);
        let newer = newer.map(|(facts, ..)| facts.name.as_str());
        let newer = newer.or_else(|| self.status.candidate.as_ref().map(|candidate| candidate.name.as_str()));
        Some(Self::ended(&facts.name, *outcome, *failure, Some(*ended_at), newer))
    }

    fn ended(
        name: &str,
        outcome: Outcome,
        failure: Option<&PromotionFailure>,
        at: Option<Time>,
        newer: Option<&str>,
    ) -> Answer {
        let at = at.map_or_else(String::new, |at| format!(" at {at}"));
        let why = failure.map_or_else(String::new, |failure| {
            let PromotionFailure { stage, server, reason, message } = failure;
            format!(" in stage {stage}: Server {server}: {reason}: {message}")
        });
        match outcome {
            Outcome::Released => say(Verdict::Deployed, format!("{name} was deployed in all stages{at}")),
            Outcome::Failed => say(Verdict::Failed, format!("{name} failed{at}{why}")),
            Outcome::RolledBack => say(Verdict::RolledBack, format!("{name} was rolled back{at}{why}")),
            Outcome::Superseded => superseded(name, newer),
            Outcome::Abandoned => {
                say(Verdict::Failed, format!("{name} was given up{at}: its CodeSync was deleted"))
            }
        }
    }

    /// What is to say of something that no record is about.
    fn unknown(&self, was_seen: bool) -> Answer {
        let what = self.question.selector.sentence();
        let candidate = self.status.candidate.as_ref().map(|candidate| candidate.name.as_str());
        if candidate.is_some() && (was_seen || self.is_lower()) {
            return superseded(&what, candidate);
        }
        let source = self.status.source.clone().unwrap_or_default();
        let problem = source.message.map_or_else(String::new, |message| format!(": {message}"));
        if let Some(since) = source.unreachable_since {
            return say(Verdict::Unseen, format!("the source cannot be asked since {since}{problem}"));
        }
        let revision = source.revision.map(|revision| Facts::of_source(&revision));
        if revision.as_ref().is_some_and(|revision| self.question.selector.fits(revision)) {
            return say(
                Verdict::Waiting,
                format!("the source names {what}, which is no candidate yet{problem}"),
            );
        }
        let seen = revision.map_or(String::new(), |revision| revision.name);
        let names = if seen.is_empty() { "nothing".to_owned() } else { seen };
        let since = source.changed_at.map_or_else(String::new, |at| format!(" since {at}"));
        say(Verdict::Unseen, format!("the source has not named {what} yet; it names {names}{since}{problem}"))
    }

    /// Whether the source orders its tags, and the candidate's is higher than the one that is waited for: that one will
    /// never be taken.
    fn is_lower(&self) -> bool {
        let Selector::Tag(wanted) = &self.question.selector else { return false };
        let source = &self.code_sync.spec.source;
        let registry = source.registry.as_ref();
        let of_git = source.git.as_ref().and_then(|git| git.revision.tag.as_ref());
        let range = registry.and_then(|it| it.tag.semver.as_ref()).or(of_git.map(|tag| &tag.semver));
        let Some(Ok(rule)) = range.map(|range| TagRule::semver(range)) else { return false };
        let matching = registry.and_then(|registry| registry.matching.as_deref());
        let Ok(policy) = TagPolicy::new(rule, matching, &[]) else { return false };
        let candidate = self.status.candidate.as_ref().map(Facts::from);
        let tag = candidate.as_ref().and_then(|facts| facts.ordering_tag(of_git.is_some()));
        tag.is_some_and(|tag| policy.compare(wanted, tag) == Some(Ordering::Less))
    }

    fn deployed(&self, name: &str, since: Option<Time>) -> Answer {
        let place =
            self.question.stage.as_ref().map_or("all stages".to_owned(), |stage| format!("stage {stage}"));
        let since = since.map_or_else(String::new, |since| format!(" since {since}"));
        say(Verdict::Deployed, format!("{name} is deployed in {place}{since}"))
    }

    /// Whether all stages run the candidate, as the agent sees it; or the one that is asked for.
    fn is_at_rest(&self) -> bool {
        let is_deployed = self.condition("Deployed").is_some_and(|it| it.status == ConditionStatus::True);
        is_deployed || self.question.stage.as_ref().is_some_and(|stage| is_done(self.status, stage))
    }

    /// Why it is not further, in the agent's own words.
    fn reason(&self) -> String {
        let ready = self.condition("Ready").filter(|ready| ready.reason != "Deployed");
        let ready = ready.map(|Condition { reason, message, .. }| {
            // Its row has the more telling word.
            let row = self.status.waiting.iter().find(|row| row.message == *message);
            format!("{}: {message}", row.map_or(reason, |row| &row.reason))
        });
        ready
            .or_else(|| self.status.summary.clone())
            .unwrap_or_else(|| "the agent says nothing yet".to_owned())
    }

    fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.kind == kind)
    }
}

fn superseded(name: &str, newer: Option<&str>) -> Answer {
    let newer = newer.unwrap_or("another candidate");
    say(Verdict::Superseded, format!("{name} was superseded: {newer} took its place"))
}

fn say(verdict: Verdict, message: String) -> Answer {
    Answer { verdict, message }
}

//! What the records of the past say of what is waited for. Pure.
//!
//! A record tells what was. Where a source may name the same tag or digest again at any time, only a failure is an
//! answer to whether that is deployed; a commit is named once. What an image was by another tag is no answer as long as the
//! tag that is asked for is to come.

use voxsync_crds::{
    code_release::CodeReleaseSpec,
    code_sync::{Outcome, PromotionFailure},
    reference::is_same_code,
    time::Time,
};

use super::{
    answer::{Known, Verdict},
    selector::{Facts, Selector},
    verdict::Asked,
};

/// A promotion that has ended.
struct Record<'a> {
    facts: Facts,
    outcome: Outcome,
    failure: Option<&'a PromotionFailure>,
    ended_at: Time,
}

impl Asked<'_> {
    /// What is to say of something that is neither deployed nor the candidate.
    pub(super) fn past(&self, releases: &[&CodeReleaseSpec], was_seen: bool) -> Known {
        let records = self.records(releases);
        let fits = |record: &&Record<'_>| self.is_about(&record.facts);
        let Some(Record { facts, outcome, failure, ended_at }) = records.iter().find(fits) else {
            return self.unrecorded(releases, was_seen);
        };
        let name = &facts.name;
        if *outcome == Outcome::Released
            && let Some(deployed) = self.deployed_as(&facts.reference)
        {
            return deployed;
        }
        let later = || records.iter().rev().filter(|record| record.ended_at > *ended_at);
        let proves = self.proves(was_seen);
        match outcome {
            Outcome::Released if proves => {
                let next = later().find(|record| record.outcome == Outcome::Released);
                let deployed = self.status.deployed.as_ref().map(|deployed| &deployed.name);
                let newer = next.map(|next| &next.facts.name).or(deployed).or(self.candidate());
                let now = deployed.filter(|name| Some(*name) != newer);
                let now = now.map_or_else(String::new, |name| format!(", and {name} is deployed now"));
                let newer = newer.map_or("another candidate", String::as_str);
                let says = format!("was deployed in all stages at {ended_at}; {newer} took its place{now}");
                Known::of(name, Verdict::Superseded, says)
            }
            Outcome::Released => self.unknown(was_seen, Some(&format!("{name} was deployed at {ended_at}"))),
            Outcome::Superseded if !proves => {
                self.unknown(was_seen, Some(&format!("{name} was superseded at {ended_at}")))
            }
            outcome => {
                let newer = later().next().map(|next| &next.facts.name).or(self.candidate());
                ended(name, *outcome, *failure, Some(*ended_at), newer.map(String::as_str))
            }
        }
    }

    /// What is said of what is deployed, if this is the same code.
    pub(super) fn deployed_as(&self, reference: &str) -> Option<Known> {
        let deployed = self.status.deployed.as_ref();
        let same = deployed.filter(|deployed| is_same_code(&deployed.reference, reference))?;
        Some(self.is_deployed(same))
    }

    /// Whether that something was deployed is an answer to whether it is.
    pub(super) fn proves(&self, was_seen: bool) -> bool {
        was_seen && !self.is_to_come()
            || self.is_ordered()
            || matches!(self.question.selector, Selector::Commit(_))
    }

    /// All records, the newest first.
    fn records<'a>(&self, releases: &'a [&CodeReleaseSpec]) -> Vec<Record<'a>> {
        let whole = releases.iter().map(|release| Record {
            facts: Facts::from(&release.candidate),
            outcome: release.outcome,
            failure: release.failure.as_ref(),
            ended_at: release.ended_at,
        });
        let short = self.status.history.iter().map(|it| Record {
            facts: it.into(),
            outcome: it.outcome,
            failure: None,
            ended_at: it.ended_at,
        });
        // Whole records come first, so that they win over the short ones of the same promotion.
        let mut records: Vec<Record<'a>> = whole.chain(short).collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.ended_at));
        records
    }
}

/// What is said of a promotion that has ended.
pub(super) fn ended(
    name: &str,
    outcome: Outcome,
    failure: Option<&PromotionFailure>,
    at: Option<Time>,
    newer: Option<&str>,
) -> Known {
    let at = at.map_or_else(String::new, |at| format!(" at {at}"));
    let why = failure
        .map_or_else(String::new, |failure| format!(" in stage {}: {}", failure.stage, failure.cause()));
    let (verdict, says) = match outcome {
        Outcome::Released => (Verdict::Deployed, format!("was deployed in all stages{at}")),
        Outcome::Failed => (Verdict::Failed, format!("failed{at}{why}")),
        Outcome::RolledBack => (Verdict::RolledBack, format!("was rolled back{at}{why}")),
        Outcome::Superseded => (Verdict::Superseded, superseded(newer)),
        Outcome::Abandoned => (Verdict::Failed, format!("was given up{at}: its CodeSync was deleted")),
    };
    Known::of(name, verdict, says)
}

/// What is said of what not all stages ran, and never will.
pub(super) fn superseded(newer: Option<&str>) -> String {
    let newer = newer.unwrap_or("another candidate");
    format!("was superseded: {newer} took its place before all stages ran it")
}

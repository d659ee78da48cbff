//! What the records of the past say of what is waited for. Pure.
//!
//! A record tells what was. Where a source may name the same tag or digest again at any time, only a failure is an
//! answer to whether that is deployed; a commit is named once.

use voxsync_crds::{
    code_release::CodeReleaseSpec,
    code_sync::{DeployedStatus, Outcome, PromotionFailure},
    reference::is_same_code,
    time::Time,
};

use super::{
    selector::{Facts, Selector},
    verdict::{Answer, Asked, Verdict, say},
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
    pub(super) fn past(&self, releases: &[&CodeReleaseSpec], was_seen: bool) -> Answer {
        let records = self.records(releases);
        let fits = |record: &&Record<'_>| self.question.selector.fits(&record.facts);
        let Some(Record { facts, outcome, failure, ended_at }) = records.iter().find(fits) else {
            return self.unknown(was_seen, None);
        };
        let name = &facts.name;
        let is_same = |deployed: &&DeployedStatus| is_same_code(&deployed.reference, &facts.reference);
        let deployed = self.status.deployed.as_ref();
        if *outcome == Outcome::Released
            && let Some(deployed) = deployed.filter(is_same)
        {
            return self.is_deployed(deployed);
        }
        let later = || records.iter().rev().filter(|record| record.ended_at > *ended_at);
        let proves = was_seen || self.is_ordered() || matches!(self.question.selector, Selector::Commit(_));
        match outcome {
            Outcome::Released if proves => {
                let next = later().find(|record| record.outcome == Outcome::Released);
                let newer = next.map(|next| &next.facts.name).or(deployed.map(|deployed| &deployed.name));
                let newer = newer.or(self.candidate()).map_or("another candidate", String::as_str);
                let was = format!("{name} was deployed in all stages at {ended_at}");
                say(Verdict::Superseded, format!("{was}; {newer} took its place"))
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

/// What is said of what not all stages ran, and never will.
pub(super) fn superseded(name: &str, newer: Option<&str>) -> Answer {
    let newer = newer.unwrap_or("another candidate");
    let message = format!("{name} was superseded: {newer} took its place before all stages ran it");
    say(Verdict::Superseded, message)
}

//! What checks say: that they hold, unless the timeline says otherwise. They are asked at once, and then at their interval.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use voxsync_crds::{
    code_sync::{Check, CheckStanding, CodeSyncSpec, Unreachable},
    duration::DurationText,
};
use voxsync_promotion::{CheckAnswer, CheckRun};

use crate::{
    happening::{Fault, Way},
    source::Source,
};

/// How long between two answers where the check does not say it.
const DEFAULT_INTERVAL: SignedDuration = SignedDuration::from_secs(30);

/// The checks that are asked now, and what they said.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    runs: Vec<Run>,
    /// What the timeline says of each, by stage and name.
    says: BTreeMap<(String, String), CheckStanding>,
}

#[derive(Debug)]
struct Run {
    asked: CheckRun,
    interval: SignedDuration,
    limit: u16,
    unreachable: Unreachable,
    last: Option<(Timestamp, CheckAnswer)>,
}

impl Checks {
    /// These are to be asked from now on, and no others.
    pub(crate) fn want(&mut self, spec: &CodeSyncSpec, runs: Vec<CheckRun>) {
        let mut before = std::mem::take(&mut self.runs);
        for run in runs {
            if let Some(place) = before.iter().position(|known| known.asked == run) {
                self.runs.push(before.swap_remove(place));
                continue;
            }
            let stages = spec.ordered_stages();
            let stage = stages.iter().find(|stage| stage.name == run.stage);
            let Some(check) = stage.and_then(|stage| stage.checks.iter().find(|it| it.name == run.check))
            else {
                continue;
            };
            self.runs.push(Run {
                asked: run,
                interval: interval(check),
                limit: check.failure_limit.unwrap_or(1).max(1),
                unreachable: check.unreachable.unwrap_or_default(),
                last: None,
            });
        }
    }

    /// From now on a check says this.
    pub(crate) fn say(&mut self, stage: String, check: String, standing: CheckStanding) {
        self.says.insert((stage, check), standing);
    }

    /// Asks those whose time has come. Tells whether one said something new.
    pub(crate) fn ask(&mut self, source: &Source, now: Timestamp) -> bool {
        let mut is_news = false;
        for run in &mut self.runs {
            if run.next(&self.says, source, now).is_none_or(|next| next > now) {
                continue;
            }
            let (standing, message) = run.standing(&self.says, source, now);
            let before = run.last.as_ref().map(|(_, answer)| answer);
            let failed_before = before.map_or(0, |answer| answer.failures);
            let is_failure = standing == CheckStanding::Failed;
            let answer = CheckAnswer {
                stage: run.asked.stage.clone(),
                check: run.asked.check.clone(),
                promotion: run.asked.promotion.clone(),
                standing,
                failures: if is_failure { failed_before.saturating_add(1) } else { 0 },
                message: message.to_owned(),
            };
            is_news |= before != Some(&answer);
            run.last = Some((now, answer));
        }
        is_news
    }

    /// What they said last.
    pub(crate) fn answers(&self) -> Vec<CheckAnswer> {
        self.runs.iter().filter_map(|run| Some(run.last.as_ref()?.1.clone())).collect()
    }

    /// When one of them will say something new.
    pub(crate) fn next(&self, source: &Source, now: Timestamp) -> Option<Timestamp> {
        self.runs.iter().filter_map(|run| run.next(&self.says, source, now)).min()
    }
}

fn interval(check: &Check) -> SignedDuration {
    let interval = check.interval.as_ref().map(DurationText::to_duration).and_then(Result::ok);
    let interval = interval.and_then(|interval| SignedDuration::try_from(interval).ok());
    interval.filter(SignedDuration::is_positive).unwrap_or(DEFAULT_INTERVAL)
}

impl Run {
    /// What it says at a moment.
    fn standing(
        &self,
        says: &BTreeMap<(String, String), CheckStanding>,
        source: &Source,
        at: Timestamp,
    ) -> (CheckStanding, &'static str) {
        let said = says.get(&(self.asked.stage.clone(), self.asked.check.clone()));
        let begins = self.fails_from(source);
        let standing = match said {
            Some(CheckStanding::Unreachable) if self.unreachable == Unreachable::Fail => {
                CheckStanding::Failed
            }
            Some(standing) => *standing,
            None if begins.is_some_and(|begins| begins <= at) => CheckStanding::Failed,
            None => CheckStanding::Passed,
        };
        let message = if standing == CheckStanding::Passed { "it holds" } else { "the timeline says so" };
        (standing, message)
    }

    /// From when on the code that it is asked about makes it fail.
    fn fails_from(&self, source: &Source) -> Option<Timestamp> {
        let Fault { stage, way: Way::Check { check, after } } = source.fault(&self.asked.reference)? else {
            return None;
        };
        let is_it = *check == self.asked.check && stage.as_ref() == Some(&self.asked.stage);
        is_it.then(|| self.asked.since.saturating_add(*after).unwrap_or(Timestamp::MAX))
    }

    /// When it will say something new; as it is asked at its interval, that is some time after it changed.
    fn next(
        &self,
        says: &BTreeMap<(String, String), CheckStanding>,
        source: &Source,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let Some((asked, answer)) = &self.last else { return Some(now) };
        let changes = |at| self.standing(says, source, at).0 != answer.standing;
        let counts = answer.standing == CheckStanding::Failed && answer.failures < self.limit;
        let from = match self.fails_from(source) {
            _ if changes(now) || counts => now,
            Some(begins) if begins > now && changes(begins) => begins,
            _ => return None,
        };
        // The first turn that is not before that, and not the one that is over.
        let passed = from.duration_since(*asked).as_millis();
        let interval = self.interval.as_millis().max(1);
        let turns = (passed + interval - 1).div_euclid(interval).max(1);
        let wait = i64::try_from(turns * interval).ok().map(SignedDuration::from_millis)?;
        asked.checked_add(wait).ok()
    }
}

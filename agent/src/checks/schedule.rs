//! When each check is asked, and what it said last. Pure: time is passed in.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use jiff::Timestamp;
use voxsync_checks::{Answer, Standing};
use voxsync_crds::code_sync::{Check, CheckStanding, CodeSyncSpec};
use voxsync_promotion::{CheckAnswer, CheckRun};

use crate::key::CodeSyncKey;

/// How many are asked at once. One that is not answered holds its place until its timeout.
const AT_ONCE: usize = 32;
/// How long between two answers where nothing is said.
const USUAL_INTERVAL: Duration = Duration::from_secs(30);
/// How soon a Job that is under way is looked at again.
const JOB_POLL: Duration = Duration::from_secs(5);

/// What is asked of checks, and what they said.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    rows: HashMap<u64, Row>,
    of: HashMap<CodeSyncKey, Vec<u64>>,
    due: BTreeSet<(Timestamp, u64)>,
    /// Who is asked now: also what nobody wants any more.
    at_work: HashSet<u64>,
    last: u64,
}

#[derive(Debug)]
struct Row {
    key: CodeSyncKey,
    run: CheckRun,
    check: Check,
    uid: String,
    pull_secret: Option<String>,
    /// Which Job it is now, counted from 1.
    attempt: u32,
    answer: Option<CheckAnswer>,
}

/// A check to be asked now.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) key: CodeSyncKey,
    /// That of the CodeSync.
    pub(crate) uid: String,
    pub(crate) run: CheckRun,
    pub(crate) check: Check,
    /// The Secret with a login for the code image.
    pub(crate) pull_secret: Option<String>,
    pub(crate) attempt: u32,
}

/// What a check said.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    /// Whether it is the last word of a Job: to ask again takes another one.
    pub(crate) ended: bool,
}

impl Checks {
    /// These are to be asked for a CodeSync from now on, and no others.
    pub(crate) fn want(
        &mut self,
        (key, uid): (&CodeSyncKey, &str),
        spec: &CodeSyncSpec,
        runs: Vec<CheckRun>,
        now: Timestamp,
    ) {
        let mut before = self.of.remove(key).unwrap_or_default();
        let mut wanted = Vec::new();
        let pull_secret = spec.write.as_ref().and_then(|write| write.image_pull_secret.as_ref());
        for run in runs {
            let Some(check) = named(spec, &run) else { continue };
            let known = before.iter().position(|id| {
                self.rows.get(id).is_some_and(|row| row.check == check && is_same(&row.run, &run))
            });
            let id = known.map_or_else(
                || {
                    self.last += 1;
                    self.due.insert((now, self.last));
                    self.last
                },
                |place| before.swap_remove(place),
            );
            let kept = self.rows.remove(&id);
            let (attempt, answer) = kept.map_or((1, None), |row| (row.attempt, row.answer));
            let row = Row {
                key: key.clone(),
                run,
                check,
                uid: uid.to_owned(),
                pull_secret: pull_secret.cloned(),
                attempt,
                answer,
            };
            self.rows.insert(id, row);
            wanted.push(id);
        }
        for id in before {
            self.rows.remove(&id);
            self.due.retain(|(_, due)| *due != id);
        }
        if !wanted.is_empty() {
            self.of.insert(key.clone(), wanted);
        }
    }

    /// Nothing is asked for a CodeSync any more.
    pub(crate) fn forget(&mut self, key: &CodeSyncKey) {
        for id in self.of.remove(key).unwrap_or_default() {
            self.rows.remove(&id);
            self.due.retain(|(_, due)| *due != id);
        }
    }

    /// The last answers of a CodeSync's checks.
    pub(crate) fn answers(&self, key: &CodeSyncKey) -> Vec<CheckAnswer> {
        let ids = self.of.get(key).into_iter().flatten();
        ids.filter_map(|id| self.rows.get(id)?.answer.clone()).collect()
    }

    /// The next one to be asked, if one is due and not too many are asked already.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<Order> {
        if self.at_work.len() >= AT_ONCE {
            return None;
        }
        let (time, id) = *self.due.first().filter(|(time, _)| *time <= now)?;
        self.due.remove(&(time, id));
        let row = self.rows.get(&id)?;
        self.at_work.insert(id);
        Some(Order {
            id,
            key: row.key.clone(),
            uid: row.uid.clone(),
            run: row.run.clone(),
            check: row.check.clone(),
            pull_secret: row.pull_secret.clone(),
            attempt: row.attempt,
        })
    }

    /// When the next one is due that may be asked then.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let is_full = self.at_work.len() >= AT_ONCE;
        self.due.first().filter(|_| !is_full).map(|(time, _)| *time)
    }

    /// Takes in an answer; gives back who has to decide because of it.
    pub(crate) fn end(&mut self, id: u64, reply: Reply, now: Timestamp) -> Option<CodeSyncKey> {
        self.at_work.remove(&id);
        let row = self.rows.get_mut(&id)?;
        let Reply { answer, ended } = reply;
        let standing = answer.counted(row.check.unreachable.unwrap_or_default());
        let known = row.answer.as_ref();
        let failures = known.map_or(0, |known| known.failures);
        let failures = match standing {
            CheckStanding::Passed => 0,
            // More than too many says nothing new.
            CheckStanding::Failed => failures.saturating_add(1).min(row.check.failure_limit.unwrap_or(1)),
            CheckStanding::Unknown | CheckStanding::Unreachable => failures,
        };
        let is_news = known.is_none_or(|known| (known.standing, known.failures) != (standing, failures));
        row.answer = Some(CheckAnswer {
            stage: row.run.stage.clone(),
            check: row.run.check.clone(),
            promotion: row.run.promotion.clone(),
            standing,
            failures,
            message: answer.message,
        });
        let is_job = row.check.job.is_some();
        let interval = row.check.interval.as_ref().and_then(|text| text.to_duration().ok());
        let interval = interval.unwrap_or(USUAL_INTERVAL);
        let pause = if is_job && !ended { interval.min(JOB_POLL) } else { interval };
        if ended {
            row.attempt = row.attempt.saturating_add(1);
        }
        // A Job that succeeded is not run again.
        if !(is_job && answer.standing == Standing::Passed) {
            self.due.insert((now.checked_add(pause).unwrap_or(Timestamp::MAX), id));
        }
        is_news.then(|| row.key.clone())
    }

    /// One broke off: it is asked again.
    pub(crate) fn broke_off(&mut self, id: u64, now: Timestamp) -> Option<CodeSyncKey> {
        let answer = Answer::unreachable("the check broke off; the log of voxsync says why");
        self.end(id, Reply { answer, ended: false }, now)
    }
}

fn named(spec: &CodeSyncSpec, run: &CheckRun) -> Option<Check> {
    let stages = spec.ordered_stages();
    let stage = stages.iter().find(|stage| stage.name == run.stage)?;
    stage.checks.iter().find(|check| check.name == run.check).cloned()
}

/// Whether what was said of one holds for the other. A Server that joins is asked about from then on.
fn is_same(one: &CheckRun, other: &CheckRun) -> bool {
    let CheckRun { stage, check, promotion, reference, since, servers: _ } = one;
    (stage, check, promotion) == (&other.stage, &other.check, &other.promotion)
        && (reference, since) == (&other.reference, &other.since)
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;

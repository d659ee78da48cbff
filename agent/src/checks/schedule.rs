//! When each check is asked, and what it said last. Pure: time is passed in.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use voxsync_checks::{Answer, Standing};
use voxsync_crds::code_sync::{Check, CheckStanding, CodeSyncSpec};
use voxsync_promotion::{CheckAnswer, CheckRun};

use super::times;
use crate::key::CodeSyncKey;

/// How many are asked at once. One that is not answered holds its place until its timeout.
const AT_ONCE: usize = 32;
/// And how many of one namespace: what it asks may be slow, and others are to be asked meanwhile.
const AT_ONCE_OF_NAMESPACE: usize = 8;
/// How soon a Job that is under way is looked at again.
const JOB_POLL: Duration = Duration::from_secs(5);

/// What is asked of checks, and what they said.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    rows: HashMap<u64, Row>,
    of: HashMap<CodeSyncKey, Vec<u64>>,
    due: BTreeSet<(Timestamp, u64)>,
    /// Who is asked now, and of which namespace it is: until it ended, also what nobody wants any more.
    at_work: HashMap<u64, String>,
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
    /// How many Jobs in a row ended without an answer.
    silences: u32,
    answer: Option<(Timestamp, CheckAnswer)>,
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
    pub(crate) silences: u32,
}

/// What a check said.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    /// Whether it is the last word of a Job: to ask again takes another one.
    pub(crate) ended: bool,
    /// When that Job ended, where it is known.
    pub(crate) ended_at: Option<Timestamp>,
}

impl Reply {
    /// The same is asked again.
    pub(crate) fn on_the_way(answer: Answer) -> Self {
        Self { answer, ended: false, ended_at: None }
    }
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
            let (attempt, silences, answer) =
                kept.map_or((1, 0, None), |row| (row.attempt, row.silences, row.answer));
            let row = Row {
                key: key.clone(),
                run,
                check,
                uid: uid.to_owned(),
                pull_secret: pull_secret.cloned(),
                attempt,
                silences,
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

    /// The last answers of a CodeSync's checks, as this spec has them: what another check said says nothing of this one,
    /// and what was good long ago may not be so any more.
    pub(crate) fn answers(&self, key: &CodeSyncKey, spec: &CodeSyncSpec, now: Timestamp) -> Vec<CheckAnswer> {
        let ids = self.of.get(key).into_iter().flatten();
        let rows = ids.filter_map(|id| self.rows.get(id));
        rows.filter(|row| named(spec, &row.run).is_some_and(|check| check == row.check))
            .filter_map(|row| row.holding(now).cloned())
            .collect()
    }

    /// Whether anybody still wants to know what is asked there.
    pub(crate) fn is_wanted(&self, id: u64) -> bool {
        self.rows.contains_key(&id)
    }

    /// The next one to be asked, if one is due and not too many are asked already.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<Order> {
        let (time, id) = self.first_free().filter(|(time, _)| *time <= now)?;
        self.due.remove(&(time, id));
        let row = self.rows.get(&id)?;
        self.at_work.insert(id, row.key.namespace.clone());
        Some(Order {
            id,
            key: row.key.clone(),
            uid: row.uid.clone(),
            run: row.run.clone(),
            check: row.check.clone(),
            pull_secret: row.pull_secret.clone(),
            attempt: row.attempt,
            silences: row.silences,
        })
    }

    /// When the next one is due that may be asked then.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.first_free().map(|(time, _)| time)
    }

    /// The first one that is due for which there is a place.
    fn first_free(&self) -> Option<(Timestamp, u64)> {
        if self.at_work.len() >= AT_ONCE {
            return None;
        }
        let has_place = |id: &u64| {
            let Some(row) = self.rows.get(id) else { return true };
            let of_namespace = self.at_work.values().filter(|namespace| **namespace == row.key.namespace);
            of_namespace.count() < AT_ONCE_OF_NAMESPACE
        };
        self.due.iter().find(|(_, id)| has_place(id)).copied()
    }

    /// Takes in an answer; gives back who has to decide because of it.
    pub(crate) fn end(&mut self, id: u64, reply: Reply, now: Timestamp) -> Option<CodeSyncKey> {
        self.at_work.remove(&id);
        let row = self.rows.get_mut(&id)?;
        let Reply { answer, ended, ended_at } = reply;
        let standing = answer.counted(row.check.unreachable.unwrap_or_default());
        let known = row.answer.as_ref().map(|(_, known)| known);
        let failures = known.map_or(0, |known| known.failures);
        let failures = match standing {
            CheckStanding::Passed => 0,
            // More than too many says nothing new.
            CheckStanding::Failed => failures.saturating_add(1).min(row.check.failure_limit.unwrap_or(1)),
            CheckStanding::Unknown | CheckStanding::Unreachable => failures,
        };
        // One that was too old is news, too: somebody may wait for it.
        let is_news =
            row.holding(now).is_none_or(|known| (known.standing, known.failures) != (standing, failures));
        let said = CheckAnswer {
            stage: row.run.stage.clone(),
            check: row.run.check.clone(),
            promotion: row.run.promotion.clone(),
            standing,
            failures,
            message: answer.message,
        };
        row.answer = Some((now, said));
        let is_job = row.check.job.is_some();
        if ended {
            row.attempt = row.attempt.saturating_add(1);
            let is_silent = answer.standing == Standing::Unreachable;
            row.silences = if is_silent { row.silences.saturating_add(1) } else { 0 };
        }
        let pause = match (is_job, ended, row.silences) {
            (true, false, _) => times::interval(&row.check).min(JOB_POLL),
            // Whatever keeps a Job from its answer keeps the next one from it, too, and each is kept for a while.
            (true, true, 1..) => times::pause_after_silence(&row.check, row.silences),
            _ => times::interval(&row.check),
        };
        // A Job that succeeded is not run again. After a restart the Jobs of before are found one after the other: what ended
        // long ago is not waited for once more.
        if !(is_job && answer.standing == Standing::Passed) {
            let due = ended_at.unwrap_or(now).checked_add(pause).unwrap_or(Timestamp::MAX);
            let latest = now.checked_add(pause).unwrap_or(Timestamp::MAX);
            self.due.insert((due.clamp(now, latest), id));
        }
        is_news.then(|| row.key.clone())
    }

    /// One broke off: it is asked again.
    pub(crate) fn broke_off(&mut self, id: u64, now: Timestamp) -> Option<CodeSyncKey> {
        let answer = Answer::unreachable("the check broke off; the log of voxsync says why");
        self.end(id, Reply::on_the_way(answer), now)
    }
}

impl Row {
    /// What it said, where that still holds. Only what was good is forgotten with time.
    fn holding(&self, now: Timestamp) -> Option<&CheckAnswer> {
        let (said_at, said) = self.answer.as_ref()?;
        let holds = said.standing != CheckStanding::Passed || times::is_fresh(&self.check, *said_at, now);
        holds.then_some(said)
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

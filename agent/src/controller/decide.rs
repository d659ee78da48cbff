//! One decision: observe, step, and hand over what is to be done. Nothing here waits.

use jiff::{SignedDuration, Timestamp};
use tracing::warn;
use voxsync_cluster::ReleaseFact;
use voxsync_crds::{
    CodeSync,
    annotations::{HOOKED_AT, REQUESTED_AT},
    code_sync::{CandidateStatus, Outcome},
};
use voxsync_promotion::{Action, awaited, is_same, step};

use super::{
    Controller,
    memory::Planned,
    pass::{self, Pass, Task},
    record,
};
use crate::{
    elsewhere::{self, followed},
    key::CodeSyncKey,
    look::{Purpose, Subscriber, Urgency, place::Access, plan},
    observe::{Sight, first_target, observe, pull_secret, selects_in},
    target::Target,
    upstream::{Upstream, upstream},
    write::{WriteProblem, reference_patch},
};

/// How long ago another process may have received a webhook that nobody looked because of: longer than nobody leads when
/// the leader changes.
const UNHEARD_LIMIT: SignedDuration = SignedDuration::from_mins(5);

impl Controller {
    /// Decides on one CodeSync.
    pub(super) fn decide(&mut self, key: CodeSyncKey, now: Timestamp) {
        let found = self.cluster.read(|snapshot| snapshot.code_sync(&key.namespace, &key.name).cloned());
        match found {
            Some(code_sync) if self.selects(&code_sync) => self.decide_on(key, code_sync, now),
            // Another shard's, perhaps since just now. It is not gone.
            Some(_) => {
                self.memory.forget(&key);
                self.vouching.forget(&key);
            }
            None => self.gone(&key),
        }
    }

    fn selects(&self, code_sync: &CodeSync) -> bool {
        self.selector.as_ref().is_none_or(|selector| selector.selects(code_sync.metadata.labels.as_ref()))
    }

    fn decide_on(&mut self, key: CodeSyncKey, code_sync: CodeSync, now: Timestamp) {
        let uid = code_sync.metadata.uid.clone().unwrap_or_default();
        if self.memory.row(&key).uid != uid {
            // One of the same name that was deleted is another one.
            self.memory.forget(&key);
            self.memory.row(&key).uid = uid;
        }
        self.memory.row(&key).follows = followed(&key.namespace, &code_sync.spec);
        let is_known = self.memory.row(&key).planned.is_some();
        let upstream = self.cluster.read(|snapshot| upstream(snapshot, &code_sync));
        let invalid = self.look_as_planned(&key, &code_sync, upstream.as_ref(), now);
        self.hear_of_hooks(&key, &code_sync, is_known, now);
        let requested_at = self.request(&key, &code_sync, invalid.is_some(), now);
        let subscriber = |purpose| Subscriber { key: key.clone(), purpose };
        if let Some(status) = &code_sync.status {
            let is_same_spec = status.observed_generation == code_sync.metadata.generation;
            let awaited = awaited(&code_sync.spec, status, is_same_spec);
            self.memory.looks.wait_for(&subscriber(Purpose::Source), awaited, now);
        }
        self.memory.looks.keep(&subscriber(Purpose::Source), kept(&code_sync), now);
        // Nothing is stored while it is asked who signed an approval: the answer wakes.
        let Some(voucher) = self.vouching.voucher(&key, &code_sync) else { return };
        let memory = &self.memory;
        let sight = Sight {
            source: memory.looks.finding(&subscriber(Purpose::Source)),
            cadence: memory.looks.cadence(&subscriber(Purpose::Source)),
            confirmed: memory.looks.confirmed(&subscriber(Purpose::Source)),
            pin: memory.looks.finding(&subscriber(Purpose::Pin)),
            upstream,
            requested_at,
            record_refused: memory.record_refused(&key),
            voucher,
            invalid,
            gatekeeper: self.tools.gatekeeper,
            checks: memory.checks.answers(&key, &code_sync.spec, now),
        };
        let (observed, involved) = self.cluster.read(|snapshot| {
            observe(snapshot, &code_sync, sight, |target| memory.refusal(&key, target, now))
        });
        let status = code_sync.status.clone().unwrap_or_default();
        let decided = step(&code_sync.spec, &status, &observed, now);
        let selects_in = selects_in(&key.namespace, &code_sync.spec);
        self.memory.depends(&key, &observed, &involved, &selects_in);
        let last = decided.status.history.first();
        self.memory.row(&key).said_goodbye = last.is_some_and(|last| last.outcome == Outcome::Abandoned);
        let whose = (&key, code_sync.metadata.uid.as_deref().unwrap_or_default());
        self.memory.checks.want(whose, &code_sync.spec, decided.checks, now);
        let next_try = self.memory.next_try(&key, now);
        self.memory.wakes.wake_at(&key, decided.wake_at.into_iter().chain(next_try).min());

        let changed = decided.status != status;
        if !changed && decided.actions.is_empty() {
            return;
        }
        let tasks = decided.actions.into_iter().filter_map(|action| self.task(&key, &code_sync, action, now));
        let pass = Pass {
            key: key.clone(),
            tasks: tasks.collect(),
            status: changed.then_some(decided.status),
            code_sync: Box::new(code_sync),
        };
        self.memory.wakes.begin(key);
        let (client, cluster) = (self.client.clone(), self.cluster.clone());
        let (metrics, notifier) = (self.tools.metrics.clone(), self.notifier.clone());
        let key = pass.key.clone();
        let carried_out =
            async move { pass::carry_out(&client, &cluster, (&metrics, &notifier), pass).await };
        let task = self.passes.spawn(carried_out);
        self.keys.insert(task.id(), key);
    }

    /// Keeps the looks as the spec wants them; gives back what is wrong with it.
    fn look_as_planned(
        &mut self,
        key: &CodeSyncKey,
        code_sync: &CodeSync,
        upstream: Option<&Upstream>,
        now: Timestamp,
    ) -> Option<String> {
        let namespace = key.namespace.as_str();
        let generation = code_sync.metadata.generation.unwrap_or_default();
        let secret = self.cluster.read(|snapshot| {
            let target = first_target(snapshot, namespace, &code_sync.spec)?;
            pull_secret(snapshot, namespace, &target).map(str::to_owned)
        });
        let pull_secret = Access::of_pull_secret(namespace, secret.as_deref());
        if let Some(planned) = &self.memory.row(key).planned
            && planned.generation == generation
            && planned.pull_secret == pull_secret
            && planned.upstream.as_ref() == upstream
        {
            return planned.invalid.clone();
        }
        let subscriber = |purpose| Subscriber { key: key.clone(), purpose };
        let is_restart = self.memory.row(key).planned.is_none()
            && code_sync.status.as_ref().is_some_and(|status| status.source.is_some());
        let urgency = if is_restart { Urgency::Spread } else { Urgency::AtOnce };
        let git_file_root = self.tools.git_file_root.as_deref();
        let goes = self.cluster.read(|snapshot| elsewhere::check(snapshot, namespace, &code_sync.spec));
        let plan = goes.and_then(|()| plan(&code_sync.spec, namespace, secret.as_deref(), upstream));
        let invalid = match plan.and_then(|plan| plan.allowed(git_file_root)) {
            Ok(plan) => {
                match plan.source {
                    Some(source) => {
                        self.memory.looks.subscribe(&subscriber(Purpose::Source), source, urgency, now);
                    }
                    None => self.memory.looks.unsubscribe(&subscriber(Purpose::Source)),
                }
                match plan.pin {
                    Some(pin) => {
                        self.memory.looks.subscribe(&subscriber(Purpose::Pin), pin, Urgency::AtOnce, now);
                    }
                    None => self.memory.looks.unsubscribe(&subscriber(Purpose::Pin)),
                }
                None
            }
            Err(invalid) => {
                for purpose in [Purpose::Source, Purpose::Pin] {
                    self.memory.looks.unsubscribe(&subscriber(purpose));
                }
                Some(invalid)
            }
        };
        self.memory.row(key).planned =
            Some(Planned { generation, pull_secret, upstream: upstream.cloned(), invalid: invalid.clone() });
        invalid
    }

    /// Looks if another replica received a webhook since the last decision; or just before the first one, when perhaps
    /// nobody led: else the first look would come within a minute, not at once.
    fn hear_of_hooks(&mut self, key: &CodeSyncKey, code_sync: &CodeSync, is_known: bool, now: Timestamp) {
        let annotations = code_sync.metadata.annotations.as_ref();
        let hooked_at = annotations.and_then(|annotations| annotations.get(HOOKED_AT)).cloned();
        let before = std::mem::replace(&mut self.memory.row(key).hooked_at, hooked_at.clone());
        let is_news = match &hooked_at {
            Some(hooked_at) if !is_known => is_recent(hooked_at, now),
            hooked_at => hooked_at.is_some() && *hooked_at != before,
        };
        if is_news {
            self.memory.looks.call(&Subscriber { key: key.clone(), purpose: Purpose::Source }, now);
        }
    }

    /// The request of `voxsync.dev/requestedAt`, once the look that it asks for is done.
    fn request(
        &mut self,
        key: &CodeSyncKey,
        code_sync: &CodeSync,
        invalid: bool,
        now: Timestamp,
    ) -> Option<String> {
        let request = code_sync.metadata.annotations.as_ref()?.get(REQUESTED_AT)?;
        let status = code_sync.status.as_ref();
        let is_handled = status.and_then(|status| status.last_handled_reconcile_at.as_ref()) == Some(request);
        // Found on an object without status it is recorded, not carried out: there is a first look anyway.
        let is_done = is_handled || invalid || status.is_none() || {
            let [source, pin] = [Purpose::Source, Purpose::Pin].map(|purpose| {
                self.memory.looks.request(&Subscriber { key: key.clone(), purpose }, request, now)
            });
            source && pin
        };
        is_done.then(|| request.clone())
    }

    /// What an action means for the API; `None` where it is decided anew.
    fn task(&self, key: &CodeSyncKey, code_sync: &CodeSync, action: Action, now: Timestamp) -> Option<Task> {
        match action {
            Action::Write(write) => {
                let prepared = self.cluster.read(|snapshot| {
                    let target = Target::find(snapshot, &key.namespace, &write.target)
                        .map_err(WriteProblem::Target)?;
                    let patch = reference_patch(target, &write, snapshot.shapes().of(write.target.kind))?;
                    Ok((patch, target.metadata().resource_version.clone()))
                });
                match prepared {
                    Ok((patch, seen)) => {
                        let told =
                            self.memory.refusal(key, &write.target, now).map(|refused| refused.message);
                        Some(Task::Write { target: write.target, patch, seen, told })
                    }
                    Err(WriteProblem::Stale) => None,
                    Err(problem) => {
                        warn!(code_sync = %key, target = %write.target, ?problem, "a decision cannot be written");
                        None
                    }
                }
            }
            Action::Record(spec) => {
                let outdated = self.cluster.read(|snapshot| {
                    let releases = snapshot.releases_of(&key.namespace, &spec.code_sync_uid);
                    let history = code_sync.spec.history.as_ref();
                    let code = ReleaseFact::released_by(&spec);
                    record::outdated(releases, (&spec.promotion, code.as_deref()), history, now)
                });
                Some(Task::Record { spec, outdated })
            }
            Action::Finalizer(wanted) => Some(Task::Finalizer(wanted)),
            Action::Event { kind, reason, message } => Some(Task::Event { kind, reason, message }),
        }
    }

    /// A CodeSync is gone: its targets keep what they have.
    fn gone(&mut self, key: &CodeSyncKey) {
        self.vouching.forget(key);
        let Some(row) = self.memory.forget(key).filter(|row| !row.said_goodbye) else { return };
        let (client, gone) = (self.client.clone(), key.clone());
        self.memory.wakes.begin(gone.clone());
        let task = self.passes.spawn(async move { pass::say_goodbye(&client, gone, row.uid).await });
        self.keys.insert(task.id(), key.clone());
    }
}

/// Whether this is the time of a webhook that perhaps nobody heard of; that of another clock may be ahead.
fn is_recent(hooked_at: &str, now: Timestamp) -> bool {
    hooked_at.parse::<Timestamp>().is_ok_and(|hooked_at| now.duration_since(hooked_at) < UNHEARD_LIMIT)
}

/// What has to stay verified, whatever the source names by now: what should run, and what is promoted.
fn kept(code_sync: &CodeSync) -> Vec<CandidateStatus> {
    let Some(status) = code_sync.status.as_ref().filter(|_| code_sync.spec.verify.is_some()) else {
        return Vec::new();
    };
    let wanted = status.candidate.as_ref();
    let promoted = status.promotion.as_ref().filter(|promotion| promotion.outcome.is_none());
    let is_other = |promoted: &&CandidateStatus| {
        wanted.is_none_or(|wanted| !is_same(wanted, promoted) || wanted.named_by != promoted.named_by)
    };
    let promoted = promoted.map(|promotion| &promotion.candidate).filter(is_other);
    wanted.into_iter().chain(promoted).cloned().collect()
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;

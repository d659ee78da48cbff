//! One pass: the status is stored, and then its actions are carried out. Here, and only here, the agent writes.
//!
//! Every write is conditional on what was seen. A refused condition is no error: what is there now is read, and
//! decided on again. Whatever the API gives back goes into the index at once, so that nobody decides on what was
//! before a write.

use futures::future::join_all;
use jiff::Timestamp;
use json_patch::Patch as JsonPatch;
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use tracing::{Instrument as _, debug, info, warn};
use voxsync_cluster::{Cluster, Object};
use voxsync_crds::{
    CodeRelease, CodeSync, Config, FIELD_MANAGER, Server,
    code_release::CodeReleaseSpec,
    code_sync::{CodeSyncStatus, TargetKind},
};
use voxsync_promotion::{EventKind, TargetKey};

use super::{
    events, record,
    store::{Stored, store},
};
use crate::{call::call, key::CodeSyncKey, metrics::Metrics, notify::Notifier, trace};

/// The longest text of the API server in a message of ours.
const FOREIGN_TEXT_LIMIT_BYTES: usize = 500;

/// What a decision leads to.
pub(crate) struct Pass {
    pub(crate) key: CodeSyncKey,
    pub(crate) code_sync: Box<CodeSync>,
    /// The new status, if it is another one.
    pub(crate) status: Option<CodeSyncStatus>,
    pub(crate) tasks: Vec<Task>,
}

/// One thing to do, independent of the others.
pub(crate) enum Task {
    /// Write a reference.
    Write {
        target: TargetKey,
        patch: JsonPatch,
        /// The resource version that the patch was made from.
        seen: Option<String>,
        /// What was said when it was refused before: it is said once.
        told: Option<String>,
    },
    /// Put the finalizer for gates on the CodeSync, or take it away.
    Finalizer(bool),
    /// Write the record of a promotion, and delete the outdated ones.
    Record { spec: Box<CodeReleaseSpec>, outdated: Vec<String> },
    /// Tell people.
    Event { kind: EventKind, reason: &'static str, message: String },
}

/// How a pass ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) key: CodeSyncKey,
    /// Whether something is to be tried again later.
    pub(crate) failed: bool,
    /// The targets that were written.
    pub(crate) written: Vec<TargetKey>,
    /// The targets whose write was refused for a reason that may last.
    pub(crate) refused: Vec<(TargetKey, Refusal)>,
    /// Why the record could not be written; none where it was.
    pub(crate) record: Option<Result<(), Refusal>>,
}

impl Ended {
    /// Nothing is left to do.
    fn well(key: CodeSyncKey) -> Self {
        Self { key, failed: false, written: Vec::new(), refused: Vec::new(), record: None }
    }

    /// Something is to be tried again later.
    pub(crate) fn failed(key: CodeSyncKey) -> Self {
        Self { failed: true, ..Self::well(key) }
    }
}

/// Why a write was refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) message: String,
}

/// How one task ended.
pub(super) enum TaskOutcome {
    Done,
    Written(TargetKey),
    Refused(TargetKey, Refusal),
    Recorded,
    NotRecorded(Refusal),
    Failed,
}

/// Carries out a pass.
pub(crate) async fn carry_out(
    client: &Client,
    cluster: &Cluster,
    tellers: (&Metrics, &Notifier),
    pass: Pass,
) -> Ended {
    let status = pass.status.as_ref().or(pass.code_sync.status.as_ref());
    let promotion =
        status.and_then(|status| status.promotion.as_ref()).map(|promotion| promotion.id.as_str());
    let span = trace::pass(&pass.key, promotion);
    Box::pin(store_and_carry_out(client, cluster, tellers, pass)).instrument(span).await
}

async fn store_and_carry_out(
    client: &Client,
    cluster: &Cluster,
    (metrics, notifier): (&Metrics, &Notifier),
    pass: Pass,
) -> Ended {
    let Pass { key, code_sync, status, tasks } = pass;
    let mut ended = Ended::well(key);
    if let Some(status) = &status {
        match store(client, cluster, &code_sync, status.clone()).await {
            Stored::Yes => metrics.wrote("CodeSync", "ok"),
            // What was decided is not stored, so it is not done.
            Stored::Conflict => {
                metrics.wrote("CodeSync", "conflict");
                // What came in between wakes the CodeSync; where nothing newer is to be seen, a retry does.
                return Ended { failed: true, ..ended };
            }
            Stored::No => {
                metrics.wrote("CodeSync", "failed");
                return Ended { failed: true, ..ended };
            }
        }
        metrics.advanced(code_sync.status.as_ref(), status);
    }
    let uid = code_sync.metadata.uid.as_deref().unwrap_or_default();
    let status = status.as_ref().or(code_sync.status.as_ref());
    let doer =
        Doer { client, cluster, metrics, notifier, key: &ended.key, uid, code_sync: &code_sync, status };
    let outcomes = join_all(tasks.into_iter().map(|task| doer.carry_out(task))).await;
    for outcome in outcomes {
        match outcome {
            TaskOutcome::Done => {}
            TaskOutcome::Written(target) => ended.written.push(target),
            TaskOutcome::Refused(target, refusal) => ended.refused.push((target, refusal)),
            TaskOutcome::Recorded => ended.record = Some(Ok(())),
            TaskOutcome::NotRecorded(refusal) => {
                ended.record = Some(Err(refusal));
                ended.failed = true;
            }
            TaskOutcome::Failed => ended.failed = true,
        }
    }
    ended
}

/// Says that a CodeSync is gone and its targets stay as they are.
pub(crate) async fn say_goodbye(client: &Client, key: CodeSyncKey, uid: String) -> Ended {
    let message =
        "deleted: its targets keep the code that they have, and nobody follows the source for them any more";
    events::publish(client, (&key, &uid), EventKind::Normal, "Deleted", message, Timestamp::now()).await;
    Ended::well(key)
}

/// Carries out the tasks of one CodeSync.
pub(super) struct Doer<'a> {
    pub(super) client: &'a Client,
    pub(super) cluster: &'a Cluster,
    pub(super) metrics: &'a Metrics,
    pub(super) key: &'a CodeSyncKey,
    pub(super) uid: &'a str,
    notifier: &'a Notifier,
    code_sync: &'a CodeSync,
    /// As it is stored.
    status: Option<&'a CodeSyncStatus>,
}

impl Doer<'_> {
    async fn carry_out(&self, task: Task) -> TaskOutcome {
        match task {
            Task::Write { target, patch, seen, told } => {
                let span = trace::write(&target);
                match target.kind {
                    TargetKind::Config => {
                        self.write::<Config>(target, patch, seen, told).instrument(span).await
                    }
                    TargetKind::Server => {
                        self.write::<Server>(target, patch, seen, told).instrument(span).await
                    }
                }
            }
            Task::Finalizer(wanted) => self.finalizer(wanted).await,
            Task::Record { spec, outdated } => self.record(*spec, outdated).await,
            Task::Event { kind, reason, message } => {
                self.say(kind, reason, &message).await;
                TaskOutcome::Done
            }
        }
    }

    async fn write<K>(
        &self,
        target: TargetKey,
        patch: JsonPatch,
        seen: Option<String>,
        told: Option<String>,
    ) -> TaskOutcome
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Serialize
            + Into<Object>,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), target.namespace_in(&self.key.namespace));
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let kind = target.kind.as_str();
        let error = match call(api.patch(&target.name, &parameters, &Patch::<()>::Json(patch))).await {
            Ok(written) => {
                info!(code_sync = %self.key, %target, "the code reference is written");
                self.metrics.wrote(kind, "ok");
                self.cluster.apply(written);
                return TaskOutcome::Written(target);
            }
            Err(error) => error,
        };
        // Whatever the reason: what is there now is what the next decision is made on.
        let present = call(api.get(&target.name)).await.ok();
        let version = present.as_ref().and_then(|present| present.meta().resource_version.clone());
        if let Some(present) = present {
            self.cluster.apply(present);
        }
        if is_condition(&error) && version != seen {
            debug!(code_sync = %self.key, %target, "the target changed in between");
            self.metrics.wrote(kind, "conflict");
            // What came in between wakes the CodeSync; where it was not seen yet, a retry does.
            return if version.is_some() { TaskOutcome::Done } else { TaskOutcome::Failed };
        }
        self.metrics.wrote(kind, "refused");
        let Some(message) = refusal(&target, &error) else {
            warn!(code_sync = %self.key, %target, %error, "the code reference could not be written");
            return TaskOutcome::Failed;
        };
        if is_condition(&error) {
            self.cluster.doubt_shapes();
        }
        warn!(code_sync = %self.key, %target, message, "the code reference was refused");
        if told.as_ref() != Some(&message) {
            self.say(EventKind::Warning, "WriteRefused", &message).await;
        }
        TaskOutcome::Refused(target, Refusal { message })
    }

    async fn record(&self, spec: CodeReleaseSpec, outdated: Vec<String>) -> TaskOutcome {
        let api: Api<CodeRelease> = Api::namespaced(self.client.clone(), &self.key.namespace);
        let release = record::release(&self.key.namespace, spec);
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = match call(api.create(&parameters, &release)).await {
            Err(kube::Error::Api(refusal)) if refusal.code == 409 => {
                call(api.get(&release.spec.promotion)).await
            }
            written => written,
        };
        match written {
            Ok(written) => self.cluster.apply(written),
            Err(error) => {
                warn!(code_sync = %self.key, %error, "the CodeRelease could not be written");
                self.metrics.wrote("CodeRelease", "failed");
                return match error {
                    kube::Error::Api(status) => {
                        TaskOutcome::NotRecorded(Refusal { message: said(&status.message).to_owned() })
                    }
                    _ => TaskOutcome::Failed,
                };
            }
        }
        self.metrics.wrote("CodeRelease", "ok");
        for name in outdated {
            if let Err(error) = call(api.delete(&name, &DeleteParams::default())).await {
                // It is outdated at the next release, too.
                debug!(code_sync = %self.key, name, %error, "an outdated CodeRelease could not be deleted");
            }
        }
        TaskOutcome::Recorded
    }

    async fn say(&self, kind: EventKind, reason: &str, message: &str) {
        let now = Timestamp::now();
        // It is put down at once; to publish an Event may take a while.
        self.notifier.tell(self.code_sync, self.status, (reason, message), now);
        events::publish(self.client, (self.key, self.uid), kind, reason, message, now).await;
    }
}

/// What is kept of a text of the API server.
fn said(message: &str) -> &str {
    message.get(..message.floor_char_boundary(FOREIGN_TEXT_LIMIT_BYTES)).unwrap_or_default()
}

/// Whether a condition of the write failed, or the API server finds the result invalid: it says both with 422.
fn is_condition(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || status.code == 422)
}

/// A refusal that will not pass by trying again soon, in words.
fn refusal(target: &TargetKey, error: &kube::Error) -> Option<String> {
    let kube::Error::Api(status) = error else { return None };
    let said = said(&status.message);
    match status.code {
        // Admission webhooks and policies answer with a code of their own choice, and their name in the message.
        _ if said.to_lowercase().contains("admission") => Some(format!(
            "{target}: the cluster's own admission control refuses the code reference, not voxsync: {said}"
        )),
        403 => Some(format!(
            "{target}: this account may not write it ({said}): give it the verb patch on {}s.openvox.voxpupuli.org",
            target.kind.as_str().to_lowercase()
        )),
        400 | 409 | 422 => Some(format!("{target}: the API server refuses the code reference: {said}")),
        _ => None,
    }
}

#[cfg(test)]
#[path = "pass_tests.rs"]
mod tests;

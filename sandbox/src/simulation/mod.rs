//! Plays what makes Deployments roll: the Deployment and `ReplicaSet` controllers, the scheduler and the nodes.
//!
//! Works on the store directly, as a cluster's own controllers would through an API server that never fails: faults
//! are for the clients under test. What to do is decided in pure functions; this file only says when.

mod agenda;
mod controllers;
mod deployment;
mod hands;
mod node;
mod pod;
mod replica_set;
mod revision;
mod rollout_status;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{sync::broadcast, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    api::Shared,
    json::{list, namespace, text},
    store::{Change, Changes, Key},
};

use agenda::Agenda;
use hands::Hands;

/// Events are forgotten after this time, as an API server does.
const EVENT_LIFETIME: Duration = Duration::from_hours(1);
const SWEEP_INTERVAL: Duration = Duration::from_mins(10);

/// Runs until stopped.
pub(crate) async fn run(shared: &Arc<Shared>, stop: CancellationToken) {
    let mut changes = subscribe(shared);
    let mut work = Work::everything(shared);
    let mut agenda = Agenda::default();
    agenda.add(Instant::now() + SWEEP_INTERVAL, Task::SweepEvents);
    loop {
        work.carry_out(shared, &mut agenda);
        tokio::select! {
            () = stop.cancelled() => return,
            received = changes.recv() => match received {
                Ok(change) => work.note(&change),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    changes = subscribe(shared);
                    work = Work::everything(shared);
                }
                Err(broadcast::error::RecvError::Closed) => return,
            },
            task = agenda.next() => work.add(task),
        }
        while let Ok(change) = changes.try_recv() {
            work.note(&change);
        }
    }
}

fn subscribe(shared: &Shared) -> Changes {
    let store = shared.store();
    store.subscribe()
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    Deployment(Key),
    ReplicaSet(Key),
    Pod(Key),
    /// A pod whose next step is due.
    PodStep(Key),
    SweepEvents,
}

/// What has to be looked at now, each thing once.
#[derive(Default)]
struct Work {
    tasks: BTreeSet<Task>,
}

impl Work {
    fn everything(shared: &Shared) -> Self {
        let store = shared.store();
        let mut work = Self::default();
        for (bucket, key, object) in store.everything() {
            work.note_object(&bucket.1, key, object);
        }
        work
    }

    fn add(&mut self, task: Task) {
        self.tasks.insert(task);
    }

    fn note(&mut self, change: &Change) {
        for object in [&change.before, &change.after].into_iter().flatten() {
            self.note_object(&change.bucket.1, &Key::of(object), object);
        }
    }

    fn note_object(&mut self, plural: &str, key: &Key, object: &Value) {
        match plural {
            "deployments" => self.add(Task::Deployment(key.clone())),
            "replicasets" => {
                self.add(Task::ReplicaSet(key.clone()));
                self.tasks.extend(owner(object, "Deployment").map(Task::Deployment));
            }
            "pods" => {
                self.add(Task::Pod(key.clone()));
                self.tasks.extend(owner(object, "ReplicaSet").map(Task::ReplicaSet));
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, shared: &Arc<Shared>, agenda: &mut Agenda) {
        if self.tasks.is_empty() {
            return;
        }
        let mut hands = Hands::new(shared);
        // A Deployment that recreates its pods waits for the last old one to be gone, which no status shows.
        let mut deployments = BTreeSet::new();
        for task in std::mem::take(&mut self.tasks) {
            match task {
                Task::Deployment(key) => controllers::deployment(&mut hands, agenda, &key),
                Task::ReplicaSet(key) => {
                    deployments.extend(controllers::replica_set(&mut hands, agenda, &key));
                }
                Task::Pod(key) => node::plan(&mut hands, agenda, &key),
                Task::PodStep(key) => node::step(&mut hands, agenda, &key),
                Task::SweepEvents => {
                    hands.forget_events(EVENT_LIFETIME);
                    agenda.add(Instant::now() + SWEEP_INTERVAL, Task::SweepEvents);
                }
            }
        }
        for key in deployments {
            controllers::deployment(&mut hands, agenda, &key);
        }
    }
}

/// Where an object's owner of a kind is.
fn owner(object: &Value, kind: &str) -> Option<Key> {
    list(object, "/metadata/ownerReferences")
        .iter()
        .find(|reference| text(reference, "/kind") == Some(kind))
        .and_then(|reference| text(reference, "/name"))
        .map(|name| Key::new(namespace(object), name))
}

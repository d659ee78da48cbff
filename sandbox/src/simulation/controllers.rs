//! The Deployment and `ReplicaSet` controllers: read the present state, ask what is next, and do it.
//!
//! Decisions are in `deployment`, `rollout_status` and `replica_set`.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Task,
    agenda::Agenda,
    deployment::{Step, View, steps},
    hands::{Hands, Part},
    replica_set::{self, Correction},
    revision::REVISION,
    rollout_status::status,
};
use crate::{
    json::{is_terminating, member_mut, metadata_mut, name, namespace, object_mut},
    store::Key,
};

const MANAGER: &str = "kube-controller-manager";

/// One look at a Deployment. Its own writes lead to the next look.
pub(crate) fn deployment(hands: &mut Hands<'_>, agenda: &mut Agenda, key: &Key) {
    let Some(live) = hands.get("deployments", key).filter(|live| !is_terminating(live)) else { return };
    let sets = hands.owned("replicasets", &live);
    let mut view = View { deployment: &live, sets: sets.iter().map(AsRef::as_ref).collect(), old_pods: 0 };
    let old = view.old_sets();
    view.old_pods = old.iter().map(|set| hands.owned("pods", set).len()).sum();

    let next = status(&view, hands.now);
    if let Some(seconds) = next.seconds_to_deadline {
        let delay = Duration::from_secs(seconds.max(1).unsigned_abs());
        agenda.add(Instant::now() + delay, Task::Deployment(key.clone()));
    }
    if live.get("status") != Some(&next.value) {
        let mut reported = Value::clone(&live);
        object_mut(&mut reported).insert("status".to_owned(), next.value.clone());
        hands.update("deployments", MANAGER, &live, reported, Part::Status);
    }
    for step in steps(&view) {
        take(hands, key, step);
    }
}

fn take(hands: &mut Hands<'_>, deployment: &Key, step: Step) {
    let place = |set: &str| Key::new(&deployment.namespace, set);
    match step {
        Step::Create(set) => {
            let (own, replicas) = (name(&set).to_owned(), set.pointer("/spec/replicas").cloned());
            if hands.create("replicasets", MANAGER, set).is_some() {
                let replicas = replicas.and_then(|replicas| replicas.as_i64()).unwrap_or(0);
                scaled(hands, deployment, &own, 0, replicas);
            }
        }
        Step::Scale { set, from, to } => {
            let Some(live) = hands.get("replicasets", &place(&set)) else { return };
            let mut changed = Value::clone(&live);
            member_mut(&mut changed, "spec").insert("replicas".to_owned(), json!(to));
            hands.update("replicasets", MANAGER, &live, changed, Part::Object);
            scaled(hands, deployment, &set, from, to);
        }
        Step::Number { set, revision } => {
            number(hands, "replicasets", &place(&set), revision);
            number(hands, "deployments", deployment, revision);
        }
        Step::Delete { set } => hands.delete("replicasets", &place(&set), None),
    }
}

fn scaled(hands: &mut Hands<'_>, deployment: &Key, set: &str, from: i64, to: i64) {
    let Some(live) = hands.get("deployments", deployment).filter(|_| from != to) else { return };
    let direction = if to > from { "up" } else { "down" };
    let message = format!("Scaled {direction} replica set {set} from {from} to {to}");
    hands.event(&live, "deployment-controller", "Normal", "ScalingReplicaSet", &message);
}

fn number(hands: &mut Hands<'_>, plural: &str, key: &Key, revision: i64) {
    let Some(live) = hands.get(plural, key) else { return };
    let mut changed = Value::clone(&live);
    object_mut(metadata_mut(&mut changed).entry("annotations").or_insert(Value::Null))
        .insert(REVISION.to_owned(), json!(revision.to_string()));
    let part = if plural == "deployments" { Part::Status } else { Part::Object };
    hands.update(plural, MANAGER, &live, changed, part);
}

/// One look at a `ReplicaSet`. Returns its Deployment.
pub(crate) fn replica_set(hands: &mut Hands<'_>, agenda: &mut Agenda, key: &Key) -> Option<Key> {
    let live = hands.get("replicasets", key).filter(|live| !is_terminating(live))?;
    correct(hands, &live);
    let pods = hands.owned("pods", &live);
    let pods: Vec<&Value> = pods.iter().map(AsRef::as_ref).collect();
    let counts = replica_set::count(&live, &pods, hands.now);
    if let Some(seconds) = counts.seconds_to_next {
        let delay = Duration::from_secs(seconds.max(1).unsigned_abs());
        agenda.add(Instant::now() + delay, Task::ReplicaSet(key.clone()));
    }
    let next = replica_set::status(&live, counts);
    if live.get("status") != Some(&next) {
        let mut reported = Value::clone(&live);
        object_mut(&mut reported).insert("status".to_owned(), next);
        hands.update("replicasets", MANAGER, &live, reported, Part::Status);
    }
    super::owner(&live, "Deployment")
}

fn correct(hands: &mut Hands<'_>, set: &Arc<Value>) {
    let pods = hands.owned("pods", set);
    let pods: Vec<&Value> = pods.iter().map(AsRef::as_ref).collect();
    match replica_set::correction(set, &pods) {
        Correction::Create(count) => {
            for _ in 0..count {
                let Some(pod) = hands.create("pods", MANAGER, replica_set::new_pod(set)) else { return };
                let message = format!("Created pod: {}", name(&pod));
                hands.event(set, "replicaset-controller", "Normal", "SuccessfulCreate", &message);
            }
        }
        Correction::Delete(names) => {
            for pod in names {
                hands.delete("pods", &Key::new(namespace(set), &pod), None);
                let message = format!("Deleted pod: {pod}");
                hands.event(set, "replicaset-controller", "Normal", "SuccessfulDelete", &message);
            }
        }
    }
}

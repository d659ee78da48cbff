//! What a `ReplicaSet` needs: pods to make or stop, and its status.
//!
//! Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::pod::{is_active, ready_since};
use crate::json::{list, name, namespace, number, text, uid};

/// The pods of a `ReplicaSet`, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) active: i64,
    pub(crate) ready: i64,
    pub(crate) available: i64,
    /// In so many seconds another pod becomes available by having been ready long enough.
    pub(crate) seconds_to_next: Option<i64>,
}

pub(crate) fn count(set: &Value, pods: &[&Value], now: Timestamp) -> Counts {
    let wanted_seconds = number(set, "/spec/minReadySeconds").unwrap_or(0);
    let mut counts = Counts::default();
    for pod in pods.iter().filter(|pod| is_active(pod)) {
        counts.active += 1;
        let Some(since) = ready_since(pod) else { continue };
        counts.ready += 1;
        let since = since.parse().unwrap_or(now);
        let missing = wanted_seconds - (now.as_second() - since.as_second());
        if wanted_seconds == 0 || missing <= 0 {
            counts.available += 1;
        } else {
            counts.seconds_to_next = Some(counts.seconds_to_next.map_or(missing, |other| other.min(missing)));
        }
    }
    counts
}

/// How many pods to make (positive), or which ones to stop.
#[derive(Debug, PartialEq)]
pub(crate) enum Correction {
    Create(i64),
    Delete(Vec<String>),
}

/// Compares what is wanted with what is there. Pods that are not ready are stopped first, then the newest.
pub(crate) fn correction(set: &Value, pods: &[&Value]) -> Correction {
    let wanted = number(set, "/spec/replicas").unwrap_or(1);
    let mut active: Vec<&&Value> = pods.iter().filter(|pod| is_active(pod)).collect();
    let have = i64::try_from(active.len()).unwrap_or(i64::MAX);
    if have <= wanted {
        return Correction::Create(wanted - have);
    }
    let made = |pod: &Value| text(pod, "/metadata/creationTimestamp").unwrap_or_default().to_owned();
    active
        .sort_by_key(|pod| (ready_since(pod).is_some(), std::cmp::Reverse(made(pod)), name(pod).to_owned()));
    let surplus = usize::try_from(have - wanted).unwrap_or(0);
    Correction::Delete(active.into_iter().take(surplus).map(|pod| name(pod).to_owned()).collect())
}

/// A new pod of a `ReplicaSet`.
pub(crate) fn new_pod(set: &Value) -> Value {
    let template = set.pointer("/spec/template").unwrap_or(&Value::Null);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": format!("{}-", name(set)), "namespace": namespace(set),
            "labels": template.pointer("/metadata/labels"),
            "annotations": template.pointer("/metadata/annotations"),
            "ownerReferences": [controller_reference(set)],
        },
        "spec": template.get("spec"),
    })
}

/// The reference that marks an object as controlled by an owner.
pub(crate) fn controller_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner.get("apiVersion"), "kind": owner.get("kind"), "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// The status of a `ReplicaSet`.
pub(crate) fn status(set: &Value, counts: Counts) -> Value {
    let mut status = json!({
        "replicas": counts.active, "observedGeneration": number(set, "/metadata/generation").unwrap_or(0),
    });
    let members = crate::json::object_mut(&mut status);
    for (name, value) in [
        ("fullyLabeledReplicas", counts.active),
        ("readyReplicas", counts.ready),
        ("availableReplicas", counts.available),
    ] {
        if value > 0 {
            members.insert(name.to_owned(), json!(value));
        }
    }
    let conditions = list(set, "/status/conditions");
    if !conditions.is_empty() {
        members.insert("conditions".to_owned(), json!(conditions));
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, ready_at: Option<&str>) -> Value {
        let conditions: Vec<Value> = ready_at
            .map(|at| json!({"type": "Ready", "status": "True", "lastTransitionTime": at}))
            .into_iter()
            .collect();
        json!({"metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
               "status": {"conditions": conditions}})
    }

    #[test]
    fn counts_wait_for_the_minimum_ready_time() {
        let set = json!({"spec": {"replicas": 2, "minReadySeconds": 30}});
        let pods =
            [pod("a", Some("2026-01-01T00:00:00Z")), pod("b", Some("2026-01-01T00:00:20Z")), pod("c", None)];
        let pods: Vec<&Value> = pods.iter().collect();
        let counts = count(&set, &pods, "2026-01-01T00:00:30Z".parse().unwrap());
        assert_eq!(counts, Counts { active: 3, ready: 2, available: 1, seconds_to_next: Some(20) });
    }

    #[test]
    fn unready_pods_are_stopped_first() {
        let pods = [pod("a", Some("2026-01-01T00:00:00Z")), pod("b", None)];
        let pods: Vec<&Value> = pods.iter().collect();
        assert_eq!(
            correction(&json!({"spec": {"replicas": 1}}), &pods),
            Correction::Delete(vec!["b".to_owned()])
        );
        assert_eq!(correction(&json!({"spec": {"replicas": 3}}), &pods), Correction::Create(1));
    }
}

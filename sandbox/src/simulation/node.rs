//! The scheduler and the nodes: pods get a node, start, and are stopped.
//!
//! Decides with the functions of `pod`, writes with the hands.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Task,
    agenda::Agenda,
    hands::{Hands, Part},
    pod::{self, Fate},
};
use crate::{
    json::{is_terminating, list, member_mut, object_mut, text},
    store::Key,
};

const NODE: &str = "sandbox-node";
const STOP_DELAY: Duration = Duration::from_millis(100);
/// A failed pull is tried again after the pod's age, within these bounds.
const PULL_RETRY_SECONDS: (i64, i64) = (10, 300);

/// Decides when a pod's next step is due.
pub(crate) fn plan(hands: &mut Hands<'_>, agenda: &mut Agenda, key: &Key) {
    let Some(pod) = hands.get("pods", key) else { return };
    if text(&pod, "/spec/nodeName").is_none() {
        if !is_terminating(&pod) {
            schedule(hands, &pod);
        }
        return;
    }
    let delay = if is_terminating(&pod) {
        STOP_DELAY
    } else if list(&pod, "/status/containerStatuses").is_empty() {
        pod::start_delay(&pod, hands.options.pod_start_delay)
    } else if text(&pod, "/status/phase") == Some("Pending") {
        pull_retry_delay(hands, &pod)
    } else {
        return;
    };
    agenda.add(Instant::now() + delay, Task::PodStep(key.clone()));
}

fn pull_retry_delay(hands: &Hands<'_>, pod: &Value) -> Duration {
    let made = text(pod, "/metadata/creationTimestamp").and_then(|made| made.parse().ok());
    let age = made.map_or(0, |made: jiff::Timestamp| hands.now.as_second() - made.as_second());
    let (shortest, longest) = PULL_RETRY_SECONDS;
    Duration::from_secs(age.clamp(shortest, longest).unsigned_abs())
}

fn schedule(hands: &mut Hands<'_>, pod: &Arc<Value>) {
    let mut placed = Value::clone(pod);
    member_mut(&mut placed, "spec").insert("nodeName".to_owned(), json!(NODE));
    hands.update("pods", "kube-scheduler", pod, placed, Part::Object);
    let message =
        format!("Successfully assigned {}/{} to {NODE}", crate::json::namespace(pod), crate::json::name(pod));
    hands.event(pod, "default-scheduler", "Normal", "Scheduled", &message);
}

/// Takes a pod's next step.
pub(crate) fn step(hands: &mut Hands<'_>, agenda: &mut Agenda, key: &Key) {
    let Some(pod) = hands.get("pods", key) else { return };
    if is_terminating(&pod) {
        hands.delete("pods", key, Some(0));
        return;
    }
    if text(&pod, "/status/phase") == Some("Running") || text(&pod, "/spec/nodeName").is_none() {
        return;
    }
    let pull = Arc::clone(&hands.options.pull_check);
    let fate = pod::fate(&pod, |reference| pull(reference));
    let is_retry = !list(&pod, "/status/containerStatuses").is_empty();
    let waiting = pod.pointer("/status/containerStatuses/0/state/waiting");
    if let (Fate::PullFails(failure), true) = (&fate, is_retry) {
        let same = waiting.is_some_and(|waiting| {
            text(waiting, "/reason") == Some(&failure.reason)
                && text(waiting, "/message") == Some(&failure.message)
        });
        if same {
            agenda.add(Instant::now() + pull_retry_delay(hands, &pod), Task::PodStep(key.clone()));
            return;
        }
    }
    let mut reported = Value::clone(&pod);
    let status = pod::status(&pod, &fate, &crate::stamp(hands.now));
    object_mut(&mut reported).insert("status".to_owned(), status);
    hands.update("pods", "kubelet", &pod, reported, Part::Status);
    report(hands, &pod, &fate);
}

fn report(hands: &mut Hands<'_>, pod: &Value, fate: &Fate) {
    match fate {
        Fate::PullFails(failure) => {
            hands.event(pod, "kubelet", "Warning", "Failed", &format!("Error: {}", failure.reason));
            hands.event(pod, "kubelet", "Warning", "BackOff", &failure.message);
        }
        Fate::Crashes => {
            let name = text(pod, "/spec/containers/0/name").unwrap_or_default().to_owned();
            let message = format!(
                "Back-off restarting failed container {name} in pod {}_{}({})",
                crate::json::name(pod),
                crate::json::namespace(pod),
                crate::json::uid(pod)
            );
            hands.event(pod, "kubelet", "Warning", "BackOff", &message);
        }
        Fate::NeverReady | Fate::Ready => {
            for container in list(pod, "/spec/containers") {
                let name = text(container, "/name").unwrap_or_default();
                hands.event(pod, "kubelet", "Normal", "Started", &format!("Container {name} started"));
            }
        }
    }
}

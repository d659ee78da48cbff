//! What becomes of a pod: its fate, by its images, and the status that its node reports.
//!
//! Pure; the answer to whether an image can be pulled is a parameter.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    json::{list, text},
    options::PullFailure,
};

const SLOW_DELAY: Duration = Duration::from_secs(5);
const CRASH_RESTARTS: i64 = 3;

/// How a pod's start ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    PullFails(PullFailure),
    Crashes,
    NeverReady,
    Ready,
}

/// All images that a pod names: its containers', and its volumes'.
pub(crate) fn references(pod: &Value) -> Vec<&str> {
    let images = |pointer| list(pod, pointer).iter().filter_map(|container| text(container, "/image"));
    images("/spec/initContainers")
        .chain(images("/spec/containers"))
        .chain(list(pod, "/spec/volumes").iter().filter_map(|volume| text(volume, "/image/reference")))
        .collect()
}

/// The fate that the words in a pod's images choose.
pub(crate) fn fate(pod: &Value, pull: impl Fn(&str) -> Option<PullFailure>) -> Fate {
    let references = references(pod);
    let says = |word: &str| references.iter().any(|reference| reference.contains(word));
    match references.iter().find_map(|reference| pull(reference)) {
        Some(failure) => Fate::PullFails(failure),
        None if says("crash") => Fate::Crashes,
        None if says("unready") => Fate::NeverReady,
        None => Fate::Ready,
    }
}

/// How long a pod takes to start, after it was scheduled.
pub(crate) fn start_delay(pod: &Value, usual: Duration) -> Duration {
    let is_slow = references(pod).iter().any(|reference| reference.contains("slow"));
    if is_slow { usual + SLOW_DELAY } else { usual }
}

/// The status of a pod that met its fate.
pub(crate) fn status(pod: &Value, fate: &Fate, stamp: &str) -> Value {
    let is_ready = *fate == Fate::Ready;
    let state = match fate {
        Fate::PullFails(PullFailure { reason, message }) => {
            json!({"waiting": {"reason": reason, "message": message}})
        }
        Fate::Crashes => json!({"waiting": {
            "reason": "CrashLoopBackOff",
            "message": "back-off 40s restarting failed container",
        }}),
        Fate::NeverReady | Fate::Ready => json!({"running": {"startedAt": stamp}}),
    };
    let is_pulled = !matches!(fate, Fate::PullFails(_));
    let crashed = json!({"terminated": {
        "exitCode": 1, "reason": "Error", "startedAt": stamp, "finishedAt": stamp,
    }});
    let containers: Vec<Value> = list(pod, "/spec/containers")
        .iter()
        .map(|container| {
            let image = text(container, "/image").unwrap_or_default();
            let mut status = json!({
                "name": text(container, "/name"), "image": image, "imageID": if is_pulled { image } else { "" },
                "ready": is_ready, "started": matches!(fate, Fate::Ready | Fate::NeverReady), "state": state,
                "restartCount": if *fate == Fate::Crashes { CRASH_RESTARTS } else { 0 },
            });
            if *fate == Fate::Crashes {
                crate::json::object_mut(&mut status).insert("lastState".to_owned(), crashed.clone());
            }
            status
        })
        .collect();
    let initialised: Vec<Value> = list(pod, "/spec/initContainers")
        .iter()
        .filter(|_| is_pulled)
        .map(|container| {
            let image = text(container, "/image").unwrap_or_default();
            json!({
                "name": text(container, "/name"), "image": image, "imageID": image, "ready": true,
                "restartCount": 0, "state": {"terminated": {
                    "exitCode": 0, "reason": "Completed", "startedAt": stamp, "finishedAt": stamp,
                }},
            })
        })
        .collect();
    let condition = |kind: &str, holds: bool| {
        let mut condition = json!({
            "type": kind, "status": if holds { "True" } else { "False" }, "lastTransitionTime": stamp,
        });
        if !holds {
            let names: Vec<&str> = list(pod, "/spec/containers")
                .iter()
                .filter_map(|container| text(container, "/name"))
                .collect();
            let members = crate::json::object_mut(&mut condition);
            members.insert("reason".to_owned(), json!("ContainersNotReady"));
            let message = format!("containers with unready status: [{}]", names.join(" "));
            members.insert("message".to_owned(), json!(message));
        }
        condition
    };
    let mut status = json!({
        "phase": if is_pulled { "Running" } else { "Pending" },
        "conditions": [
            condition("PodScheduled", true), condition("Initialized", true),
            condition("ContainersReady", is_ready), condition("Ready", is_ready),
        ],
        "containerStatuses": containers, "hostIP": "10.0.0.1", "startTime": stamp, "qosClass": "BestEffort",
        "podIP": if is_pulled { "10.244.0.2" } else { "" },
    });
    if !initialised.is_empty() {
        crate::json::object_mut(&mut status).insert("initContainerStatuses".to_owned(), json!(initialised));
    }
    status
}

/// Whether a pod's Ready condition is true, and since when.
pub(crate) fn ready_since(pod: &Value) -> Option<&str> {
    list(pod, "/status/conditions")
        .iter()
        .find(|condition| {
            text(condition, "/type") == Some("Ready") && text(condition, "/status") == Some("True")
        })
        .and_then(|condition| text(condition, "/lastTransitionTime"))
}

/// Whether a pod counts for its `ReplicaSet`.
pub(crate) fn is_active(pod: &Value) -> bool {
    !crate::json::is_terminating(pod) && !matches!(text(pod, "/status/phase"), Some("Failed" | "Succeeded"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("r/a:1", Fate::Ready)]
    #[case("r/crash:1", Fate::Crashes)]
    #[case("r/unready:1", Fate::NeverReady)]
    #[case("r/missing:1", Fate::PullFails(PullFailure::not_found("r/missing:1")))]
    fn words_choose_the_fate(#[case] reference: &str, #[case] expected: Fate) {
        let pod = json!({"spec": {"containers": [{"name": "server", "image": "server:8"}],
                                  "volumes": [{"name": "code", "image": {"reference": reference}}]}});
        let pull = crate::SandboxOptions::default().pull_check;
        assert_eq!(fate(&pod, |reference| pull(reference)), expected);
    }

    #[test]
    fn a_failed_pull_of_a_volume_is_the_containers_waiting_message() {
        let pod = json!({"spec": {"containers": [{"name": "server", "image": "server:8"}]}});
        let failed = Fate::PullFails(PullFailure::not_found("r/missing:1"));
        let status = status(&pod, &failed, "2026-01-01T00:00:00Z");
        assert_eq!(status["phase"], "Pending");
        let message = status["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
        assert!(message.contains("r/missing:1"), "{message}");
    }
}

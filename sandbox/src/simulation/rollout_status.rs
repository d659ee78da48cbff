//! The status of a Deployment: counters, and the conditions that `kubectl rollout status` reads.
//!
//! Pure; the present time is a parameter.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::deployment::View;
use crate::json::{list, name, number, object_mut, text};

/// A status, and in how many seconds the rollout would be too late.
pub(crate) struct Status {
    pub(crate) value: Value,
    pub(crate) seconds_to_deadline: Option<i64>,
}

/// What the Progressing condition should say.
struct Progress {
    status: &'static str,
    reason: &'static str,
    message: String,
    /// Whether something moved, which starts the deadline anew.
    moved: bool,
}

/// The status that a Deployment should have now.
pub(crate) fn status(view: &View<'_>, now: Timestamp) -> Status {
    let deployment = view.deployment;
    let new = view.new_set();
    let sum = |field: &str| -> i64 {
        view.sets.iter().map(|set| number(set, &format!("/status/{field}")).unwrap_or(0)).sum()
    };
    let updated = new.and_then(|set| number(set, "/status/replicas")).unwrap_or(0);
    let (total, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
    let mut value = json!({"observedGeneration": number(deployment, "/metadata/generation").unwrap_or(0)});
    let counters = [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", (total.max(view.replicas()) - available).max(0)),
    ];
    for (field, count) in counters.into_iter().filter(|(_, count)| *count > 0) {
        object_mut(&mut value).insert(field.to_owned(), json!(count));
    }

    let (_, unavailable) = view.surge_and_unavailable();
    let is_available = available >= view.replicas() - unavailable;
    let availability = if is_available {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let is_complete = updated == view.replicas()
        && total == view.replicas()
        && available == view.replicas()
        && new.is_some();
    let progressing = progress(view, new, is_complete, (updated, ready, available, total), now);
    let before = |kind: &str| {
        list(deployment, "/status/conditions").iter().find(|condition| text(condition, "/type") == Some(kind))
    };
    let conditions = [
        Some(condition(before("Available"), "Available", availability, false, now)),
        progressing.as_ref().map(|progress| {
            let said = (progress.status, progress.reason, progress.message.as_str());
            condition(before("Progressing"), "Progressing", said, progress.moved, now)
        }),
    ];
    let conditions: Vec<Value> = conditions.into_iter().flatten().collect();
    let waits = !is_complete && progressing.as_ref().is_some_and(|progress| progress.status == "True");
    let seconds_to_deadline = waits.then(|| seconds_left(deployment, conditions.get(1), now)).flatten();
    object_mut(&mut value).insert("conditions".to_owned(), json!(conditions));
    Status { value, seconds_to_deadline }
}

fn progress(
    view: &View<'_>,
    new: Option<&Value>,
    is_complete: bool,
    (updated, ready, available, total): (i64, i64, i64, i64),
    now: Timestamp,
) -> Option<Progress> {
    let deployment = view.deployment;
    let said = list(deployment, "/status/conditions")
        .iter()
        .find(|condition| text(condition, "/type") == Some("Progressing"));
    let reason = said.and_then(|condition| text(condition, "/reason"));
    let is_paused = deployment.pointer("/spec/paused") == Some(&json!(true));
    let plain = |status, reason, message: &str| Progress {
        status,
        reason,
        message: message.to_owned(),
        moved: false,
    };
    if is_paused {
        return Some(plain("Unknown", "DeploymentPaused", "Deployment is paused"));
    }
    let Some(new) = new else {
        return said
            .map(|_| plain("True", "ReplicaSetUpdated", "Deployment is waiting for its old pods to stop."));
    };
    let set = name(new);
    let was_complete_for_this = reason == Some("NewReplicaSetAvailable")
        && said.and_then(|said| text(said, "/message")).is_some_and(|message| message.contains(set));
    if is_complete || was_complete_for_this {
        let message = format!("ReplicaSet \"{set}\" has successfully progressed.");
        return Some(Progress { status: "True", reason: "NewReplicaSetAvailable", message, moved: false });
    }
    let earlier = |field: &str| number(deployment, &format!("/status/{field}")).unwrap_or(0);
    let old_before = earlier("replicas") - earlier("updatedReplicas");
    let moved = updated > earlier("updatedReplicas")
        || total - updated < old_before
        || ready > earlier("readyReplicas")
        || available > earlier("availableReplicas");
    let was_late = reason == Some("ProgressDeadlineExceeded")
        && said.and_then(|said| text(said, "/message")).is_some_and(|message| message.contains(set));
    let is_late = seconds_left(deployment, said, now).is_some_and(|seconds| seconds <= 0)
        && said.and_then(|said| text(said, "/message")).is_some_and(|message| message.contains(set));
    if !moved && (was_late || (reason == Some("ReplicaSetUpdated") && is_late)) {
        let message = format!("ReplicaSet \"{set}\" has timed out progressing.");
        return Some(Progress { status: "False", reason: "ProgressDeadlineExceeded", message, moved: false });
    }
    let message = format!("ReplicaSet \"{set}\" is progressing.");
    let moved = moved
        || reason != Some("ReplicaSetUpdated")
        || said.and_then(|said| text(said, "/message")) != Some(&message);
    Some(Progress { status: "True", reason: "ReplicaSetUpdated", message, moved })
}

fn seconds_left(deployment: &Value, condition: Option<&Value>, now: Timestamp) -> Option<i64> {
    let deadline = number(deployment, "/spec/progressDeadlineSeconds")?;
    let since: Timestamp =
        condition.and_then(|condition| text(condition, "/lastUpdateTime"))?.parse().ok()?;
    Some(since.as_second() + deadline - now.as_second())
}

fn condition(
    before: Option<&Value>,
    kind: &str,
    (status, reason, message): (&str, &str, &str),
    moved: bool,
    now: Timestamp,
) -> Value {
    let stamp = json!(crate::stamp(now));
    let of = |field: &str| before.and_then(|before| before.get(field)).cloned();
    let same_status = of("status") == Some(json!(status));
    let same = same_status && of("reason") == Some(json!(reason)) && of("message") == Some(json!(message));
    let transition = of("lastTransitionTime").filter(|_| same_status).unwrap_or_else(|| stamp.clone());
    let update = of("lastUpdateTime").filter(|_| same && !moved).unwrap_or(stamp);
    json!({
        "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": transition,
        "lastUpdateTime": update,
    })
}

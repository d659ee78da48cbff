//! How far the rollout of a Server's code is.
//!
//! It speaks only of pods that carry the wanted code: the old template may be perfectly healthy, and says nothing.

use std::{borrow::Borrow, fmt};

use k8s_openapi::api::{
    apps::v1::{Deployment, DeploymentStatus, ReplicaSet},
    core::v1::Pod,
};
use voxsync_crds::{Server, annotations::gate};

use crate::{
    owner,
    part::Part,
    replica_set,
    resolve::{ResolveProblem, ServerCode},
    stuck,
    template::{TemplateProblem, template},
};

/// The longest message that is kept of what Kubernetes says.
pub const MESSAGE_LIMIT_BYTES: usize = 1024;

/// Reasons that heal by themselves: there is no place for a pod now, or it may not be created now.
const HEALING_REASONS: [&str; 3] = ["Unschedulable", "FailedCreate", "QuotaExceeded"];

/// How far a Server is on the way to running the code that it must run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutState {
    /// The pod template does not have the code yet; the old template may be perfectly healthy.
    Pending,
    /// The template has the code, and voxsync holds the Deployment back until it is its turn.
    Gated(Progress),
    /// A person paused the Deployment: the template may have the code, the pods will not get it.
    PausedByPerson,
    /// Pods go from the old template to the new one.
    Progressing(Progress),
    /// All pods run the code, and are available.
    Complete(Progress),
    /// A pod of the new template cannot start.
    Stuck(Stuck),
    /// The Deployment's own progress deadline passed, and nothing but time could still help.
    TimedOut {
        /// What the Deployment's condition says.
        message: String,
    },
    /// It cannot be told or done: no Deployment, a foreign owner, no main container.
    Impossible {
        /// A word for programs, for instance `DeploymentMissing`.
        reason: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
}

/// How many pods are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pods of the new template.
    pub updated: u32,
    /// Pods of the new template that are ready.
    pub ready: u32,
    /// Pods that there should be.
    pub wanted: u32,
}

/// A pod of the new template that cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The pod's own reason, for instance `ImagePullBackOff`.
    pub reason: String,
    /// The pod; the `ReplicaSet` where it is not even allowed to create pods.
    pub pod: String,
    /// The pod's own message.
    pub message: String,
    /// Which image the reason is about.
    pub image: StuckImage,
}

/// Which image a pod cannot get; only the kubelet's message tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StuckImage {
    /// The code image.
    Code,
    /// The image of the server itself, or of another container.
    Server,
    /// It is not about an image, or the message does not say.
    Unknown,
}

impl Stuck {
    /// Whether it heals by itself often enough: a place for a pod may be found. The Deployment's progress deadline
    /// bounds the wait.
    pub fn may_heal(&self) -> bool {
        HEALING_REASONS.contains(&self.reason.as_str())
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {} ready", self.ready, self.wanted)
    }
}

impl From<&ResolveProblem> for RolloutState {
    fn from(problem: &ResolveProblem) -> Self {
        Self::Impossible { reason: problem.reason(), message: bounded(&problem.to_string()) }
    }
}

impl From<&TemplateProblem> for RolloutState {
    fn from(problem: &TemplateProblem) -> Self {
        Self::Impossible { reason: problem.reason(), message: bounded(&problem.to_string()) }
    }
}

/// How far a Server is on the way to the code that it must run.
///
/// `replica_sets` and `pods` are those of the Server's Deployment; others among them are left out by their owner.
pub fn rollout(
    code: &ServerCode,
    server: &Server,
    deployment: Option<&Deployment>,
    replica_sets: &[impl Borrow<ReplicaSet>],
    pods: &[impl Borrow<Pod>],
) -> RolloutState {
    measure(code, server, deployment, replica_sets, pods).0
}

/// As [`rollout`], with how many pods are where, whatever the state.
pub fn measure(
    code: &ServerCode,
    server: &Server,
    deployment: Option<&Deployment>,
    replica_sets: &[impl Borrow<ReplicaSet>],
    pods: &[impl Borrow<Pod>],
) -> (RolloutState, Progress) {
    let Some(deployment) = deployment else {
        return (deployment_missing(), Progress::default());
    };
    let spec = deployment.spec.as_ref();
    let wanted = count(spec.map_or(Some(1), |spec| spec.replicas.or(Some(1))));
    let none_yet = Progress { updated: 0, ready: 0, wanted };
    match template(deployment, server, code) {
        Err(problem) => return (RolloutState::from(&problem), none_yet),
        Ok(Some(_)) => return (RolloutState::Pending, none_yet),
        Ok(None) => {}
    }
    let status = deployment.status.clone().unwrap_or_default();
    let is_paused = spec.is_some_and(|spec| spec.paused == Some(true));
    let is_gated = is_paused && gate(deployment.metadata.annotations.as_ref()).is_some();
    let waiting = || {
        let state = match is_paused {
            true if is_gated => RolloutState::Gated(none_yet),
            true => RolloutState::PausedByPerson,
            false => RolloutState::Progressing(none_yet),
        };
        (state, none_yet)
    };

    if status.observed_generation < deployment.metadata.generation {
        return waiting();
    }
    let newest = replica_set::newest(deployment, replica_sets);
    let Some(newest) = newest.filter(|newest| carries(newest, deployment, server, code)) else {
        return waiting();
    };
    let updated = count(status.updated_replicas);
    let ready = count(newest.status.as_ref().and_then(|status| status.ready_replicas));
    let progress = Progress { updated, ready: ready.min(updated), wanted };
    // Fewer would leave old pods, or the promise of new ones, out of account.
    let is_complete =
        updated >= wanted && count(status.replicas) == updated && count(status.available_replicas) >= wanted;
    if is_complete {
        // All pods are of the new template, so the Deployment's own number is theirs; the ReplicaSet's may be older.
        let ready = progress.ready.max(count(status.ready_replicas).min(updated));
        let progress = Progress { ready, ..progress };
        return (RolloutState::Complete(progress), progress);
    }
    // What is gated here rolled before the gate: the gate holds nothing back.
    if is_paused && !is_gated {
        return (RolloutState::PausedByPerson, progress);
    }
    let own_pods = replica_set::pods_of(newest, pods);
    let stuck = stuck::stuck_pod(&own_pods, code).or_else(|| stuck::without_pods(deployment, newest));
    let state = match (stuck, deadline_message(&status)) {
        (Some(stuck), Some(message)) if stuck.may_heal() => {
            let message = format!("{message} {}: {}: {}", stuck.pod, stuck.reason, stuck.message);
            RolloutState::TimedOut { message: bounded(&message) }
        }
        (Some(stuck), _) => RolloutState::Stuck(stuck),
        (None, Some(message)) => RolloutState::TimedOut { message: bounded(message) },
        (None, None) => RolloutState::Progressing(progress),
    };
    (state, progress)
}

/// Whether the newest template that the Deployment controller made a `ReplicaSet` for has the code that the Server must
/// run, and the present template too: then no pod is replaced on account of the code, paused or not.
pub fn was_rolled_out(
    code: &ServerCode,
    server: &Server,
    deployment: &Deployment,
    replica_sets: &[impl Borrow<ReplicaSet>],
) -> bool {
    template(deployment, server, code) == Ok(None)
        && replica_set::newest(deployment, replica_sets)
            .is_some_and(|newest| carries(newest, deployment, server, code))
}

/// Whether the Deployment is between two templates: the pods of the old one may be gone, and those of the new one are not
/// asked for yet. Who pauses it now leaves it without pods.
pub fn is_between_templates(deployment: &Deployment) -> bool {
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = count(deployment.spec.as_ref().map_or(Some(1), |spec| spec.replicas.or(Some(1))));
    let mut conditions = status.conditions.iter().flatten();
    // Its `ReplicaSet` is there, and tries.
    let cannot_create = conditions.any(|one| one.type_ == "ReplicaFailure" && one.status == "True");
    status.observed_generation < deployment.metadata.generation
        || (wanted > 0 && count(status.updated_replicas) == 0 && !cannot_create)
}

/// What a message keeps of a text from outside.
pub(crate) fn bounded(text: &str) -> String {
    let end = (0..=MESSAGE_LIMIT_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default().to_owned()
}

fn deployment_missing() -> RolloutState {
    let message = "the Server has no Deployment yet; voxsync never creates one: see what openvox-operator says of \
                   this Server";
    RolloutState::Impossible { reason: "DeploymentMissing", message: message.to_owned() }
}

fn carries(replica_set: &ReplicaSet, deployment: &Deployment, server: &Server, code: &ServerCode) -> bool {
    let Some(template) = replica_set.spec.as_ref().and_then(|spec| spec.template.as_ref()) else {
        return false;
    };
    let part = owner::maker(deployment, server).and_then(|maker| Part::find(template, code, maker));
    part.is_ok_and(|part| part.is_right())
}

fn deadline_message(status: &DeploymentStatus) -> Option<&str> {
    let conditions = status.conditions.as_deref()?;
    let exceeded = conditions.iter().find(|condition| {
        condition.reason.as_deref() == Some("ProgressDeadlineExceeded") && condition.status == "False"
    })?;
    Some(exceeded.message.as_deref().unwrap_or_default())
}

fn count(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;

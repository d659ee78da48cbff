//! Why a pod cannot start, by its own words.

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{ContainerStatus, Pod},
};
use voxsync_crds::CodeReference;

use crate::{
    resolve::ServerCode,
    state::{Stuck, StuckImage, bounded},
};

/// The reasons of a waiting container that do not end by waiting (kubelet 1.36).
const STUCK_REASONS: [&str; 10] = [
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "CrashLoopBackOff",
    "CreateContainerError",
    "CreateContainerConfigError",
    "ImageVolumeMountFailed",
    "RunContainerError",
];

/// The first pod, by name, that cannot start.
pub(crate) fn stuck_pod(pods: &[&Pod], code: &ServerCode) -> Option<Stuck> {
    pods.iter().find_map(|pod| stuck_container(pod, code).or_else(|| unschedulable(pod)))
}

/// Whether the `ReplicaSet` cannot even create its pods: a quota, or an admission webhook.
pub(crate) fn without_pods(deployment: &Deployment, replica_set: &ReplicaSet) -> Option<Stuck> {
    let conditions = deployment.status.as_ref()?.conditions.as_deref()?;
    let failure = conditions
        .iter()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
    let message = failure.message.as_deref().unwrap_or_default();
    let own_reason = failure.reason.as_deref().unwrap_or("ReplicaFailure");
    Some(Stuck {
        reason: if message.contains("exceeded quota") { "QuotaExceeded" } else { own_reason }.to_owned(),
        pod: replica_set.metadata.name.clone().unwrap_or_default(),
        message: bounded(message),
        image: StuckImage::Unknown,
    })
}

fn stuck_container(pod: &Pod, code: &ServerCode) -> Option<Stuck> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    containers.into_iter().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|reason| STUCK_REASONS.contains(reason))?;
        let message = waiting.message.as_deref().unwrap_or_default();
        Some(Stuck {
            reason: reason.to_owned(),
            pod: pod.metadata.name.clone().unwrap_or_default(),
            message: bounded(message),
            image: image(reason, message, container, code),
        })
    })
}

fn unschedulable(pod: &Pod) -> Option<Stuck> {
    const REASON: &str = "Unschedulable";
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let scheduled = conditions.iter().find(|condition| condition.type_ == "PodScheduled")?;
    let is_stuck = scheduled.status == "False" && scheduled.reason.as_deref() == Some(REASON);
    is_stuck.then(|| Stuck {
        reason: REASON.to_owned(),
        pod: pod.metadata.name.clone().unwrap_or_default(),
        message: bounded(scheduled.message.as_deref().unwrap_or_default()),
        image: StuckImage::Unknown,
    })
}

/// A code image that cannot be pulled shows as the container's own failure; only the message names it.
fn image(reason: &str, message: &str, container: &ContainerStatus, code: &ServerCode) -> StuckImage {
    let is_about_volume = [reason, message].iter().any(|text| text.contains("ImageVolumeMountFailed"));
    if is_about_volume || code.references().any(|reference| names_image(message, reference)) {
        StuckImage::Code
    } else if names_image(message, &container.image) {
        StuckImage::Server
    } else {
        StuckImage::Unknown
    }
}

/// Whether a message names an image, as it is written or, as container runtimes do, by digest without the tag.
fn names_image(message: &str, image: &str) -> bool {
    let without_tag = CodeReference::parse(image)
        .ok()
        .and_then(|image| Some(format!("{}@{}", image.repository(), image.digest()?)));
    std::iter::once(image).chain(without_tag.as_deref()).any(|name| has_word(message, name))
}

/// `registry/code:1` is not a word of a message about `registry/code:10`.
fn has_word(message: &str, word: &str) -> bool {
    let is_part_of_a_name = |char: char| char.is_ascii_alphanumeric() || "._-@/".contains(char);
    !word.is_empty()
        && message.match_indices(word).any(|(at, _)| {
            let before = message.get(..at).and_then(|text| text.chars().next_back());
            let mut after = message.get(at + word.len()..).unwrap_or_default().chars();
            // A colon or full stop goes on with a name only if more of it follows: `code:1: not found` does not.
            let goes_on = match after.next() {
                Some(':' | '.') => after.next().is_some_and(is_part_of_a_name),
                next => next.is_some_and(is_part_of_a_name),
            };
            !goes_on && !before.is_some_and(|char| is_part_of_a_name(char) && char != '/')
        })
}

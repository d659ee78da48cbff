//! Checks of kind `job`: a Job of Kubernetes must succeed.
//!
//! A Job is made once a try: its name comes from all that makes it another one, so that whoever restarts finds it again,
//! and makes none twice. Its pod gets what a check needs and no more: no token, no user root, no file system that it could
//! write but `/tmp`.
//!
//! Its name can be known before it is made, so that one that is there is asked only if it is as it would be made
//! ([`is_made_of`]).
//!
//! The last words of its pod are in the pod's status (`FallbackToLogsOnError`), so that no right to read logs is needed.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::{
        Job, JobCondition, JobSpec, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern,
        PodFailurePolicyRule,
    },
    core::v1::{
        Capabilities, Container, ContainerState, EmptyDirVolumeSource, EnvVar, ImageVolumeSource,
        LocalObjectReference, Pod, PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile,
        SecurityContext, Volume, VolumeMount,
    },
};
use k8s_openapi::apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::OwnerReference};
use kube::core::ObjectMeta;
use sha2::{Digest as _, Sha256};
use voxsync_crds::code_sync::JobCheck;
use voxsync_promotion::CheckRun;

mod own;

use crate::{Answer, answer::line};
pub use own::is_made_of;

/// How long a Job may take where nothing is said.
pub const USUAL_TIMEOUT: Duration = Duration::from_mins(10);
/// How long one that ended can be looked at.
const KEPT_SECONDS: i32 = 24 * 60 * 60;
/// And one that is made because the one before it had no answer: there may be many of those.
const KEPT_AFTER_SILENCE_SECONDS: i32 = 60 * 60;
/// How much longer than its pod a Job may take: for a node to be found, and the image to come there.
const START_SECONDS: i64 = 60;
/// What a pod may write to `/tmp`.
const TEMPORARY_LIMIT: &str = "1Gi";
/// How much of a check's name is in the name of its Job, which has at most 63 characters.
const NAME_CHARACTERS: usize = 30;
const HASH_BYTES: usize = 8;
/// How much of what a pod said a message shows.
const SHOWN_WORDS_CHARACTERS: usize = 160;

const CONTAINER: &str = "check";
const CODE: &str = "code";
const TEMPORARY: &str = "temporary";
/// Why a container waits that will not start by itself soon.
const CANNOT_START: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];
/// What a node says of a container that was not started before the pod's time was over.
const NEVER_STARTED: &str = "ContainerStatusUnknown";
const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";

/// What a Job is made of.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// What it checks.
    pub run: &'a CheckRun,
    /// What the spec says of it.
    pub check: &'a JobCheck,
    /// How long its pod may run.
    pub timeout: Duration,
    /// Whose it is: it goes with the CodeSync.
    pub owner: &'a OwnerReference,
    /// The namespace of both.
    pub namespace: &'a str,
    /// As what its pod runs.
    pub service_account: &'a str,
    /// The Secret with a login for the code image, for a pod that mounts that.
    pub pull_secret: Option<&'a str>,
    /// Which try of its promotion, counted from 1.
    pub attempt: u32,
    /// How many before it, in a row, ended without an answer.
    pub silences: u32,
}

/// How a Job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It runs, or waits for a node.
    Underway(Answer),
    /// It ended, for good.
    Ended(Answer),
}

/// The name of a Job: another one for another try, candidate, or spec of the check.
pub fn name(order: &Order<'_>) -> String {
    let Order {
        run,
        check,
        timeout,
        owner,
        namespace: _,
        service_account: _,
        pull_secret: _,
        attempt,
        silences: _,
    } = order;
    let JobCheck { image, command, environment, code_path } = check;
    let environment = environment.iter().flat_map(|(name, value)| [name, value]);
    let parts = [&owner.uid, &run.promotion, &run.stage, &run.check, &run.reference, image];
    let code_path = code_path.iter();
    let all = parts.into_iter().chain(command).chain(environment).chain(code_path);
    let mut hash = Sha256::new();
    // Each with its length: what is at the end of one is not the beginning of the next.
    for part in all {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.update([command.len(), check.environment.len()].map(usize::to_be_bytes).concat());
    hash.update(timeout.as_secs().to_be_bytes());
    hash.update(attempt.to_be_bytes());
    let hash = hex::encode(hash.finalize().get(..HASH_BYTES).unwrap_or_default());
    let shown: String = run.check.chars().take(NAME_CHARACTERS).collect();
    format!("voxsync-{}-{hash}", shown.trim_end_matches('-'))
}

/// The Job itself.
pub fn job(order: &Order<'_>) -> Job {
    let labels = labels(order);
    let seconds = i64::try_from(order.timeout.as_secs()).unwrap_or(i64::MAX);
    Job {
        metadata: ObjectMeta {
            name: Some(name(order)),
            namespace: Some(order.namespace.to_owned()),
            labels: Some(labels.clone()),
            owner_references: Some(vec![order.owner.clone()]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            backoff_limit: Some(0),
            active_deadline_seconds: Some(seconds.saturating_add(START_SECONDS)),
            ttl_seconds_after_finished: Some(if order.silences == 0 {
                KEPT_SECONDS
            } else {
                KEPT_AFTER_SILENCE_SECONDS
            }),
            // A node that is drained says nothing of the code.
            pod_failure_policy: Some(PodFailurePolicy {
                rules: vec![PodFailurePolicyRule {
                    action: "Ignore".to_owned(),
                    on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                        type_: "DisruptionTarget".to_owned(),
                        status: Some("True".to_owned()),
                    }]),
                    ..PodFailurePolicyRule::default()
                }],
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
                spec: Some(pod(order, seconds)),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

fn labels(order: &Order<'_>) -> BTreeMap<String, String> {
    let labels = [
        ("app.kubernetes.io/managed-by", "voxsync"),
        ("voxsync.dev/code-sync", order.owner.name.as_str()),
        ("voxsync.dev/stage", order.run.stage.as_str()),
        ("voxsync.dev/check", order.run.check.as_str()),
    ];
    labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn pod(order: &Order<'_>, seconds: i64) -> PodSpec {
    let code = order.check.code_path.as_ref().map(|path| {
        let volume = Volume {
            name: CODE.to_owned(),
            image: Some(ImageVolumeSource {
                reference: Some(order.run.reference.clone()),
                pull_policy: None,
            }),
            ..Volume::default()
        };
        (volume, mount(CODE, path, true))
    });
    let temporary = Volume {
        name: TEMPORARY.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(TEMPORARY_LIMIT.to_owned())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    };
    let (volumes, mounts) =
        [Some((temporary, mount(TEMPORARY, "/tmp", false))), code].into_iter().flatten().unzip();
    let command = &order.check.command;
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(order.check.image.clone()),
        command: (!command.is_empty()).then(|| command.clone()),
        env: Some(environment(order)),
        volume_mounts: Some(mounts),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    };
    // A pod with Secrets of its own gets none of its service account: only where that must be.
    let secret = order.pull_secret.filter(|_| order.check.code_path.is_some());
    let secrets = secret.map(|name| vec![LocalObjectReference { name: name.to_owned() }]);
    PodSpec {
        restart_policy: Some("Never".to_owned()),
        // Of the pod, so that it can still be seen why it took too long: a Job deletes its pods.
        active_deadline_seconds: Some(seconds),
        service_account_name: Some(order.service_account.to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        image_pull_secrets: secrets,
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        volumes: Some(volumes),
        containers: vec![container],
        ..PodSpec::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// What the spec says, and then what it cannot change.
fn environment(order: &Order<'_>) -> Vec<EnvVar> {
    let own = [
        ("VOXSYNC_REFERENCE", order.run.reference.as_str()),
        ("VOXSYNC_STAGE", order.run.stage.as_str()),
        ("VOXSYNC_CODESYNC", order.owner.name.as_str()),
        ("VOXSYNC_PROMOTION", order.run.promotion.as_str()),
    ];
    let given = order.check.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let given = given.filter(|(name, _)| own.iter().all(|(own, _)| own != name));
    let variable = |(name, value): (&str, &str)| EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..EnvVar::default()
    };
    given.chain(own).map(variable).collect()
}

/// When a Job ended, if it did.
pub fn ended_at(job: &Job) -> Option<Timestamp> {
    Some(ending(job)?.last_transition_time.as_ref()?.0)
}

fn ending(job: &Job) -> Option<&JobCondition> {
    let mut conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.find(|condition| {
        condition.status == "True" && matches!(condition.type_.as_str(), "Complete" | "Failed")
    })
}

/// What a Job and its pods say.
pub fn judge(job: &Job, pods: &[Pod]) -> Progress {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let Some(ended) = ending(job) else { return Progress::Underway(underway(name, pods)) };
    Progress::Ended(if ended.type_ == "Complete" {
        Answer::passed(format!("Job {name} succeeded"))
    } else if ended.reason.as_deref() == Some(DEADLINE_EXCEEDED) {
        // Its pod's own time would have ended before, had there been one on a node.
        Answer::unreachable(format!("Job {name}: no node ran its pod in time"))
    } else {
        failed(name, pods)
    })
}

fn underway(name: &str, pods: &[Pod]) -> Answer {
    let waiting = pods.iter().filter_map(state).find_map(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    if !CANNOT_START.contains(&reason) {
        return Answer::undecided(format!("Job {name} is under way"));
    }
    let said = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
    Answer::unreachable(format!("Job {name} cannot start ({reason}): {}", line(said, SHOWN_WORDS_CHARACTERS)))
}

/// Why a Job failed: what the last pod that did says.
fn failed(name: &str, pods: &[Pod]) -> Answer {
    let is_late = |pod: &Pod| {
        pod.status.as_ref().is_some_and(|status| status.reason.as_deref() == Some(DEADLINE_EXCEEDED))
    };
    let newest = pods.iter().max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let ended = newest.and_then(state).and_then(|state| state.terminated.as_ref());
    let late = newest.is_some_and(is_late);
    if late && ended.is_none_or(|ended| ended.reason.as_deref() == Some(NEVER_STARTED)) {
        return Answer::unreachable(format!("Job {name}: its container did not start in time"));
    }
    let said = ended.and_then(|ended| ended.message.as_deref()).map(last_words).unwrap_or_default();
    let how = match (late, ended) {
        (true, _) => "did not end in time".to_owned(),
        (false, Some(ended)) => format!("failed with exit code {}", ended.exit_code),
        (false, None) => "failed".to_owned(),
    };
    Answer::failed(if said.is_empty() {
        format!("Job {name} {how}")
    } else {
        format!("Job {name} {how}: {said}")
    })
}

/// The end of what a pod said: mostly the reason.
fn last_words(message: &str) -> String {
    let message = message.trim_end();
    let count = message.chars().count();
    match count.checked_sub(SHOWN_WORDS_CHARACTERS) {
        None | Some(0) => line(message, SHOWN_WORDS_CHARACTERS),
        Some(rest) => {
            let end: String = message.chars().skip(rest + 1).collect();
            format!("…{}", line(&end, SHOWN_WORDS_CHARACTERS))
        }
    }
}

fn state(pod: &Pod) -> Option<&ContainerState> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == CONTAINER)?.state.as_ref()
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;

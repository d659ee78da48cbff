//! What is kept of an object: all that no decision needs is dropped on arrival.
//!
//! Positions in lists stay as they are, and so does whether a list or map is there at all, because patches name them;
//! nothing that was dropped is ever written back.

use std::mem;

use k8s_openapi::{
    api::{
        apps::v1::{
            Deployment, DeploymentSpec, DeploymentStatus, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus,
        },
        core::v1::{
            Container, ContainerState, ContainerStatus, Pod, PodSpec, PodStatus, PodTemplateSpec, Volume,
        },
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::{Map, Value};
use voxsync_crds::{CodeSync, Config, Server};

/// kubectl keeps a second copy of the whole object in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotations that something is decided by, by the start of their names: ours, the operator's, and the revision that
/// a `ReplicaSet` is of.
const DECISIVE_ANNOTATIONS: [&str; 3] =
    ["voxsync.dev/", "openvox.voxpupuli.org/", "deployment.kubernetes.io/revision"];

/// What is most of a pod and its template, and what nothing is decided by: it is not even read.
pub(crate) const UNREAD_OF_WORKLOADS: &[&str] = &[
    "affinity",
    "args",
    "command",
    "configMap",
    "env",
    "envFrom",
    "initContainers",
    "lifecycle",
    "livenessProbe",
    "managedFields",
    "ports",
    "projected",
    "readinessProbe",
    "resources",
    "secret",
    "securityContext",
    "startupProbe",
    "tolerations",
    "topologySpreadConstraints",
];

pub(crate) fn config(object: &mut Config) {
    metadata(&mut object.metadata);
    object.other.clear();
    spec(&mut object.spec.other);
    if let Some(puppet) = &mut object.spec.puppet {
        puppet.other.clear();
    }
}

pub(crate) fn server(object: &mut Server) {
    metadata(&mut object.metadata);
    object.other.clear();
    spec(&mut object.spec.other);
}

/// The image's pull secrets are no part of the code, and must not be taken for one.
fn spec(other: &mut Map<String, Value>) {
    other.retain(|field, _| field == "image");
}

pub(crate) fn code_sync(object: &mut CodeSync) {
    object.metadata.managed_fields = None;
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

pub(crate) fn deployment(object: &mut Deployment) {
    workload(&mut object.metadata);
    if let Some(spec) = &mut object.spec {
        template(&mut spec.template);
        *spec = DeploymentSpec {
            paused: spec.paused,
            replicas: spec.replicas,
            selector: mem::take(&mut spec.selector),
            template: mem::take(&mut spec.template),
            ..DeploymentSpec::default()
        };
    }
    if let Some(status) = &mut object.status {
        *status = DeploymentStatus {
            available_replicas: status.available_replicas,
            conditions: status.conditions.take(),
            observed_generation: status.observed_generation,
            ready_replicas: status.ready_replicas,
            replicas: status.replicas,
            updated_replicas: status.updated_replicas,
            ..DeploymentStatus::default()
        };
        // What is as it should be says nothing.
        let is_well =
            |kind: &str, status: &str| matches!(kind, "Available" | "Progressing") && status == "True";
        let conditions = status.conditions.iter_mut();
        conditions.for_each(|all| all.retain(|one| !is_well(&one.type_, &one.status)));
    }
}

/// A Deployment that does not select its pods by a Server is only ever in the way of one.
pub(crate) fn foreign_deployment(object: Deployment) -> Deployment {
    let selector = object.spec.map(|spec| spec.selector).unwrap_or_default();
    Deployment {
        metadata: ObjectMeta {
            name: object.metadata.name,
            namespace: object.metadata.namespace,
            uid: object.metadata.uid,
            resource_version: object.metadata.resource_version,
            ..ObjectMeta::default()
        },
        spec: Some(DeploymentSpec { selector, ..DeploymentSpec::default() }),
        status: None,
    }
}

pub(crate) fn replica_set(object: &mut ReplicaSet) {
    workload(&mut object.metadata);
    if let Some(spec) = &mut object.spec {
        spec.template.iter_mut().for_each(template);
        *spec = ReplicaSetSpec { template: spec.template.take(), ..ReplicaSetSpec::default() };
    }
    if let Some(status) = &mut object.status {
        *status = ReplicaSetStatus {
            ready_replicas: status.ready_replicas,
            replicas: status.replicas,
            ..ReplicaSetStatus::default()
        };
    }
}

/// Of a pod, what code it runs, since when, whether it is ready, and what keeps it from starting.
pub(crate) fn pod(object: &mut Pod) {
    workload(&mut object.metadata);
    object.metadata.annotations = None;
    if let Some(spec) = &mut object.spec {
        let holds_code = |volume: &Volume| volume.image.is_some() || volume.persistent_volume_claim.is_some();
        let volumes = spec.volumes.take().into_iter().flatten().filter(holds_code).map(volume);
        *spec = PodSpec { volumes: Some(volumes.collect()), ..PodSpec::default() };
    }
    if let Some(status) = &mut object.status {
        *status = PodStatus {
            conditions: status.conditions.take(),
            container_statuses: status.container_statuses.take().map(waiting),
            init_container_statuses: status.init_container_statuses.take().map(waiting),
            start_time: status.start_time.take(),
            ..PodStatus::default()
        };
        let conditions = status.conditions.iter_mut();
        conditions.for_each(|all| {
            all.retain(|one| {
                matches!(
                    (one.type_.as_str(), one.status.as_str()),
                    ("Ready", "True") | ("PodScheduled", "False")
                )
            });
        });
    }
}

/// Whether what is kept of a pod says why it may not start.
pub(crate) fn is_troubled(pod: &Pod) -> bool {
    pod.status.as_ref().is_some_and(|status| {
        let waiting = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
        let mut conditions = status.conditions.iter().flatten();
        waiting.count() > 0 || conditions.any(|condition| condition.type_ == "PodScheduled")
    })
}

/// The containers that wait for something.
fn waiting(containers: Vec<ContainerStatus>) -> Vec<ContainerStatus> {
    let keep = |container: ContainerStatus| {
        let waiting = container.state.and_then(|state| state.waiting)?;
        Some(ContainerStatus {
            name: container.name,
            image: container.image,
            state: Some(ContainerState { waiting: Some(waiting), ..ContainerState::default() }),
            ..ContainerStatus::default()
        })
    };
    containers.into_iter().filter_map(keep).collect()
}

/// Configs and Servers are selected by their labels.
fn metadata(metadata: &mut ObjectMeta) {
    let labels = metadata.labels.take();
    workload(metadata);
    metadata.labels = labels;
    metadata.owner_references = None;
}

fn workload(metadata: &mut ObjectMeta) {
    let is_decisive = |name: &str| DECISIVE_ANNOTATIONS.iter().any(|start| name.starts_with(start));
    if let Some(annotations) = &mut metadata.annotations {
        annotations.retain(|name, _| is_decisive(name));
    }
    *metadata = ObjectMeta {
        annotations: metadata.annotations.take(),
        creation_timestamp: metadata.creation_timestamp.take(),
        deletion_timestamp: metadata.deletion_timestamp.take(),
        generation: metadata.generation,
        name: metadata.name.take(),
        namespace: metadata.namespace.take(),
        owner_references: metadata.owner_references.take(),
        resource_version: metadata.resource_version.take(),
        uid: metadata.uid.take(),
        ..ObjectMeta::default()
    };
}

fn template(template: &mut PodTemplateSpec) {
    template.metadata.iter_mut().for_each(workload);
    if let Some(spec) = &mut template.spec {
        *spec = PodSpec {
            containers: mem::take(&mut spec.containers).into_iter().map(container).collect(),
            image_pull_secrets: spec.image_pull_secrets.take(),
            volumes: spec.volumes.take().map(|volumes| volumes.into_iter().map(volume).collect()),
            ..PodSpec::default()
        };
    }
}

fn container(container: Container) -> Container {
    Container { name: container.name, volume_mounts: container.volume_mounts, ..Container::default() }
}

fn volume(volume: Volume) -> Volume {
    Volume {
        name: volume.name,
        image: volume.image,
        persistent_volume_claim: volume.persistent_volume_claim,
        empty_dir: volume.empty_dir,
        ..Volume::default()
    }
}

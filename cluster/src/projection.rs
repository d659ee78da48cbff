//! What is kept of an object: all that no decision needs is dropped on arrival.
//!
//! Ten thousand Servers with Deployments of 8 KB each are otherwise a gigabyte. Positions in lists stay as they
//! are, because patches name them; nothing that was dropped is ever written back.

use std::mem;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, ReplicaSet},
        core::v1::{Container, Pod, PodSpec, PodTemplateSpec, Volume},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::{Map, Value};
use voxsync_crds::{CodeSync, Config, Server};

/// kubectl keeps a second copy of the whole object in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

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
    metadata(&mut object.metadata);
}

pub(crate) fn deployment(object: &mut Deployment) {
    metadata(&mut object.metadata);
    if let Some(spec) = &mut object.spec {
        template(&mut spec.template);
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
    metadata(&mut object.metadata);
    if let Some(kept) = object.spec.as_mut().and_then(|spec| spec.template.as_mut()) {
        template(kept);
    }
}

pub(crate) fn pod(object: &mut Pod) {
    metadata(&mut object.metadata);
    if let Some(spec) = &mut object.spec {
        pod_spec(spec);
    }
}

fn metadata(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

fn template(template: &mut PodTemplateSpec) {
    if let Some(spec) = &mut template.spec {
        pod_spec(spec);
    }
}

fn pod_spec(spec: &mut PodSpec) {
    *spec = PodSpec {
        containers: containers(mem::take(&mut spec.containers)),
        init_containers: spec.init_containers.take().map(containers),
        image_pull_secrets: spec.image_pull_secrets.take(),
        node_name: spec.node_name.take(),
        volumes: spec.volumes.take().map(|volumes| volumes.into_iter().map(volume).collect()),
        ..PodSpec::default()
    };
}

fn containers(containers: Vec<Container>) -> Vec<Container> {
    let keep = |container: Container| Container {
        name: container.name,
        image: container.image,
        volume_mounts: container.volume_mounts,
        ..Container::default()
    };
    containers.into_iter().map(keep).collect()
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

//! What pods really run.
//!
//! A pod's own spec is all that is known: the digest of an image volume is in no pod status, so a reference without
//! a digest does not tell what runs.

use std::borrow::Borrow;

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Pod, Volume},
};

use crate::{part::is_code_volume_name, replica_set, resolve::CodeSource};

/// One code volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningCode {
    /// The volume's name.
    pub volume: String,
    /// What is mounted.
    pub source: CodeSource,
}

/// The code that a pod was started with, in the order of its volumes.
pub fn code_of_pod(pod: &Pod) -> Vec<RunningCode> {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    let code = volumes.iter().filter(|volume| is_code_volume_name(&volume.name));
    code.filter_map(|volume| Some(RunningCode { volume: volume.name.clone(), source: source(volume)? }))
        .collect()
}

/// Whether a pod serves: it is Ready, and not on its way out.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_ready =
        conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    is_ready && pod.metadata.deletion_timestamp.is_none()
}

/// Since when the present pod template runs: the start of its oldest Ready pod.
pub fn since(
    deployment: &Deployment,
    replica_sets: &[impl Borrow<ReplicaSet>],
    pods: &[impl Borrow<Pod>],
) -> Option<Timestamp> {
    let newest = replica_set::newest(deployment, replica_sets)?;
    let ready = replica_set::pods_of(newest, pods).into_iter().filter(|pod| is_ready(pod));
    ready.filter_map(|pod| Some(pod.status.as_ref()?.start_time.as_ref()?.0)).min()
}

fn source(volume: &Volume) -> Option<CodeSource> {
    if let Some(image) = &volume.image {
        return Some(CodeSource::Image {
            reference: image.reference.clone()?,
            pull_policy: image.pull_policy.clone().unwrap_or_default(),
        });
    }
    let claim = volume.persistent_volume_claim.as_ref()?;
    Some(CodeSource::Claim { name: claim.claim_name.clone() })
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;

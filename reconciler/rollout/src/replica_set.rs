//! Which `ReplicaSet` is the present one of a Deployment, and which pods are its own.

use std::borrow::Borrow;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

/// On `ReplicaSets`: counts the templates of a Deployment; going back to an old template makes it the newest again.
const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";

/// The `ReplicaSet` of the Deployment's newest template that the Deployment controller made one for.
pub(crate) fn newest<'sets>(
    deployment: &Deployment,
    replica_sets: &'sets [impl Borrow<ReplicaSet>],
) -> Option<&'sets ReplicaSet> {
    let owned = replica_sets
        .iter()
        .map(Borrow::borrow)
        .filter(|set: &&ReplicaSet| is_owned_by(&set.metadata, &deployment.metadata));
    owned.max_by_key(|set| revision(&set.metadata))
}

/// The pods of a `ReplicaSet` that are not on their way out, by name.
pub(crate) fn pods_of<'pods>(replica_set: &ReplicaSet, pods: &'pods [impl Borrow<Pod>]) -> Vec<&'pods Pod> {
    let mut own: Vec<&Pod> = pods
        .iter()
        .map(Borrow::borrow)
        .filter(|pod: &&Pod| pod.metadata.deletion_timestamp.is_none())
        .filter(|pod| is_owned_by(&pod.metadata, &replica_set.metadata))
        .collect();
    own.sort_by(|one, two| one.metadata.name.cmp(&two.metadata.name));
    own
}

fn is_owned_by(metadata: &ObjectMeta, owner: &ObjectMeta) -> bool {
    let mut references = metadata.owner_references.iter().flatten();
    references
        .any(|reference| reference.controller == Some(true) && Some(&reference.uid) == owner.uid.as_ref())
}

fn revision(metadata: &ObjectMeta) -> u64 {
    let annotation = metadata.annotations.as_ref().and_then(|all| all.get(REVISION_ANNOTATION));
    annotation.and_then(|revision| revision.parse().ok()).unwrap_or_default()
}

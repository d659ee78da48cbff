//! A Deployment's revisions: each pod template has its `ReplicaSet`, named by a hash and counted.
//!
//! Pure.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::replica_set::controller_reference;
use crate::json::{metadata_mut, name, namespace, number, object_mut, text};

/// The label that tells one template's pods from another's.
pub(crate) const HASH_LABEL: &str = "pod-template-hash";
/// Counts the templates of a Deployment.
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
const HASH_CHARACTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A short name for a pod template.
pub(crate) fn template_hash(deployment: &Value) -> String {
    let template = deployment.pointer("/spec/template").unwrap_or(&Value::Null).to_string();
    let digest = Sha256::digest(template.as_bytes());
    let at =
        |byte: &u8| HASH_CHARACTERS.get(usize::from(*byte) % HASH_CHARACTERS.len()).copied().unwrap_or(b'x');
    digest.iter().take(10).map(|byte| char::from(at(byte))).collect()
}

pub(crate) fn revision(object: &Value) -> i64 {
    object
        .pointer("/metadata/annotations")
        .and_then(|annotations| text(annotations, "/deployment.kubernetes.io~1revision"))
        .and_then(|revision| revision.parse().ok())
        .unwrap_or(0)
}

/// A `ReplicaSet` for a Deployment's present template.
pub(crate) fn new_set(deployment: &Value, replicas: i64, revision: i64) -> Value {
    let hash = template_hash(deployment);
    let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
    let labels = object_mut(metadata_mut(&mut template).entry("labels").or_insert(Value::Null));
    labels.insert(HASH_LABEL.to_owned(), json!(hash));
    let labels = Value::Object(labels.clone());
    let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_default();
    crate::json::member_mut(&mut selector, "matchLabels").insert(HASH_LABEL.to_owned(), json!(hash));
    let mut annotations = deployment.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({}));
    object_mut(&mut annotations).remove("kubectl.kubernetes.io/last-applied-configuration");
    object_mut(&mut annotations).insert(REVISION.to_owned(), json!(revision.to_string()));
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", name(deployment)), "namespace": namespace(deployment), "labels": labels,
            "annotations": annotations, "ownerReferences": [controller_reference(deployment)],
        },
        "spec": {
            "replicas": replicas, "selector": selector, "template": template,
            "minReadySeconds": number(deployment, "/spec/minReadySeconds").unwrap_or(0),
        },
    })
}

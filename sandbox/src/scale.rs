//! The `scale` subresource: an object's replicas, seen as an `autoscaling/v1` Scale.
//!
//! Pure.

use serde_json::{Value, json};

use crate::{
    json::{name, namespace, number, object_mut, text},
    refusal::Refusal,
    resource::{Resource, ScalePaths},
};

/// The Scale of an object.
pub(crate) fn shown(paths: &ScalePaths, object: &Value) -> Value {
    let labels: Vec<String> = object
        .pointer("/spec/selector/matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let selector = match &paths.selector {
        Some(pointer) => text(object, pointer).unwrap_or_default().to_owned(),
        None => labels.join(","),
    };
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": name(object), "namespace": namespace(object),
            "uid": object.pointer("/metadata/uid"), "resourceVersion": object.pointer("/metadata/resourceVersion"),
            "creationTimestamp": object.pointer("/metadata/creationTimestamp"),
        },
        "spec": {"replicas": number(object, &paths.spec_replicas).unwrap_or(0)},
        "status": {"replicas": number(object, &paths.status_replicas).unwrap_or(0), "selector": selector},
    })
}

/// The object with the replicas that a Scale wants.
pub(crate) fn scaled(
    resource: &Resource,
    paths: &ScalePaths,
    object: &Value,
    scale: &Value,
) -> Result<Value, Refusal> {
    let wanted = scale.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    if !wanted.is_empty() && Some(wanted) != text(object, "/metadata/resourceVersion") {
        return Err(Refusal::modified(resource, name(object)));
    }
    let replicas = number(scale, "/spec/replicas").unwrap_or(0);
    let mut scaled = object.clone();
    let mut place = &mut scaled;
    for part in paths.spec_replicas.split('/').filter(|part| !part.is_empty()) {
        place = object_mut(place).entry(part).or_insert(Value::Null);
    }
    *place = json!(replicas);
    Ok(scaled)
}

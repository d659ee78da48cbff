//! The columns that `kubectl get` shows for built-in resources.
//!
//! Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    column::{Column, age, age_cell, name_cell},
    json::{list, number, text},
};

type CellOf = fn(&Value, Timestamp) -> Value;

/// The columns of a built-in resource, by its plural.
pub(crate) fn columns(plural: &str) -> Vec<Column> {
    let name = Column::computed("Name", 0, name_cell);
    let middle: &[(&str, i64, CellOf)] = match plural {
        "namespaces" | "persistentvolumeclaims" => &[("Status", 0, phase)],
        "secrets" => &[("Type", 0, kind_of_secret), ("Data", 0, count_of_data)],
        "configmaps" => &[("Data", 0, count_of_data)],
        "leases" => &[("Holder", 0, holder)],
        "nodes" => &[("Status", 0, node_status)],
        "events" => return events(),
        "customresourcedefinitions" => {
            let created: CellOf = |object, _| json!(text(object, "/metadata/creationTimestamp"));
            return vec![name, Column::computed("Created At", 0, created)];
        }
        "deployments" => &[
            ("Ready", 0, ready_of_deployment),
            ("Up-to-date", 0, |object, _| json!(number(object, "/status/updatedReplicas").unwrap_or(0))),
            ("Available", 0, |object, _| json!(number(object, "/status/availableReplicas").unwrap_or(0))),
        ],
        "replicasets" => &[
            ("Desired", 0, |object, _| json!(number(object, "/spec/replicas").unwrap_or(0))),
            ("Current", 0, |object, _| json!(number(object, "/status/replicas").unwrap_or(0))),
            ("Ready", 0, |object, _| json!(number(object, "/status/readyReplicas").unwrap_or(0))),
        ],
        "pods" => &[("Ready", 0, ready_of_pod), ("Status", 0, status_of_pod), ("Restarts", 0, restarts)],
        _ => &[],
    };
    let wide: &[(&str, i64, CellOf)] = match plural {
        "deployments" | "replicasets" => {
            &[("Containers", 1, containers), ("Images", 1, images), ("Selector", 1, selector)]
        }
        "pods" => &[("IP", 1, pod_address), ("Node", 1, node_name)],
        _ => &[],
    };
    let made = |&(name, priority, cell): &(&str, i64, CellOf)| Column::computed(name, priority, cell);
    let age = Column::computed("Age", 0, age_cell);
    std::iter::once(name).chain(middle.iter().map(made)).chain([age]).chain(wide.iter().map(made)).collect()
}

fn events() -> Vec<Column> {
    vec![
        Column::computed("Last Seen", 0, |object, now| {
            let stamp = text(object, "/series/lastObservedTime")
                .or_else(|| text(object, "/lastTimestamp"))
                .or_else(|| text(object, "/eventTime"))
                .or_else(|| text(object, "/metadata/creationTimestamp"));
            json!(age(stamp.unwrap_or_default(), now))
        }),
        Column::computed("Type", 0, |object, _| json!(text(object, "/type"))),
        Column::computed("Reason", 0, |object, _| json!(text(object, "/reason"))),
        Column::computed("Object", 0, |object, _| {
            let kind = text(object, "/involvedObject/kind").unwrap_or_default().to_lowercase();
            json!(format!("{kind}/{}", text(object, "/involvedObject/name").unwrap_or_default()))
        }),
        Column::computed("Message", 0, |object, _| json!(text(object, "/message").map(str::trim))),
        Column::computed("Name", 1, name_cell),
    ]
}

fn phase(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/status/phase"))
}

fn kind_of_secret(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/type"))
}

fn count_of_data(object: &Value, _: Timestamp) -> Value {
    let count = |name: &str| object.get(name).and_then(Value::as_object).map_or(0, serde_json::Map::len);
    json!(count("data") + count("binaryData"))
}

fn holder(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/spec/holderIdentity"))
}

fn node_status(_: &Value, _: Timestamp) -> Value {
    json!("Ready")
}

fn ready_of_deployment(object: &Value, _: Timestamp) -> Value {
    let ready = number(object, "/status/readyReplicas").unwrap_or(0);
    json!(format!("{ready}/{}", number(object, "/spec/replicas").unwrap_or(0)))
}

fn ready_of_pod(object: &Value, _: Timestamp) -> Value {
    let ready = list(object, "/status/containerStatuses")
        .iter()
        .filter(|status| status.get("ready") == Some(&Value::Bool(true)))
        .count();
    json!(format!("{ready}/{}", list(object, "/spec/containers").len()))
}

fn status_of_pod(object: &Value, _: Timestamp) -> Value {
    if crate::json::is_terminating(object) {
        return json!("Terminating");
    }
    let waiting = list(object, "/status/containerStatuses")
        .iter()
        .find_map(|status| text(status, "/state/waiting/reason"));
    json!(waiting.or_else(|| text(object, "/status/phase")).unwrap_or("Pending"))
}

fn restarts(object: &Value, _: Timestamp) -> Value {
    let counts =
        list(object, "/status/containerStatuses").iter().filter_map(|status| number(status, "/restartCount"));
    json!(counts.sum::<i64>().to_string())
}

fn pod_address(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/status/podIP").unwrap_or("<none>"))
}

fn node_name(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/spec/nodeName").unwrap_or("<none>"))
}

fn joined(object: &Value, member: &str) -> Value {
    let texts: Vec<&str> = list(object, "/spec/template/spec/containers")
        .iter()
        .filter_map(|container| container.get(member).and_then(Value::as_str))
        .collect();
    json!(texts.join(","))
}

fn containers(object: &Value, _: Timestamp) -> Value {
    joined(object, "name")
}

fn images(object: &Value, _: Timestamp) -> Value {
    joined(object, "image")
}

fn selector(object: &Value, _: Timestamp) -> Value {
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let texts: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!(texts.join(","))
}

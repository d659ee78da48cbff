//! What the API server refuses about built-in objects and about names, as far as this project can get it wrong.
//!
//! Pure.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::{
    json::{list, name, text},
    refusal::Cause,
    selector::Selector,
};

/// All annotations of one object together, keys and values.
const ANNOTATION_BYTES: usize = 256 * 1024;

static SUBDOMAIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").ok());
static QUALIFIED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$").ok()
});
static LABEL_VALUE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$").ok());

fn fits(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// What is wrong with an object's metadata. `has_free_name`: RBAC objects are called what people like.
pub(crate) fn metadata(object: &Value, has_free_name: bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    let own = name(object);
    if own.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if own.len() > 253 || !(has_free_name || fits(&SUBDOMAIN, own)) {
        let detail = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                      and must start and end with an alphanumeric character";
        causes.push(Cause::invalid("metadata.name", &json!(own).to_string(), detail));
    }
    let map = |pointer: &str| object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    for (key, value) in map("/metadata/labels") {
        if !fits(&QUALIFIED, key) {
            let detail = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and \
                          end with an alphanumeric character";
            causes.push(Cause::invalid("metadata.labels", &json!(key).to_string(), detail));
        }
        if !fits(&LABEL_VALUE, value.as_str().unwrap_or_default()) {
            let detail = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
                          '.', and must start and end with an alphanumeric character, and be no more than 63 \
                          characters";
            causes.push(Cause::invalid("metadata.labels", &value.to_string(), detail));
        }
    }
    let mut bytes = 0;
    for (key, value) in map("/metadata/annotations") {
        bytes += key.len() + value.as_str().unwrap_or_default().len();
        if !fits(&QUALIFIED, &key.to_lowercase()) {
            let detail = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and \
                          end with an alphanumeric character";
            causes.push(Cause::invalid("metadata.annotations", &json!(key).to_string(), detail));
        }
    }
    if bytes > ANNOTATION_BYTES {
        let message = format!("Too long: may not be more than {ANNOTATION_BYTES} bytes");
        causes.push(Cause::new("FieldValueTooLong", "metadata.annotations", message));
    }
    causes
}

/// What is wrong with a built-in object, given its state before.
pub(crate) fn built_in(plural: &str, object: &Value, before: Option<&Value>) -> Vec<Cause> {
    match plural {
        "deployments" | "replicasets" => workload(object, before),
        "pods" => pod_spec(object.get("spec").unwrap_or(&Value::Null), "spec"),
        "secrets" | "configmaps" => immutable_data(object, before),
        _ => Vec::new(),
    }
}

fn immutable_data(object: &Value, before: Option<&Value>) -> Vec<Cause> {
    let Some(before) = before else { return Vec::new() };
    let mut causes = Vec::new();
    if before.get("immutable") == Some(&json!(true)) && before.get("data") != object.get("data") {
        let message = "Forbidden: field is immutable when `immutable` is set".to_owned();
        causes.push(Cause::new("FieldValueForbidden", "data", message));
    }
    if before.get("type") != object.get("type") {
        let shown = object.get("type").unwrap_or(&Value::Null).to_string();
        causes.push(Cause::invalid("type", &shown, "field is immutable"));
    }
    causes
}

fn workload(object: &Value, before: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let selector = object.pointer("/spec/selector").unwrap_or(&Value::Null);
    let template = object.pointer("/spec/template").unwrap_or(&Value::Null);
    if *selector == json!({}) || selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if !Selector::of_workload(selector).matches(template) {
        let shown = template.pointer("/metadata/labels").unwrap_or(&Value::Null).to_string();
        let detail = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", &shown, detail));
    }
    if before.is_some_and(|before| before.pointer("/spec/selector") != Some(selector)) {
        causes.push(Cause::invalid("spec.selector", &selector.to_string(), "field is immutable"));
    }
    let spec = template.get("spec").unwrap_or(&Value::Null);
    causes.extend(pod_spec(spec, "spec.template.spec"));
    causes
}

fn pod_spec(spec: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let volumes: Vec<&str> =
        list(spec, "/volumes").iter().filter_map(|volume| text(volume, "/name")).collect();
    for (index, volume) in volumes.iter().enumerate() {
        if volumes.get(..index).is_some_and(|earlier| earlier.contains(volume)) {
            let message = format!("Duplicate value: {}", json!(volume));
            causes.push(Cause::new("FieldValueDuplicate", &format!("{path}.volumes[{index}].name"), message));
        }
    }
    if list(spec, "/containers").is_empty() {
        causes.push(Cause::required(&format!("{path}.containers"), ""));
    }
    for kind in ["initContainers", "containers"] {
        for (index, container) in list(spec, &format!("/{kind}")).iter().enumerate() {
            let path = format!("{path}.{kind}[{index}]");
            if text(container, "/name").unwrap_or_default().is_empty() {
                causes.push(Cause::required(&format!("{path}.name"), ""));
            }
            if text(container, "/image").unwrap_or_default().is_empty() {
                causes.push(Cause::required(&format!("{path}.image"), ""));
            }
            causes.extend(mounts(container, &volumes, &path));
        }
    }
    causes
}

fn mounts(container: &Value, volumes: &[&str], path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mounts = list(container, "/volumeMounts");
    for (index, mount) in mounts.iter().enumerate() {
        let (name, place) = (text(mount, "/name").unwrap_or_default(), text(mount, "/mountPath"));
        if !volumes.contains(&name) {
            let field = format!("{path}.volumeMounts[{index}].name");
            causes.push(Cause::new("FieldValueNotFound", &field, format!("Not found: {}", json!(name))));
        }
        let earlier = mounts.get(..index).unwrap_or_default();
        if earlier.iter().any(|other| text(other, "/mountPath") == place) {
            let field = format!("{path}.volumeMounts[{index}].mountPath");
            let shown = json!(place.unwrap_or_default()).to_string();
            causes.push(Cause::invalid(&field, &shown, "must be unique"));
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(json!({"name": "a.b-c"}), &[])]
    #[case(json!({"name": "A"}), &["metadata.name"])]
    #[case(json!({}), &["metadata.name"])]
    #[case(json!({"name": "a", "labels": {"x.dev/y": "sha256:00"}}), &["metadata.labels"])]
    #[case(json!({"name": "a", "labels": {"x.dev/y": ""}}), &[])]
    #[case(json!({"name": "a", "annotations": {"x.dev/y": "sha256:00 any thing"}}), &[])]
    fn names_and_labels(#[case] metadata: Value, #[case] expected: &[&str]) {
        let causes = super::metadata(&json!({"metadata": metadata}), false);
        assert_eq!(causes.iter().map(|cause| cause.field.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_mount_needs_its_volume() {
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
            {"name": "c", "image": "i", "volumeMounts": [{"name": "code", "mountPath": "/x"}]}]}});
        let deployment = json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
        let causes = built_in("deployments", &deployment, None);
        assert_eq!(causes.len(), 1, "{causes:?}");
        assert_eq!(causes[0].message, "Not found: \"code\"");
    }
}

//! What the API server fills into Deployments, `ReplicaSet`s, Pods and a few others when they leave it out.
//!
//! Pure. Only fields that this project's objects have; a reconciler that compares pod templates meets the same
//! defaults as on a real cluster.

use serde_json::{Map, Value, json};

use crate::json::{member_mut, object_mut};

/// Fills in the defaults of a built-in resource.
pub(crate) fn fill_in(plural: &str, object: &mut Value) {
    match plural {
        "deployments" => {
            let spec = member_mut(object, "spec");
            defaults(
                spec,
                &json!({"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}),
            );
            strategy(spec.entry("strategy").or_insert(Value::Null));
            template(spec);
        }
        "replicasets" => {
            let spec = member_mut(object, "spec");
            defaults(spec, &json!({"replicas": 1}));
            template(spec);
        }
        "pods" => pod_spec(object_mut(object).entry("spec").or_insert(Value::Null)),
        "secrets" => defaults(object_mut(object), &json!({"type": "Opaque"})),
        "persistentvolumeclaims" => {
            defaults(member_mut(object, "spec"), &json!({"volumeMode": "Filesystem"}));
        }
        _ => {}
    }
}

fn defaults(members: &mut Map<String, Value>, values: &Value) {
    for (name, value) in values.as_object().into_iter().flatten() {
        members.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

fn strategy(strategy: &mut Value) {
    let strategy = object_mut(strategy);
    defaults(strategy, &json!({"type": "RollingUpdate"}));
    if strategy.get("type") == Some(&json!("RollingUpdate")) {
        let rolling = object_mut(strategy.entry("rollingUpdate").or_insert(Value::Null));
        defaults(rolling, &json!({"maxSurge": "25%", "maxUnavailable": "25%"}));
    }
}

fn template(spec: &mut Map<String, Value>) {
    let template = object_mut(spec.entry("template").or_insert(Value::Null));
    pod_spec(template.entry("spec").or_insert(Value::Null));
}

fn pod_spec(spec: &mut Value) {
    let spec = object_mut(spec);
    defaults(
        spec,
        &json!({
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30,
            "schedulerName": "default-scheduler", "securityContext": {},
        }),
    );
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        spec.insert("serviceAccount".to_owned(), account);
    }
    for list in ["initContainers", "containers"] {
        for item in items(spec.get_mut(list)) {
            container(item);
        }
    }
    for item in items(spec.get_mut("volumes")) {
        volume(item);
    }
}

fn items(list: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    list.and_then(Value::as_array_mut).into_iter().flatten()
}

fn container(container: &mut Value) {
    let container = object_mut(container);
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let policy = pull_policy(image);
    defaults(
        container,
        &json!({
            "imagePullPolicy": policy, "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File", "resources": {},
        }),
    );
    for port in items(container.get_mut("ports")) {
        defaults(object_mut(port), &json!({"protocol": "TCP"}));
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).and_then(Value::as_object_mut) {
            let limits = json!({
                "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
            });
            defaults(probe, &limits);
            if let Some(get) = probe.get_mut("httpGet").and_then(Value::as_object_mut) {
                defaults(get, &json!({"path": "/", "scheme": "HTTP"}));
            }
        }
    }
    for variable in items(container.get_mut("env")) {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            defaults(object_mut(field), &json!({"apiVersion": "v1"}));
        }
    }
}

/// Always for `latest` and for no tag at all, otherwise if it is not there.
fn pull_policy(image: &str) -> &'static str {
    let last = image.rsplit('/').next().unwrap_or_default();
    let is_fixed = image.contains('@') || last.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    if is_fixed { "IfNotPresent" } else { "Always" }
}

fn volume(volume: &mut Value) {
    let volume = object_mut(volume);
    for name in ["secret", "configMap", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(name).and_then(Value::as_object_mut) {
            defaults(source, &json!({"defaultMode": 420}));
        }
    }
    if let Some(image) = volume.get_mut("image").and_then(Value::as_object_mut) {
        let reference = image.get("reference").and_then(Value::as_str).unwrap_or_default();
        let policy = pull_policy(reference);
        defaults(image, &json!({"pullPolicy": policy}));
    }
}

/// Takes image volumes and their mounts away, as an API server does whose feature gate is off.
pub(crate) fn drop_image_volumes(plural: &str, object: &mut Value) {
    let pointer = match plural {
        "deployments" | "replicasets" => "/spec/template/spec",
        "pods" => "/spec",
        _ => return,
    };
    let Some(pod) = object.pointer_mut(pointer) else { return };
    let mut dropped = Vec::new();
    if let Some(volumes) = pod.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| {
            let is_image = volume.get("image").is_some();
            if is_image {
                dropped.extend(volume.get("name").cloned());
            }
            !is_image
        });
    }
    for kind in ["containers", "initContainers"] {
        for container in items(pod.get_mut(kind)) {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) {
                mounts.retain(|mount| mount.get("name").is_none_or(|name| !dropped.contains(name)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a", "Always")]
    #[case("a:latest", "Always")]
    #[case("host:5000/a", "Always")]
    #[case("host:5000/a:1", "IfNotPresent")]
    #[case("a@sha256:00", "IfNotPresent")]
    fn pull_policies(#[case] image: &str, #[case] expected: &str) {
        assert_eq!(pull_policy(image), expected);
    }

    #[test]
    fn defaults_are_filled_in_once() {
        let mut once = json!({"spec": {"template": {"spec": {
            "containers": [{"name": "a", "image": "a:1", "readinessProbe": {"httpGet": {"port": 1}}}],
            "volumes": [{"name": "code", "image": {"reference": "r:1"}}]}}}});
        fill_in("deployments", &mut once);
        assert_eq!(
            once.pointer("/spec/template/spec/volumes/0/image/pullPolicy"),
            Some(&json!("IfNotPresent"))
        );
        let mut twice = once.clone();
        fill_in("deployments", &mut twice);
        assert_eq!(once, twice);
    }
}

//! Objects for the tests of this crate, as a real cluster has them.

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use serde_json::{Value, json};
use voxsync_crds::{Config, Server};

use crate::resolve::{ServerCode, resolve};

pub(crate) const ENVIRONMENTS: &str = "/etc/puppetlabs/code/environments";

pub(crate) fn server(mut spec: Value) -> Server {
    spec["configRef"] = json!("production");
    let metadata = json!({"name": "stable", "namespace": "openvox", "uid": "server-uid"});
    serde_json::from_value(json!({"kind": "Server", "metadata": metadata, "spec": spec})).unwrap()
}

pub(crate) fn config(spec: Value) -> Config {
    let metadata = json!({"name": "production", "namespace": "openvox"});
    let mut config = json!({"kind": "Config", "metadata": metadata});
    config["spec"] = spec;
    serde_json::from_value(config).unwrap()
}

pub(crate) fn code(spec_code: Value) -> ServerCode {
    let mut spec = json!({});
    spec["code"] = spec_code;
    resolve(&server(json!({})), Some(&config(spec))).unwrap()
}

/// The Deployment that openvox-operator makes, without code.
pub(crate) fn deployment_without_code() -> Value {
    json!({
        "metadata": {
            "name": "stable", "namespace": "openvox", "uid": "deployment-uid", "resourceVersion": "41", "generation": 2,
            "ownerReferences": [{
                "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Server", "name": "stable",
                "uid": "server-uid", "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "replicas": 2,
            "strategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": {"openvox.voxpupuli.org/server": "stable"}},
            "template": {
                "metadata": {
                    "labels": {"openvox.voxpupuli.org/server": "stable"},
                    "annotations": {"openvox.voxpupuli.org/config-hash": "abc"},
                },
                "spec": {
                    "initContainers": [{"name": "tls-init", "image": "server:8"}],
                    "containers": [{
                        "name": "openvox-server", "image": "server:8",
                        "volumeMounts": [
                            {"name": "ssl", "mountPath": "/ssl"},
                            {"name": "report-webhook-config", "mountPath": "/etc/puppetlabs/puppet/report-webhook.yaml"},
                        ],
                    }],
                    "volumes": [
                        {"name": "ssl", "emptyDir": {}},
                        {"name": "report-webhook-config", "secret": {"secretName": "r", "optional": true}},
                    ],
                },
            },
        },
    })
}

pub(crate) fn deployment(value: &Value) -> Deployment {
    serde_json::from_value(value.clone()).unwrap()
}

/// The same with the one code image that openvox-operator would have mounted.
pub(crate) fn deployment_with(reference: &str) -> Value {
    let mut value = deployment_without_code();
    let template = &mut value["spec"]["template"];
    template["metadata"]["annotations"]["openvox.voxpupuli.org/code-image"] = json!(reference);
    insert(
        &mut template["spec"]["volumes"],
        json!({"name": "code", "image": {"reference": reference, "pullPolicy": "IfNotPresent"}}),
    );
    insert(
        &mut template["spec"]["containers"][0]["volumeMounts"],
        json!({"name": "code", "mountPath": ENVIRONMENTS, "readOnly": true}),
    );
    value
}

/// A `ReplicaSet` of the Deployment's present template.
pub(crate) fn replica_set_of(deployment: &Value, revision: u32) -> ReplicaSet {
    let metadata = json!({
        "name": format!("stable-{revision}"), "uid": format!("set-{revision}"),
        "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
        "ownerReferences": [owner("Deployment", "deployment-uid")],
    });
    let spec = json!({"selector": {}, "template": deployment["spec"]["template"]});
    let status = json!({"replicas": 2, "readyReplicas": 2});
    serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap()
}

/// A pod of the `ReplicaSet` of that revision.
pub(crate) fn pod(name: &str, revision: u32, status: Value) -> Pod {
    let metadata =
        json!({"name": name, "ownerReferences": [owner("ReplicaSet", &format!("set-{revision}"))]});
    let mut pod = json!({"metadata": metadata});
    pod["status"] = status;
    serde_json::from_value(pod).unwrap()
}

fn owner(kind: &str, uid: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": "stable", "uid": uid, "controller": true})
}

fn insert(list: &mut Value, element: Value) {
    list.as_array_mut().unwrap().insert(1, element);
}

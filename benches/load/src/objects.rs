//! Servers' Deployments.
//!
//! With their `ReplicaSet`s and pods they are as large as real ones (8 KB each, with what the API server adds). No operator
//! owns them: voxsync writes them without asking one first.

use serde_json::{Value, json};

/// The API group of openvox-operator.
pub(crate) const GROUP: &str = "openvox.voxpupuli.org";
/// Variables of the environment in each server container: with them a Deployment has its 8 KB.
const VARIABLES: usize = 3;

/// What a Deployment is made of.
pub(crate) struct Rollable<'a> {
    pub(crate) server: &'a str,
    pub(crate) config: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) replicas: usize,
    /// How its pods are replaced.
    pub(crate) strategy: Value,
    /// The code that it runs.
    pub(crate) reference: &'a str,
}

/// The Deployment of a Server.
pub(crate) fn deployment(wanted: &Rollable<'_>) -> Value {
    let Rollable { server, config, namespace, replicas, strategy, reference } = wanted;
    let mut labels = labels("server", server);
    labels[format!("{GROUP}/server")] = json!(server);
    labels[format!("{GROUP}/config")] = json!(config);
    let annotations = json!({
        format!("{GROUP}/code-image"): reference, format!("{GROUP}/config-hash"): "5d41402abc4b2a76b9719d911017c592",
        format!("{GROUP}/ssl-secret-hash"): "7d793037a0760186574b0282f2f435e7",
        format!("{GROUP}/ca-secret-hash"): "9e107d9d372bb6826bd81d3542a419d6",
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": server, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {format!("{GROUP}/server"): server}}, "strategy": strategy,
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod(server, reference)},
        },
    })
}

/// A name of a kind.
pub(crate) fn name(kind: &str, number: usize) -> String {
    format!("{kind}-{number:05}")
}

/// The labels that openvox-operator gives.
pub(crate) fn labels(kind: &str, name: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "openvox", "app.kubernetes.io/component": kind,
        "app.kubernetes.io/managed-by": "openvox-operator", "app.kubernetes.io/instance": name,
    })
}

fn pod(server: &str, reference: &str) -> Value {
    let image = "ghcr.io/slauger/openvox-server:8.12.1";
    let places = ["ssl", "ca", "config", "data", "log", "enc-config", "report-webhook-config"];
    let mount =
        |name: &str| json!({"name": name, "mountPath": format!("/etc/puppetlabs/{name}"), "readOnly": true});
    let mut mounts: Vec<Value> = places.map(mount).to_vec();
    let code = json!({"name": "code", "mountPath": "/etc/puppetlabs/code/environments", "readOnly": true});
    // Where the operator has it: before the last two.
    mounts.insert(places.len() - 2, code);
    let volume = |name: &str| json!({"name": name, "secret": {"secretName": format!("{server}-{name}"), "optional": true}});
    let mut volumes: Vec<Value> = places.map(volume).to_vec();
    let code = json!({"name": "code", "image": {"reference": reference, "pullPolicy": "IfNotPresent"}});
    volumes.insert(places.len() - 2, code);
    let variable = |number: usize| json!({"name": format!("OPENVOX_SETTING_{number:02}"), "value": format!("/opt/puppetlabs/server/data/{number}")});
    let probe = json!({
        "httpGet": {"path": "/status/v1/simple", "port": 8140, "scheme": "HTTPS"},
        "initialDelaySeconds": 30, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6, "successThreshold": 1,
    });
    let restricted = json!({
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "readOnlyRootFilesystem": true, "seccompProfile": {"type": "RuntimeDefault"},
    });
    let resources =
        json!({"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "4", "memory": "4Gi"}});
    json!({
        "initContainers": [{
            "name": "tls-init", "image": image, "command": ["/bin/sh", "-c", "cp -r /ssl/. /etc/puppetlabs/puppet/ssl"],
            "securityContext": restricted, "resources": resources, "volumeMounts": [mount("ssl"), mount("ca")],
        }],
        "containers": [{
            "name": "openvox-server", "image": image, "imagePullPolicy": "IfNotPresent", "volumeMounts": mounts,
            "ports": [{"name": "https", "containerPort": 8140, "protocol": "TCP"}],
            "env": (0..VARIABLES).map(variable).collect::<Vec<_>>(), "resources": resources, "securityContext": restricted,
            "readinessProbe": probe, "livenessProbe": probe, "startupProbe": probe,
        }],
        "volumes": volumes, "serviceAccountName": "openvox-server", "terminationGracePeriodSeconds": 60,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 1001, "fsGroup": 0},
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {format!("{GROUP}/server"): server}},
        }],
    })
}

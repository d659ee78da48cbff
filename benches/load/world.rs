//! The objects of an estate of some size.
//!
//! Deployments, `ReplicaSet`s and Pods are as large as real ones (8 KB each, with what the API server adds). No operator
//! owns them: voxsync writes them without asking one first.

use serde_json::{Value, json};
use voxsync_sandbox::{InstallError, Sandbox};

use super::{registry, rolled::rolled, tag};

/// Variables of the environment in each server container: with them a Deployment has its 8 KB.
const VARIABLES: usize = 3;
const GROUP: &str = "openvox.voxpupuli.org";

/// How large an estate is. Each CodeSync follows a repository of its own, and has a Config of its own as its target.
#[derive(Clone, Copy)]
pub struct World {
    /// CodeSyncs, Configs and repositories.
    pub code_syncs: usize,
    /// Servers, each with its Deployment.
    pub servers: usize,
    /// Tags of each repository.
    pub tags: usize,
    /// Namespaces that all of it is spread over.
    pub namespaces: usize,
    /// Seconds between looks.
    pub interval_seconds: usize,
    /// Deployments roll. Where they do not, all is there from the start, as if it had rolled long ago: thousands of
    /// rollouts are nothing to wait for.
    pub rolls: bool,
}

impl World {
    /// As arguments of a program.
    pub fn arguments(&self) -> Vec<String> {
        let Self { code_syncs, servers, tags, namespaces, interval_seconds, rolls } = *self;
        [code_syncs, servers, tags, namespaces, interval_seconds, rolls.into()]
            .map(|number| number.to_string())
            .to_vec()
    }

    /// From arguments of a program.
    pub fn parse(arguments: &[String]) -> Self {
        let numbers: Vec<usize> =
            arguments.iter().map(|argument| argument.parse().expect("a number")).collect();
        let [code_syncs, servers, tags, namespaces, interval_seconds, rolls] = numbers[..] else {
            panic!("six numbers and not {arguments:?}");
        };
        Self { code_syncs, servers, tags, namespaces, interval_seconds, rolls: rolls == 1 }
    }

    /// The namespace of a CodeSync.
    pub fn namespace(&self, code_sync: usize) -> String {
        format!("team-{}", code_sync % self.namespaces)
    }

    /// How many pods the Deployments have: one to three each.
    pub fn pods(&self) -> usize {
        (0..self.servers).map(replicas).sum()
    }

    pub(super) fn install(&self, sandbox: &Sandbox, host: &str) -> Result<(), InstallError> {
        for place in 0..self.namespaces {
            sandbox.install(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace(place)}}),
            )?;
        }
        for number in 0..self.code_syncs {
            sandbox.install(self.config(number, host))?;
            sandbox.install(self.code_sync(number, host))?;
        }
        for number in 0..self.servers {
            sandbox.install(self.server(number))?;
            let deployment = self.deployment(number, host);
            if self.rolls {
                sandbox.install(deployment)?;
            } else {
                rolled(deployment, replicas(number))
                    .into_iter()
                    .try_for_each(|object| sandbox.restore(object))?;
            }
        }
        Ok(())
    }

    fn reference(&self, code_sync: usize, host: &str) -> String {
        let (repository, tag) = (registry::repository(code_sync), tag(self.tags - 1));
        format!("{host}/{repository}:{tag}@{}", registry::image(&repository, &tag).0)
    }

    fn config(&self, number: usize, host: &str) -> Value {
        json!({
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Config",
            "metadata": {"name": name("config", number), "namespace": self.namespace(number), "labels": labels("config", number)},
            "spec": {
                "image": {"repository": "ghcr.io/slauger/openvox-server", "tag": "8.12.1", "pullPolicy": "IfNotPresent"},
                "code": {"image": self.reference(number, host)},
            },
        })
    }

    fn code_sync(&self, number: usize, host: &str) -> Value {
        let repository = format!("{host}/{}", registry::repository(number));
        json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
            "metadata": {"name": name("code", number), "namespace": self.namespace(number)},
            "spec": {
                "source": {
                    "interval": format!("{}s", self.interval_seconds),
                    "registry": {"repository": repository, "tag": {"semver": ">=1.0.0"}, "insecure": true},
                },
                "target": {"kind": "Config", "name": name("config", number)},
            },
        })
    }

    fn server(&self, number: usize) -> Value {
        let config = number % self.code_syncs;
        json!({
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Server",
            "metadata": {"name": name("server", number), "namespace": self.namespace(config), "labels": labels("server", number)},
            "spec": {
                "configRef": name("config", config), "certificateRef": name("server", number),
                "server": true, "replicas": replicas(number), "maxActiveInstances": 2,
                "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "4", "memory": "4Gi"}},
            },
        })
    }

    fn deployment(&self, number: usize, host: &str) -> Value {
        let config = number % self.code_syncs;
        let (server, reference) = (name("server", number), self.reference(config, host));
        let mut labels = labels("server", number);
        labels[format!("{GROUP}/server")] = json!(server);
        labels[format!("{GROUP}/config")] = json!(name("config", config));
        let annotations = json!({
            format!("{GROUP}/code-image"): reference, format!("{GROUP}/config-hash"): "5d41402abc4b2a76b9719d911017c592",
            format!("{GROUP}/ssl-secret-hash"): "7d793037a0760186574b0282f2f435e7",
            format!("{GROUP}/ca-secret-hash"): "9e107d9d372bb6826bd81d3542a419d6",
        });
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": server, "namespace": self.namespace(config), "labels": labels},
            "spec": {
                "replicas": replicas(number), "selector": {"matchLabels": {format!("{GROUP}/server"): server}},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod(&server, &reference)},
            },
        })
    }
}

fn replicas(server: usize) -> usize {
    1 + server % 3
}

fn name(kind: &str, number: usize) -> String {
    format!("{kind}-{number:05}")
}

fn labels(kind: &str, number: usize) -> Value {
    json!({
        "app.kubernetes.io/name": "openvox", "app.kubernetes.io/component": kind,
        "app.kubernetes.io/managed-by": "openvox-operator", "app.kubernetes.io/instance": name(kind, number),
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

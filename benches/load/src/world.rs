//! Many CodeSyncs, each with a target of its own.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use voxsync_sandbox::{InstallError, Sandbox};

use crate::{
    objects::{GROUP, Rollable, deployment, labels, name},
    registry,
    rolled::rolled,
    tag,
};

/// How large an estate is. Each CodeSync follows a repository of its own, and has a Config of its own as its target.
#[derive(Clone, Copy, Serialize, Deserialize)]
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
            "metadata": {"name": name("config", number), "namespace": self.namespace(number), "labels": labels("config", &name("config", number))},
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
            "metadata": {"name": name("server", number), "namespace": self.namespace(config), "labels": labels("server", &name("server", number))},
            "spec": {
                "configRef": name("config", config), "certificateRef": name("server", number),
                "server": true, "replicas": replicas(number), "maxActiveInstances": 2,
                "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "4", "memory": "4Gi"}},
            },
        })
    }

    fn deployment(&self, number: usize, host: &str) -> Value {
        let config = number % self.code_syncs;
        deployment(&Rollable {
            server: &name("server", number),
            config: &name("config", config),
            namespace: &self.namespace(config),
            replicas: replicas(number),
            strategy: json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
            reference: &self.reference(config, host),
        })
    }
}

fn replicas(server: usize) -> usize {
    1 + server % 3
}

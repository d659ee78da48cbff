//! One CodeSync that leads many Servers through three stages.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use voxsync_sandbox::{InstallError, Sandbox};

use crate::{
    objects::{GROUP, Rollable, deployment, labels},
    registry, tag,
};

/// The last stage has a check, which asks the registry.
const STAGES: [&str; 3] = ["canary", "early", "rest"];

/// An estate with stages.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Staged {
    /// Whose code is written.
    pub targets: Targets,
    /// In what order Deployments roll.
    pub order: Order,
    /// How many Servers each stage has.
    pub servers: [usize; 3],
    /// Tags of the repository.
    pub tags: usize,
}

/// Whose code is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Targets {
    /// Each Server has code of its own: a stage selects them by a label.
    Servers,
    /// Each stage has one Config, of which its Servers have the code.
    Configs,
}

/// In what order the Deployments of a stage roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// All at once: nothing is held back.
    Free,
    /// So many at once in each stage; and one of each stage is a certificate authority, last and alone.
    Gated([usize; 3]),
}

impl Staged {
    /// Where all of it is.
    pub const NAMESPACE: &'static str = "puppet";
    /// The name of the CodeSync.
    pub const CODE_SYNC: &'static str = "production";

    /// All Servers.
    pub fn total(&self) -> usize {
        self.servers.iter().sum()
    }

    pub(crate) fn install(&self, sandbox: &Sandbox, host: &str) -> Result<(), InstallError> {
        let namespace = json!({"name": Self::NAMESPACE});
        sandbox.install(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace}))?;
        let (repository, tag) = (registry::repository(0), tag(self.tags - 1));
        let reference = format!("{host}/{repository}:{tag}@{}", registry::image(&repository, &tag).0);
        for (stage, count) in STAGES.into_iter().zip(self.servers) {
            sandbox.install(self.config(stage, &reference))?;
            for number in 0..count {
                self.server(sandbox, stage, number, &reference)?;
            }
        }
        sandbox.install(self.code_sync(host))
    }

    fn config(&self, stage: &str, reference: &str) -> Value {
        let mut spec = json!({"image": {"repository": "ghcr.io/slauger/openvox-server", "tag": "8.12.1"}});
        if self.targets == Targets::Configs {
            spec["code"] = json!({"image": reference});
        }
        let metadata =
            json!({"name": stage, "namespace": Self::NAMESPACE, "labels": labels("config", stage)});
        json!({"apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Config", "metadata": metadata, "spec": spec})
    }

    fn server(
        &self,
        sandbox: &Sandbox,
        stage: &str,
        number: usize,
        reference: &str,
    ) -> Result<(), InstallError> {
        let name = format!("{stage}-{number:03}");
        let is_authority = number == 0 && self.order != Order::Free;
        let mut labels = labels("server", &name);
        labels["stage"] = json!(stage);
        let mut spec = json!({
            "configRef": stage, "certificateRef": name, "ca": is_authority, "server": true, "replicas": 1,
        });
        if self.targets == Targets::Servers {
            spec["code"] = json!({"image": reference});
        }
        let metadata = json!({"name": name, "namespace": Self::NAMESPACE, "labels": labels});
        sandbox.install(json!({
            "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Server", "metadata": metadata, "spec": spec,
        }))?;
        let strategy = if is_authority {
            json!({"type": "Recreate"})
        } else {
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
        };
        sandbox.install(deployment(&Rollable {
            server: &name,
            config: stage,
            namespace: Self::NAMESPACE,
            replicas: 1,
            strategy,
            reference,
        }))
    }

    fn code_sync(&self, host: &str) -> Value {
        let stages: Vec<Value> = STAGES
            .into_iter()
            .enumerate()
            .map(|(place, name)| {
                let target = match self.targets {
                    Targets::Servers => {
                        json!({"kind": "Server", "selector": {"matchLabels": {"stage": name}}})
                    }
                    Targets::Configs => json!({"kind": "Config", "name": name}),
                };
                let mut stage = json!({"name": name, "targets": [target]});
                if let Order::Gated(at_once) = self.order {
                    stage["maxConcurrent"] = json!(at_once[place]);
                }
                if place + 1 == STAGES.len() {
                    let http = json!({"url": format!("http://{host}{}", registry::WELL)});
                    stage["checks"] = json!([{"name": "well", "interval": "1s", "http": http}]);
                }
                stage
            })
            .collect();
        let repository = format!("{host}/{}", registry::repository(0));
        json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync",
            "metadata": {"name": Self::CODE_SYNC, "namespace": Self::NAMESPACE},
            "spec": {
                "source": {
                    "interval": "1h", "registry": {"repository": repository, "tag": {"semver": ">=1.0.0"}, "insecure": true},
                },
                "stages": stages,
            },
        })
    }
}

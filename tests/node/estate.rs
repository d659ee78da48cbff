//! What the story is about: a Config, a Server of two pods, a Git repository behind sshd, and images in the registry.

use std::{net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};
use voxsync_fixtures::{GitRepository, GitServer};

use crate::{
    node::{self, Node, REGISTRY, apply},
    reader::{self, Reader},
    wait::wait_for,
};

/// The CodeSync, and its Config.
pub(crate) const PRODUCTION: &str = "production";
/// The Server, its Deployment and its Service.
pub(crate) const COMPILE: &str = "compile";
/// Its pods.
pub(crate) const PODS: &str = "openvox.voxpupuli.org/server=compile";
const REFERENCE_FILE: &str = "deploy/code-version.txt";
/// The node's own address, where pods find sshd.
const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// How long a rollout of real pods may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);

pub(crate) struct Estate {
    pub(crate) node: Node,
    pub(crate) git: GitServer,
    repository: GitRepository,
}

impl Estate {
    pub(crate) async fn create() -> Self {
        let repository = GitRepository::create();
        let git = GitServer::ssh_at(&repository, HOST);
        Self { node: Node::connect().await, git, repository }
    }

    /// Commits that this tag is to run.
    pub(crate) fn commit(&self, tag: &str) -> String {
        self.repository.commit(REFERENCE_FILE, &format!("{}\n", tagged(tag)), &format!("Deploy {tag}"))
    }

    /// The CodeSync that follows the repository, and the Secret of its login.
    pub(crate) fn follow(&self) {
        let git = json!({
            "url": self.git.url(), "ref": {"branch": "production"},
            "secretRef": {"name": "git-login"}, "reference": {"path": REFERENCE_FILE},
        });
        apply(&[
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git-login"},
                "stringData": {"ssh-privatekey": self.git.identity(), "known_hosts": self.git.known_hosts()},
            }),
            json!({
                "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": PRODUCTION},
                "spec": {
                    "source": {"interval": "1s", "git": git}, "image": {"insecure": true},
                    "target": {"kind": "Config", "name": PRODUCTION},
                },
            }),
        ]);
    }

    /// The status of the CodeSync, once it is as wanted.
    pub(crate) async fn status_when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, DEADLINE, async || {
            let status = self.node.get("CodeSync", PRODUCTION).await["status"].take();
            if wanted(&status) { Ok(status) } else { Err(status.to_string()) }
        })
        .await
    }

    /// Waits until a tag is what all stages run, and gives the reference in the Config.
    pub(crate) async fn deployed(&self, tag: &str) -> String {
        let is_deployed = |status: &Value| {
            let [candidate, deployed] = ["candidate", "deployed"].map(|field| status[field]["name"] == tag);
            candidate && deployed && is(status, "Deployed", "True")
        };
        let status = self.status_when(&format!("{tag} is deployed"), is_deployed).await;
        let reference = text(&status["deployed"]["reference"]).to_owned();
        assert_eq!(self.node.get("Config", PRODUCTION).await["spec"]["code"]["image"], *reference);
        reference
    }

    /// A client that asks the Server without end.
    pub(crate) async fn reader(&self) -> Reader {
        Reader::start(self.service().await).await
    }

    /// What one request to the Server's Service is answered.
    pub(crate) async fn read(&self) -> String {
        reader::read(&reader::client(), &self.service().await).await
    }

    /// What each ready pod of these labels serves, in no order.
    pub(crate) async fn read_pods(&self, labels: &str) -> Vec<String> {
        let client = reader::client();
        let mut answers = Vec::new();
        for pod in self.pods(labels).await {
            answers.push(reader::read(&client, text(&pod["status"]["podIP"])).await);
        }
        answers
    }

    /// The pods with these labels that are ready, and not about to end.
    pub(crate) async fn pods(&self, labels: &str) -> Vec<Value> {
        let mut pods = self.node.list("Pod", labels).await;
        pods.retain(|pod| {
            pod["metadata"]["deletionTimestamp"].is_null() && is(&pod["status"], "Ready", "True")
        });
        pods
    }

    /// Waits until so many pods of these labels are ready and no other is there.
    pub(crate) async fn settled(&self, labels: &str, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} ready pods of {labels}"), DEADLINE, async || {
            let (ready, all) = (self.pods(labels).await, self.node.list("Pod", labels).await.len());
            if ready.len() == count && all == count {
                Ok(ready)
            } else {
                Err(format!("{} of {all}", ready.len()))
            }
        })
        .await
    }

    async fn service(&self) -> String {
        text(&self.node.get("Service", COMPILE).await["spec"]["clusterIP"]).to_owned()
    }
}

/// Pushes a code image whose `site.pp` is this text.
pub(crate) fn push(tag: &str, text: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifests = folder.path().join("production/manifests");
    std::fs::create_dir_all(&manifests).expect("create folders");
    std::fs::write(manifests.join("site.pp"), format!("{text}\n")).expect("write site.pp");
    node::push(&format!("code:{tag}"), folder.path());
}

/// The reference of a tag.
pub(crate) fn tagged(tag: &str) -> String {
    format!("{REGISTRY}/code:{tag}")
}

/// Whether a condition of a status has this value.
pub(crate) fn is(status: &Value, kind: &str, wanted: &str) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == kind && condition["status"] == wanted)
}

/// A text in JSON; empty where there is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

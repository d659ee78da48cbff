//! The usual estate: one Config, a canary with code of its own, a compile server without, and a registry.

use serde_json::{Value, json};
use voxsync_fixtures::{Access, CodeImage, GitRepository, Registry, Transport};

use super::{cluster::Cluster, servers::NewServer, status::follow_tags, voxsync::Voxsync};

/// The repository of code images.
pub(crate) const REPOSITORY: &str = "puppet-code";
/// The CodeSync of the estate, which is also the name of its Config.
pub(crate) const PRODUCTION: &str = "production";

/// The file of a Git repository that names the code.
pub(crate) const REFERENCE_FILE: &str = "deploy/code-version.txt";

/// Servers without an operator, a registry, and voxsync.
pub(crate) struct Estate {
    pub(crate) registry: Registry,
    pub(crate) voxsync: Option<Voxsync>,
}

impl Estate {
    /// The Config `production` with the Servers `canary` and `compile`, all on the tag v1.0.0; voxsync runs.
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let registry = Registry::start(Access::Anonymous, Transport::Plain);
        let estate = Self { registry, voxsync: Some(Voxsync::start(cluster)) };
        estate.push("v1.0.0").await;
        let code = cluster.code(&estate.tagged("v1.0.0"));
        cluster.create_config(PRODUCTION, Some(code.clone())).await;
        let compile = NewServer { name: "compile", by_operator: false, ..NewServer::default() };
        cluster.create_server(&compile).await;
        cluster.create_server(&NewServer { name: "canary", code: Some(code), ..compile }).await;
        estate
    }

    /// An estate with the CodeSync `production`, first the canary, then the Config, at rest on v1.0.0.
    pub(crate) async fn staged(cluster: &Cluster, soak: &str) -> Self {
        let estate = Self::start(cluster).await;
        cluster.create_code_sync(PRODUCTION, estate.stages(soak)).await;
        cluster.deployed(PRODUCTION, "v1.0.0").await;
        estate
    }

    /// An estate with the CodeSync `production` that has the Config as its only target, at rest on v1.1.0, which
    /// voxsync wrote.
    pub(crate) async fn single(cluster: &Cluster) -> Self {
        let estate = Self::start(cluster).await;
        estate.push("v1.1.0").await;
        cluster.create_code_sync(PRODUCTION, estate.only_config()).await;
        cluster.deployed(PRODUCTION, "v1.1.0").await;
        estate
    }

    /// A spec: the canary, a soak time, then the Config.
    pub(crate) fn stages(&self, soak: &str) -> Value {
        json!({"source": self.source(), "stages": stages(soak)})
    }

    /// A spec with the Config as the only target.
    pub(crate) fn only_config(&self) -> Value {
        json!({"source": self.source(), "target": {"kind": "Config", "name": PRODUCTION}})
    }

    /// The highest version, prereleases included: they are the tags whose words choose a pod's fate.
    pub(crate) fn source(&self) -> Value {
        follow_tags(&self.registry, REPOSITORY, &json!({"semver": ">=1.0.0-0"}))
    }

    /// Pushes an image under a tag, and gives its digest.
    pub(crate) async fn push(&self, tag: &str) -> String {
        self.registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await
    }

    /// Pushes an image under a tag, and gives the reference with tag and digest once voxsync has looked.
    pub(crate) async fn push_and_look(&self, cluster: &Cluster, tag: &str) -> String {
        let digest = self.push(tag).await;
        cluster.look(PRODUCTION).await;
        format!("{}@{digest}", self.tagged(tag))
    }

    /// `host/repository:tag`.
    pub(crate) fn tagged(&self, tag: &str) -> String {
        self.registry.reference(REPOSITORY, tag)
    }

    /// Kills voxsync.
    pub(crate) fn kill(&mut self) {
        self.voxsync = None;
    }

    /// Starts voxsync again, with nothing remembered.
    pub(crate) fn start_again(&mut self, cluster: &Cluster) {
        self.voxsync = Some(Voxsync::start(cluster));
    }
}

/// The stages `canary` and `production`.
pub(crate) fn stages(soak: &str) -> Value {
    json!([
        {"name": "canary", "targets": [{"kind": "Server", "name": "canary"}], "soak": soak},
        {"name": "production", "targets": [{"kind": "Config", "name": PRODUCTION}]},
    ])
}

pub(crate) async fn bare_server(cluster: &Cluster, name: &str) {
    cluster.create_config(name, None).await;
    cluster
        .create_server(&NewServer { name, config: name, by_operator: false, ..NewServer::default() })
        .await;
}

/// A Secret with these values.
pub(crate) async fn create_secret(cluster: &Cluster, name: &str, values: Value) {
    cluster.create(json!({"kind": "Secret", "metadata": {"name": name}, "stringData": values})).await;
}

pub(crate) fn git_spec(url: &str, config: &str) -> Value {
    let git = json!({"url": url, "ref": {"branch": "production"}, "reference": {"path": REFERENCE_FILE}});
    json!({
        "source": {"interval": "1s", "git": git}, "image": {"insecure": true},
        "target": {"kind": "Config", "name": config},
    })
}

pub(crate) async fn commit(registry: &Registry, repository: &GitRepository, tag: &str) -> (String, String) {
    let digest = registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
    let reference = format!("{}@{digest}", registry.reference(REPOSITORY, tag));
    let sha = repository.commit(REFERENCE_FILE, &format!("{reference}\n"), &format!("Deploy {tag}"));
    (reference, sha)
}

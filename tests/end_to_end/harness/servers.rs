//! Configs, Servers and their Deployments, as openvox-operator would have left them.

use serde_json::{Value, json};

use super::{
    cluster::Cluster,
    control_plane::Shape,
    operator::{deployment, owner},
};

/// A Server that a test wants.
#[derive(Clone, Debug)]
pub(crate) struct NewServer<'a> {
    pub(crate) name: &'a str,
    /// The Config that it refers to.
    pub(crate) config: &'a str,
    /// Is the certificate authority: its Deployment is recreated, not rolled.
    pub(crate) ca: bool,
    /// Compiles catalogs, and so needs code.
    pub(crate) server: bool,
    pub(crate) replicas: u32,
    /// Its own `spec.code` (an override), in the cluster's shape.
    pub(crate) code: Option<Value>,
    /// Whether its Deployment says that openvox-operator made it: then voxsync gives an operator two seconds to
    /// follow by itself.
    pub(crate) by_operator: bool,
    /// Its labels, for target selectors.
    pub(crate) labels: &'a [(&'a str, &'a str)],
}

impl Default for NewServer<'_> {
    fn default() -> Self {
        Self {
            name: "server",
            config: "production",
            ca: false,
            server: true,
            replicas: 1,
            code: None,
            by_operator: true,
            labels: &[],
        }
    }
}

impl Cluster {
    /// `spec.code` with one image, in the cluster's shape.
    pub(crate) fn code(&self, reference: &str) -> Value {
        self.code_entry(json!({"image": reference}))
    }

    /// `spec.code` with this only entry, in the cluster's shape.
    pub(crate) fn code_entry(&self, entry: Value) -> Value {
        match self.shape() {
            Shape::Object => entry,
            Shape::List => json!([entry]),
        }
    }

    /// Creates a Config.
    pub(crate) async fn create_config(&self, name: &str, code: Option<Value>) -> Value {
        let mut spec = json!({"image": {"repository": "ghcr.io/slauger/openvox-server", "tag": "8.12.1"}});
        if let Some(code) = code {
            spec["code"] = code;
        }
        self.create(json!({"kind": "Config", "metadata": {"name": name}, "spec": spec})).await
    }

    /// Creates a Server, and for a Config that is there the Deployment that the operator would create.
    pub(crate) async fn create_server(&self, new: &NewServer<'_>) -> Value {
        let server = self.create_server_alone(new).await;
        let config = self.get("Config", new.config).await;
        let mut deployment = deployment(&server, &config);
        if new.by_operator {
            deployment["metadata"]["ownerReferences"] = json!([owner(&server)]);
        }
        self.create(deployment).await;
        server
    }

    /// Creates a Server without its Deployment.
    pub(crate) async fn create_server_alone(&self, new: &NewServer<'_>) -> Value {
        let mut spec = json!({
            "configRef": new.config, "certificateRef": new.name,
            "ca": new.ca, "server": new.server, "replicas": new.replicas,
        });
        if let Some(code) = &new.code {
            spec["code"] = code.clone();
        }
        let labels: serde_json::Map<_, _> =
            new.labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        self.create(json!({"kind": "Server", "metadata": {"name": new.name, "labels": labels}, "spec": spec}))
            .await
    }
}

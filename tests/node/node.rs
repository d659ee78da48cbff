//! The test node, from inside: kubectl for what people apply, a client for what is waited for.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use voxsync_fixtures::run;

use crate::reader;

/// The namespace of `deploy/`.
pub(crate) const NAMESPACE: &str = "puppet";
/// Where the node's registry is, for voxsync and for containerd.
pub(crate) const REGISTRY: &str = "192.0.2.1:5000";

pub(crate) struct Node {
    client: Client,
    kubeconfig: PathBuf,
}

impl Node {
    /// The one in whose namespaces this process is.
    pub(crate) async fn connect() -> Self {
        let folder = std::env::var_os(crate::INSIDE).map(PathBuf::from).expect("the folder of the node");
        let kubeconfig = folder.join("controlplane/kubeconfig");
        let read = Kubeconfig::read_from(&kubeconfig).expect("the kubeconfig of the node");
        let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.expect("a configuration")).expect("a client");
        Self { client, kubeconfig }
    }

    /// A kubeconfig with all rights.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Value {
        let found = self.api(kind).get(name).await;
        value(found.unwrap_or_else(|error| panic!("get {kind} {name}: {error}")))
    }

    /// The objects with these labels.
    pub(crate) async fn list(&self, kind: &str, labels: &str) -> Vec<Value> {
        let found = self.api(kind).list(&ListParams::default().labels(labels)).await;
        let found = found.unwrap_or_else(|error| panic!("list {kind} {labels}: {error}"));
        found.items.into_iter().map(value).collect()
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version) = match kind {
            "Config" => ("openvox.voxpupuli.org", "v1alpha1"),
            "CodeSync" => ("voxsync.dev", "v1alpha1"),
            "Deployment" => ("apps", "v1"),
            "Lease" => ("coordination.k8s.io", "v1"),
            _ => ("", "v1"),
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource)
    }
}

/// kubectl in the namespace, and what it prints.
pub(crate) fn kubectl(arguments: &[&str]) -> String {
    run(script("kubectl").args(["--namespace", NAMESPACE]).args(arguments))
}

/// kubectl apply of objects that the test makes.
pub(crate) fn apply(objects: &[Value]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("objects.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    std::fs::write(&file, list.to_string()).expect("write objects");
    kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]);
}

/// Pushes a folder as an image.
pub(crate) fn push(name: &str, folder: &Path) {
    run(script("push").arg(name).arg(folder));
}

/// Takes the only layer of an image away from the registry, which goes on giving the manifest.
pub(crate) async fn lose_layer(repository: &str, tag: &str) {
    let client = reader::client();
    let manifest = client.get(format!("http://{REGISTRY}/v2/{repository}/manifests/{tag}"));
    let manifest = manifest.header("accept", "application/vnd.oci.image.manifest.v1+json").send().await;
    let manifest: Value = manifest.expect("the manifest").json().await.expect("the manifest as JSON");
    let layer = manifest["layers"][0]["digest"].as_str().expect("the digest of the layer");
    let gone = client.delete(format!("http://{REGISTRY}/v2/{repository}/blobs/{layer}")).send().await;
    assert_eq!(gone.expect("an answer").status(), 202, "{layer}");
}

/// What there is, for a failure.
pub(crate) fn state() -> String {
    [
        &["get", "codesyncs,configs,servers,deployments,pods", "-o", "wide"][..],
        &["get", "events", "--sort-by=.lastTimestamp"],
        &["get", "codesyncs", "-o", "yaml"],
        &["logs", "-l", "app.kubernetes.io/name=voxsync", "--prefix", "--tail=40"],
    ]
    .map(|arguments| {
        let output = script("kubectl").args(["--namespace", NAMESPACE]).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    })
    .join("\n")
}

fn script(verb: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("tests/node/node.sh"));
    command.arg(verb).current_dir(root);
    command
}

fn value(object: DynamicObject) -> Value {
    serde_json::to_value(object).expect("an object as JSON")
}

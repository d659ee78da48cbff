//! One test's cluster: a namespace of its own, a client, and the few verbs that tests use.

use std::{fmt::Write as _, panic::resume_unwind, path::PathBuf, process::Command, sync::Arc};

use kube::{
    Api, Client, ResourceExt as _,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
        PostParams,
    },
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};
use voxsync_fixtures::run;

use super::{
    control_plane::{ControlPlane, Setup, Shape},
    sandboxed::Sandboxed,
};

/// The field manager of what a test writes: a person with `kubectl edit`.
const MANAGER: &str = "kubectl-edit";

/// A cluster with a namespace for one test.
pub(crate) struct Cluster {
    server: Server,
    setup: Setup,
    client: Client,
    namespace: String,
}

/// Who answers.
enum Server {
    Sandbox(Arc<Sandboxed>),
    ControlPlane(&'static ControlPlane, Use),
}

/// A test shares a control plane, unless it stops the API server.
enum Use {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Exclusive { _guard: RwLockWriteGuard<'static, ()> },
}

impl Cluster {
    /// A namespace in a sandbox of that setup, which is the test's own.
    pub(crate) async fn in_sandbox(setup: Setup, test: &str) -> Self {
        Self::with_namespace(Server::Sandbox(Arc::new(Sandboxed::start(setup))), setup, test).await
    }

    /// A namespace on the real control plane of that setup.
    pub(crate) async fn on_control_plane(setup: Setup, exclusive: bool, test: &str) -> Self {
        let plane = blocking(move || ControlPlane::shared(setup)).await;
        let guard = if exclusive {
            Use::Exclusive { _guard: plane.in_use.write().await }
        } else {
            Use::Shared { _guard: plane.in_use.read().await }
        };
        Self::with_namespace(Server::ControlPlane(plane, guard), setup, test).await
    }

    async fn with_namespace(server: Server, setup: Setup, test: &str) -> Self {
        let namespace = namespace_name(test);
        let kubeconfig = Kubeconfig::read_from(server.kubeconfig()).expect("the kubeconfig of the cluster");
        let mut configuration =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .expect("the kubeconfig of the cluster");
        configuration.default_namespace.clone_from(&namespace);
        let client = Client::try_from(configuration).expect("a client");
        let cluster = Self { server, setup, client, namespace };
        cluster.create(json!({"kind": "Namespace", "metadata": {"name": cluster.namespace}})).await;
        cluster
    }

    /// A client with all rights.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The test's own namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The shape of `spec.code`.
    pub(crate) fn shape(&self) -> Shape {
        self.setup.shape
    }

    /// A kubeconfig with all rights; it names no namespace.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.server.kubeconfig()
    }

    /// Runs `kubectl` in the test's namespace and returns what it prints.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_anywhere(&[&["--namespace", &self.namespace], arguments].concat())
    }

    /// Runs `kubectl` without naming a namespace, and returns what it prints.
    pub(crate) fn kubectl_anywhere(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(ControlPlane::kubebox());
        command.arg("kubectl").arg("--kubeconfig").arg(self.kubeconfig());
        run(command.args(arguments))
    }

    /// Ends the API server at once; for tests that have the cluster for themselves.
    pub(crate) async fn stop_api(&self) {
        match &self.server {
            Server::Sandbox(sandbox) => {
                let sandbox = Arc::clone(sandbox);
                blocking(move || sandbox.stop_api()).await;
            }
            Server::ControlPlane(plane, Use::Exclusive { .. }) => {
                let plane = *plane;
                blocking(move || plane.stop_api()).await;
            }
            Server::ControlPlane(_, Use::Shared { .. }) => {
                panic!("only a test with Needs::EXCLUSIVE may stop the API server");
            }
        }
    }

    /// Starts the API server again, on its port, and waits until it is ready.
    pub(crate) async fn start_api(&self) {
        match &self.server {
            Server::Sandbox(sandbox) => {
                let sandbox = Arc::clone(sandbox);
                blocking(move || sandbox.start_api()).await;
            }
            Server::ControlPlane(plane, _) => {
                let plane = *plane;
                blocking(move || plane.start_api()).await;
            }
        }
    }

    /// The objects of a kind in the test's namespace.
    pub(crate) fn api(&self, kind: &str) -> Api<DynamicObject> {
        let version = api_version(kind);
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match kind {
            "Namespace" | "Node" => Api::all_with(self.client(), &resource),
            _ => Api::namespaced_with(self.client(), &self.namespace, &resource),
        }
    }

    /// An object that must be there.
    pub(crate) async fn get(&self, kind: &str, name: &str) -> Value {
        self.try_get(kind, name).await.unwrap_or_else(|| panic!("{kind} {name:?}: not there"))
    }

    /// An object, if it is there.
    pub(crate) async fn try_get(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.api(kind).get_opt(name).await;
        found.unwrap_or_else(|error| panic!("get {kind} {name:?}: {error}")).map(to_value)
    }

    /// All objects of a kind in the test's namespace.
    pub(crate) async fn list(&self, kind: &str) -> Vec<Value> {
        let found = self.api(kind).list(&ListParams::default()).await;
        found.unwrap_or_else(|error| panic!("list {kind}: {error}")).items.into_iter().map(to_value).collect()
    }

    /// Creates an object; `apiVersion` may be left out.
    pub(crate) async fn create(&self, object: Value) -> Value {
        self.try_create(object.clone()).await.unwrap_or_else(|error| panic!("create {object}: {error}"))
    }

    /// Creates an object, or gives the API server's refusal.
    pub(crate) async fn try_create(&self, mut object: Value) -> kube::Result<Value> {
        let kind = object["kind"].as_str().expect("a kind").to_owned();
        object["apiVersion"] = json!(api_version(&kind));
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        self.api(&kind).create(&parameters, &object).await.map(to_value)
    }

    /// Changes an object by a merge patch.
    pub(crate) async fn patch(&self, kind: &str, name: &str, patch: Value) -> Value {
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let changed = self.api(kind).patch(name, &parameters, &Patch::Merge(&patch)).await;
        changed.map_or_else(|error| panic!("patch {kind} {name:?} with {patch}: {error}"), to_value)
    }

    /// Changes an object by a JSON patch.
    pub(crate) async fn json_patch(&self, kind: &str, name: &str, operations: Value) -> Value {
        let patch: json_patch::Patch = serde_json::from_value(operations).expect("a JSON patch");
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let changed = self.api(kind).patch(name, &parameters, &Patch::<Value>::Json(patch)).await;
        changed.map_or_else(|error| panic!("patch {kind} {name:?}: {error}"), to_value)
    }

    /// Deletes an object.
    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        let deleted = self.api(kind).delete(name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("delete {kind} {name:?}: {error}"));
    }

    /// What a person would look at first when a test has failed.
    pub(crate) async fn state(&self) -> String {
        let mut state = String::new();
        for kind in ["Config", "Server", "CodeSync", "CodeRelease", "Deployment", "Pod", "Event"] {
            match self.api(kind).list(&ListParams::default()).await {
                Ok(list) => {
                    for object in list {
                        let (name, data) = (object.name_any(), &object.data);
                        let facts = json!({"spec.code": data["spec"]["code"], "status": data["status"], "message": data["message"]});
                        let _ = writeln!(state, "{kind} {name}: {facts}");
                    }
                }
                Err(error) => {
                    let _ = writeln!(state, "{kind}: {error}");
                }
            }
        }
        state
    }

    /// Lets go of the namespace; the API server deletes what is in it.
    pub(crate) async fn end(&self) {
        // The control plane ends with the test process: what stays until then is in nobody's way.
        let _ = self.api("Namespace").delete(&self.namespace, &DeleteParams::background()).await;
    }
}

impl Server {
    fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::Sandbox(sandbox) => sandbox.kubeconfig(),
            Self::ControlPlane(plane, _) => plane.kubeconfig().to_owned(),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => resume_unwind(error.into_panic()),
    }
}

fn to_value(object: DynamicObject) -> Value {
    let name = object.name_any();
    serde_json::to_value(object).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn api_version(kind: &str) -> &'static str {
    match kind {
        "Config" | "Server" => "openvox.voxpupuli.org/v1alpha1",
        "CodeSync" | "CodeRelease" => "voxsync.dev/v1alpha1",
        "Deployment" | "ReplicaSet" => "apps/v1",
        "Lease" => "coordination.k8s.io/v1",
        "Role" | "RoleBinding" => "rbac.authorization.k8s.io/v1",
        _ => "v1",
    }
}

/// A name that no other test of this process has.
fn namespace_name(test: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    const NAME_CHARACTERS: usize = 50;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name: String =
        test.chars().take(NAME_CHARACTERS).map(|letter| if letter == '_' { '-' } else { letter }).collect();
    format!("{}-{}", name.trim_end_matches('-'), NEXT.fetch_add(1, Ordering::Relaxed))
}

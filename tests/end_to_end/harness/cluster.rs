//! One test's cluster: a namespace of its own, a client, and the few verbs that tests use.

use std::{
    fmt::Write as _,
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::MutexGuard;
use voxsync_fixtures::run;

use super::{
    account::Account,
    control_plane::{ControlPlane, Setup, Shape},
    kinds::{api_version, is_namespaced, resource},
    sandboxed::Sandboxed,
    shipped::VARIANTS,
};

/// The field manager of what a test writes: a person with `kubectl edit`.
const MANAGER: &str = "kubectl-edit";
/// The variant of `deploy/` whose rights voxsync has.
const DEFAULT: &str = VARIANTS[0];

/// A cluster with a namespace for one test.
pub(crate) struct Cluster {
    server: Server,
    setup: Setup,
    client: Client,
    namespace: String,
    /// What voxsync runs as.
    voxsync: Account,
}

/// Who answers.
#[derive(Clone)]
enum Server {
    Sandbox(Arc<Sandboxed>),
    /// With the hold of a test that has it for itself.
    ControlPlane(&'static ControlPlane, Option<Arc<MutexGuard<'static, ()>>>),
}

impl Cluster {
    /// A namespace in a sandbox of that setup, which is the test's own.
    pub(crate) async fn in_sandbox(setup: Setup, test: &str) -> Self {
        Self::with_namespace(Server::Sandbox(Arc::new(Sandboxed::start(setup))), setup, test, DEFAULT).await
    }

    /// A namespace on the real control plane of that setup.
    pub(crate) async fn on_control_plane(setup: Setup, test: &str) -> Self {
        let plane = blocking(move || ControlPlane::shared(setup)).await;
        let hold = if setup.exclusive { Some(Arc::new(plane.in_use.lock().await)) } else { None };
        Self::with_namespace(Server::ControlPlane(plane, hold), setup, test, DEFAULT).await
    }

    /// Another namespace on the same cluster; who asks for it must let go of it.
    pub(crate) async fn another(&self, test: &str) -> Self {
        self.another_with(DEFAULT, test).await
    }

    /// Another namespace, in which voxsync has the rights of this variant of `deploy/`.
    pub(crate) async fn another_with(&self, variant: &str, test: &str) -> Self {
        Self::with_namespace(self.server.clone(), self.setup, test, variant).await
    }

    async fn with_namespace(server: Server, setup: Setup, test: &str, variant: &str) -> Self {
        let namespace = namespace_name(test);
        let admin = Account::of(server.kubeconfig(), &namespace).await;
        let mut cluster = Self { server, setup, client: admin.client.clone(), namespace, voxsync: admin };
        cluster.create(json!({"kind": "Namespace", "metadata": {"name": cluster.namespace}})).await;
        if let Server::ControlPlane(..) = cluster.server {
            cluster.voxsync = Account::shipped(&cluster, variant).await;
        }
        cluster
    }

    /// A client with all rights.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// A client with the rights of voxsync.
    pub(crate) fn voxsync_client(&self) -> Client {
        self.voxsync.client.clone()
    }

    /// A kubeconfig with the rights of voxsync; it names no namespace.
    pub(crate) fn voxsync_kubeconfig(&self) -> &Path {
        &self.voxsync.kubeconfig
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

    /// The folder with the logs of the control plane; for tests that run on no other.
    pub(crate) fn control_plane_folder(&self) -> &Path {
        match &self.server {
            Server::ControlPlane(plane, _) => plane.folder(),
            Server::Sandbox(_) => panic!("the sandbox has no logs"),
        }
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
            Server::ControlPlane(plane, hold) => {
                let plane = *plane;
                assert!(hold.is_some(), "only a test with Needs::EXCLUSIVE may stop the API server");
                blocking(move || plane.stop_api()).await;
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
        self.api_of(self.client(), kind)
    }

    /// The same, as somebody else.
    pub(crate) fn api_of(&self, client: Client, kind: &str) -> Api<DynamicObject> {
        if is_namespaced(kind) {
            Api::namespaced_with(client, &self.namespace, &resource(kind))
        } else {
            Api::all_with(client, &resource(kind))
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

    /// Lets go of the namespace. The control plane ends with the test process: what stays until then is in nobody's way,
    /// but for pods, of which a node takes so many, and for everything where one looks at all namespaces.
    pub(crate) async fn end(&self) {
        if self.setup.exclusive {
            let _ = self.api("Namespace").delete(&self.namespace, &DeleteParams::background()).await;
        } else {
            // To delete the namespace would be a hundred requests, and the deletions of all tests a good part of the work.
            let all = ListParams::default();
            let _ = self.api("Deployment").delete_collection(&DeleteParams::background(), &all).await;
        }
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

/// Runs what blocks without holding up others.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => resume_unwind(error.into_panic()),
    }
}

fn to_value(object: DynamicObject) -> Value {
    let name = object.name_any();
    serde_json::to_value(object).unwrap_or_else(|error| panic!("{name}: {error}"))
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

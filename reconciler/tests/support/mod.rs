//! A sandbox with the operator's kinds, Servers with their Deployments, and the reconciler on it.

mod code_sync;

use std::{fmt::Debug, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, events::v1::Event};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use voxsync_cluster::{Cluster, Scope};
use voxsync_crds::{Config, Server};
use voxsync_reconciler::{Error, Metrics, Mode, Options, run};
use voxsync_sandbox::{Sandbox, SandboxOptions};

pub const NAMESPACE: &str = "openvox";
pub const CODE_IMAGE: &str = "openvox.voxpupuli.org/code-image";
const WAIT_LIMIT_SECONDS: u64 = 20;

const OBJECT_CRDS: [&str; 2] = [
    include_str!("../../../tests/data/openvox-operator/crds/openvox.voxpupuli.org_configs.yaml"),
    include_str!("../../../tests/data/openvox-operator/crds/openvox.voxpupuli.org_servers.yaml"),
];
const LIST_CRDS: [&str; 2] = [
    include_str!("../../../tests/data/openvox-operator/crds-list/openvox.voxpupuli.org_configs.yaml"),
    include_str!("../../../tests/data/openvox-operator/crds-list/openvox.voxpupuli.org_servers.yaml"),
];
const OWN_CRDS: [&str; 2] =
    [include_str!("../../../crds/yaml/codesyncs.yaml"), include_str!("../../../crds/yaml/codereleases.yaml")];

/// In which shape the installed API has `spec.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Object,
    List,
}

impl Shape {
    pub fn code(self, entry: Value) -> Value {
        match self {
            Self::Object => entry,
            Self::List => Value::Array(vec![entry]),
        }
    }

    pub fn image(self, reference: &str) -> Value {
        self.code(json!({"image": reference}))
    }
}

/// Whether a Deployment has the operator's owner reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    Operator,
    Hand,
}

/// A sandbox, and the reconciler once it was started. Both end when it is dropped.
pub struct World {
    pub client: Client,
    registry: Registry,
    stop: CancellationToken,
    _stop: DropGuard,
}

impl World {
    pub fn new(shape: Shape, options: SandboxOptions) -> Self {
        let sandbox = Sandbox::new(options);
        let crds = match shape {
            Shape::Object => OBJECT_CRDS,
            Shape::List => LIST_CRDS,
        };
        for crd in crds.into_iter().chain(OWN_CRDS) {
            sandbox.install_manifests(crd).unwrap();
        }
        for namespace in [NAMESPACE, "other"] {
            let metadata = json!({"name": namespace});
            sandbox.install(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).unwrap();
        }
        let stop = CancellationToken::new();
        tokio::spawn(sandbox.clone().simulate(stop.clone()));
        let client = sandbox.client(NAMESPACE);
        Self { client, registry: Registry::default(), _stop: stop.clone().drop_guard(), stop }
    }

    /// Starts the reconciler, and waits for its first passes.
    pub async fn reconcile(&mut self, mode: Mode) -> JoinHandle<Result<(), Error>> {
        let metrics = Metrics::register(&mut self.registry);
        let cluster = Cluster::watch(self.client.clone(), Scope::All, self.stop.clone());
        let running = run(self.client.clone(), cluster, Options { mode, metrics }, self.stop.clone());
        let task = tokio::spawn(running);
        wait_for("the reconciler's first pass", || async {
            let passes = self.metric("voxsync_reconciler_passes_total");
            if passes > 0 { Ok(()) } else { Err("no pass") }
        })
        .await;
        task
    }

    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub async fn config(&self, namespace: &str, name: &str, code: Value) {
        let spec =
            json!({"authorityRef": "ca", "code": code, "image": {"repository": "openvox", "tag": "8"}});
        self.create::<Config>(namespace, "Config", name, spec).await;
    }

    /// A Server, and the Deployment that the operator would have made for `reference` (none where it is empty).
    pub async fn server(&self, namespace: &str, name: &str, made_by: MadeBy, spec: Value, reference: &str) {
        let strategy = if spec["ca"] == true { "Recreate" } else { "RollingUpdate" };
        let mut whole = json!({"configRef": "production", "certificateRef": "certificate"});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let server: Server = self.create(namespace, "Server", name, whole).await;
        let owner = json!({
            "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Server", "name": name, "uid": server.uid(),
            "controller": true,
        });
        let labels = json!({"openvox.voxpupuli.org/server": name});
        let mut pod = json!({
            "containers": [{"name": "openvox-server", "image": "openvox:8", "volumeMounts": [
                {"name": "ssl", "mountPath": "/ssl"},
                {"name": "report-webhook-config", "mountPath": "/report"},
            ]}],
            "volumes": [{"name": "ssl", "emptyDir": {}}, {"name": "report-webhook-config", "emptyDir": {}}],
        });
        let mut annotations = json!({"openvox.voxpupuli.org/config-hash": "1"});
        if !reference.is_empty() {
            annotations[CODE_IMAGE] = json!(reference);
            let volume =
                json!({"name": "code", "image": {"reference": reference, "pullPolicy": "IfNotPresent"}});
            let mount =
                json!({"name": "code", "mountPath": "/etc/puppetlabs/code/environments", "readOnly": true});
            pod["volumes"].as_array_mut().unwrap().insert(1, volume);
            pod["containers"][0]["volumeMounts"].as_array_mut().unwrap().insert(1, mount);
        }
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": name, "namespace": namespace, "labels": labels,
                "ownerReferences": if made_by == MadeBy::Operator { json!([owner]) } else { json!([]) },
            },
            "spec": {
                "replicas": 2,
                "strategy": {"type": strategy},
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
            },
        });
        let deployment: Deployment = serde_json::from_value(deployment).unwrap();
        self.api(namespace).create(&PostParams::default(), &deployment).await.unwrap();
        wait_for("the Deployment's first rollout", || self.rolled(namespace, name, 1)).await;
    }

    async fn create<K>(&self, namespace: &str, kind: &str, name: &str, spec: Value) -> K
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned + serde::Serialize,
    {
        let metadata = json!({"name": name, "namespace": namespace});
        let object = json!({
            "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec,
        });
        self.api(namespace)
            .create(&PostParams::default(), &serde_json::from_value(object).unwrap())
            .await
            .unwrap()
    }

    pub async fn set_code(&self, namespace: &str, config: &str, code: Value) {
        self.merge::<Config>(namespace, config, json!({"spec": {"code": code}})).await;
    }

    pub async fn merge<K>(&self, namespace: &str, name: &str, change: Value)
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned,
    {
        let parameters = PatchParams { field_manager: Some("test".to_owned()), ..PatchParams::default() };
        self.api::<K>(namespace).patch(name, &parameters, &Patch::Merge(change)).await.unwrap();
    }

    pub async fn deployment(&self, namespace: &str, name: &str) -> Deployment {
        self.api(namespace).get(name).await.unwrap()
    }

    /// Whether all pods of the Deployment are of its template, and that is the revision.
    pub async fn rolled(&self, namespace: &str, name: &str, revision: u32) -> Result<Deployment, String> {
        let deployment = self.deployment(namespace, name).await;
        let status = deployment.status.clone().unwrap_or_default();
        let is_rolled = deployment.annotations().get("deployment.kubernetes.io/revision")
            == Some(&revision.to_string())
            && status.observed_generation == deployment.metadata.generation
            && (status.updated_replicas, status.available_replicas, status.replicas)
                == (Some(2), Some(2), Some(2));
        if is_rolled { Ok(deployment) } else { Err(format!("{:?} {status:?}", deployment.annotations())) }
    }

    /// Changes the Server `stable` in what nobody reads, and waits until the reconciler has looked at it.
    ///
    /// Twice: the first pass that is seen may have begun before the change.
    pub async fn another_pass(&self) {
        for change in ["first", "second"] {
            let before = self.metric("voxsync_reconciler_passes_total");
            let annotation = json!({"metadata": {"annotations": {"test": change}}});
            self.merge::<Server>(NAMESPACE, "stable", annotation).await;
            wait_for("another pass", || async {
                let passes = self.metric("voxsync_reconciler_passes_total");
                if passes > before { Ok(()) } else { Err(passes) }
            })
            .await;
        }
    }

    pub fn written(&self) -> u64 {
        self.metric("voxsync_reconciler_writes_total{result=\"written\"}")
    }

    pub fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// The first event of this reason, on the Server.
    pub async fn event(&self, server: &str, reason: &str) -> Event {
        wait_for("an event", || async {
            self.events(server, reason).await.into_iter().next().ok_or((server, reason))
        })
        .await
    }

    /// All events of this reason, on the Server.
    pub async fn events(&self, server: &str, reason: &str) -> Vec<Event> {
        let events = self.api::<Event>(NAMESPACE).list(&ListParams::default()).await.unwrap();
        let is_about = |event: &Event| {
            event.reason.as_deref() == Some(reason)
                && event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(server)
        };
        events.items.into_iter().filter(is_about).collect()
    }

    pub fn stopped(&self) -> CancellationToken {
        self.stop.clone()
    }
}

pub fn reference(deployment: &Deployment) -> Option<&str> {
    let template = &deployment.spec.as_ref()?.template;
    let volumes = template.spec.as_ref()?.volumes.as_deref()?;
    let reference = volumes.iter().find(|volume| volume.name == "code")?.image.as_ref()?.reference.as_deref();
    let annotation = template.metadata.as_ref()?.annotations.as_ref()?.get(CODE_IMAGE).map(String::as_str);
    assert_eq!(annotation, reference, "annotation and volume are written together");
    reference
}

/// Waits until it is so; what was seen last is in the message if it never is.
pub async fn wait_for<T, E: Debug>(what: &str, mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(WAIT_LIMIT_SECONDS);
    loop {
        let seen = match look().await {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what}: not within {WAIT_LIMIT_SECONDS} s; {seen:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

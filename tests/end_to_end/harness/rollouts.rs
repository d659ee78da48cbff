//! Deployments in tests: waited for and read by their own words, and a way to know that the reconciler has seen all.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::StreamExt as _;
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    cluster::Cluster,
    servers::NewServer,
    status::{DEADLINE, text},
    wait::wait_for,
};

const CODE_IMAGE: &str = "openvox.voxpupuli.org/code-image";

impl Cluster {
    /// A Server's Deployment, once all its pods are of a template with exactly these code images, and nothing moves.
    pub(crate) async fn rolled(&self, server: &str, images: &[&str]) -> Value {
        wait_for(&format!("all pods of {server} run {images:?}"), DEADLINE, async || {
            let deployment = self.try_get("Deployment", server).await.ok_or("no Deployment")?;
            let (status, spec) = (&deployment["status"], &deployment["spec"]);
            let is_done = code_images(&deployment) == images
                && status["observedGeneration"] == deployment["metadata"]["generation"]
                && ["replicas", "updatedReplicas", "availableReplicas"]
                    .iter()
                    .all(|count| status[*count] == spec["replicas"])
                && status["terminatingReplicas"].as_u64().unwrap_or_default() == 0;
            let seen = format!("{:?}, status {status}", code_images(&deployment));
            if is_done { Ok(deployment) } else { Err(seen) }
        })
        .await
    }

    /// A Server's Deployment, once its template has exactly these code images; pods may be far behind.
    pub(crate) async fn template_with(&self, server: &str, images: &[&str]) -> Value {
        self.deployment_when(server, &format!("the template has {images:?}"), |found| {
            code_images(found) == images
        })
        .await
    }

    /// A Server's Deployment, once it is as wanted.
    pub(crate) async fn deployment_when(
        &self,
        server: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        wait_for(&format!("Deployment {server}: {what}"), DEADLINE, async || {
            let found = self.get("Deployment", server).await;
            if wanted(&found) { Ok(found) } else { Err(found["spec"].to_string()) }
        })
        .await
    }

    /// Changes the code of a Config as a whole; null removes it.
    pub(crate) async fn set_code(&self, config: &str, code: Value) {
        let change = match code {
            Value::Null => json!([{"op": "remove", "path": "/spec/code"}]),
            code => json!([{"op": "add", "path": "/spec/code", "value": code}]),
        };
        let change: json_patch::Patch = serde_json::from_value(change).expect("a JSON patch");
        let parameters =
            PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        let changed = self.api("Config").patch(config, &parameters, &Patch::<()>::Json(change)).await;
        changed.unwrap_or_else(|error| panic!("set the code of Config {config}: {error}"));
    }

    /// A Server with a Deployment that no operator looks after.
    pub(crate) async fn create_server_by_hand(&self, new: &NewServer<'_>) {
        self.create_server(new).await;
        self.patch("Deployment", new.name, json!({"metadata": {"ownerReferences": null}})).await;
    }

    /// Servers and their Deployments, whole: equal as long as nobody writes them.
    pub(crate) async fn versions(&self, servers: &[&str]) -> Vec<Value> {
        let mut versions = Vec::new();
        for server in servers {
            for kind in ["Server", "Deployment"] {
                versions.push(self.get(kind, server).await);
            }
        }
        versions
    }

    /// Puts this code into a Server's pod template by hand.
    pub(crate) async fn put_code(&self, server: &str, reference: &str) {
        put_code(&self.api("Deployment"), server, reference).await;
    }

    /// Somebody who puts other code into a Server's pod template whenever it has this one.
    pub(crate) fn puts_back(&self, server: &str, from: &str, to: &str) -> JoinHandle<()> {
        let deployments = self.api("Deployment");
        let (server, from, to) = (server.to_owned(), from.to_owned(), to.to_owned());
        let changes =
            watcher(deployments.clone(), watcher::Config::default()).default_backoff().applied_objects();
        tokio::spawn(async move {
            let mut changes = Box::pin(changes);
            while let Some(event) = changes.next().await {
                let deployment = event.ok().filter(|deployment| deployment.name_any() == server);
                let deployment = deployment.map(|it| serde_json::to_value(it).expect("JSON"));
                if deployment.is_some_and(|deployment| code_images(&deployment) == [from.as_str()]) {
                    put_code(&deployments, &server, &to).await;
                }
            }
        })
    }

    /// Returns once the reconciler began a pass for everything that had changed before, whatever its mode: it tells of a
    /// last Server what only the latest Deployment, Server and Config can tell it, and its queue keeps the order.
    pub(crate) async fn everything_was_seen(&self) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bystander-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let labels = json!({"openvox.voxpupuli.org/server": name});
        let containers = json!([{"name": "not-the-main-one", "image": "registry.example/other:v1"}]);
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": containers}});
        let spec = json!({"replicas": 0, "selector": {"matchLabels": labels}, "template": template});
        self.create(json!({"kind": "Deployment", "metadata": {"name": name}, "spec": spec})).await;
        self.create_server_alone(&NewServer { name: &name, config: &name, ..NewServer::default() }).await;
        self.create_config(&name, Some(self.code("registry.example/code:v1"))).await;
        self.event(&name, "NoMainContainer").await;
    }
}

async fn put_code(deployments: &Api<DynamicObject>, server: &str, reference: &str) {
    let template = json!({
        "metadata": {"annotations": {CODE_IMAGE: reference}},
        "spec": {"volumes": [{"name": "code", "image": {"reference": reference}}]},
    });
    let parameters = PatchParams { field_manager: Some("somebody".to_owned()), ..PatchParams::default() };
    let patch = Patch::Strategic(json!({"spec": {"template": template}}));
    deployments.patch(server, &parameters, &patch).await.expect("put other code into the template");
}

/// The references of the code volumes of a Deployment's pod template, in their order.
pub(crate) fn code_images(deployment: &Value) -> Vec<&str> {
    code_volumes(deployment).iter().filter_map(|volume| volume["image"]["reference"].as_str()).collect()
}

/// The code volumes of a Deployment's pod template, in their order.
pub(crate) fn code_volumes(deployment: &Value) -> Vec<&Value> {
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array();
    volumes.into_iter().flatten().filter(|volume| text(&volume["name"]).starts_with("code")).collect()
}

/// The mounts of the code volumes in the main container.
pub(crate) fn code_mounts(deployment: &Value) -> Vec<&Value> {
    let mounts = deployment["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].as_array();
    mounts.into_iter().flatten().filter(|mount| text(&mount["name"]).starts_with("code")).collect()
}

/// What the pod template's annotation says of the code.
pub(crate) fn code_annotation(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["metadata"]["annotations"][CODE_IMAGE]
}

/// All of a Deployment that is nobody's but the operator's or a person's: without code reference, version and status.
pub(crate) fn without_code(deployment: &Value) -> Value {
    let mut rest = json!({"metadata": deployment["metadata"], "spec": deployment["spec"]});
    for field in ["resourceVersion", "generation", "managedFields"] {
        rest["metadata"].as_object_mut().expect("metadata").remove(field);
    }
    rest["metadata"]["annotations"] = Value::Null;
    rest["spec"]["template"]["metadata"]["annotations"][CODE_IMAGE] = Value::Null;
    for volume in rest["spec"]["template"]["spec"]["volumes"].as_array_mut().into_iter().flatten() {
        if text(&volume["name"]).starts_with("code") {
            volume["image"]["reference"] = Value::Null;
        }
    }
    rest
}

/// How many revisions a Deployment has had.
pub(crate) fn revision(deployment: &Value) -> &str {
    text(&deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
}

//! A stand-in for openvox-operator: it rewrites a Server's whole Deployment from Server and Config on every event.
//!
//! Written from what the operator was seen to do, not from voxsync's idea of it.

use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, ListParams, PostParams},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::cluster::Cluster;

const MANAGER: &str = "openvox-operator";
const GROUP: &str = "openvox.voxpupuli.org";
const DEFAULT_ENVIRONMENT_PATH: &str = "/etc/puppetlabs/code/environments";
const RETRY: Duration = Duration::from_millis(100);

/// Which release it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// v0.6.0: a changed Config is not noticed.
    V0_6,
    /// Later ones: Configs are watched, and `openvox.voxpupuli.org/paused` is honoured.
    Newer,
}

/// Runs until it is dropped.
pub(crate) struct Operator {
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Apis {
    configs: Api<DynamicObject>,
    servers: Api<DynamicObject>,
    deployments: Api<DynamicObject>,
    release: Release,
}

impl Operator {
    /// Starts one for the test's namespace.
    pub(crate) fn start(cluster: &Cluster, release: Release) -> Self {
        let apis = Apis {
            configs: cluster.api("Config"),
            servers: cluster.api("Server"),
            deployments: cluster.api("Deployment"),
            release,
        };
        let task = tokio::spawn(async move {
            let mut changed = Box::pin(apis.clone().changed_servers());
            while let Some(server) = changed.next().await {
                // As any controller after a conflict, or while the API server is away.
                while apis.reconcile(&server).await.is_err() {
                    tokio::time::sleep(RETRY).await;
                }
            }
        });
        Self { task }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Apis {
    /// The names of Servers that something happened to.
    fn changed_servers(self) -> impl Stream<Item = String> {
        let servers = watch(self.servers.clone()).map(|server| server.name_any());
        // It owns them: a Deployment has the name of its Server.
        let deployments = watch(self.deployments.clone()).map(|deployment| deployment.name_any());
        let configs = match self.release {
            Release::V0_6 => stream::pending().left_stream(),
            Release::Newer => watch(self.configs.clone()).right_stream(),
        };
        let of_configs = configs.then(move |config| {
            let servers = self.servers.clone();
            async move { servers_of(&servers, &config.name_any()).await }
        });
        stream::select(stream::select(servers, deployments), of_configs.flat_map(stream::iter))
    }

    async fn reconcile(&self, name: &str) -> kube::Result<()> {
        let Some(server) = self.servers.get_opt(name).await? else { return Ok(()) };
        let server = value(&server);
        let Some(config) = self.configs.get_opt(text(&server["spec"]["configRef"])).await? else {
            return Ok(());
        };
        let config = value(&config);
        if self.release == Release::Newer && [&server, &config].into_iter().any(is_paused) {
            return Ok(());
        }
        let mut wanted = deployment(&server, &config);
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let Some(found) = self.deployments.get_opt(name).await? else {
            wanted["metadata"]["ownerReferences"] = json!([owner(&server)]);
            return self.deployments.create(&parameters, &object(wanted)).await.map(drop);
        };
        let mut changed = value(&found);
        for field in ["strategy", "template", "replicas"] {
            if let Some(wanted) = wanted["spec"].get(field) {
                changed["spec"][field] = wanted.clone();
            }
        }
        self.deployments.replace(name, &parameters, &object(changed)).await.map(drop)
    }
}

fn watch(api: Api<DynamicObject>) -> impl Stream<Item = DynamicObject> {
    watcher(api, watcher::Config::default())
        .default_backoff()
        .touched_objects()
        .filter_map(|object| async move { object.ok() })
}

async fn servers_of(servers: &Api<DynamicObject>, config: &str) -> Vec<String> {
    let all = servers.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
    all.iter()
        .filter(|server| server.data["spec"]["configRef"] == config)
        .map(kube::ResourceExt::name_any)
        .collect()
}

fn is_paused(object: &Value) -> bool {
    object["metadata"]["annotations"][format!("{GROUP}/paused")] == "true"
}

/// The controller owner reference to a Server.
pub(crate) fn owner(server: &Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Server",
        "name": server["metadata"]["name"], "uid": server["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// The Deployment of a Server, as the operator writes it.
pub(crate) fn deployment(server: &Value, config: &Value) -> Value {
    let name = text(&server["metadata"]["name"]);
    let is_ca = server["spec"]["ca"] == true;
    let is_server = server["spec"]["server"] != false;
    let mut labels = json!({
        "app.kubernetes.io/name": "openvox",
        format!("{GROUP}/config"): server["spec"]["configRef"],
        format!("{GROUP}/server"): name,
        format!("{GROUP}/role"): if is_ca && !is_server { "ca" } else { "server" },
    });
    if is_ca {
        labels[format!("{GROUP}/ca")] = json!("true");
    }
    let code = if is_server { code(server, config) } else { Vec::new() };
    let mut spec = json!({
        "strategy": {"type": if is_ca { "Recreate" } else { "RollingUpdate" }},
        "selector": {"matchLabels": {format!("{GROUP}/server"): name}},
        "template": {
            "metadata": {"labels": labels, "annotations": annotations(&code)},
            "spec": pod(config, &code, is_server),
        },
    });
    // With an HPA the number of replicas is not the operator's.
    if server["spec"]["autoscaling"]["enabled"] != true {
        spec["replicas"] = server["spec"].get("replicas").cloned().unwrap_or(json!(1));
    }
    json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": name, "labels": labels}, "spec": spec})
}

/// The entries of the code that holds for a Server, each with the name of its volume.
fn code(server: &Value, config: &Value) -> Vec<(String, Value)> {
    let own = server["spec"].get("code").filter(|code| !code.is_null());
    match own.or_else(|| config["spec"].get("code")) {
        Some(Value::Array(entries)) => entries
            .iter()
            .enumerate()
            .map(|(place, entry)| {
                let is_placed = ["environment", "mountPath"].iter().any(|key| !text(&entry[*key]).is_empty());
                (if is_placed { format!("code-{place}") } else { "code".to_owned() }, entry.clone())
            })
            .collect(),
        Some(entry @ Value::Object(_)) => vec![("code".to_owned(), entry.clone())],
        _ => Vec::new(),
    }
}

fn annotations(code: &[(String, Value)]) -> Value {
    let mut annotations = json!({
        format!("{GROUP}/config-hash"): "1", format!("{GROUP}/ssl-secret-hash"): "2", format!("{GROUP}/ca-secret-hash"): "3",
    });
    let images: Vec<&str> =
        code.iter().map(|(_, entry)| text(&entry["image"])).filter(|image| !image.is_empty()).collect();
    if !images.is_empty() {
        annotations[format!("{GROUP}/code-image")] = json!(images.join(","));
    }
    annotations
}

fn pod(config: &Value, code: &[(String, Value)], is_server: bool) -> Value {
    let image =
        format!("{}:{}", text(&config["spec"]["image"]["repository"]), text(&config["spec"]["image"]["tag"]));
    let environments = match text(&config["spec"]["puppet"]["environmentPath"]) {
        "" => DEFAULT_ENVIRONMENT_PATH,
        path => path,
    };
    let mut volumes = vec![json!({"name": "ssl", "emptyDir": {}})];
    let mut mounts = vec![json!({"name": "ssl", "mountPath": "/etc/puppetlabs/puppet/ssl"})];
    let mut secrets = Vec::new();
    for (name, entry) in code {
        let path = match (text(&entry["environment"]), text(&entry["mountPath"])) {
            ("", "") => environments.to_owned(),
            ("", path) => path.to_owned(),
            (environment, _) => format!("{environments}/{environment}"),
        };
        mounts.push(json!({"name": name, "mountPath": path, "readOnly": true}));
        volumes.push(volume(name, entry));
        let secret = &entry["imagePullSecret"];
        if !text(secret).is_empty() && !secrets.iter().any(|known: &Value| known["name"] == *secret) {
            secrets.push(json!({"name": secret}));
        }
    }
    // What comes behind the code in the operator's own order.
    if is_server {
        let path = "/etc/puppetlabs/puppet/report-webhook.yaml";
        mounts.push(json!({"name": "report-webhook-config", "mountPath": path, "readOnly": true}));
        volumes.push(json!({"name": "report-webhook-config", "secret": {"secretName": "report-webhook", "optional": true}}));
    }
    let container = json!({
        "name": "openvox-server", "image": image, "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "https", "containerPort": 8140, "protocol": "TCP"}], "volumeMounts": mounts,
    });
    let init = json!({"name": "tls-init", "image": image, "command": ["true"]});
    json!({"initContainers": [init], "containers": [container], "volumes": volumes, "imagePullSecrets": secrets})
}

fn volume(name: &str, entry: &Value) -> Value {
    let claim = text(&entry["claimName"]);
    if !claim.is_empty() {
        return json!({"name": name, "persistentVolumeClaim": {"claimName": claim, "readOnly": true}});
    }
    let policy = match text(&entry["imagePullPolicy"]) {
        "" => "IfNotPresent",
        policy => policy,
    };
    json!({"name": name, "image": {"reference": entry["image"], "pullPolicy": policy}})
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).expect("an object as JSON")
}

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("JSON as an object")
}

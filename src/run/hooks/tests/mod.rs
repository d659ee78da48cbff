//! The receiver on loopback, beside the sandbox's Kubernetes API. The test is the agent: it hears the bell.

mod answers;
mod bounds;
mod certificates;
mod relays;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::http::{Request, Response};
use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    client::Body,
};
use ring::hmac::{HMAC_SHA256, Key, sign};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use voxsync_agent::{CodeSyncKey, Listener, LookBell};
use voxsync_cluster::{Cluster, Scope};
use voxsync_crds::{
    CodeSync,
    yaml::{definitions, to_yaml},
};
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::{Hooks, HooksOptions, Metrics, Parts};

const NAMESPACE: &str = "puppet";
const SECRET: &str = "5f2d7c0f9f6f4b0ab6f1c8f5a0b1e2d3";
const BODY: &str = r#"{"ref": "refs/heads/main"}"#;
const PATIENCE: Duration = Duration::from_secs(40);

/// A receiver with some CodeSyncs. It ends with this value.
struct World {
    address: SocketAddr,
    client: Client,
    bell: LookBell,
    agent: Option<Listener>,
    folder: TempDir,
    running: Option<DropGuard>,
}

impl World {
    /// The CodeSyncs `production`, for GitHub, and `staging`, without a webhook; `hook` is the Secret.
    async fn start() -> Self {
        Self::start_with(|_| HooksOptions::default(), Value::Null).await
    }

    /// With other options, which may need files in the folder that they get; and the labels of this process's CodeSyncs.
    async fn start_with(options: impl FnOnce(&Path) -> HooksOptions, labels: Value) -> Self {
        Self::start_on(options, labels, async |request, server| server.send(request).await).await
    }

    /// With something between the receiver and the API server.
    async fn start_on<A: Future<Output = kube::Result<Response<Body>>> + Send + 'static>(
        options: impl FnOnce(&Path) -> HooksOptions,
        labels: Value,
        between: impl Fn(Request<Body>, Client) -> A + Send + 'static,
    ) -> Self {
        // Whoever comes first; all are the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::new(SandboxOptions::default());
        sandbox.install_manifests(include_str!("../../../demo/openvox-crds.yaml")).unwrap();
        for (_, definition) in definitions() {
            sandbox.install_manifests(&to_yaml(&definition).unwrap()).unwrap();
        }
        let place = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        sandbox.install(place).unwrap();
        let client = sandbox.client(NAMESPACE);
        let cancel = CancellationToken::new();
        let cluster = Cluster::watch(client.clone(), Scope::All, cancel.clone());
        let bell = LookBell::default();
        let agent = Some(bell.listen());
        let folder = tempfile::tempdir().unwrap();
        let server = client.clone();
        let service = tower::service_fn(move |request| between(request, server.clone()));
        let parts = Parts {
            client: Client::new(service, NAMESPACE),
            cluster: cluster.clone(),
            selector: (!labels.is_null())
                .then(|| serde_json::from_value(json!({"matchLabels": labels})).unwrap()),
            bell: bell.clone(),
            metrics: Metrics::default(),
        };
        let options = options(folder.path());
        let hooks = Hooks::bind(([127, 0, 0, 1], 0).into(), &options, parts).await.unwrap();
        let address = hooks.address().unwrap();
        tokio::spawn(hooks.serve(cancel.clone()));
        let world = Self { address, client, bell, agent, folder, running: Some(cancel.drop_guard()) };
        world.create_secret("hook", json!({"token": SECRET})).await;
        world.create("staging", Value::Null).await;
        world.create("production", json!({"type": "github", "secretRef": {"name": "hook"}})).await;
        timeout(PATIENCE, cluster.ready()).await.expect("a cluster");
        until("the CodeSyncs are known", async || {
            cluster.read(|snapshot| snapshot.code_syncs().count() == 2).then_some(())
        })
        .await;
        world
    }

    async fn create_secret(&self, name: &str, values: Value) {
        let secret: Secret =
            serde_json::from_value(json!({"metadata": {"name": name}, "stringData": values})).unwrap();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        api.create(&PostParams::default(), &secret).await.unwrap();
    }

    /// A CodeSync for `ghcr.io/example/<name>` with this webhook, if it is one.
    async fn create(&self, name: &str, webhook: Value) {
        let registry = json!({"repository": format!("ghcr.io/example/{name}"), "tag": {"semver": "*"}});
        let mut source = json!({"interval": "1h", "registry": registry});
        if !webhook.is_null() {
            source["webhook"] = webhook;
        }
        let code_sync = json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": name},
            "spec": {"source": source, "target": {"kind": "Config", "name": name}},
        });
        let code_sync = serde_json::from_value(code_sync).unwrap();
        self.code_syncs().create(&PostParams::default(), &code_sync).await.unwrap();
    }

    fn code_syncs(&self) -> Api<CodeSync> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    async fn patch_secret(&self, token: &str) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let patch = Patch::Merge(json!({"stringData": {"token": token}}));
        api.patch("hook", &PatchParams::default(), &patch).await.unwrap();
    }

    /// What was rung for since the last time.
    fn heard(&mut self) -> BTreeSet<String> {
        let agent = self.agent.as_mut().expect("the test is the agent");
        let keys = agent.heard().now_or_never().unwrap_or_default();
        keys.into_iter().map(|CodeSyncKey { name, .. }| name).collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends bytes, and gives all that comes back until the other side closes.
    async fn send(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // It may be answered before it is all sent.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer");
        String::from_utf8(answer).unwrap()
    }

    async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: voxsync\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        Answer(self.send(format!("{text}\r\n{body}").as_bytes()).await)
    }

    /// A push from GitHub for `production`.
    async fn push(&self, secret: &str) -> u16 {
        let signature = signature(secret, BODY);
        self.request("POST", "/hooks/puppet/production", &[("X-Hub-Signature-256", &signature)], BODY)
            .await
            .status()
    }
}

/// An answer, byte for byte.
#[derive(Debug)]
struct Answer(String);

impl Answer {
    fn status(&self) -> u16 {
        let status = self.0.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no answer: {:?}", self.0))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.0.lines().skip(1).take_while(|line| !line.is_empty());
        lines
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// All of it but the time.
    fn without_date(&self) -> String {
        self.0.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n")
    }
}

fn signature(secret: &str, body: &str) -> String {
    let tag = sign(&Key::new(HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    format!("sha256={}", hex::encode(tag))
}

/// Looks until there is something, with a deadline.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

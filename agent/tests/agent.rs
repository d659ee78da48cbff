//! The agent as a whole: against the sandbox's Kubernetes API and a real registry.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends")]

use std::{fmt::Debug, path::Path, time::Duration};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use prometheus_client::registry::Registry as MetricsRegistry;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use voxsync_agent::{Metrics, Options};
use voxsync_cluster::{Cluster, Scope};
use voxsync_crds::{
    CodeRelease, CodeSync, Config,
    annotations::applied_records,
    code_sync::CodeSyncStatus,
    yaml::{definitions, to_yaml},
};
use voxsync_fixtures::{Access, CodeImage, Registry, Transport};
use voxsync_sandbox::{Sandbox, SandboxOptions};

const NAMESPACE: &str = "puppet";
const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster with the agent in it.
struct World {
    client: Client,
    agent: JoinHandle<Result<(), voxsync_agent::Error>>,
    cancel: CancellationToken,
    folder: tempfile::TempDir,
}

impl World {
    fn start() -> Self {
        // Whoever comes first; all are the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::new(SandboxOptions::default());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/openvox-operator/crds");
        for kind in ["configs", "servers"] {
            let path = folder.join(format!("openvox.voxpupuli.org_{kind}.yaml"));
            sandbox.install_manifests(&std::fs::read_to_string(path).unwrap()).unwrap();
        }
        for (_, definition) in definitions() {
            sandbox.install_manifests(&to_yaml(&definition).unwrap()).unwrap();
        }
        sandbox
            .install(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
            .unwrap();
        let client = sandbox.client(NAMESPACE);
        let cancel = CancellationToken::new();
        let cluster = Cluster::watch(client.clone(), Scope::All, cancel.clone());
        let cache = tempfile::tempdir().unwrap();
        let options = Options {
            file_root: cache.path().to_owned(),
            git_file_root: None,
            cache_folder: cache.path().join("git"),
            selector: None,
            user_agent: "voxsync-test".to_owned(),
            registries: voxsync_agent::Registries::default(),
            authorities: None,
            metrics: Metrics::register(&mut MetricsRegistry::default()),
            gatekeeper: voxsync_agent::Gatekeeper::Present,
            bell: voxsync_agent::LookBell::default(),
            job_service_account: None,
        };
        let agent = tokio::spawn(voxsync_agent::run(client.clone(), cluster, options, cancel.clone()));
        Self { client, agent, cancel, folder: cache }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    async fn config(&self, name: &str, image: &str) {
        let spec = json!({"authorityRef": "ca", "image": {"repository": "openvox", "tag": "8"}, "code": {"image": image}});
        let config = json!({"apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Config",
                            "metadata": {"name": name}, "spec": spec});
        self.api::<Config>()
            .create(&PostParams::default(), &serde_json::from_value(config).unwrap())
            .await
            .unwrap();
    }

    async fn code_sync(&self, name: &str, config: &str, interval: &str, registry: Value) {
        self.code_sync_of(name, config, json!({"source": {"interval": interval, "registry": registry}}))
            .await;
    }

    async fn code_sync_of(&self, name: &str, config: &str, mut spec: Value) {
        spec["target"] = json!({"kind": "Config", "name": config});
        let code_sync = json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": name}, "spec": spec,
        });
        let code_sync: CodeSync = serde_json::from_value(code_sync).unwrap();
        self.api::<CodeSync>().create(&PostParams::default(), &code_sync).await.unwrap();
    }

    async fn image(&self, config: &str) -> String {
        let config = self.api::<Config>().get(config).await.unwrap();
        config.spec.code.unwrap().entries()[0].image.clone().unwrap()
    }

    async fn status(&self, name: &str) -> CodeSyncStatus {
        self.api::<CodeSync>().get(name).await.unwrap().status.unwrap_or_default()
    }

    async fn candidate(&self, name: &str) -> Option<String> {
        self.status(name).await.candidate.map(|candidate| candidate.name)
    }

    async fn stop(self) {
        self.cancel.cancel();
        tokio::time::timeout(PATIENCE, self.agent).await.expect("the agent stops in time").unwrap().unwrap();
    }
}

/// Waits until a state is the wanted one.
async fn wait_for<T: Debug>(what: &str, mut state: impl AsyncFnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let present = state().await;
        if wanted(&present) {
            return present;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}: {present:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn followed(registry: &Registry) -> Value {
    json!({"repository": format!("{}/code", registry.host()), "tag": {"semver": ">=1.0.0"}, "insecure": true})
}

async fn registry_with(tags: &[&str]) -> (Registry, Vec<String>) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let mut digests = Vec::new();
    for tag in tags {
        digests.push(registry.push("code", tag, &CodeImage::with_site(tag)).await);
    }
    (registry, digests)
}

fn tag_lists(registry: &Registry) -> usize {
    registry.requests().iter().filter(|request| request.path.contains("tags/list")).count()
}

#[tokio::test]
async fn a_tag_is_written_with_its_record() {
    let (registry, digests) = registry_with(&["v1.0.0", "v1.2.0", "v1.10.0"]).await;
    let world = World::start();
    world.config("production", &registry.reference("code", "v1.0.0")).await;
    world.code_sync("production", "production", "720h", followed(&registry)).await;
    let wanted = format!("{}@{}", registry.reference("code", "v1.10.0"), digests[2]);
    wait_for("the reference", async || world.image("production").await, |image| *image == wanted).await;

    let config = world.api::<Config>().get("production").await.unwrap();
    let code_sync = world.api::<CodeSync>().get("production").await.unwrap();
    let records = applied_records(config.metadata.annotations.as_ref());
    let record = &records[""];
    assert_eq!(
        (record.reference.as_ref(), Some(&record.code_sync)),
        (Some(&wanted), code_sync.metadata.uid.as_ref())
    );
    assert_eq!(record.previous, Some(registry.reference("code", "v1.0.0")));
    let managers: Vec<_> =
        config.metadata.managed_fields.iter().flatten().filter_map(|one| one.manager.clone()).collect();
    assert!(managers.contains(&"voxsync".to_owned()), "{managers:?}");
    let status = code_sync.status.unwrap();
    assert_eq!(status.candidate.map(|candidate| candidate.digest), Some(digests[2].clone()));
    assert_eq!(status.source.and_then(|source| source.tag_count), Some(3));
    world.stop().await;
}

#[tokio::test]
async fn code_syncs_on_one_repository_share_one_look() {
    let (registry, _) = registry_with(&["v1.0.0"]).await;
    let world = World::start();
    let names = ["one", "two", "three"];
    registry.forget_requests();
    for name in names {
        world.config(name, "other/code:v0").await;
        world.code_sync(name, name, "720h", followed(&registry)).await;
    }
    for name in names {
        wait_for("a candidate", async || world.candidate(name).await, Option::is_some).await;
    }
    assert_eq!(tag_lists(&registry), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_request_looks_at_once_and_an_idle_look_writes_nothing() {
    let (registry, _) = registry_with(&["v1.0.0"]).await;
    let world = World::start();
    world.config("production", "other/code:v0").await;
    world.code_sync("production", "production", "720h", followed(&registry)).await;
    wait_for(
        "the first reference",
        async || world.image("production").await,
        |image| image.contains("v1.0.0"),
    )
    .await;

    let request = async |token: &str| {
        let patch = json!({"metadata": {"annotations": {"voxsync.dev/requestedAt": token}}});
        let api = world.api::<CodeSync>();
        api.patch("production", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        let handled = async || world.status("production").await.last_handled_reconcile_at;
        wait_for("the request", handled, |handled| handled.as_deref() == Some(token)).await;
    };
    registry.push("code", "v1.1.0", &CodeImage::with_site("v1.1.0")).await;
    request("one").await;
    wait_for(
        "the second reference",
        async || world.image("production").await,
        |image| image.contains("v1.1.0"),
    )
    .await;

    let before = world.api::<Config>().get("production").await.unwrap();
    registry.forget_requests();
    request("two").await;
    let asked: Vec<_> = registry.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(asked.len(), 1, "an idle look is one request: {asked:?}");
    let after = world.api::<Config>().get("production").await.unwrap();
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version);
    world.stop().await;
}

#[tokio::test]
async fn looks_that_find_nothing_new_leave_the_code_sync_alone() {
    let (registry, _) = registry_with(&["v1.0.0"]).await;
    let world = World::start();
    world.config("production", &registry.reference("code", "v1.0.0")).await;
    world.code_sync("production", "production", "1s", followed(&registry)).await;
    wait_for("a candidate", async || world.candidate("production").await, Option::is_some).await;
    let looked = async || tag_lists(&registry);
    let first = wait_for("a look after that", looked, |count| *count >= 2).await;
    let before = world.api::<CodeSync>().get("production").await.unwrap().metadata.resource_version;
    wait_for("two more looks", looked, |count| *count >= first + 2).await;
    let after = world.api::<CodeSync>().get("production").await.unwrap().metadata.resource_version;
    assert_eq!(before, after);
    world.stop().await;
}

/// A Secret with a login that does not say for which host it is.
fn login(password: &str) -> Secret {
    let values = [("username", "reader"), ("password", password)];
    let data = values.map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())));
    let mut secret = Secret { data: Some(data.into()), ..Secret::default() };
    secret.metadata.name = Some("login".to_owned());
    secret
}

#[tokio::test]
async fn a_login_does_not_go_where_a_file_says() {
    let access = Access::Basic { user: "reader".into(), password: "right".into() };
    let registry = Registry::start(access, Transport::Plain);
    registry.push("code", "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let world = World::start();
    std::fs::write(world.folder.path().join("ref.txt"), registry.reference("code", "v1.0.0")).unwrap();
    world.api::<Secret>().create(&PostParams::default(), &login("right")).await.unwrap();
    world.config("production", "other/code:v0").await;
    let image = json!({"secretRef": {"name": "login"}, "insecure": true});
    let spec = json!({"source": {"file": {"path": "ref.txt"}}, "image": image});
    world.code_sync_of("production", "production", spec).await;
    let messages = async || {
        let conditions = world.status("production").await.conditions;
        conditions.into_iter().map(|condition| condition.message).collect::<String>()
    };
    wait_for("what is needed", messages, |messages| messages.contains("needed is .dockerconfigjson")).await;
    let given: Vec<_> = registry.requests().into_iter().map(|request| request.headers).collect();
    assert!(given.iter().all(|headers| !headers.contains_key("authorization")), "{given:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_pin_may_be_there_before_its_image() {
    let (registry, _) = registry_with(&["v1.0.0"]).await;
    let world = World::start();
    world.config("production", "other/code:v0").await;
    let source = json!({"interval": "720h", "registry": followed(&registry)});
    let pin = json!({"reference": registry.reference("code", "v1.1.0")});
    world.code_sync_of("production", "production", json!({"source": source, "pin": pin})).await;
    let asked = async || registry.requests().iter().any(|request| request.path.ends_with("v1.1.0"));
    wait_for("a look at the pin", asked, |asked| *asked).await;
    registry.push("code", "v1.1.0", &CodeImage::with_site("v1.1.0")).await;
    wait_for("the reference", async || world.image("production").await, |image| image.contains("v1.1.0"))
        .await;
    world.stop().await;
}

#[tokio::test]
async fn a_login_that_is_mended_is_used() {
    let access = Access::Basic { user: "reader".into(), password: "right".into() };
    let registry = Registry::start(access, Transport::Plain);
    registry.push("code", "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let world = World::start();
    world.config("production", "other/code:v0").await;
    let mut source = followed(&registry);
    source["secretRef"] = json!({"name": "login"});
    world.code_sync("production", "production", "1s", source).await;
    let message = async || {
        let conditions = world.status("production").await.conditions;
        let ready = conditions.into_iter().find(|condition| condition.kind == "SourceReady");
        ready.map(|ready| ready.message).unwrap_or_default()
    };
    wait_for("the missing Secret", message, |message| message.contains("Secret puppet/login does not exist"))
        .await;

    let secrets = world.api::<Secret>();
    secrets.create(&PostParams::default(), &login("hunter2")).await.unwrap();
    let refused = wait_for("the refusal", message, |message| message.contains("refuses the login")).await;
    assert!(refused.contains("Secret puppet/login has the keys password, username"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");

    secrets.delete("login", &kube::api::DeleteParams::default()).await.unwrap();
    secrets.create(&PostParams::default(), &login("right")).await.unwrap();
    wait_for("the reference", async || world.image("production").await, |image| image.contains("v1.0.0"))
        .await;
    world.stop().await;
}

#[tokio::test]
async fn a_deleted_code_sync_leaves_its_target() {
    let (registry, _) = registry_with(&["v1.0.0"]).await;
    let world = World::start();
    world.config("production", "other/code:v0").await;
    world.code_sync("production", "production", "720h", followed(&registry)).await;
    let written =
        wait_for("the reference", async || world.image("production").await, |image| image.contains("v1.0.0"))
            .await;
    world.api::<CodeSync>().delete("production", &kube::api::DeleteParams::default()).await.unwrap();
    let events = world.api::<k8s_openapi::api::events::v1::Event>();
    let reasons = async || {
        let events = events.list(&kube::api::ListParams::default()).await.unwrap();
        events.items.into_iter().filter_map(|event| event.reason).collect::<Vec<_>>()
    };
    wait_for("the event", reasons, |reasons| reasons.contains(&"Deleted".to_owned())).await;
    assert_eq!(world.image("production").await, written);
    assert_eq!(
        world.api::<CodeRelease>().list(&kube::api::ListParams::default()).await.unwrap().items.len(),
        0
    );
    world.stop().await;
}

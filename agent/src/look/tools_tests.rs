//! Who waits for whom, and who is asked what: with real servers and programs.

use std::{collections::HashMap, fs, os::unix::fs::PermissionsExt as _, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Map, Value, json};
use voxsync_fixtures::{
    Access as Guard, CodeImage, CosignKey, GitHub, GitRepository, GitServer, Registry, SeenRequest, Transport,
};
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::*;
use crate::{
    OwnLoginOptions, OwnLogins, Registries,
    look::{
        Asked, Job, Memory, Report, carry_out,
        place::{FieldQuery, Finding, GitFollow, Place, Want},
        verify::VerifyQuery,
    },
    test_options::options,
};

const NAMESPACE: &str = "puppet";
const CODE: &str = "team/code";
/// More than ever may ask one host at once.
const MANY: usize = 40;
/// Less than what hangs here is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tools in a cluster with these Secrets.
pub(in crate::look) async fn tools(
    secrets: &[(&str, Value)],
    registries: Registries,
    folder: &tempfile::TempDir,
) -> Tools {
    tools_of(cluster(secrets).await, registries, folder)
}

/// A cluster with these Secrets.
async fn cluster(secrets: &[(&str, Value)]) -> Client {
    let sandbox = Sandbox::new(SandboxOptions::default());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    sandbox.install(namespace).unwrap();
    let client = sandbox.client(NAMESPACE);
    for (name, values) in secrets {
        let api: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
        api.create(&PostParams::default(), &secret(name, values)).await.unwrap();
    }
    client
}

fn secret(name: &str, values: &Value) -> Secret {
    let bytes = |value: &Value| ByteString(value.as_str().unwrap().as_bytes().to_vec());
    let values: &Map<String, Value> = values.as_object().unwrap();
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    secret.data = Some(values.iter().map(|(key, value)| (key.clone(), bytes(value))).collect());
    secret
}

fn tools_of(client: Client, registries: Registries, folder: &tempfile::TempDir) -> Tools {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = Options { registries, ..options(folder.path()) };
    Tools::new(client, &options)
}

async fn look(tools: &Tools, place: Place, asked: Asked) -> Finding {
    carried_out(tools, place, asked, false).await
}

async fn carried_out(tools: &Tools, place: Place, asked: Asked, is_afresh: bool) -> Finding {
    let job = Job {
        id: 0,
        place,
        asked: vec![asked],
        is_afresh,
        kept: Vec::new(),
        sought: HashMap::new(),
        begun: Timestamp::now(),
        memory: Memory::default(),
    };
    let Report { findings, .. } = carry_out(tools, job).await;
    findings.into_iter().next().unwrap().1
}

fn access(secret: Option<&str>) -> Access {
    Access::new(NAMESPACE, secret, None, true)
}

fn of_registry(repository: String, secret: Option<&str>) -> Place {
    Place::Registry { repository, access: access(secret) }
}

fn follow(tag: &str) -> Want {
    Want::Follow(tag.to_owned())
}

/// What one finds while all the others hang.
async fn while_they_hang(
    hung: impl Future<Output = Vec<Finding>>,
    one: impl Future<Output = Finding>,
) -> Finding {
    let one = tokio::time::timeout(PATIENCE, one);
    tokio::select! {
        biased;
        _ = hung => panic!("what hangs has ended"),
        found = one => found.expect("it waits for those that hang"),
    }
}

#[tokio::test]
async fn a_provider_that_hangs_holds_up_nobody_who_has_a_login() {
    let guard = Guard::Basic { user: "user".to_owned(), password: "right".to_owned() };
    let (registry, folder) = (Registry::start(guard, Transport::Plain), tempfile::tempdir().unwrap());
    registry.push(CODE, "v1", &CodeImage::with_site("one")).await;
    let (program, configuration) = (folder.path().join("hangs"), folder.path().join("providers.json"));
    fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let providers = json!({
        "apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": [{
            "name": "hangs", "matchImages": [registry.host()], "defaultCacheDuration": "1h",
            "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        }],
    });
    fs::write(&configuration, providers.to_string()).unwrap();
    let options = OwnLoginOptions {
        credential_providers: Some((configuration, folder.path().to_owned())),
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        ..OwnLoginOptions::default()
    };
    let logins = Arc::new(OwnLogins::load(options).await.unwrap());
    let secret = ("login", json!({"username": "user", "password": "right"}));
    let tools = tools(&[secret], Registries { logins, ..Registries::default() }, &folder).await;

    let other = |number| of_registry(format!("{}/other{number}", registry.host()), None);
    let hung = join_all((0..MANY).map(|number| look(&tools, other(number), follow("v1").into())));
    let own = of_registry(format!("{}/{CODE}", registry.host()), Some("login"));
    let found = while_they_hang(hung, look(&tools, own, follow("v1").into())).await;
    assert!(found.image.is_some(), "{found:?}");
}

#[tokio::test]
async fn a_github_that_gives_no_token_holds_up_nobody_who_has_a_login() {
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let guard = Guard::Basic { user: "user".to_owned(), password: "right".to_owned() };
    let (repository, folder) = (GitRepository::create(), tempfile::tempdir().unwrap());
    let commit = repository.commit("code", "127.0.0.1:1/code:v1", "one");
    let server = GitServer::http(&repository, guard, Transport::Plain);
    let login = json!({"username": "user", "password": "right"});
    let origin = format!("https://{}", silent.local_addr().unwrap());
    let secrets = [("login", login), ("app", GitHub::create().secret_at(&origin))];
    let tools = tools(&secrets, Registries::default(), &folder).await;

    let place = |url: &str, secret| Place::Git {
        url: url.parse().unwrap(),
        follow: GitFollow::Branch("production".to_owned()),
        access: access(Some(secret)),
    };
    let field = FieldQuery { path: "code".to_owned(), ..FieldQuery::default() };
    let want = || Want::Named { field: field.clone(), image: access(None) };
    let of_app = |number| place(&format!("{origin}/{number}.git"), "app");
    let hung = join_all((0..MANY).map(|number| look(&tools, of_app(number), want().into())));
    let own = look(&tools, place(&server.url(), "login"), want().into());
    let found = while_they_hang(hung, own).await;
    assert_eq!(found.revision, Some(commit), "{found:?}");
}

#[tokio::test]
async fn a_mended_secret_is_read_by_the_next_look_and_a_changed_one_by_a_look_that_somebody_wants() {
    let guard = Guard::Basic { user: "user".to_owned(), password: "right".to_owned() };
    let (registry, folder) = (Registry::start(guard, Transport::Plain), tempfile::tempdir().unwrap());
    registry.push(CODE, "v1", &CodeImage::with_site("one")).await;
    let of_another_host = json!({".dockerconfigjson": r#"{"auths": {"other.example": {"auth": "dTpw"}}}"#});
    let client = cluster(&[("login", of_another_host)]).await;
    let put = async |values: &Value| {
        let api: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
        api.delete("login", &DeleteParams::default()).await.unwrap();
        api.create(&PostParams::default(), &secret("login", values)).await.unwrap();
    };
    let tools = tools_of(client.clone(), Registries::default(), &folder);
    let found = async |is_afresh| {
        let place = of_registry(format!("{}/{CODE}", registry.host()), Some("login"));
        let finding = carried_out(&tools, place, follow("v1").into(), is_afresh).await;
        finding.problem.map(|problem| problem.reason)
    };
    assert_eq!(found(false).await.as_deref(), Some(BAD_CREDENTIALS));
    put(&json!({"username": "user", "password": "right"})).await;
    assert_eq!(found(false).await, None, "what failed is not believed");
    put(&json!({"username": "user"})).await;
    assert_eq!(found(false).await, None, "what was good is believed for a minute");
    assert_eq!(found(true).await.as_deref(), Some(BAD_CREDENTIALS));
}

#[tokio::test]
async fn a_file_is_said_to_be_what_it_is_and_nothing_of_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let tools = tools(&[], Registries::default(), &folder).await;
    for (path, text, reason, says) in [
        ("gone", None, "NotFound", "cannot be read"),
        ("../gone", None, "BadReference", "is not below"),
        ("word", Some("hunter2"), "BadReference", "is not an image reference ("),
        ("name", Some("ghcr.io/hunter2/code"), "BadReference", "neither a tag nor a digest"),
    ] {
        if let Some(text) = text {
            fs::write(folder.path().join(path), text).unwrap();
        }
        let want = Want::Named { field: FieldQuery::default(), image: access(None) };
        let problem = look(&tools, Place::File { path: path.into() }, want.into()).await.problem.unwrap();
        assert!(problem.reason == reason && problem.message.contains(says), "{problem:?}");
        assert!(!problem.message.contains("hunter2"), "{problem:?}");
    }
}

/// Methods and paths below a repository.
fn asked(requests: &[SeenRequest], repository: &str) -> Vec<String> {
    let below = format!("/v2/{repository}/");
    let path = |seen: &SeenRequest| seen.path.strip_prefix(&below).map(str::to_owned);
    requests.iter().filter_map(|seen| Some(format!("{} {}", seen.method, path(seen)?))).collect()
}

#[tokio::test]
async fn a_mirror_is_asked_what_it_may_answer() {
    let (origin, mirror) = (
        Registry::start(Guard::Anonymous, Transport::Plain),
        Registry::start(Guard::Anonymous, Transport::Plain),
    );
    let (key, folder) = (CosignKey::new(), tempfile::tempdir().unwrap());
    let new = origin.push(CODE, "stable", &CodeImage::with_site("new")).await;
    key.sign_image(&origin, CODE, &new).await;
    // The mirror has the new image, too, but an old tag, and not the signature.
    mirror.push(CODE, "other", &CodeImage::with_site("new")).await;
    let old = mirror.push(CODE, "stable", &CodeImage::with_site("old")).await;
    let verify = json!({"cosign": {"keys": {"secretRef": {"name": "keys"}}}});
    let verify = VerifyQuery::of(&serde_json::from_value(verify).unwrap(), NAMESPACE).unwrap();
    let sight = async |option: &str| {
        origin.forget_requests();
        mirror.forget_requests();
        let option = format!("{}=http://{}{option}", origin.host(), mirror.host());
        let registries = Registries { mirrors: vec![option.parse().unwrap()], ..Registries::default() };
        let secret = ("keys", json!({"cosign.pub": key.public_key()}));
        let tools = tools(&[secret], registries, &folder).await;
        let place = of_registry(format!("{}/{CODE}", origin.host()), None);
        look(&tools, place, Asked { want: follow("stable"), verify: Some(verify.clone()) }).await
    };

    let found = sight("").await;
    let image = found.image.unwrap();
    assert!(image.digest == new && image.verified.is_some(), "{image:?}");
    assert_eq!(
        asked(&mirror.requests(), CODE),
        [format!("GET manifests/{new}")],
        "what cannot be another one"
    );
    let of_origin = asked(&origin.requests(), CODE);
    assert!(of_origin.contains(&"HEAD manifests/stable".to_owned()), "{of_origin:?}");
    assert!(!of_origin.contains(&format!("GET manifests/{new}")), "{of_origin:?}");

    // One that says that it resolves is taken for the registry itself.
    let found = sight("+resolve").await;
    assert_eq!((found.image.unwrap().digest, found.unverified.len()), (old, 1));
    assert!(asked(&origin.requests(), CODE).is_empty(), "nothing else is needed, and it may be out of reach");
}

#[tokio::test]
async fn what_mirrors_say_is_said_where_nobody_has_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mirrors = vec!["127.0.0.1:1=http://127.0.0.1:2/hub+resolve".parse().unwrap()];
    let tools = tools(&[], Registries { mirrors, ..Registries::default() }, &folder).await;
    let found = look(&tools, of_registry(format!("127.0.0.1:1/{CODE}"), None), follow("v1").into()).await;
    let message = found.problem.unwrap().message;
    for words in [
        format!("of 127.0.0.1:1/{CODE}: "),
        format!("(its mirror: cannot read \"v1\" of 127.0.0.1:2/hub/{CODE}"),
    ] {
        assert!(message.contains(&words), "{message}");
    }
}

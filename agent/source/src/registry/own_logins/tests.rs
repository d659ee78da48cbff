//! With real programs: small scripts.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;
use voxsync_hostile::{fuzz, near};

use super::{cache::Reach, *};
use crate::registry::docker_config::login_in;

const PROTOCOL: &str = "credentialprovider.kubelet.k8s.io/v1";

struct World {
    folder: tempfile::TempDir,
    logins: OwnLogins,
}

impl World {
    /// One provider for `*.example`, which is this script. Each run leaves its request in a file of its folder.
    async fn with(script: &str, provider: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_program(&folder.path().join("plugin"), script, folder.path());
        let mut item = json!({
            "name": "plugin", "matchImages": ["*.example", "docker.io"], "defaultCacheDuration": "1h", "apiVersion": PROTOCOL,
        });
        item.as_object_mut().unwrap().extend(provider.as_object().unwrap().clone());
        let configuration = json!({
            "apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": [item],
        });
        let path = folder.path().join("configuration.json");
        fs::write(&path, configuration.to_string()).unwrap();
        let environment =
            [("PATH", "/usr/bin:/bin"), ("AWS_REGION", "eu-1"), ("DATABASE_PASSWORD", "hunter2")];
        let options = OwnLoginOptions {
            credential_providers: Some((path, folder.path().to_owned())),
            environment: environment.map(|(name, value)| (name.into(), value.into())).into(),
            ..OwnLoginOptions::default()
        };
        let logins = OwnLogins::load(options).await.unwrap();
        Self { folder, logins }
    }

    async fn login(&self, repository: &str) -> Result<Option<Login>, OwnLoginError> {
        self.logins.login_for(&repository.parse().unwrap()).await
    }

    fn requests(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("requests")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn write_program(path: &Path, script: &str, folder: &Path) {
    let script = format!(
        "#!/bin/sh\ncd {}\nrequest=$(cat); echo \"$request\" >> requests\n{script}\n",
        folder.display()
    );
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn basic(username: &str, password: &str) -> Login {
    Login::Basic { username: username.to_owned(), password: password.to_owned() }
}

fn answer(reach: &str, more: &str) -> String {
    let auth = r#"{"*.example": {"username": "AWS", "password": "a token"}}"#;
    format!(
        r#"echo '{{"kind": "CredentialProviderResponse", "apiVersion": "{PROTOCOL}", "cacheKeyType": "{reach}"{more}, "auth": {auth}}}'"#
    )
}

#[rstest]
#[case::image("Image", 3)]
#[case::registry("Registry", 2)]
#[case::global("Global", 1)]
#[tokio::test]
async fn a_program_is_asked_and_its_answer_is_kept(#[case] reach: &str, #[case] runs: usize) {
    let world = World::with(&answer(reach, ""), json!({})).await;
    for _ in 0..2 {
        for repository in ["one.example/code", "one.example/other", "two.example/code"] {
            assert_eq!(world.login(repository).await, Ok(Some(basic("AWS", "a token"))));
        }
    }
    let requests = world.requests();
    assert_eq!(requests.len(), runs);
    let wanted =
        json!({"kind": "CredentialProviderRequest", "apiVersion": PROTOCOL, "image": "one.example/code"});
    assert_eq!(requests[0], wanted);
    assert_eq!(world.login("elsewhere.test/code").await, Ok(None));
    assert_eq!(world.requests().len(), runs, "it is asked only for images that it is for");
    world.logins.forget(&"one.example/code".parse().unwrap());
    world.login("one.example/code").await.unwrap();
    assert_eq!(world.requests().len(), runs + 1, "what is refused is asked for again");
}

#[rstest]
#[case::not_at_all("0s", 2)]
#[case::no_unit("0", 2)]
#[case::over_already("-1.5h", 2)]
#[case::a_part_of_a_unit("1.5h", 1)]
#[case::parts_of_several("1h1.5m300ms", 1)]
#[tokio::test]
async fn an_answer_may_say_how_long_it_is_to_be_kept(#[case] age: &str, #[case] runs: usize) {
    let world = World::with(&answer("Image", &format!(r#", "cacheDuration": "{age}""#)), json!({})).await;
    world.login("one.example/code").await.unwrap();
    world.login("one.example/code").await.unwrap();
    assert_eq!(world.requests().len(), runs);
}

#[tokio::test]
async fn it_has_its_arguments_and_only_the_environment_that_it_needs() {
    let script = format!("echo \"$@\" > arguments; env > environment; {}", answer("Image", ""));
    let provider = json!({"args": ["get", "-v"], "env": [{"name": "MODE", "value": "test"}]});
    let world = World::with(&script, provider).await;
    world.login("one.example/code").await.unwrap();
    let read = |name: &str| fs::read_to_string(world.folder.path().join(name)).unwrap();
    assert_eq!(read("arguments"), "get -v\n");
    let environment = read("environment");
    let has = |line: &str| environment.lines().any(|found| found == line);
    assert!(has("MODE=test") && has("AWS_REGION=eu-1") && has("PATH=/usr/bin:/bin"), "{environment}");
    assert!(!environment.contains("hunter2"), "{environment}");
}

#[rstest]
#[case::fails("echo hint >&2; echo no access >&2; exit 3", "ended with exit status: 3: no access")]
#[case::says_nothing("exit 1", "ended with exit status: 1")]
#[case::nonsense("echo s3cret", "not a CredentialProviderResponse")]
#[case::other_kind(
    "echo '{\"kind\": \"Secret\", \"apiVersion\": \"v1\", \"cacheKeyType\": \"Image\"}'",
    "something else"
)]
#[case::endless("head -c 3000000 /dev/zero", "more than 1048576 bytes")]
#[tokio::test]
async fn errors_name_the_program(#[case] script: &str, #[case] reason: &str) {
    let world = World::with(script, json!({})).await;
    let error = world.login("one.example/code").await.unwrap_err();
    assert_eq!(world.login("one.example/code").await, Err(error.clone()));
    assert_eq!(world.requests().len(), 1, "a failure is not tried again at once");
    let message = error.to_string();
    assert!(
        message.starts_with("the credential provider plugin gives no login for one.example/code: "),
        "{message}"
    );
    assert!(message.contains(reason) && !message.contains("s3cret"), "{message}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let world = World::with("", json!({"name": "absent"})).await;
    let message = world.login("one.example/code").await.unwrap_err().to_string();
    assert!(message.contains("absent cannot be started"), "{message}");
}

#[tokio::test]
async fn a_program_that_does_not_end_is_ended() {
    let mut world = World::with("exec sleep 1000", json!({})).await;
    world.logins.plugins[0].limit = Duration::from_millis(300);
    let message = world.login("one.example/code").await.unwrap_err().to_string();
    assert!(message.contains("did not end in 300ms"), "{message}");
    let of_another = world.login("one.example/other").await.unwrap_err().to_string();
    assert!(of_another.contains("no login for one.example/other: it did not end in 300ms"), "{of_another}");
    assert_eq!(world.requests().len(), 1, "who waited for it does not wait again");
}

#[tokio::test]
async fn one_that_hangs_for_a_registry_holds_up_no_other() {
    let script = format!("case $request in *slow*) exec sleep 1000;; esac\n{}", answer("Registry", ""));
    let world = World::with(&script, json!({})).await;
    tokio::select! {
        biased;
        ended = world.login("slow.example/code") => panic!("it hangs: {ended:?}"),
        found = world.login("one.example/code") => assert_eq!(found, Ok(Some(basic("AWS", "a token")))),
    }
}

#[tokio::test]
async fn failures_are_answers_for_longer_and_longer() {
    let world = World::with("", json!({})).await;
    let (plugin, repository) = (&world.logins.plugins[0], "one.example/code".parse().unwrap());
    let mut now = Instant::now();
    let fail = |now| plugin.remember(&repository, Err((Reach::Image, "no".to_owned())), now);
    for age in [10, 20, 40, 60, 60].map(Duration::from_secs) {
        fail(now);
        assert!(plugin.known(&repository, now + age - Duration::from_millis(1)).is_some());
        plugin.forget(&repository);
        now += age;
        assert!(plugin.known(&repository, now).is_none(), "not after {age:?}");
    }
    plugin.remember(&repository, Ok((BTreeMap::new(), Reach::Registry, Duration::ZERO)), now);
    fail(now);
    assert!(plugin.known(&repository, now + Duration::from_secs(10)).is_none(), "it was well again");
}

#[tokio::test]
async fn a_docker_configuration_is_read_at_each_use_and_comes_first() {
    let world = World::with(&answer("Global", ""), json!({})).await;
    let path = world.folder.path().join("docker.json");
    let write = |password: &str| {
        let login = json!({"auths": {"one.example": {"username": "u", "password": password}}});
        fs::write(&path, login.to_string()).unwrap();
    };
    let logins = OwnLogins { docker_config: Some(path.clone()), ..world.logins };
    let login = async |repository: &str| logins.login_for(&repository.parse().unwrap()).await;
    for password in ["one", "two"] {
        write(password);
        assert_eq!(login("one.example/code").await, Ok(Some(basic("u", password))));
    }
    assert_eq!(login("two.example/code").await, Ok(Some(basic("AWS", "a token"))));
    fs::write(&path, "hunter2").unwrap();
    let message = login("one.example/code").await.unwrap_err().to_string();
    assert!(message.contains("docker.json cannot be used: it is not a Docker configuration"), "{message}");
    assert!(!message.contains("hunter2") && !message.contains("Secret"), "{message}");
    fs::remove_file(&path).unwrap();
    assert!(login("one.example/code").await.unwrap_err().to_string().starts_with("cannot read "));
}

#[test]
fn fuzz_answer_of_a_credential_provider() {
    let configuration = json!({
        "apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": [{
            "name": "ecr", "matchImages": ["*.example", "r.example:5000/a"], "defaultCacheDuration": "12h0m0s",
            "apiVersion": PROTOCOL, "args": ["get", "x"], "env": [{"name": "A", "value": "b"}],
        }],
    });
    let provider = Configuration::read(configuration.to_string().as_bytes()).unwrap().providers.remove(0);
    let login = json!({"username": "user", "password": "hunter2"});
    let answer = json!({
        "apiVersion": PROTOCOL, "kind": "CredentialProviderResponse", "cacheKeyType": "Registry",
        "cacheDuration": "6h30m", "auth": {"*.example": login, "r.example/team": login, "r.example:5000": login},
    });
    let repository: Repository = "r.example/team/code".parse().unwrap();
    fuzz(near([answer.to_string()]), |output| match plugin::read(&output, &provider) {
        Ok((entries, reach, age)) => {
            let mut cache = cache::Cache::default();
            cache.insert(&repository, reach, std::sync::Arc::new(()), age, Instant::now());
            login_in(&entries, &repository).is_ok()
        }
        Err(message) => {
            assert!(message.len() < 300 && !message.contains("hunter2"), "{message}");
            false
        }
    });
    fuzz(near([configuration.to_string()]), |text| match Configuration::read(&text) {
        Ok(configuration) => configuration.providers.iter().all(|provider| !provider.name.contains('/')),
        Err(message) => {
            assert!(message.len() < 1000, "{message}");
            false
        }
    });
}

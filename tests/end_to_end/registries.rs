//! How registries are asked: their limits, mirrors, proxies, authorities and logins of clouds.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use voxsync_fixtures::{
    Access, CertificateAuthority, CodeImage, Fault, ForwardProxy, GitRepository, GitServer, Registry,
    RegistryKind, Transport,
};

use crate::harness::{
    Case, Cluster, Process, Voxsync, cases,
    estate::{PRODUCTION, REPOSITORY, bare_server, commit, create_secret, git_spec},
    status::{DEADLINE, assert_says, condition, follow_tags, text},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    a_private_authority_may_be_in_a_config_map_and_change,
    another_registry_is_followed_as_well,
    a_mirror_that_resolves_is_asked_first_and_gets_no_login_of_others,
    servers_behind_a_proxy_are_reached,
    a_credential_provider_gives_the_login,
    a_host_that_asks_for_a_rest_gets_it_from_all,
];

async fn a_private_authority_may_be_in_a_config_map_and_change(cluster: &Cluster) {
    let (old, new) = (CertificateAuthority::create(), CertificateAuthority::create());
    let registry = Registry::start(Access::Anonymous, Transport::Tls(new.issue()));
    registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    let map = json!({"kind": "ConfigMap", "metadata": {"name": "company-ca"}, "data": {"ca.crt": old.pem()}});
    cluster.create(map).await;
    let mut spec = only(&registry, &json!({"semver": "*"}));
    spec["source"]["registry"]["insecure"] = json!(false);
    spec["source"]["registry"]["certConfigMapRef"] = json!({"name": "company-ca"});
    cluster.create_code_sync(PRODUCTION, spec).await;
    let status = cluster.condition(PRODUCTION, "SourceReady", "False", "Unreachable").await;
    let message = text(&condition(&status, "SourceReady")["message"]);
    assert_says(message, &["unknown CA", "certConfigMapRef"]);
    // Taken without a restart, and without a look that somebody asked for.
    cluster.patch("ConfigMap", "company-ca", json!({"data": {"ca.crt": new.pem()}})).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
}

async fn another_registry_is_followed_as_well(cluster: &Cluster) {
    let access = Access::Token { user: "puller".to_owned(), password: "a secret".to_owned() };
    let registry = Registry::start_kind(RegistryKind::GoContainerRegistry, access, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    create_secret(cluster, "registry-login", json!({".dockerconfigjson": registry.docker_config_json()}))
        .await;
    bare_server(cluster, PRODUCTION).await;
    let mut spec = only(&registry, &json!({"semver": "*"}));
    spec["source"]["registry"]["secretRef"] = json!({"name": "registry-login"});
    registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let digest = registry.push(REPOSITORY, "v1.1.0", &CodeImage::with_site("v1.1.0")).await;
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    let reference = format!("{}@{digest}", registry.reference(REPOSITORY, "v1.1.0"));
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
}

async fn a_mirror_that_resolves_is_asked_first_and_gets_no_login_of_others(cluster: &Cluster) {
    let login = Access::Basic { user: "puller".to_owned(), password: "a secret".to_owned() };
    let upstream = Registry::start(login, Transport::Plain);
    let mut mirror = Registry::start(Access::Anonymous, Transport::Plain);
    let mirrored = format!("hub/{REPOSITORY}");
    for tag in ["v1.0.0", "v1.1.0"] {
        upstream.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
        mirror.push(&mirrored, tag, &CodeImage::with_site(tag)).await;
    }
    let option = format!("{}=http://{}/hub+resolve", upstream.host(), mirror.host());
    let _process = start(cluster, &["--registry-mirror", &option], &[]);
    create_secret(cluster, "registry-login", json!({".dockerconfigjson": upstream.docker_config_json()}))
        .await;
    bare_server(cluster, PRODUCTION).await;
    let mut spec = only(&upstream, &json!({"semver": "*"}));
    spec["source"]["registry"]["secretRef"] = json!({"name": "registry-login"});
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    let written = cluster.template_of(PRODUCTION).await;
    assert!(written[0].starts_with(&upstream.reference(REPOSITORY, "v1.1.0")), "{written:?}");
    assert_eq!(upstream.requests().len(), 0, "the mirror has it all");
    let asked = mirror.requests();
    assert!(!asked.is_empty() && asked.iter().all(|request| !request.headers.contains_key("authorization")));

    mirror.stop();
    upstream.push(REPOSITORY, "v1.2.0", &CodeImage::with_site("v1.2.0")).await;
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
}

async fn servers_behind_a_proxy_are_reached(cluster: &Cluster) {
    let authority = CertificateAuthority::create();
    let (plain, secure) = (
        Registry::start(Access::Anonymous, Transport::Plain),
        Registry::start(Access::Anonymous, Transport::Tls(authority.issue())),
    );
    for registry in [&plain, &secure] {
        registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    }
    create_secret(cluster, "ca", json!({"ca.crt": authority.pem()})).await;
    // A name that only the proxy can resolve.
    let inside = "registry.inside.test:5000";
    let proxy = ForwardProxy::start(Some(("proxy-user", "hunter2")), &[(inside, &plain.host())]);
    cluster.create_config(PRODUCTION, None).await;
    let mut of_plain = only(&plain, &json!({"semver": "*"}));
    of_plain["source"]["registry"]["repository"] = json!(format!("{inside}/{REPOSITORY}"));
    let mut of_secure = only(&secure, &json!({"semver": "*"}));
    of_secure["source"]["registry"]["insecure"] = json!(false);
    of_secure["source"]["registry"]["certSecretRef"] = json!({"name": "ca"});
    let repository = GitRepository::create();
    let server = GitServer::http(&repository, Access::Anonymous, Transport::Tls(authority.issue()));
    commit(&plain, &repository, "v1.0.0").await;
    let mut of_git = git_spec(&server.url(), PRODUCTION);
    of_git["source"]["git"]["certSecretRef"] = json!({"name": "ca"});
    let specs = [("plain", of_plain), ("secure", of_secure), ("git", of_git)];
    for (name, spec) in &specs {
        let mut spec = spec.clone();
        spec["suspend"] = json!(true);
        cluster.create_code_sync(name, spec).await;
    }
    {
        let url = proxy.url_without_login();
        let _process = start(cluster, &[], &[("HTTP_PROXY", &url), ("HTTPS_PROXY", &url)]);
        for (name, variable) in [("plain", "HTTP_PROXY"), ("secure", "HTTPS_PROXY"), ("git", "HTTPS_PROXY")] {
            let status = cluster.condition(name, "SourceReady", "False", "Unreachable").await;
            let proxy = format!("the proxy {url} (`{variable}`");
            assert_says(text(&condition(&status, "SourceReady")["message"]), &[&proxy, "a login", "407"]);
        }
    }
    let url = proxy.url();
    let process = start(cluster, &[], &[("HTTP_PROXY", &url), ("HTTPS_PROXY", &url)]);
    for (name, _) in &specs {
        let found = |status: &Value| status["candidate"]["name"] == "v1.0.0";
        let status = cluster.status_when(name, "v1.0.0 was found", found).await;
        assert!(!status.to_string().contains("hunter2"), "{status}");
    }
    let asked = proxy.requests();
    let asked_for = |line: String| asked.contains(&line);
    assert!(asked_for(format!("GET {inside} 200")), "{asked:?}");
    let url = server.url();
    let of_git = url.split('/').nth(2).expect("a host");
    for host in [&secure.host(), of_git] {
        assert!(asked_for(format!("CONNECT {host} 200")), "{asked:?}");
    }
    assert!(!process.log().join("\n").contains("hunter2"));
}

async fn a_credential_provider_gives_the_login(cluster: &Cluster) {
    let access = |password: &str| Access::Basic { user: "AWS".to_owned(), password: password.to_owned() };
    let registry = Registry::start(access("a-short-lived-token"), Transport::Plain);
    registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = folder.path().join("token");
    fs::write(&token, "expired").expect("write a token");
    let configuration = credential_provider(folder.path(), &token, &registry);
    let arguments = [
        "--image-credential-provider-config",
        configuration.to_str().expect("a path"),
        "--image-credential-provider-bin-dir",
        folder.path().to_str().expect("a path"),
    ];
    let process = start(cluster, &arguments, &[]);
    bare_server(cluster, PRODUCTION).await;
    cluster.create_code_sync(PRODUCTION, only(&registry, &json!({"semver": "*"}))).await;
    cluster.condition(PRODUCTION, "SourceReady", "False", "Unauthorized").await;
    // What was refused is not believed for the hour that it was good for.
    fs::write(&token, "a-short-lived-token").expect("write a token");
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let seen = format!("{} {}", process.log().join("\n"), cluster.get("CodeSync", PRODUCTION).await);
    assert!(!seen.contains("a-short-lived-token"), "a login is in no log and no status");
}

/// A program that gives what a file holds, and the configuration that names it.
fn credential_provider(folder: &Path, token: &Path, registry: &Registry) -> PathBuf {
    let protocol = "credentialprovider.kubelet.k8s.io/v1";
    let host = registry.host();
    let program = folder.join("cloud-provider");
    let script = format!(
        "#!/bin/sh\ncat > /dev/null\nprintf '{{\"kind\": \"CredentialProviderResponse\", \"apiVersion\": \"{protocol}\", \
         \"cacheKeyType\": \"Registry\", \"cacheDuration\": \"1h\", \"auth\": {{\"{host}\": {{\"username\": \"AWS\", \
         \"password\": \"%s\"}}}}}}' \"$(cat {})\"\n",
        token.display()
    );
    fs::write(&program, script).expect("write a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    let path = folder.join("configuration.yaml");
    let provider = json!({
        "name": "cloud-provider", "matchImages": [host], "defaultCacheDuration": "12h", "apiVersion": protocol,
    });
    let configuration = json!({
        "apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": [provider],
    });
    fs::write(&path, configuration.to_string()).expect("write a configuration");
    path
}

async fn a_host_that_asks_for_a_rest_gets_it_from_all(cluster: &Cluster) {
    const CODE_SYNCS: usize = 12;
    const REST: Duration = Duration::from_secs(4);
    /// What was on its way when the host asked to be left alone has arrived by then.
    const ON_THE_WAY: Duration = Duration::from_secs(1);
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    for number in 0..CODE_SYNCS {
        registry.push(&repository(number), "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    }
    let _voxsync = Voxsync::start(cluster);
    cluster.create_config(PRODUCTION, None).await;
    for number in 0..CODE_SYNCS {
        let mut spec = only(&registry, &json!({"semver": "*"}));
        spec["suspend"] = json!(true);
        spec["source"]["registry"]["repository"] =
            json!(format!("{}/{}", registry.host(), repository(number)));
        cluster.create_code_sync(&repository(number), spec).await;
    }
    for number in 0..CODE_SYNCS {
        let found = |status: &Value| status["candidate"]["name"] == "v1.0.0";
        cluster.status_when(&repository(number), "v1.0.0 was found", found).await;
    }
    registry.forget_requests();
    registry.answer(Fault { path: "/tags/list", status: 429, headers: vec![("retry-after", "4")], times: 1 });
    wait_for("all are looked at after the rest", DEADLINE, async || {
        let requests = registry.requests();
        let refused = requests.iter().find(|request| request.status == 429).ok_or("no 429 yet")?;
        let after = requests.iter().filter(|request| request.at > refused.at + REST);
        let after: HashSet<_> = after.map(|request| &request.path).collect();
        if after.len() == CODE_SYNCS { Ok(()) } else { Err(format!("{} after the rest", after.len())) }
    })
    .await;
    let requests = registry.requests();
    let refused = requests.iter().find(|request| request.status == 429).expect("a refusal").at;
    let early: Vec<_> = requests
        .iter()
        .filter(|request| request.at > refused + ON_THE_WAY && request.at < refused + REST)
        .map(|request| (&request.path, request.at - refused))
        .collect();
    assert!(early.is_empty(), "asked while it rested: {early:?}");
}

fn repository(number: usize) -> String {
    format!("code-{number}")
}

fn only(registry: &Registry, rule: &Value) -> Value {
    let target = json!({"kind": "Config", "name": PRODUCTION});
    json!({"source": follow_tags(registry, REPOSITORY, rule), "target": target})
}

fn start(cluster: &Cluster, arguments: &[&str], environment: &[(&str, &str)]) -> Process {
    let mut command = Process::command(cluster.voxsync_kubeconfig(), cluster.namespace());
    command.args(arguments).envs(environment.iter().copied());
    Process::spawn(command)
}

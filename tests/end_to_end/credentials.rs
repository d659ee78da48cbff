//! Logins, certificates and host keys: each for its own server, and each fault called by its name.

use std::{collections::HashSet, fs};

use serde_json::json;
use voxsync_fixtures::{
    Access, CertificateAuthority, CodeImage, GitRepository, GitServer, Registry, Transport,
};

use crate::harness::{
    Case, Cluster, Process, Voxsync, cases,
    estate::{PRODUCTION, REPOSITORY, bare_server, commit, create_secret, git_spec},
    status::{assert_says, condition, follow_tags, holds, text},
};

pub(crate) const CASES: &[Case] = cases![
    a_private_repository_and_a_private_registry_have_logins_of_their_own,
    tokens_are_asked_for_and_renewed,
    a_target_s_own_pull_secret_is_the_login_of_its_registry,
    wrong_passwords_name_the_secret,
    secrets_that_do_not_fit_are_named,
    expired_certificates_are_called_so,
    an_unknown_host_key_is_not_trusted,
];

async fn a_private_repository_and_a_private_registry_have_logins_of_their_own(cluster: &Cluster) {
    let login = |user: &str| Access::Basic { user: user.to_owned(), password: format!("secret of {user}") };
    let (of_git, of_registry) = (CertificateAuthority::create(), CertificateAuthority::create());
    let registry = Registry::start(login("puller"), Transport::Tls(of_registry.issue()));
    let repository = GitRepository::create();
    let server = GitServer::http(&repository, login("reader"), Transport::Tls(of_git.issue()));
    let _voxsync = Voxsync::start(cluster);
    create_secret(cluster, "git-ca", json!({"ca.crt": of_git.pem()})).await;
    create_secret(cluster, "registry-ca", json!({"ca.crt": of_registry.pem()})).await;
    create_secret(cluster, "git-login", json!({"username": "reader", "password": "secret of reader"})).await;
    create_secret(cluster, "registry-login", json!({".dockerconfigjson": registry.docker_config_json()}))
        .await;
    bare_server(cluster, PRODUCTION).await;
    let (reference, _) = commit(&registry, &repository, "v1.0.0").await;
    let mut spec = git_spec(&server.url(), PRODUCTION);
    spec["source"]["git"]["secretRef"] = json!({"name": "git-login"});
    spec["source"]["git"]["certSecretRef"] = json!({"name": "git-ca"});
    spec["image"] =
        json!({"secretRef": {"name": "registry-login"}, "certSecretRef": {"name": "registry-ca"}});
    spec["write"] = json!({"imagePullSecret": "registry-login"});
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
    let given = |requests: Vec<voxsync_fixtures::SeenRequest>| {
        let logins = requests.into_iter().filter_map(|request| request.headers.get("authorization").cloned());
        logins.collect::<HashSet<_>>()
    };
    let (to_git, to_registry) = (given(server.requests()), given(registry.requests()));
    assert_eq!((to_git.len(), to_registry.len()), (1, 1), "one login each");
    assert!(to_git.is_disjoint(&to_registry), "each its own");
}

async fn tokens_are_asked_for_and_renewed(cluster: &Cluster) {
    let access = Access::Token { user: "puller".to_owned(), password: "a secret".to_owned() };
    let registry = Registry::start(access, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    create_secret(cluster, "registry-login", json!({".dockerconfigjson": registry.docker_config_json()}))
        .await;
    bare_server(cluster, PRODUCTION).await;
    registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let mut source = follow_tags(&registry, REPOSITORY, &json!({"semver": "*"}));
    source["registry"]["secretRef"] = json!({"name": "registry-login"});
    let target = json!({"kind": "Config", "name": PRODUCTION});
    cluster.create_code_sync(PRODUCTION, json!({"source": source, "target": target})).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    registry.revoke_tokens();
    registry.push(REPOSITORY, "v1.1.0", &CodeImage::with_site("v1.1.0")).await;
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
}

async fn a_target_s_own_pull_secret_is_the_login_of_its_registry(cluster: &Cluster) {
    let authority = CertificateAuthority::create();
    let access = Access::Basic { user: "puller".to_owned(), password: "a secret".to_owned() };
    let registry = Registry::start(access, Transport::Tls(authority.issue()));
    let repository = GitRepository::create();
    let server = GitServer::daemon(&repository);
    // Without `image`, the registry is asked as nodes do: over TLS that the machine trusts.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let trusted = folder.path().join("authorities.pem");
    fs::write(&trusted, authority.pem()).expect("write the authority");
    let _process = Process::start_with(cluster, &[("SSL_CERT_FILE", &trusted)]);
    bare_server(cluster, PRODUCTION).await;
    let (reference, _) = commit(&registry, &repository, "v1.0.0").await;
    let mut spec = git_spec(&server.url(), PRODUCTION);
    spec["image"].take();
    cluster.create_code_sync(PRODUCTION, spec).await;
    let status = cluster.condition(PRODUCTION, "SourceReady", "False", "Unauthorized").await;
    assert_eq!(text(&condition(&status, "Ready")["reason"]), "Unauthorized", "somebody has to do something");
    assert_says(text(&condition(&status, "SourceReady")["message"]), &[&registry.host(), "wants a login"]);

    create_secret(cluster, "pull", json!({".dockerconfigjson": registry.docker_config_json()})).await;
    let code = cluster.code_entry(json!({"image": "registry.example/code:v0", "imagePullSecret": "pull"}));
    cluster.patch("Config", PRODUCTION, json!({"spec": {"code": code}})).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
    let pod = &cluster.get("Deployment", PRODUCTION).await["spec"]["template"]["spec"];
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "pull"}]));
}

async fn wrong_passwords_name_the_secret(cluster: &Cluster) {
    let access = || Access::Basic { user: "alice".to_owned(), password: "right".to_owned() };
    let authority = CertificateAuthority::create();
    let registry = Registry::start(access(), Transport::Plain);
    registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let repository = GitRepository::create();
    let server = GitServer::http(&repository, access(), Transport::Tls(authority.issue()));
    let _voxsync = Voxsync::start(cluster);
    create_secret(cluster, "ca", json!({"ca.crt": authority.pem()})).await;
    create_secret(cluster, "login", json!({"username": "alice", "password": "wr0ng"})).await;
    let login = json!({"name": "login"});
    let mut of_registry = json!({"source": follow_tags(&registry, REPOSITORY, &json!({"semver": "*"}))});
    of_registry["target"] = json!({"kind": "Config", "name": PRODUCTION});
    of_registry["source"]["registry"]["secretRef"] = login.clone();
    let mut of_git = git_spec(&server.url(), PRODUCTION);
    of_git["source"]["git"]["certSecretRef"] = json!({"name": "ca"});
    of_git["source"]["git"]["secretRef"] = login;
    let host = registry.host();
    for (name, spec, what) in
        [("registry", of_registry, host.as_str()), ("git", of_git, "does not know this login")]
    {
        cluster.create_code_sync(name, spec).await;
        let status = cluster.condition(name, "SourceReady", "False", "Unauthorized").await;
        let message = text(&condition(&status, "SourceReady")["message"]);
        assert_says(message, &[what, &format!("Secret {}/login", cluster.namespace()), "password, username"]);
        assert!(!status.to_string().contains("wr0ng"), "{status}");
    }
    // The right password is taken without a restart.
    cluster.patch("Secret", "login", json!({"stringData": {"password": "right"}})).await;
    let status = cluster.look("registry").await;
    assert!(holds(&status, "SourceReady"), "{status}");
    // It is let in, and there is no such file.
    cluster.condition("git", "SourceReady", "False", "BadReference").await;
}

async fn secrets_that_do_not_fit_are_named(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    create_secret(cluster, "odd", json!({"passphrase": "hunter2"})).await;
    let other = json!({"auths": {"ghcr.io": {"username": "a", "password": "hunter2"}}}).to_string();
    create_secret(cluster, "elsewhere", json!({".dockerconfigjson": other})).await;
    let rows: [(&str, &[&str]); 3] = [
        ("absent", &["absent does not exist", "create it"]),
        ("odd", &["odd has the keys passphrase", "username and password"]),
        ("elsewhere", &["elsewhere has no login for", &registry.host()]),
    ];
    for (name, message) in rows {
        let mut source = follow_tags(&registry, REPOSITORY, &json!({"semver": "*"}));
        source["registry"]["secretRef"] = json!({"name": name});
        let target = json!({"kind": "Config", "name": PRODUCTION});
        cluster.create_code_sync(name, json!({"source": source, "target": target})).await;
        let status = cluster
            .status_when(name, "the look has failed", |status| {
                condition(status, "SourceReady")["status"] == "False"
            })
            .await;
        assert_says(text(&condition(&status, "SourceReady")["message"]), message);
        assert!(!status.to_string().contains("hunter2"), "{status}");
    }
}

async fn expired_certificates_are_called_so(cluster: &Cluster) {
    let authority = CertificateAuthority::create();
    let registry = Registry::start(Access::Anonymous, Transport::Tls(authority.issue_expired()));
    let repository = GitRepository::create();
    let server = GitServer::http(&repository, Access::Anonymous, Transport::Tls(authority.issue_expired()));
    let _voxsync = Voxsync::start(cluster);
    create_secret(cluster, "ca", json!({"ca.crt": authority.pem()})).await;
    let mut of_registry = json!({"source": follow_tags(&registry, REPOSITORY, &json!({"semver": "*"}))});
    of_registry["target"] = json!({"kind": "Config", "name": PRODUCTION});
    of_registry["source"]["registry"]["insecure"] = json!(false);
    of_registry["source"]["registry"]["certSecretRef"] = json!({"name": "ca"});
    let mut of_git = git_spec(&server.url(), PRODUCTION);
    of_git["source"]["git"]["certSecretRef"] = json!({"name": "ca"});
    for (name, spec) in [("registry", of_registry), ("git", of_git)] {
        cluster.create_code_sync(name, spec).await;
        let status = cluster.condition(name, "SourceReady", "False", "Unreachable").await;
        assert_says(
            text(&condition(&status, "SourceReady")["message"]),
            &["127.0.0.1", "certificate", "expired"],
        );
    }
}

async fn an_unknown_host_key_is_not_trusted(cluster: &Cluster) {
    let repository = GitRepository::create();
    let (server, other) = (GitServer::ssh(&repository), GitServer::ssh(&repository));
    let _voxsync = Voxsync::start(cluster);
    // The host with the key of another one, and no line for the host at all.
    let address = |server: &GitServer| server.known_hosts().split(' ').next().unwrap_or_default().to_owned();
    let changed = other.known_hosts().replace(&address(&other), &address(&server));
    for (name, known_hosts, message) in
        [("unknown", other.known_hosts(), "is not known"), ("changed", changed, "another SSH host key")]
    {
        create_secret(cluster, name, json!({"identity": server.identity(), "known_hosts": known_hosts}))
            .await;
        let mut spec = git_spec(&server.url(), PRODUCTION);
        spec["source"]["git"]["secretRef"] = json!({"name": name});
        cluster.create_code_sync(name, spec).await;
        let status = cluster.condition(name, "SourceReady", "False", "Unauthorized").await;
        assert_says(
            text(&condition(&status, "SourceReady")["message"]),
            &[message, "`known_hosts` of the Secret"],
        );
    }
}

//! Commit-to-deploy where CI builds an image of each commit, commits that are named by their ids, and the login of a
//! GitHub App.

use std::path::Path;

use serde_json::{Value, json};
use voxsync_fixtures::{
    Access, CertificateAuthority, CodeImage, GitHub, GitRepository, GitServer, Registry, Transport,
};

use crate::harness::{
    Case, Cluster, Process, Voxsync, cases,
    estate::{PRODUCTION, REPOSITORY, bare_server, commit, create_secret, git_spec},
    status::{assert_says, condition, holds, text, waits_for},
};

pub(crate) const CASES: &[Case] = cases![
    the_image_of_a_commit_is_waited_for,
    the_image_of_a_tag_is_waited_for,
    a_template_that_cannot_work_is_stalled,
    a_commit_is_named_by_its_id,
    the_token_of_a_github_app_is_renewed,
    a_new_ssh_key_and_a_new_host_key_are_taken_without_a_restart,
    a_proxy_is_on_the_way_to_git,
];

/// A spec in which CI builds the images.
fn image_spec(registry: &Registry, server: &GitServer, template: &str, follow: &Value) -> Value {
    let image = registry.reference(REPOSITORY, template);
    let git = json!({"url": server.url(), "ref": follow, "image": image});
    json!({
        "source": {"interval": "1s", "git": git}, "image": {"insecure": true},
        "target": {"kind": "Config", "name": PRODUCTION},
    })
}

/// What CI does with a commit.
async fn build(registry: &Registry, commit: &str) -> (String, String) {
    build_with(registry, commit, Vec::new()).await
}

async fn build_with(
    registry: &Registry,
    commit: &str,
    annotations: Vec<(String, String)>,
) -> (String, String) {
    let tag = commit[..7].to_owned();
    let image = CodeImage { annotations, ..CodeImage::with_site(&tag) };
    let digest = registry.push(REPOSITORY, &tag, &image).await;
    let reference = format!("{}@{digest}", registry.reference(REPOSITORY, &tag));
    (tag, reference)
}

async fn the_image_of_a_commit_is_waited_for(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::http(&repository, Access::Anonymous, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    let one = repository.commit("site.pp", "one", "One");
    let (tag, reference) = build(&registry, &one).await;
    let spec = image_spec(&registry, &server, "{shortCommit}", &json!({"branch": "production"}));
    cluster.create_code_sync(PRODUCTION, spec).await;
    let status = cluster.deployed(PRODUCTION, &tag).await;
    assert_eq!(status["candidate"]["commit"], *one);
    assert_eq!(status["candidate"]["author"], "A Tester");
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference.as_str()]);

    let two = repository.commit("site.pp", "two", "Two");
    let status = cluster.look(PRODUCTION).await;
    assert_eq!(condition(&status, "Ready")["reason"], "Waiting");
    assert!(holds(&status, "Ready"), "{status}");
    let said = waits_for(&status, "ImageUnavailable");
    let waiting = format!("commit {} of A Tester", &two[..7]);
    assert_says(said, &[&waiting, "cannot be pulled yet", "it waits since 20", "looked for again every 1 s"]);
    assert!(holds(&status, "SourceReady"), "nothing is wrong while CI builds: {status}");
    assert_eq!(waits_for(&cluster.look(PRODUCTION).await, "ImageUnavailable"), said, "the same since");
    assert_eq!(status["source"]["revision"], *two);
    assert_eq!(status["candidate"]["commit"], *one);

    // Nobody waits for a commit that is not the newest any more.
    let three = repository.commit("site.pp", "three", "Three");
    let status = cluster.look(PRODUCTION).await;
    assert_says(waits_for(&status, "ImageUnavailable"), &[&three[..7]]);
    build(&registry, &two).await;
    let status = cluster.look(PRODUCTION).await;
    assert_eq!(status["deployed"]["name"], *tag);
    // What an image says of itself is its commit, whatever it was built for.
    let annotations = vec![("org.opencontainers.image.revision".to_owned(), two.clone())];
    let (tag, reference) = build_with(&registry, &three, annotations).await;
    let status = cluster.deployed(PRODUCTION, &tag).await;
    let candidate = &status["candidate"];
    assert_eq!([&candidate["commit"], &candidate["namedBy"]["commit"]], [&*two, &*three], "{candidate}");
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
}

async fn the_image_of_a_tag_is_waited_for(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::daemon(&repository);
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    let push = async |tag: &str| registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
    repository.tag("v1.0.0");
    push("v1.0.0").await;
    let spec = image_spec(&registry, &server, "{tag}", &json!({"tag": {"semver": "1.x"}}));
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let sha = repository.commit("site.pp", "two", "Two");
    repository.annotated_tag("v1.1.0", "The next one");
    let status = cluster.look(PRODUCTION).await;
    assert_says(waits_for(&status, "ImageUnavailable"), &["(v1.1.0)", "cannot be pulled yet"]);
    push("v1.1.0").await;
    let status = cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_eq!(status["candidate"]["sourceRevision"], "v1.1.0");
    assert_eq!(status["candidate"]["commit"], *sha);
}

async fn a_template_that_cannot_work_is_stalled(cluster: &Cluster) {
    let repository = GitRepository::create();
    let server = GitServer::daemon(&repository);
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    for (name, image, says) in [
        ("moving", "ghcr.io/a/b:{branch}", "names the same image for every commit"),
        ("unknown", "ghcr.io/a/b:{sha}", "has {sha}, which is no placeholder"),
        ("tag", "ghcr.io/a/b:{tag}", "source.git.ref names no tag"),
    ] {
        let mut spec = git_spec(&server.url(), PRODUCTION);
        let branch = json!({"branch": "production"});
        spec["source"]["git"] = json!({"url": server.url(), "ref": branch, "image": image});
        cluster.create_code_sync(name, spec).await;
        let status = cluster.condition(name, "Stalled", "True", "InvalidSpec").await;
        assert_says(text(&condition(&status, "Stalled")["message"]), &["source.git.image", says]);
    }
}

async fn a_commit_is_named_by_its_id(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::http(&repository, Access::Anonymous, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    let (reference, sha) = commit(&registry, &repository, "v1.0.0").await;
    commit(&registry, &repository, "v1.1.0").await;
    let mut spec = git_spec(&server.url(), PRODUCTION);
    spec["source"]["git"]["ref"] = json!({"commit": sha});
    cluster.create_code_sync(PRODUCTION, spec.clone()).await;
    let status = cluster.deployed(PRODUCTION, "v1.0.0").await;
    assert_eq!(status["candidate"]["sourceRevision"], *sha);
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
    server.forget_requests();
    cluster.look(PRODUCTION).await;
    cluster.look(PRODUCTION).await;
    assert_eq!(server.requests().len(), 0, "a commit stays what it is");

    let none = "0123456789abcdef0123456789abcdef01234567";
    spec["source"]["git"]["ref"] = json!({"commit": none});
    spec["target"]["name"] = json!("other");
    bare_server(cluster, "other").await;
    cluster.create_code_sync("other", spec).await;
    let status = cluster.condition("other", "SourceReady", "False", "NotFound").await;
    let said = text(&condition(&status, "SourceReady")["message"]);
    assert_says(said, &[none, "name it by a branch or tag"]);
}

async fn the_token_of_a_github_app_is_renewed(cluster: &Cluster) {
    let (authority, github) = (CertificateAuthority::create(), GitHub::create());
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::github(&repository, &github, Transport::Tls(authority.issue()));
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    create_secret(cluster, "git-login", github.secret_at(&server.url())).await;
    create_secret(cluster, "ca", json!({"ca.crt": authority.pem()})).await;
    let mut spec = git_spec(&server.url(), PRODUCTION);
    spec["source"]["git"]["secretRef"] = json!({"name": "git-login"});
    spec["source"]["git"]["certSecretRef"] = json!({"name": "ca"});
    commit(&registry, &repository, "v1.0.0").await;
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    commit(&registry, &repository, "v1.1.0").await;
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_eq!(github.tokens_given(), 1, "one for all looks");
    github.revoke_token();
    commit(&registry, &repository, "v1.2.0").await;
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    assert_eq!(github.tokens_given(), 2, "the look that was refused asked for another one");

    let key = github.secret()["githubAppPrivateKey"].clone();
    let other = GitHub::create().secret()["githubAppPrivateKey"].clone();
    cluster.patch("Secret", "git-login", json!({"stringData": {"githubAppPrivateKey": other}})).await;
    github.revoke_token();
    let status = cluster.condition(PRODUCTION, "SourceReady", "False", "Unauthorized").await;
    let said = text(&condition(&status, "SourceReady")["message"]);
    assert_says(said, &["GitHub does not know this App by its key", "Secret", "githubAppPrivateKey"]);
    assert!(!status.to_string().contains("PRIVATE KEY"), "{status}");
    cluster.patch("Secret", "git-login", json!({"stringData": {"githubAppPrivateKey": key}})).await;
    commit(&registry, &repository, "v1.3.0").await;
    cluster.deployed(PRODUCTION, "v1.3.0").await;
}

async fn a_new_ssh_key_and_a_new_host_key_are_taken_without_a_restart(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let (server, other) = (GitServer::ssh(&repository), GitServer::ssh(&repository));
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    commit(&registry, &repository, "v1.0.0").await;
    let address = |server: &GitServer| server.known_hosts().split(' ').next().unwrap_or_default().to_owned();
    let old_host = other.known_hosts().replace(&address(&other), &address(&server));
    create_secret(cluster, "ssh", json!({"identity": other.identity(), "known_hosts": old_host})).await;
    let mut spec = git_spec(&server.url(), PRODUCTION);
    spec["source"]["git"]["secretRef"] = json!({"name": "ssh"});
    cluster.create_code_sync(PRODUCTION, spec).await;
    let refused = async |what: &str| {
        cluster
            .status_when(PRODUCTION, what, |status| {
                text(&condition(status, "SourceReady")["message"]).contains(what)
            })
            .await
    };
    refused("another SSH host key").await;
    cluster.patch("Secret", "ssh", json!({"stringData": {"known_hosts": server.known_hosts()}})).await;
    refused("does not know this login").await;
    cluster.patch("Secret", "ssh", json!({"stringData": {"identity": server.identity()}})).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
}

async fn a_proxy_is_on_the_way_to_git(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::http(&repository, Access::Anonymous, Transport::Plain);
    let real = server.url();
    let (proxy, name) = real.rsplit_once('/').expect("a path");
    // The server takes requests for any host, as a proxy gets them; the host itself is nowhere.
    let environment = [("HTTP_PROXY", Path::new(proxy)), ("NO_PROXY", Path::new("127.0.0.1"))];
    let _process = Process::start_with(cluster, &environment);
    bare_server(cluster, PRODUCTION).await;
    let (reference, _) = commit(&registry, &repository, "v1.0.0").await;
    cluster.create_code_sync(PRODUCTION, git_spec(&format!("http://git.invalid/{name}"), PRODUCTION)).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
    let hosts = server.requests();
    assert!(hosts.iter().all(|request| request.headers["host"] == "git.invalid"), "{hosts:?}");
}

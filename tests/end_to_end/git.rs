//! Commit-to-deploy: a file in a Git repository names the code, over each transport.

use serde_json::json;
use voxsync_fixtures::{Access, CodeImage, GitRepository, GitServer, Registry, Transport};

use crate::harness::{
    Case, Cluster, NewServer, Voxsync, cases,
    estate::{PRODUCTION, REPOSITORY, bare_server, commit, create_secret, git_spec},
    files_in,
    status::assert_says,
};

pub(crate) const CASES: &[Case] = cases![
    each_transport_of_git_brings_the_commit,
    a_revert_commit_goes_back,
    the_highest_tag_of_a_repository_names_the_code,
    references_stand_in_manifests_and_plain_text,
];

async fn each_transport_of_git_brings_the_commit(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let folder = repository.path().parent().expect("a folder").to_owned();
    let _voxsync = Voxsync::start_with(cluster, files_in(&folder));
    let servers = [
        ("daemon", GitServer::daemon(&repository)),
        ("http", GitServer::http(&repository, Access::Anonymous, Transport::Plain)),
        ("ssh", GitServer::ssh(&repository)),
    ];
    let (_, ssh) = &servers[2];
    let login = json!({"identity": ssh.identity(), "known_hosts": ssh.known_hosts()});
    create_secret(cluster, "ssh", login).await;
    let mut urls: Vec<(&str, String)> = servers.iter().map(|(name, server)| (*name, server.url())).collect();
    urls.push(("file", repository.file_url()));
    commit(&registry, &repository, "v1.0.0").await;
    for (name, url) in &urls {
        cluster.create_config(name, None).await;
        cluster
            .create_server(&NewServer { name, config: name, by_operator: false, ..NewServer::default() })
            .await;
        let mut spec = git_spec(url, name);
        if *name == "ssh" {
            spec["source"]["git"]["secretRef"] = json!({"name": "ssh"});
        }
        cluster.create_code_sync(name, spec).await;
    }
    for tag in ["v1.0.0", "v1.1.0"] {
        let (reference, sha) = commit(&registry, &repository, tag).await;
        for (name, _) in &urls {
            let status = cluster.deployed(name, tag).await;
            assert_eq!(cluster.code_of("Config", name).await, reference, "{name}");
            assert_eq!(cluster.template_of(name).await, [reference.as_str()], "{name}");
            if tag == "v1.1.0" {
                assert_eq!(status["candidate"]["sourceRevision"], *sha);
                assert!(status["candidate"]["author"].is_string(), "{status}");
            }
        }
    }
}

async fn a_revert_commit_goes_back(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::daemon(&repository);
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    cluster.create_code_sync(PRODUCTION, git_spec(&server.url(), PRODUCTION)).await;
    for tag in ["v1.0.0", "v1.1.0", "v1.0.0"] {
        let (reference, _) = commit(&registry, &repository, tag).await;
        cluster.look(PRODUCTION).await;
        cluster.deployed(PRODUCTION, tag).await;
        assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
    }
}

async fn the_highest_tag_of_a_repository_names_the_code(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::http(&repository, Access::Anonymous, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    let mut spec = git_spec(&server.url(), PRODUCTION);
    spec["source"]["git"]["ref"] = json!({"tag": {"semver": "1.x", "match": "^puppet/(?<version>v.+)$"}});
    commit(&registry, &repository, "v7.0.0").await;
    repository.tag("puppet/v1.0.0");
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v7.0.0").await;
    let (reference, sha) = commit(&registry, &repository, "v7.1.0").await;
    cluster.look(PRODUCTION).await;
    assert_says(&cluster.code_of("Config", PRODUCTION).await, &["v7.0.0"]);
    repository.annotated_tag("puppet/v1.1.0", "The next one");
    repository.tag("puppet/v2.0.0");
    repository.tag("v1.9.0");
    cluster.look(PRODUCTION).await;
    let status = cluster.deployed(PRODUCTION, "v7.1.0").await;
    assert_eq!(status["candidate"]["sourceRevision"], "puppet/v1.1.0", "commit {sha}");
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
}

async fn references_stand_in_manifests_and_plain_text(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::daemon(&repository);
    let _voxsync = Voxsync::start(cluster);
    let mut wanted = Vec::new();
    for tag in ["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0", "v1.4.0", "v1.5.0"] {
        let digest = registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
        wanted.push(format!("{}@{digest}", registry.reference(REPOSITORY, tag)));
    }
    let manifests = format!(
        "# Applied by nobody: voxsync reads it.\napiVersion: openvox.voxpupuli.org/v1alpha1\nkind: Config\n\
         metadata: {{name: one}}\nspec: {{code: {{image: {:?}}}}}\n---\n\
         apiVersion: openvox.voxpupuli.org/v1alpha1\nkind: Config\nmetadata: {{name: two}}\nspec:\n  code:\n  \
         - {{environment: production, image: {:?}}}\n",
        wanted[0], wanted[1]
    );
    let values = json!({"puppet": {"code": [{"for": "x"}, {"image": wanted[2]}]}}).to_string();
    let plain = format!("# The code of production\n{}\n", wanted[3]);
    // As Flux and Kargo keep them: a folder an environment, with other things around.
    let (image, digest) = wanted[4].split_once(":v1.4.0@").expect("a tag and a digest");
    let kustomization = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../base]\nimages:\n\
         - {{name: nginx, newTag: \"1.29\"}}\n- {{name: puppet-code, newName: {image:?}, newTag: v1.4.0, digest: {digest:?}}}\n"
    );
    let (image, digest) = wanted[5].split_once(":v1.5.0@").expect("a tag and a digest");
    let release = format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: openvox}}\nspec:\n  values:\n    \
         code: {{repository: {image:?}, tag: v1.5.0, digest: {digest:?}}}\n"
    );
    let files = [
        ("manifests.yaml", &manifests),
        ("values.json", &values),
        ("plain.txt", &plain),
        ("apps/production/kustomization.yaml", &kustomization),
        ("clusters/one/openvox.yaml", &release),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    repository.commit_on("production", &files, "References of all kinds");
    let rows = [
        json!({"path": "manifests.yaml", "kind": "Config", "name": "one"}),
        json!({"path": "manifests.yaml", "name": "two"}),
        json!({"path": "values.json", "field": "puppet.code[1].image"}),
        json!({"path": "plain.txt"}),
        json!({"path": "apps/production/kustomization.yaml", "field": "images[name=puppet-code]"}),
        json!({"path": "clusters/one/openvox.yaml", "kind": "HelmRelease", "field": "spec.values.code"}),
    ];
    let names = ["one", "two", "values", "plain", "kustomized", "released"];
    for (name, reference) in names.iter().zip(rows) {
        bare_server(cluster, name).await;
        let mut spec = git_spec(&server.url(), name);
        spec["source"]["git"]["reference"] = reference;
        cluster.create_code_sync(name, spec).await;
    }
    for (number, (name, reference)) in names.iter().zip(wanted).enumerate() {
        cluster.deployed(name, &format!("v1.{number}.0")).await;
        assert_eq!(cluster.template_of(name).await, [reference]);
    }
}

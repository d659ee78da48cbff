//! Where candidates come from: registries, Git over each transport, files; each with its own credentials.

use std::{fs, os::unix::fs::symlink, time::Instant};

use serde_json::{Value, json};
use voxsync_fixtures::{
    Access, CertificateAuthority, CodeImage, GitRepository, GitServer, Registry, Transport,
};

use crate::harness::{
    Case, Cluster, NewServer, Voxsync, cases,
    estate::{Estate, PRODUCTION, REPOSITORY},
    files_in,
    status::{DEADLINE, assert_says, condition, follow_tags, text},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    each_transport_of_git_brings_the_commit,
    a_revert_commit_goes_back,
    the_highest_tag_of_a_repository_names_the_code,
    references_stand_in_manifests_and_plain_text,
    a_private_repository_and_a_private_registry_have_logins_of_their_own,
    tokens_are_asked_for_and_renewed,
    a_file_names_the_code_and_is_watched,
    a_configmap_like_swap_of_symlinks_is_a_change,
    two_codesyncs_on_one_repository_are_one_look,
    an_unchanged_look_is_one_request,
    a_schedule_waits_but_a_person_does_not,
    tags_are_matched_and_ignored,
];

const FILE: &str = "deploy/code-version.txt";

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
        cluster.create_server(&NewServer { name, config: name, ..NewServer::default() }).await;
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
    estate(cluster, PRODUCTION).await;
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
    estate(cluster, PRODUCTION).await;
    let mut spec = git_spec(&server.url(), PRODUCTION);
    spec["source"]["git"]["ref"] = json!({"tag": {"semver": "1.x"}});
    commit(&registry, &repository, "v7.0.0").await;
    repository.tag("v1.0.0");
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v7.0.0").await;
    let (reference, sha) = commit(&registry, &repository, "v7.1.0").await;
    cluster.look(PRODUCTION).await;
    assert_says(&cluster.code_of("Config", PRODUCTION).await, &["v7.0.0"]);
    repository.annotated_tag("v1.1.0", "The next one");
    repository.tag("v2.0.0");
    cluster.look(PRODUCTION).await;
    let status = cluster.deployed(PRODUCTION, "v7.1.0").await;
    assert_eq!(status["candidate"]["sourceRevision"], "v1.1.0", "commit {sha}");
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
}

async fn references_stand_in_manifests_and_plain_text(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::daemon(&repository);
    let _voxsync = Voxsync::start(cluster);
    let mut wanted = Vec::new();
    for tag in ["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0"] {
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
    let files = [("manifests.yaml", &manifests), ("values.json", &values), ("plain.txt", &plain)];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    repository.commit_on("production", &files, "References of all kinds");
    let rows = [
        json!({"path": "manifests.yaml", "kind": "Config", "name": "one"}),
        json!({"path": "manifests.yaml", "name": "two"}),
        json!({"path": "values.json", "field": "puppet.code[1].image"}),
        json!({"path": "plain.txt"}),
    ];
    let names = ["one", "two", "values", "plain"];
    for (name, reference) in names.iter().zip(rows) {
        estate(cluster, name).await;
        let mut spec = git_spec(&server.url(), name);
        spec["source"]["git"]["reference"] = reference;
        cluster.create_code_sync(name, spec).await;
    }
    for ((name, reference), tag) in names.iter().zip(wanted).zip(["v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0"]) {
        cluster.deployed(name, tag).await;
        assert_eq!(cluster.template_of(name).await, [reference]);
    }
}

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
    create_secret(cluster, "registry-login", json!({".dockerconfigjson": registry.docker_config_json()})).await;
    estate(cluster, PRODUCTION).await;
    let (reference, _) = commit(&registry, &repository, "v1.0.0").await;
    let mut spec = git_spec(&server.url(), PRODUCTION);
    spec["source"]["git"]["secretRef"] = json!({"name": "git-login"});
    spec["source"]["git"]["certSecretRef"] = json!({"name": "git-ca"});
    spec["image"] = json!({"secretRef": {"name": "registry-login"}, "certSecretRef": {"name": "registry-ca"}});
    spec["write"] = json!({"imagePullSecret": "registry-login"});
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
    let given = |requests: Vec<voxsync_fixtures::SeenRequest>| {
        let logins = requests.into_iter().filter_map(|request| request.headers.get("authorization").cloned());
        logins.collect::<std::collections::HashSet<_>>()
    };
    let (to_git, to_registry) = (given(server.requests()), given(registry.requests()));
    assert_eq!((to_git.len(), to_registry.len()), (1, 1), "one login each");
    assert!(to_git.is_disjoint(&to_registry), "each its own");
}

async fn tokens_are_asked_for_and_renewed(cluster: &Cluster) {
    let access = Access::Token { user: "puller".to_owned(), password: "a secret".to_owned() };
    let registry = Registry::start(access, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    create_secret(cluster, "registry-login", json!({".dockerconfigjson": registry.docker_config_json()})).await;
    estate(cluster, PRODUCTION).await;
    registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let mut source = follow_tags(&registry, REPOSITORY, json!({"semver": "*"}));
    source["registry"]["secretRef"] = json!({"name": "registry-login"});
    let target = json!({"kind": "Config", "name": PRODUCTION});
    cluster.create_code_sync(PRODUCTION, json!({"source": source, "target": target})).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    registry.revoke_tokens();
    registry.push(REPOSITORY, "v1.1.0", &CodeImage::with_site("v1.1.0")).await;
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
}

async fn a_file_names_the_code_and_is_watched(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let voxsync = Voxsync::start(cluster);
    let file = voxsync.files().join("reference.txt");
    estate(cluster, PRODUCTION).await;
    let mut is_known = false;
    for tag in ["v1.0.0", "v1.1.0"] {
        let digest = registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
        let reference = format!("{}@{digest}", registry.reference(REPOSITORY, tag));
        fs::write(&file, format!("{reference}\n")).expect("write the file");
        if !std::mem::replace(&mut is_known, true) {
            cluster.create_code_sync(PRODUCTION, file_spec("reference.txt")).await;
        }
        cluster.deployed(PRODUCTION, tag).await;
        assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
    }
    fs::write(&file, "a-password-in-the-wrong-file !!\n").expect("write the file");
    let status = cluster.condition(PRODUCTION, "SourceReady", "False", "BadReference").await;
    assert!(!status.to_string().contains("a-password"), "a file's text is never in a message: {status}");
    assert_eq!(status["deployed"]["name"], "v1.1.0");
}

async fn a_configmap_like_swap_of_symlinks_is_a_change(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let voxsync = Voxsync::start(cluster);
    let folder = voxsync.files();
    estate(cluster, PRODUCTION).await;
    // As the kubelet does: files are links into `..data`, which is a link to a folder of its own.
    symlink("..data/reference", folder.join("reference")).expect("a link");
    for (number, tag) in ["v1.0.0", "v1.1.0"].into_iter().enumerate() {
        let digest = registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
        let reference = format!("{}@{digest}", registry.reference(REPOSITORY, tag));
        let version = format!("..version-{number}");
        fs::create_dir(folder.join(&version)).expect("a folder");
        fs::write(folder.join(&version).join("reference"), &reference).expect("write the file");
        symlink(&version, folder.join("..data_tmp")).expect("a link");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("swap the links");
        if number == 0 {
            cluster.create_code_sync(PRODUCTION, file_spec("reference")).await;
        }
        cluster.deployed(PRODUCTION, tag).await;
        assert_eq!(cluster.template_of(PRODUCTION).await, [reference]);
    }
}

async fn two_codesyncs_on_one_repository_are_one_look(cluster: &Cluster) {
    const LOOKS: usize = 3;
    let estate = Estate::start(cluster).await;
    let mut source = estate.source();
    source["interval"] = json!("2s");
    let names: Vec<String> = (0..10).map(|number| format!("many-{number}")).collect();
    for name in &names {
        cluster.create_config(name, Some(cluster.code(&estate.tagged("v1.0.0")))).await;
        let target = json!({"kind": "Config", "name": name});
        cluster.create_code_sync(name, json!({"source": source, "target": target})).await;
    }
    for name in &names {
        cluster.deployed(name, "v1.0.0").await;
    }
    estate.registry.forget_requests();
    let begin = Instant::now();
    wait_for("some looks", DEADLINE, async || {
        let looks = estate.registry.requests().len();
        if looks >= LOOKS { Ok(()) } else { Err(format!("{looks} requests")) }
    })
    .await;
    // Ten on their own would need less than a second for that.
    assert!(begin.elapsed().as_millis() > 3_000, "{LOOKS} looks within {:?}", begin.elapsed());
    estate.push("v1.1.0").await;
    cluster.look(&names[0]).await;
    for name in &names {
        cluster.status_when(name, "v1.1.0 was found", |status| status["candidate"]["name"] == "v1.1.0").await;
    }
}

async fn an_unchanged_look_is_one_request(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    for (name, rule, method) in [("semver", json!({"semver": "*"}), "GET"), ("follow", json!({"follow": "v1.0.0"}), "HEAD")] {
        let mut source = follow_tags(&estate.registry, REPOSITORY, rule);
        source["interval"] = json!("1h");
        let spec = json!({"suspend": true, "source": source, "target": {"kind": "Config", "name": PRODUCTION}});
        cluster.create_code_sync(name, spec).await;
        cluster.status_when(name, "v1.0.0 was found", |status| !status["candidate"].is_null()).await;
        estate.registry.forget_requests();
        let before = cluster.look(name).await;
        let after = cluster.look(name).await;
        let methods: Vec<_> = estate.registry.requests().into_iter().map(|request| request.method).collect();
        assert_eq!(methods, [method, method], "two looks of {name}");
        assert_eq!(before["source"], after["source"], "an idle look writes nothing");
        cluster.delete("CodeSync", name).await;
    }
}

async fn a_schedule_waits_but_a_person_does_not(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let mut spec = estate.only_config();
    spec["source"]["interval"] = Value::Null;
    spec["source"]["schedule"] = json!({"cron": "30 4 1 1 *", "timeZone": "Europe/Berlin"});
    let spec: Value = without_nulls(spec);
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    estate.push("v1.1.0").await;
    cluster.look(PRODUCTION).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    let bad = json!({"source": {"schedule": {"cron": "30 4 1 1 *", "timeZone": "Mars/Olympus"}}});
    cluster.change_code_sync(PRODUCTION, bad).await;
    let status = cluster.condition(PRODUCTION, "Stalled", "True", "InvalidSpec").await;
    assert_says(text(&condition(&status, "Stalled")["message"]), &["source.schedule.timeZone", "Mars/Olympus"]);
}

async fn tags_are_matched_and_ignored(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    for tag in ["release-1.2.0", "release-1.10.0", "release-1.11.0-rc1", "other-9.0.0", "v3.0.0", "latest"] {
        estate.push(tag).await;
    }
    let mut spec = estate.only_config();
    spec["source"]["registry"]["match"] = json!("^release-(?<version>.+)$");
    spec["source"]["registry"]["ignore"] = json!(["-rc\\d+$"]);
    cluster.create_code_sync(PRODUCTION, spec).await;
    let status = cluster.deployed(PRODUCTION, "release-1.10.0").await;
    assert_eq!(status["source"]["tagCount"], 7);
}

/// A Config and a Server of that name, without code.
pub(crate) async fn estate(cluster: &Cluster, name: &str) {
    cluster.create_config(name, None).await;
    cluster.create_server(&NewServer { name, config: name, ..NewServer::default() }).await;
}

pub(crate) async fn create_secret(cluster: &Cluster, name: &str, values: Value) {
    cluster.create(json!({"kind": "Secret", "metadata": {"name": name}, "stringData": values})).await;
}

/// A CodeSync whose Git repository names the code of a Config.
pub(crate) fn git_spec(url: &str, config: &str) -> Value {
    let git = json!({"url": url, "ref": {"branch": "production"}, "reference": {"path": FILE}});
    json!({
        "source": {"interval": "1s", "git": git}, "image": {"insecure": true},
        "target": {"kind": "Config", "name": config},
    })
}

fn file_spec(path: &str) -> Value {
    json!({
        "source": {"interval": "1h", "file": {"path": path}}, "image": {"insecure": true},
        "target": {"kind": "Config", "name": PRODUCTION},
    })
}

/// Pushes an image, and commits its reference. Gives the reference and the commit.
pub(crate) async fn commit(registry: &Registry, repository: &GitRepository, tag: &str) -> (String, String) {
    let digest = registry.push(REPOSITORY, tag, &CodeImage::with_site(tag)).await;
    let reference = format!("{}@{digest}", registry.reference(REPOSITORY, tag));
    let sha = repository.commit(FILE, &format!("{reference}\n"), &format!("Deploy {tag}"));
    (reference, sha)
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(|field| *field = without_nulls(field.take()));
    }
    value
}

//! Bad input: each kind is answered with what was tried, on what, why it failed, and what to do.

use std::fs::File;

use serde_json::{Value, json};
use voxsync_fixtures::{Access, CodeImage, GitRepository, GitServer, Registry, Transport};

use crate::harness::{
    Case, Cluster, Needs, NewServer, Voxsync, cases,
    estate::{Estate, PRODUCTION, REPOSITORY, bare_server, git_spec},
    files_in,
    status::{assert_says, condition, follow_tags, holds, text},
};

pub(crate) const CASES: &[Case] = cases![
    the_api_server_refuses_specs_that_cannot_be_right,
    what_the_api_server_cannot_see_is_stalled_and_names_the_field,
    files_that_name_no_reference_say_what_they_have_instead,
    files_that_are_too_large_are_not_read,
    images_that_are_none_are_no_candidates,
    a_deployment_without_the_main_container_is_not_touched,
    a_server_without_a_deployment_is_reported,
    a_cluster_that_drops_image_volumes_is_told_before_anything_breaks => Needs::WITHOUT_IMAGE_VOLUMES,
];

async fn the_api_server_refuses_specs_that_cannot_be_right(cluster: &Cluster) {
    let registry = json!({"repository": "ghcr.io/example/code", "tag": {"semver": "*"}});
    let git =
        json!({"url": "https://git.example/a.git", "ref": {"branch": "main"}, "reference": {"path": "x"}});
    let target = json!({"kind": "Config", "name": "production"});
    let stage = |name: &str| json!({"name": name, "targets": [target]});
    let with_tag = |tag: Value| json!({"source": {"registry": {"repository": "ghcr.io/a/b", "tag": tag}}, "target": target});
    let rows = [
        (
            json!({"source": {"registry": registry, "git": git}, "target": target}),
            "give exactly one of registry, git, file and codeSync",
        ),
        (
            json!({"source": {"interval": "1m"}, "target": target}),
            "give exactly one of registry, git, file and codeSync",
        ),
        (
            json!({"source": {"registry": registry, "interval": "1m", "schedule": {"cron": "* * * * *"}}, "target": target}),
            "give interval or schedule, not both",
        ),
        (
            json!({"source": {"registry": registry, "interval": "10ms"}, "target": target}),
            "interval is between 1s and 720h",
        ),
        (
            json!({"source": {"registry": {"repository": "ghcr.io/a/b", "tag": {"follow": "v1"}, "match": "x"}}, "target": target}),
            "follow takes one tag as it is: leave match and ignore out",
        ),
        (json!({"source": {"registry": registry}}), "give exactly one of target and stages"),
        (
            json!({"source": {"registry": registry}, "target": target, "stages": [stage("a")]}),
            "give exactly one of target and stages",
        ),
        (json!({"source": {"registry": registry}, "stages": [stage("a"), stage("a")]}), "Duplicate value"),
        (json!({"source": {"registry": registry}, "stages": [stage("Big Letters")]}), "stages[0].name"),
        (json!({"source": {"registry": registry}, "stages": []}), "should have at least 1 item"),
        (
            json!({"source": {"registry": registry}, "target": {"kind": "Config"}}),
            "give exactly one of name and selector",
        ),
        (
            json!({"source": {"registry": registry}, "target": {"kind": "Server", "selector": {}}}),
            "an empty selector would select everything",
        ),
        (
            json!({"source": {"registry": registry}, "target": {"kind": "Pool", "name": "x"}}),
            "supported values: \"Config\", \"Server\"",
        ),
        (with_tag(json!({"semver": "*", "follow": "stable"})), "give exactly one of semver, calver"),
        (with_tag(json!({})), "give exactly one of semver, calver"),
        (with_tag(json!({"semver": "*".repeat(300)})), "256"),
        (
            json!({"source": {"registry": {"repository": "ghcr.io/a/b:v1 !", "tag": {"semver": "*"}}}, "target": target}),
            "spec.source.registry.repository",
        ),
        (
            json!({"source": {"registry": registry}, "target": target, "history": {"maximumAge": "90d"}}),
            "spec.history.maximumAge",
        ),
    ];
    for (number, (spec, message)) in rows.into_iter().enumerate() {
        let refused = cluster.try_create_code_sync(&format!("bad-{number}"), spec.clone()).await;
        let error = refused.map(|created| panic!("accepted: {created}")).expect_err("a refusal");
        let kube::Error::Api(status) = &error else { panic!("{spec}: {error}") };
        assert_eq!(status.code, 422, "{spec}: {error}");
        assert_says(&status.message, &["spec", message]);
    }
}

async fn what_the_api_server_cannot_see_is_stalled_and_names_the_field(cluster: &Cluster) {
    let _voxsync = Voxsync::start(cluster);
    let registry = |extra: Value| {
        let mut registry = json!({"repository": "ghcr.io/a/b", "tag": {"semver": "*"}});
        json_patch::merge(&mut registry, &extra);
        json!({"registry": registry})
    };
    let git = |url: &str| json!({"git": {"url": url, "ref": {"branch": "main"}, "reference": {"path": "x"}}});
    let rows = [
        (
            json!({"source": registry(json!({"tag": {"semver": ">=1.x.y"}}))}),
            "source.registry.tag.semver: \">=1.x.y\"",
            "for example",
        ),
        (json!({"source": registry(json!({"match": "v("}))}), "source.registry.match", "v("),
        (json!({"source": registry(json!({"ignore": ["a", "["]}))}), "source.registry.ignore[1]", "["),
        (json!({"source": git("https://me:hunter2@git.example/a.git")}), "source.git.url", "password"),
        (json!({"source": git("no url at all")}), "source.git.url", "not the URL of a Git repository"),
        (
            json!({"source": {"schedule": {"cron": "now and then"}, "registry": registry(json!({}))["registry"]}}),
            "source.schedule.cron: \"now and then\"",
            "*/5 * * * *",
        ),
        (
            json!({"source": registry(json!({})), "pin": {"reference": "not a ref !!"}}),
            "pin.reference",
            "for example",
        ),
    ];
    for (number, (mut spec, field, what)) in rows.into_iter().enumerate() {
        let name = format!("bad-{number}");
        spec["target"] = json!({"kind": "Config", "name": "production"});
        cluster.create_code_sync(&name, spec).await;
        let status = cluster.condition(&name, "Stalled", "True", "InvalidSpec").await;
        assert!(!holds(&status, "Ready"));
        let message = text(&condition(&status, "Stalled")["message"]);
        assert_says(message, &[field, what]);
        assert!(!status.to_string().contains("hunter2"), "{status}");
    }
}

async fn files_that_name_no_reference_say_what_they_have_instead(cluster: &Cluster) {
    let _voxsync = Voxsync::start(cluster);
    let repository = GitRepository::create();
    let server = GitServer::daemon(&repository);
    let manifest =
        json!({"kind": "Config", "spec": {"code": {"picture": "registry.example/code:v1"}}}).to_string();
    let files = [
        ("nonsense.txt", "not-a-reference-!!\n"),
        ("latest.txt", "registry.example/code\n"),
        ("manifest.yaml", manifest.as_str()),
        ("twice.yaml", "image: a\nimage: b\n"),
        ("empty.txt", "\n"),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(*text))).collect();
    let commit = repository.commit_on("production", &files, "Nothing that could be deployed");
    let rows: [(Value, &[&str]); 7] = [
        (json!({"path": "nonsense.txt"}), &["nonsense.txt", "is not an image reference", "for example"]),
        (json!({"path": "latest.txt"}), &["neither a tag nor a digest"]),
        (
            json!({"path": "manifest.yaml", "field": "spec.code.image"}),
            &["field `spec.code.image` is not in the file", "picture"],
        ),
        (json!({"path": "manifest.yaml"}), &["say in `field` where the reference is"]),
        (json!({"path": "twice.yaml", "field": "image"}), &["not sound YAML"]),
        (json!({"path": "empty.txt"}), &["the file is empty"]),
        (
            json!({"path": "deploy/gone.txt"}),
            &["`deploy/gone.txt` is not in commit", &commit[..7], "manifest.yaml"],
        ),
    ];
    for (number, (reference, _)) in rows.iter().enumerate() {
        let mut spec = git_spec(&server.url(), PRODUCTION);
        spec["source"]["git"]["reference"] = reference.clone();
        cluster.create_code_sync(&format!("bad-{number}"), spec).await;
    }
    for (number, (_, message)) in rows.iter().enumerate() {
        let status =
            cluster.condition(&format!("bad-{number}"), "SourceReady", "False", "BadReference").await;
        assert_says(text(&condition(&status, "SourceReady")["message"]), message);
        assert!(!holds(&status, "Ready"), "{status}");
        assert_eq!(status["source"]["unreachableSince"], Value::Null, "the source itself can be asked");
    }
    let mut spec = git_spec(&server.url(), PRODUCTION);
    spec["source"]["git"]["ref"] = json!({"branch": "prodution"});
    cluster.create_code_sync("branch", spec).await;
    let status = cluster.condition("branch", "SourceReady", "False", "NotFound").await;
    let message = text(&condition(&status, "SourceReady")["message"]);
    assert_says(message, &[&server.url(), "there is no branch `prodution`", "similar: production"]);
}

async fn files_that_are_too_large_are_not_read(cluster: &Cluster) {
    const BYTES: usize = 100 * 1024 * 1024;
    let repository = GitRepository::create();
    let folder = repository.path().parent().expect("a folder").to_owned();
    let _voxsync = Voxsync::start_with(cluster, files_in(&folder));
    repository.commit("deploy/code-version.txt", &"x".repeat(BYTES), "A large file");
    cluster.create_code_sync("git", git_spec(&repository.file_url(), PRODUCTION)).await;
    let file = File::create(folder.join("large.txt")).expect("create a file");
    file.set_len(BYTES as u64).expect("a large file");
    let source = json!({"interval": "1s", "file": {"path": "large.txt"}});
    let spec = json!({"source": source, "target": {"kind": "Config", "name": PRODUCTION}});
    cluster.create_code_sync("file", spec).await;
    for (name, path) in [("git", "deploy/code-version.txt"), ("file", "large.txt")] {
        let status = cluster.status_when(name, "the look has failed", |status| {
            condition(status, "SourceReady")["status"] == "False"
        });
        let status = status.await;
        let message = text(&condition(&status, "SourceReady")["message"]);
        assert_says(message, &[path, &BYTES.to_string(), "the limit for a reference file is"]);
    }
}

async fn images_that_are_none_are_no_candidates(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let registry = &estate.registry;
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [],
    });
    registry
        .push_manifest(
            "empty",
            "v1.0.0",
            "application/vnd.oci.image.index.v1+json",
            index.to_string().into_bytes(),
        )
        .await;
    let follow = |repository: &str, tag: &str| json!({"source": follow_tags(registry, repository, &json!({"follow": tag}))});
    let semver = |repository: &str, range: &str| json!({"source": follow_tags(registry, repository, &json!({"semver": range}))});
    let rows: [(Value, &[&str]); 4] = [
        (follow(REPOSITORY, "v7.7.7"), &["puppet-code", "v7.7.7", "does not exist"]),
        (semver("nowhere", "*"), &["nowhere", "there is no such repository", "check its name"]),
        (semver("empty", "*"), &["empty", "not an image"]),
        (semver(REPOSITORY, ">=9"), &["puppet-code", ">=9"]),
    ];
    let config = cluster.get("Config", PRODUCTION).await;
    for (number, (spec, _)) in rows.iter().enumerate() {
        let mut spec = spec.clone();
        spec["target"] = json!({"kind": "Config", "name": PRODUCTION});
        cluster.create_code_sync(&format!("bad-{number}"), spec).await;
    }
    for (number, (_, message)) in rows.iter().enumerate() {
        let status = cluster
            .status_when(&format!("bad-{number}"), "the look has failed", |status| {
                condition(status, "SourceReady")["status"] == "False" && !holds(status, "Reconciling")
            })
            .await;
        assert_says(text(&condition(&status, "SourceReady")["message"]), message);
        assert!(!holds(&status, "Ready") && status["candidate"].is_null(), "{status}");
    }
    assert_eq!(cluster.get("Config", PRODUCTION).await, config);
}

async fn a_deployment_without_the_main_container_is_not_touched(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let name = json!([
        {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "openvox-server"},
        {"op": "replace", "path": "/spec/template/spec/containers/0/name", "value": "something-else"},
    ]);
    cluster.json_patch("Deployment", "compile", name).await;
    let before = cluster.get("Deployment", "compile").await["spec"].clone();
    estate.push("v1.1.0").await;
    cluster.create_code_sync(PRODUCTION, estate.only_config()).await;
    let status = cluster.condition(PRODUCTION, "Ready", "False", "NoMainContainer").await;
    assert_says(text(&condition(&status, "Ready")["message"]), &["compile", "openvox-server"]);
    assert_eq!(cluster.get("Deployment", "compile").await["spec"], before);
}

async fn a_server_without_a_deployment_is_reported(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    cluster.create_config("bare", None).await;
    cluster.create_server_alone(&NewServer { name: "bare", config: "bare", ..NewServer::default() }).await;
    let spec = json!({"source": estate.source(), "target": {"kind": "Config", "name": "bare"}});
    cluster.create_code_sync("bare", spec).await;
    let status = cluster.condition("bare", "Ready", "False", "DeploymentMissing").await;
    assert_says(
        text(&condition(&status, "Ready")["message"]),
        &["Server bare", "no Deployment", "openvox-operator"],
    );
    assert!(cluster.try_get("Deployment", "bare").await.is_none());
}

async fn a_cluster_that_drops_image_volumes_is_told_before_anything_breaks(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    let before = cluster.get("Deployment", PRODUCTION).await["spec"].clone();
    registry.push(REPOSITORY, "v1.0.0", &CodeImage::with_site("v1.0.0")).await;
    let source = follow_tags(&registry, REPOSITORY, &json!({"semver": "*"}));
    let target = json!({"kind": "Config", "name": PRODUCTION});
    cluster.create_code_sync(PRODUCTION, json!({"source": source, "target": target})).await;
    let status = cluster.condition(PRODUCTION, "Ready", "False", "NoImageVolumes").await;
    assert_says(text(&condition(&status, "Ready")["message"]), &["drops image volumes", "1.35"]);
    assert_eq!(cluster.get("Deployment", PRODUCTION).await["spec"], before, "nothing was broken");
}

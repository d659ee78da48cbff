//! `voxsync check -f` without a cluster: what is not among the files, Lists, and what is wrong with a spec.

use std::process::Output;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use voxsync_fixtures::{
    Access, CertificateAuthority, CodeImage, CosignKey, GitRepository, GitServer, Registry, Transport,
};
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::{text, voxsync};

/// Checks objects from a file.
fn check(objects: &Value, arguments: &[&str]) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, objects.to_string()).unwrap();
    voxsync(&[&["check", "-f", file.path().to_str().unwrap()], arguments].concat())
}

fn code_sync(source: &Value, more: &Value) -> Value {
    let mut spec = json!({"source": source, "target": {"kind": "Config", "name": "production"}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let metadata = json!({"name": "production", "namespace": "puppet"});
    json!({"apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": metadata, "spec": spec})
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_among_the_files_is_not_checked_and_no_failure() {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    registry.push("code", "v1.0.0", &CodeImage::with_site("v1")).await;
    let repository =
        json!({"repository": format!("{}/code", registry.host()), "tag": {"semver": "*"}, "insecure": true});
    let webhook = json!({"type": "github", "secretRef": {"name": "hook"}});
    let source = json!({"registry": repository, "webhook": webhook});
    let code_sync = code_sync(&source, &json!({"write": {"imagePullSecret": "pull"}}));

    let output = check(&list(std::slice::from_ref(&code_sync)), &[]);
    let said = text(&output.stdout);
    for row in [
        "✔ image      v1.0.0@",
        "– secret     the Secret hook (source.webhook.secretRef) is not among the files: not checked",
        "– secret     the Secret pull (write.imagePullSecret) is not among the files: not checked",
        "– target     Config/production is not among the files: not checked",
    ] {
        assert!(said.contains(row), "{row}: {said}");
    }
    assert_eq!(output.status.code(), Some(0), "{said}");

    let secret = |name: &str, key: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "puppet"}, "stringData": {key: "x"}});
    let config = json!({
        "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Config", "metadata": {"name": "production", "namespace": "puppet"}, "spec": {},
    });
    let output = check(&list(&[code_sync, secret("hook", "token"), secret("pull", "password"), config]), &[]);
    let said = text(&output.stdout);
    for row in [
        "✔ secret     source.webhook.secretRef is hook",
        "✘ secret     write.imagePullSecret: Secret puppet/pull has the keys password; what is needed: .dockerconfigjson",
        "✔ target     Config/production has no code of its own",
    ] {
        assert!(said.contains(row), "{row}: {said}");
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_whose_signature_is_not_good_is_none_that_would_be_deployed() {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let digest = registry.push("code", "v1.0.0", &CodeImage::with_site("v1")).await;
    let repository =
        json!({"repository": format!("{}/code", registry.host()), "tag": {"semver": "*"}, "insecure": true});
    let verify = json!({"cosign": {"keys": {"secretRef": {"name": "cosign-pub"}}}});
    let code_sync = code_sync(&json!({"registry": repository}), &json!({"verify": verify}));
    let key = CosignKey::new();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cosign-pub", "namespace": "puppet"},
        "stringData": {"cosign.pub": key.public_key()},
    });
    let objects = list(&[code_sync, secret]);
    let said = |wanted: &[&str], code: i32| {
        let output = check(&objects, &[]);
        let said = text(&output.stdout);
        for row in wanted {
            assert!(said.contains(row), "{row}: {said}");
        }
        assert_eq!(said.contains("✔ image"), code == 0, "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
    };

    said(&["✔ source     ", "✘ image      v1.0.0@", "✘ image      SignatureMissing: "], 1);
    CosignKey::new().sign_image(&registry, "code", &digest).await;
    said(&["✔ source     ", "✘ image      v1.0.0@", "✘ image      NotVerified: "], 1);
    key.sign_image(&registry, "code", &digest).await;
    said(&["✔ image      v1.0.0@", "   signed by key cosign.pub ("], 0);
}

#[test]
fn all_that_is_wrong_with_a_spec_is_said_whole_and_one_a_line() {
    let registry =
        json!({"repository": "oci://ghcr.io/example/code:v1", "tag": {"semver": "*", "numerical": {}}});
    let source = json!({"registry": registry, "interval": "1d"});
    let output = check(&code_sync(&source, &json!({"minimumAge": "1 day"})), &[]);
    let said = text(&output.stdout);
    let rows: Vec<&str> = said.lines().filter(|line| line.contains("✘ spec ")).collect();
    let durations = rows.iter().filter(|row| row.contains("must be a duration such as 30s, 10m or 72h"));
    assert_eq!((rows.len(), durations.count()), (4, 2), "{said}");
    assert!(
        rows.iter().any(|row| row.contains("source.registry.repository") && row.contains("leave out oci://"))
    );
    assert!(
        rows.iter().any(|row| row.contains("source.registry.tag") && row.contains("give exactly one of"))
    );
    assert!(!said.contains('…') && !said.contains("google.protobuf"), "{said}");
}

#[test]
fn what_only_follows_from_another_mistake_is_not_said() {
    let webhook = json!({"type": "githubb", "secretRef": {"name": "hook"}});
    let said = rows(&check(&code_sync(&json!({"webhook": webhook}), &json!({"stages": 3})), &[]));
    assert_eq!(said.len(), 2, "{said:?}");
    let is_said = |wanted: &str| said.iter().any(|row| row.starts_with(wanted));
    assert!(is_said("spec.source.webhook.type: \"githubb\" is none of github, gitlab, "), "{said:?}");
    assert!(is_said("spec.stages: must be of type array, not integer"), "{said:?}");

    let misspelt = json!({"registri": {}});
    let mut said = rows(&check(&code_sync(&misspelt, &json!({"suspended": true})), &[]));
    said.sort();
    assert_eq!(
        said,
        ["spec.source.registri: there is no such field", "spec.suspended: there is no such field"]
    );
}

#[test]
fn a_name_that_would_lead_elsewhere_is_refused() {
    let webhook = json!({"type": "github", "secretRef": {"name": "../hook?watch=true"}});
    let target = json!({"kind": "Config", "name": "production/status"});
    let source = json!({"file": {"path": "/nowhere"}, "webhook": webhook});
    let spec = json!({"target": target, "write": {"imagePullSecret": "a#b"}});
    let mut said = rows(&check(&code_sync(&source, &spec), &[]));
    said.sort();
    let fields: Vec<&str> =
        said.iter().filter_map(|row| Some(row.split_once(": should match ")?.0)).collect();
    let wanted = ["spec.source.webhook.secretRef.name", "spec.target.name", "spec.write.imagePullSecret"];
    assert_eq!(fields, wanted, "{said:?}");
}

#[test]
fn stages_that_would_wait_for_ever_are_said() {
    let stage = |name: &str| json!({"name": name, "targets": [{"kind": "Server", "name": "canary"}]});
    let freeze = json!({"name": "freeze", "deny": {"cron": "0 0 * * *", "duration": "24h"}});
    let spec = json!({"stages": [stage("one"), stage("two")], "windows": [freeze]});
    let mut code_sync = code_sync(&json!({"file": {"path": "/nowhere"}}), &spec);
    code_sync["spec"].as_object_mut().unwrap().remove("target");
    let output = check(&code_sync, &[]);
    let said = text(&output.stdout);
    for wanted in [
        "✘ stages     Server/canary is named by stages one and two, and belongs to one:",
        "✘ stages     stage two never starts: window freeze leaves no time ",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn another_version_is_said_and_other_groups_are_left_alone() {
    let mut code_sync = code_sync(&json!({"file": {"path": "/nowhere"}}), &json!({}));
    code_sync["apiVersion"] = json!("voxsync.dev/v1");
    let kubeconfig = json!({"apiVersion": "example.org/v1", "kind": "Config", "clusters": []});
    let said = rows(&check(&list(&[kubeconfig, code_sync]), &[]));
    assert_eq!(
        said,
        ["apiVersion: there is voxsync.dev/v1alpha1, and the file says \"voxsync.dev/v1\": correct it"]
    );
    let secret = json!({"apiVersion": "v2", "kind": "Secret", "metadata": {"name": "login"}});
    let output = check(&secret, &[]);
    let said = text(&output.stderr);
    assert!(
        said.contains("Secret default/login: apiVersion: there is v1, and the file says \"v2\""),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_is_wrong_with_a_secret_of_a_file_is_said_with_its_key() {
    let repository =
        json!({"repository": "127.0.0.1:1/code", "tag": {"semver": "*"}, "secretRef": {"name": "login"}});
    let webhook = json!({"type": "github", "secretRef": {"name": "hook"}});
    let code_sync = code_sync(&json!({"registry": repository, "webhook": webhook}), &json!({}));
    let secret = |name: &str, namespace: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data});

    let login = secret("login", "puppet", json!({"username": "YQ==", "password": "hunter2!"}));
    let output = check(&list(&[code_sync.clone(), login]), &[]);
    let said = text(&output.stderr);
    assert!(said.contains("Secret puppet/login: key password: not base64"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(output.status.code(), Some(2));

    let elsewhere = ["login", "hook"].map(|name| secret(name, "other", json!({"token": "eA=="})));
    let output = check(&list(&[&[code_sync][..], &elsewhere].concat()), &[]);
    let said = text(&output.stdout);
    for name in ["login", "hook"] {
        let row = format!(
            "– secret     the Secret {name} is among the files in namespace other only; a CodeSync reads those of its own namespace, puppet\n"
        );
        assert_eq!(said.matches(&row).count(), 1, "{said}");
    }
    assert!(!said.contains("the Secret hook (source.webhook.secretRef) is not among the files"), "{said}");
}

#[test]
fn targets_that_a_code_sync_would_not_get_are_crossed() {
    let of = |name: &str, namespace: &str, target: Value| {
        let mut code_sync = code_sync(&json!({"file": {"path": "/nowhere"}}), &json!({"target": target}));
        code_sync["metadata"] = json!({"name": name, "namespace": namespace});
        code_sync
    };
    let production = json!({"kind": "Config", "name": "production"});
    let late = json!({"kind": "Config", "selector": {"matchLabels": {"ring": "late"}}});
    let config = json!({
        "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Config", "metadata": {"name": "production", "namespace": "puppet"}, "spec": {},
    });
    let objects = [
        of("first", "puppet", production.clone()),
        of("another", "puppet", production.clone()),
        of("selects", "puppet", late.clone()),
        of("selects", "other", late),
        of("astray", "other", production),
        of("across", "other", json!({"kind": "Config", "name": "production", "namespace": "puppet"})),
        config,
    ];
    let said = text(&check(&list(&objects), &[]).stdout);
    let target = |name: &str| {
        let report = said.split("\n\n").find(|report| report.starts_with(&format!("{name}  ·")));
        let row = report.and_then(|report| report.lines().find(|line| line.contains(" target ")));
        row.unwrap_or_else(|| panic!("{name}: {said}")).trim().to_owned()
    };
    for (name, wanted) in [
        ("puppet/first", "✔ target     Config/production has no code of its own"),
        (
            "puppet/another",
            "✘ target     Config/production belongs to CodeSync first, which names it too: take it out of one of the two",
        ),
        (
            "puppet/selects",
            "✘ target     stage default: its selectors match no Config and no Server: label one, or correct the selector",
        ),
        (
            "other/selects",
            "– target     what stage default selects is not among the files: not checked (--cluster asks the cluster)",
        ),
        (
            "other/astray",
            "✘ target     Config/production: it is among the files in namespace puppet only, and the target is in other: correct one of the two, or name its namespace in the target (-n says where objects without a namespace are)",
        ),
        (
            "other/across",
            "✘ target     Config/puppet/production: Config puppet/production does not let in CodeSyncs of namespace other, or does not exist: who may change it lets them in with `kubectl annotate config production -n puppet voxsync.dev/accepts-from=other`",
        ),
    ] {
        assert_eq!(target(name), wanted);
    }
}

#[test]
fn a_file_that_is_too_much_is_not_read_to_its_end() {
    let endless = voxsync(&["check", "-f", "/dev/zero"]);
    let said = text(&endless.stderr);
    assert!(said.contains("/dev/zero: it has more than 4194304 bytes"), "{said}");
    assert_eq!(endless.status.code(), Some(2));
}

/// What is said of the spec.
fn rows(output: &Output) -> Vec<String> {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let rows = said.lines().filter_map(|line| Some(line.split_once("✘ spec ")?.1.trim().to_owned()));
    rows.collect()
}

#[test]
fn the_namespace_chooses_among_the_objects_of_files() {
    let code_sync = code_sync(&json!({"file": {"path": "/nowhere"}}), &json!({}));
    let output = check(&code_sync, &["-n", "other"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no CodeSync of namespace other in "), "{output:?}");
    let odd = check(&json!({"kind": "Secret", "metadata": "odd"}), &[]);
    assert!(text(&odd.stderr).contains("has a Secret without metadata"), "{odd:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn registries_and_git_servers_may_have_authorities_of_a_file() {
    let [of_registry, of_git] = [(); 2].map(|()| CertificateAuthority::create());
    let registry = Registry::start(Access::Anonymous, Transport::Tls(of_registry.issue()));
    registry.push("code", "v1.0.0", &CodeImage::with_site("v1")).await;
    let repository = GitRepository::create();
    repository.commit("version", &format!("{}\n", registry.reference("code", "v1.0.0")), "One");
    let server = GitServer::http(&repository, Access::Anonymous, Transport::Tls(of_git.issue()));
    let git = json!({"url": server.url(), "ref": {"branch": "production"}, "reference": {"path": "version"}});
    let code_sync = code_sync(&json!({"git": git}), &json!({}));

    let folder = tempfile::tempdir().unwrap();
    let [both, one] = [[of_registry.pem(), of_git.pem()].concat(), of_git.pem()].map(|text| {
        let path = folder.path().join(text.len().to_string());
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let good = check(&code_sync, &["--ca", &both]);
    let said = text(&good.stdout);
    assert!(good.status.success() && said.contains("✔ image      v1.0.0@"), "{said}{}", text(&good.stderr));
    let unknown = "put the CA as `ca.crt` into the Secret that";
    for (arguments, part) in [(&[][..], "spec.source.git"), (&["--ca", &one], "spec.image")] {
        let output = check(&code_sync, arguments);
        let said = text(&output.stdout);
        let advice = format!("{unknown} `{part}.certSecretRef` names, or the ConfigMap that `{part}.");
        assert!(said.contains(&advice), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_of_stages_are_asked_once() {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    registry.push("code", "v1.0.0", &CodeImage::with_site("v1")).await;
    let repository =
        json!({"repository": format!("{}/code", registry.host()), "tag": {"semver": "*"}, "insecure": true});
    let asks = |name: &str, url: &str| json!({"name": name, "http": {"url": url}});
    let checked = |checks: Value| {
        let target = json!({"kind": "Config", "name": "production"});
        let stages = json!([{"name": "all", "targets": [target], "checks": checks}]);
        let mut code_sync = code_sync(&json!({"registry": repository}), &json!({"stages": stages}));
        code_sync["spec"].as_object_mut().unwrap().remove("target");
        let output = check(&list(&[code_sync]), &[]);
        (text(&output.stdout), output.status.code())
    };
    let job = json!({"image": "r.io/compiler:1"});
    let answers = format!("http://{}/v2/", registry.host());
    let (said, code) = checked(json!([
        asks("answers", &answers), asks("silent", "http://127.0.0.1:1/"), {"name": "compiles", "job": job},
    ]));
    for row in [
        "✔ check      answers of stage all: ",
        "– check      silent of stage all: cannot be asked from here: ",
        "– check      compiles of stage all: a Job, which its stage runs: not tried here",
    ] {
        assert!(said.contains(row), "{row}: {said}");
    }
    assert_eq!(code, Some(0), "what cannot be asked from here is no failure: {said}");
    let (said, code) = checked(json!([asks("fails", &format!("{answers}nothing/here"))]));
    assert!(said.contains("✘ check      fails of stage all: "), "{said}");
    assert_eq!(code, Some(1), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_cluster_what_is_not_among_the_files_is_looked_for_there() {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let digest = registry.push("code", "v1.0.0", &CodeImage::with_site("v1")).await;
    let repository =
        json!({"repository": format!("{}/code", registry.host()), "tag": {"semver": "*"}, "insecure": true});
    let edited = code_sync(&json!({"registry": repository}), &json!({"write": {"imagePullSecret": "pull"}}));

    let sandbox = Sandbox::new(SandboxOptions::default());
    sandbox.install_manifests(include_str!("../../src/demo/openvox-crds.yaml")).unwrap();
    for (_, definition) in voxsync_crds::yaml::definitions() {
        sandbox.install_manifests(&voxsync_crds::yaml::to_yaml(&definition).unwrap()).unwrap();
    }
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "puppet"}});
    sandbox.install(namespace).unwrap();
    let place = json!({"name": "production", "namespace": "puppet"});
    let config = json!({"apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Config", "metadata": place,
        "spec": {"code": {"image": "r.io/code:v0.9.0"}}});
    sandbox.install(config).unwrap();
    let logins = json!({".dockerconfigjson": r#"{"auths": {}}"#});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull", "namespace": "puppet"},
        "type": "kubernetes.io/dockerconfigjson", "stringData": logins});
    sandbox.install(secret).unwrap();
    let mut live = edited.clone();
    live["metadata"]["uid"] = json!("u-1");
    live["status"] = json!({"quarantine": [
        {"digest": digest, "name": "v1.0.0", "reason": "canary: ImagePullBackOff", "since": "2026-03-01T10:00:00Z"},
    ]});
    sandbox.restore(live).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, sandbox.kubeconfig(listener.local_addr().unwrap(), "puppet")).unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(sandbox.serve(listener, stop.clone()));

    let output = check(&list(&[edited]), &["--cluster", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    let said = text(&output.stdout);
    for row in [
        "✔ secret     write.imagePullSecret is pull",
        "✔ target     Config/production has v0.9.0",
        "✘ image      Quarantined: v1.0.0 is in quarantine since 2026-03-01T10:00:00Z: canary: ImagePullBackOff. It is not taken before \
         `voxsync release-quarantine production sha256:",
    ] {
        assert!(said.contains(row), "{row}: {said}{}", text(&output.stderr));
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    stop.cancel();
}

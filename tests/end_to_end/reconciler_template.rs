//! What the reconciler writes into a pod template: to the byte what openvox-operator would write.

use serde_json::{Value, json};
use voxsync_reconciler::Mode;

use crate::harness::{
    Case, Cluster, Needs, NewServer, Operator, Release, Voxsync, cases,
    rollouts::{code_annotation, code_mounts, code_volumes, revision},
};

pub(crate) const CASES: &[Case] = cases![
    pull_policies_are_as_written => Needs::BOTH_SHAPES,
    the_pull_secret_comes_and_goes_with_the_code => Needs::BOTH_SHAPES,
    the_environment_path_is_the_mount_path => Needs::BOTH_SHAPES,
    a_claim_is_mounted_and_another_one_rolls => Needs::BOTH_SHAPES,
    the_first_code_of_a_server_is_added => Needs::BOTH_SHAPES,
    removed_code_is_unmounted => Needs::BOTH_SHAPES,
    entries_are_mounted_at_their_environment_or_path => Needs::LIST,
    a_changed_entry_leaves_the_others_alone => Needs::LIST,
];

const FIRST: &str = "registry.example/code:v1";
const SECOND: &str = "registry.example/code:v2";
const ENVIRONMENTS: &str = "/etc/puppetlabs/code/environments";

async fn pull_policies_are_as_written(cluster: &Cluster) {
    let policies = [
        ("default", Value::Null, "IfNotPresent"),
        ("always", json!("Always"), "Always"),
        ("present", json!("IfNotPresent"), "IfNotPresent"),
        ("never", json!("Never"), "Never"),
    ];
    let names = policies.each_ref().map(|(name, ..)| *name);
    let _voxsync = reconciled(cluster, cluster.code(FIRST), &names).await;
    for (name, policy, _) in &policies {
        let mut entry = json!({"image": SECOND});
        if policy.is_string() {
            entry["imagePullPolicy"] = policy.clone();
        }
        cluster.patch("Server", name, json!({"spec": {"code": cluster.code_entry(entry)}})).await;
    }
    for (name, _, policy) in policies {
        let deployment = cluster.rolled(name, &[SECOND]).await;
        let volume = json!({"name": "code", "image": {"reference": SECOND, "pullPolicy": policy}});
        assert_eq!(code_volumes(&deployment), [&volume], "{name}");
        assert_eq!(revision(&deployment), "2", "{name}");
    }
    the_operator_agrees(cluster, &names).await;
}

async fn the_pull_secret_comes_and_goes_with_the_code(cluster: &Cluster) {
    let with = |reference: &str, secret: &str| {
        cluster.code_entry(json!({"image": reference, "imagePullSecret": secret}))
    };
    let _voxsync = reconciled(cluster, cluster.code(FIRST), &["shared", "own"]).await;
    let secrets = async |server: &str, reference: &str| {
        let deployment = cluster.rolled(server, &[reference]).await;
        deployment["spec"]["template"]["spec"].get("imagePullSecrets").cloned()
    };
    assert_eq!(secrets("shared", FIRST).await, None, "nothing is left of an empty list");

    cluster.set_code("production", with(SECOND, "login")).await;
    for server in ["shared", "own"] {
        assert_eq!(secrets(server, SECOND).await, Some(json!([{"name": "login"}])), "{server}");
    }
    // Code is resolved as a whole: an override without a secret loses the Config's.
    cluster.patch("Server", "own", json!({"spec": {"code": cluster.code(FIRST)}})).await;
    cluster.set_code("production", with(FIRST, "other-login")).await;
    assert_eq!(secrets("shared", FIRST).await, Some(json!([{"name": "other-login"}])));
    assert_eq!(secrets("own", FIRST).await, None);
    the_operator_agrees(cluster, &["shared", "own"]).await;
}

async fn the_environment_path_is_the_mount_path(cluster: &Cluster) {
    let _voxsync = reconciled(cluster, cluster.code(FIRST), &["server"]).await;
    let path = "/srv/puppet/environments";
    let change = json!({"spec": {"code": cluster.code(SECOND), "puppet": {"environmentPath": path}}});
    cluster.patch("Config", "production", change).await;
    let deployment = cluster.rolled("server", &[SECOND]).await;
    assert_eq!(code_mounts(&deployment), [&json!({"name": "code", "mountPath": path, "readOnly": true})]);
    assert_eq!(revision(&deployment), "2");
    the_operator_agrees(cluster, &["server"]).await;
}

async fn a_claim_is_mounted_and_another_one_rolls(cluster: &Cluster) {
    let _voxsync = reconciled(cluster, cluster.code(FIRST), &["server"]).await;
    // There are no such claims on the test cluster, so that pods wait for them; the template is what counts.
    for (claim, wanted) in [("code-one", "2"), ("code-two", "3")] {
        cluster.set_code("production", cluster.code_entry(json!({"claimName": claim}))).await;
        let deployment = cluster.deployment_when("server", claim, |found| revision(found) == wanted).await;
        let source = json!({"claimName": claim, "readOnly": true});
        assert_eq!(code_volumes(&deployment), [&json!({"name": "code", "persistentVolumeClaim": source})]);
        let mount = json!({"name": "code", "mountPath": ENVIRONMENTS, "readOnly": true});
        assert_eq!(code_mounts(&deployment), [&mount]);
        assert_eq!(*code_annotation(&deployment), Value::Null);
    }
    the_operator_agrees(cluster, &["server"]).await;
}

async fn the_first_code_of_a_server_is_added(cluster: &Cluster) {
    cluster.create_config("production", None).await;
    cluster.create_server(&NewServer::default()).await;
    cluster.rolled("server", &[]).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    cluster.set_code("production", cluster.code(FIRST)).await;
    let deployment = cluster.rolled("server", &[FIRST]).await;
    assert_eq!(
        code_mounts(&deployment),
        [&json!({"name": "code", "mountPath": ENVIRONMENTS, "readOnly": true})]
    );
    assert_eq!(*code_annotation(&deployment), FIRST);
    assert_eq!(revision(&deployment), "2");
    the_operator_agrees(cluster, &["server"]).await;
}

async fn removed_code_is_unmounted(cluster: &Cluster) {
    let _voxsync = reconciled(cluster, cluster.code(FIRST), &["server"]).await;
    cluster.set_code("production", Value::Null).await;
    let deployment = cluster.rolled("server", &[]).await;
    assert_eq!((code_volumes(&deployment).len(), code_mounts(&deployment).len()), (0, 0));
    assert_eq!(*code_annotation(&deployment), Value::Null);
    assert_eq!(revision(&deployment), "2");
    the_operator_agrees(cluster, &["server"]).await;
}

async fn entries_are_mounted_at_their_environment_or_path(cluster: &Cluster) {
    let _voxsync = reconciled(cluster, cluster.code(FIRST), &["server"]).await;
    let code = json!([
        {"image": FIRST, "environment": "production", "imagePullSecret": "login"},
        {"image": SECOND, "mountPath": "/srv/modules", "imagePullPolicy": "Always", "imagePullSecret": "login"},
        {"image": "registry.example/code:v3", "environment": "staging", "imagePullSecret": "other-login"},
    ]);
    let change = json!({"spec": {"code": code, "puppet": {"environmentPath": "/srv/environments"}}});
    cluster.patch("Config", "production", change).await;
    let deployment = cluster.rolled("server", &[FIRST, SECOND, "registry.example/code:v3"]).await;
    let mounts: Vec<_> =
        code_mounts(&deployment).iter().map(|mount| [&mount["name"], &mount["mountPath"]]).collect();
    assert_eq!(
        mounts,
        [
            ["code-0", "/srv/environments/production"],
            ["code-1", "/srv/modules"],
            ["code-2", "/srv/environments/staging"],
        ]
    );
    assert_eq!(*code_annotation(&deployment), format!("{FIRST},{SECOND},registry.example/code:v3"));
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "login"}, {"name": "other-login"}]));
    assert_eq!(revision(&deployment), "2");
    the_operator_agrees(cluster, &["server"]).await;
}

async fn a_changed_entry_leaves_the_others_alone(cluster: &Cluster) {
    let code = |reference: &str| {
        json!([
            {"image": FIRST, "mountPath": "/srv/modules", "imagePullPolicy": "Always"},
            {"image": reference, "environment": "production"},
            {"claimName": "shared", "mountPath": "/srv/shared"},
        ])
    };
    cluster.create_config("production", Some(code(FIRST))).await;
    cluster.create_server(&NewServer::default()).await;
    let before = cluster.template_with("server", &[FIRST, FIRST]).await;
    let _voxsync = Voxsync::reconciler(cluster, Mode::Full);
    cluster.set_code("production", code(SECOND)).await;
    let after = cluster.template_with("server", &[FIRST, SECOND]).await;
    let mut wanted: Vec<_> = code_volumes(&before).into_iter().cloned().collect();
    wanted[1]["image"]["reference"] = json!(SECOND);
    assert_eq!(code_volumes(&after), wanted.iter().collect::<Vec<_>>());
    assert_eq!(code_mounts(&after), code_mounts(&before));
    the_operator_agrees(cluster, &["server"]).await;
}

/// The Config `production` on this code and these Servers of it, rolled out on the first code, with the reconciler.
async fn reconciled(cluster: &Cluster, code: Value, servers: &[&str]) -> Voxsync {
    cluster.create_config("production", Some(code)).await;
    for name in servers {
        cluster.create_server(&NewServer { name, ..NewServer::default() }).await;
    }
    for name in servers {
        cluster.rolled(name, &[FIRST]).await;
    }
    Voxsync::reconciler(cluster, Mode::Full)
}

/// An operator that writes the whole template from its own idea changes nothing of it: it is asked for another number
/// of replicas, which shows that it has written.
async fn the_operator_agrees(cluster: &Cluster, servers: &[&str]) {
    let mut before = Vec::new();
    for server in servers {
        before.push(cluster.get("Deployment", server).await["spec"]["template"].clone());
    }
    let _operator = Operator::start(cluster, Release::V0_6);
    for (server, before) in servers.iter().zip(before) {
        cluster.patch("Server", server, json!({"spec": {"replicas": 2}})).await;
        let after =
            cluster.deployment_when(server, "2 replicas", |found| found["spec"]["replicas"] == 2).await;
        assert_eq!(after["spec"]["template"], before, "{server}");
    }
}

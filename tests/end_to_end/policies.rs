//! The admission policies for voxsync's account: what each refuses, and what it lets through. The account has every right
//! here, so that it is the policy that refuses; the rest of the suite shows that voxsync gets its work done under them.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use voxsync_checks::job::{Order, job};
use voxsync_crds::code_sync::JobCheck;
use voxsync_promotion::CheckRun;

use crate::harness::{
    Case, Cluster, Needs, NewServer, cases,
    estate::PRODUCTION,
    status::{DEADLINE, text},
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    of_a_config_or_server_voxsync_changes_only_code => Needs::BOTH_SHAPES.on_control_plane_only(),
    a_claim_of_a_config_or_server_is_never_changed => Needs::BOTH_SHAPES.on_control_plane_only(),
    of_a_deployment_voxsync_changes_only_the_code_part => Needs::BOTH_SHAPES.on_control_plane_only(),
    code_stays_where_a_person_has_it => Needs::BOTH_SHAPES.on_control_plane_only(),
    a_pause_of_voxsync_has_its_gate => Needs::OBJECT.on_control_plane_only(),
    of_a_codesync_voxsync_changes_only_status_and_its_finalizer => Needs::OBJECT.on_control_plane_only(),
    voxsync_makes_no_jobs_but_those_of_checks => Needs::OBJECT.on_control_plane_only(),
];

const FIRST: &str = "registry.example/code:v1";
const SECOND: &str = "registry.example/code:v2";

async fn of_a_config_or_server_voxsync_changes_only_code(cluster: &Cluster) {
    let account = all_powerful(cluster).await;
    cluster.create_config(PRODUCTION, Some(cluster.code(FIRST))).await;
    let own = NewServer { name: "own", code: Some(cluster.code(FIRST)), ..NewServer::default() };
    cluster.create_server_alone(&own).await;
    let annotations = json!({"voxsync.dev/applied": "{\"\": {}}", "other.example/note": "kept"});
    let metadata = json!({"metadata": {"annotations": annotations, "labels": {"a": "b"}}});
    for (kind, name, field) in [("Config", PRODUCTION, "databaseRef"), ("Server", "own", "javaArgs")] {
        cluster.patch(kind, name, metadata.clone()).await;
        cluster.patch(kind, name, json!({"spec": {field: "set"}})).await;
        check(cluster, &account, (kind, name), "targets", |change| {
            let change = change.to_string().replace("FIELD", field);
            let change = change.replace("\"CODE\"", &cluster.code(SECOND).to_string());
            change.replace("\"CLAIM\"", &claim(cluster, "ca").to_string())
        })
        .await;
        let never = "never creates or deletes a Config or Server, nor writes its status";
        let targets = cluster.api_of(account.clone(), kind);
        let status = Patch::Merge(json!({"status": {"phase": "Running"}}));
        assert_refused("status", targets.patch_status(name, &dry_run(), &status).await, never);
        neither_created_nor_deleted(&targets, name, never).await;
    }
}

/// A claim that a person put there stays, or gives way to an image.
async fn a_claim_of_a_config_or_server_is_never_changed(cluster: &Cluster) {
    let account = all_powerful(cluster).await;
    cluster.create_config(PRODUCTION, Some(claim(cluster, "shared"))).await;
    let own = NewServer { name: "own", code: Some(claim(cluster, "shared")), ..NewServer::default() };
    cluster.create_server_alone(&own).await;
    let mut several = json!([
        {"claimName": "shared", "mountPath": "/srv/shared"}, {"image": FIRST, "environment": "production"},
    ]);
    for (kind, name) in [("Config", PRODUCTION), ("Server", "own")] {
        let targets = cluster.api_of(account.clone(), kind);
        let try_code = async |code: &Value| {
            patch(&targets, name, &json!([{"op": "add", "path": "/spec/code", "value": code}])).await
        };
        let never = "never sets or changes claimName";
        assert_refused("another claim", try_code(&claim(cluster, "ca")).await, never);
        try_code(&cluster.code(SECOND)).await.expect("a claim gives way to an image");
        patch(&targets, name, &json!({"metadata": {"annotations": {"voxsync.dev/applied": "{}"}}}))
            .await
            .expect("a record beside a claim");
        if cluster.code(FIRST).is_array() {
            cluster.patch(kind, name, json!({"spec": {"code": several}})).await;
            several[1]["image"] = json!(SECOND);
            try_code(&several).await.expect("an image beside a claim");
            for (field, value) in [("claimName", "ca"), ("mountPath", "/srv/other")] {
                let mut changed = several.clone();
                changed[0][field] = json!(value);
                assert_refused(field, try_code(&changed).await, never);
            }
            let claim_more = json!([several[0], several[1], {"claimName": "ca", "environment": "leak"}]);
            assert_refused("a claim more", try_code(&claim_more).await, never);
            try_code(&json!([several[1]])).await.expect("a claim less");
            several[1]["image"] = json!(FIRST);
        }
    }
}

async fn of_a_deployment_voxsync_changes_only_the_code_part(cluster: &Cluster) {
    let account = all_powerful(cluster).await;
    cluster.create_config(PRODUCTION, Some(cluster.code(FIRST))).await;
    cluster.create_server(&NewServer { name: "compile", ..NewServer::default() }).await;
    check(cluster, &account, ("Deployment", "compile"), "deployments", Value::to_string).await;

    let never = "never creates or deletes a Deployment, nor writes its status or scale";
    let deployments = cluster.api_of(account, "Deployment");
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    assert_refused("scale", deployments.patch_scale("compile", &dry_run(), &scale).await, never);
    neither_created_nor_deleted(&deployments, "compile", never).await;

    let labels = json!({"app": "of-somebody-else"});
    let container = json!({"name": "openvox-server", "image": "x"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
    let spec = json!({"selector": {"matchLabels": labels}, "template": template});
    cluster.create(json!({"kind": "Deployment", "metadata": {"name": "other"}, "spec": spec})).await;
    let paused = patch(&deployments, "other", &json!({"spec": {"paused": true}})).await;
    assert_refused("of no Server", paused, "only Deployments that select openvox.voxpupuli.org/server");
}

/// Where a person has mounted code elsewhere already, voxsync changes the code there.
async fn code_stays_where_a_person_has_it(cluster: &Cluster) {
    let account = all_powerful(cluster).await;
    cluster.create_config(PRODUCTION, Some(cluster.code(FIRST))).await;
    let elsewhere = json!({"spec": {"puppet": {"environmentPath": "/opt/site"}}});
    cluster.patch("Config", PRODUCTION, elsewhere).await;
    cluster.create_server(&NewServer { name: "compile", ..NewServer::default() }).await;
    let deployments = cluster.api_of(account, "Deployment");
    let volume = "/spec/template/spec/volumes/1";
    let mount = "/spec/template/spec/containers/0/volumeMounts/1";
    let to = |volume_name: &str, path: &str| {
        let image = json!({"name": volume_name, "image": {"reference": SECOND}});
        let mounted = json!({"name": volume_name, "mountPath": path, "readOnly": true});
        json!([
            {"op": "test", "path": format!("{mount}/mountPath"), "value": "/opt/site"},
            {"op": "replace", "path": volume, "value": image},
            {"op": "replace", "path": mount, "value": mounted},
        ])
    };
    for (volume_name, path) in [("code", "/opt/site"), ("code-0", "/opt/site"), ("code", "/srv/site")] {
        let written = patch(&deployments, "compile", &to(volume_name, path)).await;
        written.unwrap_or_else(|error| panic!("{volume_name} at {path}: {error}"));
    }
    for path in ["/opt", "/opt/site/below", "/opt/other"] {
        let written = patch(&deployments, "compile", &to("code", path)).await;
        assert_refused(path, written, "only where code is mounted already");
    }
}

async fn a_pause_of_voxsync_has_its_gate(cluster: &Cluster) {
    let account = all_powerful(cluster).await;
    cluster.create_config(PRODUCTION, Some(cluster.code(FIRST))).await;
    cluster.create_server(&NewServer { name: "compile", ..NewServer::default() }).await;
    let deployments = cluster.api_of(account, "Deployment");
    let gate = |gate: Value| json!({"metadata": {"annotations": {"voxsync.dev/gate": gate}}});
    let lifted = json!({"metadata": {"annotations": {"voxsync.dev/gate": null}}, "spec": {"paused": null}});

    cluster.patch("Deployment", "compile", json!({"spec": {"paused": true}})).await;
    let code = json!({"spec": {"template": {"metadata": {"annotations": {"openvox.voxpupuli.org/code-image": "x:2"}}}}});
    patch(&deployments, "compile", &code).await.expect("new code where a person paused");

    cluster.patch("Deployment", "compile", gate(json!("{}"))).await;
    patch(&deployments, "compile", &gate(json!("{\"a\": 1}"))).await.expect("the gate of another promotion");
    patch(&deployments, "compile", &lifted).await.expect("lifting a gate");
    let left = patch(&deployments, "compile", &gate(Value::Null)).await;
    assert_refused("a pause that is left", left, "only together with its annotation voxsync.dev/gate");

    cluster.patch("Deployment", "compile", json!({"spec": {"paused": null}})).await;
    patch(&deployments, "compile", &gate(Value::Null)).await.expect("clearing what a person lifted");
}

async fn of_a_codesync_voxsync_changes_only_status_and_its_finalizer(cluster: &Cluster) {
    let account = all_powerful(cluster).await;
    let mut kept = code_sync("kept");
    kept["metadata"]["finalizers"] = json!(["other.example/kept"]);
    cluster.create(kept).await;
    check(cluster, &account, ("CodeSync", "kept"), "codesyncs", Value::to_string).await;

    let never = "never creates or deletes a CodeSync, nor changes a CodeRelease";
    let code_syncs = cluster.api_of(account.clone(), "CodeSync");
    let status = Patch::Merge(json!({"status": {"summary": "Deployed"}}));
    code_syncs.patch_status("kept", &dry_run(), &status).await.expect("the status is voxsync's");
    neither_created_nor_deleted(&code_syncs, "kept", never).await;
    cluster.patch("CodeSync", "kept", json!({"metadata": {"finalizers": null}})).await;
}

async fn voxsync_makes_no_jobs_but_those_of_checks(cluster: &Cluster) {
    let account = all_powerful(cluster).await;
    let owner = cluster.get("CodeSync", "probe").await["metadata"]["uid"].clone();
    let made = job_of_a_check(cluster.namespace(), text(&owner));
    let (ours, others) = (cluster.api_of(account, "Job"), cluster.api("Job"));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    for row in rows("jobs") {
        let what = text(&row["what"]);
        let change = row["change"].to_string().replace("CONTAINER", "/spec/template/spec/containers/0");
        let change: json_patch::Patch =
            serde_json::from_str(&change.replace("POD", "/spec/template/spec")).expect("a JSON patch");
        let mut changed = made.clone();
        json_patch::patch(&mut changed, &change).unwrap_or_else(|error| panic!("{what}: {error}"));
        let changed: DynamicObject = serde_json::from_value(changed).expect("a Job");
        let result = ours.create(&dry, &changed).await;
        match row["refused"].as_str() {
            Some(message) => assert_refused(what, result, message),
            None => drop(result.unwrap_or_else(|error| panic!("{what}: {error}"))),
        }
        others.create(&dry, &changed).await.unwrap_or_else(|error| panic!("{what}, by another: {error}"));
    }

    let never = "makes Jobs, and never changes or deletes one";
    cluster.create(made.clone()).await;
    let name = text(&made["metadata"]["name"]);
    assert_refused("change", patch(&ours, name, &json!({"spec": {"suspend": true}})).await, never);
    let status = Patch::Merge(json!({"status": {"active": 1}}));
    assert_refused("status", ours.patch_status(name, &dry_run(), &status).await, never);
    assert_refused("delete", ours.delete(name, &DeleteParams::default().dry_run()).await, never);
}

/// The Job of a check that uses all that there is, with the longest time that a check may have.
fn job_of_a_check(namespace: &str, owner: &str) -> Value {
    let order = Order {
        run: &CheckRun {
            stage: "canary".to_owned(),
            check: "catalogs".to_owned(),
            promotion: "production-1".to_owned(),
            reference: SECOND.to_owned(),
            since: jiff::Timestamp::UNIX_EPOCH,
            servers: vec![],
        },
        check: &JobCheck {
            image: "registry.example/checker:1".to_owned(),
            command: vec!["/check".to_owned()],
            environment: [("NODES".to_owned(), "7".to_owned())].into(),
            code_path: Some("/code".to_owned()),
        },
        timeout: Duration::from_hours(1),
        owner: &OwnerReference {
            api_version: "voxsync.dev/v1alpha1".to_owned(),
            kind: "CodeSync".to_owned(),
            name: "probe".to_owned(),
            uid: owner.to_owned(),
            controller: Some(true),
            block_owner_deletion: None,
        },
        namespace,
        service_account: "voxsync-checks",
        pull_secret: Some("pull"),
        attempt: 1,
        silences: 0,
    };
    serde_json::to_value(job(&order)).expect("JSON")
}

/// voxsync's own account, with every right in the test's namespace, once the policies hold it.
async fn all_powerful(cluster: &Cluster) -> Client {
    let role =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
    let account = json!({"kind": "ServiceAccount", "name": "voxsync", "namespace": cluster.namespace()});
    let metadata = json!({"name": "everything"});
    cluster
        .create(json!({"kind": "RoleBinding", "metadata": metadata, "roleRef": role, "subjects": [account]}))
        .await;
    cluster.create(code_sync("probe")).await;
    let code_syncs = cluster.api_of(cluster.voxsync_client(), "CodeSync");
    wait_for("rights, and policies", DEADLINE, async || {
        match patch(&code_syncs, "probe", &json!({"metadata": {"labels": {"a": "b"}}})).await {
            Err(error) if error.to_string().contains("ValidatingAdmissionPolicy") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    cluster.voxsync_client()
}

/// Tries each row of a table (tests/data/policies) as the account, and as somebody whom the policies do not mean.
async fn check(
    cluster: &Cluster,
    account: &Client,
    (kind, name): (&str, &str),
    table: &str,
    fill_in: impl Fn(&Value) -> String,
) {
    let (ours, others) = (cluster.api_of(account.clone(), kind), cluster.api(kind));
    for row in rows(table) {
        let what = format!("{kind}: {}", text(&row["what"]));
        let change = serde_json::from_str(&fill_in(&row["change"])).expect("JSON");
        let result = patch(&ours, name, &change).await;
        match row["refused"].as_str() {
            Some(message) => assert_refused(&what, result, message),
            None => drop(result.unwrap_or_else(|error| panic!("{what}: {error}"))),
        }
        patch(&others, name, &change).await.unwrap_or_else(|error| panic!("{what}, by another: {error}"));
    }
}

/// The rows of a table.
pub(crate) fn rows(table: &str) -> Vec<Value> {
    let path = format!("tests/data/policies/{table}.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A patch that is not carried out: each row starts from the same object.
pub(crate) async fn patch(
    api: &Api<DynamicObject>,
    name: &str,
    change: &Value,
) -> kube::Result<DynamicObject> {
    if change.is_array() {
        let change = serde_json::from_value(change.clone()).expect("a JSON patch");
        api.patch(name, &dry_run(), &Patch::<Value>::Json(change)).await
    } else {
        api.patch(name, &dry_run(), &Patch::Merge(change)).await
    }
}

async fn neither_created_nor_deleted(api: &Api<DynamicObject>, name: &str, message: &str) {
    assert_refused("delete", api.delete(name, &DeleteParams::default().dry_run()).await, message);
    let mut copy = api.get(name).await.expect("the object");
    copy.metadata.name = Some("copy".to_owned());
    copy.metadata.resource_version = None;
    assert_refused("create", api.create(&PostParams::default(), &copy).await, message);
}

fn dry_run() -> PatchParams {
    PatchParams { dry_run: true, ..PatchParams::default() }
}

#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(what: &str, result: kube::Result<T>, message: &str) {
    let said = result.expect_err(what).to_string();
    let is_policy = said.contains("ValidatingAdmissionPolicy");
    assert!(is_policy && said.contains(message), "{what}: {message:?} is not in {said:?}");
}

/// Code from a claim, in the cluster's shape of `spec.code`.
fn claim(cluster: &Cluster, name: &str) -> Value {
    cluster.code_entry(json!({"claimName": name}))
}

/// A CodeSync that never gets anywhere.
pub(crate) fn code_sync(name: &str) -> Value {
    let spec = json!({
        "source": {"file": {"path": "reference.txt"}}, "write": {"form": "Digest"},
        "target": {"kind": "Config", "name": PRODUCTION},
    });
    json!({"apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": name}, "spec": spec})
}

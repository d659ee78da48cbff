//! Checks of stages: a canary that is not what it should be goes back, and production is untouched.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use axum::{Router, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{
    Case, Cluster, Halves, Needs, Recorder, Voxsync, cases,
    estate::{Estate, PRODUCTION, stages},
    shipped::{kustomize, render},
    status::{assert_says, phase, reference_in, text, waits_for},
};

pub(crate) const CASES: &[Case] = cases![
    a_canary_whose_check_fails_goes_back_and_production_is_untouched,
    a_newer_candidate_does_not_start_while_a_rollback_runs,
    a_job_decides_about_a_canary => Needs::OBJECT.on_control_plane_only(),
    the_rights_for_jobs_come_with_their_component => Needs::OBJECT.and_kubectl(),
];

/// A server that answers nobody.
const SILENT: u16 = 0;

/// A spec with this check of the canary.
pub(crate) fn checked(estate: &Estate, soak: &str, check: &Value) -> Value {
    let mut stages = stages(soak);
    stages[0]["checks"] = json!([check]);
    json!({"source": estate.source(), "stages": stages})
}

/// Starts a server whose status code can be changed.
pub(crate) async fn server() -> (String, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let answered = Arc::clone(&status);
    let answer = async move || match answered.load(Ordering::Relaxed) {
        SILENT => std::future::pending().await,
        status => StatusCode::from_u16(status).expect("a status code"),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/status", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/status", get(answer))).await });
    (url, status)
}

/// Waits until the check of the canary stands so, and gives its message.
async fn until_it_is(cluster: &Cluster, standing: &str) -> String {
    let check = |status: &Value| status["stages"][0]["checks"][0].clone();
    let what = format!("a check that is {standing}");
    let status = cluster.status_when(PRODUCTION, &what, |status| check(status)["standing"] == standing).await;
    text(&check(&status)["message"]).to_owned()
}

/// Waits until a candidate is given back, and gives the release that says why.
async fn until_it_is_back(cluster: &Cluster, digest: &str, back: &str) -> Value {
    let is_in = |status: &Value| {
        status["quarantine"].as_array().into_iter().flatten().any(|one| one["digest"] == digest)
            && status["promotion"]["recorded"] == true
    };
    let status = cluster.status_when(PRODUCTION, "the digest is in quarantine", is_in).await;
    cluster.template_becomes("canary", back).await;
    cluster.release(text(&status["promotion"]["id"])).await["spec"].clone()
}

async fn a_canary_whose_check_fails_goes_back_and_production_is_untouched(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    let (url, server) = server().await;
    let check = json!({"name": "answers", "interval": "1s", "timeout": "1s", "http": {"url": url}});
    cluster.create_code_sync(PRODUCTION, checked(&estate, "1s", &check)).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;

    // Silence is no failure: the stage waits, and goes on as soon as there is an answer.
    server.store(SILENT, Ordering::Relaxed);
    let good = estate.push_and_look(cluster, "v1.1.0").await;
    assert_says(&until_it_is(cluster, "Unreachable").await, &["no whole answer within 1 s"]);
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, estate.tagged("v1.0.0"));
    server.store(200, Ordering::Relaxed);
    cluster.deployed(PRODUCTION, "v1.1.0").await;

    let recorder = Recorder::start(cluster, &["Config"]).await;
    server.store(500, Ordering::Relaxed);
    let digest = estate.push("v1.2.0").await;
    cluster.look(PRODUCTION).await;
    let release = until_it_is_back(cluster, &digest, &good).await;
    let failure = &release["failure"];
    assert_eq!([&failure["stage"], &failure["check"]], ["canary", "answers"], "{release}");
    assert_says(text(&failure["message"]), &["it answers 500, not 200"]);
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, good);
    assert_eq!(cluster.template_of("compile").await, [good.as_str()]);
    let others = recorder.versions_where(|object: &Value| {
        object["kind"] == "Config" && reference_in(object).as_deref() != Some(&good)
    });
    assert_eq!(others, [Value::Null; 0], "production was never anything else");

    // The same server, well again: the next candidate passes.
    server.store(200, Ordering::Relaxed);
    estate.push_and_look(cluster, "v1.3.0").await;
    cluster.deployed(PRODUCTION, "v1.3.0").await;
}

/// The rollback does not end, since nobody brings the code into the pod template.
async fn a_newer_candidate_does_not_start_while_a_rollback_runs(cluster: &Cluster) {
    let mut estate = Estate::start(cluster).await;
    let (url, server) = server().await;
    let check = json!({"name": "answers", "interval": "1s", "timeout": "1s", "http": {"url": url}});
    let mut spec = checked(&estate, "1h", &check);
    spec["stages"] = json!([spec["stages"][0]]);
    cluster.create_code_sync(PRODUCTION, spec).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let first = cluster.code_of("Server", "canary").await;
    let bad = estate.push_and_look(cluster, "v1.1.0").await;
    let soaks = |status: &Value| phase(status, "canary") == "Soaking";
    cluster.status_when(PRODUCTION, "the canary soaks", soaks).await;
    cluster.rolled("canary", &[&bad]).await;

    estate.kill();
    let agent_only = Halves { reconciler: None, ..Halves::default() };
    estate.voxsync = Some(Voxsync::start_with(cluster, agent_only));
    server.store(500, Ordering::Relaxed);
    let goes_back = |status: &Value| phase(status, "canary") == "RollingBack";
    cluster.status_when(PRODUCTION, "the canary is given back", goes_back).await;
    let wanted = estate.push_and_look(cluster, "v1.2.0").await;
    let knows = |status: &Value| status["candidate"]["name"] == "v1.2.0" && goes_back(status);
    let status = cluster.status_when(PRODUCTION, "v1.2.0 is known, and waits", knows).await;
    assert_eq!(status["promotion"]["candidate"]["name"], "v1.1.0", "{status}");
    assert_says(waits_for(&status, "Newer"), &["v1.2.0 starts as soon as v1.1.0 is given back"]);
    assert_eq!(cluster.code_of("Server", "canary").await, first);

    server.store(200, Ordering::Relaxed);
    estate.kill();
    estate.start_again(cluster);
    cluster.template_becomes("canary", &wanted).await;
    let release = cluster.release(text(&status["promotion"]["id"])).await;
    assert_eq!(release["spec"]["outcome"], "RolledBack", "{release}");
}

/// The objects of the component: the policy and the right itself are there for all tests.
fn rights_for_jobs(namespace: &str) -> Vec<Value> {
    let objects = kustomize(&format!(
        "namespace: {namespace}\nresources: [DEPLOY/namespace]\ncomponents: [DEPLOY/jobs]\n"
    ));
    let is_its = |object: &Value| {
        ["ServiceAccount", "RoleBinding"].contains(&text(&object["kind"]))
            && ["voxsync-makes-jobs", "voxsync-checks"].contains(&text(&object["metadata"]["name"]))
    };
    objects.into_iter().filter(is_its).collect()
}

async fn a_job_decides_about_a_canary(cluster: &Cluster) {
    let mut estate = Estate::start(cluster).await;
    let check = |image: &str| {
        let job = json!({"image": image, "command": ["/check"], "environment": {"NODES": "7"}, "codePath": "/code"});
        json!({"name": "catalogs", "interval": "1s", "job": job})
    };
    cluster.create_code_sync(PRODUCTION, checked(&estate, "1h", &check("registry.example/checker:1"))).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let good = estate.push_and_look(cluster, "v1.1.0").await;
    assert_says(&until_it_is(cluster, "Unreachable").await, &["deploy/jobs"]);
    for object in rights_for_jobs(cluster.namespace()) {
        cluster.create(object).await;
    }
    assert_says(&until_it_is(cluster, "Passed").await, &["Job voxsync-catalogs-", "succeeded"]);

    // Who starts anew finds the Job that there is, and makes no other one.
    estate.kill();
    estate.start_again(cluster);
    cluster.change_code_sync(PRODUCTION, checked(&estate, "0s", &check("registry.example/checker:1"))).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    let jobs = cluster.list("Job").await;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let code_sync = cluster.get("CodeSync", PRODUCTION).await;
    assert_eq!(jobs[0]["metadata"]["ownerReferences"][0]["uid"], code_sync["metadata"]["uid"]);
    let template = &jobs[0]["spec"]["template"];
    let volumes = template["spec"]["volumes"].as_array().expect("volumes");
    assert!(volumes.iter().any(|volume| volume["image"]["reference"] == *good), "{volumes:?}");
    its_pod_may_run_where_pod_security_is_strict(cluster, template).await;

    cluster.change_code_sync(PRODUCTION, checked(&estate, "0s", &check("registry.example/refuses:1"))).await;
    let digest = estate.push("v1.2.0").await;
    cluster.look(PRODUCTION).await;
    let release = until_it_is_back(cluster, &digest, &good).await;
    assert_eq!(release["failure"]["check"], "catalogs", "{release}");
    assert_says(
        text(&release["failure"]["message"]),
        &["failed with exit code 1: node-7: cannot compile its catalog"],
    );
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, good);
    assert_eq!(cluster.list("Job").await.len(), 2, "a failure that is one too many is not tried again");
}

async fn its_pod_may_run_where_pod_security_is_strict(cluster: &Cluster, template: &Value) {
    let strict = cluster.another("strict").await;
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    strict.patch("Namespace", strict.namespace(), label).await;
    let account = &template["spec"]["serviceAccountName"];
    strict.create(json!({"kind": "ServiceAccount", "metadata": {"name": account}})).await;
    let pod = json!({"kind": "Pod", "metadata": {"name": "check"}, "spec": template["spec"]});
    strict.create(pod).await;
    strict.end().await;
}

async fn the_rights_for_jobs_come_with_their_component(_cluster: &Cluster) {
    let rights = rights_for_jobs("puppet");
    let bound = rights.iter().find(|object| object["kind"] == "RoleBinding").expect("a RoleBinding");
    assert_eq!(
        (&bound["roleRef"]["kind"], &bound["roleRef"]["name"]),
        (&json!("ClusterRole"), &json!("voxsync-jobs"))
    );
    let with = |components: &str| {
        kustomize(&format!("namespace: puppet\nresources: [DEPLOY/namespace]\ncomponents: [{components}]\n"))
    };
    let find = |objects: &[Value], kind: &str| -> Value {
        objects.iter().find(|object| object["kind"] == kind).expect(kind).clone()
    };
    let component = with("DEPLOY/jobs");
    let deployment = find(&component, "Deployment");
    let account = json!({"name": "VOXSYNC_JOB_SERVICE_ACCOUNT", "value": "voxsync-checks"});
    // All of a component gets the namespace of who uses it.
    let is_of_cluster = |object: &&Value| text(&object["kind"]).starts_with("ValidatingAdmission");
    assert_eq!(component.iter().find(is_of_cluster), None);
    // The right never comes without what holds it back, for the account that is given.
    let of_cluster = render("jobs-policy");
    let role = find(&of_cluster, "ClusterRole");
    assert_eq!(role["metadata"]["name"], "voxsync-jobs");
    let wanted = json!([{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get"]}]);
    assert_eq!(role["rules"], wanted);
    let binding = find(&of_cluster, "ValidatingAdmissionPolicyBinding");
    assert_eq!(binding["spec"], json!({"policyName": "voxsync-jobs", "validationActions": ["Deny"]}));
    let held = find(&of_cluster, "ValidatingAdmissionPolicy");
    assert_eq!(held["metadata"]["name"], "voxsync-jobs");
    assert_eq!(held["spec"]["variables"][0], json!({"name": "account", "expression": "'voxsync-checks'"}));
    let variables =
        deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().expect("env").clone();
    assert!(variables.contains(&account), "{variables:?}");
    let policy = |components: &str| find(&with(components), "NetworkPolicy")["spec"]["egress"].to_string();
    assert!(policy("DEPLOY/checks, DEPLOY/jobs").contains("8081") && !policy("").contains("8081"));
}

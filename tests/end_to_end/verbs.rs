//! The verbs of people, by the real command: approvals in whose name, a rollback, and the way back from it.

use std::{path::PathBuf, process::Command};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    harness::{
        Case, Cluster, Needs, cases,
        estate::{Estate, PRODUCTION, stages},
        status::{DEADLINE, assert_says, phase, text, waits_for},
        wait_for,
    },
    people::{become_person, only},
};

pub(crate) const CASES: &[Case] = cases![
    a_release_names_who_approved_it => Needs::OBJECT.on_control_plane_only(),
    a_person_approves_goes_back_and_on_again,
    a_freeze_holds_back_stages_but_no_rollback_and_no_emergency,
];

/// So long after the policy was installed a name is believed.
const SETTLED: SignedDuration = SignedDuration::from_secs(75);

/// One may patch and no more, the other may approve.
async fn a_release_names_who_approved_it(cluster: &Cluster) {
    for (name, verbs) in [("joe", &["get", "patch"][..]), ("jane", &["get", "patch", "approve"])] {
        become_person(cluster, name, only(verbs)).await;
    }
    wait_for("the policy is older than what it is to vouch for", DEADLINE, async || {
        let policy = cluster.get("ValidatingAdmissionPolicy", "voxsync-people").await;
        let created: Timestamp = text(&policy["metadata"]["creationTimestamp"]).parse().expect("a time");
        let age = Timestamp::now().duration_since(created);
        if age >= SETTLED { Ok(()) } else { Err(format!("{age:#}")) }
    })
    .await;
    let estate = Estate::start(cluster).await;
    cluster.create_code_sync(PRODUCTION, with_approval(&estate)).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;

    let nothing = voxsync(cluster, Some("jane"), &["approve", PRODUCTION]);
    assert_eq!(nothing.code, 1, "{nothing:?}");
    assert_says(&nothing.said, &["nothing waits for approval"]);

    estate.push("v1.1.0").await;
    let status = until_it_waits(cluster, "v1.1.0").await;
    assert_says(waits_for(&status, "Approval"), &["v1.1.0", "`voxsync approve production -n "]);
    let refused = voxsync(cluster, Some("joe"), &["approve", PRODUCTION]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert_says(&refused.said, &["voxsync.dev/approve needs the RBAC verb approve on codesyncs"]);
    let approved = voxsync(cluster, Some("jane"), &["approve", PRODUCTION]);
    assert_eq!(approved.code, 0, "{approved:?}");
    assert_says(&approved.said, &["v1.1.0 (sha256:", "for stage production, by jane"]);
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    let approvals = last_release(cluster).await["approvals"].take();
    assert_eq!((&approvals[0]["approver"], approvals.as_array().map(Vec::len)), (&json!("jane"), Some(1)));
}

/// Nobody's name is known here: nobody signs.
async fn a_person_approves_goes_back_and_on_again(cluster: &Cluster) {
    let estate = Estate::start(cluster).await;
    cluster.create_code_sync(PRODUCTION, with_approval(&estate)).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    let digest = estate.push("v1.1.0").await;
    until_it_waits(cluster, "v1.1.0").await;
    let unsigned = json!({"metadata": {"annotations": {"voxsync.dev/approve": digest}}});
    cluster.patch("CodeSync", PRODUCTION, unsigned).await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_eq!(last_release(cluster).await["approvals"][0]["approver"], "unauthenticated");
    estate.push("v1.2.0").await;
    until_it_waits(cluster, "v1.2.0").await;

    // It waits for no approval, and takes what was half-way with it.
    let back = voxsync(cluster, None, &["rollback", PRODUCTION, "--reason", "broken hiera"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_says(
        &back.said,
        &["goes back from v1.2.0 (", ") to v1.1.0 (", "stays there until `voxsync resume production -n "],
    );
    let status = cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_eq!(status["rollback"]["reason"], "broken hiera", "{status}");
    cluster.template_becomes("canary", &format!("{}@{digest}", estate.tagged("v1.1.0"))).await;

    let waited = voxsync(cluster, None, &["wait", PRODUCTION, "--tag", "v1.2.0"]);
    assert_eq!(waited.code, 1, "{waited:?}");
    assert_says(
        &waited.said,
        &["Quarantined: v1.2.0 is in quarantine since", "`voxsync release-quarantine production -n "],
    );
    let absent = voxsync(cluster, None, &["release-quarantine", PRODUCTION, "v9"]);
    assert_eq!(absent.code, 1, "{absent:?}");
    assert_says(&absent.said, &["no \"v9\" in quarantine; there is: v1.2.0 sha256:"]);
    let released = voxsync(cluster, None, &["release-quarantine", PRODUCTION, "v1.2.0"]);
    assert_eq!(released.code, 0, "{released:?}");
    cluster.status_when(PRODUCTION, "an empty quarantine", |status| status["quarantine"].is_null()).await;

    let resumed = voxsync(cluster, None, &["resume", PRODUCTION]);
    assert_says(&resumed.said, &["it follows its source again"]);
    until_it_waits(cluster, "v1.2.0").await;
    let emergency = ["promote", PRODUCTION, "v1.2.0", "--now", "--reason", "outage"];
    let promoted = voxsync(cluster, None, &emergency);
    assert_eq!(promoted.code, 0, "{promoted:?}");
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    let release = last_release(cluster).await;
    assert_eq!((&release["emergency"], &release["approvals"]), (&json!(true), &Value::Null), "{release}");
}

async fn a_freeze_holds_back_stages_but_no_rollback_and_no_emergency(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1h").await;
    estate.push_and_look(cluster, "v1.1.0").await;
    let soaks = |status: &Value| phase(status, "canary") == "Soaking";
    cluster.status_when(PRODUCTION, "the canary soaks", soaks).await;
    let freeze = json!({"from": "2020-01-01T00:00:00Z", "to": "2220-01-01T00:00:00Z"});
    let frozen = json!({"windows": [{"name": "freeze", "deny": freeze}], "stages": stages("0s")});
    cluster.change_code_sync(PRODUCTION, frozen).await;
    let waits = |status: &Value| !waits_for(status, "Window").is_empty();
    let status = cluster.status_when(PRODUCTION, "it waits for the freeze to end", waits).await;
    assert_says(waits_for(&status, "Window"), &["production", "freeze"]);
    let first = estate.tagged("v1.0.0");
    assert_eq!(cluster.code_of("Config", PRODUCTION).await, first);

    // What has begun goes back all the same.
    let back = voxsync(cluster, None, &["rollback", PRODUCTION, "--reason", "broken hiera"]);
    assert_eq!(back.code, 0, "{back:?}");
    cluster.template_becomes("canary", &first).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    voxsync(cluster, None, &["resume", PRODUCTION]);
    let wanted = estate.push_and_look(cluster, "v1.2.0").await;
    let status = cluster.status_when(PRODUCTION, "v1.2.0 waits for the freeze to end", waits).await;
    assert_eq!(status["candidate"]["name"], "v1.2.0", "{status}");
    assert_eq!(cluster.template_of("canary").await, [first.as_str()]);
    let emergency = ["promote", PRODUCTION, "v1.2.0", "--now", "--reason", "outage"];
    assert_eq!(voxsync(cluster, None, &emergency).code, 0);
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    assert_eq!(cluster.template_of("compile").await, [wanted]);
    let release = last_release(cluster).await;
    assert_eq!(release["emergency"], true, "{release}");
}

/// The canary by itself, the Config once somebody approved.
fn with_approval(estate: &Estate) -> Value {
    let mut stages = stages("0s");
    stages[1]["approval"] = json!("Manual");
    json!({"source": estate.source(), "stages": stages})
}

async fn until_it_waits(cluster: &Cluster, name: &str) -> Value {
    cluster
        .status_when(PRODUCTION, &format!("{name} waits for an approval"), |status| {
            waits_for(status, "Approval").contains(name)
        })
        .await
}

/// The record of the newest promotion.
async fn last_release(cluster: &Cluster) -> Value {
    let status = cluster.get("CodeSync", PRODUCTION).await["status"].take();
    cluster.release(text(&status["history"][0]["id"])).await["spec"].take()
}

/// How the command ended, and all that it said.
#[derive(Debug)]
struct Ended {
    code: i32,
    said: String,
}

/// Runs the command, perhaps as somebody else.
fn voxsync(cluster: &Cluster, person: Option<&str>, arguments: &[&str]) -> Ended {
    let kubeconfig = person.map_or_else(|| cluster.kubeconfig(), |person| as_person(cluster, person));
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
    command.args(["--namespace", cluster.namespace(), "--kubeconfig"]).arg(kubeconfig);
    let output = command.args(arguments).output().expect("the binary starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("UTF-8");
    Ended { code: output.status.code().expect("it ended by itself"), said }
}

/// A kubeconfig beside that of the cluster by which its user acts for this person.
fn as_person(cluster: &Cluster, person: &str) -> PathBuf {
    let admin = cluster.kubeconfig();
    let text = std::fs::read_to_string(&admin).expect("the kubeconfig of the cluster");
    let mut value: Value = serde_saphyr::from_str(&text).expect("the kubeconfig of the cluster");
    value["users"][0]["user"]["as"] = json!(person);
    let path = admin.with_file_name(format!("{}-{person}.kubeconfig", cluster.namespace()));
    std::fs::write(&path, value.to_string()).expect("write a kubeconfig");
    path
}

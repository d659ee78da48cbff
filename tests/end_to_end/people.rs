//! The admission policy for people, and the roles for them: not all who may patch a CodeSync may approve, promote or
//! configure, and nobody in the name of another.

use kube::{
    Client,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use crate::{
    harness::{
        Case, Cluster, Needs, cases,
        shipped::render,
        status::{DEADLINE, text},
        wait_for,
    },
    policies::{assert_refused, code_sync, patch, rows},
};

pub(crate) const CASES: &[Case] = cases![
    people_do_what_their_verbs_allow => Needs::OBJECT.on_control_plane_only(),
];

/// Somebody, and the verbs on codesyncs that policies ask for.
struct Person {
    name: &'static str,
    rules: Value,
    verbs: &'static [&'static str],
}

async fn people_do_what_their_verbs_allow(cluster: &Cluster) {
    cluster.create(code_sync("plain")).await;
    let mut pinned = code_sync("pinned");
    pinned["spec"]["pin"] = json!({"reference": "x:1"});
    // Its own name is all that even the test may sign with.
    pinned["metadata"]["annotations"] =
        json!({"voxsync.dev/approve": "sha256:a", "voxsync.dev/approved-by": "admin"});
    cluster.create(pinned).await;
    for Person { name: person, rules, verbs } in people() {
        let client = become_person(cluster, person, rules).await;
        let code_syncs = cluster.api_of(client, "CodeSync");
        for row in rows("people") {
            let what = format!("{person}: {}", text(&row["what"]));
            let change = row["change"].to_string().replace("\"ME\"", &format!("{person:?}"));
            let change = serde_json::from_str(&change).expect("JSON");
            let result = patch(&code_syncs, text(&row["on"]), &change).await;
            let lacks = row["needs"].as_str().filter(|verb| !verbs.contains(verb));
            match (lacks, row["refused"].as_str()) {
                // Who may not approve at all is told that first.
                (_, Some(message)) if verbs.contains(&"approve") => assert_refused(&what, result, message),
                (_, Some(_)) => assert!(result.is_err(), "{what}: {result:?}"),
                (Some(_), _) => assert_refused(&what, result, "the RBAC verb"),
                (None, None) => drop(result.unwrap_or_else(|error| panic!("{what}: {error}"))),
            }
        }
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        let mut new = code_sync("new");
        let create = async |new: &Value| {
            code_syncs.create(&dry_run, &serde_json::from_value(new.clone()).expect("an object")).await
        };
        let created = create(&new).await;
        assert_eq!(created.is_ok(), verbs.contains(&"configure"), "{person}: create: {created:?}");
        new["metadata"] =
            json!({"generateName": "new-", "annotations": {"voxsync.dev/approved-by": "somebody"}});
        let created = create(&new).await;
        if verbs.contains(&"configure") {
            assert_refused("create in the name of another", created, "must be your own name");
        } else {
            created.expect_err("create");
        }
    }
}

/// Those of the shipped roles, and some with less.
fn people() -> Vec<Person> {
    let shipped = render("policies");
    let rules = |name: &str| {
        let role = shipped.iter().find(|object| object["metadata"]["name"] == name);
        role.expect("a shipped role")["rules"].clone()
    };
    let only =
        |verbs: &[&str]| json!([{"apiGroups": ["voxsync.dev"], "resources": ["codesyncs"], "verbs": verbs}]);
    vec![
        Person { name: "patcher", rules: only(&["get", "create", "patch"]), verbs: &[] },
        Person { name: "approver", rules: only(&["get", "patch", "approve"]), verbs: &["approve"] },
        Person {
            name: "operator",
            rules: rules("voxsync-operator"),
            verbs: &["approve", "rollback", "promote"],
        },
        Person {
            name: "configurer",
            rules: rules("voxsync-admin"),
            verbs: &["approve", "rollback", "promote", "configure"],
        },
    ]
}

/// A client of a user with these rights in the test's namespace, once they hold.
async fn become_person(cluster: &Cluster, name: &str, rules: Value) -> Client {
    cluster.create(json!({"kind": "Role", "metadata": {"name": name}, "rules": rules})).await;
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name});
    let user = json!({"kind": "User", "name": name});
    cluster
        .create(
            json!({"kind": "RoleBinding", "metadata": {"name": name}, "roleRef": role, "subjects": [user]}),
        )
        .await;
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).expect("the kubeconfig of the cluster");
    let mut configuration = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("the kubeconfig of the cluster");
    configuration.auth_info.impersonate = Some(name.to_owned());
    let client = Client::try_from(configuration).expect("a client");
    let code_syncs = cluster.api_of(client.clone(), "CodeSync");
    wait_for(&format!("the rights of {name}"), DEADLINE, async || {
        code_syncs.get("plain").await.map_err(|error| error.to_string())
    })
    .await;
    client
}

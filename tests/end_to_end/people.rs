//! The admission policy for people, and the roles for them: not all who may patch a CodeSync may approve, promote or
//! configure, and nobody in the name of another.

use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy},
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
    whose_work_it_is_changes_owners_and_finalizers => Needs::OBJECT.on_control_plane_only(),
    the_cluster_still_collects_code_syncs => Needs::OBJECT.on_control_plane_only(),
];

/// A finalizer that nobody takes off.
const KEPT: &str = "other.example/kept";
const OWNER: &str = "owner";

/// Somebody, and the verbs on codesyncs that policies ask for.
struct Person {
    name: &'static str,
    rules: Value,
    verbs: &'static [&'static str],
}

async fn people_do_what_their_verbs_allow(cluster: &Cluster) {
    cluster.create(code_sync("plain")).await;
    let mut pinned = code_sync("pinned");
    pinned["spec"]["pin"] = json!({"reference": "x:1", "reason": "outage", "emergency": true});
    // Its own name is all that even the test may sign with.
    let approval = json!({"voxsync.dev/approve": "sha256:a", "voxsync.dev/approved-by": "admin"});
    pinned["metadata"]["annotations"] = approval.clone();
    let owner = owner(cluster).await;
    pinned["metadata"]["ownerReferences"] = json!([owner]);
    pinned["metadata"]["finalizers"] = json!([KEPT]);
    cluster.create(pinned).await;
    let at = "2026-03-01T10:00:00Z";
    let rollback = json!({"candidate": {"name": "v1"}, "fromName": "v2", "at": at});
    let promotion =
        json!({"id": "p", "candidate": {"digest": "sha256:a"}, "trigger": "Source", "startedAt": at});
    let quarantine = json!([{"digest": "sha256:a", "name": "v2", "reason": "it failed", "since": at}]);
    let failed = json!({"promotion": promotion, "quarantine": quarantine});
    let back = json!({"rollback": rollback, "lastHandledApprove": "sha256:a"});
    for (name, status, annotations) in [("back", back, approval), ("failed", failed, json!({}))] {
        let mut code_sync = code_sync(name);
        code_sync["metadata"]["annotations"] = annotations;
        cluster.create(code_sync).await;
        let status = Patch::Merge(json!({"status": status}));
        cluster.api("CodeSync").patch_status(name, &PatchParams::default(), &status).await.expect("a status");
    }
    for Person { name: person, rules, verbs } in people() {
        let client = become_person(cluster, person, rules).await;
        let code_syncs = cluster.api_of(client, "CodeSync");
        for row in rows("people") {
            let what = format!("{person}: {}", text(&row["what"]));
            let change = row["change"].to_string().replace("\"ME\"", &format!("{person:?}"));
            let change = change.replace("\"OWNER\"", &owner.to_string());
            let change = serde_json::from_str(&change).expect("JSON");
            let result = patch(&code_syncs, text(&row["on"]), &change).await;
            let mut needs = row["needs"].as_str().into_iter().flat_map(str::split_whitespace);
            let lacks = needs.find(|verb| !verbs.contains(verb));
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
    cluster.patch("CodeSync", "pinned", json!({"metadata": {"finalizers": null}})).await;
}

/// By their names: none of them has a verb.
async fn whose_work_it_is_changes_owners_and_finalizers(cluster: &Cluster) {
    cluster.create(code_sync("plain")).await;
    let by_owner = json!({"metadata": {"ownerReferences": [owner(cluster).await]}});
    let finalizer = |name: &str| json!({"metadata": {"finalizers": [name]}});
    let voxsync = format!("system:serviceaccount:{}:voxsync", cluster.namespace());
    let namesake = format!("system:serviceaccount:{}:generic-garbage-collector", cluster.namespace());
    let collectors = [
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:serviceaccount:kube-system:namespace-controller",
        "system:kube-controller-manager",
    ];
    for name in collectors.into_iter().chain([&*voxsync, &*namesake]) {
        let client = become_person(cluster, name, only(&["get", "patch"])).await;
        let code_syncs = cluster.api_of(client, "CodeSync");
        let owned = patch(&code_syncs, "plain", &by_owner).await;
        let gated = patch(&code_syncs, "plain", &finalizer("voxsync.dev/gates")).await;
        let kept = patch(&code_syncs, "plain", &finalizer(KEPT)).await;
        if collectors.contains(&name) {
            owned.and(gated).and(kept).unwrap_or_else(|error| panic!("{name}: {error}"));
        } else if name == voxsync {
            gated.expect("voxsync's own finalizer");
            assert_refused("an owner, by voxsync", owned, "");
            assert_refused("another finalizer, by voxsync", kept, "only the finalizer voxsync.dev/gates");
        } else {
            assert_refused(name, owned, "ownerReferences needs the RBAC verb configure");
            assert_refused(name, gated, "finalizers needs the RBAC verb configure");
        }
    }
}

/// The garbage collector takes off an owner that leaves its dependents behind, and its own finalizer.
async fn the_cluster_still_collects_code_syncs(cluster: &Cluster) {
    let owner = owner(cluster).await;
    for name in ["orphan", "dependent"] {
        let mut dependent = code_sync(name);
        dependent["metadata"]["ownerReferences"] = json!([owner]);
        cluster.create(dependent).await;
    }
    let delete = async |kind: &str, name: &str, propagation_policy: PropagationPolicy| {
        let how = DeleteParams { propagation_policy: Some(propagation_policy), ..DeleteParams::default() };
        cluster.api(kind).delete(name, &how).await.expect("to delete");
    };
    // The collector comes to know a new kind only after a while: until then it takes an orphan for a dependent.
    delete("CodeSync", "dependent", PropagationPolicy::Foreground).await;
    wait_for("a CodeSync is gone", DEADLINE, async || match cluster.try_get("CodeSync", "dependent").await {
        Some(found) => Err(found["metadata"].to_string()),
        None => Ok(()),
    })
    .await;
    delete("ConfigMap", OWNER, PropagationPolicy::Orphan).await;
    wait_for("a CodeSync without its owner", DEADLINE, async || {
        let orphan = cluster.get("CodeSync", "orphan").await["metadata"].take();
        if orphan.get("ownerReferences").is_none() { Ok(()) } else { Err(orphan.to_string()) }
    })
    .await;
}

/// An object that owns CodeSyncs, as a reference to it.
async fn owner(cluster: &Cluster) -> Value {
    let owner = cluster.create(json!({"kind": "ConfigMap", "metadata": {"name": OWNER}})).await;
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": OWNER, "uid": owner["metadata"]["uid"]})
}

/// Rights on codesyncs.
pub(crate) fn only(verbs: &[&str]) -> Value {
    json!([{"apiGroups": ["voxsync.dev"], "resources": ["codesyncs"], "verbs": verbs}])
}

/// Those of the shipped roles, and some with less.
fn people() -> Vec<Person> {
    let shipped = render("policies");
    let rules = |name: &str| {
        let role = shipped.iter().find(|object| object["metadata"]["name"] == name);
        role.expect("a shipped role")["rules"].clone()
    };
    vec![
        Person { name: "patcher", rules: only(&["get", "create", "patch"]), verbs: &[] },
        Person { name: "approver", rules: only(&["get", "patch", "approve"]), verbs: &["approve"] },
        Person { name: "promoter", rules: only(&["get", "patch", "promote"]), verbs: &["promote"] },
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
pub(crate) async fn become_person(cluster: &Cluster, name: &str, rules: Value) -> Client {
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
        // Of one that is not there, who may read is told that.
        code_syncs.get_opt("plain").await.map_err(|error| error.to_string())
    })
    .await;
    client
}

//! The manifests that we ship: each variant can be applied as it is, its pods may run where Pod Security is strict, and what
//! runs in them gets along with the rights beside it.

use std::{collections::BTreeSet, fs, process::Command};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use voxsync_reconciler::Mode;

use crate::{
    harness::{
        Case, Cluster, Needs, NewServer, Operator, Process, Release, Voxsync, cases,
        shipped::{VARIANTS, kustomize, render},
        status::{DEADLINE, assert_says, text},
        wait_for,
    },
    rights::status_code,
};

pub(crate) const CASES: &[Case] = cases![
    to_remove_a_variant_takes_nothing_from_other_namespaces => Needs::OBJECT.and_kubectl(),
    without_the_policies_nobody_gets_more_than_to_look => Needs::OBJECT.and_kubectl(),
    each_variant_can_be_applied_and_its_pods_run => Needs::OBJECT.and_kubectl().on_control_plane_only(),
    the_shipped_process_gets_ready_and_leads_with_the_rights_beside_it => Needs::OBJECT.on_control_plane_only(),
    audit_and_status_need_no_more_than_to_read => Needs::OBJECT.on_control_plane_only(),
    cooperative_rolls_servers_without_writing_deployments => Needs::OBJECT.on_control_plane_only(),
    policies_are_understood_by_the_api_server => Needs::BOTH_SHAPES.on_control_plane_only(),
    variants_grant_the_same_in_one_namespace_and_in_all => Needs::OBJECT.and_kubectl(),
];

async fn to_remove_a_variant_takes_nothing_from_other_namespaces(_cluster: &Cluster) {
    let identities = |folder: &str| -> BTreeSet<String> {
        let objects = render(folder).into_iter();
        objects.map(|object| format!("{} {}", text(&object["kind"]), object["metadata"])).collect()
    };
    let kinds = identities("kinds");
    assert_eq!(kinds.iter().filter(|identity| identity.starts_with("CustomResourceDefinition ")).count(), 2);
    for variant in VARIANTS {
        let shared: Vec<String> = identities(variant).intersection(&kinds).cloned().collect();
        assert_eq!(shared, [""; 0], "{variant}");
    }
    for variant in ["namespace", "cooperative"] {
        for object in render(variant) {
            assert!(object["metadata"]["namespace"].is_string(), "{variant}: {object}");
        }
    }
    let both: BTreeSet<String> = kinds.union(&identities(VARIANTS[0])).cloned().collect();
    assert_eq!(identities("."), both, "-k deploy is all that the first one in a cluster needs");
}

/// What holds the verbs of people to what they mean comes with the policies, and so must the roles that grow.
async fn without_the_policies_nobody_gets_more_than_to_look(_cluster: &Cluster) {
    let aggregated = |folder: &str| -> Vec<Value> {
        let is_aggregated = |object: &Value| {
            let labels = object["metadata"]["labels"].as_object();
            labels.is_some_and(|labels| labels.keys().any(|label| label.contains("/aggregate-to-")))
        };
        render(folder).into_iter().filter(is_aggregated).collect()
    };
    assert_eq!(aggregated("kinds").len(), 1);
    for folder in [&["kinds"][..], &VARIANTS].concat() {
        for role in aggregated(folder) {
            for verb in role["rules"].as_array().expect("rules").iter().flat_map(verbs) {
                assert!(["get", "list", "watch"].contains(&verb), "{folder}: {verb:?} in {role}");
            }
        }
    }
    let labels: Vec<Value> =
        aggregated("policies").iter().map(|role| role["metadata"]["labels"].clone()).collect();
    let to = |role: &str| json!({format!("rbac.authorization.k8s.io/aggregate-to-{role}"): "true"});
    assert_eq!(labels, [to("admin"), to("edit")]);
}

fn verbs(rule: &Value) -> Vec<&str> {
    rule["verbs"].as_array().expect("verbs").iter().map(text).collect()
}

async fn each_variant_can_be_applied_and_its_pods_run(cluster: &Cluster) {
    for variant in VARIANTS {
        let objects = render(variant);
        let own = text(
            &objects.iter().find(|object| is_account(object)).expect("a ServiceAccount")["metadata"]["namespace"],
        );
        let place = &cluster.another(variant).await;
        let strict = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        place.patch("Namespace", place.namespace(), json!({"metadata": {"labels": strict}})).await;
        // All as it is, but in a namespace of the test.
        let here: Vec<String> = objects
            .iter()
            .filter(|object| object["kind"] != "Namespace")
            .map(|object| {
                object.to_string().replace(
                    &format!("\"namespace\":\"{own}\""),
                    &format!("\"namespace\":\"{}\"", place.namespace()),
                )
            })
            .collect();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("rendered.yaml");
        fs::write(&file, here.join("\n---\n")).expect("write the manifests");
        let said = place.kubectl_anywhere(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            &file.to_string_lossy(),
        ]);
        assert_says(&said, &["serverside-applied"]);
        assert_eq!(said.lines().count(), here.len(), "{variant}: {said}");

        let Some(wanted) = objects.iter().find(|object| object["kind"] == "Deployment") else {
            assert_eq!(variant, "audit", "all others run voxsync");
            continue;
        };
        let replicas = &wanted["spec"]["replicas"];
        assert_eq!(*replicas, 2, "one leads, one is ready to");
        wait_for(&format!("the pods of {variant}"), DEADLINE, async || {
            let found = place.get("Deployment", "voxsync").await;
            if found["status"]["readyReplicas"] == *replicas {
                Ok(())
            } else {
                Err(found["status"].to_string())
            }
        })
        .await;
        place.end().await;
    }
}

/// A rule that names a field which a kind does not have would be void.
async fn policies_are_understood_by_the_api_server(cluster: &Cluster) {
    let objects = [render("policies"), render("jobs-policy")].concat();
    for object in objects.iter().filter(|object| object["kind"] == "ValidatingAdmissionPolicy") {
        let name = text(&object["metadata"]["name"]);
        let checked = wait_for(&format!("the types in {name} are checked"), DEADLINE, async || {
            let found = cluster.get("ValidatingAdmissionPolicy", name).await;
            let is_checked = found["status"]["observedGeneration"] == found["metadata"]["generation"];
            if is_checked { Ok(found) } else { Err(found["status"].to_string()) }
        })
        .await;
        assert_eq!(checked["status"]["typeChecking"], json!({}), "{name}");
    }
}

async fn variants_grant_the_same_in_one_namespace_and_in_all(_cluster: &Cluster) {
    let rules = |variant: &str, kind: &str, name: &str| {
        let objects = render(variant);
        let found =
            objects.into_iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("{variant} has no {kind} {name}"))["rules"].take()
    };
    for name in ["voxsync", "voxsync-deployments", "voxsync-secrets"] {
        assert_eq!(rules("namespace", "Role", name), rules("cluster", "ClusterRole", name), "{name}");
    }
    // Stages in other namespaces take an option, and no right.
    let (plain, with) = (render("cluster"), "components: [DEPLOY/cross-namespace]");
    let across = kustomize(&format!("namespace: voxsync\nresources: [DEPLOY/cluster]\n{with}\n"));
    let changed: Vec<&Value> = across.iter().filter(|object| !plain.contains(object)).collect();
    assert_eq!((changed.len(), across.len()), (1, plain.len()), "{changed:?}");
    let environment = changed[0]["spec"]["template"]["spec"]["containers"][0]["env"].as_array();
    for name in ["VOXSYNC_ALLOW_CROSS_NAMESPACE", "VOXSYNC_ALL_NAMESPACES"] {
        let is_set = |one: &Value| one["name"] == name && one["value"] == "true";
        assert!(environment.is_some_and(|all| all.iter().any(is_set)), "{environment:?}");
    }
}

async fn audit_and_status_need_no_more_than_to_read(cluster: &Cluster) {
    let place = &cluster.another_with("audit", "audit").await;
    place.create_config("production", Some(place.code("registry.example/code:v1"))).await;
    place.create_server(&NewServer { name: "compile", ..NewServer::default() }).await;
    place.rolled("compile", &["registry.example/code:v1"]).await;
    let source = json!({"file": {"path": "reference.txt"}});
    let spec = json!({"source": source, "target": {"kind": "Config", "name": "production"}});
    place.create_code_sync("production", spec).await;
    let voxsync = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
        command.args(arguments).arg("--kubeconfig").arg(place.voxsync_kubeconfig());
        let output = command.output().expect("the binary starts");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), said(&output.stdout), said(&output.stderr))
    };
    let (is_done, report, errors) = voxsync(&["audit", "-A", "-o", "json"]);
    assert!(is_done, "{errors}");
    let report: Value = serde_json::from_str(&report).expect("one JSON value");
    let mut rows = report["servers"].as_array().expect("a list of Servers").iter();
    let row = rows.find(|row| row["namespace"] == place.namespace()).expect("the Server");
    assert_eq!((&row["server"], &row["verdict"]), (&json!("compile"), &json!("Unpinned")));
    let (_, status, errors) = voxsync(&["status", "-A"]);
    assert!(status.contains(&format!("{}/production", place.namespace())), "{status}{errors}");

    let here = ["--namespace", place.namespace()];
    for verb in [["suspend", "production"], ["reconcile", "production"]] {
        let (is_done, _, errors) = voxsync(&[&verb[..], &here[..]].concat());
        assert!(!is_done && errors.contains("forbidden"), "{verb:?}: {errors}");
    }
    place.end().await;
}

async fn cooperative_rolls_servers_without_writing_deployments(cluster: &Cluster) {
    let place = &cluster.another_with("cooperative", "cooperative").await;
    let [first, second] = ["registry.example/code:v1", "registry.example/code:v2"];
    place.create_config("production", Some(place.code(first))).await;
    place.create_server(&NewServer { name: "compile", ..NewServer::default() }).await;
    let _operator = Operator::start(place, Release::V0_6);
    let _voxsync = Voxsync::reconciler(place, Mode::Cooperative);
    place.rolled("compile", &[first]).await;
    place.set_code("production", place.code(second)).await;
    place.rolled("compile", &[second]).await;

    let deployments = place.api_of(place.voxsync_client(), "Deployment");
    let change = Patch::Merge(json!({"spec": {"paused": true}}));
    let refused = deployments.patch("compile", &PatchParams::default(), &change).await;
    assert_eq!(refused.as_ref().err().map(status_code), Some(403), "{refused:?}");
    place.end().await;
}

async fn the_shipped_process_gets_ready_and_leads_with_the_rights_beside_it(cluster: &Cluster) {
    for variant in VARIANTS {
        let objects = render(variant);
        let Some(deployment) = objects.iter().find(|object| object["kind"] == "Deployment") else { continue };
        let place = &cluster.another_with(variant, variant).await;
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let cache = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
        command.args(container["args"].as_array().expect("arguments").iter().map(text));
        for variable in container["env"].as_array().expect("an environment") {
            let value = match text(&variable["valueFrom"]["fieldRef"]["fieldPath"]) {
                "metadata.namespace" => place.namespace(),
                "metadata.name" => "voxsync-0",
                _ => text(&variable["value"]),
            };
            command.env(text(&variable["name"]), value);
        }
        // What is another thing here than in a pod.
        command.env("VOXSYNC_LISTEN", "127.0.0.1:0").env("VOXSYNC_CACHE", cache.path());
        command.arg("--kubeconfig").arg(place.voxsync_kubeconfig());
        if variant == "cluster" {
            // Other tests have namespaces too.
            command.env("VOXSYNC_AGENT", "off").env("VOXSYNC_RECONCILER", "observe");
        }
        let process = Process::spawn(command);
        let ready = wait_for(&format!("{variant} is ready"), DEADLINE, async || {
            process.get("/readyz").await.map_err(|error| error.to_string())
        })
        .await;
        assert_eq!(ready, "ok\n");
        let lease = wait_for(&format!("{variant} leads"), DEADLINE, async || {
            place.try_get("Lease", "voxsync-reconciler").await.ok_or_else(|| process.log().join("\n"))
        })
        .await;
        assert_eq!(lease["spec"]["holderIdentity"], "voxsync-0");
        let log = process.log();
        let complaint = log.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).find(
            |line: &Value| {
                // With the rights of a whole cluster it sees what other tests do to theirs.
                let is_ours =
                    line["namespace"].as_str().is_none_or(|namespace| namespace == place.namespace());
                is_ours && line["level"] != "INFO"
            },
        );
        assert_eq!(complaint, None, "{variant}");
        place.end().await;
    }
}

fn is_account(object: &Value) -> bool {
    object["kind"] == "ServiceAccount"
}

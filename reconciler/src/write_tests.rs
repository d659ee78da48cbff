use rstest::rstest;
use serde_json::Value;
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::*;

fn deployment() -> Value {
    let labels = json!({"app": "stable"});
    let pod = json!({
        "containers": [{"name": "openvox-server", "image": "openvox:8"}],
        "volumes": [{"name": "code", "image": {"reference": "a:1"}}],
    });
    let template = json!({"metadata": {"labels": labels}, "spec": pod});
    json!({"metadata": {"name": "stable"}, "spec": {"selector": {"matchLabels": labels}, "template": template}})
}

fn write(resource_version: Option<String>, place: &str, value: &str) -> Write {
    let operations = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version},
        {"op": "replace", "path": place, "value": value},
    ]);
    let patch = serde_json::from_value(operations).unwrap();
    let references = vec!["a:2".to_owned()];
    Write { patch, resource_version, references, present: "a:1".into(), wanted: "a:2".into() }
}

#[tokio::test]
async fn a_conflict_is_no_refusal_and_brings_what_is_there_now() {
    let client = Sandbox::new(SandboxOptions::default()).client("default");
    let writer = Writer::new(client.clone());
    let api = Api::<Deployment>::namespaced(client, "default");
    let object = serde_json::from_value(deployment()).unwrap();
    let created = api.create(&kube::api::PostParams::default(), &object).await.unwrap();
    let version = created.metadata.resource_version;
    let reference = "/spec/template/spec/volumes/0/image/reference";

    let write_once = write(version.clone(), reference, "a:2");
    let written = writer.deployment("default", "stable", &write_once).await.unwrap();
    assert_eq!(present_references(&written), ["a:2"]);
    match writer.deployment("default", "stable", &write_once).await {
        Err(NotWritten::Conflict(now)) => {
            assert!(matches!(*now, Object::Deployment(now) if *now == written));
        }
        other => panic!("it is no conflict but {other:?}"),
    }

    let nonsense = write(written.metadata.resource_version, "/spec/selector/matchLabels/app", "x");
    match writer.deployment("default", "stable", &nonsense).await {
        Err(NotWritten::NotAllowed(Finding::Refused { .. })) => {}
        other => panic!("it is not refused but {other:?}"),
    }
    assert!(matches!(writer.deployment("default", "gone", &nonsense).await, Err(NotWritten::Gone)));
}

/// A sandbox in which this kind is whatever somebody writes.
fn permissive(kind: &str, plural: &str, group: &str) -> Sandbox {
    let sandbox = Sandbox::new(SandboxOptions::default());
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = json!({"name": "v1alpha1", "served": true, "storage": true, "schema": schema});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "versions": [version],
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
        },
    });
    sandbox.install(definition).unwrap();
    sandbox
}

#[tokio::test]
async fn who_saw_an_older_server_does_not_write_on_it() {
    let sandbox = permissive("Server", "servers", "openvox.voxpupuli.org");
    let server = json!({
        "apiVersion": "openvox.voxpupuli.org/v1alpha1", "kind": "Server",
        "metadata": {"name": "stable", "namespace": "default"}, "spec": {},
    });
    sandbox.install(server).unwrap();
    let client = sandbox.client("default");
    let writer = Writer::new(client.clone());
    let seen = Api::<Server>::namespaced(client, "default").get("stable").await.unwrap();
    let obstacle =
        |reason: &str| Obstacle { code: "a:1".into(), reason: reason.into(), message: String::new() };
    let new = writer.obstacle(&seen, Some(&obstacle("Forbidden"))).await.unwrap();

    for late in [writer.obstacle(&seen, Some(&obstacle("PutBack"))).await, writer.touch(&seen, "a:1").await] {
        match late {
            Err(NotWritten::Conflict(now)) => assert!(matches!(*now, Object::Server(now) if *now == new)),
            other => panic!("it is no conflict but {other:?}"),
        }
    }
    let asked = writer.touch(&new, "a:1").await.unwrap();
    let gone = writer.obstacle(&asked, None).await.unwrap();
    assert_eq!(gone.metadata.annotations, Some([(REQUESTED_CODE.to_owned(), "a:1".to_owned())].into()));
}

#[tokio::test]
async fn a_code_sync_is_found_beside_one_that_cannot_be_decoded() {
    let sandbox = permissive("CodeSync", "codesyncs", "voxsync.dev");
    let registry = json!({"repository": "r.io/code", "tag": {"follow": "main"}});
    let good = json!({"source": {"registry": registry}, "targets": []});
    for (name, spec) in [("bad", json!({"source": 5})), ("good", good)] {
        let metadata = json!({"name": name, "namespace": "default"});
        let code_sync = json!({"apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": metadata, "spec": spec});
        sandbox.install(code_sync).unwrap();
    }
    let client = sandbox.client("default");
    let api = Api::<CodeSync>::namespaced(client.clone(), "default");
    assert!(api.list(&ListParams::default()).await.is_err(), "one of them cannot be decoded");
    let good = api.get("good").await.unwrap();
    let uid = good.metadata.uid.clone().unwrap();
    let writer = Writer::new(client);
    let known = Some(("default".to_owned(), "good".to_owned()));
    let elsewhere = Scope::Namespace("elsewhere".to_owned());
    assert_eq!(writer.code_sync(&elsewhere, &uid, None).await.unwrap(), None, "only where it is looked for");
    let scope = Scope::All;
    assert_eq!(writer.code_sync(&scope, &uid, None).await.unwrap().as_ref(), Some(&good));
    assert_eq!(writer.code_sync(&scope, &uid, known).await.unwrap(), Some(good));
    assert_eq!(writer.code_sync(&scope, "gone", None).await.unwrap(), None);
}

#[rstest]
#[case(404, "deployments.apps \"stable\" not found", "Gone")]
#[case(403, "deployments.apps \"stable\" is forbidden: User \"x\" cannot patch", "NotAllowed(Forbidden")]
#[case(403, "admission webhook \"w\" denied the request: no", "NotAllowed(RefusedByAdmission")]
#[case(422, "admission webhook \"w\" denied the request: no", "NotAllowed(RefusedByAdmission")]
#[case(422, "Deployment.apps \"stable\" is invalid", "NotAllowed(Refused {")]
#[case(429, "too many requests", "Failed")]
#[case(500, "etcdserver: leader changed", "Failed")]
fn says_whose_refusal_it_is(#[case] code: u16, #[case] message: &str, #[case] wanted: &str) {
    let status = Status { code, message: message.to_owned(), ..Status::default() };
    let text = format!("{:?}", not_written(&status));
    assert!(text.starts_with(wanted), "{text}");
}

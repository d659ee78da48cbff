//! Objects as they are in files and on screens: samples, schemas, examples, what `kubectl` shows.

use std::{fs, path::Path};

use serde_json::{Value, json};
use voxsync_crds::{Config, Server};

use crate::harness::{
    Case, Cluster, Needs, cases,
    estate::{Estate, PRODUCTION},
    status::{assert_says, text},
};

pub(crate) const CASES: &[Case] = cases![
    samples_of_the_operator_come_through_our_types_unchanged,
    each_form_of_code_is_accepted_and_kept => Needs::BOTH_SHAPES,
    examples_can_be_applied => Needs::OBJECT.and_kubectl(),
    tables_of_kubectl_are_readable => Needs::OBJECT.and_kubectl(),
    kubectl_describes_and_explains => Needs::OBJECT.and_kubectl(),
];

const SAMPLES: &str = "tests/data/openvox-operator/samples";
const EXAMPLES: &str = "examples";

async fn samples_of_the_operator_come_through_our_types_unchanged(cluster: &Cluster) {
    let mut kinds = Vec::new();
    for sample in documents_in(Path::new(SAMPLES)) {
        let (kind, name) = (text(&sample["kind"]).to_owned(), text(&sample["metadata"]["name"]).to_owned());
        if !["Config", "Server"].contains(&kind.as_str()) {
            continue;
        }
        assert_eq!(through_our_types(&kind, &sample), sample, "{kind} {name} as in the file");
        let mut own = sample;
        own["metadata"]["namespace"] = json!(cluster.namespace());
        // With all that the API server adds: defaults, managed fields.
        let stored = cluster.create(own).await;
        assert_eq!(through_our_types(&kind, &stored), stored, "{kind} {name} as it is stored");
        kinds.push(kind);
    }
    kinds.sort();
    assert_eq!(kinds, ["Config", "Server", "Server"]);
}

async fn each_form_of_code_is_accepted_and_kept(cluster: &Cluster) {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let repository = "registry.example:5000/puppet/code";
    let entries = [
        json!({"image": format!("{repository}:v1")}),
        json!({"image": format!("{repository}@{digest}")}),
        json!({"image": format!("{repository}:v1@{digest}"), "imagePullPolicy": "Always", "imagePullSecret": "login"}),
        json!({"image": format!("{repository}:v1"), "imagePullPolicy": "IfNotPresent"}),
        json!({"image": format!("{repository}:v1"), "imagePullPolicy": "Never"}),
    ];
    let record = json!({"voxsync.dev/applied": "{\"\": {}}", "voxsync.dev/requested-code": "a"});
    for (number, entry) in entries.into_iter().enumerate() {
        let code = cluster.code_entry(entry);
        let base = json!({"configRef": "x", "certificateRef": "x"});
        for (kind, mut spec) in
            [("Config", json!({"image": {"repository": "x", "tag": "1"}})), ("Server", base)]
        {
            spec["code"] = code.clone();
            let name = format!("{}-{number}", kind.to_lowercase());
            let metadata = json!({"name": name, "annotations": record});
            let stored = cluster.create(json!({"kind": kind, "metadata": metadata, "spec": spec})).await;
            assert_eq!(through_our_types(kind, &stored), stored);
            let (code, stored) = (with_first(&code), with_first(&stored["spec"]["code"]));
            for (field, value) in code.as_object().expect("an entry") {
                assert_eq!(stored[field], *value, "{kind} {field}");
            }
        }
    }
}

async fn examples_can_be_applied(cluster: &Cluster) {
    // The others need the namespace and the Servers of this one, and one a namespace of its own.
    let first = format!("{EXAMPLES}/servers.yaml");
    let mut files = files_in(Path::new(EXAMPLES));
    files.sort_by_key(|path| *path != first);
    assert!(files.len() >= 5, "{files:?}");
    cluster.kubectl_anywhere(&["create", "namespace", "dev"]);
    for file in &files {
        let said = cluster.kubectl_anywhere(&["apply", "--server-side", "--force-conflicts", "-f", file]);
        assert_says(&said, &["serverside-applied"]);
        let (lines, documents) = (said.lines().count(), documents_of(file).len());
        assert_eq!(lines, documents, "{file}: {said}");
    }
    let said = cluster.kubectl_anywhere(&["get", "csync", "--namespace", "puppet", "-o", "name"]);
    assert_says(
        &said,
        &["codesync.voxsync.dev/production", "codesync.voxsync.dev/canary", "codesync.voxsync.dev/staging"],
    );
}

async fn tables_of_kubectl_are_readable(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "0s").await;
    estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    let table = cluster.kubectl(&["get", "csync"]);
    let lines: Vec<&str> = table.lines().collect();
    let columns: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(columns, ["NAME", "CANDIDATE", "DEPLOYED", "STAGE", "READY", "REASON", "AGE"]);
    assert_says(lines[1], &["production", "v1.1.0", "True", "Deployed"]);
    assert!(lines.iter().all(|line| line.len() <= 120), "readable on 120 columns:\n{table}");
    let wide = cluster.kubectl(&["get", "csync", "-o", "wide"]);
    assert_says(&wide, &["SOURCE", "puppet-code >=1.0.0-0"]);

    let table = cluster.kubectl(&["get", "crel"]);
    let lines: Vec<&str> = table.lines().collect();
    let columns: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(columns, ["NAME", "CODESYNC", "FROM", "TO", "OUTCOME", "TRIGGER", "STARTED", "ENDED"]);
    assert_says(lines[1], &["production-", "v1.0.0", "v1.1.0", "Released", "Source"]);
}

async fn kubectl_describes_and_explains(cluster: &Cluster) {
    let _estate = Estate::single(cluster).await;
    cluster.event(PRODUCTION, "Released").await;
    let said = cluster.kubectl(&["describe", "csync", PRODUCTION]);
    assert_says(
        &said,
        &["Kind:         CodeSync", "Deployed:", "Conditions:", "Events:", "PromotionStarted", "Released"],
    );
    let said = cluster.kubectl(&["explain", "codesync.spec"]);
    assert_says(
        &said,
        &["KIND:       CodeSync", "source\t<Object> -required-", "Where candidates come from"],
    );
    let said = cluster.kubectl(&["explain", "codesync.spec.stages.soak"]);
    assert_says(&said, &["FIELD: soak", "How long the stage must have run the candidate"]);
}

/// Read as our type, and written again.
fn through_our_types(kind: &str, object: &Value) -> Value {
    fn through<T: serde::de::DeserializeOwned + serde::Serialize>(object: &Value) -> Value {
        let read: T =
            serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object}"));
        serde_json::to_value(read).expect("an object as JSON")
    }
    match kind {
        "Config" => through::<Config>(object),
        _ => through::<Server>(object),
    }
}

fn with_first(code: &Value) -> &Value {
    if code.is_array() { &code[0] } else { code }
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("read {}: {error}", folder.display()));
    // Timelines are in a folder of their own: they are no objects.
    let paths = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let mut files: Vec<String> = paths.map(|path| path.to_string_lossy().into_owned()).collect();
    files.sort();
    files
}

fn documents_in(folder: &Path) -> Vec<Value> {
    files_in(folder).iter().flat_map(|file| documents_of(file)).collect()
}

fn documents_of(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("read {file}: {error}"));
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

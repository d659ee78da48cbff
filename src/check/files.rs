//! Manifests from files, in a sandbox of their own.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context as _, bail};
use kube::{Api, ResourceExt as _, api::ListParams};
use serde_json::{Value, json};
use voxsync_cluster::{Scope, Snapshot};
use voxsync_crds::CodeSync;
use voxsync_sandbox::{InstallError, Sandbox, SandboxOptions};

use super::{Subjects, is_meant, report::Report};
use crate::{demo::DEFINITIONS, input};

/// The most that is read of one file.
const FILE_LIMIT_BYTES: u64 = 4 << 20;
/// The kinds that a check reads; others are nobody's business here.
const READ_KINDS: [&str; 5] = ["CodeSync", "Secret", "ConfigMap", "Config", "Server"];

/// Everything in the files that a check reads. Objects without a namespace are in `namespace`, or else in `default`.
pub async fn read(
    files: &[PathBuf],
    namespace: Option<&str>,
    name: Option<&str>,
) -> anyhow::Result<Subjects> {
    let sandbox = Sandbox::new(SandboxOptions::default());
    sandbox.install_manifests(DEFINITIONS)?;
    for (_, definition) in voxsync_crds::yaml::definitions() {
        sandbox.install_manifests(&voxsync_crds::yaml::to_yaml(&definition)?)?;
    }
    let mut refused = Vec::new();
    let mut namespaces = BTreeSet::from(["default".to_owned()]);
    for file in files {
        let text = input::text(file, FILE_LIMIT_BYTES)?;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).with_context(|| format!("{} is not YAML", file.display()))?;
        for mut document in documents.into_iter().flat_map(objects) {
            let kind = document["kind"].as_str().unwrap_or_default().to_owned();
            if !READ_KINDS.contains(&kind.as_str()) {
                continue;
            }
            let Some(metadata) = document.get_mut("metadata").and_then(Value::as_object_mut) else {
                bail!("{} has a {kind} without metadata", file.display());
            };
            let given = metadata.get("namespace").and_then(Value::as_str).filter(|given| !given.is_empty());
            let place = given.or(namespace).unwrap_or("default").to_owned();
            metadata.insert("namespace".to_owned(), json!(place));
            if namespaces.insert(place.clone()) {
                sandbox.install(
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": &place}}),
                )?;
            }
            match sandbox.install(document) {
                Ok(()) => {}
                Err(InstallError::Refused { kind, name, causes, .. }) if kind == "CodeSync" => {
                    refused.push(Report::refused(&place, &name, causes));
                }
                Err(error) => return Err(error).with_context(|| file.display().to_string()),
            }
        }
    }
    let client = sandbox.client("default");
    let mut code_syncs = Api::all(client.clone()).list(&ListParams::default()).await?.items;
    let is_here = |place: &str| namespace.is_none_or(|namespace| place == namespace);
    code_syncs.retain(|code_sync: &CodeSync| {
        is_here(&code_sync.namespace().unwrap_or_default()) && is_meant(code_sync, name)
    });
    refused.retain(|report| is_here(&report.namespace) && name.is_none_or(|name| report.name == name));
    if code_syncs.is_empty() && refused.is_empty() {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let what = name.map_or_else(|| "no CodeSync".to_owned(), |name| format!("no CodeSync {name:?}"));
        let place = namespace.map_or_else(String::new, |namespace| format!(" of namespace {namespace}"));
        bail!("there is {what}{place} in {}", names.join(", "));
    }
    let snapshot = Snapshot::fetch(client.clone(), &Scope::All).await?;
    Ok(Subjects { client, snapshot, code_syncs, refused })
}

/// The objects of a document: those of a List, or else itself.
fn objects(mut document: Value) -> Vec<Value> {
    let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items,
        _ => vec![document],
    }
}

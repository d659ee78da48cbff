//! Manifests from files, in a sandbox of their own.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context as _, bail};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};
use voxsync_cluster::{Scope, Snapshot};
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
        for mut document in documents {
            let kind = document["kind"].as_str().unwrap_or_default().to_owned();
            if !READ_KINDS.contains(&kind.as_str()) {
                continue;
            }
            let metadata = &mut document["metadata"];
            if metadata["namespace"].as_str().is_none_or(str::is_empty) {
                metadata["namespace"] = json!(namespace.unwrap_or("default"));
            }
            let place = metadata["namespace"].as_str().unwrap_or_default().to_owned();
            if namespaces.insert(place.clone()) {
                sandbox.install(
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": &place}}),
                )?;
            }
            match sandbox.install(document) {
                Ok(()) => {}
                Err(InstallError::Refused { kind, name, why }) if kind == "CodeSync" => {
                    refused.push(Report::refused(&place, &name, why));
                }
                Err(error) => return Err(error).with_context(|| file.display().to_string()),
            }
        }
    }
    let client = sandbox.client("default");
    let mut code_syncs = Api::all(client.clone()).list(&ListParams::default()).await?.items;
    code_syncs.retain(|code_sync| is_meant(code_sync, name));
    refused.retain(|report| name.is_none_or(|name| report.name == name));
    if code_syncs.is_empty() && refused.is_empty() {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let what = name.map_or_else(|| "no CodeSync".to_owned(), |name| format!("no CodeSync {name:?}"));
        bail!("there is {what} in {}", names.join(", "));
    }
    let snapshot = Snapshot::fetch(client.clone(), &Scope::All).await?;
    Ok(Subjects { client, snapshot, code_syncs, refused })
}

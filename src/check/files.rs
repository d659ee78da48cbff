//! Manifests from files, in a sandbox of their own.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use anyhow::{Context as _, anyhow, bail};
use jiff::{SignedDuration, Timestamp};
use kube::{Api, Resource as _, ResourceExt as _, api::ListParams};
use serde_json::{Value, json};
use voxsync_cluster::{CrossNamespace, Scope, Snapshot};
use voxsync_crds::{CodeSync, Config, Server};
use voxsync_sandbox::{Clock, InstallError, Sandbox, SandboxOptions};

use super::{Subjects, documents, elsewhere::Held, is_meant, report::Report, texts, words};
use crate::{demo::DEFINITIONS, input};

/// The most that is read of one file.
const FILE_LIMIT_BYTES: u64 = 4 << 20;
/// The one kind that is nobody else's, whatever its group.
const CODE_SYNC: &str = "CodeSync";

/// Everything in the files that a check reads. Objects without a namespace are in `namespace`, or else in `default`; with
/// `only`, CodeSyncs of other namespaces than that are nobody's business.
pub async fn read(
    files: &[PathBuf],
    namespace: Option<&str>,
    only: Option<&str>,
    name: Option<&str>,
) -> anyhow::Result<Subjects> {
    let sandbox = Sandbox::new(SandboxOptions { clock: one_by_one(), ..SandboxOptions::default() });
    sandbox.install_manifests(DEFINITIONS)?;
    for (_, definition) in voxsync_crds::yaml::definitions() {
        sandbox.install_manifests(&voxsync_crds::yaml::to_yaml(&definition)?)?;
    }
    let mut refused = Vec::new();
    let mut held = Held::default();
    let mut namespaces = BTreeSet::from(["default".to_owned()]);
    for file in files {
        let text = input::text(file, FILE_LIMIT_BYTES)?;
        let objects = documents::objects(&text).with_context(|| file.display().to_string())?;
        for mut object in objects {
            let Some(Read { kind, other_version }) = of_a_read_kind(&object) else { continue };
            let (place, name) = place(&mut object, namespace)
                .with_context(|| format!("{} has a {kind} without metadata", file.display()))?;
            let fail = |why: String| anyhow!("{}: {kind} {place}/{name}: {why}", file.display());
            texts::tidy(&kind, &mut object).map_err(&fail)?;
            if namespaces.insert(place.clone()) {
                sandbox.install(
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": &place}}),
                )?;
            }
            let installed = match other_version {
                Some(why) => Err(vec![why]),
                None => install(&sandbox, object)?,
            };
            match installed {
                Ok(()) => held.note(&kind, &name, &place),
                Err(causes) if kind == CODE_SYNC => refused.push(Report::refused(&place, &name, causes)),
                Err(causes) => return Err(fail(causes.join("; "))),
            }
        }
    }
    let client = sandbox.client("default");
    let mut code_syncs = Api::all(client.clone()).list(&ListParams::default()).await?.items;
    let is_here = |place: &str| only.is_none_or(|only| place == only);
    code_syncs.retain(|code_sync: &CodeSync| {
        is_here(&code_sync.namespace().unwrap_or_default()) && is_meant(code_sync, name)
    });
    refused.retain(|report| is_here(&report.namespace) && name.is_none_or(|name| report.name == name));
    if code_syncs.is_empty() && refused.is_empty() {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let what = name.map_or_else(|| "no CodeSync".to_owned(), |name| format!("no CodeSync {name:?}"));
        let place = only.map_or_else(String::new, |namespace| format!(" of namespace {namespace}"));
        bail!("there is {what}{place} in {}", names.join(", "));
    }
    let mut snapshot = Snapshot::fetch(client.clone(), &Scope::All).await?;
    snapshot.set_cross_namespace(CrossNamespace::Allowed);
    Ok(Subjects { client, snapshot, code_syncs, refused, held: Some(held) })
}

/// A clock by which each object is older than the next: of two CodeSyncs, the older one has a target.
fn one_by_one() -> Clock {
    let begun = Timestamp::now();
    let second = AtomicI64::new(0);
    Arc::new(move || {
        let later = SignedDuration::from_secs(second.fetch_add(1, Ordering::Relaxed));
        begun.saturating_add(later).unwrap_or(begun)
    })
}

/// An object that a check reads.
struct Read {
    kind: String,
    /// What is said where it is of a version that there is not.
    other_version: Option<String>,
}

/// Of what kind an object is, if a check reads that; others are nobody's business here.
fn of_a_read_kind(object: &Value) -> Option<Read> {
    let kind = object["kind"].as_str()?.to_owned();
    let wanted: Cow<'_, str> = match kind.as_str() {
        CODE_SYNC => CodeSync::api_version(&()),
        "Config" => Config::api_version(&()),
        "Server" => Server::api_version(&()),
        "Secret" | "ConfigMap" => "v1".into(),
        _ => return None,
    };
    let given = object["apiVersion"].as_str().unwrap_or_default();
    let group = |version: &str| version.rsplit_once('/').map(|(group, _)| group.to_owned());
    let is_read = given.is_empty() || kind == CODE_SYNC || group(given) == group(&wanted);
    let other_version = (given != wanted)
        .then(|| format!("apiVersion: there is {wanted}, and the file says {given:?}: correct it"));
    is_read.then_some(Read { kind, other_version })
}

/// The namespace of an object, which it is given where it has none, and its name; none where it has no metadata.
fn place(object: &mut Value, namespace: Option<&str>) -> Option<(String, String)> {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut)?;
    let text = |member: &str| metadata.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text("name").unwrap_or_default().to_owned();
    let place = text("namespace").or(namespace).unwrap_or("default").to_owned();
    metadata.insert("namespace".to_owned(), json!(place));
    Some((place, name))
}

/// Puts an object into the sandbox; inside, what it refuses about it.
fn install(sandbox: &Sandbox, object: Value) -> Result<Result<(), Vec<String>>, InstallError> {
    match sandbox.install(object) {
        Err(InstallError::Refused { causes, .. }) => Ok(Err(words::plain(&causes))),
        other => other.map(Ok),
    }
}

//! What the documentation says is true: its links lead somewhere, its manifests are taken by the API, and each reason
//! and event that voxsync can give is explained.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this binary is a test; clippy only knows functions marked #[test]"
)]

mod commands;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use kube::{
    Api, Client,
    api::{DynamicObject, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use regex::Regex;
use serde_json::{Value, json};
use voxsync_sandbox::{Sandbox, SandboxOptions};

const NAMESPACE: &str = "default";

/// Words in quotes in the sources that look like a reason, and are none: kinds, types of the Kubernetes API, field values,
/// and words inside longer texts.
const NOT_REASONS: &str = "Always Basic Bearer Cluster CodeRelease CodeSync Complete Config ConfigMap ContainerCreating Database \
    Deny Deployment Exists Fail False Gone IfNotPresent Impossible Lease Metrics Never Normal Pending Pin PodScheduled Progressing Promote \
    Reconcile ReplicaFailure ReplicaSet Resume RollingUpdate Server Stuck The TimedOut True ValidatingAdmissionPolicy Warning";

/// The folders whose reasons people see.
const SOURCES: [&str; 4] = ["agent/promotion/src", "agent/src", "reconciler/src", "reconciler/rollout/src"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = files(&root().join("docs"), "md");
    paths.extend(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The YAML blocks of a text.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&mut block, line.trim()) {
            (None, "```yaml") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(block), _) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)").unwrap();
    let not_of_an_anchor = Regex::new(r"[^a-z0-9 _-]").unwrap();
    let mut seen = 0;
    for (path, text) in documents() {
        for found in link.captures_iter(&text) {
            let (file, anchor) = (&found[1], found.get(2).map(|anchor| anchor.as_str()));
            if file.contains("://") {
                continue;
            }
            let to = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(to.exists(), "{}: {file} is not there", path.display());
            seen += 1;
            let Some(anchor) = anchor else { continue };
            let anchors: BTreeSet<String> = fs::read_to_string(&to)
                .unwrap()
                .lines()
                .filter_map(|line| line.strip_prefix('#'))
                .map(|title| title.trim_start_matches('#').trim().to_lowercase())
                .map(|title| not_of_an_anchor.replace_all(&title, "").replace(' ', "-"))
                .collect();
            assert!(anchors.contains(anchor), "{}: {file}#{anchor} is not among {anchors:?}", path.display());
        }
    }
    assert!(seen > 10, "only {seen} links");
}

#[tokio::test]
async fn manifests_are_taken_by_the_api() {
    let sandbox = Sandbox::new(SandboxOptions::default());
    for (_, definition) in voxsync_crds::yaml::definitions() {
        sandbox.install(serde_json::to_value(definition).unwrap()).unwrap();
    }
    let client = sandbox.client(NAMESPACE);
    let mut taken = 0;
    for (path, text) in documents() {
        for (number, block) in blocks(&text).into_iter().enumerate() {
            let value: Value = serde_saphyr::from_str(&block)
                .unwrap_or_else(|error| panic!("{}: block {number}: {error}\n{block}", path.display()));
            let whole = value["kind"] == "CodeSync";
            // A part of a CodeSync is shown alone where the text is about that part.
            let is_part = (path.ends_with("docs/codesync.md") && value.get("kind").is_none())
                || value.get("checks").is_some();
            let spec = match () {
                () if whole => value["spec"].clone(),
                () if is_part => completed(&value),
                () => continue,
            };
            let name = format!("example-{taken}");
            let object = json!({"apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": name}, "spec": spec});
            create(&client, &object)
                .await
                .unwrap_or_else(|error| panic!("{}: block {number}: {error}\n{block}", path.display()));
            taken += 1;
        }
    }
    assert!(taken > 10, "only {taken} manifests");
}

/// A whole spec around a part of one.
fn completed(part: &Value) -> Value {
    let is_of_registry = part.get("tag").is_some();
    let mut spec = json!({
        "source": {"registry": {"repository": "registry.example/code", "tag": {"semver": "*"}}},
        "target": {"kind": "Config", "name": "production"},
    });
    let fields = part.as_object().expect("a mapping");
    for (name, value) in fields {
        match name.as_str() {
            _ if is_of_registry => spec["source"]["registry"][name] = value.clone(),
            "source" => {
                let kinds = ["registry", "git", "file", "codeSync"];
                if kinds.iter().any(|kind| value.get(kind).is_some()) {
                    spec["source"] = json!({});
                }
                for (name, value) in value.as_object().expect("a mapping") {
                    spec["source"][name] = value.clone();
                }
            }
            "checks" => {
                let target = spec.as_object_mut().unwrap().remove("target");
                spec["stages"] = json!([{"name": "canary", "targets": [target], "checks": value}]);
            }
            "stages" => {
                spec.as_object_mut().unwrap().remove("target");
                spec["stages"] = value.clone();
            }
            _ => spec[name] = value.clone(),
        }
    }
    spec
}

async fn create(client: &Client, object: &Value) -> Result<DynamicObject, kube::Error> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("voxsync.dev", "v1alpha1", "CodeSync"));
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), NAMESPACE, &kind);
    let parameters = PostParams { dry_run: false, field_manager: Some("documentation".to_owned()) };
    let object = serde_json::from_value(object.clone()).expect("an object");
    api.create(&parameters, &object).await
}

#[test]
fn every_reason_is_explained() {
    let text = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let explained: BTreeSet<&str> = text.split('`').skip(1).step_by(2).collect();
    let word = Regex::new(r#""([A-Z][a-z]+(?:[A-Z]+[a-z]*)*)""#).unwrap();
    let no_reasons: BTreeSet<&str> = NOT_REASONS.split_whitespace().collect();
    let mut missing = BTreeSet::new();
    let mut found = 0;
    for path in SOURCES.iter().flat_map(|folder| files(&root().join(folder), "rs")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains("tests") || name == "fixtures.rs" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for word in word.captures_iter(product).map(|word| word.get(1).unwrap().as_str()) {
            found += 1;
            if !no_reasons.contains(word) && !explained.contains(word) {
                missing.insert(format!("{word} ({})", path.display()));
            }
        }
    }
    assert!(found > 100, "only {found} words");
    assert!(missing.is_empty(), "docs/operations.md does not explain: {missing:#?}");
}

#[test]
fn every_metric_is_explained() {
    let text = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    // The endings are put to it by the format.
    let bare = |name: &str| {
        let endings = ["_total", "_info", "_seconds"];
        endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name).to_owned()
    };
    let name = Regex::new(r#"[`"](voxsync_[a-z_]+)[`"]"#).unwrap();
    let named = |text: &str| name.captures_iter(text).map(|name| bare(&name[1])).collect::<BTreeSet<_>>();
    let sources = ["agent", "lease", "reconciler", "src"]
        .into_iter()
        .flat_map(|folder| files(&root().join(folder), "rs"));
    let product = sources.filter(|path| !path.components().any(|part| part.as_os_str() == "tests"));
    let registered: BTreeSet<String> = product
        .flat_map(|path| named(&fs::read_to_string(path).unwrap()))
        // Crates have such names, too.
        .filter(|name| !["voxsync_agent", "voxsync_reconciler"].contains(&name.as_str()))
        .collect();
    assert!(registered.len() > 10, "only {registered:?}");
    assert_eq!(named(&text), registered, "left: docs/operations.md; right: the sources");
}

//! The manifests that we ship (`deploy/`), as `kubectl kustomize` renders them.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::{Value, json};
use tokio::sync::OnceCell;
use voxsync_fixtures::run;

use super::{
    cluster::blocking,
    control_plane::{ControlPlane, root},
    status::text,
};

/// The variants of `deploy/`, each for use alone beside the kinds; the first one is the default.
pub(crate) const VARIANTS: [&str; 4] = ["namespace", "cooperative", "cluster", "audit"];

/// What gives an account its rights.
const RIGHTS: [&str; 5] = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];

/// The Secrets that the tests name in their CodeSyncs and targets.
const SECRETS_OF_TESTS: &str = "absent ca changed cosign-pub elsewhere git-ca git-login gone hook login odd private \
                                pull receiver registry-ca registry-login signers silent ssh unknown";

/// The Leases of the shards in tests, besides those that a Role names anyway.
const SHARDS_OF_TESTS: [&str; 2] = ["voxsync-agent-one", "voxsync-agent-two"];

/// The objects of a folder of `deploy/`, in the order of kubectl.
pub(crate) fn render(folder: &str) -> Vec<Value> {
    kustomize_folder(&root().join("deploy").join(folder))
}

/// The objects of a kustomization that a user could write; `DEPLOY` stands for the path to `deploy/`.
pub(crate) fn kustomize(text: &str) -> Vec<Value> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    // Kustomize knows relative paths alone: up to the root of the file system, and down again.
    let place = folder.path().canonicalize().expect("a folder");
    let up = "../".repeat(place.components().count() - 1);
    let deploy = root().join("deploy").canonicalize().expect("a folder");
    let text =
        text.replace("DEPLOY", &format!("{up}{}", deploy.display().to_string().trim_start_matches('/')));
    std::fs::write(folder.path().join("kustomization.yaml"), text).expect("write a kustomization");
    kustomize_folder(folder.path())
}

fn kustomize_folder(folder: &Path) -> Vec<Value> {
    let mut command = Command::new(ControlPlane::kubebox());
    let text = run(command.args(["kubectl", "kustomize"]).arg(folder));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// The account of a variant with the roles that are bound to it, for a namespace of a test. Rendered once a process.
pub(super) async fn rights(variant: &str, namespace: &str) -> Vec<Value> {
    static RENDERED: OnceCell<BTreeMap<&str, Vec<Value>>> = OnceCell::const_new();
    let rendered =
        RENDERED.get_or_init(|| blocking(|| VARIANTS.map(|variant| (variant, render(variant))).into())).await;
    let objects = rendered.get(variant).unwrap_or_else(|| panic!("deploy/ has no variant {variant:?}"));
    let is_meant = |object: &&Value| {
        RIGHTS.contains(&text(&object["kind"])) && (!object["rules"].is_array() || is_bound(object, objects))
    };
    let mut rights: Vec<Value> = objects.iter().filter(is_meant).cloned().collect();
    for object in &mut rights {
        move_to(object, namespace);
        name_what_tests_use(object);
    }
    rights
}

/// Makes an object of `deploy/` one of a test: in its namespace, and with a name of its own where it is in none.
fn move_to(object: &mut Value, namespace: &str) {
    if object["metadata"]["namespace"].is_string() {
        object["metadata"]["namespace"] = json!(namespace);
    } else {
        object["metadata"]["name"] = json!(own_name(&object["metadata"]["name"], namespace));
    }
    if object["roleRef"]["kind"] == "ClusterRole" {
        object["roleRef"]["name"] = json!(own_name(&object["roleRef"]["name"], namespace));
    }
    for subject in object["subjects"].as_array_mut().into_iter().flatten() {
        subject["namespace"] = json!(namespace);
    }
}

/// Whether a role is bound to anybody: those for people are not.
fn is_bound(role: &Value, objects: &[Value]) -> bool {
    objects.iter().any(|binding| {
        binding["roleRef"]["kind"] == role["kind"] && binding["roleRef"]["name"] == role["metadata"]["name"]
    })
}

fn own_name(name: &Value, namespace: &str) -> String {
    format!("{}-{namespace}", text(name))
}

/// As the files say that a user should do.
fn name_what_tests_use(object: &mut Value) {
    for rule in object["rules"].as_array_mut().into_iter().flatten() {
        let resource = rule["resources"][0].clone();
        let Some(names) = rule.get_mut("resourceNames").and_then(Value::as_array_mut) else { continue };
        if resource == "secrets" {
            *names = SECRETS_OF_TESTS.split_whitespace().map(Value::from).collect();
        } else if resource == "leases" {
            names.extend(SHARDS_OF_TESTS.map(Value::from));
        }
    }
}

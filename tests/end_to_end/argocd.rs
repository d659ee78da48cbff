//! Argo CD's health of a CodeSync: the script that we ship, run by a real Lua 5.1, which is what Argo CD embeds.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::harness::{Case, Cluster, Needs, cases, shipped::render, status::text};

pub(crate) const CASES: &[Case] = cases![
    health_of_objects_by_their_conditions,
    the_script_gets_into_the_configuration_beside_what_is_there =>
        Needs::OBJECT.and_kubectl().on_control_plane_only(),
];

const SCRIPT: &str = "deploy/argocd/health.lua";
const KEY: &str = "resource.customizations.health.voxsync.dev_CodeSync";

/// What the script is run with: the object, and of Lua's libraries those that Argo CD opens too.
const RUNNER: &str = "
local script = assert(loadfile(arg[1]))
setfenv(script, {obj = obj, ipairs = ipairs, pairs = pairs, string = string, table = table, type = type})
local health = script()
print(health.status .. ' ' .. (health.message or ''))
";

/// The word and the message of an object's health. What voxsync itself says is tried in `conditions`.
pub(crate) fn health(object: &Value) -> (String, String) {
    let mut lua = Command::new("lua5.1")
        .args(["-", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("lua5.1 is installed");
    let program = format!("obj = {}\n{RUNNER}", in_lua(object));
    lua.stdin.take().expect("its input").write_all(program.as_bytes()).expect("write to lua5.1");
    let output = lua.wait_with_output().expect("lua5.1 ends");
    assert!(output.status.success(), "{SCRIPT}: {} with {object}", output.status);
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let (word, message) = said.trim_end().split_once(' ').expect("a word and a message");
    (word.to_owned(), message.to_owned())
}

async fn health_of_objects_by_their_conditions(_cluster: &Cluster) {
    let conditions = |text: &str| -> Vec<Value> {
        let parse = |part: &str| {
            let (kind, status) = part.split_once('=').expect("a condition");
            json!({"type": kind, "status": status, "reason": "Because", "message": format!("said by {kind}")})
        };
        text.split_whitespace().map(parse).collect()
    };
    // The conditions, the generation that they are about (it is 2 now), what Argo CD shows, and whose message.
    for (given, observed, word, message) in [
        ("", 0, "Progressing", "has not seen it"),
        ("Ready=True", 1, "Progressing", "last change"),
        ("Ready=False Stalled=True", 1, "Progressing", "last change"),
        ("Ready=True", 2, "Healthy", "Because: said by Ready"),
        ("Ready=True Deployed=False SourceReady=False", 2, "Healthy", "said by Ready"),
        ("Ready=True Suspended=False Held=False", 2, "Healthy", "said by Ready"),
        ("Ready=True Suspended=True", 2, "Suspended", "said by Suspended"),
        ("Ready=False Suspended=True", 2, "Degraded", "said by Ready"),
        ("Ready=False Held=True", 2, "Degraded", "said by Ready"),
        ("Ready=False Reconciling=True", 2, "Progressing", "said by Reconciling"),
        ("Ready=False Stalled=True", 2, "Degraded", "said by Stalled"),
        ("Ready=False Reconciling=True Stalled=True", 2, "Degraded", "said by Stalled"),
        ("Ready=Unknown", 2, "Progressing", "said by Ready"),
    ] {
        let status = json!({"observedGeneration": observed, "conditions": conditions(given)});
        let found = health(&json!({"metadata": {"generation": 2}, "status": status}));
        assert_eq!(found.0, word, "{given}: {found:?}");
        assert!(found.1.contains(message), "{given}: {message:?} is not in {found:?}");
    }
    assert_eq!(health(&json!({"metadata": {"name": "new"}})).0, "Progressing");
}

async fn the_script_gets_into_the_configuration_beside_what_is_there(cluster: &Cluster) {
    let metadata = json!({"name": "argocd-cm"});
    cluster
        .create(json!({"kind": "ConfigMap", "metadata": metadata, "data": {"url": "https://argocd.example"}}))
        .await;
    let rendered = render("argocd");
    let [patch] = &rendered[..] else { panic!("one ConfigMap: {rendered:?}") };
    // The command that the file names.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("patch.yaml");
    fs::write(&file, patch.to_string()).expect("write the patch");
    cluster.kubectl(&["patch", "configmap", "argocd-cm", "--patch-file", &file.to_string_lossy()]);

    let found = cluster.get("ConfigMap", "argocd-cm").await;
    assert_eq!(found["data"]["url"], "https://argocd.example");
    let script = fs::read_to_string(Path::new(SCRIPT)).expect("the script");
    assert_eq!(text(&found["data"][KEY]), script);
}

/// A value as a Lua expression.
fn in_lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("{{{}}}", items.iter().map(in_lua).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("[{}] = {}", quoted(name), in_lua(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    text.bytes().fold(String::from("\""), |mut quoted, byte| {
        let _ = write!(quoted, "\\{byte:03}");
        quoted
    }) + "\""
}

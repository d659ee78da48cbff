//! What the API server itself says of who wrote what.

use std::{fs, path::Path};

use serde_json::Value;

use super::cluster::Cluster;

/// What an API server is told: its processes run in the folder with these files.
pub(super) const FLAGS: &str = "--audit-policy-file=audit-policy.json --audit-log-path=audit.log";

const POLICY_FILE: &str = "audit-policy.json";
const LOG_FILE: &str = "audit.log";
/// One line a write, before it is answered. What the cluster's own parts write every few seconds is left out.
const POLICY: &str = r#"{
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "resources": [{"group": "", "resources": ["nodes", "nodes/status", "pods/status"]}]},
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]}
    ]
}"#;

/// Puts the policy where the API server looks for it.
pub(super) fn prepare(folder: &Path) {
    fs::create_dir_all(folder).expect("create the folder of a control plane");
    fs::write(folder.join(POLICY_FILE), POLICY).expect("write an audit policy");
}

impl Cluster {
    /// What was written in the test's namespace so far, but for Leases: `patch codesyncs/code-1/status by …`.
    pub(crate) fn writes(&self) -> Vec<String> {
        let log = self.control_plane_folder().join(LOG_FILE);
        let text = fs::read_to_string(&log).unwrap_or_else(|error| panic!("read {}: {error}", log.display()));
        text.lines().filter_map(|line| self.write(line)).collect()
    }

    fn write(&self, line: &str) -> Option<String> {
        // The last line may be half written.
        let event: Value = serde_json::from_str(line).ok()?;
        let object = &event["objectRef"];
        let is_meant = object["namespace"] == self.namespace() && object["resource"] != "leases";
        let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let [verb, user] = [&event["verb"], &event["user"]["username"]].map(part);
        let [resource, name, sub] = ["resource", "name", "subresource"].map(|field| part(&object[field]));
        is_meant.then(|| format!("{verb} {resource}/{name}/{sub} by {user}"))
    }
}

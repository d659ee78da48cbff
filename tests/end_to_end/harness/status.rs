//! CodeSyncs in tests: made from JSON, waited for, and read.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use voxsync_fixtures::Registry;

use super::{cluster::Cluster, wait::wait_for};

/// A rollout on a machine that runs many tests at once takes its time.
pub(crate) const DEADLINE: Duration = Duration::from_mins(4);

impl Cluster {
    /// Creates a CodeSync, or gives the API server's refusal.
    pub(crate) async fn try_create_code_sync(&self, name: &str, spec: Value) -> kube::Result<Value> {
        self.try_create(json!({"kind": "CodeSync", "metadata": {"name": name}, "spec": spec})).await
    }

    /// Creates a CodeSync.
    pub(crate) async fn create_code_sync(&self, name: &str, spec: Value) -> Value {
        self.create(json!({"kind": "CodeSync", "metadata": {"name": name}, "spec": spec})).await
    }

    /// Changes the spec of a CodeSync by a merge patch.
    pub(crate) async fn change_code_sync(&self, name: &str, spec: Value) {
        self.patch("CodeSync", name, json!({"spec": spec})).await;
    }

    /// Asks for a look, and waits until it was carried out and decided upon. Gives the status.
    pub(crate) async fn look(&self, name: &str) -> Value {
        let token = new_token();
        let annotation = json!({"metadata": {"annotations": {"voxsync.dev/requestedAt": token}}});
        self.patch("CodeSync", name, annotation).await;
        let is_done = |status: &Value| status["lastHandledReconcileAt"] == *token;
        self.status_when(name, "the look that was asked for", is_done).await
    }

    /// Says that it may go on after a hold or a failure.
    pub(crate) async fn resume(&self, name: &str) {
        let annotation = json!({"metadata": {"annotations": {"voxsync.dev/resume": new_token()}}});
        self.patch("CodeSync", name, annotation).await;
    }

    /// The status of a CodeSync, once it is as wanted and about the present spec.
    pub(crate) async fn status_when(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(&format!("CodeSync {name}: {what}"), DEADLINE, async || {
            let found = self.get("CodeSync", name).await;
            let status = found.get("status").ok_or("no status")?;
            let is_new = status["observedGeneration"] == found["metadata"]["generation"];
            if is_new && wanted(status) { Ok(status.clone()) } else { Err(brief(status)) }
        })
        .await
    }

    /// The status once all stages run the candidate of that name.
    pub(crate) async fn deployed(&self, name: &str, candidate: &str) -> Value {
        let what = format!("{candidate} is deployed");
        self.status_when(name, &what, |status| {
            status["deployed"]["name"] == candidate && holds(status, "Deployed") && holds(status, "Ready")
        })
        .await
    }

    /// The status once a condition has this status and reason.
    pub(crate) async fn condition(&self, name: &str, kind: &str, status: &str, reason: &str) -> Value {
        self.status_when(name, &format!("{kind}={status} {reason}"), |found| {
            let condition = condition(found, kind);
            condition["status"] == status && condition["reason"] == reason
        })
        .await
    }

    /// The record of a promotion that ended, which is written after the status says so.
    pub(crate) async fn release(&self, promotion: &str) -> Value {
        wait_for(&format!("the CodeRelease {promotion}"), DEADLINE, async || {
            self.try_get("CodeRelease", promotion).await.ok_or_else(|| "not there".to_owned())
        })
        .await
    }

    /// The code reference of a Config or Server: of its only entry, where it has a list.
    pub(crate) async fn code_of(&self, kind: &str, name: &str) -> String {
        let object = self.get(kind, name).await;
        reference_in(&object).unwrap_or_default()
    }

    /// What voxsync wrote down on a target.
    pub(crate) async fn applied_on(&self, kind: &str, name: &str) -> Value {
        applied_in(&self.get(kind, name).await)
    }

    /// Waits for an event about an object, and gives its message.
    pub(crate) async fn event(&self, about: &str, reason: &str) -> String {
        wait_for(&format!("an event {reason} about {about}"), DEADLINE, async || {
            let events = self.list("Event").await;
            let is_meant =
                |event: &&Value| event["reason"] == reason && event["involvedObject"]["name"] == about;
            let found = events.iter().find(is_meant).map(|event| text(&event["message"]).to_owned());
            found.ok_or_else(|| {
                let said: Vec<_> = events.iter().map(|event| text(&event["reason"])).collect();
                format!("{said:?}")
            })
        })
        .await
    }

    /// The code references of a Server's pod template, by its code volumes; its annotation must say the same.
    pub(crate) async fn template_of(&self, server: &str) -> Vec<String> {
        let deployment = self.get("Deployment", server).await;
        let template = &deployment["spec"]["template"];
        let volumes = template["spec"]["volumes"].as_array().cloned().unwrap_or_default();
        let references: Vec<String> = volumes
            .iter()
            .filter(|volume| text(&volume["name"]).starts_with("code"))
            .map(|volume| text(&volume["image"]["reference"]).to_owned())
            .collect();
        let annotation = &template["metadata"]["annotations"]["openvox.voxpupuli.org/code-image"];
        assert_eq!(text(annotation), references.join(","), "the annotation of {server}");
        references
    }

    /// Waits until a Server's pod template has this code reference, and no other.
    pub(crate) async fn template_becomes(&self, server: &str, reference: &str) {
        wait_for(&format!("{reference} in the pod template of {server}"), DEADLINE, async || {
            let found = self.template_of(server).await;
            if found == [reference] { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }

    /// How many revisions a Server's Deployment has had.
    pub(crate) async fn revision_of(&self, server: &str) -> String {
        let deployment = self.get("Deployment", server).await;
        text(&deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"]).to_owned()
    }
}

/// A source that follows a repository of a registry without TLS.
pub(crate) fn follow_tags(registry: &Registry, repository: &str, tag: &Value) -> Value {
    let repository = format!("{}/{repository}", registry.host());
    json!({"interval": "1s", "registry": {"repository": repository, "tag": tag, "insecure": true}})
}

/// A condition, or null.
pub(crate) fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

/// Whether a condition is true.
pub(crate) fn holds(status: &Value, kind: &str) -> bool {
    condition(status, kind)["status"] == "True"
}

/// The sentence of a row of `status.waiting`; empty where there is none.
pub(crate) fn waits_for<'a>(status: &'a Value, reason: &str) -> &'a str {
    let mut rows = status["waiting"].as_array().into_iter().flatten();
    rows.find(|row| row["reason"] == reason).map_or("", |row| text(&row["message"]))
}

/// The phase of a stage; empty where there is none.
pub(crate) fn phase<'a>(status: &'a Value, stage: &str) -> &'a str {
    let mut stages = status["stages"].as_array().into_iter().flatten();
    stages.find(|found| found["name"] == stage).map_or("", |found| text(&found["phase"]))
}

/// The code reference of a Config or Server.
pub(crate) fn reference_in(object: &Value) -> Option<String> {
    let code = &object["spec"]["code"];
    let entry = if code.is_array() { &code[0] } else { code };
    entry["image"].as_str().map(str::to_owned)
}

/// The record on a target, or null.
pub(crate) fn applied_in(object: &Value) -> Value {
    let records = object["metadata"]["annotations"]["voxsync.dev/applied"].as_str();
    let records: Option<Value> = records.map(|text| serde_json::from_str(text).expect("records as JSON"));
    records.map_or(Value::Null, |records| records[""].clone())
}

/// Asserts that a text has all of these in it.
#[track_caller]
pub(crate) fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

/// A text in JSON; empty where there is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn new_token() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What a failed wait says about a CodeSync.
fn brief(status: &Value) -> String {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let conditions: Vec<String> = conditions
        .map(|condition| {
            let [kind, status, reason, message] =
                ["type", "status", "reason", "message"].map(|field| text(&condition[field]));
            format!("{kind}={status} {reason}: {message}")
        })
        .collect();
    format!(
        "{} (candidate {}, deployed {})\n  {}\n  waiting {}",
        status["summary"],
        status["candidate"]["name"],
        status["deployed"]["name"],
        conditions.join("\n  "),
        status["waiting"]
    )
}

//! Kubernetes events: what a person would want to know, on the CodeSync that it is about.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Client, Resource as _};
use tracing::warn;
use voxsync_crds::CodeSync;
use voxsync_event::{News, Severity};
use voxsync_promotion::EventKind;

use crate::key::CodeSyncKey;

/// Who says it.
const REPORTER: &str = "voxsync.dev/agent";

/// Writes an event. One that cannot be written is logged, and lost: what it says is in the status too.
pub(crate) async fn publish(
    client: &Client,
    (key, uid): (&CodeSyncKey, &str),
    kind: EventKind,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let regarding = ObjectReference {
        api_version: Some(CodeSync::api_version(&()).into_owned()),
        kind: Some(CodeSync::kind(&()).into_owned()),
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    };
    let severity = match kind {
        EventKind::Normal => Severity::Normal,
        EventKind::Warning => Severity::Warning,
    };
    let news = News { reporter: REPORTER, action: "Promote", severity, reason, note: message };
    if let Err(error) = voxsync_event::publish(client, regarding, news, now).await {
        warn!(code_sync = %key, reason, %error, "an event could not be written");
    }
}

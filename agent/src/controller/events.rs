//! Kubernetes events: what a person would want to know, on the CodeSync that it is about.

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, Resource as _, api::PostParams};
use tracing::warn;
use voxsync_crds::CodeSync;
use voxsync_promotion::EventKind;

use crate::key::CodeSyncKey;

/// The longest note that the API server takes, in bytes.
const NOTE_LIMIT_BYTES: usize = 1024;
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
    let event = Event {
        metadata: ObjectMeta {
            name: Some(name(key, reason, message, now)),
            namespace: Some(key.namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some("Promote".to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(cut(message)),
        reason: Some(reason.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(CodeSync::api_version(&()).into_owned()),
            kind: Some(CodeSync::kind(&()).into_owned()),
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(REPORTER.to_owned()),
        reporting_instance: Some(REPORTER.to_owned()),
        type_: Some(
            match kind {
                EventKind::Normal => "Normal",
                EventKind::Warning => "Warning",
            }
            .to_owned(),
        ),
        ..Event::default()
    };
    let api: Api<Event> = Api::namespaced(client.clone(), &key.namespace);
    if let Err(error) = api.create(&PostParams::default(), &event).await {
        warn!(code_sync = %key, reason, %error, "an event could not be written");
    }
}

/// Unique among the events of a moment.
fn name(key: &CodeSyncKey, reason: &str, message: &str, now: Timestamp) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (reason, message, now.as_nanosecond()).hash(&mut hasher);
    format!("{}.{:016x}", key.name, hasher.finish())
}

fn cut(message: &str) -> String {
    message.get(..message.floor_char_boundary(NOTE_LIMIT_BYTES)).unwrap_or_default().to_owned()
}

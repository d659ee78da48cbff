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

use crate::{call::call, key::CodeSyncKey};

/// The longest note that the API server takes, in bytes.
const NOTE_LIMIT_BYTES: usize = 1024;
/// The longest part of a CodeSync's name in that of an event, in bytes; the API server takes names of 253.
const NAME_PART_LIMIT_BYTES: usize = 200;
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
        note: Some(cut(message, NOTE_LIMIT_BYTES).to_owned()),
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
    if let Err(error) = call(api.create(&PostParams::default(), &event)).await {
        warn!(code_sync = %key, reason, %error, "an event could not be written");
    }
}

/// Unique among the events of a moment.
fn name(key: &CodeSyncKey, reason: &str, message: &str, now: Timestamp) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (reason, message, now.as_nanosecond()).hash(&mut hasher);
    // A part of a name must end with a letter or digit.
    let part = cut(&key.name, NAME_PART_LIMIT_BYTES).trim_end_matches(['-', '.']);
    format!("{part}.{:016x}", hasher.finish())
}

fn cut(text: &str, limit_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(limit_bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_that_the_api_server_takes_them() {
        for (long, end) in [("x".repeat(253), "x"), ("x".repeat(198) + "-." + &"x".repeat(53), "x")] {
            let key = CodeSyncKey { namespace: "puppet".to_owned(), name: long };
            let name = name(&key, "Held", "changed", Timestamp::UNIX_EPOCH);
            let (part, _) = name.rsplit_once('.').unwrap();
            assert!(name.len() <= 253 && part.ends_with(end), "{name}");
        }
    }
}

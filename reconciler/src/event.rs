//! Kubernetes Events on Servers: what a person would want to know of them.
//!
//! An event is said once; who calls must not call twice for the same thing. A failure to say it is no failure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, Resource as _, api::PostParams};
use voxsync_crds::Server;

/// Who says it.
const REPORTER: &str = "voxsync-reconciler";
/// The longest note of an event (events.k8s.io/v1).
const NOTE_LIMIT_BYTES: usize = 1024;
/// The longest part of a Server's name in the name of an event, which has a time in it too.
const NAME_LIMIT_BYTES: usize = 200;
/// The longest wait for the API server to take an event.
const CALL_LIMIT_SECONDS: u64 = 5;

/// Something that happened to a Server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) severity: Severity,
    /// A word for programs.
    pub(crate) reason: &'static str,
    /// What happened, and what to do.
    pub(crate) note: String,
}

/// Whether somebody has to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Normal,
    Warning,
}

/// Says it.
pub(crate) async fn publish(client: &Client, server: &Server, event: &Event, now: Timestamp) {
    let regarding = server.object_ref(&());
    let namespace = regarding.namespace.clone().unwrap_or_default();
    let name = regarding.name.clone().unwrap_or_default();
    let api = Api::<v1::Event>::namespaced(client.clone(), &namespace);
    let event = event_object(event, regarding, now);
    let parameters = PostParams::default();
    let created =
        tokio::time::timeout(Duration::from_secs(CALL_LIMIT_SECONDS), api.create(&parameters, &event));
    let error = match created.await {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer in {CALL_LIMIT_SECONDS} s"),
    };
    tracing::warn!(namespace, server = name, error, "cannot create an event; the log has what it would say");
}

fn event_object(event: &Event, regarding: ObjectReference, now: Timestamp) -> v1::Event {
    let name = cut(regarding.name.as_deref().unwrap_or_default(), NAME_LIMIT_BYTES);
    v1::Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}", now.as_nanosecond())),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some("Reconcile".to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(cut(&event.note, NOTE_LIMIT_BYTES).to_owned()),
        reason: Some(event.reason.to_owned()),
        regarding: Some(regarding),
        reporting_controller: Some(REPORTER.to_owned()),
        reporting_instance: Some(REPORTER.to_owned()),
        type_: Some(
            match event.severity {
                Severity::Normal => "Normal",
                Severity::Warning => "Warning",
            }
            .to_owned(),
        ),
        ..v1::Event::default()
    }
}

fn cut(text: &str, limit_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(limit_bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_characters() {
        let regarding = ObjectReference { name: Some("s".repeat(253)), ..ObjectReference::default() };
        let event = Event { severity: Severity::Warning, reason: "PutBack", note: "ä".repeat(1000) };
        let object = event_object(&event, regarding, Timestamp::from_second(1).unwrap());
        assert_eq!(object.note.unwrap().len(), NOTE_LIMIT_BYTES);
        assert_eq!(object.metadata.name.unwrap(), format!("{}.3b9aca00", "s".repeat(NAME_LIMIT_BYTES)));
    }
}

//! Kubernetes Events on Servers: what a person would want to know of them.
//!
//! A failure to say it is no failure.

use jiff::Timestamp;
use kube::{Client, Resource as _};
use voxsync_crds::Server;
use voxsync_event::News;
pub(crate) use voxsync_event::Severity;

/// Who says it.
const REPORTER: &str = "voxsync.dev/reconciler";

/// Something that happened to a Server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) severity: Severity,
    /// A word for programs.
    pub(crate) reason: &'static str,
    /// What happened, and what to do.
    pub(crate) note: String,
}

/// Says it.
pub(crate) async fn publish(client: &Client, server: &Server, event: &Event, now: Timestamp) {
    let Event { severity, reason, note } = event;
    let news = News { reporter: REPORTER, action: "Reconcile", severity: *severity, reason, note };
    let regarding = server.object_ref(&());
    let (namespace, name) = (regarding.namespace.clone(), regarding.name.clone());
    if let Err(error) = voxsync_event::publish(client, regarding, news, now).await {
        tracing::warn!(namespace, server = name, %error, "an event could not be written; the log has what it says");
    }
}

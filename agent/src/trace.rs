//! The spans of the agent, for OpenTelemetry: a look, a pass, a write. Their level is debug, so that the log at its
//! usual level stays as it is.
//!
//! An attribute never has more than names in it: no URL with a login, no Secret, nothing that a source answered.

use tracing::{Span, debug_span, field::Empty};

use crate::{key::CodeSyncKey, look::place::Place};

/// A look at a place; `outcome` comes at its end.
pub(crate) fn look(place: &Place) -> Span {
    let span = debug_span!("look", kind = place.kind(), source = Empty, outcome = Empty);
    if span.is_disabled() {
        return span;
    }
    match place {
        Place::Registry { repository, .. } => span.record("source", repository.as_str()),
        // Logins in it are refused before they come here.
        Place::Git { url, .. } => span.record("source", url.as_str()),
        Place::File { path } => span.record("source", path.display().to_string()),
        Place::Image { reference, .. } => span.record("source", reference.repository()),
    };
    span
}

/// A pass: a decision is stored and carried out.
pub(crate) fn pass(key: &CodeSyncKey, promotion: Option<&str>) -> Span {
    debug_span!("pass", code_sync = %key, promotion)
}

/// The write of a code reference, within a pass.
pub(crate) fn write(target: &impl std::fmt::Display) -> Span {
    debug_span!("write", %target)
}

//! Who is told of what: from an Event and the status to letters. Pure.

use std::sync::Arc;

use jiff::Timestamp;
use voxsync_crds::{
    CodeSync,
    code_sync::{CodeSyncSpec, CodeSyncStatus, Notification, NotificationOccasion},
};
use voxsync_notification::{News, Template, occasion};

use crate::key::CodeSyncKey;

/// News for one receiver.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) key: CodeSyncKey,
    pub(super) uid: String,
    /// Which of `spec.notifications` asked for it; the first is 0.
    pub(super) number: usize,
    pub(super) notification: Notification,
    pub(super) template: Option<Template>,
    pub(super) news: Arc<News>,
}

/// What is wrong with the notifications of a spec that the API server cannot see.
pub(crate) fn check(spec: &CodeSyncSpec) -> Result<(), String> {
    for (number, notification) in spec.notifications.iter().enumerate() {
        if let Some(template) = &notification.template {
            Template::parse(template)
                .map_err(|error| format!("notifications[{number}].template: {error}"))?;
        }
    }
    Ok(())
}

/// The letters that an Event leads to.
pub(super) fn letters(
    code_sync: &CodeSync,
    status: Option<&CodeSyncStatus>,
    (reason, message): (&str, &str),
    now: Timestamp,
) -> Vec<Letter> {
    let Some((reason, occasion)) = occasion(reason) else { return Vec::new() };
    let wanted = code_sync.spec.notifications.iter().enumerate();
    let mut wanted = wanted.filter(|(_, notification)| wants(&notification.occasions, occasion)).peekable();
    if wanted.peek().is_none() {
        return Vec::new();
    }
    let key = CodeSyncKey::of(code_sync);
    let uid = code_sync.metadata.uid.clone().unwrap_or_default();
    let news = Arc::new(news((&key, &uid), status, (occasion, reason, message), now));
    wanted
        .map(|(number, notification)| Letter {
            key: key.clone(),
            uid: uid.clone(),
            number,
            notification: notification.clone(),
            // A bad one is no reason to say nothing: it stalls the CodeSync, and that is to be told, too.
            template: notification.template.as_deref().and_then(|text| Template::parse(text).ok()),
            news: Arc::clone(&news),
        })
        .collect()
}

/// Whoever wants to know of failures wants to know of those that were rolled back.
fn wants(on: &[NotificationOccasion], occasion: NotificationOccasion) -> bool {
    on.is_empty()
        || on.contains(&occasion)
        || (occasion == NotificationOccasion::RolledBack && on.contains(&NotificationOccasion::Failed))
}

fn news(
    (key, uid): (&CodeSyncKey, &str),
    status: Option<&CodeSyncStatus>,
    (occasion, reason, message): (NotificationOccasion, &'static str, &str),
    now: Timestamp,
) -> News {
    let promotion = status.and_then(|status| status.promotion.as_ref());
    let is_of_source = occasion == NotificationOccasion::Source;
    // What is promoted; before and without a promotion, what should be.
    let candidate = promotion.filter(|_| !is_of_source).map(|promotion| &promotion.candidate);
    let candidate = candidate.or_else(|| status?.candidate.as_ref());
    let failed_in = promotion.and_then(|promotion| promotion.failure.as_ref()).map(|failure| &failure.stage);
    let stage = match occasion {
        NotificationOccasion::Failed | NotificationOccasion::RolledBack => failed_in,
        NotificationOccasion::Waiting | NotificationOccasion::Held => {
            status.and_then(|status| status.stage.as_ref())
        }
        NotificationOccasion::Started | NotificationOccasion::Released | NotificationOccasion::Source => None,
    };
    let from = promotion.and_then(|promotion| promotion.from_name.clone());
    News {
        occasion,
        reason,
        namespace: key.namespace.clone(),
        code_sync: key.name.clone(),
        uid: uid.to_owned(),
        name: candidate.map(|candidate| candidate.name.clone()),
        reference: candidate.map(|candidate| candidate.reference.clone()),
        from: from.filter(|_| !is_of_source),
        stage: stage.cloned(),
        promotion: promotion.filter(|_| !is_of_source).map(|promotion| promotion.id.clone()),
        message: message.to_owned(),
        at: now,
    }
}

#[cfg(test)]
#[path = "letter_tests.rs"]
mod tests;

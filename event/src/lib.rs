//! Kubernetes Events without repetition: what is said again is counted on the Event that said it first.
//!
//! The name of an Event comes from what it says, so that another process (after a restart, or another leader) finds
//! the one that is there: `series` counts how often it was said, and `kubectl get events` shows that. Said again
//! within a few minutes, it is the same news, and nothing is written; as in Kubernetes' own components.
//!
//! It may create, get and patch Events, and nothing else.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The longest note that the API server takes, in bytes.
const NOTE_LIMIT_BYTES: usize = 1024;
/// The longest part of an object's name in that of an Event, in bytes; the API server takes names of 253.
const NAME_PART_LIMIT_BYTES: usize = 200;
/// How many bytes of the fingerprint are in an Event's name.
const FINGERPRINT_BYTES: usize = 8;
/// How long something that was said is not news.
const REPEAT_PAUSE: Duration = Duration::from_mins(6);
/// How long the API server may take for one answer.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// What there is to say.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// Who says it.
    pub reporter: &'a str,
    /// What it was doing: a word for programs.
    pub action: &'a str,
    /// Whether somebody should look.
    pub severity: Severity,
    /// What it is about: a word for programs.
    pub reason: &'a str,
    /// A sentence for people.
    pub note: &'a str,
}

/// Whether somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Normal,
    /// Worth a look.
    Warning,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Why an Event was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not take it.
    #[error("the API server does not take it: {0}")]
    Refused(#[from] kube::Error),
    /// The API server did not answer.
    #[error("the API server did not answer in {CALL_LIMIT:?}")]
    Silent,
}

/// Says it about an object. Nothing depends on an Event: who calls logs the error and goes on.
///
/// # Errors
/// Where the Event could neither be created nor counted.
pub async fn publish(
    client: &Client,
    regarding: ObjectReference,
    news: News<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    let namespace = regarding.namespace.clone().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
    let event = first(regarding, news, now);
    let name = event.metadata.name.clone().unwrap_or_default();
    match within(api.create(&PostParams::default(), &event)).await {
        Err(Error::Refused(kube::Error::Api(refusal))) if refusal.code == 409 => {}
        created => return created.map(|_| ()),
    }
    let present = within(api.get(&name)).await?;
    let Some(series) = counted(&present, now) else { return Ok(()) };
    let patch = Patch::Merge(json!({"series": series}));
    within(api.patch(&name, &PatchParams::default(), &patch)).await.map(|_| ())
}

/// The Event that says it for the first time.
fn first(regarding: ObjectReference, news: News<'_>, now: Timestamp) -> Event {
    Event {
        metadata: ObjectMeta {
            name: Some(name(&regarding, news)),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(news.action.to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(cut(news.note, NOTE_LIMIT_BYTES).to_owned()),
        reason: Some(news.reason.to_owned()),
        regarding: Some(regarding),
        reporting_controller: Some(news.reporter.to_owned()),
        // No name of a process: another one says the same.
        reporting_instance: Some(news.reporter.to_owned()),
        type_: Some(news.severity.as_str().to_owned()),
        ..Event::default()
    }
}

/// The name of the object, and a fingerprint of all that is said of it.
fn name(regarding: &ObjectReference, news: News<'_>) -> String {
    let object = regarding.name.as_deref().unwrap_or_default();
    let uid = regarding.uid.as_deref().unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [uid, news.reporter, news.severity.as_str(), news.reason, news.note] {
        hash.update(part);
        hash.update([0]);
    }
    // A part of a name must end with a letter or digit.
    let part = cut(object, NAME_PART_LIMIT_BYTES).trim_end_matches(['-', '.']);
    let fingerprint = hash.finalize();
    format!("{part}.{}", hex::encode(fingerprint.get(..FINGERPRINT_BYTES).unwrap_or_default()))
}

/// The count of an Event that is there once it is said again; none where that is no news.
fn counted(present: &Event, now: Timestamp) -> Option<EventSeries> {
    let series = present.series.as_ref();
    let last = series.map(|series| &series.last_observed_time).or(present.event_time.as_ref());
    let pause = last.map(|MicroTime(last)| now.duration_since(*last));
    if pause.is_some_and(|pause| pause < REPEAT_PAUSE.try_into().unwrap_or_default()) {
        return None;
    }
    let count = series.map_or(1, |series| series.count).saturating_add(1);
    Some(EventSeries { count, last_observed_time: MicroTime(now) })
}

async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    tokio::time::timeout(CALL_LIMIT, call).await.map_err(|_| Error::Silent)?.map_err(Error::Refused)
}

fn cut(text: &str, limit_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(limit_bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWS: News<'_> = News {
        reporter: "voxsync",
        action: "Promote",
        severity: Severity::Warning,
        reason: "Held",
        note: "a",
    };

    fn about(name: &str, uid: &str) -> ObjectReference {
        ObjectReference {
            name: Some(name.to_owned()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        }
    }

    #[test]
    fn the_same_news_has_the_same_name_and_other_news_another() {
        let same = name(&about("a", "1"), NEWS);
        assert_eq!(same, "a.f0ed851319063f9e", "it must not change from one release to the next");
        for other in [
            name(&about("a", "2"), NEWS),
            name(&about("a", "1"), News { reporter: "other", ..NEWS }),
            name(&about("a", "1"), News { severity: Severity::Normal, ..NEWS }),
            name(&about("a", "1"), News { reason: "Failed", ..NEWS }),
            name(&about("a", "1"), News { note: "b", ..NEWS }),
        ] {
            assert_ne!(same, other);
        }
    }

    #[test]
    fn names_and_notes_are_such_that_the_api_server_takes_them() {
        for (long, end) in [("x".repeat(253), "x"), ("x".repeat(198) + "-." + &"x".repeat(53), "x")] {
            let name = name(&about(&long, ""), NEWS);
            let (part, _) = name.rsplit_once('.').unwrap();
            assert!(name.len() <= 253 && part.ends_with(end), "{name}");
        }
        let note = "ä".repeat(1000);
        let event = first(about("a", ""), News { note: &note, ..NEWS }, Timestamp::UNIX_EPOCH);
        assert_eq!(event.note.unwrap().len(), NOTE_LIMIT_BYTES);
    }

    #[test]
    fn said_again_it_is_counted_but_not_at_once() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let mut event = first(about("a", ""), NEWS, at(0));
        assert_eq!(counted(&event, at(5)), None);
        let second = counted(&event, at(6)).unwrap();
        assert_eq!((second.count, second.last_observed_time.0), (2, at(6)));
        event.series = Some(second);
        assert_eq!(counted(&event, at(11)), None);
        assert_eq!(counted(&event, at(12)).unwrap().count, 3);
    }
}

//! A watch: changes as a stream of JSON lines, from a resource version on.
//!
//! Reads the store once, at the start; then only its own bounded queue. A watcher that falls behind its queue is cut
//! off, and lists again.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::body::Bytes;
use futures::{Stream, stream};
use serde_json::{Value, json};
use tokio::{
    sync::broadcast,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until},
};

use crate::{
    json::text,
    options::Clock,
    refusal::Refusal,
    resource::{Bucket, Resource},
    selector::Selector,
    store::{Change, Changes, Store},
    table::{RowObject, Shape, shaped},
};

const BOOKMARK_INTERVAL: Duration = Duration::from_mins(1);
const DEFAULT_TIMEOUT_SECONDS: u64 = 1800;
const MAXIMUM_TIMEOUT_SECONDS: u64 = 24 * 3600;

/// What to watch, and in which form.
pub(crate) struct Watched {
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespace: Option<String>,
    pub(crate) selector: Selector,
    pub(crate) shape: Shape,
    pub(crate) row_object: RowObject,
    pub(crate) clock: Clock,
}

/// Where to start, and how to end.
pub(crate) struct Span {
    /// Zero or nothing: from the present objects on, which come first as added.
    pub(crate) after: Option<u64>,
    /// `sendInitialEvents`, where it is given.
    pub(crate) initial_events: Option<bool>,
    pub(crate) bookmarks: bool,
    pub(crate) timeout_seconds: Option<u64>,
}

/// Starts a watch. The stream ends at its timeout, or when the watcher falls behind.
pub(crate) fn start(
    store: &Store,
    watched: Watched,
    span: &Span,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + 'static {
    let seconds = span.timeout_seconds.unwrap_or(DEFAULT_TIMEOUT_SECONDS).min(MAXIMUM_TIMEOUT_SECONDS);
    let from_now = span.after.unwrap_or(0) == 0 || span.initial_events == Some(true);
    let after = if from_now { store.version() } else { span.after.unwrap_or_default() };
    let mut ticks = interval_at(Instant::now() + BOOKMARK_INTERVAL, BOOKMARK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut session = Session {
        bucket: watched.resource.bucket(),
        lines: VecDeque::new(),
        changes: None,
        backlog: VecDeque::new(),
        version: after,
        bookmarks: span.bookmarks.then_some(ticks),
        end: Instant::now() + Duration::from_secs(seconds),
        is_first: true,
        watched,
    };
    match store.watch(after) {
        Ok((backlog, changes)) => {
            session.backlog = backlog;
            session.changes = Some(changes);
            if from_now && span.initial_events != Some(false) {
                session.initial_lines(store, span.initial_events == Some(true));
            }
        }
        Err(oldest) => {
            let status = Refusal::expired(after, oldest).status();
            session.lines.push_back(json!({"type": "ERROR", "object": status}));
        }
    }
    stream::unfold(session, |mut session| async move {
        let line = session.next().await?;
        Some((Ok(Bytes::from(format!("{line}\n"))), session))
    })
}

struct Session {
    watched: Watched,
    bucket: Bucket,
    /// What is ready to be sent.
    lines: VecDeque<Value>,
    backlog: VecDeque<Arc<Change>>,
    /// Nothing after the end.
    changes: Option<Changes>,
    version: u64,
    bookmarks: Option<Interval>,
    end: Instant,
    /// Tables carry their column definitions once.
    is_first: bool,
}

impl Session {
    fn initial_lines(&mut self, store: &Store, with_end_mark: bool) {
        let namespace = self.watched.namespace.clone();
        let present: Vec<Arc<Value>> = store
            .list(&self.bucket, namespace.as_deref())
            .map(|(_, object)| Arc::clone(object))
            .filter(|object| self.watched.selector.matches(object))
            .collect();
        for object in present {
            let line = self.event("ADDED", &object);
            self.lines.push_back(line);
        }
        if with_end_mark {
            let mark = self.bookmark(&json!({"k8s.io/initial-events-end": "true"}));
            self.lines.push_back(mark);
        }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if let Some(change) = self.backlog.pop_front() {
                self.take(&change);
                continue;
            }
            let changes = self.changes.as_mut()?;
            let bookmarks = &mut self.bookmarks;
            let tick = async {
                match bookmarks {
                    Some(ticks) => ticks.tick().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                received = changes.recv() => match received {
                    Ok(change) => self.take(&change),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, resource = self.watched.resource.qualified(), "a watcher is too slow and was cut off");
                        return None;
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                () = sleep_until(self.end) => {
                    self.changes = None;
                    if self.bookmarks.is_some() {
                        let mark = self.bookmark(&Value::Null);
                        self.lines.push_back(mark);
                    }
                }
                _ = tick => {
                    let mark = self.bookmark(&Value::Null);
                    self.lines.push_back(mark);
                }
            }
        }
    }

    fn take(&mut self, change: &Change) {
        self.version = self.version.max(change.version);
        if change.bucket != self.bucket {
            return;
        }
        let matching = |object: &Option<Arc<Value>>| {
            object.clone().filter(|object| {
                let namespace = text(object, "/metadata/namespace");
                self.watched.namespace.as_deref().is_none_or(|wanted| namespace == Some(wanted))
                    && self.watched.selector.matches(object)
            })
        };
        let line = match (matching(&change.before), matching(&change.after)) {
            (None, None) => return,
            (None, Some(after)) => self.event("ADDED", &after),
            (Some(_), Some(after)) => self.event("MODIFIED", &after),
            (Some(before), None) => {
                // It left the selector, or is gone; the version is that of this change either way.
                let mut last = Value::clone(&before);
                crate::json::metadata_mut(&mut last)
                    .insert("resourceVersion".to_owned(), json!(change.version.to_string()));
                self.event("DELETED", &last)
            }
        };
        self.lines.push_back(line);
    }

    fn event(&mut self, kind: &str, object: &Value) -> Value {
        let watched = &self.watched;
        let now = (watched.clock)();
        let mut shown = shaped(&watched.resource, object, watched.shape, watched.row_object, now);
        if watched.shape == Shape::Table && !std::mem::take(&mut self.is_first) {
            crate::json::object_mut(&mut shown).insert("columnDefinitions".to_owned(), Value::Null);
        }
        json!({"type": kind, "object": shown})
    }

    fn bookmark(&self, annotations: &Value) -> Value {
        let resource = &self.watched.resource;
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if !annotations.is_null() {
            crate::json::object_mut(&mut metadata).insert("annotations".to_owned(), annotations.clone());
        }
        let object = match self.watched.shape {
            Shape::Object => {
                json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata})
            }
            Shape::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            }),
            Shape::Table => json!({
                "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "columnDefinitions": Value::Null, "rows": [],
            }),
        };
        json!({"type": "BOOKMARK", "object": object})
    }
}

//! What came through a proxy, and what is caught of it. Decides; carries nothing out.

use std::fmt::{self, Write as _};

use axum::{
    body::Bytes,
    http::{Method, Uri},
};
use serde_json::Value;

use crate::harness::status::text;

/// What is not about the state of the cluster: Leases say who may write, reviews ask who somebody is.
const NOT_COUNTED: [&str; 3] =
    ["/apis/coordination.k8s.io/", "/apis/authentication.k8s.io/", "/apis/authorization.k8s.io/"];

/// One write of the process.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) name: WriteName,
    pub(crate) body: String,
    pub(crate) fate: Fate,
}

/// What tells a write from the others of a run, and finds it again in the next one: writes that do not depend on each
/// other come in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriteName {
    pub(crate) verb: String,
    /// Kind and name as in the path, for instance `codesyncs/production/status`.
    pub(crate) object: String,
    /// The how manieth of these it is, from 1.
    pub(crate) occurrence: usize,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The API server has not seen it, and never will.
    Blocked,
    /// The proxy keeps it until it is released.
    Held,
    /// It is on its way.
    UnderWay,
    /// The API server answered with this status.
    Answered(u16),
    /// The API server could not be reached.
    Lost,
}

/// Which write is caught, and when.
pub(crate) enum Catch {
    /// Neither this write nor anything after it gets to the API server.
    Before(WriteName),
    /// This write is carried out, but neither its answer nor anything after it gets through.
    After(WriteName),
    /// So many writes that the API server takes are carried out, one at a time; but neither the answer to the last of them
    /// nor anything after it gets through.
    AfterTaken(usize),
    /// The first write that is like this is held until it is released; others pass.
    Hold(fn(&Write) -> bool),
}

/// All that came.
#[derive(Default)]
pub(super) struct Traffic {
    /// The writes since it counts.
    pub(super) writes: Vec<Write>,
    pub(super) catch: Option<Catch>,
    /// The place of the write that was caught.
    pub(super) caught: Option<usize>,
    pub(super) is_closed: bool,
}

/// How a request goes on.
pub(super) enum Passage {
    /// It is no write.
    Free,
    /// It is a write, at this place.
    Write {
        place: usize,
        course: Course,
    },
    Blocked,
}

/// What becomes of a write that is not blocked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It is carried out and answered.
    Free,
    /// It is kept until it is released.
    Held,
    /// It is carried out, and nobody hears of it.
    Unanswered,
    /// It waits for its turn; nobody hears of the last that is still to be taken.
    InTurn,
}

impl Traffic {
    /// Counts a write that was taken in its turn, and says whether it was the last.
    pub(super) fn is_last(&mut self) -> bool {
        let Some(Catch::AfterTaken(rest)) = &mut self.catch else { return false };
        *rest = rest.saturating_sub(1);
        *rest == 0
    }

    /// How a request goes on.
    pub(super) fn admit(&mut self, write: Option<Write>) -> Passage {
        if self.is_closed {
            return Passage::Blocked;
        }
        let Some(mut write) = write else { return Passage::Free };
        let place = self.writes.len();
        let is_alike =
            |one: &&Write| (&one.name.verb, &one.name.object) == (&write.name.verb, &write.name.object);
        write.name.occurrence = self.writes.iter().filter(is_alike).count() + 1;
        let passage = match &self.catch {
            Some(Catch::Before(name)) if *name == write.name => {
                (self.caught, self.is_closed, write.fate) = (Some(place), true, Fate::Blocked);
                Passage::Blocked
            }
            Some(Catch::After(name)) if *name == write.name => {
                self.is_closed = true;
                Passage::Write { place, course: Course::Unanswered }
            }
            Some(Catch::Hold(is_wanted)) if is_wanted(&write) => {
                (self.caught, self.catch, write.fate) = (Some(place), None, Fate::Held);
                Passage::Write { place, course: Course::Held }
            }
            Some(Catch::AfterTaken(_)) => Passage::Write { place, course: Course::InTurn },
            _ => Passage::Write { place, course: Course::Free },
        };
        self.writes.push(write);
        passage
    }
}

impl fmt::Display for WriteName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, object, occurrence } = self;
        write!(formatter, "{verb:5} {object} {occurrence}")
    }
}

/// The write that a request is; none if it changes nothing or is not counted.
pub(super) fn as_write(method: &Method, uri: &Uri, body: &Bytes) -> Option<Write> {
    let is_write = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method);
    let is_dry_run = uri.query().is_some_and(|query| query.contains("dryRun=All"));
    let path = uri.path();
    if !is_write || is_dry_run || NOT_COUNTED.iter().any(|group| path.starts_with(group)) {
        return None;
    }
    let within = path.split_once("/namespaces/").and_then(|(_, rest)| rest.split_once('/'));
    let mut object = within.map_or(path, |(_, object)| object).to_owned();
    if object == "events" {
        let event: Value = serde_json::from_slice(body).unwrap_or_default();
        let _ = write!(object, "/{}/{}", text(&event["regarding"]["name"]), text(&event["reason"]));
    }
    let name = WriteName { verb: method.to_string(), object, occurrence: 0 };
    Some(Write { name, body: String::from_utf8_lossy(body).into_owned(), fate: Fate::UnderWay })
}

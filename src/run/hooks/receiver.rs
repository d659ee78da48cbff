//! From a request to an answer.
//!
//! Whoever has no proof gets one answer, after one time, whatever exists and whatever is wrong. Whoever has one is answered
//! before anything is looked at.

use std::{path::PathBuf, time::Duration};

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tracing::debug;
use voxsync_agent::{CodeSyncKey, LookBell};
use voxsync_cluster::Cluster;
use voxsync_crds::code_sync::{LabelSelector, WebhookSender};
use voxsync_webhook::{Delivery, News, Secret, name, prove, prove_to_anyone};

use super::{
    body,
    metrics::Metrics,
    refusals::Refusals,
    secrets::{Origin, Secrets},
    subjects::{self, Subject},
};

/// How long after its body a request is refused: longer than all that goes before.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// How much of that may be waited for a secret: who is told apart by how slow the API server is, exists.
const SECRET_TIME: Duration = Duration::from_millis(800);
/// When to try again where nobody hears it.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");
/// What the sender at `/hooks` is called where it is counted, and one for no CodeSync.
const ANYONE: &str = "any";
const UNKNOWN: &str = "unknown";

/// What answers.
pub(super) struct Receiver {
    pub(super) cluster: Cluster,
    pub(super) selector: Option<LabelSelector>,
    pub(super) bell: LookBell,
    /// For those that the agent of this process does not look at.
    pub(super) others: LookBell,
    pub(super) secrets: Secrets,
    /// The secret for all; none where there is none.
    pub(super) file: Option<PathBuf>,
    pub(super) refusals: Refusals,
    pub(super) metrics: Metrics,
}

/// What an address names.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// `/hooks`.
    All,
    /// `/hooks/<namespace>/<CodeSync>`, perhaps with a token behind it.
    One { namespace: &'a str, name: &'a str, token: Option<&'a str> },
}

/// A delivery that was proven.
struct Heard {
    sender: &'static str,
    news: News,
    subjects: Vec<Subject>,
}

/// One that was not, and what the log says of it.
struct Refused {
    code_sync: Option<CodeSyncKey>,
    sender: &'static str,
    why: String,
}

/// What is answered, and to whom.
pub(super) enum Answer {
    ToTheProven(Response),
    ToAnyone(Response),
}

impl Receiver {
    /// Says when the request is complete: what follows until the proof takes our time, not the sender's.
    pub(super) async fn answer(&self, request: Request<Body>, is_complete: impl FnOnce()) -> Answer {
        let (parts, body) = request.into_parts();
        let place = match self.place(parts.uri.path()) {
            Some(place) if matches!(parts.method, Method::POST | Method::OPTIONS) => place,
            Some(_) => return Answer::ToAnyone(not_allowed()),
            None => return Answer::ToAnyone(StatusCode::NOT_FOUND.into_response()),
        };
        if !self.cluster.is_ready() {
            return Answer::ToAnyone(later());
        }
        let body = match body::read(&parts.headers, body).await {
            Ok(body) => body,
            Err(status) => {
                self.metrics.received(UNKNOWN, "invalid");
                return Answer::ToAnyone(status.into_response());
            }
        };
        is_complete();
        let read_at = Instant::now();
        match self.hear(place, &parts.headers, &body, read_at + SECRET_TIME).await {
            Ok(heard) if parts.method == Method::OPTIONS => {
                Answer::ToTheProven(permission(&heard, &parts.headers))
            }
            Ok(heard) => Answer::ToTheProven(self.ring(&heard)),
            Err(Refused { code_sync, sender, why }) => {
                drop(body);
                self.metrics.received(sender, "refused");
                self.refusals.note(code_sync.as_ref(), &why);
                sleep_until(read_at + REFUSAL_TIME).await;
                let answer = "no CodeSync of this name takes a webhook with this proof\n";
                Answer::ToAnyone((StatusCode::UNAUTHORIZED, answer).into_response())
            }
        }
    }

    fn place<'a>(&self, path: &'a str) -> Option<Place<'a>> {
        let mut parts = path.strip_prefix("/hooks")?.split('/');
        if parts.next() != Some("") {
            return None;
        }
        let place = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => self.file.as_ref().map(|_| Place::All),
            (Some(namespace), Some(name), token) => Some(Place::One { namespace, name, token }),
            _ => None,
        };
        place.filter(|_| parts.next().is_none())
    }

    /// Whatever is wrong, it is known by then.
    async fn hear(
        &self,
        place: Place<'_>,
        headers: &HeaderMap,
        body: &[u8],
        by: Instant,
    ) -> Result<Heard, Refused> {
        match place {
            Place::All => self.hear_anyone(Delivery { headers, body, last_segment: None }, by).await,
            Place::One { namespace, name, token } => {
                let delivery = Delivery { headers, body, last_segment: token };
                self.hear_of(namespace, name, delivery, by).await
            }
        }
    }

    async fn hear_of(
        &self,
        namespace: &str,
        code_sync: &str,
        delivery: Delivery<'_>,
        by: Instant,
    ) -> Result<Heard, Refused> {
        let Some((subject, webhook)) = subjects::named(&self.cluster, namespace, code_sync) else {
            let why = "their addresses name no CodeSync that has source.webhook".to_owned();
            return Err(Refused { code_sync: None, sender: UNKNOWN, why });
        };
        let kind = &webhook.sender;
        let origin = Origin::Secret { namespace: namespace.to_owned(), name: webhook.secret_ref.name };
        let prove = |secret: &Secret| prove(kind, delivery, secret, Timestamp::now());
        match self.secrets.prove(&origin, prove, by).await {
            Ok(proven) => Ok(Heard { sender: name(*kind), news: proven.news(), subjects: vec![subject] }),
            Err(why) => Err(Refused { code_sync: Some(subject.key), sender: name(*kind), why }),
        }
    }

    async fn hear_anyone(&self, delivery: Delivery<'_>, by: Instant) -> Result<Heard, Refused> {
        let origin = Origin::File(self.file.clone().unwrap_or_default());
        let prove = |secret: &Secret| prove_to_anyone(delivery, secret, Timestamp::now());
        let proven = self.secrets.prove(&origin, prove, by).await;
        let news = proven.map_err(|why| Refused { code_sync: None, sender: ANYONE, why })?.news();
        let subjects = subjects::following(&self.cluster, &news.repositories);
        Ok(Heard { sender: ANYONE, news, subjects })
    }

    /// Asks for the looks, and says that they were asked for.
    fn ring(&self, heard: &Heard) -> Response {
        let Heard { sender, news, subjects } = heard;
        if let Some(challenge) = &news.challenge {
            self.metrics.received(sender, "nothing");
            return Json(json!({"validationResponse": challenge})).into_response();
        }
        let outcome = match news.asks_for_a_look() && !subjects.is_empty() {
            false => "nothing",
            true if self.ring_for_all(subjects) => "look",
            true => "unheard",
        };
        for Subject { key, .. } in subjects {
            debug!(code_sync = %key, sender, change = ?news.change, outcome, "a webhook came");
        }
        self.metrics.received(sender, outcome);
        if outcome == "unheard" { later() } else { StatusCode::ACCEPTED.into_response() }
    }

    /// Whether all were heard. Those that come after one that was not are rung for, too.
    fn ring_for_all(&self, subjects: &[Subject]) -> bool {
        let unheard = subjects.iter().filter(|subject| !self.ring_for(subject));
        unheard.count() == 0
    }

    fn ring_for(&self, subject: &Subject) -> bool {
        let is_ours = subject.is_selected(self.selector.as_ref());
        (is_ours && self.bell.ring(&subject.key)) || self.others.ring(&subject.key)
    }
}

/// Senders of CloudEvents ask whether they may send, by
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection>.
fn permission(heard: &Heard, headers: &HeaderMap) -> Response {
    let origin =
        headers.get("webhook-request-origin").filter(|_| heard.sender == name(WebhookSender::CloudEvents));
    match origin {
        Some(origin) => {
            let any = HeaderValue::from_static("*");
            [("webhook-allowed-origin", origin.clone()), ("webhook-allowed-rate", any)].into_response()
        }
        None => not_allowed(),
    }
}

fn not_allowed() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response()
}

fn later() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)]).into_response()
}

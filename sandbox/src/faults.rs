//! Faults between a client and the API, for tests: errors, delays, dropped watches, an API server that is away.
//!
//! A layer around a router. What goes wrong is decided by a seed and by what is switched on, so that a failed test
//! can be repeated.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::Method,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use serde_json::json;
use tokio::sync::watch;

use crate::refusal::Refusal;

/// How often which fault happens, in requests of a thousand. The default is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Answered with 500, before the request has any effect.
    pub internal_error_per_thousand: u16,
    /// Answered with 500 after the request took its effect: the client cannot know.
    pub lost_answer_per_thousand: u16,
    /// Answered with 429 and `Retry-After: 1`.
    pub too_many_requests_per_thousand: u16,
    /// Writes answered with 409, without effect.
    pub conflict_per_thousand: u16,
    /// Every request waits so long first.
    pub delay: Duration,
}

/// The switch of the faults. Clones are the same switch.
#[derive(Clone)]
pub struct Faults {
    state: Arc<Mutex<FaultState>>,
    /// Counts up whenever all watches have to end.
    dropped: watch::Sender<u64>,
}

struct FaultState {
    plan: FaultPlan,
    random: u64,
    is_stopped: bool,
}

impl Faults {
    /// No faults yet; later ones follow from the seed and the order of requests.
    pub fn new(seed: u64) -> Self {
        let random = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let state = FaultState { plan: FaultPlan::default(), random, is_stopped: false };
        Self { state: Arc::new(Mutex::new(state)), dropped: watch::channel(0).0 }
    }

    /// Puts the faults in front of a router.
    pub fn layer(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), interfere))
    }

    /// From now on, requests fail as planned.
    pub fn set(&self, plan: FaultPlan) {
        self.state().plan = plan;
    }

    /// Ends all running watches, as a restarted API server or a proxy does.
    pub fn drop_watches(&self) {
        self.dropped.send_modify(|count| *count += 1);
    }

    /// The API server is away: watches end, and every request is refused with 503 until it is resumed.
    pub fn stop(&self) {
        self.state().is_stopped = true;
        self.drop_watches();
    }

    /// The API server is back.
    pub fn resume(&self) {
        self.state().is_stopped = false;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, FaultState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self, is_write: bool) -> (Option<Fault>, Duration) {
        let mut state = self.state();
        if state.is_stopped {
            return (Some(Fault::Away), Duration::ZERO);
        }
        let plan = state.plan;
        let faults = [
            (plan.internal_error_per_thousand, Fault::InternalError),
            (plan.lost_answer_per_thousand, Fault::LostAnswer),
            (plan.too_many_requests_per_thousand, Fault::TooManyRequests),
            (if is_write { plan.conflict_per_thousand } else { 0 }, Fault::Conflict),
        ];
        let mut drawn = state.draw_per_thousand();
        for (share, fault) in faults {
            if drawn < share {
                return (Some(fault), plan.delay);
            }
            drawn -= share;
        }
        (None, plan.delay)
    }
}

impl FaultState {
    /// A number below a thousand, by xorshift64*.
    fn draw_per_thousand(&mut self) -> u16 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let mixed = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        u16::try_from(mixed % 1000).unwrap_or(0)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Away,
    InternalError,
    LostAnswer,
    TooManyRequests,
    Conflict,
}

impl Fault {
    fn refusal(self) -> Refusal {
        match self {
            Self::Away => {
                Refusal::new(503, "ServiceUnavailable", "the sandbox plays an API server that is away")
            }
            Self::InternalError | Self::LostAnswer => {
                Refusal::new(500, "InternalError", "Internal error occurred: an injected fault")
            }
            Self::TooManyRequests => Refusal {
                details: json!({"retryAfterSeconds": 1}),
                ..Refusal::new(429, "TooManyRequests", "Too many requests, please try again later.")
            },
            Self::Conflict => Refusal::new(
                409,
                "Conflict",
                "Operation cannot be fulfilled: the object has been modified; please apply your changes to the \
                 latest version and try again",
            ),
        }
    }
}

async fn interfere(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let is_watch = request.uri().query().is_some_and(|query| query.contains("watch="));
    let (fault, delay) = faults.next_fault(request.method() != Method::GET);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let mut dropped = faults.dropped.subscribe();
    match fault {
        Some(Fault::LostAnswer) => {
            next.run(request).await;
            Fault::LostAnswer.refusal().into_response()
        }
        Some(fault) => fault.refusal().into_response(),
        None if is_watch => {
            let response = next.run(request).await;
            response.map(|body| {
                let until = async move { dropped.changed().await.is_ok() };
                Body::from_stream(body.into_data_stream().take_until(Box::pin(until)))
            })
        }
        None => next.run(request).await,
    }
}

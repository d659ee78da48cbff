//! Manners towards hosts: how many requests are under way, how many a second each host gets, and rests that a host asks
//! for. Shared by all who ask the same hosts: of registries, token servers and mirrors included.

mod host;
mod retry_after;
#[cfg(test)]
mod tests;
mod wish;

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::lock::lock;
use host::{Host, Outcome, Ticket, Verdict};
pub(crate) use retry_after::retry_after;
pub(crate) use wish::{Wish, wish};

/// How many requests a second a host gets at most, where nothing else is said: enough for a thousand repositories a
/// minute, and far from what gets anybody banned.
pub const DEFAULT_REQUESTS_PER_SECOND: u32 = 20;
/// How many requests are under way at once, besides one to each host.
const AT_ONCE: usize = 32;
/// How many of them may be to one host: one that does not answer holds up nobody but those who ask it.
const AT_ONCE_TO_A_HOST: usize = 8;
/// All of these but one.
const OTHERS_AT_A_HOST: u32 = 7;

/// Manners towards hosts; all clones are one.
#[derive(Clone)]
pub struct Pace(Arc<Shared>);

struct Shared {
    requests_per_second: u32,
    all: Arc<Semaphore>,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

struct Gate {
    /// Held by the one that waits, for whatever it is: it came first, and goes first.
    front: tokio::sync::Mutex<()>,
    /// Held by those that are under way.
    turns: Arc<Semaphore>,
    host: Mutex<Host>,
    /// Wakes those who wait for a trial.
    trial_ended: Notify,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new(DEFAULT_REQUESTS_PER_SECOND)
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pace({} a second)", self.0.requests_per_second)
    }
}

impl Pace {
    /// So many requests a second for each host.
    pub fn new(requests_per_second: u32) -> Self {
        let (all, gates) = (Arc::new(Semaphore::new(AT_ONCE)), Mutex::default());
        Self(Arc::new(Shared { requests_per_second, all, gates }))
    }

    /// Whether a host asked to be left alone now.
    pub fn is_resting(&self, host: &str) -> bool {
        !self.rest_of(host).is_zero()
    }

    /// How long a host still wants to be left alone; zero where it does not.
    pub fn rest_of(&self, host: &str) -> Duration {
        let gate = lock(&self.0.gates).get(host).cloned();
        gate.map(|gate| lock(&gate.host).rest(Instant::now())).unwrap_or_default()
    }

    /// Waits until a host may be asked. It counts as asked until what is given back is dropped.
    pub async fn admit(&self, host: &str) -> Admission {
        let gate = self.gate(host);
        let _front = gate.front.lock().await;
        let turn = Arc::clone(&gate.turns).acquire_owned().await.ok();
        loop {
            let trial_ended = gate.trial_ended.notified();
            let verdict = lock(&gate.host).admit(Instant::now());
            let ticket = match verdict {
                Verdict::Go(ticket) => ticket,
                Verdict::WaitUntil(time) => {
                    tokio::time::sleep_until(time).await;
                    continue;
                }
                Verdict::WaitForTrial => {
                    trial_ended.await;
                    continue;
                }
            };
            // Dropped while it waits, it counts as without an answer.
            let mut admission =
                Admission { gate: Arc::clone(&gate), ticket, is_open: true, permits: Vec::new() };
            // What is alone at its host waits for no other one: those that do not answer may hold all permits.
            let all = tokio::select! {
                biased;
                _alone = gate.turns.acquire_many(OTHERS_AT_A_HOST) => None,
                all = Arc::clone(&self.0.all).acquire_owned() => all.ok(),
            };
            // A rest may have begun in the meantime.
            if lock(&gate.host).admits_still(ticket) {
                admission.permits.extend(turn.into_iter().chain(all));
                return admission;
            }
        }
    }

    fn gate(&self, host: &str) -> Arc<Gate> {
        let now = Instant::now();
        let mut gates = lock(&self.0.gates);
        if let Some(gate) = gates.get(host) {
            return Arc::clone(gate);
        }
        // Who asks, or waits, holds its gate.
        gates.retain(|_, gate| Arc::strong_count(gate) > 1 || !lock(&gate.host).is_forgettable(now));
        let gate = Arc::new(Gate {
            front: tokio::sync::Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE_TO_A_HOST)),
            host: Mutex::new(Host::new(self.0.requests_per_second, now)),
            trial_ended: Notify::new(),
        });
        gates.insert(host.to_owned(), Arc::clone(&gate));
        gate
    }
}

/// The right to send one request, or to begin one conversation.
pub struct Admission {
    gate: Arc<Gate>,
    ticket: Ticket,
    is_open: bool,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Admission {
    /// The host answered.
    pub(crate) fn answered(&mut self) {
        self.ended(Outcome::Answered);
    }

    /// The host wants to be left alone, perhaps for so long.
    pub(crate) fn refused(&mut self, retry_after: Option<Duration>) {
        self.ended(Outcome::Refused(retry_after));
    }

    fn ended(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.is_open, false) {
            lock(&self.gate.host).ended(self.ticket, outcome, Instant::now(), chance());
            self.gate.trial_ended.notify_waiters();
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.ended(Outcome::NoAnswer);
    }
}

/// A number between 0 and 1 that is another one in each process.
#[expect(clippy::cast_precision_loss, reason = "any number between 0 and 1 is good")]
fn chance() -> f64 {
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1_u64 << 53) as f64
}

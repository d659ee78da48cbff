//! Manners towards hosts: how many requests are under way, how many a second each host gets, and rests that a host asks
//! for. Shared by all who ask the same hosts: of registries, token servers and mirrors included.

mod host;

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

/// How many requests a second a host gets at most, where nothing else is said: enough for a thousand repositories a
/// minute, and far from what gets anybody banned.
pub const DEFAULT_REQUESTS_PER_SECOND: u32 = 20;
/// How many requests are under way at once, besides one to each host.
const AT_ONCE: usize = 32;
/// How many of them may be to one host: one that does not answer holds up nobody but those who ask it.
const AT_ONCE_TO_A_HOST: usize = 8;

/// Manners towards hosts; all clones are one.
#[derive(Clone)]
pub struct Pace(Arc<Shared>);

struct Shared {
    requests_per_second: u32,
    all: Arc<Semaphore>,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

struct Gate {
    turns: Arc<Semaphore>,
    /// Held by the one that waits for the budget or a rest: it came first, and goes first.
    front: tokio::sync::Mutex<()>,
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
        lock(&self.0.gates).get(host).is_some_and(|gate| lock(&gate.host).is_resting(Instant::now()))
    }

    /// Waits until a host may be asked. It counts as asked until what is given back is dropped.
    pub async fn admit(&self, host: &str) -> Admission {
        let gate = self.gate(host);
        let turn = Arc::clone(&gate.turns).acquire_owned().await.ok();
        let _front = gate.front.lock().await;
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
            // A host that nobody else asks waits for no other: those that do not answer may hold all permits.
            let is_alone = gate.turns.available_permits() + 1 == AT_ONCE_TO_A_HOST;
            let all = if is_alone { None } else { Arc::clone(&self.0.all).acquire_owned().await.ok() };
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
            turns: Arc::new(Semaphore::new(AT_ONCE_TO_A_HOST)),
            front: tokio::sync::Mutex::default(),
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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_host_that_does_not_answer_holds_up_nobody_else() {
        let pace = Pace::default();
        let mut dead = Vec::new();
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(pace.admit("dead"))).collect();
        for one in &mut waiting {
            dead.extend(one.now_or_never());
        }
        assert_eq!(dead.len(), AT_ONCE_TO_A_HOST);
        assert!(pace.admit("well").now_or_never().is_some());
        drop((waiting, dead));
        assert!(pace.admit("dead").now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_rest_holds_for_those_who_waited_already() {
        const REST: Duration = Duration::from_secs(1);
        let pace = Pace::default();
        let mut first = pace.admit("busy").await;
        let held: Vec<_> =
            futures::future::join_all((1..AT_ONCE_TO_A_HOST).map(|_| pace.admit("busy"))).await;
        let mut waiting = Box::pin(pace.admit("busy"));
        assert!((&mut waiting).now_or_never().is_none());
        let begin = Instant::now();
        first.refused(Some(REST));
        assert!(pace.is_resting("busy") && !pace.is_resting("other"));
        drop((first, held));
        waiting.await;
        assert!(begin.elapsed() >= REST, "{:?}", begin.elapsed());
    }

    #[tokio::test]
    async fn after_a_rest_they_come_one_by_one() {
        const REST: Duration = Duration::from_secs(1);
        let pace = Pace::new(50);
        let begin = Instant::now();
        pace.admit("busy").await.refused(Some(REST));
        let asked = (0..40).map(|_| async {
            let mut admission = pace.admit("busy").await;
            let at = begin.elapsed();
            tokio::task::yield_now().await;
            admission.answered();
            (at, begin.elapsed())
        });
        let mut times = futures::future::join_all(asked).await;
        times.sort_unstable();
        let (first, answered) = times[0];
        assert!(first >= REST, "{times:?}");
        assert!(times[1].0 >= answered, "the first goes alone: {times:?}");
        // The last of 40 cannot come sooner than 50 a second allow.
        assert!(times[39].0 >= first + Duration::from_millis(38 * 20), "{times:?}");
    }

    /// Where there are several threads, the task that is woken last runs first.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn who_came_first_goes_first() {
        let pace = Pace::new(500);
        // Tasks begin in any order.
        let (came, went) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let tasks = (0..100).map(|number| {
            let (pace, came, went) = (pace.clone(), Arc::clone(&came), Arc::clone(&went));
            tokio::spawn(async move {
                lock(&came).push(number);
                pace.admit("busy").await.answered();
                lock(&went).push(number);
            })
        });
        futures::future::join_all(tasks).await;
        assert_eq!(*lock(&went), *lock(&came));
        assert_eq!(lock(&went).len(), 100);
    }

    #[tokio::test]
    async fn hosts_that_nobody_asks_are_forgotten() {
        // So many that the budget is whole again at once.
        let pace = Pace::new(u32::MAX);
        for number in 0..10 {
            pace.admit(&format!("{number}")).await.answered();
        }
        let _held = pace.admit("held").await;
        let _other = pace.admit("other").await;
        assert_eq!(lock(&pace.0.gates).len(), 2, "only who is asked is remembered");
    }
}

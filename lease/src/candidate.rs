//! One replica and one Lease: reads it, and writes it as decided. The only place of this crate that talks to the API.
//!
//! A future of this module may be dropped at any point: what a request came to is then looked up.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, api::PostParams};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    LeaseOptions,
    decide::{Decision, decide, holder, released},
};

/// Our field manager.
const FIELD_MANAGER: &str = "voxsync";
/// Pauses are longer by up to one part of so many, so that replicas do not all come at once.
const JITTER_PART: u32 = 4;
/// How long it is tried to give up the Lease: who waits for it would have it in any case a little later.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);
/// The pause between two tries of that.
const RELEASE_PAUSE: Duration = Duration::from_millis(200);
/// The longest identity of another process in a line of the log; anybody may have written it.
const IDENTITY_LIMIT_BYTES: usize = 100;

pub(crate) struct Candidate {
    api: Api<Lease>,
    options: LeaseOptions,
    /// A wall clock that was set once: the times in a Lease are only for people, but must differ.
    clock: (Timestamp, Instant),
    seen: Option<Seen>,
    /// Whether what was seen is the answer to our own last write, so that it can be renewed without reading it.
    is_own_write: bool,
    /// Whether the Lease may be ours, perhaps without our knowing it.
    may_be_ours: bool,
    tries: u32,
    said: String,
}

/// The Lease as it was last read or written.
struct Seen {
    lease: Lease,
    /// Since when it says the same. Not before it did.
    since: Instant,
}

impl Candidate {
    pub(crate) fn new(client: Client, options: LeaseOptions) -> Self {
        Self {
            api: Api::namespaced(client, &options.namespace),
            options,
            clock: (Timestamp::now(), Instant::now()),
            seen: None,
            is_own_write: false,
            may_be_ours: false,
            tries: 0,
            said: String::new(),
        }
    }

    /// Waits until the Lease is ours, and gives the moment from which it counts.
    pub(crate) async fn campaign(&mut self) -> Instant {
        loop {
            match self.attempt().await {
                Ok(Some(sent)) => {
                    self.said.clear();
                    return sent;
                }
                Ok(None) => {
                    let leader = self.seen.as_ref().and_then(|seen| holder(&seen.lease)).unwrap_or_default();
                    let leader = leader.get(..leader.floor_char_boundary(IDENTITY_LIMIT_BYTES));
                    let text =
                        format!("{:?} leads; this process is ready to take over", leader.unwrap_or_default());
                    if self.is_news(&text) {
                        info!(lease = self.options.name, "{text}");
                    }
                }
                Err(error) => self.complain(&error),
            }
            let pause = self.pause();
            sleep(pause).await;
        }
    }

    /// Renews the Lease until it cannot, or until the work is to end; says so to the work, and ends when the Lease
    /// runs out.
    pub(crate) async fn hold(&mut self, held_since: Instant, leading: &CancellationToken) {
        let timing = self.options.timing;
        let mut renewed_at = held_since;
        loop {
            let renewal = timeout_at(renewed_at + timing.renew_deadline, async {
                sleep(timing.retry).await;
                self.attempt().await
            });
            match leading.run_until_cancelled(renewal).await {
                Some(Ok(Ok(Some(sent)))) => {
                    self.said.clear();
                    renewed_at = sent;
                }
                Some(Ok(Err(error))) => self.complain(&error),
                Some(Ok(Ok(None))) => {
                    warn!(lease = self.options.name, "another process has taken the Lease");
                    break;
                }
                Some(Err(_)) => {
                    warn!(lease = self.options.name, limit = ?timing.renew_deadline, "the Lease could not be renewed in time");
                    break;
                }
                None => break,
            }
        }
        leading.cancel();
        sleep_until(renewed_at + timing.duration).await;
    }

    /// Gives the Lease up if it is ours. The work must have ended.
    pub(crate) async fn release(&mut self) {
        let released = timeout(RELEASE_LIMIT, async {
            while self.may_be_ours {
                if let Err(error) = self.try_to_release().await {
                    self.complain(&error);
                    sleep(RELEASE_PAUSE).await;
                }
            }
        });
        if released.await.is_err() {
            let (lease, limit) = (&self.options.name, self.options.timing.duration);
            info!(lease, "the Lease was not given up: others wait until {limit:?} after its last renewal");
        }
    }

    async fn try_to_release(&mut self) -> kube::Result<()> {
        if !self.is_own_write {
            self.look().await?;
        }
        let spec = self.seen.as_ref().and_then(|seen| seen.lease.spec.clone());
        if let Some(spec) = spec.filter(|spec| spec.holder_identity.as_ref() == Some(&self.options.identity))
        {
            self.write(released(spec, self.now())).await?;
        }
        self.may_be_ours = false;
        self.is_own_write = false;
        Ok(())
    }

    /// Tries once to get or to keep the Lease. Where it is ours, it counts from the moment that is given: that before
    /// the request, since others count from when it took effect.
    async fn attempt(&mut self) -> kube::Result<Option<Instant>> {
        if !self.is_own_write {
            self.look().await?;
        }
        let sent = Instant::now();
        let (lease, unchanged) = self.seen.as_ref().map(|seen| (&seen.lease, seen.since.elapsed())).unzip();
        let LeaseOptions { identity, timing, .. } = &self.options;
        match decide(lease, unchanged.unwrap_or_default(), identity, timing.duration, self.now()) {
            Decision::Take(spec) => {
                self.write(spec).await?;
                Ok(Some(sent))
            }
            Decision::Wait => {
                self.may_be_ours = false;
                Ok(None)
            }
        }
    }

    async fn look(&mut self) -> kube::Result<()> {
        let found = self.call(self.api.get_opt(&self.options.name)).await?;
        // After the answer: it may say what was true only just now.
        let now = Instant::now();
        let since = match (&self.seen, &found) {
            (Some(seen), Some(found)) if seen.lease.spec == found.spec => seen.since,
            _ => now,
        };
        self.seen = found.map(|lease| Seen { lease, since });
        Ok(())
    }

    /// Writes in place of what was seen, and only of that.
    async fn write(&mut self, spec: LeaseSpec) -> kube::Result<()> {
        let name = self.options.name.as_str();
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        // Until there is an answer.
        (self.is_own_write, self.may_be_ours) = (false, true);
        let lease = if let Some(Seen { lease, .. }) = &self.seen {
            let wanted = Lease { spec: Some(spec), metadata: lease.metadata.clone() };
            self.call(self.api.replace(name, &parameters, &wanted)).await?
        } else {
            let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
            let wanted = Lease { spec: Some(spec), metadata };
            self.call(self.api.create(&parameters, &wanted)).await?
        };
        self.seen = Some(Seen { lease, since: Instant::now() });
        self.is_own_write = true;
        Ok(())
    }

    /// One request must not take all the time that there is to renew the Lease.
    async fn call<T>(&self, answer: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
        let limit = self.options.timing.renew_deadline / 2;
        timeout(limit, answer).await.unwrap_or_else(|_| {
            Err(kube::Error::Service(format!("the API server did not answer in {limit:?}").into()))
        })
    }

    fn now(&self) -> Timestamp {
        let (start, started_at) = self.clock;
        start.saturating_add(started_at.elapsed()).unwrap_or(start)
    }

    /// The pause before the next try; always the same for the same replica and try.
    fn pause(&mut self) -> Duration {
        self.tries = self.tries.wrapping_add(1);
        let mut hasher = DefaultHasher::new();
        (&self.options.identity, &self.options.name, self.tries).hash(&mut hasher);
        let permille = u32::try_from(hasher.finish() % 1000).unwrap_or_default();
        let retry = self.options.timing.retry;
        retry + retry / JITTER_PART * permille / 1000
    }

    fn complain(&mut self, error: &kube::Error) {
        let LeaseOptions { namespace, name, .. } = &self.options;
        let text = match error {
            // Somebody else was first, with the Lease or with its first version.
            kube::Error::Api(status) if status.code == 409 => return,
            kube::Error::Api(status) if status.is_forbidden() => format!(
                "this account may not use the Lease {namespace}/{name} ({}): give it get, create and update on \
                 leases.coordination.k8s.io there, or run a single replica with --leader-elect=off",
                status.message
            ),
            error => {
                format!("the Lease {namespace}/{name} cannot be read or written, and is tried again: {error}")
            }
        };
        if self.is_news(&text) {
            warn!("{text}");
        }
    }

    fn is_news(&mut self, text: &str) -> bool {
        let is_news = self.said != text;
        text.clone_into(&mut self.said);
        is_news
    }
}

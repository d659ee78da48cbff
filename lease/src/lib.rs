//! Leader election: of several replicas one works, by a Lease (coordination.k8s.io), by the rules of client-go.
//!
//! - `decide`: what to do about a Lease that was seen so, for so long (pure).
//! - `candidate`: reads and writes the one Lease.
//! - [`lead`]: campaigns, runs the work while it leads, and hands over.
//!
//! Nobody's wall clock is believed: a replica takes over a Lease when *it* saw no change of it for the Lease's
//! duration, by its own monotonic clock. The leader counts from before it sent what renewed the Lease, is told to
//! stop earlier than that, and is stopped by then.
//!
//! # Caveats
//! A Lease does not fence: a write that a leader sent may arrive after its time. So may that of a process that was
//! stopped as a whole. Two lead for a moment where somebody deletes a Lease that is held, or gives two processes the
//! same identity. So every write of the work has to be conditional on what was seen.

mod candidate;
mod decide;
mod metrics;

use std::time::Duration;

use kube::Client;
use tokio_util::sync::CancellationToken;
use tracing::info;

use candidate::Candidate;
pub use metrics::Metrics;

/// For how long a Lease is valid that is not renewed.
const DURATION: Duration = Duration::from_secs(15);
/// How long after the last renewal the work is told to stop. The rest of the duration is its time to end.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// The pause between two tries to get the Lease, or to renew it.
const RETRY: Duration = Duration::from_secs(2);

/// Which Lease, and who wants it.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// The namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Names this process among all that want the Lease.
    ///
    /// Where a process finds its own identity in the Lease, it takes it back at once: the one before it is dead, such
    /// as the container before this one in the same pod. Two processes with the same identity would both lead.
    pub identity: String,
    /// How long everything takes.
    pub timing: Timing,
    /// Where it is counted who leads.
    pub metrics: Metrics,
}

/// How long everything takes; equal for all who want a Lease. The duration is the longest, the pause the shortest.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For how long a Lease is valid that is not renewed; whole seconds.
    pub duration: Duration,
    /// How long after the last renewal the work is told to stop.
    pub renew_deadline: Duration,
    /// The pause between two tries.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { duration: DURATION, renew_deadline: RENEW_DEADLINE, retry: RETRY }
    }
}

/// Runs the work whenever this process leads, until it is cancelled or the work ends by itself.
///
/// The work gets a token, and has to end when that is cancelled: because the leadership is lost, after which it is
/// campaigned for again, or because the process stops. Work that has not ended when the Lease runs out is dropped where
/// it waits. The Lease is given up once the work has ended, and then the next replica need not wait.
///
/// # Errors
/// Those of the work. What goes wrong with the Lease is logged, and tried again.
pub async fn lead<Work, Error>(
    client: Client,
    options: LeaseOptions,
    cancel: CancellationToken,
    mut work: impl FnMut(CancellationToken) -> Work,
) -> Result<(), Error>
where
    Work: Future<Output = Result<(), Error>>,
{
    let (lease, metrics) = (options.name.clone(), options.metrics.clone());
    metrics.leads(&lease, false);
    let mut candidate = Candidate::new(client, options);
    loop {
        let Some(held_since) = cancel.run_until_cancelled(candidate.campaign()).await else {
            candidate.release().await;
            return Ok(());
        };
        info!(lease, "this process leads");
        metrics.leads(&lease, true);
        let leading = cancel.child_token();
        let ended = tokio::select! {
            // First: what has run out must not go on, not even once.
            biased;
            () = candidate.hold(held_since, &leading) => None,
            ended = work(leading.clone()) => Some(ended),
        };
        metrics.leads(&lease, false);
        let is_lost = leading.is_cancelled() && !cancel.is_cancelled();
        info!(lease, is_lost, "this process no longer leads");
        match ended {
            Some(Err(error)) => {
                candidate.release().await;
                return Err(error);
            }
            // It is not ours to give up.
            _ if is_lost => {}
            _ => {
                candidate.release().await;
                return Ok(());
            }
        }
    }
}

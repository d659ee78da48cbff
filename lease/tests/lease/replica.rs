//! A process that wants the Lease, and the place where only one may work.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kube::Client;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use voxsync_lease::{LeaseOptions, Metrics, Timing, lead};

pub(crate) const NAME: &str = "voxsync-agent";
/// No wait takes longer, in virtual time.
const DEADLINE: Duration = Duration::from_mins(2);

/// How a replica's work takes it that it is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// It ends at once.
    Obeys,
    /// It ends this much later.
    Dawdles(Duration),
    /// It does not end.
    Ignores,
}

/// Who works at this moment.
#[derive(Clone, Default)]
pub(crate) struct Office(Arc<AtomicUsize>);

impl Office {
    /// Works until told to end, and fails where somebody else works too.
    async fn work(self, how: Work, leading: CancellationToken) -> Result<(), Infallible> {
        assert_eq!(self.0.fetch_add(1, Ordering::SeqCst), 0, "two lead at once");
        let _leaves = Leaves(self);
        leading.cancelled().await;
        match how {
            Work::Obeys => {}
            Work::Dawdles(time) => sleep(time).await,
            Work::Ignores => pending().await,
        }
        Ok(())
    }

    pub(crate) fn workers(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) async fn until(&self, workers: usize) {
        let reached = async {
            while self.workers() != workers {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(DEADLINE, reached).await.unwrap_or_else(|_| panic!("never {workers} at work"));
    }
}

/// Also where the work is dropped.
struct Leaves(Office);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A process that wants the Lease.
pub(crate) struct Replica {
    cancel: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), Infallible>>,
}

impl Replica {
    pub(crate) fn start(client: Client, identity: &str, office: &Office, how: Work) -> Self {
        let (cancel, office) = (CancellationToken::new(), office.clone());
        let work = move |leading| office.clone().work(how, leading);
        Self { cancel: cancel.clone(), task: tokio::spawn(lead(client, options(identity), cancel, work)) }
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn stop(self) {
        self.cancel.cancel();
        timeout(DEADLINE, self.task).await.expect("it ends").expect("it does not fail").unwrap();
    }

    /// Ends it as SIGKILL does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()), "it failed before it was killed");
    }
}

/// What a process of this identity wants.
pub(crate) fn options(identity: &str) -> LeaseOptions {
    LeaseOptions {
        namespace: "default".to_owned(),
        name: NAME.to_owned(),
        identity: identity.to_owned(),
        timing: Timing::default(),
        metrics: Metrics::default(),
    }
}

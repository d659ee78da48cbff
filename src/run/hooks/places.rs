//! Places for connections. Anybody may open one, so that all places may be taken by those who want nothing: then the first in
//! the queue has to leave, once it had its time. Whoever proves itself goes to the end of the queue, and has its time again:
//! for good nobody stays, for a tenant with a secret of its own could else take all places.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    time: Duration,
    queue: Mutex<Queue>,
}

/// All who are here, but for those who leave.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// By when their time began.
    connections: BTreeMap<u64, Guest>,
}

/// Who may have to leave, and from when on.
#[derive(Debug)]
struct Guest {
    stays_until: Instant,
    leaves: CancellationToken,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    /// In the queue. It changes only while that is locked.
    number: AtomicU64,
    leaves: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many, and the time that everybody has before another may need its place.
    pub(super) fn new(limit: usize, time: Duration) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(limit)), time, queue: Mutex::default() })
    }

    /// A place, as soon as there is one; somebody has to leave for it if need be. `None` never comes.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Place> {
        let free = Arc::clone(&self.free).acquire_owned();
        tokio::pin!(free);
        let permit = tokio::select! {
            biased;
            permit = &mut free => permit,
            () = self.make_room() => free.await,
        }
        .ok()?;
        let leaves = CancellationToken::new();
        let number = self.queue().append(leaves.clone(), self.time).into();
        Some(Place { places: Arc::clone(self), number, leaves, _permit: permit })
    }

    /// The first in the queue has to leave, as soon as it had its time.
    async fn make_room(&self) {
        let first = || self.queue().connections.first_key_value().map(|(_, guest)| guest.stays_until);
        while let Some(until) = first() {
            sleep_until(until).await;
            // Its time may have begun again by now.
            if let Some(guest) =
                self.queue().connections.first_entry().filter(|guest| guest.get().stays_until <= until)
            {
                guest.remove().leaves.cancel();
                return;
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// At its end, from now on.
    fn append(&mut self, leaves: CancellationToken, time: Duration) -> u64 {
        let number = self.next;
        self.next += 1;
        self.connections.insert(number, Guest { stays_until: Instant::now() + time, leaves });
        number
    }
}

impl Place {
    /// The time of whoever has it begins again, unless it has to leave already.
    pub(super) fn requeue(&self) {
        let mut queue = self.places.queue();
        if let Some(guest) = queue.connections.remove(&self.number.load(Ordering::Relaxed)) {
            self.number.store(queue.append(guest.leaves, self.places.time), Ordering::Relaxed);
        }
    }

    /// Runs this unless its place is given to another.
    pub(super) async fn hold(&self, connection: impl Future<Output = ()>) {
        let _ = self.leaves.run_until_cancelled(connection).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.queue().connections.remove(self.number.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::task::JoinHandle;

    use super::*;

    const NO_TIME: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_hours(1);

    fn take_now(places: &Arc<Places>) -> Option<Place> {
        places.take().now_or_never().flatten()
    }

    /// Ends when it has to leave.
    fn stay(place: Place) -> JoinHandle<()> {
        tokio::spawn(async move { place.hold(std::future::pending()).await })
    }

    #[tokio::test]
    async fn the_oldest_without_a_recent_proof_leaves() {
        let places = Places::new(3, NO_TIME);
        let [proven, oldest, old] = [(); 3].map(|()| take_now(&places).unwrap());
        proven.requeue();
        let [proven, oldest, old] = [proven, oldest, old].map(stay);
        let new = stay(places.take().await.unwrap());
        oldest.await.unwrap();
        assert_eq!([&proven, &old, &new].map(JoinHandle::is_finished), [false; 3]);
        let newest = stay(places.take().await.unwrap());
        old.await.unwrap();
        assert_eq!([&proven, &new, &newest].map(JoinHandle::is_finished), [false; 3]);
        let last = stay(places.take().await.unwrap());
        proven.await.unwrap();
        assert_eq!([&new, &newest, &last].map(JoinHandle::is_finished), [false; 3]);
    }

    #[tokio::test]
    async fn everybody_has_some_time() {
        let places = Places::new(1, LONG);
        let only = take_now(&places).unwrap();
        assert!(take_now(&places).is_none());
        let only = stay(only);
        assert!(take_now(&places).is_none() && !only.is_finished());
        only.abort();
        assert!(places.take().await.is_some());
    }

    #[tokio::test]
    async fn whoever_has_proven_itself_has_its_time_again_and_then_leaves() {
        let places = Places::new(1, Duration::from_millis(50));
        let until = || places.queue().connections.values().map(|guest| guest.stays_until).collect::<Vec<_>>();
        let only = take_now(&places).unwrap();
        let before = until();
        sleep_until(before[0]).await;
        only.requeue();
        let after = until();
        assert!(after.len() == 1 && after[0] >= before[0] + places.time, "{before:?}, {after:?}");
        let only = stay(only);
        let new = places.take().await.unwrap();
        assert!(Instant::now() >= after[0], "it had its time");
        only.await.unwrap();
        drop(new);
        assert!(until().is_empty(), "nothing is remembered of those who went");
    }

    #[tokio::test]
    async fn whoever_has_to_leave_is_not_queued_again() {
        let places = Places::new(1, NO_TIME);
        let only = take_now(&places).unwrap();
        let is_free = tokio::select! {
            place = places.take() => place.is_some(),
            () = only.leaves.cancelled() => false,
        };
        assert!(!is_free, "it is still there");
        only.requeue();
        assert!(places.queue().connections.is_empty());
        drop(only);
        assert!(take_now(&places).is_some());
    }
}

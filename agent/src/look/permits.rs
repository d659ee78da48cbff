//! How many requests to sources are under way at once: in all, and to one host, so that a host that does not answer
//! holds up nobody but those who ask it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// How many requests are under way at once.
const AT_ONCE: usize = 32;
/// How many of them may be to one host.
const AT_ONCE_TO_A_HOST: usize = 8;

/// Permits to send something.
#[derive(Debug)]
pub(crate) struct Permits {
    all: Semaphore,
    /// Of the hosts that somebody asks now, or waits for.
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A permit; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_host: OwnedSemaphorePermit,
}

impl Permits {
    pub(crate) fn new() -> Self {
        Self { all: Semaphore::new(AT_ONCE), hosts: Mutex::default() }
    }

    /// Waits for the turn of a host, and only then for one among all.
    pub(crate) async fn of(&self, host: &str) -> Option<Permit<'_>> {
        let of_host = self.of_host(host).await?;
        Some(Permit { _of_all: self.all.acquire().await.ok()?, _of_host: of_host })
    }

    /// Waits for the turn of a host alone.
    pub(crate) async fn of_host(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        self.host(host).acquire_owned().await.ok()
    }

    fn host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Each permit, and each that waits for one, holds its host's.
        hosts.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        hosts.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE_TO_A_HOST))).clone()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_host_that_does_not_answer_holds_up_nobody_else() {
        let permits = Permits::new();
        let mut dead = Vec::new();
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(permits.of("dead"))).collect();
        for one in &mut waiting {
            dead.extend(one.now_or_never().flatten());
        }
        assert_eq!(dead.len(), AT_ONCE_TO_A_HOST);
        assert!(permits.of("well").now_or_never().flatten().is_some());
        drop((waiting, dead));
        assert!(permits.of("dead").now_or_never().flatten().is_some());
        assert_eq!(permits.hosts.lock().unwrap().len(), 1, "only who is asked is remembered");
    }
}

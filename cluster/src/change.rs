//! What changed, for those who have to look again.
//!
//! A receiver that is too slow loses the oldest changes and is told that everything may have changed: nobody's
//! slowness costs memory, and a lost change costs a pass, never a decision.

use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

use crate::Kind;

/// How many changes wait for the slowest receiver.
pub(crate) const WAITING_CHANGES_LIMIT: usize = 4096;

/// One object changed, came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it is a part of: the Config of a Server, the Server of a Deployment, `ReplicaSet` or Pod, the
    /// CodeSync of a CodeRelease.
    pub owner: Option<String>,
}

/// What a receiver gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// This object.
    One(Change),
    /// Anything: changes were lost, or the shape of the API is another one.
    Everything,
}

/// The changes since it was made.
#[derive(Debug)]
pub struct Changes(pub(crate) broadcast::Receiver<Changed>);

impl Changes {
    /// Waits for the next change; `None` when the cluster is no longer watched.
    pub async fn next(&mut self) -> Option<Changed> {
        match self.0.recv().await {
            Ok(changed) => Some(changed),
            Err(RecvError::Lagged(_)) => Some(Changed::Everything),
            Err(RecvError::Closed) => None,
        }
    }

    /// Waits for the next change, and takes all that are there by then: who looks again once for all of them looks less
    /// often. Never more than wait for the slowest: a flood keeps nobody from what else there is to do. Where anything may
    /// have changed, nothing else is said. `None` as in [`Changes::next`].
    pub async fn next_all(&mut self) -> Option<Vec<Changed>> {
        let mut all = vec![self.next().await?];
        while all.len() < WAITING_CHANGES_LIMIT
            && let Some(changed) = self.at_hand()
        {
            all.push(changed);
        }
        Some(if all.contains(&Changed::Everything) { vec![Changed::Everything] } else { all })
    }

    fn at_hand(&mut self) -> Option<Changed> {
        match self.0.try_recv() {
            Ok(changed) => Some(changed),
            Err(TryRecvError::Lagged(_)) => Some(Changed::Everything),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: usize) -> Changed {
        let (namespace, name) = ("puppet".to_owned(), number.to_string());
        Changed::One(Change { kind: Kind::Server, namespace, name, owner: None })
    }

    fn sent(places: usize, changes: impl IntoIterator<Item = Changed>) -> Changes {
        let (sender, receiver) = broadcast::channel(places);
        for changed in changes {
            sender.send(changed).unwrap();
        }
        Changes(receiver)
    }

    #[tokio::test]
    async fn a_flood_is_taken_in_parts() {
        let count = WAITING_CHANGES_LIMIT + 2;
        let mut changes = sent(2 * WAITING_CHANGES_LIMIT, (0..count).map(change));
        let first = changes.next_all().await.unwrap();
        assert_eq!((first.len(), &first[0]), (WAITING_CHANGES_LIMIT, &change(0)));
        assert_eq!(changes.next_all().await.unwrap(), [change(count - 2), change(count - 1)]);
        assert_eq!(changes.next_all().await, None);
    }

    #[tokio::test]
    async fn where_anything_may_have_changed_that_is_said_once() {
        let mut lost = sent(4, (0..9).map(change));
        assert_eq!(lost.next_all().await.unwrap(), [Changed::Everything]);
        assert_eq!(lost.next_all().await, None, "what is left says no more");
        let mut told = sent(8, [change(1), Changed::Everything, change(2), Changed::Everything]);
        assert_eq!(told.next_all().await.unwrap(), [Changed::Everything]);
    }
}

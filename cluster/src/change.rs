//! What changed, for those who have to look again.
//!
//! A receiver that is too slow loses the oldest changes and is told that everything may have changed: nobody's
//! slowness costs memory, and a lost change costs a pass, never a decision.

use tokio::sync::broadcast::{self, error::RecvError};

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
}

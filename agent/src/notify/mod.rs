//! Telling those whom a CodeSync names of what happens to it.
//!
//! Whoever decides only puts news down here, which never waits; a task of its own takes them to where they go. It is the
//! leader's decisions that lead to news, so nobody else sends. What is not sent when the process ends is lost: it is in the
//! status and in the Kubernetes Events all the same.
//!
//! Secrets are read when a letter is sent. Addresses are in no log and no Event.

mod letter;
mod office;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinSet,
};
use tracing::{error, info, warn};
use voxsync_crds::{CodeSync, code_sync::CodeSyncStatus};

pub(crate) use letter::check;
use letter::{Letter, letters};
use office::Office;

use crate::{look::Tools, metrics::Metrics};

/// How many letters may wait to be put into the queue, which takes no time: so many come from one pass at most.
const INBOX_LIMIT: usize = 1_024;
/// How long what is queued may take when the process ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Takes news in. Cheap to clone; when the last one is gone, nothing more is taken in.
#[derive(Clone)]
pub(crate) struct Notifier {
    inbox: mpsc::Sender<Letter>,
    metrics: Metrics,
}

impl Notifier {
    /// One, and where its letters come out.
    pub(crate) fn new(metrics: Metrics) -> (Self, Inbox) {
        let (inbox, letters) = mpsc::channel(INBOX_LIMIT);
        (Self { inbox, metrics }, Inbox(letters))
    }

    /// Tells those who want to be told of what an Event says.
    pub(crate) fn tell(
        &self,
        code_sync: &CodeSync,
        status: Option<&CodeSyncStatus>,
        (reason, message): (&str, &str),
        now: Timestamp,
    ) {
        for letter in letters(code_sync, status, (reason, message), now) {
            let channel = letter.notification.channel;
            if let Err(left_out) = self.inbox.try_send(letter) {
                self.metrics.notified(channel, "left_out");
                match left_out {
                    TrySendError::Full(_) => warn!("too many notifications at once; one was left out"),
                    TrySendError::Closed(_) => {
                        error!("nothing sends notifications any more; one was left out");
                    }
                }
            }
        }
    }
}

/// Where letters come out.
pub(crate) struct Inbox(mpsc::Receiver<Letter>);

/// The task that sends letters.
pub(crate) struct Sending(JoinSet<()>);

impl Sending {
    pub(crate) fn start(inbox: Inbox, client: Client, tools: &Arc<Tools>, user_agent: String) -> Self {
        let mut task = JoinSet::new();
        task.spawn(watched(Office::new(client, Arc::clone(tools), user_agent).run(inbox.0)));
        Self(task)
    }

    /// Waits until all is sent that can be in a few seconds. All notifiers must be gone.
    pub(crate) async fn end(mut self) {
        if tokio::time::timeout(STOP_TIMEOUT, self.0.join_next()).await.is_err() {
            info!("some notifications were not sent before the end");
        }
    }
}

/// Runs it, and says at once if it breaks off: nobody looks at it before the process ends.
async fn watched(office: impl Future<Output = ()> + Send + 'static) {
    let mut task = JoinSet::new();
    task.spawn(office);
    while let Some(ended) = task.join_next().await {
        if let Err(broken) = ended {
            error!(error = %broken, "the sending of notifications broke off: none is sent before the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_breaks_off_is_heard_of_and_breaks_nothing_else() {
        watched(async { panic!("on purpose") }).await;
    }
}

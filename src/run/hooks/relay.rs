//! What this process received and another one has to look at: since it follows, has no agent, or serves another shard. It
//! writes that down on the CodeSync, where whoever has the CodeSync sees it. When it does so, `outbox` decides.

use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::Status,
};
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};
use voxsync_agent::{CodeSyncKey, Listener};
use voxsync_crds::{CodeSync, FIELD_MANAGER, annotations::HOOKED_AT};

use super::outbox::{Outbox, Outcome};

/// How long a write may take. The client obeys `Retry-After` within that.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// How long what is left may take when the process stops.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Hears what another process has to look at.
pub(super) struct Relay {
    client: Client,
    listener: Listener,
    outbox: Outbox,
    writes: FuturesUnordered<BoxFuture<'static, Ended>>,
}

/// A write that ended, and why so.
struct Ended {
    key: CodeSyncKey,
    outcome: Outcome,
    why: String,
}

impl Relay {
    pub(super) fn new(client: Client, listener: Listener) -> Self {
        Self { client, listener, outbox: Outbox::default(), writes: FuturesUnordered::new() }
    }

    /// Writes it down, for as long as this is polled. What is under way goes on when it is polled again.
    pub(super) async fn run(&mut self) {
        loop {
            self.step().await;
        }
    }

    /// Writes down what is left: those who sent it were told that it was taken.
    pub(super) async fn finish(mut self) {
        let now = Instant::now();
        self.outbox.heard(self.listener.heard().now_or_never().unwrap_or_default(), now);
        self.outbox.hurry(now);
        let written = async {
            while self.outbox.left().next().is_some() {
                self.step().await;
            }
        };
        let _ = timeout(STOP_LIMIT, written).await;
        for key in self.outbox.left() {
            complain(key, "the process ends, and the API server did not take it in time");
        }
    }

    /// Begins what is due, and goes on until something ends, comes or is due.
    async fn step(&mut self) {
        for key in self.outbox.begin(Instant::now()) {
            self.writes.push(write_down(self.client.clone(), key).boxed());
        }
        let next_at = self.outbox.next_at();
        tokio::select! {
            keys = self.listener.heard() => self.outbox.heard(keys, Instant::now()),
            Some(Ended { key, outcome, why }) = self.writes.next() => {
                debug!(code_sync = %key, ?outcome, why, "passed a webhook on");
                if self.outbox.ended(&key, outcome, Instant::now()) {
                    complain(&key, &why);
                }
            }
            () = sleep_until(next_at.unwrap_or_else(Instant::now)), if next_at.is_some() => {}
        }
    }
}

fn complain(key: &CodeSyncKey, why: &str) {
    warn!(
        code_sync = %key,
        "a webhook could not be passed on to the replica that looks: {why}. Its source is looked at when its interval ends; \
         to look now: voxsync reconcile {} -n {}",
        key.name, key.namespace
    );
}

async fn write_down(client: Client, key: CodeSyncKey) -> Ended {
    let api: Api<CodeSync> = Api::namespaced(client, &key.namespace);
    let patch = Patch::Merge(json!({"metadata": {"annotations": {HOOKED_AT: Timestamp::now().to_string()}}}));
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let (outcome, why) = match timeout(WRITE_LIMIT, api.patch(&key.name, &parameters, &patch)).await {
        Ok(Ok(_)) => (Outcome::Written, String::new()),
        Ok(Err(kube::Error::Api(status))) => of_status(&status),
        Ok(Err(error)) => (Outcome::Failed { retry_after: None }, error.to_string()),
        Err(_) => (
            Outcome::Failed { retry_after: None },
            format!("the API server did not answer in {WRITE_LIMIT:?}"),
        ),
    };
    Ended { key, outcome, why }
}

fn of_status(status: &Status) -> (Outcome, String) {
    let retry_after =
        status.details.as_ref().map(|details| Duration::from_secs(details.retry_after_seconds.into()));
    let outcome = match status.code {
        404 => Outcome::Gone,
        // Its login is being renewed, it was too slow, met another write, or came too often.
        401 | 408 | 409 | 429 => Outcome::Failed { retry_after },
        403 => {
            return (
                Outcome::Refused,
                format!("{} (voxsync needs the verb patch on codesyncs)", status.message),
            );
        }
        400..500 => Outcome::Refused,
        _ => Outcome::Failed { retry_after },
    };
    (outcome, status.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_so_is_final() {
        let outcome = |code: u16| of_status(&Status { code, ..Status::default() }).0;
        let later = Outcome::Failed { retry_after: None };
        for (codes, wanted) in [
            (&[401, 408, 409, 429, 500, 502, 503, 504][..], later),
            (&[400, 403, 405, 422], Outcome::Refused),
            (&[404], Outcome::Gone),
        ] {
            for code in codes {
                assert_eq!(outcome(*code), wanted, "{code}");
            }
        }
    }
}

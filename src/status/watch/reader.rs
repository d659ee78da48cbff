//! Asks the API server for what is shown, whenever something changes and now and then: a connection that says nothing any
//! more looks like one on which nothing happens.

use std::{pin::pin, time::Duration};

use anyhow::Context as _;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Config, Event, watcher},
    },
};
use tokio::{
    sync::watch::Sender,
    time::{sleep, timeout},
};
use voxsync_crds::CodeSync;

use super::{Report, Seen};
use crate::{arguments::StatusOptions, kinds, status::look};

/// How long the API server may take for one look.
const LOOK_LIMIT: Duration = Duration::from_secs(15);
/// How long it is from one look to the next at least: what changes in between is seen by one.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// How long it is at most, whatever changes.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How long it is while the API server cannot be asked.
const AGAIN_PAUSE: Duration = Duration::from_secs(1);

/// Who asks.
pub struct Reader<'a> {
    pub client: &'a Client,
    pub namespace: &'a str,
    pub options: &'a StatusOptions,
    pub reports: &'a Sender<Report>,
}

impl Reader<'_> {
    /// Asks for ever, but where the answer would be the same for ever: there is no right to ask, or no such object.
    pub async fn read(&self) -> anyhow::Result<()> {
        let mut changes = pin!(watcher(self.watched(), self.config()).default_backoff());
        loop {
            let pause = if self.reports.borrow().lost.is_some() { AGAIN_PAUSE } else { LOOK_EVERY };
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(Event::Init | Event::InitApply(_))) => continue,
                    Some(change) => refused(change)?,
                    // It never ends by itself.
                    None => return Ok(()),
                },
                () = sleep(pause) => {}
            }
            while let Some(Some(change)) = changes.next().now_or_never() {
                refused(change)?;
            }
            self.look().await?;
            sleep(LOOK_PAUSE).await;
        }
    }

    fn watched(&self) -> Api<CodeSync> {
        let client = self.client.clone();
        if self.options.all_namespaces { Api::all(client) } else { Api::namespaced(client, self.namespace) }
    }

    fn config(&self) -> Config {
        let of_one = self.options.name.iter().map(|name| format!("metadata.name={name}"));
        of_one.fold(Config::default(), |config, field| config.fields(&field))
    }

    async fn look(&self) -> anyhow::Result<()> {
        match timeout(LOOK_LIMIT, look(self.client, self.namespace, self.options)).await {
            Ok(Ok(seen)) => self.found(seen),
            Ok(Err(error)) if kinds::is_away(&error) => self.lost(&crate::describe(&error)),
            Ok(Err(error)) => return Err(error),
            Err(_) => self.lost(&format!("it did not answer in {LOOK_LIMIT:?}")),
        }
        Ok(())
    }

    fn found(&self, seen: Seen) {
        self.reports.send_if_modified(|report| {
            let (is_new, was_lost) = (report.seen != seen, report.lost.is_some());
            let number = if is_new { report.number.wrapping_add(1) } else { report.number };
            *report = Report { seen, at: Timestamp::now(), number, lost: None };
            is_new || was_lost
        });
    }

    fn lost(&self, why: &str) {
        self.reports.send_if_modified(|report| {
            let is_new = report.lost.as_deref() != Some(why);
            report.lost = Some(why.to_owned());
            is_new
        });
    }
}

/// Ends where there is no right to watch. Whether the API server is there, the look that follows tells.
fn refused(change: watcher::Result<Event<CodeSync>>) -> anyhow::Result<()> {
    let Err(error) = change else { return Ok(()) };
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = &error
    else {
        return Ok(());
    };
    if kinds::is_refusal(status) { Err(error).context("codesyncs cannot be watched") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn error(code: u16) -> watcher::Error {
        let status: Status =
            serde_json::from_value(serde_json::json!({"code": code, "message": "no"})).unwrap();
        watcher::Error::WatchStartFailed(kube::Error::Api(status.boxed()))
    }

    #[test]
    fn only_a_refusal_is_for_ever() {
        for code in [401, 403] {
            refused(Err(error(code))).unwrap_err();
        }
        for code in [410, 429, 500, 503] {
            refused(Err(error(code))).unwrap();
        }
        refused(Err(watcher::Error::NoResourceVersion)).unwrap();
    }
}

//! The watches that keep a [`Cluster`] up to date.
//!
//! Each kind is watched by itself and recovers by itself, with backoff, for ever. A kind that is not installed
//! counts as listed and empty, and is asked for again. One object that cannot be decoded is noted and logged; it
//! never ends a watch.

use std::{collections::BTreeSet, future::ready, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use kube::{
    Client,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use tracing::{debug, warn};

use crate::{
    Cluster, Scope,
    arrived::Arrived,
    error::is_not_found,
    fetch::PAGE_OBJECTS,
    kept::{Kept, key},
    kind::Indexed,
    shape,
};

/// How long a schema is believed if nothing hints at a new one.
const SCHEMA_AGE_LIMIT: Duration = Duration::from_mins(10);
/// How long to wait before asking again for a schema that was not there, and between two hints.
const SCHEMA_RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Watches one kind until the end of the process.
pub(crate) async fn kind<K: Indexed>(cluster: &Cluster, client: Client, scope: &Scope) {
    let api = scope.api::<Arrived<K>>(client);
    let config =
        watcher::Config { label_selector: K::LABEL.map(str::to_owned), ..watcher::Config::default() }
            .page_size(PAGE_OBJECTS);
    // `Init` comes before each try, failed ones too: it must not count as a success to the backoff.
    let events =
        watcher(api, config).try_filter(|event| ready(!matches!(event, Event::Init))).default_backoff();
    let mut events = std::pin::pin!(events);
    let mut listed = BTreeSet::new();
    let mut older = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => {}
            Ok(Event::InitApply(object)) => {
                listed.extend(key(kube::Resource::meta(&object)));
                older.extend(decoded(cluster, object).and_then(|kept| cluster.take_listed(kept)));
            }
            Ok(Event::InitDone) => {
                older.drain(..).for_each(|kept| cluster.replace(kept));
                cluster.retain(K::KIND, &std::mem::take(&mut listed));
            }
            Ok(Event::Apply(object)) => {
                if let Some(kept) = decoded(cluster, object) {
                    cluster.take(kept);
                }
            }
            Ok(Event::Delete(object)) => cluster.delete(&object),
            Err(watcher::Error::InitialListFailed(error)) if is_not_found(&error) => {
                debug!(kind = %K::KIND, "not installed");
                cluster.retain(K::KIND, &BTreeSet::new());
                listed.clear();
            }
            Err(error) => {
                if is_expired(&error) {
                    debug!(kind = %K::KIND, %error, "the watch is too old and begins anew");
                } else {
                    warn!(kind = %K::KIND, %error, "the watch broke off and is tried again");
                }
                listed.clear();
                older.clear();
            }
        }
    }
}

/// Whether the API server has forgotten what came since, as it does from time to time: nothing is wrong.
fn is_expired(error: &watcher::Error) -> bool {
    let watcher::Error::WatchError(status) = error else { return false };
    status.code == 410
}

/// Keeps the shapes up to date.
pub(crate) async fn shapes(cluster: &Cluster, client: Client) {
    let mut known: Option<String> = None;
    loop {
        match shape::address(&client).await {
            Ok(address) if address.is_some() && address == known => {}
            Ok(Some(address)) => match shape::read(&client, &address).await {
                Ok(shapes) => {
                    cluster.set_shapes(shapes);
                    known = Some(address);
                }
                Err(error) => warn!(%error, "the shape of spec.code is not known"),
            },
            Ok(None) => {
                cluster.set_shapes(crate::Shapes::default());
                known = None;
            }
            Err(error) => warn!(%error, "the shape of spec.code is not known"),
        }
        cluster.shapes_were_asked_for();
        tokio::time::sleep(SCHEMA_RETRY_PAUSE).await;
        if known.is_some() {
            let _ = tokio::time::timeout(SCHEMA_AGE_LIMIT, cluster.shapes_doubted()).await;
        }
    }
}

/// What is kept of an object; one that cannot be decoded is noted instead.
fn decoded<K: Indexed>(cluster: &Cluster, arrived: Arrived<K>) -> Option<Kept> {
    match arrived.content? {
        Ok(kept) => Some(kept),
        Err(noted) => {
            warn!(kind = %noted.kind, namespace = noted.namespace, name = noted.name, reason = noted.reason,
                  "an object cannot be decoded");
            cluster.note_unreadable(noted);
            None
        }
    }
}

//! A snapshot that is kept up to date.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
};

use futures::FutureExt as _;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use kube::{Client, Resource as _};
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;
use voxsync_crds::{CodeRelease, CodeSync, Config, Server, code_sync::TargetKind};

use crate::{
    Change, Changed, Changes, CrossNamespace, Kind, Object, Scope, Shapes, Snapshot, Unreadable,
    arrived::Arrived,
    change::WAITING_CHANGES_LIMIT,
    kept::{Content, Kept, key},
    kind::Indexed,
    watch as watches,
};

/// A snapshot that is kept up to date by watches. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Cluster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    snapshot: RwLock<Snapshot>,
    changes: broadcast::Sender<Changed>,
    progress: watch::Sender<Progress>,
    doubts: Notify,
}

/// What was read at least once.
#[derive(Debug, Default)]
struct Progress {
    kinds: BTreeSet<Kind>,
    shapes: bool,
}

impl Progress {
    fn is_complete(&self) -> bool {
        self.shapes && self.kinds.len() == Kind::ALL.len()
    }
}

impl Cluster {
    /// Starts to watch, until cancelled.
    pub fn watch(client: Client, scope: Scope, cancel: CancellationToken) -> Self {
        let cluster = Self::unwatched(Snapshot::default());
        let watched = cluster.clone();
        // One task for all watches: it ends with the token, and nothing in it ends by itself.
        tokio::spawn(async move {
            let forever = async {
                tokio::join!(
                    watches::kind::<Config>(&watched, client.clone(), &scope),
                    watches::kind::<Server>(&watched, client.clone(), &scope),
                    watches::kind::<Deployment>(&watched, client.clone(), &scope),
                    watches::kind::<ReplicaSet>(&watched, client.clone(), &scope),
                    watches::kind::<Pod>(&watched, client.clone(), &scope),
                    watches::kind::<CodeSync>(&watched, client.clone(), &scope),
                    watches::kind::<CodeRelease>(&watched, client.clone(), &scope),
                    watches::shapes(&watched, client.clone()),
                )
            };
            cancel.run_until_cancelled(forever.boxed()).await;
        });
        cluster
    }

    /// A cluster that nobody watches: what it says changes by [`Cluster::apply`] alone.
    pub fn unwatched(snapshot: Snapshot) -> Self {
        Self(Arc::new(Inner {
            snapshot: RwLock::new(snapshot),
            changes: broadcast::Sender::new(WAITING_CHANGES_LIMIT),
            progress: watch::Sender::default(),
            doubts: Notify::new(),
        }))
    }

    /// Reads the snapshot. What is read is of one moment; `read` must not wait for anything.
    pub fn read<T>(&self, read: impl FnOnce(&Snapshot) -> T) -> T {
        read(&self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in an object that the API just gave back, so that nobody decides on what was before the write.
    pub fn apply(&self, object: impl Into<Object>) {
        if let Some(kept) = Kept::of(object.into()) {
            self.take(kept);
        }
    }

    pub(crate) fn take(&self, kept: Kept) {
        let changed = Changed::One(kept.change());
        let is_in_doubt = self.read(|snapshot| contradicts(&kept.content, snapshot.shapes()));
        if self.write().take(kept) {
            self.tell(changed);
        }
        if is_in_doubt {
            self.doubt_shapes();
        }
    }

    /// As [`Cluster::take`], for an object of a list: gives it back where the index has a newer one. Either that was
    /// written after the list was made, and is told again; or the cluster was restored from a backup, and is gone.
    pub(crate) fn take_listed(&self, kept: Kept) -> Option<Kept> {
        if self.read(|snapshot| snapshot.has_newer(&kept)) {
            return Some(kept);
        }
        self.take(kept);
        None
    }

    /// Takes in what a complete list says, whatever was known before.
    pub(crate) fn replace(&self, kept: Kept) {
        let changed = Changed::One(kept.change());
        self.write().replace(kept);
        self.tell(changed);
    }

    /// Waits until everything was read once.
    pub async fn ready(&self) {
        let mut progress = self.0.progress.subscribe();
        // The sender lives as long as `self`.
        let _ = progress.wait_for(Progress::is_complete).await;
    }

    /// Whether everything was read once.
    pub fn is_ready(&self) -> bool {
        self.0.progress.borrow().is_complete()
    }

    /// The changes from now on.
    pub fn changes(&self) -> Changes {
        Changes(self.0.changes.subscribe())
    }

    /// Says that the shapes may be old: the schema is read again soon. For writes that failed validation.
    pub fn doubt_shapes(&self) {
        self.0.doubts.notify_one();
    }

    pub(crate) async fn shapes_doubted(&self) {
        self.0.doubts.notified().await;
    }

    /// Lets CodeSyncs go to other namespaces than their own; for a scope of all namespaces, before anything is decided.
    pub fn allow_cross_namespace(&self) {
        self.write().set_cross_namespace(CrossNamespace::Allowed);
    }

    pub(crate) fn set_shapes(&self, shapes: Shapes) {
        if self.read(Snapshot::shapes) != shapes {
            self.write().set_shapes(shapes);
            self.tell(Changed::Everything);
        }
    }

    pub(crate) fn shapes_were_asked_for(&self) {
        self.0.progress.send_modify(|progress| progress.shapes = true);
    }

    pub(crate) fn delete<K: Indexed>(&self, gone: &Arrived<K>) {
        if self.write().delete(K::KIND, gone.meta()) {
            let (namespace, name) = key(gone.meta()).unwrap_or_default();
            let kept = gone.content.as_ref().and_then(|content| content.as_ref().ok());
            let owner = kept.and_then(|kept| kept.owner.clone());
            self.tell(Changed::One(Change { kind: K::KIND, namespace, name, owner }));
        }
    }

    pub(crate) fn retain(&self, kind: Kind, listed: &BTreeSet<(String, String)>) {
        let gone = self.write().retain(kind, listed);
        self.0.progress.send_if_modified(|progress| progress.kinds.insert(kind));
        if !gone.is_empty() {
            // What they were part of is no longer known.
            self.tell(Changed::Everything);
        }
    }

    pub(crate) fn note_unreadable(&self, unreadable: Unreadable) {
        let Unreadable { kind, namespace, name, .. } = unreadable.clone();
        self.write().note_unreadable(unreadable);
        self.tell(Changed::One(Change { kind, namespace, name, owner: None }));
    }

    fn write(&self) -> RwLockWriteGuard<'_, Snapshot> {
        self.0.snapshot.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, changed: Changed) {
        // Without a receiver nobody has to know.
        let _ = self.0.changes.send(changed);
    }
}

/// Whether an object is in another shape than the schema said: the operator was perhaps just upgraded.
fn contradicts(content: &Content, shapes: Shapes) -> bool {
    let (code, kind) = match content {
        Content::Config(config) => (config.object.spec.code.as_ref(), TargetKind::Config),
        Content::Server(server) => (server.object.spec.code.as_ref(), TargetKind::Server),
        _ => return false,
    };
    code.is_some_and(|code| shapes.of(kind).is_some_and(|installed| installed != code.shape()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_complete_list_wins_over_what_is_newer() {
        let config = |version: &str| {
            let metadata = json!({"name": "production", "namespace": "puppet", "resourceVersion": version});
            let config: Config = serde_json::from_value(json!({"metadata": metadata, "spec": {}})).unwrap();
            Kept::of(config.into()).unwrap()
        };
        let cluster = Cluster::unwatched(Snapshot::default());
        let version = || {
            cluster.read(|snapshot| {
                snapshot.config("puppet", "production").unwrap().metadata.resource_version.clone()
            })
        };
        assert!(cluster.take_listed(config("10")).is_none());
        let older = cluster.take_listed(config("5")).unwrap();
        assert_eq!(version().as_deref(), Some("10"), "perhaps it was written while the list was read");
        cluster.replace(older);
        assert_eq!(version().as_deref(), Some("5"));
        cluster.take(config("6"));
        assert_eq!(version().as_deref(), Some("6"), "what happens in the restored cluster is seen");
    }
}

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
use kube::Client;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;
use voxsync_crds::{CodeRelease, CodeSync, Config, Server, code_sync::TargetKind};

use crate::{
    Change, Changed, Changes, Kind, Object, Scope, Shapes, Snapshot, Unreadable,
    change::WAITING_CHANGES_LIMIT, watch as watches,
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
        let object = object.into();
        let changed = Changed::One(change_of(&object));
        let is_in_doubt = self.read(|snapshot| contradicts(&object, snapshot.shapes()));
        if self.write().apply(object) {
            self.tell(changed);
        }
        if is_in_doubt {
            self.doubt_shapes();
        }
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

    pub(crate) fn set_shapes(&self, shapes: Shapes) {
        if self.read(Snapshot::shapes) != shapes {
            self.write().set_shapes(shapes);
            self.tell(Changed::Everything);
        }
    }

    pub(crate) fn shapes_were_asked_for(&self) {
        self.0.progress.send_modify(|progress| progress.shapes = true);
    }

    pub(crate) fn delete<K: crate::kind::Indexed>(
        &self,
        kind: Kind,
        kube::core::DeserializeGuard(object): kube::core::DeserializeGuard<K>,
    ) {
        let (metadata, owner) = match object {
            Ok(object) => {
                let metadata = object.meta().clone();
                (metadata, object.into_object().owner().map(str::to_owned))
            }
            Err(invalid) => (invalid.metadata, None),
        };
        if self.write().delete(kind, &metadata) {
            let (namespace, name) =
                (metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default());
            self.tell(Changed::One(Change { kind, namespace, name, owner }));
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

fn change_of(object: &Object) -> Change {
    let metadata = object.metadata();
    Change {
        kind: object.kind(),
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
        owner: object.owner().map(str::to_owned),
    }
}

/// Whether an object is in another shape than the schema said: the operator was perhaps just upgraded.
fn contradicts(object: &Object, shapes: Shapes) -> bool {
    let (code, kind) = match object {
        Object::Config(config) => (config.spec.code.as_ref(), TargetKind::Config),
        Object::Server(server) => (server.spec.code.as_ref(), TargetKind::Server),
        _ => return false,
    };
    code.is_some_and(|code| shapes.of(kind).is_some_and(|installed| installed != code.shape()))
}

//! The objects, and the log of what changed: a sandbox's etcd.
//!
//! One lock, held for one synchronous step at a time. A change gets the next resource version, goes to the bounded
//! log, and to everybody who watches. This file knows nothing of what objects mean.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::{catalog::Catalog, json as members, owners::Owners, resource::Bucket};

/// A watcher that is this many changes behind is cut off and has to list again.
const WATCHER_QUEUE_CHANGES: usize = 4096;

/// Where an object is inside its bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(crate) fn of(object: &Value) -> Self {
        Self::new(members::namespace(object), members::name(object))
    }
}

/// One object before and after one write. Not before: created. Not after: gone, and `before` is its last state.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) bucket: Bucket,
    pub(crate) before: Option<Arc<Value>>,
    pub(crate) after: Option<Arc<Value>>,
}

/// All objects of one kind, in order of namespace and name.
pub(crate) type Objects = BTreeMap<Key, Arc<Value>>;

/// What changes from some moment on.
pub(crate) type Changes = broadcast::Receiver<Arc<Change>>;

/// All objects, the resources that they may be of, and the log.
pub(crate) struct Store {
    version: u64,
    /// The newest version that the log has forgotten.
    forgotten: u64,
    remembered_changes: usize,
    objects: BTreeMap<Bucket, Objects>,
    owners: Owners,
    log: VecDeque<Arc<Change>>,
    watchers: broadcast::Sender<Arc<Change>>,
    pub(crate) catalog: Catalog,
}

impl Store {
    pub(crate) fn new(remembered_changes: usize) -> Self {
        Self {
            version: 1,
            forgotten: 0,
            remembered_changes,
            objects: BTreeMap::new(),
            owners: Owners::default(),
            log: VecDeque::new(),
            watchers: broadcast::channel(WATCHER_QUEUE_CHANGES).0,
            catalog: Catalog::built_in(),
        }
    }

    /// The resource version of the newest change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn get(&self, bucket: &Bucket, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(bucket).and_then(|objects| objects.get(key))
    }

    /// All objects of a bucket, in one namespace or in all.
    pub(crate) fn list<'a>(
        &'a self,
        bucket: &Bucket,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let start = Key::new(namespace.unwrap_or_default(), "");
        self.objects
            .get(bucket)
            .into_iter()
            .flat_map(move |objects| objects.range(&start..))
            .take_while(move |(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
    }

    /// Every object there is, with its bucket.
    pub(crate) fn everything(&self) -> impl Iterator<Item = (&Bucket, &Key, &Arc<Value>)> {
        self.objects
            .iter()
            .flat_map(|(bucket, objects)| objects.iter().map(move |(key, object)| (bucket, key, object)))
    }

    /// The objects that name an owner, in the order of [`Self::everything`].
    pub(crate) fn dependents(&self, owner: &str) -> impl Iterator<Item = (&Bucket, &Key, &Arc<Value>)> {
        self.owners
            .dependents(owner)
            .filter_map(|(bucket, key)| self.get(bucket, key).map(|object| (bucket, key, object)))
    }

    /// Stores an object under its metadata's name, with the next resource version.
    pub(crate) fn put(&mut self, bucket: &Bucket, mut object: Value) -> Arc<Value> {
        self.version += 1;
        members::metadata_mut(&mut object)
            .insert("resourceVersion".to_owned(), json!(self.version.to_string()));
        let stored = Arc::new(object);
        let key = Key::of(&stored);
        let before = self.objects.entry(bucket.clone()).or_default().insert(key.clone(), Arc::clone(&stored));
        self.owners.note(bucket, &key, before.as_deref(), Some(&stored));
        self.record(bucket, before, Some(Arc::clone(&stored)));
        stored
    }

    /// Takes an object away. What watchers see of it carries the version of its removal.
    pub(crate) fn remove(&mut self, bucket: &Bucket, key: &Key) -> Option<Arc<Value>> {
        let removed = self.objects.get_mut(bucket)?.remove(key)?;
        self.owners.note(bucket, key, Some(&removed), None);
        self.version += 1;
        let mut last = Value::clone(&removed);
        members::metadata_mut(&mut last)
            .insert("resourceVersion".to_owned(), json!(self.version.to_string()));
        let last = Arc::new(last);
        self.record(bucket, Some(Arc::clone(&last)), None);
        Some(last)
    }

    fn record(&mut self, bucket: &Bucket, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        let change = Arc::new(Change { version: self.version, bucket: bucket.clone(), before, after });
        self.log.push_back(Arc::clone(&change));
        while self.log.len() > self.remembered_changes {
            self.forgotten = self.log.pop_front().map_or(self.forgotten, |oldest| oldest.version);
        }
        // Nobody watching is no error.
        let _ = self.watchers.send(change);
    }

    /// The changes after a version, and all that follow.
    ///
    /// # Errors
    /// The newest forgotten version, where the log does not reach back far enough.
    pub(crate) fn watch(&self, after: u64) -> Result<(VecDeque<Arc<Change>>, Changes), u64> {
        if after < self.forgotten {
            return Err(self.forgotten);
        }
        let start = self.log.partition_point(|change| change.version <= after);
        Ok((self.log.iter().skip(start).cloned().collect(), self.watchers.subscribe()))
    }

    /// All changes from now on.
    pub(crate) fn subscribe(&self) -> Changes {
        self.watchers.subscribe()
    }

    /// Forgets the whole log, so that every older resource version is answered with 410.
    pub(crate) fn compact(&mut self) {
        self.log.clear();
        self.forgotten = self.version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> Bucket {
        (String::new(), "secrets".to_owned())
    }

    fn named(name: &str) -> Value {
        json!({"metadata": {"name": name, "namespace": "n"}})
    }

    #[test]
    fn versions_grow_with_every_change_and_the_log_is_bounded() {
        let mut store = Store::new(2);
        for name in ["a", "b", "c"] {
            store.put(&bucket(), named(name));
        }
        store.remove(&bucket(), &Key::new("n", "a"));
        assert_eq!(store.version(), 5);
        assert_eq!(store.watch(2).unwrap_err(), 3);
        let (backlog, _) = store.watch(3).unwrap();
        assert_eq!(backlog.iter().map(|change| change.version).collect::<Vec<_>>(), [4, 5]);
        assert!(backlog.back().unwrap().after.is_none());
        assert_eq!(store.list(&bucket(), Some("n")).count(), 2);
        assert_eq!(store.list(&bucket(), Some("other")).count(), 0);
    }
}

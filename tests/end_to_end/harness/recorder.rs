//! All that was ever said: each version of the objects of some kinds, in the order of the API server.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};

use super::cluster::Cluster;

/// How much later than another watch this one may be.
const LATE_LIMIT: Duration = Duration::from_secs(15);
/// How often it is looked whether it came.
const POLL: Duration = Duration::from_millis(20);

/// Writes versions down until it is dropped.
pub(crate) struct Recorder {
    seen: Arc<Mutex<Vec<Value>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Recorder {
    /// Starts one; what happens after this returns is not missed.
    pub(crate) async fn start(cluster: &Cluster, kinds: &[&str]) -> Self {
        let seen = Arc::<Mutex<Vec<Value>>>::default();
        let mut tasks = Vec::new();
        for kind in kinds {
            let (listed, is_listed) = oneshot::channel();
            let (api, kind, seen) = (cluster.api(kind), (*kind).to_owned(), Arc::clone(&seen));
            tasks.push(tokio::spawn(async move {
                let mut listed = Some(listed);
                let mut events = Box::pin(watcher(api, watcher::Config::default()));
                while let Some(event) = events.next().await {
                    match event {
                        Ok(Event::Apply(object) | Event::InitApply(object)) => {
                            let mut object = serde_json::to_value(object).expect("an object as JSON");
                            // The items of a list do not say it themselves.
                            object["kind"] = kind.as_str().into();
                            seen.lock().unwrap_or_else(PoisonError::into_inner).push(object);
                        }
                        Ok(Event::InitDone) => drop(listed.take().map(|listed| listed.send(()))),
                        Ok(Event::Init | Event::Delete(_)) | Err(_) => {}
                    }
                }
            }));
            is_listed.await.expect("a watch that has begun");
        }
        Self { seen, tasks }
    }

    /// The versions of an object, the oldest first. The API server counts versions over all kinds.
    pub(crate) fn versions(&self, kind: &str, name: &str) -> Vec<Value> {
        self.versions_where(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    }

    /// The last version of an object that was seen; the API server may know a later one.
    pub(crate) fn last(&self, kind: &str, name: &str) -> Option<Value> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        seen.iter().rfind(is_meant).cloned()
    }

    /// The versions of all objects that are as wanted, the oldest first.
    pub(crate) fn versions_where(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut versions: Vec<Value> = seen.iter().filter(|object| wanted(object)).cloned().collect();
        versions.sort_by_key(version_number);
        versions
    }

    /// The number of the first version of an object that is as wanted. What was seen elsewhere may not have come by this
    /// watch yet: it is waited for.
    pub(crate) fn first(&self, kind: &str, name: &str, wanted: impl Fn(&Value) -> bool) -> u64 {
        let find = || self.versions(kind, name).iter().find(|version| wanted(version)).map(version_number);
        let deadline = Instant::now() + LATE_LIMIT;
        tokio::task::block_in_place(|| {
            while Instant::now() < deadline {
                if let Some(number) = find() {
                    return number;
                }
                std::thread::sleep(POLL);
            }
            panic!("no version of {kind} {name} was as wanted: {:?}", self.versions(kind, name))
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The number of an object's version.
pub(crate) fn version_number(object: &Value) -> u64 {
    let version = object["metadata"]["resourceVersion"].as_str();
    version.and_then(|version| version.parse().ok()).expect("a resource version")
}

//! The loop around the decisions: what wakes a CodeSync, and what is done about it.
//!
//! One task owns all state: which CodeSync objects are to be decided on, their looks, and their timers. It decides
//! synchronously (observing and stepping are pure and take microseconds), and hands what must wait for somebody
//! to tasks: looks, and passes (store a status, then carry out its actions). There is at most one pass a CodeSync.
//!
//! Level, not edge: a lost wake-up costs the time to the next one, never a decision.

mod bell;
mod decide;
pub(crate) mod events;
mod finalizer;
mod memory;
mod pass;
mod record;
mod store;
mod vouching;
mod wake;

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use voxsync_cluster::{Change, Changed, Cluster, Kind};
use voxsync_crds::code_sync::LabelSelector;
use voxsync_source::file;

pub use bell::{Listener, LookBell};

use crate::{
    Options,
    checks::{self, Reply},
    key::CodeSyncKey,
    look::{PlaceId, Purpose, Report, Subscriber, Tools, carry_out, place::Place},
    notify::{Inbox, Notifier, Sending},
};
use memory::Memory;
use pass::Ended;
use vouching::Vouching;

/// How many passes write at once.
const PASSES_AT_ONCE: usize = 16;
/// How long passes have to end when the process stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often files are read again in case the system forgot to say that they changed.
const FILE_POLL: Duration = Duration::from_secs(15);
/// How long to sleep if nothing is due.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);
/// How often all are decided on without a reason, in case one was lost. Where nothing changed, nothing is written.
const NET_INTERVAL: Duration = Duration::from_mins(10);

/// Runs until cancelled.
pub(crate) async fn run(client: Client, cluster: Cluster, options: &Options, cancel: CancellationToken) {
    // Before the first read, so that no change falls between them.
    let mut changes = cluster.changes();
    if cancel.run_until_cancelled(cluster.ready()).await.is_none() {
        return;
    }
    let mut controller = Controller::new(client, cluster, options);
    let sending = controller.inbox.take().map(|inbox| {
        Sending::start(inbox, controller.client.clone(), &controller.tools, options.user_agent.clone())
    });
    let mut files = Files::default();
    // Once there is somebody who looks: until then others are told.
    let mut bell = options.bell.listen();
    controller.wake_all();
    let mut net = tokio::time::interval_at(Instant::now() + NET_INTERVAL, NET_INTERVAL);
    net.set_missed_tick_behavior(MissedTickBehavior::Delay);
    info!("the agent runs");
    loop {
        controller.work(Timestamp::now()).await;
        files.follow(&controller.tools.file_root, controller.memory.looks.places());
        let sleep = controller.sleep(Timestamp::now());
        tokio::select! {
            () = cancel.cancelled() => break,
            // Hundreds of Servers may roll: one decision for all that is known by now.
            news = changes.next_all() => {
                news.unwrap_or_else(|| vec![Changed::Everything]).into_iter().for_each(|one| controller.told(one));
            }
            Some(look) = controller.looks.join_next_with_id() => controller.looked(look),
            Some(check) = controller.checks.join_next_with_id() => controller.checked(check),
            Some(pass) = controller.passes.join_next_with_id() => controller.passed(pass),
            Some(paths) = files.next() => controller.touched(&paths),
            Some(answer) = controller.vouching.next() => controller.vouched(answer),
            keys = bell.heard() => controller.called(keys),
            _ = net.tick() => controller.wake_all(),
            () = tokio::time::sleep(sleep) => {}
        }
    }
    controller.looks.shutdown().await;
    controller.checks.shutdown().await;
    controller.tools.metrics.queued(0);
    let rest = async { while controller.passes.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIMEOUT, rest).await.is_err() {
        info!("some writes did not end in time; they are decided on again at the next start");
    }
    // All that may still tell something must be gone for the sending to end.
    drop(controller);
    if let Some(sending) = sending {
        sending.end().await;
    }
}

struct Controller {
    client: Client,
    cluster: Cluster,
    tools: Arc<Tools>,
    selector: Option<LabelSelector>,
    memory: Memory,
    vouching: Vouching,
    notifier: Notifier,
    /// Until somebody sends what is in it.
    inbox: Option<Inbox>,
    looks: JoinSet<Report>,
    checks: JoinSet<(u64, Reply)>,
    passes: JoinSet<Ended>,
    /// Whose a task is: one that broke off cannot say it.
    places: HashMap<Id, PlaceId>,
    asked: HashMap<Id, (u64, AbortHandle)>,
    keys: HashMap<Id, CodeSyncKey>,
}

impl Controller {
    fn new(client: Client, cluster: Cluster, options: &Options) -> Self {
        let tools = Arc::new(Tools::new(client.clone(), options));
        let (notifier, inbox) = Notifier::new(options.metrics.clone());
        Self {
            client,
            cluster,
            tools,
            selector: options.selector.clone(),
            memory: Memory::default(),
            vouching: Vouching::default(),
            notifier,
            inbox: Some(inbox),
            looks: JoinSet::new(),
            checks: JoinSet::new(),
            passes: JoinSet::new(),
            places: HashMap::new(),
            asked: HashMap::new(),
            keys: HashMap::new(),
        }
    }

    /// Decides on all that are awake, and starts what is due.
    async fn work(&mut self, now: Timestamp) {
        while self.passes.len() < PASSES_AT_ONCE
            && let Some(key) = self.memory.wakes.next(now)
        {
            self.decide(key, now);
            // Thousands may be awake, and the Lease is to be renewed meanwhile.
            tokio::task::consume_budget().await;
        }
        self.vouching.begin(&self.client);
        while let Some(job) = self.memory.looks.begin(now) {
            let (tools, id) = (self.tools.clone(), job.id);
            let task = self.looks.spawn(async move { carry_out(&tools, job).await });
            self.places.insert(task.id(), id);
        }
        // Who is slow holds its place no longer than somebody wants to hear it.
        let unwanted = self.asked.values().filter(|(id, _)| !self.memory.checks.is_wanted(*id));
        unwanted.for_each(|(_, task)| task.abort());
        while let Some(order) = self.memory.checks.begin(now) {
            let (tools, id) = (self.tools.clone(), order.id);
            let task = self.checks.spawn(async move { checks::carry_out(&tools, order).await });
            self.asked.insert(task.id(), (id, task));
        }
        self.tools.metrics.queued(self.memory.wakes.len() + self.passes.len());
    }

    /// How long until something is due.
    fn sleep(&self, now: Timestamp) -> Duration {
        let full = self.passes.len() >= PASSES_AT_ONCE;
        let wake = self.memory.wakes.next_due().filter(|_| !full);
        let due =
            wake.into_iter().chain(self.memory.looks.next_due()).chain(self.memory.checks.next_due()).min();
        let pause =
            due.map_or(LONGEST_SLEEP, |due| Duration::try_from(due.duration_since(now)).unwrap_or_default());
        // Timers have milliseconds: one that ends too early would only go round once more.
        pause.min(LONGEST_SLEEP)
    }

    fn looked(&mut self, look: Result<(Id, Report), JoinError>) {
        let now = Timestamp::now();
        let told = match look {
            Ok((task, report)) => {
                self.places.remove(&task);
                self.memory.looks.end(report, now)
            }
            Err(broken) => {
                error!(error = %broken, "a look broke off");
                let id = self.places.remove(&broken.id());
                id.map(|id| self.memory.looks.broke_off(id, now)).unwrap_or_default()
            }
        };
        self.memory.wakes.wake(told);
    }

    fn vouched(&mut self, answer: vouching::Answered) {
        let told = self.vouching.answered(answer);
        self.memory.wakes.wake(told);
    }

    fn checked(&mut self, check: Result<(Id, (u64, Reply)), JoinError>) {
        let now = Timestamp::now();
        let told = match check {
            Ok((task, (id, reply))) => {
                self.asked.remove(&task);
                self.memory.checks.end(id, reply, now)
            }
            Err(broken) => {
                if !broken.is_cancelled() {
                    error!(error = %broken, "a check broke off");
                }
                let asked = self.asked.remove(&broken.id());
                asked.and_then(|(id, _)| self.memory.checks.broke_off(id, now))
            }
        };
        self.memory.wakes.wake(told);
    }

    fn passed(&mut self, pass: Result<(Id, Ended), JoinError>) {
        let ended = match pass {
            Ok((task, ended)) => {
                self.keys.remove(&task);
                Some(ended)
            }
            Err(broken) => {
                error!(error = %broken, "a pass broke off");
                self.keys.remove(&broken.id()).map(Ended::failed)
            }
        };
        if let Some(ended) = ended {
            self.memory.ended(ended, Timestamp::now());
        }
    }

    fn touched(&mut self, paths: &BTreeSet<PathBuf>) {
        let root = &self.tools.file_root;
        let is_touched = |place: &&Place| match place {
            Place::File { path } => paths.contains(&file::place(root, path)),
            _ => false,
        };
        let touched: Vec<Place> = self.memory.looks.places().filter(is_touched).cloned().collect();
        for place in touched {
            self.memory.looks.nudge(&place, Timestamp::now());
        }
    }

    /// Somebody outside says that there is news. Who is not ours, or no more, is passed over.
    fn called(&mut self, keys: BTreeSet<CodeSyncKey>) {
        for key in keys {
            self.memory.looks.call(&Subscriber { key, purpose: Purpose::Source }, Timestamp::now());
        }
    }

    fn told(&mut self, changed: Changed) {
        match changed {
            Changed::One(change) => self.changed(&change),
            Changed::Everything => self.wake_all(),
        }
    }

    fn changed(&mut self, change: &Change) {
        let code_sync =
            |name: &str| CodeSyncKey { namespace: change.namespace.clone(), name: name.to_owned() };
        match (change.kind, &change.owner) {
            (Kind::CodeSync, _) => {
                self.memory.wakes.wake([code_sync(&change.name)]);
                let claimed = self.memory.claimed_by(&code_sync(&change.name));
                self.memory.wakes.wake(claimed);
                let following = self.memory.following(&code_sync(&change.name));
                self.memory.wakes.wake(following);
            }
            (Kind::CodeRelease, Some(name)) => self.memory.wakes.wake([code_sync(name)]),
            (Kind::CodeRelease, None) => {}
            _ => {
                let interested = self.memory.interested(change);
                self.memory.wakes.wake(interested);
            }
        }
    }

    fn wake_all(&mut self) {
        let all: Vec<_> = self.cluster.read(|snapshot| snapshot.code_syncs().map(CodeSyncKey::of).collect());
        let known = self.memory.known();
        self.memory.wakes.wake(all.into_iter().chain(known));
    }
}

/// The files that are watched: those of the present sources. A task of its own does it, because a file system may not
/// answer.
#[derive(Default)]
struct Files {
    paths: BTreeSet<PathBuf>,
    /// At most one; dropped, it ends.
    task: JoinSet<()>,
    changes: Option<mpsc::Receiver<BTreeSet<PathBuf>>>,
}

impl Files {
    fn follow<'a>(&mut self, root: &Path, places: impl Iterator<Item = &'a Place>) {
        let paths: BTreeSet<PathBuf> = places
            .filter_map(|place| match place {
                Place::File { path } => Some(file::place(root, path)),
                _ => None,
            })
            // What may not be read is not touched either.
            .filter(|path| file::is_below(root, path))
            .collect();
        if paths == self.paths {
            return;
        }
        self.task = JoinSet::new();
        self.changes = (!paths.is_empty()).then(|| {
            let (sender, changes) = mpsc::channel(1);
            self.task.spawn(tell(paths.clone(), sender));
            changes
        });
        self.paths = paths;
    }

    async fn next(&mut self) -> Option<BTreeSet<PathBuf>> {
        match &mut self.changes {
            Some(changes) => changes.recv().await,
            None => std::future::pending().await,
        }
    }
}

/// Tells of changes for as long as somebody listens.
async fn tell(paths: BTreeSet<PathBuf>, sender: mpsc::Sender<BTreeSet<PathBuf>>) {
    let mut changes = file::watch(paths.iter().cloned(), FILE_POLL).await;
    // They may have changed between their last look and now.
    let mut touched = paths;
    while sender.send(touched).await.is_ok() {
        touched = changes.next().await;
    }
}

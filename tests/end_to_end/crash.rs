//! Killed means killed: `voxsync run` is ended before and after the writes of a staged promotion with a certificate
//! authority, a newer tag is pushed, and it is started again. Without a newer tag: see `each_write`, for all writes.
//!
//! Each point has a namespace, a proxy and processes of its own. The table of all points is printed at the end.

use std::{
    fmt::{self, Write as _},
    fs,
    panic::AssertUnwindSafe,
    path::Path,
    sync::Arc,
};

use futures::FutureExt as _;
use tokio::{task::JoinSet, time::Instant};
use voxsync_fixtures::{Access, Registry, Transport};

use crate::harness::{
    Case, Cluster, Needs, Process, cases, message,
    proxy::{Catch, Proxy, WriteName},
    staged::{Codes, End, Staged, are_within},
    status::DEADLINE,
    wait_for,
};

pub(crate) const CASES: &[Case] = cases![
    killed_at_any_write_it_goes_on_to_the_newest_tag => Needs::OBJECT.on_control_plane_only(),
];

const POINTS_AT_ONCE: usize = 6;
/// One that is started again finds the Leases to be its own.
const ARGUMENTS: &[&str] = &["--identity", "the-one-that-is-killed"];

/// What is promoted when it is killed.
const FIRST: &str = "v1.1.0";
/// What is pushed while it is down.
const NEWER: &str = "v1.2.0";

/// A write, and when the process is killed.
#[derive(Clone)]
struct Point {
    /// Its number in a run without a crash.
    number: usize,
    write: WriteName,
    moment: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Before,
    After,
}

/// What there is without a crash.
struct Undisturbed {
    writes: Vec<WriteName>,
    codes: Codes,
}

/// How a point ended.
struct Row {
    point: Point,
    /// Whether there was such a write.
    is_caught: bool,
    codes: Codes,
    seconds: u64,
    faults: Vec<String>,
}

async fn killed_at_any_write_it_goes_on_to_the_newest_tag(cluster: &Cluster) {
    let registry = Arc::new(Registry::start(Access::Anonymous, Transport::Plain));
    let undisturbed = Arc::new(undisturbed(cluster, &registry).await);
    let writes = undisturbed.writes.iter().enumerate().filter(|(_, write)| is_in_every_run(write));
    let mut points = writes.flat_map(|(place, write)| {
        let point = |moment| Point { number: place + 1, write: write.clone(), moment };
        [Moment::Before, Moment::After].map(point)
    });
    let (mut running, mut rows) = (JoinSet::new(), Vec::new());
    loop {
        while running.len() < POINTS_AT_ONCE
            && let Some(point) = points.next()
        {
            // It is in every reference: no word of it may choose a simulated pod's fate.
            let name = format!("killed-{:?}-{}", point.moment, point.number).to_lowercase();
            let namespace = cluster.another(&name).await;
            let (undisturbed, registry) = (Arc::clone(&undisturbed), Arc::clone(&registry));
            running.spawn(async move {
                let row = at(point, &namespace, registry, &undisturbed).await;
                namespace.end().await;
                row
            });
        }
        let Some(row) = running.join_next().await else { break };
        let row = row.expect("a point that says how it failed");
        tracing::info!("{row}");
        rows.push(row);
    }
    rows.sort_by_key(|row| (row.point.number, row.point.moment));
    report(cluster, &undisturbed, &rows);
}

/// The same tags with a process that is not killed.
async fn undisturbed(cluster: &Cluster, registry: &Arc<Registry>) -> Undisturbed {
    let namespace = cluster.another("undisturbed").await;
    let staged = Staged::create(&namespace, Arc::clone(registry)).await;
    let proxy = Proxy::start(staged.cluster.voxsync_kubeconfig()).await;
    let _process = staged.start(&proxy.kubeconfig(), ARGUMENTS).await;
    staged.rests_on("v1.0.0").await;
    proxy.forget();
    staged.push(FIRST).await;
    staged.rests_on(FIRST).await;
    let writes = proxy.writes().into_iter().map(|write| write.name).collect();
    staged.push(NEWER).await;
    staged.rests_on(NEWER).await;
    let faults = staged.faults().await;
    assert!(faults.is_empty(), "without a crash: {faults:?}");
    let codes = staged.codes().await;
    namespace.end().await;
    Undisturbed { writes, codes }
}

async fn at(point: Point, namespace: &Cluster, registry: Arc<Registry>, undisturbed: &Undisturbed) -> Row {
    let begun = Instant::now();
    let staged = &Staged::create(namespace, registry).await;
    let proxy = Proxy::start(staged.cluster.voxsync_kubeconfig()).await;
    let mut row = Row { point, is_caught: false, codes: Codes::new(), seconds: 0, faults: Vec::new() };
    let mut lives = Vec::new();
    let run = AssertUnwindSafe(kill_and_start_again(staged, &proxy, &mut row, &mut lives));
    match run.catch_unwind().await {
        Err(panic) => row.faults.push(message(&*panic)),
        Ok(when_killed) => {
            row.codes = staged.codes().await;
            row.faults = staged.faults().await;
            row.faults.extend(too_many(&when_killed, &row.codes, &undisturbed.codes));
        }
    }
    row.seconds = begun.elapsed().as_secs();
    if !row.faults.is_empty() {
        write_down(staged, &proxy, &row, &lives).await;
    }
    row
}

/// Gives what each Server had been let run when the process was killed.
async fn kill_and_start_again(
    staged: &Staged<'_>,
    proxy: &Proxy,
    row: &mut Row,
    lives: &mut Vec<Process>,
) -> Codes {
    lives.push(staged.start(&proxy.kubeconfig(), ARGUMENTS).await);
    staged.rests_on("v1.0.0").await;
    let write = row.point.write.clone();
    proxy.catch(match row.point.moment {
        Moment::Before => Catch::Before(write),
        Moment::After => Catch::After(write),
    });
    staged.push(FIRST).await;
    row.is_caught = wait_for("the write to be caught, or the end", DEADLINE, async || match proxy.caught() {
        Some(_) => Ok(true),
        None => staged.is_at_rest(End::Deployed(FIRST)).await.map(|()| false),
    })
    .await;
    lives.iter().for_each(Process::kill);
    proxy.settled().await;
    let when_killed = staged.codes().await;
    staged.push(NEWER).await;
    proxy.open();
    lives.push(staged.start(&proxy.kubeconfig(), ARGUMENTS).await);
    staged.rests_on(NEWER).await;
    when_killed
}

/// Servers that were let run other codes than without a crash. One that was not let run the first tag yet may go without
/// it.
fn too_many(when_killed: &Codes, found: &Codes, undisturbed: &Codes) -> Vec<String> {
    let is_right = |(server, wanted): &(&String, &Vec<String>)| {
        let [found, before] = [found, when_killed].map(|codes| codes.get(*server).map_or(&[][..], |it| it));
        found.starts_with(before) && are_within(found, wanted)
    };
    let wrong = undisturbed.iter().filter(|server| !is_right(server));
    wrong.map(|(server, wanted)| format!("{server}: {wanted:?} without a crash")).collect()
}

/// Everything that a person needs to see why a point failed.
async fn write_down(staged: &Staged<'_>, proxy: &Proxy, row: &Row, lives: &[Process]) {
    let mut text = format!("{row}\n\n{}\n", staged.cluster.state().await);
    for write in proxy.writes() {
        let _ = writeln!(text, "{} {:?} {}", write.name, write.fate, write.body);
    }
    for line in lives.iter().flat_map(Process::log) {
        let _ = writeln!(text, "{line}");
    }
    let name = format!("{}.log", staged.cluster.namespace());
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), text).expect("write a log");
}

fn report(cluster: &Cluster, undisturbed: &Undisturbed, rows: &[Row]) {
    let mut table = format!(
        "{} ({:?}): {} points; without a crash {} writes, {}\n",
        cluster.namespace(),
        cluster.shape(),
        rows.len(),
        undisturbed.writes.len(),
        codes(&undisturbed.codes)
    );
    for row in rows {
        let _ = writeln!(table, "{row}");
    }
    #[expect(clippy::print_stdout, reason = "it is what this test is for")]
    {
        println!("{table}");
    }
    let wrong = rows.iter().filter(|row| !row.faults.is_empty()).count();
    assert_eq!(wrong, 0, "points that ended badly: see the table, and {}", env!("CARGO_TARGET_TMPDIR"));
    // One that is refused, since something changed in between, is made again.
    let is_missed = |row: &&Row| {
        let write = &row.point.write;
        !row.is_caught && write.occurrence == 1 && is_in_every_run(write)
    };
    let missed: Vec<_> = rows.iter().filter(is_missed).map(ToString::to_string).collect();
    assert!(missed.is_empty(), "writes that were not made in every run: {missed:?}");
}

/// Whether every run makes this write. Statuses and events are written when there is something new to say, which may
/// come in one or in two; the first status has the promotion in it.
fn is_in_every_run(write: &WriteName) -> bool {
    let is_status = write.object.ends_with("/status");
    !write.object.starts_with("events/") && (!is_status || write.occurrence == 1)
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Point { number, write, moment } = &self.point;
        let moment = format!("{moment:?}").to_lowercase();
        let write = format!("{write}{}", if self.is_caught { "" } else { " (was not made: killed at rest)" });
        let end = if self.faults.is_empty() { "ok" } else { "FAULT" };
        let (seconds, codes) = (self.seconds, codes(&self.codes));
        write!(formatter, "{number:3} {moment:6} {write:70} {seconds:3} s  {end}  {codes}")?;
        self.faults.iter().try_for_each(|fault| write!(formatter, "\n      {fault}"))
    }
}

fn codes(codes: &Codes) -> String {
    let of_servers = codes.iter().map(|(server, tags)| format!("{server} {}", tags.join("→")));
    of_servers.collect::<Vec<_>>().join(", ")
}

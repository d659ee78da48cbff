//! `voxsync run` as a process: it serves, says how it is, logs, and stops when it is told.

use std::time::Duration;

use crate::harness::{
    Case, Cluster, Needs, Process, cases,
    estate::{Estate, PRODUCTION},
    wait_for,
};

/// How long a process may take to say something, or to end.
const DEADLINE: Duration = Duration::from_mins(2);

pub(crate) const CASES: &[Case] = cases![
    run_promotes_answers_and_stops_on_sigterm => Needs::BOTH_SHAPES,
];

async fn run_promotes_answers_and_stops_on_sigterm(cluster: &Cluster) {
    let mut estate = Estate::staged(cluster, "1s").await;
    estate.kill();
    let process = Process::start(cluster);

    let ready =
        wait_for("/readyz", DEADLINE, async || process.get("/readyz").await.map_err(|it| it.to_string()))
            .await;
    assert_eq!(ready, "ok\n");
    assert_eq!(process.get("/healthz").await.unwrap(), "ok\n");

    let wanted = estate.push_and_look(cluster, "v1.1.0").await;
    cluster.deployed(PRODUCTION, "v1.1.0").await;
    assert_eq!(cluster.template_of("compile").await, [wanted]);

    let metrics = process.get("/metrics").await.unwrap();
    for wanted in [
        "voxsync_source_looks_total",
        "voxsync_agent_writes_total",
        "voxsync_reconciler_writes_total",
        "# EOF",
    ] {
        assert!(metrics.contains(wanted), "{wanted}:\n{metrics}");
    }

    process.signal("-TERM");
    let status = wait_for("the process to end", DEADLINE, async || {
        process.ended().ok_or_else(|| "it still runs".to_owned())
    })
    .await;
    assert!(status.success(), "a graceful stop: {status}");
}

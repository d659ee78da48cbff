//! `voxsync run` as a process: it serves, says how it is, logs, and stops when it is told.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use crate::harness::{
    Case, Cluster, Needs, cases,
    estate::{Estate, PRODUCTION},
    wait_for,
};

/// How long a process may take to say something, or to end.
const DEADLINE: Duration = Duration::from_secs(20);

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

    process.terminate();
    let status = wait_for("the process to end", DEADLINE, async || {
        process.ended().ok_or_else(|| "it still runs".to_owned())
    })
    .await;
    assert!(status.success(), "a graceful stop: {status}");
}

/// A running `voxsync run`.
pub(crate) struct Process {
    child: Mutex<Child>,
    address: String,
}

impl Process {
    /// Starts it for the test's namespace, and waits for the line that says where it answers.
    fn start(cluster: &Cluster) -> Self {
        Self::start_with(cluster, &[])
    }

    /// Starts it with these files named in its environment.
    pub(crate) fn start_with(cluster: &Cluster, environment: &[(&str, &Path)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_voxsync"))
            .args([
                "run",
                "--log-format",
                "json",
                "--listen",
                "127.0.0.1:0",
                "--namespace",
                cluster.namespace(),
            ])
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig())
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
        let address = loop {
            let line = lines.next().expect("a line that says where it answers").expect("standard error");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
            if let Some(address) = line["address"].as_str() {
                break address.to_owned();
            }
        };
        // A process that nobody listens to would stop when its pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child: Mutex::new(child), address }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn get(&self, path: &str) -> reqwest::Result<String> {
        let response = reqwest::get(format!("http://{}{path}", self.address)).await?;
        response.error_for_status()?.text().await
    }

    fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child().id().to_string()]).status();
        assert!(status.expect("kill is there").success());
    }

    /// How it ended, once it did.
    fn ended(&self) -> Option<ExitStatus> {
        self.child().try_wait().expect("the process can be asked")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child().kill();
        let _ = self.child().wait();
    }
}

//! `voxsync run` as a process, and what it costs.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Ticks of the processor's clock in `/proc/PID/stat`, a second: the same on all of Linux (`USER_HZ`).
const TICKS: f64 = 100.0;
const POLL: Duration = Duration::from_millis(20);
/// What is at rest uses less of a core than this.
const IDLE_SHARE: f64 = 0.05;
const IDLE_WINDOW: Duration = Duration::from_secs(1);

/// A running `voxsync run` for all namespaces; it is killed with this value.
pub struct Voxsync {
    child: Child,
    address: String,
    /// When it was started.
    pub started: Instant,
    warnings: Arc<AtomicUsize>,
}

impl Voxsync {
    /// Starts a program that is voxsync, with more options than it needs, and waits until it says where it answers.
    pub fn start(program: &str, kubeconfig: &Path, options: &[&str]) -> Self {
        let started = Instant::now();
        let mut child = Command::new(program)
            .args([
                "run",
                "--all-namespaces",
                "--log-format",
                "json",
                "--listen",
                "127.0.0.1:0",
                "--kubeconfig",
            ])
            .arg(kubeconfig)
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .expect("voxsync starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let address = loop {
            let line = lines.next().expect("a line that says where it answers").expect("its log");
            let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
            if let Some(address) = line["address"].as_str() {
                break address.to_owned();
            }
        };
        let warnings = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&warnings);
        // A process that nobody listens to would stop when its pipe is full.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains("\"level\":\"WARN\"") || line.contains("\"level\":\"ERROR\"") {
                    eprintln!("{line}");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { child, address, started, warnings }
    }

    /// Warnings and errors in its log so far.
    pub fn warnings(&self) -> usize {
        self.warnings.load(Ordering::Relaxed)
    }

    /// Waits until the first lists are in.
    pub async fn ready(&self) -> Duration {
        let url = format!("http://{}/readyz", self.address);
        while !reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
            tokio::time::sleep(POLL).await;
        }
        self.started.elapsed()
    }

    /// Waits for a second in which it does next to nothing, and gives the time until that began.
    pub async fn idle(&self) -> Duration {
        loop {
            let began = self.started.elapsed();
            let before = self.cpu_seconds();
            tokio::time::sleep(IDLE_WINDOW).await;
            if self.cpu_seconds() - before < IDLE_SHARE {
                return began;
            }
        }
    }

    /// Seconds of a core that it used so far.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        // The name in parentheses may have spaces.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u32 = fields.skip(11).take(2).map(|field| field.parse::<u32>().expect("ticks")).sum();
        f64::from(ticks) / TICKS
    }

    /// A size of its memory in MiB: `VmHWM` is the largest it ever was, `VmRSS` the present one.
    pub fn memory(&self, name: &str) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line of the status");
        let kilobytes: u32 =
            line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).expect("a size");
        f64::from(kilobytes) / 1024.0
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("voxsync still runs")
    }
}

impl Drop for Voxsync {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

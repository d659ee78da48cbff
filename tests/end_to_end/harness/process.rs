//! `voxsync run` as a process of its own.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use serde_json::Value;

use super::cluster::Cluster;

/// A running `voxsync run`; it is killed when this is dropped.
pub(crate) struct Process {
    child: Mutex<Child>,
    address: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it for the test's namespace, and waits for the line that says where it answers.
    pub(crate) fn start(cluster: &Cluster) -> Self {
        Self::start_with(cluster, &[])
    }

    /// Starts it with these files named in its environment.
    pub(crate) fn start_with(cluster: &Cluster, environment: &[(&str, &Path)]) -> Self {
        let mut command = Self::command(cluster.voxsync_kubeconfig(), cluster.namespace());
        command.envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// What starts it for a namespace.
    pub(crate) fn command(kubeconfig: &Path, namespace: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
        command.args(["run", "--log-format", "json", "--listen", "127.0.0.1:0"]);
        command.args(["--namespace", namespace, "--kubeconfig"]).arg(kubeconfig);
        command
    }

    /// Starts it, and waits for the line that says where it answers. Blocks.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = Arc::<Mutex<Vec<String>>>::default();
        let keep = |line: &str| lock(&log).push(line.to_owned());
        let mut lines = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
        let address = loop {
            let line = lines.next().expect("a line that says where it answers").expect("standard error");
            keep(&line);
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
            if let Some(address) = line["address"].as_str() {
                break address.to_owned();
            }
        };
        let kept = Arc::clone(&log);
        // A process that nobody listens to would stop when its pipe is full.
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| lock(&kept).push(line)));
        Self { child: Mutex::new(child), address, log }
    }

    /// The lines that it wrote so far.
    pub(crate) fn log(&self) -> Vec<String> {
        lock(&self.log).clone()
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Result<String> {
        let response = reqwest::get(format!("http://{}{path}", self.address)).await?;
        response.error_for_status()?.text().await
    }

    /// Ends it at once, as SIGKILL does.
    pub(crate) fn kill(&self) {
        let mut child = lock(&self.child);
        // It may have ended already, which is all that is wanted.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Sends a signal, for instance `-TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &lock(&self.child).id().to_string()]).status();
        assert!(status.expect("kill is there").success());
    }

    /// Its number in the system.
    pub(crate) fn id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// How it ended, once it did.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        lock(&self.child).try_wait().expect("the process can be asked")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

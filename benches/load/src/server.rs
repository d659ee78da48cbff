//! The world in a process of its own: the bench's own program, started again with other arguments.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use kube::{
    Client,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use voxsync_sandbox::{Sandbox, SandboxOptions, serve_router};

use crate::{
    ledger::{Ledger, Writes},
    registry,
    staged::Staged,
    world::World,
};

const SERVE: &str = "serve-the-world";
const CRD_FOLDERS: [&str; 2] = ["crds/yaml", "tests/data/openvox-operator/crds"];
/// Stands beside the CRDs for those who install them with kustomize.
const KUSTOMIZATION: &str = "kustomization.yaml";

/// What is served.
#[derive(Serialize, Deserialize)]
pub enum Plan {
    /// Many CodeSyncs.
    Many(World),
    /// One with stages.
    Staged(Staged),
}

impl From<World> for Plan {
    fn from(world: World) -> Self {
        Self::Many(world)
    }
}

impl From<Staged> for Plan {
    fn from(staged: Staged) -> Self {
        Self::Staged(staged)
    }
}

/// The world, in a process of its own that ends with this value.
pub struct Server {
    child: Child,
    /// `127.0.0.1:<port>` of the registry.
    pub registry: String,
    folder: TempDir,
}

impl Server {
    /// Starts it, and waits until all is in it.
    pub fn start(plan: impl Into<Plan>) -> Self {
        let plan = serde_json::to_string(&plan.into()).expect("JSON");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(SERVE).arg(folder.path()).arg(plan);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the world starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("the address of the registry");
        let registry = line.trim().to_owned();
        assert!(!registry.is_empty(), "the world ended");
        Self { child, registry, folder }
    }

    /// How to reach the Kubernetes API.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// A client of the Kubernetes API.
    pub async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig()).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let configuration = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
        Client::try_from(configuration.expect("a kubeconfig")).expect("a client")
    }

    /// Takes out what was written to the Kubernetes API over HTTP, but not as [`crate::BENCH`].
    pub async fn take_writes(&self) -> Writes {
        let answer = reqwest::get(format!("http://{}/writes", self.registry)).await.expect("the writes");
        Writes(answer.json().await.expect("the writes"))
    }

    /// Adds the next tag to a repository, by its number.
    pub async fn push(&self, repository: usize) {
        self.put(&format!("push/{}", registry::repository(repository))).await;
    }

    /// From now on, what asks whether all is well is told that it is not.
    pub async fn fall_ill(&self) {
        self.put("ill").await;
    }

    async fn put(&self, path: &str) {
        let put = reqwest::Client::new().put(format!("http://{}/{path}", self.registry));
        put.send().await.expect("an answer").error_for_status().expect("success");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the world where this process was started for it, until its standard input ends. Says whether it was.
pub async fn serve_if_asked() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [verb, folder, plan] = arguments.as_slice() else { return false };
    let is_asked = verb == SERVE;
    if is_asked {
        serve(Path::new(folder), serde_json::from_str(plan).expect("a plan")).await;
    }
    is_asked
}

async fn serve(folder: &Path, plan: Plan) {
    let stop = CancellationToken::new();
    let ledger = Ledger::default();
    let tags = match &plan {
        Plan::Many(world) => world.tags,
        Plan::Staged(staged) => staged.tags,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the registry");
    let registry = listener.local_addr().expect("its address").to_string();
    let router = registry::router(tags, ledger.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let options = SandboxOptions { pod_start_delay: std::time::Duration::ZERO, ..SandboxOptions::default() };
    let sandbox = Sandbox::new(options);
    install_crds(&sandbox);
    let (installed, rolls) = match &plan {
        Plan::Many(world) => (world.install(&sandbox, &registry), world.rolls),
        Plan::Staged(staged) => (staged.install(&sandbox, &registry), true),
    };
    installed.expect("the objects of the world");
    if rolls {
        tokio::spawn(sandbox.clone().simulate(stop.clone()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the Kubernetes API");
    let address: SocketAddr = listener.local_addr().expect("its address");
    fs::write(folder.join("kubeconfig"), sandbox.kubeconfig(address, "default")).expect("write a kubeconfig");
    tokio::spawn(serve_router(ledger.layer(sandbox.router()), listener, stop));
    println!("{registry}");
    // Whoever started it holds the other end.
    let until_end = || std::io::stdin().read_to_end(&mut Vec::new());
    let _ = tokio::task::spawn_blocking(until_end).await;
}

fn install_crds(sandbox: &Sandbox) {
    for folder in CRD_FOLDERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
        for entry in fs::read_dir(folder).expect("the folder of CRDs").flatten() {
            if entry.file_name() != KUSTOMIZATION {
                let text = fs::read_to_string(entry.path()).expect("a CRD");
                sandbox.install_manifests(&text).expect("a CRD");
            }
        }
    }
}

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
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::{registry, world::World};

const SERVE: &str = "serve-the-world";
const CRD_FOLDERS: [&str; 2] = ["crds/yaml", "tests/data/openvox-operator/crds"];
/// Stands beside the CRDs for those who install them with kustomize.
const KUSTOMIZATION: &str = "kustomization.yaml";

/// The world, in a process of its own that ends with this value.
pub struct Server {
    child: Child,
    /// `127.0.0.1:<port>` of the registry.
    pub registry: String,
    folder: TempDir,
}

impl Server {
    /// Starts it, and waits until all is in it.
    pub fn start(world: &World) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(SERVE).arg(folder.path()).args(world.arguments());
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
    let [verb, folder, numbers @ ..] = arguments.as_slice() else { return false };
    let is_asked = verb == SERVE;
    if is_asked {
        serve(Path::new(folder), World::parse(numbers)).await;
    }
    is_asked
}

async fn serve(folder: &Path, world: World) {
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the registry");
    let registry = listener.local_addr().expect("its address");
    let router = registry::router(world.tags);
    tokio::spawn(async move { axum::serve(listener, router).await });

    let options = SandboxOptions { pod_start_delay: std::time::Duration::ZERO, ..SandboxOptions::default() };
    let sandbox = Sandbox::new(options);
    install_crds(&sandbox);
    world.install(&sandbox, &registry.to_string()).expect("the objects of the world");
    if world.rolls {
        tokio::spawn(sandbox.clone().simulate(stop.clone()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port for the Kubernetes API");
    let address: SocketAddr = listener.local_addr().expect("its address");
    fs::write(folder.join("kubeconfig"), sandbox.kubeconfig(address, "default")).expect("write a kubeconfig");
    tokio::spawn(sandbox.serve(listener, stop));
    println!("{registry}");
    // Whoever started it holds the other end.
    let until_end = || std::io::stdin().read_to_end(&mut Vec::new());
    let _ = tokio::task::spawn_blocking(until_end).await;
}

fn install_crds(sandbox: &Sandbox) {
    for folder in CRD_FOLDERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(folder).expect("the folder of CRDs").flatten() {
            if entry.file_name() != KUSTOMIZATION {
                let text = fs::read_to_string(entry.path()).expect("a CRD");
                sandbox.install_manifests(&text).expect("a CRD");
            }
        }
    }
}

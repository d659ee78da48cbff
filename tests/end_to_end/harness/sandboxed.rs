//! The sandbox as a cluster of its own for each test: on a loopback port, so that clients and `kubectl` reach it as
//! they reach any other.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, TcpStream},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::control_plane::{Setup, crd_files};

const POLL: Duration = Duration::from_millis(10);
const POLLS_UNTIL_CHANGED: u32 = 500;

/// A sandbox that is served.
pub(crate) struct Sandboxed {
    sandbox: Sandbox,
    address: SocketAddr,
    folder: TempDir,
    /// A runtime of its own takes every connection with it when it ends, as a killed API server does.
    running: Mutex<Option<Runtime>>,
}

impl Sandboxed {
    /// Starts one of that setup.
    pub(crate) fn start(setup: Setup) -> Self {
        let options = SandboxOptions { image_volumes: setup.has_image_volumes, ..SandboxOptions::default() };
        let sandbox = Sandbox::new(options);
        for path in crd_files(setup.shape) {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
            sandbox
                .install_manifests(&text)
                .unwrap_or_else(|error| panic!("install {}: {error}", path.display()));
        }
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on 127.0.0.1");
        let address = listener.local_addr().expect("the address of a listener");
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("kubeconfig"), sandbox.kubeconfig(address, "default"))
            .expect("write a kubeconfig");
        let sandboxed = Self { sandbox, address, folder, running: Mutex::default() };
        sandboxed.serve(listener);
        sandboxed
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    pub(crate) fn stop_api(&self) {
        if let Some(runtime) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
        let mut polls = 0..POLLS_UNTIL_CHANGED;
        while TcpStream::connect(self.address).is_ok() {
            polls.next().expect("the sandbox's port is closed");
            thread::sleep(POLL);
        }
    }

    pub(crate) fn start_api(&self) {
        let mut polls = 0..POLLS_UNTIL_CHANGED;
        let listener = loop {
            match StdListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(error) => assert!(polls.next().is_some(), "listen on {} again: {error}", self.address),
            }
            thread::sleep(POLL);
        };
        self.serve(listener);
    }

    fn serve(&self, listener: StdListener) {
        listener.set_nonblocking(true).expect("a listener that does not block");
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime for the sandbox");
        let (server, controllers) = (self.sandbox.clone(), self.sandbox.clone());
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            server.serve(listener, CancellationToken::new()).await
        });
        runtime.spawn(async move { controllers.simulate(CancellationToken::new()).await });
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime);
    }
}

impl Drop for Sandboxed {
    fn drop(&mut self) {
        if let Some(runtime) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

//! Everything around voxsync, in this process: a Kubernetes API, a registry, and a real Git repository.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use kube::Client;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use voxsync_crds::CodeReference;
use voxsync_sandbox::{PullFailure, Sandbox, SandboxOptions};

use super::{estate, manifests, registry, story::Push};

/// The namespace of the examples.
pub const NAMESPACE: &str = "puppet";
/// The repository of code images in the demo's registry.
pub const REPOSITORY: &str = "puppet-code";
/// What pushes an image to the demo's registry, in the demo's folder.
pub const PUSH_SCRIPT: &str = "push";
/// The file that names the image, in the Git repository.
pub const REFERENCE_FILE: &str = "deploy/code-version.txt";

/// Everything around voxsync.
pub struct World {
    pub client: Client,
    pub registry: registry::Store,
    pub registry_address: SocketAddr,
    pub kubernetes_address: SocketAddr,
    pub folder: PathBuf,
    /// Removes the folder at the end, unless the user named it.
    _temporary: Option<TempDir>,
}

impl World {
    /// Starts it, and puts in what the story begins with.
    pub async fn start(
        folder: Option<PathBuf>,
        first: &Push,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let temporary = match folder {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("voxsync-demo-").tempdir()?),
        };
        let folder = folder.or_else(|| temporary.as_ref().map(|it| it.path().to_owned())).unwrap_or_default();
        std::fs::create_dir_all(&folder).with_context(|| format!("the folder {}", folder.display()))?;
        // Another demo may run in it: its users would talk to this one.
        if std::fs::read_dir(&folder)?.next().is_some() {
            bail!("the folder {} is not empty: name an empty one, or none", folder.display());
        }
        let store = registry::Store::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the registry")?;
        let registry_address = listener.local_addr()?;
        let server = axum::serve(listener, registry::router(store.clone()));
        tokio::spawn(server.with_graceful_shutdown(stop.clone().cancelled_owned()).into_future());

        let sandbox = sandbox(&store, registry_address);
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the Kubernetes API")?;
        let kubernetes_address = listener.local_addr()?;
        std::fs::write(folder.join("kubeconfig"), sandbox.kubeconfig(kubernetes_address, NAMESPACE))?;
        tokio::spawn(sandbox.clone().serve(listener, stop.clone()));
        let simulated = sandbox.clone();
        let simulation_stop = stop.clone();
        tokio::spawn(async move { simulated.simulate(simulation_stop).await });

        let world = Self {
            client: sandbox.client(NAMESPACE),
            registry: store,
            registry_address,
            kubernetes_address,
            folder,
            _temporary: temporary,
        };
        let script = push_script(registry_address, &first.tag);
        std::fs::write(world.folder.join(PUSH_SCRIPT), script)?;
        let digest = world.push(first);
        let reference = world.reference(&first.tag, &digest);
        world.create_repository(&reference)?;
        sandbox.install_manifests(manifests::DEFINITIONS)?;
        for (_, definition) in voxsync_crds::yaml::definitions() {
            sandbox.install_manifests(&voxsync_crds::yaml::to_yaml(&definition)?)?;
        }
        sandbox.install_manifests(&manifests::servers(&reference)).context("examples/servers.yaml")?;
        estate::create_deployments(&world.client, NAMESPACE).await?;
        let host = registry_address.to_string();
        sandbox.install_manifests(&manifests::staged(&host)).context("examples/staged.yaml")?;
        let url = format!("file://{}", world.control_repository().display());
        sandbox.install_manifests(&manifests::git_reference(&url)).context("examples/git-reference.yaml")?;
        Ok(world)
    }

    /// Pushes a code image; gives its digest.
    pub fn push(&self, push: &Push) -> String {
        registry::code_image(&self.registry, REPOSITORY, &push.tag, &push.commit, &push.text)
    }

    /// The reference of an image in the demo's registry.
    pub fn reference(&self, tag: &str, digest: &str) -> String {
        format!("{}/{REPOSITORY}:{tag}@{digest}", self.registry_address)
    }

    /// The Git repository, with a work tree to play in.
    pub fn control_repository(&self) -> PathBuf {
        self.folder.join("control-repo")
    }

    /// Makes the reference file name an image, and commits it as a person would.
    pub fn commit(&self, reference: &str, message: &str) -> anyhow::Result<()> {
        let repository = self.control_repository();
        let file = repository.join(REFERENCE_FILE);
        std::fs::write(&file, format!("{reference}\n")).with_context(|| file.display().to_string())?;
        git(&repository, &["add", REFERENCE_FILE])?;
        git(&repository, &["commit", "--quiet", "--message", message])
    }

    fn create_repository(&self, reference: &str) -> anyhow::Result<()> {
        let repository = self.control_repository();
        std::fs::create_dir_all(repository.join("deploy"))?;
        git(&repository, &["init", "--quiet", "--initial-branch", "production"])?;
        git(&repository, &["config", "user.name", "voxsync demo"])?;
        git(&repository, &["config", "user.email", "demo@voxsync.example"])?;
        self.commit(reference, "Run the first release")
    }
}

/// The script with which a person pushes images: podman is not everywhere, and would need an image to push.
fn push_script(registry_address: SocketAddr, first: &str) -> String {
    include_str!("push.sh")
        .replace("@REPOSITORY@", &format!("{registry_address}/v2/{REPOSITORY}"))
        .replace("@FIRST@", first)
}

/// The Kubernetes API, whose nodes pull from the demo's registry.
fn sandbox(store: &registry::Store, registry_address: SocketAddr) -> Sandbox {
    let store = store.clone();
    let prefix = format!("{registry_address}/");
    let pull_check = move |reference: &str| {
        let parsed = CodeReference::parse(reference).ok()?;
        let repository = parsed.repository().strip_prefix(&prefix)?;
        let name = parsed.digest().or(parsed.tag())?;
        let why = store.pull_problem(repository, name)?;
        // The kubelet's own words around the registry's.
        let message = format!(
            "Back-off pulling image \"{reference}\": ErrImagePull: failed to pull and unpack image: {why}"
        );
        Some(PullFailure { reason: "ImagePullBackOff".to_owned(), message })
    };
    Sandbox::new(SandboxOptions { pull_check: Arc::new(pull_check), ..SandboxOptions::default() })
}

/// Runs git without the user's own settings.
fn git(repository: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(repository)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .context("the demo needs git: install it and try again")?;
    if !output.status.success() {
        bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

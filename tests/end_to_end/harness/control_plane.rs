//! The real control plane (`tests/controlplane`): built once into a cache folder, started once a test process for each
//! setup that a test needs, and ended with the process, since its standard input is ours.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    panic::catch_unwind,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex as BlockingMutex, OnceLock, PoisonError},
};

use tokio::sync::Mutex;
use voxsync_fixtures::run;

use super::{audit_log, case::message};

const NODES: &str = "2";
const BEFORE_IMAGE_VOLUMES: &str = "--emulated-version=1.34 --feature-gates=ImageVolume=false";
const VOXSYNC_CRDS: &str = "crds/yaml";
const OPERATOR_CRDS: &str = "tests/data/openvox-operator/crds";
/// voxsync must do with them in force.
const POLICIES: &str = "deploy/policies";
/// And with this, for those who make Jobs.
const POLICY_FOR_JOBS: &str = "deploy/jobs-policy";
/// Stands beside the CRDs for those who install them with kustomize.
const KUSTOMIZATION: &str = "kustomization.yaml";
const OPERATOR_LIST_CRDS: &str = "tests/data/openvox-operator/crds-list";

/// The shape of `spec.code` in the operator's CRDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An object (up to v0.9).
    Object,
    /// A list (later releases).
    List,
}

/// What a cluster is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) shape: Shape,
    pub(crate) has_image_volumes: bool,
    /// One test at a time has it, for instance because it stops the API server.
    pub(crate) exclusive: bool,
}

/// A control plane that runs.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    kubebox: PathBuf,
    kubeconfig: PathBuf,
    /// It ends when its standard input does.
    _child: Child,
    talk: BlockingMutex<(ChildStdin, BufReader<ChildStdout>)>,
    /// Held by a test that has it for itself.
    pub(crate) in_use: Mutex<()>,
}

impl ControlPlane {
    /// The control plane of a setup, started if it does not run yet. Blocks.
    pub(crate) fn shared(setup: Setup) -> &'static Self {
        type Shared = OnceLock<Result<ControlPlane, String>>;
        static OBJECT: Shared = OnceLock::new();
        static LIST: Shared = OnceLock::new();
        static WITHOUT_IMAGE_VOLUMES: Shared = OnceLock::new();
        // One more, so that nobody waits for those who must be alone.
        static EXCLUSIVE: Shared = OnceLock::new();
        let (place, name) = match setup {
            Setup { exclusive: true, .. } => (&EXCLUSIVE, "exclusive"),
            Setup { has_image_volumes: false, .. } => (&WITHOUT_IMAGE_VOLUMES, "old"),
            Setup { shape: Shape::Object, .. } => (&OBJECT, "object"),
            Setup { shape: Shape::List, .. } => (&LIST, "list"),
        };
        // What failed once fails for every test, without another try.
        let start = || catch_unwind(|| Self::start(setup, name)).map_err(|panic| message(&*panic));
        place.get_or_init(start).as_ref().unwrap_or_else(|error| panic!("the control plane: {error}"))
    }

    /// Why it cannot be built here, if it cannot.
    pub(crate) fn obstacle() -> Option<String> {
        let output = Command::new(root().join("tests/controlplane/build.sh")).arg("--check").output();
        match output {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Some(format!("tests/controlplane/build.sh: {error}")),
        }
    }

    /// Builds it, or finds it built, and returns its path. Blocks.
    pub(crate) fn kubebox() -> &'static Path {
        static KUBEBOX: OnceLock<PathBuf> = OnceLock::new();
        KUBEBOX.get_or_init(|| {
            let path = run(&mut Command::new(root().join("tests/controlplane/build.sh")));
            PathBuf::from(path.trim_end())
        })
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The folder with its logs.
    pub(crate) fn folder(&self) -> &Path {
        self.kubeconfig.parent().expect("the folder of a kubeconfig")
    }

    /// Ends the API server at once. Blocks.
    pub(crate) fn stop_api(&self) {
        self.order("stop kube-apiserver");
    }

    /// Starts the API server again, on its port, and waits until it is ready. Blocks.
    pub(crate) fn start_api(&self) {
        self.order("start kube-apiserver");
    }

    fn start(setup: Setup, name: &str) -> Self {
        let kubebox = Self::kubebox().to_owned();
        let folders = Path::new(env!("CARGO_TARGET_TMPDIR"));
        remove_leftovers(folders);
        let folder = folders.join(format!("controlplane-{}-{name}", std::process::id()));
        let mut command = Command::new(&kubebox);
        command.args(["up", "-stdin", "-nodes", NODES, "-dir"]).arg(&folder);
        command.arg("-stages").arg(root().join("tests/controlplane/stages.yaml"));
        audit_log::prepare(&folder);
        let version = if setup.has_image_volumes { "" } else { BEFORE_IMAGE_VOLUMES };
        command.args(["-apiserver-flags", &format!("{} {version}", audit_log::FLAGS)]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start kubebox");
        let input = child.stdin.take().expect("the input of kubebox");
        let mut output = BufReader::new(child.stdout.take().expect("the output of kubebox"));
        let mut said = String::new();
        while !said.contains("READY ") {
            let read = output.read_line(&mut said).expect("read from kubebox");
            assert!(read > 0, "kubebox did not get ready: {said}; its logs are in {}", folder.display());
        }
        let kubeconfig = folder.join("kubeconfig");
        let plane = Self {
            kubebox,
            kubeconfig,
            _child: child,
            talk: BlockingMutex::new((input, output)),
            in_use: Mutex::default(),
        };
        plane.install(setup.shape);
        plane
    }

    fn install(&self, shape: Shape) {
        let kubectl = |arguments: &[&str]| {
            let mut command = Command::new(&self.kubebox);
            command.arg("kubectl").arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
            run(command.current_dir(root()));
        };
        for file in crd_files(shape) {
            kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file.to_string_lossy()]);
        }
        kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
        kubectl(&["apply", "--server-side", "-k", POLICY_FOR_JOBS]);
        kubectl(&["apply", "--server-side", "-k", POLICIES]);
    }

    fn order(&self, order: &str) {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, output) = &mut *talk;
        writeln!(input, "{order}").expect("write to kubebox");
        let mut answer = String::new();
        output.read_line(&mut answer).expect("read from kubebox");
        assert_eq!(answer.trim_end(), "OK", "kubebox: {order}");
    }
}

/// The files of the CRDs that a cluster has.
pub(crate) fn crd_files(shape: Shape) -> Vec<PathBuf> {
    let folders: &[&str] = match shape {
        Shape::Object => &[VOXSYNC_CRDS, OPERATOR_CRDS],
        Shape::List => &[VOXSYNC_CRDS, OPERATOR_CRDS, OPERATOR_LIST_CRDS],
    };
    let mut files = BTreeMap::new();
    for folder in folders.iter().map(|folder| root().join(folder)) {
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("read {}: {error}", folder.display()));
        // A later folder has some of the files of an earlier one, with the same names.
        files.extend(entries.flatten().map(|entry| (entry.file_name(), entry.path())));
    }
    files.retain(|name, _| name != KUSTOMIZATION);
    files.into_values().collect()
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Removes the folders of test processes that have ended.
fn remove_leftovers(folders: &Path) {
    for entry in fs::read_dir(folders).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix("controlplane-").and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another test process may be removing it just now.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

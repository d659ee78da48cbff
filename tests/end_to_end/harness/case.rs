//! Tests as a list: written once, run on each kind of cluster.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::Pin,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt as _;
use libtest_mimic::{Arguments, Failed, Trial};

use super::{
    cluster::Cluster,
    control_plane::{ControlPlane, Setup, Shape},
};

/// They mostly wait for rollouts: more of them than processors run at once.
const THREADS: usize = 6;
const TEST_TIMEOUT: Duration = Duration::from_mins(25);

/// Which tests failed and why, for the end of the output: the states of their clusters, which come with each, are long.
static FAILURES: Mutex<Vec<String>> = Mutex::new(Vec::new());
const LONGEST_SUMMARY_CHARS: usize = 2_000;

/// A test, and what it needs.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
    pub(crate) test: for<'a> fn(&'a Cluster) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
}

/// What the cluster of a test must be like.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "needs that have nothing to do with each other")]
pub(crate) struct Needs {
    shapes: &'static [Shape],
    has_image_volumes: bool,
    exclusive: bool,
    alone: bool,
    kubectl: bool,
    sandbox: bool,
    control_plane: bool,
}

impl Needs {
    /// `spec.code` is an object.
    pub(crate) const OBJECT: Self = Self {
        shapes: &[Shape::Object],
        has_image_volumes: true,
        exclusive: false,
        alone: false,
        kubectl: false,
        sandbox: true,
        control_plane: true,
    };
    /// `spec.code` is a list.
    pub(crate) const LIST: Self = Self { shapes: &[Shape::List], ..Self::OBJECT };
    /// Runs once with each shape.
    pub(crate) const BOTH_SHAPES: Self = Self { shapes: &[Shape::Object, Shape::List], ..Self::OBJECT };
    /// Nobody else may use the cluster meanwhile, for instance because the API server is stopped.
    pub(crate) const EXCLUSIVE: Self = Self { exclusive: true, ..Self::OBJECT };
    /// No other test may run meanwhile, because it is about what an idle machine does.
    pub(crate) const ALONE: Self = Self { alone: true, ..Self::EXCLUSIVE };
    /// The API server drops image volumes, as those before Kubernetes 1.35 did.
    pub(crate) const WITHOUT_IMAGE_VOLUMES: Self = Self { has_image_volumes: false, ..Self::OBJECT };

    /// It runs `kubectl`, which comes with the control plane.
    pub(crate) const fn and_kubectl(self) -> Self {
        Self { kubectl: true, ..self }
    }

    /// It is about what people are shown, which is the same on both.
    pub(crate) const fn in_sandbox_only(self) -> Self {
        Self { control_plane: false, ..self }
    }

    /// It is about something that the sandbox says it does not have.
    pub(crate) const fn on_control_plane_only(self) -> Self {
        Self { sandbox: false, ..self }
    }
}

/// `cases![first_test, second_test => Needs::BOTH_SHAPES]`.
macro_rules! cases {
    ($($test:ident $(=> $needs:expr)?),* $(,)?) => {
        &[$($crate::harness::Case {
            name: stringify!($test),
            needs: $crate::harness::cases!(@needs $($needs)?),
            test: |cluster| Box::pin($test(cluster)),
        }),*]
    };
    (@needs) => { $crate::harness::Needs::OBJECT };
    (@needs $needs:expr) => { $needs };
}
pub(crate) use cases;

/// Runs the tests that the command line asks for.
#[expect(clippy::print_stderr, reason = "the end of a test's output is for people")]
pub(crate) fn run(files: &[(&'static str, &'static [Case])]) -> ExitCode {
    // Every client of this process uses it; nobody has installed another one yet.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Silent, unless RUST_LOG asks for something.
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let obstacle = ControlPlane::obstacle();
    let must_run = std::env::var_os("CI").is_some_and(|value| value == "true");
    let (mut alone, mut trials) = (Vec::new(), Vec::new());
    // Those of the sandbox are short: at the end no thread is without one.
    for place in [Place::ControlPlane, Place::Sandbox] {
        for (file, case) in files.iter().flat_map(|(file, cases)| cases.iter().map(move |case| (file, case)))
        {
            let is_there = match place {
                Place::Sandbox => case.needs.sandbox,
                Place::ControlPlane => case.needs.control_plane,
            };
            if !is_there {
                continue;
            }
            for shape in case.needs.shapes {
                let trial = trial(place, file, case, *shape);
                let trials = if case.needs.alone { &mut alone } else { &mut trials };
                trials.push(match &obstacle {
                    Some(why) if !must_run && (place == Place::ControlPlane || case.needs.kubectl) => {
                        trial.with_kind(format!("skipped: {why}")).with_ignored_flag(true)
                    }
                    _ => trial,
                });
            }
        }
    }
    let conclusions = [alone, trials].map(|trials| libtest_mimic::run(&arguments, trials));
    for failure in FAILURES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        eprintln!("{failure}");
    }
    let has_failed = conclusions.iter().any(libtest_mimic::Conclusion::has_failed);
    if has_failed { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Sandbox,
    ControlPlane,
}

fn trial(place: Place, file: &str, case: &'static Case, shape: Shape) -> Trial {
    let variant = if shape == Shape::List { "::list" } else { "" };
    let setup =
        Setup { shape, has_image_volumes: case.needs.has_image_volumes, exclusive: case.needs.exclusive };
    match place {
        Place::Sandbox => {
            let name = format!("sandbox::{file}::{}{variant}", case.name);
            Trial::test(name.clone(), move || run_case(&name, case, Cluster::in_sandbox(setup, case.name)))
        }
        Place::ControlPlane => {
            let name = format!("cluster::{file}::{}{variant}", case.name);
            Trial::test(name.clone(), move || {
                run_case(&name, case, Cluster::on_control_plane(setup, case.name))
            })
        }
    }
}

fn run_case(name: &str, case: &'static Case, cluster: impl Future<Output = Cluster>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("a runtime for a test: {error}"))?;
    runtime.block_on(async {
        let cluster = cluster.await;
        let test = tokio::time::timeout(TEST_TIMEOUT, (case.test)(&cluster));
        let failure = match AssertUnwindSafe(test).catch_unwind().await {
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some(format!("did not end within {} s", TEST_TIMEOUT.as_secs())),
            Err(panic) => Some(message(&*panic)),
        };
        let result = match failure {
            None => Ok(()),
            Some(failure) => {
                let short: String = failure.chars().take(LONGEST_SUMMARY_CHARS).collect();
                FAILURES.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{name}: {short}"));
                Err(format!("{failure}\n\nWhat was in its namespace:\n{}", cluster.state().await).into())
            }
        };
        cluster.end().await;
        result
    })
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

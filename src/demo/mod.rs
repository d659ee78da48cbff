//! `voxsync demo`: the whole way, from a pushed tag to rolled Servers, in this process.
//!
//! The agent and the reconciler are those of `voxsync run`. Only the events from outside are scripted; whether a
//! step came true is decided from objects read back through the Kubernetes API.

mod estate;
mod manifests;
mod narrator;
mod registry;
mod story;
mod watcher;
mod world;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use voxsync_cluster::{Cluster, Scope};

use crate::{
    arguments::{DemoOptions, DemoOutput, Switch},
    audit,
    halves::{self, Halves},
    output::{self, Tone, paint},
    stop::Signals,
};
pub use manifests::DEFINITIONS;
use narrator::Narrator;
use story::{Push, Step, story};
use watcher::Watcher;
use world::{NAMESPACE, PUSH_SCRIPT, REPOSITORY, World};

/// What `-o json` prints.
#[derive(Serialize)]
struct Report {
    ok: bool,
    steps: Vec<StepReport>,
}

/// One step of it.
#[derive(Serialize)]
struct StepReport {
    name: &'static str,
    ok: bool,
    seconds: f64,
    tag: String,
    digest: String,
}

/// Runs the demo.
pub async fn run(options: DemoOptions) -> anyhow::Result<ExitCode> {
    let silent = options.output == DemoOutput::Json;
    let mut narrator = Narrator::new(silent);
    let mut signals = Signals::catch()?;
    let stop = CancellationToken::new();
    let story = story(options.seed);
    let world = World::start(options.folder.clone(), &story.first, &stop).await?;
    introduce(&world, &narrator, &story.first);

    let cluster = Cluster::watch(world.client.clone(), Scope::Namespace(NAMESPACE.to_owned()), stop.clone());
    let halves = Halves {
        agent: Switch::On,
        reconciler: options.reconciler,
        file_root: world.folder.clone(),
        git_file_root: Some(world.folder.clone()),
        cache: world.folder.join("cache"),
        registries: voxsync_agent::Registries::default(),
        selector: None,
        bell: voxsync_agent::LookBell::default(),
        job_service_account: None,
        election: None,
    };
    let mut metrics = Registry::default();
    let work = halves::work(&halves, &world.client, &cluster, &mut metrics, &stop);
    let work = tokio::spawn(halves::until_ended(work));

    let mut steps = Vec::new();
    for (index, step) in story.steps.iter().enumerate() {
        tokio::select! {
            played = play(&world, step, index + 1, &mut narrator) => steps.push(played?),
            signal = signals.first() => bail!("{signal}: stopped in step {}", index + 1),
        }
    }
    let report = Report { ok: steps.iter().all(|step| step.ok), steps };
    show_audit(&world, &narrator).await?;
    if silent {
        output::line(&serde_json::to_string(&report)?);
    }
    if !options.once {
        play_on(&world, &story.first, &narrator);
        signals.first().await;
    }
    stop.cancel();
    work.await.context("the agent and the reconciler")??;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn play(
    world: &World,
    step: &Step,
    number: usize,
    narrator: &mut Narrator,
) -> anyhow::Result<StepReport> {
    let production = Watcher {
        client: &world.client,
        namespace: NAMESPACE,
        code_sync: "production",
        canary: Some("canary"),
        config: "production",
        servers: vec!["compile-1".to_owned(), "compile-2".to_owned(), "ca".to_owned()],
    };
    let staging = Watcher {
        code_sync: "staging",
        canary: None,
        config: "staging",
        servers: vec!["staging".to_owned()],
        ..production
    };
    let (name, push, digest, ok) = match step {
        Step::Tag(push) => {
            narrator.step(number, &format!("A new tag is pushed: {}", push.tag));
            let digest = pushed(world, push, narrator);
            ("tag", push, digest.clone(), production.until_released(&digest, narrator).await?)
        }
        Step::Commit(push) => {
            narrator.step(number, &format!("A commit changes {} to {}", world::REFERENCE_FILE, push.tag));
            let digest = pushed(world, push, narrator);
            let reference = world.reference(&push.tag, &digest);
            world.commit(&reference, &format!("Run {} on staging", push.tag))?;
            narrator.happened("git", &format!("committed \"Run {} on staging\"", push.tag), Tone::Plain);
            ("commit", push, digest.clone(), staging.until_released(&digest, narrator).await?)
        }
        Step::Broken(push) => {
            narrator.step(number, &format!("An image that cannot be pulled is pushed: {}", push.tag));
            let digest = pushed(world, push, narrator);
            world.registry.lose_layers(REPOSITORY, &push.tag);
            ("broken", push, digest.clone(), production.until_rolled_back(&digest, narrator).await?)
        }
    };
    Ok(StepReport { name, ok, seconds: narrator.seconds(), tag: push.tag.clone(), digest })
}

fn pushed(world: &World, push: &Push, narrator: &Narrator) -> String {
    let digest = world.push(push);
    let short = voxsync_crds::reference::short_digest(&digest);
    narrator.happened("registry", &format!("{} pushed (sha256:{short}…)", push.tag), Tone::Plain);
    digest
}

fn introduce(world: &World, narrator: &Narrator, first: &Push) {
    let title = paint("voxsync demo", Tone::Strong, narrator.is_colourful());
    narrator.line(&format!("{title} · everything runs in this process; nothing outside it is touched"));
    let kubeconfig = world.folder.join("kubeconfig");
    narrator.fact(
        "sandbox",
        &format!("Kubernetes API on {}", world.kubernetes_address),
        &format!("export KUBECONFIG={}", kubeconfig.display()),
    );
    let repository = format!("{}/{REPOSITORY}", world.registry_address);
    narrator.fact("registry", &repository, &format!("all servers run {}", first.tag));
    narrator.fact("git", &world.control_repository().display().to_string(), "branch production");
    narrator.fact(
        "manifests",
        "servers.yaml, staged.yaml, git-reference.yaml",
        "of examples/, applied; soak 2 s",
    );
}

async fn show_audit(world: &World, narrator: &Narrator) -> anyhow::Result<()> {
    let scope = Scope::Namespace(NAMESPACE.to_owned());
    let now = jiff::Timestamp::now();
    let rows = audit::look(world.client.clone(), &scope, now).await?;
    narrator.line("\nvoxsync audit");
    narrator.line(&audit::table(&rows, now, narrator.is_colourful()));
    Ok(())
}

fn play_on(world: &World, first: &Push, narrator: &Narrator) {
    let kubeconfig = world.folder.join("kubeconfig");
    let repository = world.control_repository();
    let push = world.folder.join(PUSH_SCRIPT);
    narrator.line("\nIt goes on until Ctrl-C. Play on, in another terminal:");
    narrator.line(&format!("  export KUBECONFIG={}", kubeconfig.display()));
    // The program is seldom in PATH after `cargo run`.
    let program = std::env::current_exe().ok();
    if let Some(program) = program.as_deref().and_then(std::path::Path::to_str) {
        narrator.line(&format!("  alias voxsync='{}'", quoted(program)));
    }
    narrator.line("  kubectl get csync,crel");
    narrator.line("  voxsync status; voxsync audit");
    narrator.line(&format!("  voxsync check --git-file-root {}", world.folder.display()));
    narrator.line(&format!("  cd {} && git revert --no-edit HEAD", repository.display()));
    narrator.line(&format!("  sh {} v1.99.0", push.display()));
    narrator.line(&format!("  sh {} v1.99.1 broken", push.display()));
    narrator.line(&format!("  voxsync promote production {} --reason 'because I can'", first.tag));
}

/// A text as it stands between two `'` of a shell, twice: once for the alias, once for the command that it is.
fn quoted(text: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "/._-+@%:,=".contains(char);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    let once = |text: &str| text.replace('\'', r"'\''");
    once(&format!("'{}'", once(text)))
}

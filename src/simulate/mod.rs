//! `voxsync simulate`: a CodeSync run through a timeline, so that a policy can be reviewed before it is live. It needs no
//! cluster and no network: manifests are validated by a sandbox in this process.

mod json;
mod progress;
#[cfg(test)]
mod tests;
mod text;

use std::{collections::BTreeSet, io::IsTerminal, path::Path, process::ExitCode};

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;
use kube::ResourceExt as _;
use voxsync_agent::{ObservedTarget, spec_problem, targets_of};
use voxsync_cluster::Snapshot;
use voxsync_crds::{CodeSync, code_sync::TargetKind};
use voxsync_simulation::{Estate, EstateServer, EstateTarget, Story, Subject, Timeline, simulate_telling};

use crate::{
    arguments::{Connection, SimulateOptions, TableOutput},
    check, input, output,
};
use progress::Progress;

/// The most that is read of a timeline.
const TIMELINE_LIMIT_BYTES: u64 = 1 << 20;
/// What means standard input.
const STANDARD_INPUT: &str = "-";

/// Prints what would happen. Exit code 1 where it does not go as people want it.
pub async fn run(connection: &Connection, options: &SimulateOptions) -> anyhow::Result<ExitCode> {
    let SimulateOptions { name, files, timeline: path, output } = options;
    let is_standard_input = |file: &Path| file == Path::new(STANDARD_INPUT);
    if is_standard_input(path) && files.iter().any(|file| is_standard_input(file)) {
        bail!("both --file and --timeline are standard input: give one of them as a file");
    }
    let (code_syncs, snapshot) =
        check::manifests(files, connection.namespace.as_deref(), name.as_deref()).await?;
    let code_sync = only(&code_syncs)?;
    if let Some(problem) = spec_problem(code_sync) {
        bail!("CodeSync {}: {problem}", code_sync.name_any());
    }
    let timeline = input::text(path, TIMELINE_LIMIT_BYTES)?;
    let terminal = Some(std::io::stderr()).filter(IsTerminal::is_terminal);
    let mut progress = Progress::new(terminal);
    let mut tell = |at| progress.tell(at);
    let story = simulated(code_sync, &snapshot, &timeline, Timestamp::now(), &mut tell)
        .with_context(|| format!("the timeline {}", path.display()));
    drop(progress);
    let story = story?;
    let name = code_sync.name_any();
    match output {
        TableOutput::Json => {
            let namespace = code_sync.namespace().unwrap_or_default();
            output::line(&serde_json::to_string_pretty(&json::json(&namespace, &name, &story))?);
        }
        TableOutput::Table => {
            let summary = code_sync.spec.source.summary();
            output::line(&text::text(&name, &summary, &story, output::is_colourful()));
        }
    }
    Ok(if story.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The one that is meant.
fn only(code_syncs: &[CodeSync]) -> anyhow::Result<&CodeSync> {
    match code_syncs {
        [one] => Ok(one),
        several => {
            let names: Vec<String> = several.iter().map(CodeSync::name_any).collect();
            Err(anyhow!("the files have several CodeSyncs: name one of {}", names.join(", ")))
        }
    }
}

fn simulated(
    code_sync: &CodeSync,
    snapshot: &Snapshot,
    timeline: &str,
    now: Timestamp,
    tell: &mut dyn FnMut(Timestamp),
) -> anyhow::Result<Story> {
    let spec = &code_sync.spec;
    let timeline = Timeline::read(timeline, spec, now)?;
    let (name, namespace) = (code_sync.name_any(), code_sync.namespace().unwrap_or_default());
    let mut estate = Estate::assumed(spec, &namespace, &timeline.sizes);
    if timeline.sizes.is_empty() {
        estate = known(targets_of(snapshot, code_sync)).or(estate);
    }
    let subject = Subject { name: &name, namespace: &namespace, spec, estate };
    Ok(simulate_telling(subject, &timeline, tell)?)
}

/// What the files say of who gets the code. A Server that is a target itself has code of its own as soon as it is given
/// some: it is none of its Config's then.
fn known(stages: Vec<Vec<ObservedTarget>>) -> Estate {
    let own: BTreeSet<(Option<String>, String)> = stages
        .iter()
        .flatten()
        .filter(|target| target.key.kind == TargetKind::Server)
        .map(|target| (target.key.namespace.clone(), target.key.name.clone()))
        .collect();
    let target = |target: ObservedTarget| {
        let is_of_config = target.key.kind == TargetKind::Config;
        let servers = target.servers.into_iter().filter(|server| {
            let place = (target.key.namespace.clone(), server.bare_name().to_owned());
            server.serves_code && !(is_of_config && own.contains(&place))
        });
        let servers =
            servers.map(|server| EstateServer { name: server.name, is_authority: server.is_authority });
        EstateTarget { servers: servers.collect(), key: target.key }
    };
    Estate { stages: stages.into_iter().map(|stage| stage.into_iter().map(target).collect()).collect() }
}

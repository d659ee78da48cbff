//! `voxsync plan`: what would happen now, and why, without writing. It reads the cluster once, and asks the agent's own
//! rules; the source is as the agent saw it last.
//!
//! With files it is told of CodeSyncs as they are to be, with the status that the cluster has of them.

mod json;
#[cfg(test)]
mod tests;
mod text;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use voxsync_agent::{Forecast, forecast};
use voxsync_cluster::Snapshot;
use voxsync_crds::{CodeSync, code_sync::CodeSyncSpec, reference::is_same_code};

use crate::{
    arguments::{Connection, PlanOptions, TableOutput},
    check,
    connect::connect,
    kinds, output, places,
};

/// What is said of one CodeSync.
struct Plan {
    namespace: String,
    name: String,
    /// What a person pinned.
    pin: Option<String>,
    /// What a person should know before they read it.
    notes: Vec<&'static str>,
    forecast: Forecast,
}

/// What is said where the cluster has no such CodeSync yet.
const IS_NEW: &str =
    "it is not in the cluster: what its source has is not known yet; `voxsync check -f FILE` asks it";
/// What is said where the source of a file is not that of the cluster.
const OTHER_SOURCE: &str = "its source is another one than in the cluster: the candidate is what the old one has; `voxsync check -f FILE` asks \
     the new one";
/// What is said of one that is suspended.
const SUSPENDED: &str = "it is suspended: this is what would happen if it were resumed";
/// What is said of an edited one that has nothing to do: what it is edited for shows with the next candidate.
const AT_REST: &str = "all stages run the candidate: `voxsync simulate -f FILE --timeline FILE` shows what a later one would go through";
/// What is said of one that the agent did not see.
const UNSEEN: &str = "the agent has not seen it yet: does `voxsync run` serve this namespace?";

/// Prints what would happen.
pub async fn run(connection: &Connection, options: PlanOptions) -> anyhow::Result<ExitCode> {
    let (client, namespace) = connect(connection).await?;
    let name = options.name.as_deref();
    let edited = match options.files.as_slice() {
        [] => None,
        files => Some(check::code_syncs(files, &namespace, connection.namespace.as_deref(), name).await?),
    };
    let now = Timestamp::now();
    let mut plans = Vec::new();
    if let Some(edited) = edited {
        for code_sync in edited {
            let place = code_sync.namespace().unwrap_or_default();
            let live: Api<CodeSync> = Api::namespaced(client.clone(), &place);
            let live = live.get_opt(&code_sync.name_any()).await.map_err(kinds::explained)?;
            let specs = std::iter::once(&code_sync.spec);
            let snapshot = places::snapshot(client.clone(), &place, specs).await?;
            plans.push(plan(&snapshot, live.as_ref(), &code_sync, now));
        }
    } else {
        let code_syncs = live(client.clone(), &namespace, name).await?;
        let specs = code_syncs.iter().map(|code_sync| &code_sync.spec);
        let snapshot = places::snapshot(client, &namespace, specs).await?;
        plans.extend(code_syncs.iter().map(|code_sync| plan(&snapshot, Some(code_sync), code_sync, now)));
    }
    match options.output {
        TableOutput::Json => output::line(&serde_json::to_string_pretty(&json::json(&plans, now))?),
        TableOutput::Table => {
            let view = text::View { now, colourful: output::is_colourful() };
            let texts: Vec<String> = plans.iter().map(|plan| view.plan(plan)).collect();
            output::line(&texts.join("\n\n"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn live(client: Client, namespace: &str, name: Option<&str>) -> anyhow::Result<Vec<CodeSync>> {
    let api: Api<CodeSync> = Api::namespaced(client, namespace);
    if let Some(name) = name {
        return Ok(vec![kinds::code_sync(&api, namespace, name).await?]);
    }
    let listed = api.list(&ListParams::default()).await.map_err(kinds::explained);
    let code_syncs = listed.context("the list of codesyncs")?.items;
    if code_syncs.is_empty() {
        bail!("no CodeSync in namespace {namespace}; `voxsync status -A` looks everywhere");
    }
    Ok(code_syncs)
}

/// What would happen to a CodeSync as it is to be, with the status of the one that is there.
fn plan(snapshot: &Snapshot, live: Option<&CodeSync>, wanted: &CodeSync, now: Timestamp) -> Plan {
    let code_sync = live.unwrap_or(wanted);
    let is_seen = code_sync.status.is_some();
    let is_edited = live.is_some_and(|live| live.spec != wanted.spec);
    let forecast = forecast(snapshot, code_sync, &wanted.spec, now);
    let notes = [
        (live.is_none(), IS_NEW),
        (live.is_some() && !is_seen, UNSEEN),
        (live.is_some_and(|live| has_other_source(&live.spec, &wanted.spec)), OTHER_SOURCE),
        (wanted.spec.suspend, SUSPENDED),
        (places::goes_elsewhere(&wanted.namespace().unwrap_or_default(), &wanted.spec), places::ASSUMED),
        (is_edited && is_at_rest(&forecast), AT_REST),
    ];
    Plan {
        namespace: wanted.namespace().unwrap_or_default(),
        name: wanted.name_any(),
        pin: wanted.spec.pin.as_ref().map(|pin| pin.reference.clone()),
        notes: notes.into_iter().filter_map(|(holds, note)| holds.then_some(note)).collect(),
        forecast,
    }
}

/// Whether what should run is deployed, and nothing would be written.
fn is_at_rest(forecast: &Forecast) -> bool {
    let candidate = forecast.candidate.as_ref().map(|candidate| candidate.reference.as_str());
    let is_deployed =
        candidate.zip(forecast.deployed.as_deref()).is_some_and(|(one, other)| is_same_code(one, other));
    is_deployed && forecast.stages.iter().all(|stage| stage.changes.is_empty())
}

fn has_other_source(live: &CodeSyncSpec, wanted: &CodeSyncSpec) -> bool {
    live.source != wanted.source && wanted.pin.is_none()
}

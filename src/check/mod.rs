//! `voxsync check`: can a CodeSync reach and read its sources, with its Secrets, and what would it choose? It looks
//! once, as the agent would, and writes nothing.
//!
//! With files there is no cluster: what is in them goes into a sandbox in this process, which validates it as an API
//! server would, and the look finds its Secrets there.

mod files;
mod report;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use prometheus_client::registry::Registry;
use voxsync_agent::{Gatekeeper, LookBell, LookBoard, Metrics};
use voxsync_cluster::{Scope, Snapshot};
use voxsync_crds::CodeSync;

use crate::{
    arguments::{CheckOptions, Connection, TableOutput},
    connect::connect,
    halves::USER_AGENT,
    kinds, output,
};
use report::Report;

/// What is checked, and where its Secrets and targets are.
struct Subjects {
    client: Client,
    snapshot: Snapshot,
    code_syncs: Vec<CodeSync>,
    /// CodeSyncs that an API server would refuse, and its words.
    refused: Vec<Report>,
}

/// Prints what each CodeSync would find. Exit code 1 where one of them would find nothing that it could deploy.
pub async fn run(connection: &Connection, options: CheckOptions) -> anyhow::Result<ExitCode> {
    let Subjects { client, snapshot, code_syncs, refused } = match options.files.as_slice() {
        [] => of_cluster(connection, options.name.as_deref()).await?,
        files => files::read(files, connection.namespace.as_deref(), options.name.as_deref()).await?,
    };
    let cache = tempfile::Builder::new().prefix("voxsync-check-").tempdir().context("a temporary folder")?;
    let agent = voxsync_agent::Options {
        file_root: options.file_root,
        git_file_root: options.git_file_root,
        cache_folder: cache.path().to_owned(),
        selector: None,
        user_agent: USER_AGENT.to_owned(),
        registries: options.registries.registries().await?,
        metrics: Metrics::register(&mut Registry::default()),
        gatekeeper: Gatekeeper::Present,
        looks: LookBoard::default(),
        bell: LookBell::default(),
    };
    let mut reports = refused;
    for code_sync in &code_syncs {
        let check = voxsync_agent::check(client.clone(), &snapshot, code_sync, &agent);
        let checked = tokio::time::timeout(options.timeout, check).await.unwrap_or_else(|_| {
            Err(format!("its source gave no answer within --timeout {:?}", options.timeout))
        });
        reports.push(Report::of(code_sync, checked));
    }
    match options.output {
        TableOutput::Json => output::line(&serde_json::to_string_pretty(&report::json(&reports))?),
        TableOutput::Table => {
            let texts: Vec<String> =
                reports.iter().map(|report| report.text(output::is_colourful())).collect();
            output::line(&texts.join("\n\n"));
        }
    }
    let is_good = reports.iter().all(Report::is_good);
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn of_cluster(connection: &Connection, name: Option<&str>) -> anyhow::Result<Subjects> {
    let (client, namespace) = connect(connection).await?;
    let api: Api<CodeSync> = Api::namespaced(client.clone(), &namespace);
    let code_syncs = if let Some(name) = name {
        let found =
            kinds::found(api.get(name).await).with_context(|| format!("codesync {namespace}/{name}"))?;
        vec![found.with_context(|| {
            format!("there is no codesync {name:?} in namespace {namespace:?}: see `voxsync status -A`")
        })?]
    } else {
        let listed = api.list(&ListParams::default()).await.map_err(kinds::explained);
        listed.context("the list of codesyncs")?.items
    };
    if code_syncs.is_empty() {
        bail!(
            "no codesyncs in namespace {namespace}; `voxsync check -f FILE` checks one that is in no cluster yet"
        );
    }
    let snapshot = Snapshot::fetch(client.clone(), &Scope::Namespace(namespace)).await?;
    Ok(Subjects { client, snapshot, code_syncs, refused: Vec::new() })
}

/// Whether a CodeSync is meant by the name on the command line.
fn is_meant(code_sync: &CodeSync, name: Option<&str>) -> bool {
    name.is_none_or(|name| code_sync.name_any() == name)
}

//! `voxsync check`: can a CodeSync reach and read its sources, with its Secrets, and what would it choose? It looks
//! once, as the agent would, and writes nothing.
//!
//! With files there is no cluster: what is in them goes into a sandbox in this process, which validates it as an API
//! server would, and the look finds its Secrets there. With `--cluster`, too, what is not among them is looked for there.

mod documents;
mod elsewhere;
mod files;
mod live;
mod report;
mod stages;
mod texts;
mod words;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use voxsync_cluster::Snapshot;
use voxsync_crds::CodeSync;

use crate::{
    arguments::{CheckOptions, Connection, TableOutput},
    connect::connect,
    kinds,
    one_look::OneLook,
    output, places,
};
use elsewhere::Held;
use report::Report;

/// What is checked, and where its Secrets and targets are.
struct Subjects {
    client: Client,
    snapshot: Snapshot,
    code_syncs: Vec<CodeSync>,
    /// CodeSyncs that an API server would refuse, and its words.
    refused: Vec<Report>,
    /// What the files have, where all is from files: what is not among them may be in a cluster.
    held: Option<Held>,
}

/// Prints what each CodeSync would find. Exit code 1 where one of them would find nothing that it could deploy.
pub async fn run(connection: &Connection, options: CheckOptions) -> anyhow::Result<ExitCode> {
    let Subjects { client, snapshot, code_syncs, refused, held } = match options.files.as_slice() {
        [] => of_cluster(connection, options.name.as_deref()).await?,
        files => {
            let namespace = connection.namespace.as_deref();
            let subjects = files::read(files, namespace, namespace, options.name.as_deref()).await?;
            if options.cluster { live::complete(connection, subjects).await? } else { subjects }
        }
    };
    let mut one_look = OneLook::prepare(options.look).await?;
    if code_syncs.iter().any(|code_sync| code_sync.spec.source.git.is_some()) {
        one_look = one_look.with_git()?;
    }
    one_look.options.file_root = options.file_root;
    one_look.options.git_file_root = options.git_file_root;
    let now = Timestamp::now();
    let mut reports = refused;
    for code_sync in &code_syncs {
        let check = voxsync_agent::check(client.clone(), &snapshot, code_sync, &one_look.options);
        let checked = tokio::time::timeout(options.timeout, check).await.unwrap_or_else(|_| {
            Err(format!("its source gave no answer within --timeout {:?}", options.timeout))
        });
        reports.push(Report::of(code_sync, held.as_ref(), checked, now));
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
        vec![kinds::code_sync(&api, &namespace, name).await?]
    } else {
        let listed = api.list(&ListParams::default()).await.map_err(kinds::explained);
        listed.context("the list of codesyncs")?.items
    };
    if code_syncs.is_empty() {
        bail!(
            "no codesyncs in namespace {namespace}; `voxsync check -f FILE` checks one that is in no cluster yet"
        );
    }
    let specs = code_syncs.iter().map(|code_sync| &code_sync.spec);
    let snapshot = places::snapshot(client.clone(), &namespace, specs).await?;
    Ok(Subjects { client, snapshot, code_syncs, refused: Vec::new(), held: None })
}

/// The CodeSyncs of files, as an API server would take them. Those without a namespace are in `namespace`.
///
/// # Errors
/// What an API server would say where it would not take one of them.
pub async fn code_syncs(
    files: &[PathBuf],
    namespace: &str,
    only: Option<&str>,
    name: Option<&str>,
) -> anyhow::Result<Vec<CodeSync>> {
    let Subjects { code_syncs, refused, .. } = files::read(files, Some(namespace), only, name).await?;
    all_taken(&refused)?;
    Ok(code_syncs)
}

/// The CodeSyncs of files, as an API server would take them, and all that is with them.
///
/// # Errors
/// What an API server would say where it would not take one of them.
pub async fn manifests(
    files: &[PathBuf],
    namespace: Option<&str>,
    name: Option<&str>,
) -> anyhow::Result<(Vec<CodeSync>, Snapshot)> {
    let Subjects { code_syncs, refused, snapshot, .. } =
        files::read(files, namespace, namespace, name).await?;
    all_taken(&refused)?;
    Ok((code_syncs, snapshot))
}

/// A CodeSync of a file that an API server would not take.
#[derive(Debug, thiserror::Error)]
#[error("CodeSync {name} would be refused:")]
struct Refused {
    name: String,
    causes: Vec<String>,
}

/// What is wrong, one by one, where that is what an error is about.
pub fn causes(error: &anyhow::Error) -> &[String] {
    error.downcast_ref::<Refused>().map_or(&[], |refused| &refused.causes)
}

fn all_taken(reports: &[Report]) -> Result<(), Refused> {
    let refused = reports.iter().find_map(|report| Some((report, report.causes()?)));
    refused.map_or(Ok(()), |(report, causes)| {
        Err(Refused { name: format!("{}/{}", report.namespace, report.name), causes: causes.to_vec() })
    })
}

/// Whether a CodeSync is meant by the name on the command line.
fn is_meant(code_sync: &CodeSync, name: Option<&str>) -> bool {
    name.is_none_or(|name| code_sync.name_any() == name)
}

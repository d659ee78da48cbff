//! `voxsync status`: what is deployed, what is next, and why not yet. Read from the CodeSync's own status, so
//! that it says what the agent knows and needs no right but to read CodeSyncs. Of one CodeSync its last CodeReleases are
//! asked for too; without the right to read them, less is said of them.

mod releases;
#[cfg(test)]
mod tests;
mod view;

use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;
use kube::{Api, api::ListParams};
use voxsync_crds::{
    CodeSync,
    code_sync::{CodeSyncStatus, Condition, ConditionStatus},
};

use crate::{
    arguments::{Connection, StatusOptions},
    connect::connect,
    kinds, output,
};
use view::View;

/// Prints one CodeSync, or all of the namespace. Exit code 1 if one of them needs a person.
pub async fn run(connection: &Connection, options: StatusOptions) -> anyhow::Result<ExitCode> {
    let (client, namespace) = connect(connection).await?;
    let view = View { now: Timestamp::now(), colourful: output::is_colourful() };
    if let Some(name) = &options.name {
        let api: Api<CodeSync> = Api::namespaced(client.clone(), &namespace);
        let code_sync = kinds::code_sync(&api, &namespace, name).await?;
        let records = releases::records(client, &namespace, &code_sync).await;
        output::line(view.code_sync(&code_sync).trim_end());
        if let Some(status) = &code_sync.status {
            let releases = view.releases(&releases::releases(status, &records));
            output::line(&format!("\n{releases}"));
        }
        return Ok(exit_code(&[code_sync]));
    }
    let (api, place): (Api<CodeSync>, _) = if options.all_namespaces {
        (Api::all(client), "in any namespace".to_owned())
    } else {
        let place = format!("in namespace {namespace}; `voxsync status -A` looks everywhere");
        (Api::namespaced(client, &namespace), place)
    };
    let listed = api.list(&ListParams::default()).await.map_err(kinds::explained);
    let code_syncs = listed.context("the list of codesyncs")?.items;
    if code_syncs.is_empty() {
        output::line(&format!("no codesyncs {place}"));
    }
    for (index, code_sync) in code_syncs.iter().enumerate() {
        if index > 0 {
            output::line("");
        }
        output::line(view.code_sync(code_sync).trim_end());
    }
    Ok(exit_code(&code_syncs))
}

fn exit_code(code_syncs: &[CodeSync]) -> ExitCode {
    let mut statuses = code_syncs.iter().filter_map(|code_sync| code_sync.status.as_ref());
    if statuses.any(|status| trouble(status).is_some()) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What is wrong, if a person has to act.
fn trouble(status: &CodeSyncStatus) -> Option<&Condition> {
    let is = |kind, wanted| condition(status, kind, wanted);
    let unready =
        is("Ready", ConditionStatus::False).filter(|_| is("Reconciling", ConditionStatus::True).is_none());
    let source = is("SourceReady", ConditionStatus::False);
    stalled(status).or(unready).or(source)
}

/// Why nothing goes on before the spec is mended, if that is so.
fn stalled(status: &CodeSyncStatus) -> Option<&Condition> {
    condition(status, "Stalled", ConditionStatus::True)
}

fn condition<'s>(status: &'s CodeSyncStatus, kind: &str, wanted: ConditionStatus) -> Option<&'s Condition> {
    status.conditions.iter().find(|condition| condition.kind == kind && condition.status == wanted)
}

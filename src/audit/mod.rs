//! `voxsync audit`: which code does every Server run, and is that what was declared?
//!
//! It answers from a read-only account (get and list), needs none of our own objects, and asks only the API
//! server. What it cannot know it says, and never calls in sync.

mod commits;
mod facts;
mod report;
mod verdict;

use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;
use kube::Client;
use voxsync_cluster::{CrossNamespace, Scope, Snapshot};

use crate::{
    arguments::{AuditOptions, Connection, TableOutput},
    connect::connect,
    output,
};
use commits::Commits;
pub use facts::Row;
pub use report::{json, table};
pub use verdict::Verdict;

/// The exit code where nothing was found that `--fail-on` could be asked of.
const NOTHING_TO_JUDGE: u8 = 2;

/// Prints the audit. Exit code 1 where `--fail-on` names a verdict that a Server has.
pub async fn run(connection: &Connection, options: AuditOptions) -> anyhow::Result<ExitCode> {
    let (client, namespace) = connect(connection).await?;
    let scope = if options.all_namespaces { Scope::All } else { Scope::Namespace(namespace.clone()) };
    let now = Timestamp::now();
    let rows = look(client, &scope, now).await?;
    let nothing = match &scope {
        Scope::All => "no Servers in any namespace".to_owned(),
        Scope::Namespace(namespace) => {
            format!("no Servers in namespace {namespace}; `voxsync audit -A` looks in all")
        }
    };
    match options.output {
        TableOutput::Table if rows.is_empty() => output::line(&nothing),
        TableOutput::Table => output::line(table(&rows, now, output::is_colourful()).trim_end()),
        TableOutput::Json => {
            output::line(&serde_json::to_string_pretty(&json(&rows))?);
            if rows.is_empty() {
                output::news(&nothing);
            }
        }
    }
    // A check that looks in the wrong namespace must not pass.
    if rows.is_empty() && !options.fail_on.is_empty() {
        return Ok(ExitCode::from(NOTHING_TO_JUDGE));
    }
    let failed = rows.iter().any(|row| options.fail_on.contains(&row.verdict));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Reads the cluster, and gives one row a Server.
pub async fn look(client: Client, scope: &Scope, now: Timestamp) -> anyhow::Result<Vec<Row>> {
    let mut snapshot = Snapshot::fetch(client.clone(), scope).await?;
    // Where an object lets in another namespace, a CodeSync of that is meant to have it.
    snapshot.set_cross_namespace(CrossNamespace::Allowed);
    let mut commits = Commits::of_code_syncs(&snapshot);
    let rows = facts::rows(&snapshot, &commits, now);
    // What runs may be older than all that a CodeSync remembers: a canary's last release that production never had.
    let is_open = |row: &Row| {
        row.running_commit.is_none() && row.running.iter().any(|image| commits::digest(image).is_some())
    };
    if !rows.iter().any(is_open) {
        return Ok(rows);
    }
    commits.add_releases(client, scope).await.context("the list of codereleases")?;
    Ok(facts::rows(&snapshot, &commits, now))
}

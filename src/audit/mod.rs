//! `voxsync audit`: which code does every Server run, and is that what was declared?
//!
//! It answers from a read-only account (get and list), needs none of our own objects, and asks only the API
//! server. What it cannot know it says, and never calls in sync.

mod facts;
mod report;
mod verdict;

use std::process::ExitCode;

use jiff::Timestamp;
use voxsync_cluster::{Scope, Snapshot};

use crate::{
    arguments::{AuditOptions, Connection, TableOutput},
    connect::connect,
    output,
};
pub use facts::{Row, rows};
pub use report::{json, table};
pub use verdict::Verdict;

/// Prints the audit. Exit code 1 where `--fail-on` names a verdict that a Server has.
pub async fn run(connection: &Connection, options: AuditOptions) -> anyhow::Result<ExitCode> {
    let (client, namespace) = connect(connection).await?;
    let scope = if options.all_namespaces { Scope::All } else { Scope::Namespace(namespace) };
    let snapshot = Snapshot::fetch(client, &scope).await?;
    let now = Timestamp::now();
    let rows = rows(&snapshot, now);
    match options.output {
        TableOutput::Table => output::line(table(&rows, now, output::is_colourful()).trim_end()),
        TableOutput::Json => output::line(&serde_json::to_string_pretty(&json(&rows))?),
    }
    let failed = rows.iter().any(|row| options.fail_on.contains(&row.verdict));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

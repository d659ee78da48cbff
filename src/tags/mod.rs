//! `voxsync tags`: what a policy makes of the tags of a repository, of a CodeSync's, or of a list. It asks, and writes
//! nothing.

mod judged;
mod listing;
mod report;
mod subject;
mod tried;

use std::process::ExitCode;

use jiff::Timestamp;

use crate::{
    arguments::{Connection, TableOutput, TagsOptions},
    output,
};
use judged::Judged;
use report::Report;
use subject::Subject;

/// Prints what becomes of every tag.
pub async fn run(connection: &Connection, options: TagsOptions) -> anyhow::Result<ExitCode> {
    let (format, is_whole) = (options.output, options.all);
    let Subject { policy, rule, tags, built, patience } = Box::pin(subject::of(connection, options)).await?;
    let judged = Judged::of(&policy, tags.lines(), &built, patience.as_ref(), Timestamp::now());
    match format {
        TableOutput::Json => output::line(&serde_json::to_string(&judged)?),
        TableOutput::Table => {
            let report = Report { rule: &rule, is_whole, colourful: output::is_colourful() };
            output::line(report.text(&judged).trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}

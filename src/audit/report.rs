//! Rows as a table for people and as JSON for programs.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};
use voxsync_crds::CodeReference;

use super::{Row, Verdict};
use crate::{
    commit,
    output::{self, Cell, Tone, age_cell, paint, sentence},
};

/// The table, what to do about each Server that is not in sync, and a line that sums it up.
///
/// The namespace is a column only where there are several, so that a usual table fits 120 columns.
pub fn table(rows: &[Row], now: Timestamp, colourful: bool) -> String {
    let several = rows.iter().any(|row| rows.first().is_some_and(|first| first.namespace != row.namespace));
    let first = usize::from(!several);
    let headers =
        ["NAMESPACE", "SERVER", "ROLE", "DECLARED", "RUNNING", "SINCE", "COMMIT", "FOLLOWED BY", "VERDICT"];
    let cells: Vec<Vec<Cell>> = rows.iter().map(|row| cells(row, now).split_off(first)).collect();
    let mut text = output::table(headers.get(first..).unwrap_or_default(), &cells, colourful);
    text.push('\n');
    for row in rows.iter().filter(|row| !row.message.is_empty()) {
        let name = if several { format!("{}/{}", row.namespace, row.server) } else { row.server.clone() };
        let sentence = paint(&sentence(&row.message), Tone::Faint, colourful);
        let _ = writeln!(text, "{name}: {sentence}");
    }
    let well = rows.iter().filter(|row| row.verdict == Verdict::InSync).count();
    let noun = if rows.len() == 1 { "server" } else { "servers" };
    let _ = write!(text, "{} {noun}: {well} in sync, {} to look at.", rows.len(), rows.len() - well);
    if rows.iter().any(|row| row.running_commit.is_some()) {
        text.push_str(" ? = commit only claimed by the image.");
    }
    text
}

/// The rows with a version of their form: fields may be added in `v1`, never changed or removed.
pub fn json(rows: &[Row]) -> Value {
    json!({"apiVersion": "audit.voxsync.dev/v1", "servers": rows})
}

fn cells(row: &Row, now: Timestamp) -> Vec<Cell> {
    let tone = match row.verdict {
        Verdict::InSync => Tone::Good,
        Verdict::Stuck | Verdict::NotRolledOut | Verdict::Mixed | Verdict::Held => Tone::Bad,
        Verdict::Rolling | Verdict::Gated | Verdict::PausedByPerson | Verdict::Unpinned => Tone::Attention,
        Verdict::NoCode | Verdict::External => Tone::Faint,
    };
    let verdict = format!("{:?}", row.verdict);
    let since = row.since.map(|since| age_cell(since, now));
    let commit = row.running_commit.as_deref().map(|commit| format!("{}?", commit::short(commit)));
    let or_dash = |text: Option<String>| Cell::new(text.unwrap_or_else(|| "-".to_owned()));
    vec![
        Cell::new(&row.namespace),
        Cell::new(&row.server),
        Cell::new(row.role),
        or_dash(references(&row.declared)),
        or_dash(references(&row.running)),
        or_dash(since),
        or_dash(commit),
        or_dash(row.followed_by.clone()),
        Cell::toned(verdict, tone),
    ]
}

fn references(references: &[String]) -> Option<String> {
    let short = |text: &String| CodeReference::parse(text).map_or_else(|_| text.clone(), |it| it.short());
    let texts: Vec<String> = references.iter().map(short).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

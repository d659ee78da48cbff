//! Rows as a table for people and as JSON for programs.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use voxsync_crds::CodeReference;

use super::{Row, Verdict};
use crate::output::{self, Cell, Tone, age};

/// The longest sentence in a table, in characters; all of it is in `-o json`.
const SENTENCE_CHARACTERS: usize = 90;

/// The table, and a line that sums it up.
pub fn table(rows: &[Row], now: Timestamp, colourful: bool) -> String {
    let headers = [
        "NAMESPACE", "SERVER", "ROLE", "DECLARED", "RUNNING", "SINCE", "COMMIT", "FOLLOWED BY", "VERDICT", "",
    ];
    let cells: Vec<Vec<Cell>> = rows.iter().map(|row| cells(row, now)).collect();
    let well = rows.iter().filter(|row| is_well(row.verdict)).count();
    let noun = if rows.len() == 1 { "server" } else { "servers" };
    let mut text = output::table(&headers, &cells, colourful);
    text.push_str(&format!("\n{} {noun}: {well} in sync, {} to look at.", rows.len(), rows.len() - well));
    if rows.iter().any(|row| row.commit.is_some()) {
        text.push_str(" ? = commit only claimed by the image's annotation.");
    }
    text
}

/// The rows with a version of their form: fields may be added in `v1`, never changed or removed.
pub fn json(rows: &[Row]) -> Value {
    json!({"apiVersion": "audit.voxsync.dev/v1", "servers": rows})
}

/// A Server that serves no catalogs has no code, and should have none.
fn is_well(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::InSync)
}

fn cells(row: &Row, now: Timestamp) -> Vec<Cell> {
    let tone = match row.verdict {
        Verdict::InSync => Tone::Good,
        Verdict::NotRolledOut | Verdict::Mixed | Verdict::Held => Tone::Bad,
        Verdict::Rolling | Verdict::Unpinned => Tone::Attention,
        Verdict::NoCode | Verdict::External => Tone::Faint,
    };
    let verdict = format!("{:?}", row.verdict);
    let since = row.since.map(|since| age(Duration::try_from(now.duration_since(since)).unwrap_or_default()));
    let commit = row.commit.as_deref().map(|commit| format!("{}?", commit.chars().take(7).collect::<String>()));
    let mut sentence: String = row.message.chars().take(SENTENCE_CHARACTERS).collect();
    if sentence.len() < row.message.len() {
        sentence.push('…');
    }
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
        Cell::toned(sentence, Tone::Faint),
    ]
}

fn references(references: &[String]) -> Option<String> {
    let short = |text: &String| CodeReference::parse(text).map_or_else(|_| text.clone(), |it| it.short());
    let texts: Vec<String> = references.iter().map(short).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

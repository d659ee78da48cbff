//! A plan for people. Pure.

use jiff::Timestamp;
use voxsync_agent::{Change, Forecast, StageForecast, WindowForecast};
use voxsync_crds::{CodeReference, code_sync::StagePhase};
use voxsync_rollout::rounds::Round;

use super::{Plan, SUSPENDED};
use crate::{
    output::{self, Tone, harmless, minute, paint, sentence},
    wording::{self, Whose},
};

/// Reasons of rows that a stage says in words of its own here.
const SAID: [&str; 3] = ["Approval", "Window", "Writing"];
/// How many Servers are named in one line.
const NAMES_LIMIT: usize = 12;

/// How and when somebody looks.
pub struct View {
    pub now: Timestamp,
    pub colourful: bool,
}

impl View {
    /// All of one plan.
    pub fn plan(&self, plan: &Plan) -> String {
        let Plan { namespace, name, pin, notes, forecast } = plan;
        let title = paint(&format!("{namespace}/{name}"), Tone::Strong, self.colourful);
        let mut lines = vec![format!("{title}  ·  {}", heading(forecast, pin.as_deref()))];
        lines.extend(notes.iter().map(|note| format!("  {note}")));
        lines.push(String::new());
        let width = forecast.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0);
        for (index, stage) in forecast.stages.iter().enumerate() {
            lines.push(format!("  {} {:width$}  {}", index + 1, stage.name, self.phase(stage, forecast)));
            lines.extend(
                Self::stage(stage, forecast).iter().map(|line| format!("{:1$}{line}", "", width + 6)),
            );
        }
        let of_whole = forecast.waiting.iter().filter(|row| row.stage.is_none());
        lines.extend(of_whole.map(|row| format!("  {}", wording::row(row))));
        lines.push(String::new());
        lines.push(format!("  {}", self.next(plan)));
        lines.join("\n")
    }

    fn phase(&self, stage: &StageForecast, forecast: &Forecast) -> String {
        let (mark, tone) = wording::mark(stage.phase);
        let mark = paint(mark, tone, self.colourful);
        let phase = wording::phase(stage.phase);
        let is_waiting = forecast.waiting.iter().any(|row| row.stage.as_ref() == Some(&stage.name));
        let earliest = stage.earliest.filter(|earliest| *earliest > self.now && !is_waiting);
        let earliest = earliest.map(|earliest| format!(", not before {}", self.at(earliest)));
        format!("{mark} {phase}{}", earliest.unwrap_or_default())
    }

    fn stage(stage: &StageForecast, forecast: &Forecast) -> Vec<String> {
        let mut lines = Vec::new();
        let rows = forecast.waiting.iter().filter(|row| row.stage.as_ref() == Some(&stage.name));
        let rows: Vec<String> =
            rows.filter(|row| !SAID.contains(&row.reason.as_str())).map(wording::row).collect();
        // What stops it now is among the rows already.
        if rows.is_empty() {
            lines
                .extend(stage.obstacles.iter().map(|obstacle| format!("in the way: {}", sentence(obstacle))));
        }
        lines.extend(rows);
        lines.extend(stage.approval.as_ref().map(|how| format!("waits for approval: {how}")));
        lines.extend(stage.window.as_ref().map(window));
        lines.extend(stage.changes.iter().map(change));
        if !stage.rounds.is_empty() {
            let rounds: Vec<String> = stage.rounds.iter().map(round).collect();
            lines.push(format!("rolls {}", rounds.join(", then ")));
        }
        lines.extend(afterwards(stage));
        lines
    }

    fn next(&self, Plan { notes, forecast, .. }: &Plan) -> String {
        let when = if notes.contains(&SUSPENDED) { "then" } else { "now" };
        let summary = || format!("{when}: {}", harmless(&forecast.summary));
        let next = wording::next_end(&forecast.waiting, Whose::Named, self.now);
        next.map_or_else(summary, |next| format!("next thing to happen: {next}"))
    }

    fn at(&self, time: Timestamp) -> String {
        output::clock(time, self.now)
    }
}

fn heading(forecast: &Forecast, pin: Option<&str>) -> String {
    let deployed = forecast.deployed.as_deref().map(short);
    let candidate = forecast.candidate.as_ref().map(|candidate| short(&candidate.reference));
    match (deployed, candidate) {
        (Some(deployed), Some(candidate))
            if deployed != candidate && !candidate.starts_with(&format!("{deployed}@")) =>
        {
            format!("{deployed} → {candidate}")
        }
        // The same, or what was adopted by its tag alone.
        (_, Some(candidate)) => candidate,
        (deployed, None) => {
            let deployed = deployed.unwrap_or_else(|| "no candidate".to_owned());
            pin.map_or_else(
                || "no candidate".to_owned(),
                |pin| format!("{deployed}, pinned to {}", harmless(pin)),
            )
        }
    }
}

fn window(window: &WindowForecast) -> String {
    match window {
        WindowForecast::Open(Some(until)) => {
            format!("its windows are open then, until {}", minute(*until))
        }
        WindowForecast::Open(None) => "its windows are open then".to_owned(),
        WindowForecast::Closed(closed) => format!("waits for its windows: {closed}"),
    }
}

fn change(change: &Change) -> String {
    let code = |reference: &Option<String>| reference.as_deref().map_or("no code".to_owned(), short);
    format!("writes {}: {} → {}", harmless(&change.target.to_string()), code(&change.from), code(&change.to))
}

/// For instance `compile-1, compile-2 (2 at once)`, or `ca (alone: Recreate)`.
fn round(round: &Round) -> String {
    let mut names = round.servers.iter().take(NAMES_LIMIT).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = round.servers.len().saturating_sub(NAMES_LIMIT);
    if more > 0 {
        names = format!("{names} and {more} more");
    }
    let how = match (round.is_of_authorities, round.servers.len()) {
        (true, 1) => " (alone: Recreate)".to_owned(),
        (true, _) => " (one by one: Recreate)".to_owned(),
        (false, 1) => String::new(),
        (false, count) if count <= round.at_once => " (all at once)".to_owned(),
        (false, _) => format!(" ({} at once)", round.at_once),
    };
    format!("{names}{how}")
}

fn afterwards(stage: &StageForecast) -> Option<String> {
    // Where it soaks already, a row says until when.
    let soak = stage.soak.as_ref().filter(|_| stage.phase != StagePhase::Soaking);
    let soak = soak.map(|soak| format!("soaks {soak}"));
    let checks = (!stage.checks.is_empty()).then(|| format!("must pass {}", stage.checks.join(", ")));
    let all: Vec<String> = soak.into_iter().chain(checks).collect();
    (!all.is_empty()).then(|| format!("then {}", all.join(" and ")))
}

fn short(reference: &str) -> String {
    CodeReference::parse(reference).map_or_else(|_| harmless(reference), |reference| reference.short())
}

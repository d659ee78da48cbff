//! Stories as people read them, line by line: what is told is what the agent would do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy knows test functions, not the helpers beside them"
)]

mod orders;
mod people;
mod reading;
mod sources;
mod waits;

use voxsync_crds::code_sync::CodeSyncSpec;
use voxsync_simulation::{Estate, Line, SimulationError, Story, Subject, Timeline, Tone, simulate};

/// A registry, a canary and production; the rest of the stages and of the spec is each test's.
fn spec(canary: &str, production: &str, rest: &str) -> CodeSyncSpec {
    let text = format!(
        "source: {{registry: {{repository: r.io/code, tag: {{semver: '>=1.0.0'}}}}}}\n\
         stages:\n\
         - {{name: canary, targets: [{{kind: Server, name: canary}}], {canary}}}\n\
         - {{name: production, targets: [{{kind: Config, name: production}}], {production}}}\n\
         {rest}\n"
    );
    serde_saphyr::from_str(&text).expect(&text)
}

fn tried(spec: &CodeSyncSpec, timeline: &str) -> Result<Story, SimulationError> {
    let now = "2026-11-23T09:00:00Z".parse().unwrap();
    let timeline = Timeline::read(timeline, spec, now).expect(timeline);
    let estate = Estate::assumed(spec, "puppet", &timeline.sizes);
    simulate(Subject { name: "production", namespace: "puppet", spec, estate }, &timeline)
}

fn told(spec: &CodeSyncSpec, timeline: &str) -> Story {
    tried(spec, timeline).unwrap()
}

/// What the model world says by itself is told in whole; of the agent's events and rows, whose words may change, the reason.
const OWN_WORDS: [&str; 9] = [
    "Given",
    "Write",
    "HeldBack",
    "LetGo",
    "Ready",
    "Stuck",
    "NotPushed",
    "ExpectationMet",
    "ExpectationMissed",
];

/// The ladder from the timeline's first event on: without the year, and without what is adopted at the start.
fn lines(story: &Story) -> String {
    let lines = story.ladder.iter().skip_while(|line| line.tone != Tone::Given).map(|line| {
        let Line { at, who, what, reason, tone } = line;
        let said = if OWN_WORDS.contains(&reason.as_str()) { what } else { reason };
        format!("{} {who} {} {said}", at.strftime("%m-%d %H:%M:%S"), tone.mark())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn assert_told(story: &Story, wanted: &str) {
    let told = lines(story);
    assert_eq!(told, wanted.trim(), "\n{told}\n");
}

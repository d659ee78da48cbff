//! What a screen shows of a CodeSync. Pure.

use jiff::Timestamp;
use kube::ResourceExt as _;
use voxsync_agent::{NextLook, next_look};
use voxsync_crds::{
    CodeReference, CodeSync,
    code_sync::{
        CheckStanding, CodeSyncSpec, CodeSyncStatus, Hold, Outcome, Source, StagePhase, StageStatus, Waiting,
    },
    time::Time,
};

use super::{releases::Release, stalled, trouble};
use crate::{
    commit,
    kinds::named_of,
    output::{self, Cell, Tone, age, clock, harmless, paint, sentence},
    wording::{self, HELD, Whose},
};

/// The reason of a row that says that a person has to approve.
const APPROVAL: &str = "Approval";
/// The reason of a row that says that a person chose the reference.
const PINNED: &str = "Pinned";
/// The reason of a row that says that a person went back.
const ROLLED_BACK: &str = "RolledBack";
/// How a summary begins that says what comes by itself.
const AWAITED: [&str; 3] = ["image of ", "signature of ", "first release of "];

/// What there is to say where the agent said nothing.
const UNSEEN: &str = "the agent has not seen it yet: does `voxsync run` serve this namespace?";

/// How and when somebody looks.
pub struct View {
    pub now: Timestamp,
    pub colourful: bool,
}

impl View {
    /// All but the last releases.
    pub fn code_sync(&self, code_sync: &CodeSync) -> String {
        let mut lines = Vec::new();
        let namespace = code_sync.namespace().unwrap_or_default();
        let title = paint(&format!("{namespace}/{}", code_sync.name_any()), Tone::Strong, self.colourful);
        let source = &code_sync.spec.source;
        lines.push(format!("{title}  ·  {}", heading(code_sync)));
        let Some(status) = &code_sync.status else {
            lines.push(format!("  {UNSEEN}"));
            return lines.join("\n");
        };
        lines.push(String::new());
        lines.extend(self.candidate(&code_sync.spec, status));
        lines.push(self.deployed(status));
        lines.extend(self.looks(source, status));
        if let Some(pin) = &code_sync.spec.pin {
            let reason = pin.reason.as_deref().unwrap_or("no reason given");
            let emergency = if pin.emergency { ", in an emergency" } else { "" };
            lines.push(format!(
                "  pinned     to {} ({}){emergency}, until `voxsync resume {}`",
                harmless(&pin.reference),
                harmless(reason),
                named_of(code_sync)
            ));
        }
        lines.extend(self.rolled_back(code_sync, status));
        lines.extend(self.quarantine(code_sync, status));
        lines.push(String::new());
        let width = status.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0);
        for (index, stage) in status.stages.iter().enumerate() {
            lines.push(self.stage(index + 1, stage, status, width));
            let more =
                Self::checks(stage).into_iter().chain(self.will_wait_for(&code_sync.spec, status, index));
            lines.extend(more.map(|line| format!("{:indent$}{line}", "", indent = width + 8)));
            let rows = status.waiting.iter().filter(|row| row.stage.as_ref() == Some(&stage.name));
            lines.extend(rows.map(|row| self.waiting(row, width + 8)));
        }
        let rows = status.waiting.iter().filter(|row| row.stage.is_none() && !is_in_head(row, code_sync));
        lines.extend(rows.map(|row| self.waiting(row, 2)));
        let is_said = |hold: &Hold| {
            status.waiting.iter().any(|row| row.reason == HELD && row.message.contains(&hold.target))
        };
        let holds = status.holds.iter().filter(|hold| !hold.resumed && !is_said(hold));
        lines.extend(holds.map(|hold| self.hold(hold)));
        lines.push(String::new());
        lines.push(format!("  {}", self.verdict(code_sync)));
        lines.join("\n")
    }

    /// The last releases as a table, as `helm history` has it.
    pub fn releases(&self, releases: &[Release]) -> String {
        if releases.is_empty() {
            return "  no releases yet".to_owned();
        }
        let or_dash = |text: Option<&str>| Cell::new(text.unwrap_or("-"));
        let row = |release: &Release| {
            let tone = match release.outcome {
                Outcome::Released if release.is_rollback() => Tone::Attention,
                Outcome::Released => Tone::Good,
                Outcome::Failed | Outcome::RolledBack => Tone::Bad,
                Outcome::Superseded | Outcome::Abandoned => Tone::Faint,
            };
            vec![
                Cell::new(self.at(release.ended_at)),
                or_dash(release.from.as_deref()),
                Cell::new(&release.to),
                Cell::toned(format!("{:?}", release.outcome), tone),
                or_dash(release.why.as_deref()),
            ]
        };
        let rows: Vec<Vec<Cell>> = releases.iter().map(row).collect();
        let table = output::table(&["ENDED", "FROM", "TO", "OUTCOME", "WHY"], &rows, self.colourful);
        format!("  {}", table.trim_end().replace('\n', "\n  "))
    }

    fn candidate(&self, spec: &CodeSyncSpec, status: &CodeSyncStatus) -> Option<String> {
        let candidate = status.candidate.as_ref()?;
        let mut parts = vec![format!("  candidate  {}", short(&candidate.reference, &candidate.name))];
        parts.extend(commit::shown(candidate, spec));
        let named = candidate.source_revision.as_deref().and_then(|revision| named(&spec.source, revision));
        parts.extend(named.map(|named| format!("named by {named}")));
        parts.extend(candidate.author.as_deref().map(|author| format!("by {}", harmless(author))));
        let verified = candidate.verified.as_ref().map(|verified| harmless(&verified.by.join(" and ")));
        parts.extend(verified.map(|by| format!("signed by {by}")));
        parts.extend(candidate.created.map(|time| format!("built {}", self.at(time))));
        parts.extend(candidate.first_seen.map(|time| format!("first seen {}", self.at(time))));
        Some(parts.join("   "))
    }

    fn deployed(&self, status: &CodeSyncStatus) -> String {
        let Some(deployed) = &status.deployed else {
            return "  deployed   nothing that all stages run, yet".to_owned();
        };
        let since = deployed.since.map(|time| format!("   since {}, {}", self.at(time), self.since(time)));
        let written = short(&deployed.reference, &deployed.name);
        let other = other_tag(status, &deployed.reference);
        let other = other.map(|tag| format!("   the same image as {}", harmless(tag)));
        format!("  deployed   {written}{}{}", since.unwrap_or_default(), other.unwrap_or_default())
    }

    /// When the source is looked at, as long as nothing fails. The last look is in no status: one that finds nothing new
    /// writes nothing.
    fn looks(&self, source: &Source, status: &CodeSyncStatus) -> Option<String> {
        if stalled(status).is_some() {
            return None;
        }
        let when = match next_look(source, self.now)? {
            NextLook::Every(interval) => interval,
            NextLook::At(time) => format!("next at {}, by its schedule", clock(time, self.now)),
        };
        let file = source.file.as_ref().map_or("", |_| ", and when the file changes");
        let webhook = source.webhook.as_ref().map_or("", |_| ", and when a webhook comes");
        Some(format!("  looked at  {when}{file}{webhook}"))
    }

    fn waiting(&self, row: &Waiting, indent: usize) -> String {
        let left = row.until.and_then(|until| wording::left(until.timestamp(), self.now));
        let left = left.map_or(String::new(), |left| format!(" ({left} left)"));
        format!("{:indent$}{}{left}", "", wording::row(row))
    }

    fn hold(&self, hold: &Hold) -> String {
        let manager = hold.manager.as_deref().unwrap_or("an unknown tool");
        let when = hold.changed_at.map_or(String::new(), |time| format!(" at {}", self.at(time)));
        let found = hold.found.as_deref().map_or("no code".to_owned(), |text| short(text, text));
        let text = format!("  held: {} was changed by {manager:?}{when} to {found}", harmless(&hold.target));
        paint(&text, Tone::Bad, self.colourful)
    }

    /// Whether something is wrong, and what comes next.
    pub fn verdict(&self, code_sync: &CodeSync) -> String {
        let Some(status) = &code_sync.status else { return UNSEEN.to_owned() };
        if let Some(condition) = trouble(status) {
            // What a row or a hold said already is not said again.
            let is_said = !status.waiting.is_empty() || !status.holds.is_empty();
            let summary = status.summary.as_deref().filter(|_| is_said);
            let text =
                summary.map_or_else(|| format!("{}: {}", condition.reason, condition.message), str::to_owned);
            return paint(&format!("to look at: {}", sentence(&text)), Tone::Bad, self.colourful);
        }
        let whose = if status.stages.len() > 1 { Whose::Named } else { Whose::Known };
        let next = wording::next_end(&status.waiting, whose, self.now);
        let how = how(status);
        if let Some(row) = status.waiting.iter().find(|row| row.reason == APPROVAL) {
            let stage = harmless(row.stage.as_deref().unwrap_or_default());
            let next = next.map_or_else(String::new, |next| format!("; and {next}"));
            return format!("{how}; waits for a person to approve stage {stage}{next}");
        }
        if let Some(next) = next {
            return format!("{how}; next thing to happen: {next}");
        }
        let summary = status.summary.as_deref().unwrap_or("nothing to do");
        let awaited = summary.split_once(": ").map(|(_, what)| what);
        let awaited = awaited.filter(|what| AWAITED.iter().any(|one| what.starts_with(one)));
        let awaited = awaited.map(|what| format!("waits for the {what}"));
        format!("{how}; {}", harmless(awaited.as_deref().unwrap_or(summary)))
    }

    pub(super) fn at(&self, time: Time) -> String {
        clock(time.timestamp(), self.now)
    }

    fn since(&self, time: Time) -> String {
        age(time.timestamp(), self.now)
    }
}

/// Whether a row says what stands in the lines above the stages.
fn is_in_head(row: &Waiting, code_sync: &CodeSync) -> bool {
    let rollback = || code_sync.status.as_ref().and_then(|status| status.rollback.as_ref());
    match row.reason.as_str() {
        PINNED => code_sync.spec.pin.is_some(),
        ROLLED_BACK => rollback().is_some_and(|rollback| rollback.failure.is_none()),
        _ => false,
    }
}

/// What decides what runs: the source, or what a person chose.
fn heading(code_sync: &CodeSync) -> String {
    let (spec, status) = (&code_sync.spec, code_sync.status.as_ref());
    let source = harmless(&spec.source.summary());
    if let Some(rollback) = status.and_then(|status| status.rollback.as_ref()) {
        let name = harmless(&rollback.candidate.name);
        let back = match rollback.failure {
            Some(_) => format!("goes back to {name} by itself"),
            None => format!("back at {name} by a person"),
        };
        return format!("{back}; its source is {source}");
    }
    if let Some(pin) = &spec.pin {
        return format!("pinned to {}; its source is {source}", short(&pin.reference, &pin.reference));
    }
    let seen = status.and_then(|status| seen(&spec.source, status));
    let seen = seen.map_or(String::new(), |seen| format!(", now {seen}"));
    format!("following {source}{seen}")
}

/// Where a Git source is now, if that is not what named the candidate.
fn seen(source: &Source, status: &CodeSyncStatus) -> Option<String> {
    let revision = status.source.as_ref()?.revision.as_deref()?;
    let candidate = status.candidate.as_ref().and_then(|candidate| candidate.source_revision.as_deref());
    named(source, revision).filter(|_| candidate != Some(revision))
}

pub(super) fn short(reference: &str, otherwise: &str) -> String {
    CodeReference::parse(reference).map_or_else(|_| harmless(otherwise), |reference| reference.short())
}

/// The candidate's tag, where it is the same image by another tag than the one that was written.
fn other_tag<'s>(status: &'s CodeSyncStatus, written: &str) -> Option<&'s str> {
    let written = CodeReference::parse(written).ok()?;
    let candidate = status.candidate.as_ref()?;
    let is_same = CodeReference::parse(&candidate.reference).is_ok_and(|it| it.is_same_code(&written));
    let tag = candidate.tag.as_deref()?;
    (is_same && written.tag().is_some_and(|written| written != tag)).then_some(tag)
}

/// What a Git source named: the tag, or the branch and its commit.
fn named(source: &Source, revision: &str) -> Option<String> {
    let git = source.git.as_ref()?;
    let short = commit::short(revision);
    Some(match &git.revision.branch {
        Some(branch) => format!("{}@{short}", harmless(branch)),
        None => short,
    })
}

/// Whether something may become wrong: a check that does not hold is no failure yet.
fn how(status: &CodeSyncStatus) -> &'static str {
    let is_asked = |stage: &&StageStatus| matches!(stage.phase, StagePhase::Checking | StagePhase::Soaking);
    let stages = status.stages.iter().filter(is_asked);
    let standings: Vec<CheckStanding> =
        stages.flat_map(|it| &it.checks).map(|check| check.standing).collect();
    if standings.contains(&CheckStanding::Failed) {
        "a check fails so far, and is asked again"
    } else if standings.contains(&CheckStanding::Unreachable) {
        "a check cannot be asked, and is tried again"
    } else {
        "nothing is wrong"
    }
}

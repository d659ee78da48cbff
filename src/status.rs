//! `voxsync status`: what is deployed, what is next, and why not yet. Read from the CodeSync's own status, so
//! that it says what the agent knows and needs no right but to read CodeSyncs.

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use jiff::{Timestamp, tz::TimeZone};
use kube::{Api, ResourceExt as _, api::ListParams};
use voxsync_crds::{
    CodeReference, CodeSync,
    code_sync::{CodeSyncStatus, Condition, ConditionStatus, Hold, StagePhase, StageStatus, Waiting},
    time::Time,
};

use crate::{
    arguments::{Connection, StatusOptions},
    connect::connect,
    output::{self, Tone, age, harmless, paint},
};

/// Prints one CodeSync, or all of the namespace. Exit code 1 if one of them needs a person.
pub async fn run(connection: &Connection, options: StatusOptions) -> anyhow::Result<ExitCode> {
    let (client, namespace) = connect(connection).await?;
    let api: Api<CodeSync> =
        if options.all_namespaces { Api::all(client) } else { Api::namespaced(client, &namespace) };
    let code_syncs = match &options.name {
        Some(name) => {
            let found = api.get_opt(name).await.with_context(|| format!("codesync {namespace}/{name}"))?;
            vec![found.with_context(|| format!("there is no codesync {name:?} in namespace {namespace:?}"))?]
        }
        None => api.list(&ListParams::default()).await.context("the list of codesyncs")?.items,
    };
    if code_syncs.is_empty() {
        output::line(&format!("no codesyncs in namespace {namespace}; `voxsync status -A` looks everywhere"));
    }
    let view = View { now: Timestamp::now(), zone: TimeZone::system(), colourful: output::is_colourful() };
    for (index, code_sync) in code_syncs.iter().enumerate() {
        if index > 0 {
            output::line("");
        }
        output::line(view.code_sync(code_sync).trim_end());
    }
    let wrong = code_syncs
        .iter()
        .any(|code_sync| code_sync.status.as_ref().is_some_and(|status| trouble(status).is_some()));
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// How and when somebody looks.
struct View {
    now: Timestamp,
    zone: TimeZone,
    colourful: bool,
}

impl View {
    fn code_sync(&self, code_sync: &CodeSync) -> String {
        let mut lines = Vec::new();
        let namespace = code_sync.namespace().unwrap_or_default();
        let title = paint(&format!("{namespace}/{}", code_sync.name_any()), Tone::Strong, self.colourful);
        lines.push(format!("{title}  ·  following {}", harmless(&code_sync.spec.source.summary())));
        let Some(status) = &code_sync.status else {
            lines
                .push("  the agent has not seen it yet: does `voxsync run` serve this namespace?".to_owned());
            return lines.join("\n");
        };
        lines.push(String::new());
        lines.extend(self.candidate(status));
        lines.push(self.deployed(status));
        if let Some(pin) = &code_sync.spec.pin {
            let reason = pin.reason.as_deref().unwrap_or("no reason given");
            lines.push(format!("  pinned     {} ({})", harmless(&pin.reference), harmless(reason)));
        }
        lines.push(String::new());
        let width = status.stages.iter().map(|stage| stage.name.len()).max().unwrap_or(0);
        for (index, stage) in status.stages.iter().enumerate() {
            lines.push(self.stage(index + 1, stage, status, width));
            let rows = status.waiting.iter().filter(|row| row.stage.as_ref() == Some(&stage.name));
            lines.extend(rows.map(|row| self.waiting(row, width + 8)));
        }
        lines.extend(status.waiting.iter().filter(|row| row.stage.is_none()).map(|row| self.waiting(row, 2)));
        lines.extend(status.holds.iter().filter(|hold| !hold.resumed).map(|hold| self.hold(hold)));
        lines.push(String::new());
        lines.push(format!("  {}", self.verdict(status)));
        lines.join("\n")
    }

    fn candidate(&self, status: &CodeSyncStatus) -> Option<String> {
        let candidate = status.candidate.as_ref()?;
        let mut parts = vec![format!("  candidate  {}", short(&candidate.reference, &candidate.name))];
        parts.extend(
            candidate.commit.as_deref().map(|commit| format!("commit {} (claimed)", first(commit, 7))),
        );
        parts.extend(candidate.author.as_deref().map(|author| format!("by {}", harmless(author))));
        parts.extend(candidate.created.map(|time| format!("built {}", self.at(time))));
        parts.extend(candidate.first_seen.map(|time| format!("first seen {}", self.at(time))));
        Some(parts.join("   "))
    }

    fn deployed(&self, status: &CodeSyncStatus) -> String {
        let Some(deployed) = &status.deployed else {
            return "  deployed   nothing that all stages run, yet".to_owned();
        };
        let since = deployed.since.map(|time| format!("   since {}, {}", self.at(time), self.since(time)));
        format!("  deployed   {}{}", short(&deployed.reference, &deployed.name), since.unwrap_or_default())
    }

    fn stage(&self, number: usize, stage: &StageStatus, status: &CodeSyncStatus, width: usize) -> String {
        let (mark, tone) = match stage.phase {
            StagePhase::Deployed | StagePhase::Soaking => ("✔", Tone::Good),
            StagePhase::Failed | StagePhase::Held => ("✘", Tone::Bad),
            StagePhase::Gating | StagePhase::Writing | StagePhase::Rolling | StagePhase::RollingBack => {
                ("▸", Tone::Attention)
            }
            StagePhase::Pending | StagePhase::NothingToProve => ("⏸", Tone::Faint),
        };
        // A stage that is worked on is about the promotion's candidate, not about what it last passed with.
        let candidate = status.promotion.as_ref().map(|promotion| promotion.candidate.reference.as_str());
        let is_at_rest = matches!(stage.phase, StagePhase::Deployed | StagePhase::Pending);
        let reference = if is_at_rest { stage.reference.as_deref() } else { candidate };
        let reference = reference.map_or(String::new(), |text| format!(" {}", short(text, text)));
        let pods = match stage.desired {
            0 => String::new(),
            desired => format!("   {} of {desired} ready", stage.ready),
        };
        let phase = format!("{:?}", stage.phase).to_lowercase();
        format!(
            "  {number} {:width$}  {} {phase}{reference}{pods}",
            stage.name,
            paint(mark, tone, self.colourful)
        )
    }

    fn waiting(&self, row: &Waiting, indent: usize) -> String {
        let until = row.until.map_or(String::new(), |time| format!(" (until {})", self.at(time)));
        format!("{:indent$}{}: {}{until}", "", row.reason, harmless(&row.message))
    }

    fn hold(&self, hold: &Hold) -> String {
        let manager = hold.manager.as_deref().unwrap_or("an unknown tool");
        let when = hold.changed_at.map_or(String::new(), |time| format!(" at {}", self.at(time)));
        let found = hold.found.as_deref().map_or("no code".to_owned(), |text| short(text, text));
        let text = format!("  held: {} was changed by {manager:?}{when} to {found}", harmless(&hold.target));
        paint(&text, Tone::Bad, self.colourful)
    }

    fn verdict(&self, status: &CodeSyncStatus) -> String {
        if let Some(condition) = trouble(status) {
            // What a row or a hold said already is not said again.
            let is_said = !status.waiting.is_empty() || !status.holds.is_empty();
            let summary = status.summary.as_deref().filter(|_| is_said);
            let text =
                summary.map_or_else(|| format!("{}: {}", condition.reason, condition.message), str::to_owned);
            return paint(&format!("to look at: {}", harmless(&text)), Tone::Bad, self.colourful);
        }
        let next = status
            .waiting
            .iter()
            .filter_map(|row| row.until.map(|until| (until, row)))
            .min_by_key(|row| row.0);
        match next {
            Some((until, row)) => {
                format!("nothing is wrong; next thing to happen: {} {} ends", self.at(until), row.reason)
            }
            None => format!(
                "nothing is wrong; {}",
                harmless(status.summary.as_deref().unwrap_or("nothing to do"))
            ),
        }
    }

    fn at(&self, time: Time) -> String {
        let zoned = time.timestamp().to_zoned(self.zone.clone());
        let today = self.now.to_zoned(self.zone.clone()).date() == zoned.date();
        zoned.strftime(if today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" }).to_string()
    }

    fn since(&self, time: Time) -> String {
        age(Duration::try_from(self.now.duration_since(time.timestamp())).unwrap_or_default())
    }
}

/// What is wrong, if a person has to act.
fn trouble(status: &CodeSyncStatus) -> Option<&Condition> {
    let is = |kind: &str, wanted| {
        status.conditions.iter().find(|condition| condition.kind == kind && condition.status == wanted)
    };
    let stalled = is("Stalled", ConditionStatus::True);
    let unready =
        is("Ready", ConditionStatus::False).filter(|_| is("Reconciling", ConditionStatus::True).is_none());
    let source = is("SourceReady", ConditionStatus::False);
    stalled.or(unready).or(source)
}

fn short(reference: &str, otherwise: &str) -> String {
    CodeReference::parse(reference).map_or_else(|_| harmless(otherwise), |reference| reference.short())
}

fn first(text: &str, characters: usize) -> String {
    harmless(text).chars().take(characters).collect()
}

//! What a check says of one CodeSync. Pure.

use jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use voxsync_agent::{Checked, CheckedCheck, CheckedSecret, CheckedTarget, Fault, Sighted, Tried};
use voxsync_crds::{
    CodeReference, CodeSync,
    code_sync::{CandidateStatus, CodeSyncSpec},
};

use super::{
    elsewhere::{Elsewhere, Held},
    stages,
};
use crate::{
    commit,
    output::{Tone, harmless, message, paint},
    places,
};

/// How many targets are named one by one.
const NAMED_TARGETS_LIMIT: usize = 20;

/// What a check found.
pub struct Report {
    pub namespace: String,
    pub name: String,
    /// Its spec, where an API server would take it.
    spec: Option<CodeSyncSpec>,
    /// Whether all of it is from files: what is not among them may be elsewhere.
    is_of_files: bool,
    /// What of the files it cannot read.
    elsewhere: Vec<Elsewhere>,
    /// What is wrong with its stages.
    stages: Vec<String>,
    /// What was found, or what is wrong with the spec, one by one.
    checked: Result<Checked, Vec<String>>,
}

/// What is said of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Good,
    Bad,
    /// It was not checked.
    Open,
}

impl Report {
    /// Of a look.
    pub fn of(
        code_sync: &CodeSync,
        held: Option<&Held>,
        mut checked: Result<Checked, String>,
        now: Timestamp,
    ) -> Self {
        let namespace = code_sync.namespace().unwrap_or_default();
        if let (Some(held), Ok(checked)) = (held, &mut checked) {
            checked.targets.iter_mut().for_each(|target| held.place(&namespace, target));
        }
        Self {
            name: code_sync.name_any(),
            spec: Some(code_sync.spec.clone()),
            is_of_files: held.is_some(),
            stages: stages::faults(&namespace, &code_sync.spec, now),
            elsewhere: held.map(|held| held.elsewhere(&namespace, &code_sync.spec)).unwrap_or_default(),
            namespace,
            checked: checked.map_err(|why| vec![why]),
        }
    }

    /// Of a CodeSync that an API server would not take.
    pub fn refused(namespace: &str, name: &str, causes: Vec<String>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            spec: None,
            is_of_files: true,
            elsewhere: Vec::new(),
            stages: Vec::new(),
            checked: Err(causes),
        }
    }

    /// What is wrong with it, one by one, where nothing was looked for.
    pub fn causes(&self) -> Option<&[String]> {
        self.checked.as_ref().err().map(Vec::as_slice)
    }

    /// Whether it would find something to deploy, and could.
    pub fn is_good(&self) -> bool {
        let finds = |sighted: &Sighted| {
            sighted.problem.is_none() && sighted.obstacles.is_empty() && !sighted.candidates.is_empty()
        };
        self.checked.as_ref().is_ok_and(|checked| {
            finds(&checked.source)
                && self.stages.is_empty()
                && checked.pin.as_ref().is_none_or(finds)
                && checked.secrets.iter().all(|secret| self.mark(&secret.state) != Mark::Bad)
                && checked.targets.iter().all(|target| self.mark(&target.image) != Mark::Bad)
                && !checked.checks.iter().any(|check| matches!(check.said, Tried::Failed(_)))
        })
    }

    fn mark<T>(&self, state: &Result<T, Fault>) -> Mark {
        match state {
            Ok(_) => Mark::Good,
            Err(fault) if self.is_of_files && fault.is_missing => Mark::Open,
            Err(_) => Mark::Bad,
        }
    }

    /// For people.
    pub fn text(&self, colourful: bool) -> String {
        let sign = |mark: Mark| match mark {
            Mark::Good => paint("✔", Tone::Good, colourful),
            Mark::Bad => paint("✘", Tone::Bad, colourful),
            Mark::Open => paint("–", Tone::Attention, colourful),
        };
        let title = paint(&format!("{}/{}", self.namespace, self.name), Tone::Strong, colourful);
        let spec = self.spec.as_ref();
        let summary = spec.map(|spec| spec.source.summary()).unwrap_or_default();
        let mut lines = vec![format!("{title}  ·  {}", harmless(&summary))];
        let mut say = |mark: Mark, what: &str, text: &str| {
            lines.push(format!("  {} {what:<10} {text}", sign(mark)));
        };
        match &self.checked {
            Err(causes) => causes.iter().for_each(|cause| say(Mark::Bad, "spec", &message(cause))),
            Ok(checked) => {
                say(Mark::Good, "spec", "valid");
                self.stages.iter().for_each(|fault| say(Mark::Bad, "stages", fault));
                if let Some(assumed) = self.assumed() {
                    say(Mark::Open, "namespaces", assumed);
                }
                sighted(&checked.source, "source", spec, &mut say);
                if let Some(pin) = &checked.pin {
                    sighted(pin, "pin", spec, &mut say);
                }
                if let Some(age) = spec.and_then(|spec| spec.minimum_age.as_ref()) {
                    let text = format!("taken when voxsync has known it for {}", harmless(&age.0));
                    say(Mark::Good, "age", &text);
                }
                for window in spec.map(voxsync_agent::idle_windows).unwrap_or_default() {
                    let text = format!(
                        "no stage keeps to {window}, which says when stages may start: it holds nothing back. Name it in \
                         stages[].windows"
                    );
                    say(Mark::Open, "window", &harmless(&text));
                }
                for Elsewhere { kind, name, namespace } in &self.elsewhere {
                    let text = format!(
                        "the {kind} {name} is among the files in namespace {namespace} only; a CodeSync reads those of its own \
                         namespace, {}",
                        self.namespace
                    );
                    say(Mark::Open, &kind.to_lowercase(), &harmless(&text));
                }
                let is_said =
                    |name: &str| self.elsewhere.iter().any(|it| it.kind == "Secret" && it.name == name);
                for CheckedSecret { field, name, state } in &checked.secrets {
                    if is_said(name) {
                        continue;
                    }
                    let text = match (self.mark(state), state) {
                        (Mark::Open, _) => not_checked(&format!("the Secret {name} ({field})")),
                        (_, Ok(())) => format!("{field} is {name}"),
                        (_, Err(fault)) => format!("{field}: {}", message(&fault.message)),
                    };
                    say(self.mark(state), "secret", &harmless(&text));
                }
                let (bad, others): (Vec<_>, Vec<_>) =
                    checked.targets.iter().partition(|target| self.mark(&target.image) == Mark::Bad);
                let mut targets = bad.into_iter().chain(others);
                for target in targets.by_ref().take(NAMED_TARGETS_LIMIT) {
                    let mark = self.mark(&target.image);
                    say(mark, "target", &harmless(&target_text(target, mark)));
                }
                if let Some(next) = targets.next() {
                    let more = targets.count() + 1;
                    say(self.mark(&next.image), "target", &format!("and {more} more"));
                }
                for CheckedCheck { stage, name, said } in &checked.checks {
                    let (mark, text) = match said {
                        Tried::Passed(text) => (Mark::Good, text),
                        Tried::Failed(text) => (Mark::Bad, text),
                        Tried::Open(text) => (Mark::Open, text),
                    };
                    say(
                        mark,
                        "check",
                        &format!("{} of stage {}: {}", harmless(name), harmless(stage), message(text)),
                    );
                }
            }
        }
        lines.join("\n")
    }

    /// What is taken for granted of the voxsync that runs.
    fn assumed(&self) -> Option<&'static str> {
        let goes_elsewhere = |spec: &CodeSyncSpec| places::goes_elsewhere(&self.namespace, spec);
        self.spec.as_ref().is_some_and(goes_elsewhere).then_some(places::ASSUMED)
    }

    fn json(&self) -> Value {
        let mut report = json!({"namespace": self.namespace, "name": self.name, "ok": self.is_good()});
        if let Some(assumed) = self.assumed() {
            report["notes"] = json!([assumed]);
        }
        match &self.checked {
            Err(causes) => report["invalid"] = json!(causes.join("; ")),
            Ok(checked) => {
                report["source"] = sighted_json(&checked.source);
                if let Some(pin) = &checked.pin {
                    report["pin"] = sighted_json(pin);
                }
                report["stages"] = json!(self.stages);
                let secrets = checked.secrets.iter().map(|CheckedSecret { field, name, state }| {
                    self.with_state(json!({"field": field, "name": name}), state)
                });
                report["secrets"] = secrets.collect();
                let elsewhere = self.elsewhere.iter().map(|Elsewhere { kind, name, namespace }| {
                    json!({"kind": kind, "name": name, "namespace": namespace})
                });
                report["elsewhere"] = elsewhere.collect();
                let targets = checked.targets.iter().map(|CheckedTarget { stage, key, image }| {
                    let target = key.as_ref().map(ToString::to_string);
                    let known = image.as_ref().ok();
                    self.with_state(json!({"stage": stage, "target": target, "image": known}), image)
                });
                report["targets"] = targets.collect();
                let checks = checked.checks.iter().map(|CheckedCheck { stage, name, said }| {
                    let (standing, text) = match said {
                        Tried::Passed(text) => ("Passed", text),
                        Tried::Failed(text) => ("Failed", text),
                        Tried::Open(text) => ("Open", text),
                    };
                    json!({"stage": stage, "check": name, "standing": standing, "message": text})
                });
                report["checks"] = checks.collect();
            }
        }
        report
    }

    fn with_state<T>(&self, mut row: Value, state: &Result<T, Fault>) -> Value {
        row["checked"] = json!(self.mark(state) != Mark::Open);
        if let (Mark::Bad, Err(fault)) = (self.mark(state), state) {
            row["problem"] = json!(fault.message);
        }
        row
    }
}

fn target_text(target: &CheckedTarget, mark: Mark) -> String {
    let CheckedTarget { stage, key, image } = target;
    let what = key.as_ref().map_or_else(|| format!("stage {stage}"), ToString::to_string);
    match (mark, image) {
        (Mark::Open, _) if key.is_none() => not_checked(&format!("what {what} selects")),
        (Mark::Open, _) => not_checked(&what),
        (_, Ok(_)) if key.is_none() => format!("{what} selects nothing now, and may (allowEmpty)"),
        (_, Ok(Some(image))) => format!("{what} has {}", short(image)),
        (_, Ok(None)) => format!("{what} has no code of its own"),
        (_, Err(fault)) if fault.message.starts_with(&what) => message(&fault.message),
        (_, Err(fault)) => format!("{what}: {}", message(&fault.message)),
    }
}

fn not_checked(what: &str) -> String {
    format!("{what} is not among the files: not checked (--cluster asks the cluster)")
}

/// For programs.
pub fn json(reports: &[Report]) -> Value {
    reports.iter().map(Report::json).collect()
}

fn sighted(
    sighted: &Sighted,
    what: &str,
    spec: Option<&CodeSyncSpec>,
    say: &mut impl FnMut(Mark, &str, &str),
) {
    let Sighted { candidates, revision, tag_count, problem, obstacles } = sighted;
    let count = tag_count.map(|count| format!("{count} tag{}", if count == 1 { "" } else { "s" }));
    let seen = [count, revision.as_deref().map(|revision| format!("now {}", harmless(revision)))];
    let seen = seen.into_iter().flatten().collect::<Vec<_>>().join(", ");
    match problem {
        Some(problem) => say(Mark::Bad, what, &format!("{}: {}", problem.reason, message(&problem.message))),
        None => say(Mark::Good, what, if seen.is_empty() { "can be read" } else { &seen }),
    }
    if let Some(best) = candidates.first() {
        let mark = if obstacles.is_empty() { Mark::Good } else { Mark::Bad };
        say(mark, "image", &described(best, spec));
    }
    for obstacle in obstacles {
        say(Mark::Bad, "image", &format!("{}: {}", obstacle.reason, message(&obstacle.message)));
    }
}

fn described(candidate: &CandidateStatus, spec: Option<&CodeSyncSpec>) -> String {
    let mut parts = vec![short(&candidate.reference)];
    parts.extend(spec.and_then(|spec| commit::shown(candidate, spec)));
    parts.extend(candidate.author.as_deref().map(|author| format!("by {}", harmless(author))));
    parts.extend(candidate.created.map(|created| format!("built {}", created.timestamp())));
    let by = candidate.verified.iter().flat_map(|verified| &verified.by);
    parts.extend(by.map(|by| format!("signed by {}", harmless(by))));
    parts.join("   ")
}

fn short(reference: &str) -> String {
    CodeReference::parse(reference).map_or_else(|_| harmless(reference), |reference| reference.short())
}

fn sighted_json(sighted: &Sighted) -> Value {
    let Sighted { candidates, revision, tag_count, problem, obstacles } = sighted;
    let said = |reason: &str, message: &str| json!({"reason": reason, "message": message});
    let obstacles = obstacles.iter().map(|obstacle| said(&obstacle.reason, &obstacle.message));
    json!({
        "candidates": candidates,
        "revision": revision,
        "tagCount": tag_count,
        "obstacles": obstacles.collect::<Value>(),
        "problem": problem.as_ref().map(|problem| said(&problem.reason, &problem.message)),
    })
}

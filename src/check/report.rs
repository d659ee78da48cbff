//! What a check says of one CodeSync. Pure.

use kube::ResourceExt as _;
use serde_json::{Value, json};
use voxsync_agent::{Checked, CheckedTarget, Sighted};
use voxsync_crds::{CodeReference, CodeSync, code_sync::CandidateStatus};

use crate::output::{Tone, harmless, paint, sentence};

/// How many targets are named one by one.
const NAMED_TARGETS_LIMIT: usize = 20;
/// How much of a commit is shown, in characters.
const COMMIT_CHARACTERS: usize = 7;

/// What a check found.
pub struct Report {
    pub namespace: String,
    pub name: String,
    /// What is followed; empty where the spec could not be read.
    summary: String,
    /// Who has to be old enough, where that is asked.
    minimum_age: Option<String>,
    /// What was found, or what is wrong with the spec.
    checked: Result<Checked, String>,
}

impl Report {
    /// Of a look.
    pub fn of(code_sync: &CodeSync, checked: Result<Checked, String>) -> Self {
        Self {
            namespace: code_sync.namespace().unwrap_or_default(),
            name: code_sync.name_any(),
            summary: code_sync.spec.source.summary(),
            minimum_age: code_sync.spec.minimum_age.as_ref().map(|age| age.0.clone()),
            checked,
        }
    }

    /// Of a CodeSync that an API server would not take.
    pub fn refused(namespace: &str, name: &str, why: String) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Self { namespace, name, summary: String::new(), minimum_age: None, checked: Err(why) }
    }

    /// Whether it would find something to deploy, and could.
    pub fn is_good(&self) -> bool {
        let finds = |sighted: &Sighted| sighted.problem.is_none() && !sighted.candidates.is_empty();
        self.checked.as_ref().is_ok_and(|checked| {
            finds(&checked.source)
                && checked.pin.as_ref().is_none_or(finds)
                && checked.targets.iter().all(|target| target.image.is_ok())
        })
    }

    /// For people.
    pub fn text(&self, colourful: bool) -> String {
        let mark = |is_good: bool| {
            if is_good { paint("✔", Tone::Good, colourful) } else { paint("✘", Tone::Bad, colourful) }
        };
        let title = paint(&format!("{}/{}", self.namespace, self.name), Tone::Strong, colourful);
        let mut lines = vec![format!("{title}  ·  {}", harmless(&self.summary))];
        let mut say = |is_good: bool, what: &str, text: &str| {
            lines.push(format!("  {} {what:<10} {text}", mark(is_good)));
        };
        match &self.checked {
            Err(why) => say(false, "spec", &sentence(why)),
            Ok(checked) => {
                say(true, "spec", "valid");
                sighted(&checked.source, "source", &mut say);
                if let Some(pin) = &checked.pin {
                    sighted(pin, "pin", &mut say);
                }
                if let Some(age) = &self.minimum_age {
                    say(true, "age", &format!("taken when voxsync has known it for {}", harmless(age)));
                }
                for target in checked.targets.iter().take(NAMED_TARGETS_LIMIT) {
                    let CheckedTarget { key, image } = target;
                    let text = match image {
                        Ok(Some(image)) => format!("{key} has {}", short(image)),
                        Ok(None) => format!("{key} has no code of its own"),
                        Err(why) => format!("{key}: {}", sentence(why)),
                    };
                    say(image.is_ok(), "target", &harmless(&text));
                }
                if let Some(more) =
                    checked.targets.len().checked_sub(NAMED_TARGETS_LIMIT).filter(|more| *more > 0)
                {
                    say(true, "target", &format!("and {more} more"));
                }
            }
        }
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let mut report = json!({"namespace": self.namespace, "name": self.name, "ok": self.is_good()});
        match &self.checked {
            Err(why) => report["invalid"] = json!(why),
            Ok(checked) => {
                report["source"] = sighted_json(&checked.source);
                if let Some(pin) = &checked.pin {
                    report["pin"] = sighted_json(pin);
                }
                let targets = checked.targets.iter().map(|target| match &target.image {
                    Ok(image) => json!({"target": target.key.to_string(), "image": image}),
                    Err(why) => json!({"target": target.key.to_string(), "problem": why}),
                });
                report["targets"] = targets.collect();
            }
        }
        report
    }
}

/// For programs.
pub fn json(reports: &[Report]) -> Value {
    reports.iter().map(Report::json).collect()
}

fn sighted(sighted: &Sighted, what: &str, say: &mut impl FnMut(bool, &str, &str)) {
    let Sighted { candidates, revision, tag_count, problem } = sighted;
    let count = tag_count.map(|count| format!("{count} tags"));
    let seen = [count, revision.as_deref().map(|revision| format!("now {}", harmless(revision)))];
    let seen = seen.into_iter().flatten().collect::<Vec<_>>().join(", ");
    match problem {
        Some(problem) => say(false, what, &format!("{}: {}", problem.reason, sentence(&problem.message))),
        None => say(true, what, if seen.is_empty() { "can be read" } else { &seen }),
    }
    if let Some(best) = candidates.first() {
        say(true, "image", &described(best));
    }
}

fn described(candidate: &CandidateStatus) -> String {
    let mut parts = vec![short(&candidate.reference)];
    let commit =
        candidate.commit.as_deref().map(|commit| commit.chars().take(COMMIT_CHARACTERS).collect::<String>());
    parts.extend(commit.map(|commit| format!("commit {} (claimed)", harmless(&commit))));
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
    let Sighted { candidates, revision, tag_count, problem } = sighted;
    json!({
        "candidates": candidates,
        "revision": revision,
        "tagCount": tag_count,
        "problem": problem.as_ref().map(|problem| json!({"reason": problem.reason, "message": problem.message})),
    })
}

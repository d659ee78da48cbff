//! One event of a timeline, as it is meant.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use voxsync_crds::{
    code_sync::{CheckStanding, CodeSyncSpec},
    reference::is_tag,
};

use crate::timeline::{EventText, FailsText, length};

/// The longest text of a person.
const TEXT_LIMIT_CHARACTERS: usize = 256;
/// Why a pod cannot start where nobody says it.
const DEFAULT_REASON: &str = "ImagePullBackOff";
/// Who does something where nobody says it.
const SOMEBODY: &str = "somebody";
/// The field manager that a change is made by where nobody says it.
const DEFAULT_MANAGER: &str = "kubectl-edit";

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// A tag is pushed, or pushed again.
    Push { tag: String, fault: Option<Fault> },
    /// A tag is taken away.
    Remove { tag: String },
    /// The source cannot be asked.
    Outage { lasts: SignedDuration },
    /// A person approves.
    Approve { tag: String, stage: Option<String>, by: String },
    /// A person pins a tag.
    Promote { tag: String, reason: Option<String>, is_emergency: bool },
    /// A person goes back.
    GoBack { reason: String },
    /// A person lets a digest out of quarantine.
    Release { tag: String },
    /// A person goes on.
    Resume,
    /// A person suspends the CodeSync.
    Suspend { reason: String },
    /// Somebody changes the code of a target.
    Change { target: String, to: String, by: String },
    /// A check says something else from now on.
    Says { stage: String, check: String, standing: CheckStanding },
    /// Stages should run these tags now.
    Expect { stages: BTreeMap<String, String> },
}

/// How the code of a tag fails.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// Where; none where it fails everywhere.
    pub(crate) stage: Option<String>,
    pub(crate) way: Way,
}

/// In which way.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// Its pods cannot start.
    Pod { reason: String, message: String },
    /// A check fails, so long after all Servers run it.
    Check { check: String, after: SignedDuration },
}

/// An event that was read.
pub(crate) struct Event(pub(crate) Happening);

/// What events may name.
pub(crate) struct Known<'k> {
    pub(crate) spec: &'k CodeSyncSpec,
    pub(crate) stages: &'k [String],
    pub(crate) tags: &'k BTreeSet<String>,
}

/// What belongs to which verbs.
const PARTS: [(&str, &[&str]); 7] = [
    ("fails", &["tag"]),
    ("stage", &["approve", "check"]),
    ("by", &["approve", "change"]),
    ("reason", &["promote"]),
    ("now", &["promote"]),
    ("to", &["change"]),
    ("says", &["check"]),
];

impl Known<'_> {
    /// What an event means, or what is wrong with it.
    pub(crate) fn read(&self, event: EventText) -> Result<Event, String> {
        let verb = verb(&event)?;
        check_parts(&event, verb)?;
        let EventText { fails, stage, by, reason, now, to, says, .. } = event;
        let stage = stage.map(|stage| self.stage("stage", stage)).transpose()?;
        let by = by.map(|by| text("by", by)).transpose()?;
        let reason = reason.map(|reason| text("reason", reason)).transpose()?;
        let EventText { tag, remove, outage, approve, promote, rollback, release_quarantine, .. } = event;
        let EventText { resume, suspend, change, check, expect, .. } = event;
        let happening = if let Some(tag) = tag {
            if !is_tag(&tag) {
                return Err(format!("tag: {tag:?} is not a tag"));
            }
            Happening::Push { tag, fault: fails.map(|fails| self.fault(fails)).transpose()? }
        } else if let Some(tag) = remove {
            Happening::Remove { tag: self.tag("remove", tag)? }
        } else if let Some(lasts) = outage {
            Happening::Outage { lasts: length(&lasts).map_err(|why| format!("outage: {why}"))? }
        } else if let Some(tag) = approve {
            let by = by.unwrap_or_else(|| SOMEBODY.to_owned());
            Happening::Approve { tag: self.tag("approve", tag)?, stage, by }
        } else if let Some(tag) = promote {
            let is_emergency = now == Some(true);
            if is_emergency && reason.is_none() {
                return Err("reason: an emergency (`now: true`) needs one".to_owned());
            }
            Happening::Promote { tag: self.tag("promote", tag)?, reason, is_emergency }
        } else if let Some(reason) = rollback {
            Happening::GoBack { reason: text("rollback", reason)? }
        } else if let Some(tag) = release_quarantine {
            Happening::Release { tag: self.tag("releaseQuarantine", tag)? }
        } else if let Some(reason) = suspend {
            Happening::Suspend { reason: text("suspend", reason)? }
        } else if let Some(target) = change {
            let to = to.ok_or("to: a change needs the tag that the target is given")?;
            let by = by.unwrap_or_else(|| DEFAULT_MANAGER.to_owned());
            Happening::Change { target: text("change", target)?, to: self.tag("to", to)?, by }
        } else if let Some(check) = check {
            let standing = says.ok_or("says: what the check says: Passed, Failed, Unknown or Unreachable")?;
            let stage = stage.ok_or("stage: whose check it is")?;
            Happening::Says { check: self.check(&stage, check)?, stage, standing }
        } else if let Some(expect) = expect {
            if expect.is_empty() {
                return Err("expect: name at least one stage, and the tag that it should run".to_owned());
            }
            let stages = expect.into_iter().map(|(stage, tag)| {
                Ok::<_, String>((self.stage("expect", stage)?, self.tag("expect", tag)?))
            });
            Happening::Expect { stages: stages.collect::<Result<_, _>>()? }
        } else if resume == Some(true) {
            Happening::Resume
        } else {
            return Err("resume: say true".to_owned());
        };
        Ok(Event(happening))
    }

    fn fault(&self, fails: FailsText) -> Result<Fault, String> {
        let FailsText { stage, reason, message, check, after } = fails;
        let stage = stage.map(|stage| self.stage("fails.stage", stage)).transpose()?;
        let way = if let Some(check) = check {
            if reason.is_some() || message.is_some() {
                return Err("fails: a check fails, or a pod by a reason: not both".to_owned());
            }
            let stage = stage.as_deref().ok_or("fails.stage: whose check it is")?;
            let after = after.map(|after| length(&after).map_err(|why| format!("fails.after: {why}")));
            Way::Check {
                check: self.check(stage, check)?,
                after: after.transpose()?.unwrap_or(SignedDuration::ZERO),
            }
        } else {
            if after.is_some() {
                return Err("fails.after: only a check fails some time after the rollout".to_owned());
            }
            let reason = text("fails.reason", reason.unwrap_or_else(|| DEFAULT_REASON.to_owned()))?;
            let message = message.unwrap_or_else(|| "the timeline says so".to_owned());
            Way::Pod { reason, message: text("fails.message", message)? }
        };
        Ok(Fault { stage, way })
    }

    fn tag(&self, field: &str, tag: String) -> Result<String, String> {
        if self.tags.contains(&tag) {
            return Ok(tag);
        }
        Err(format!("{field}: no event pushes the tag {tag:?}; there are {}", listed(self.tags.iter())))
    }

    fn stage(&self, field: &str, stage: String) -> Result<String, String> {
        if self.stages.contains(&stage) {
            return Ok(stage);
        }
        Err(format!("{field}: there is no stage {stage:?}; there are {}", listed(self.stages.iter())))
    }

    fn check(&self, stage: &str, check: String) -> Result<String, String> {
        let stages = self.spec.ordered_stages();
        let checks = stages.iter().filter(|it| it.name == stage).flat_map(|stage| &stage.checks);
        let names: Vec<&String> = checks.map(|check| &check.name).collect();
        if names.contains(&&check) {
            return Ok(check);
        }
        let there = if names.is_empty() { "none".to_owned() } else { listed(names.iter()) };
        Err(format!("check: stage {stage} has no check {check:?}; there are {there}"))
    }
}

/// The one thing that an event is about.
fn verb(event: &EventText) -> Result<&'static str, String> {
    let verbs = [
        ("tag", event.tag.is_some()),
        ("remove", event.remove.is_some()),
        ("outage", event.outage.is_some()),
        ("approve", event.approve.is_some()),
        ("promote", event.promote.is_some()),
        ("rollback", event.rollback.is_some()),
        ("releaseQuarantine", event.release_quarantine.is_some()),
        ("resume", event.resume.is_some()),
        ("suspend", event.suspend.is_some()),
        ("change", event.change.is_some()),
        ("check", event.check.is_some()),
        ("expect", event.expect.is_some()),
    ];
    let mut given = verbs.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name);
    match (given.next(), given.next()) {
        (Some(verb), None) => Ok(verb),
        _ => Err(format!("give exactly one of {}", listed(verbs.iter().map(|(name, _)| name)))),
    }
}

/// Whether all that an event says belongs to its verb.
fn check_parts(event: &EventText, verb: &str) -> Result<(), String> {
    let given = [
        event.fails.is_some(),
        event.stage.is_some(),
        event.by.is_some(),
        event.reason.is_some(),
        event.now.is_some(),
        event.to.is_some(),
        event.says.is_some(),
    ];
    let mut wrong = PARTS.iter().zip(given).filter(|((_, verbs), given)| *given && !verbs.contains(&verb));
    match wrong.next() {
        None => Ok(()),
        Some(((part, verbs), _)) => {
            Err(format!("{part}: it belongs to {}, not to {verb}", verbs.join(" or ")))
        }
    }
}

fn text(field: &str, text: String) -> Result<String, String> {
    let is_bad = text.trim().is_empty()
        || text.chars().count() > TEXT_LIMIT_CHARACTERS
        || text.chars().any(char::is_control);
    if is_bad { Err(format!("{field}: give 1 to {TEXT_LIMIT_CHARACTERS} characters")) } else { Ok(text) }
}

fn listed(names: impl Iterator<Item = impl AsRef<str>>) -> String {
    const NAMED_LIMIT: usize = 12;
    let all: Vec<String> = names.map(|name| name.as_ref().to_owned()).collect();
    let first = all.iter().take(NAMED_LIMIT).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED_LIMIT) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

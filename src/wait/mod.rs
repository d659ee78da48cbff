//! `voxsync wait`: until what was named is deployed, with an exit code that CI can act on.
//!
//! It watches the one CodeSync (get and watch are enough) and asks again when the watch breaks off; once it could be
//! asked, an API server that is away for a while is waited out. CodeReleases are read for what is further back than
//! the CodeSync's own status; without the right to list them, that is all that is known. What a tag names that the source
//! does not, the registry is asked, again and again as long as it has no answer; without a login for it, only the source's
//! own tags are known. Nothing is written, to no folder either.

mod answer;
mod before;
mod named;
#[cfg(test)]
mod past_tests;
mod quarantine;
#[cfg(test)]
mod quarantine_tests;
mod record;
mod runs;
mod selector;
mod source;
mod taken_up;
mod turned;
#[cfg(test)]
mod turned_tests;
mod verdict;
#[cfg(test)]
mod verdict_tests;
mod watcher;
#[cfg(test)]
mod watcher_tests;

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use serde_json::json;

use crate::{
    arguments::{Connection, WaitOptions, WaitOutput},
    connect::connect,
    one_look::OneLook,
    output,
};
use answer::{Answer, Verdict};
use named::Registry;
use selector::Selector;
use turned::AskedBy;
use verdict::Question;
use watcher::Watcher;

/// Exit codes.
const SUPERSEDED: u8 = 3;
const TIMED_OUT: u8 = 124;

/// Waits, and prints how it ended.
pub async fn run(connection: &Connection, options: WaitOptions) -> anyhow::Result<ExitCode> {
    let WaitOptions { name, commit, digest, tag, stage, timeout, look, output } = options;
    // An unset variable of a script would wait for what nothing ever has.
    if tag.as_ref().is_some_and(|tag| tag.trim().is_empty()) {
        bail!(
            "--tag is empty: give the tag to wait for, or leave it out to wait for whatever is the candidate"
        );
    }
    let registry = if tag.is_some() { Some(Registry::new(OneLook::prepare(look).await?)) } else { None };
    let tag = tag.map(|tag| Selector::Tag(tag, None));
    let selector = commit.map(Selector::Commit).or(digest.map(Selector::Digest)).or(tag);
    let selector = selector.unwrap_or(Selector::Present);
    let question = Question { selector, stage: stage.clone(), asked_by: AskedBy::Anyone };
    let (namespace, answer) = wait(connection, &name, question, registry, timeout).await?;
    Ok(tell(&format!("{namespace}/{name}"), stage.as_deref(), answer, output))
}

/// What a verb asked for, and waits for.
pub enum Goal {
    /// Whatever is the candidate then.
    Candidate,
    /// This digest.
    Digest(String),
    /// What a person went back to.
    WayBack,
    /// What this pin names.
    Pin(String),
}

/// Waits after a verb was carried out, as `voxsync wait NAME` does, for what the verb asked for.
pub async fn follow(
    connection: &Connection,
    name: &str,
    goal: Goal,
    timeout: Duration,
) -> anyhow::Result<ExitCode> {
    let (selector, asked_by) = match goal {
        Goal::Candidate => (Selector::Present, AskedBy::Anyone),
        Goal::Digest(digest) => (Selector::Digest(digest), AskedBy::Anyone),
        Goal::WayBack => (Selector::Present, AskedBy::Rollback),
        Goal::Pin(reference) => (Selector::Present, AskedBy::Promote(reference)),
    };
    let question = Question { selector, stage: None, asked_by };
    let (namespace, answer) = wait(connection, name, question, None, timeout).await?;
    Ok(tell(&format!("{namespace}/{name}"), None, answer, WaitOutput::Text))
}

/// Prints how it ended.
fn tell(code_sync: &str, stage: Option<&str>, answer: Answer, output: WaitOutput) -> ExitCode {
    let Answer { verdict, message } = answer;
    let (word, code) = match verdict {
        Verdict::Deployed => ("Deployed", 0),
        Verdict::Failed => ("Failed", 1),
        Verdict::RolledBack => ("RolledBack", 1),
        Verdict::Quarantined => ("Quarantined", 1),
        Verdict::Superseded => ("Superseded", SUPERSEDED),
        Verdict::Waiting | Verdict::Unseen => ("TimedOut", TIMED_OUT),
        Verdict::Unanswerable => {
            output::error(&output::harmless(&message));
            return ExitCode::from(crate::ERROR);
        }
    };
    match output {
        WaitOutput::Text => {
            output::line(&format!("{code_sync}: {word}: {}", output::harmless(&message)));
        }
        WaitOutput::Json => {
            let (namespace, name) = code_sync.split_once('/').unwrap_or_default();
            let object = json!({
                "apiVersion": "wait.voxsync.dev/v1",
                "namespace": namespace,
                "codeSync": name,
                "stage": stage,
                "verdict": word,
                "message": message,
            });
            output::line(&object.to_string());
        }
    }
    ExitCode::from(code)
}

/// The last answer within the time that was given, and the namespace.
async fn wait(
    connection: &Connection,
    name: &str,
    question: Question,
    registry: Option<Registry>,
    timeout: Duration,
) -> anyhow::Result<(String, Answer)> {
    let (client, namespace) = connect(connection).await?;
    let mut watcher = Watcher::new(client, &namespace, name.to_owned(), question, registry);
    // An API server that cannot be asked at all is a mistake of the caller's, and not waited for.
    let version = watcher.look().await?;
    if watcher.is_open() {
        // Over time, it stays at the last answer.
        if let Ok(ended) = tokio::time::timeout(timeout, watcher.watch(version)).await {
            ended?;
        }
    }
    Ok((namespace, watcher.last))
}

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
mod verdict;
#[cfg(test)]
mod verdict_tests;
mod watcher;
#[cfg(test)]
mod watcher_tests;

use std::process::ExitCode;

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
use verdict::Question;
use watcher::Watcher;

/// Exit codes.
const SUPERSEDED: u8 = 3;
const TIMED_OUT: u8 = 124;

/// Waits, and prints how it ended.
pub async fn run(connection: &Connection, options: WaitOptions) -> anyhow::Result<ExitCode> {
    let (name, output, stage) = (options.name.clone(), options.output, options.stage.clone());
    let (namespace, answer) = wait(connection, options).await?;
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
            return Ok(ExitCode::from(crate::ERROR));
        }
    };
    match output {
        WaitOutput::Text => {
            output::line(&format!("{namespace}/{name}: {word}: {}", output::harmless(&message)));
        }
        WaitOutput::Json => {
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
    Ok(ExitCode::from(code))
}

/// The last answer within the time that was given, and the namespace.
async fn wait(connection: &Connection, options: WaitOptions) -> anyhow::Result<(String, Answer)> {
    let WaitOptions { name, commit, digest, tag, stage, timeout, look, output: _ } = options;
    // An unset variable of a script would wait for what nothing ever has.
    if tag.as_ref().is_some_and(|tag| tag.trim().is_empty()) {
        bail!(
            "--tag is empty: give the tag to wait for, or leave it out to wait for whatever is the candidate"
        );
    }
    let registry = if tag.is_some() { Some(Registry::new(OneLook::prepare(look).await?)) } else { None };
    let tag = tag.map(|tag| Selector::Tag(tag, None));
    let selector = commit.map(Selector::Commit).or(digest.map(Selector::Digest)).or(tag);
    let (client, namespace) = connect(connection).await?;
    let question = Question { selector: selector.unwrap_or(Selector::Present), stage };
    let mut watcher = Watcher::new(client, &namespace, name, question, registry);
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

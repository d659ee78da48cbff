//! The verbs by which people say what should happen to a CodeSync: each is one patch that `kubectl` could send as well.
//!
//! What a verb shows before it patches is what it patches: a CodeSync that changed in between is read again, and if that
//! leads to something else, nothing is done. So do `approve`, `rollback` and `resume`, which find out for themselves what they
//! are about. The others do what was typed, whatever the CodeSync says by now: `reconcile`, `suspend`, `promote` (the last pin
//! counts) and `release-quarantine` (of one digest).

mod approve;
mod own_name;
mod promote;
mod quarantine;
mod resume;
mod rollback;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use voxsync_crds::{
    CodeSync,
    annotations::REQUESTED_AT,
    reference::{is_digest, short_digest},
};

use crate::{
    arguments::{Connection, FollowArguments, NamedOptions, SuspendOptions},
    connect::connect,
    kinds, output,
    wait::{self, Goal},
};

pub use approve::approve;
pub use promote::promote;
pub use quarantine::release_quarantine;
pub use resume::resume;
pub use rollback::rollback;

/// Names the command line as the writer, apart from the agent's `voxsync`.
const FIELD_MANAGER: &str = "voxsync-cli";
/// How often a CodeSync is read again because it changed between reading and writing.
const TRIES: usize = 5;

/// `voxsync reconcile NAME`
pub async fn reconcile(connection: &Connection, options: NamedOptions) -> anyhow::Result<ExitCode> {
    let subject = Subject::find(connection, &options.name).await?;
    subject.patch(&json!({"metadata": {"annotations": {REQUESTED_AT: token()}}})).await?;
    subject.say("looks at its source now");
    followed(connection, &options.name, Goal::Candidate, options.follow).await
}

/// `voxsync suspend NAME`
pub async fn suspend(connection: &Connection, options: SuspendOptions) -> anyhow::Result<ExitCode> {
    let subject = Subject::find(connection, &options.name).await?;
    subject.patch(&json!({"spec": {"suspend": true, "suspendReason": options.reason}})).await?;
    subject.say(&format!(
        "is suspended: it looks and reports, and writes nothing until `voxsync resume {}`",
        subject.named()
    ));
    Ok(ExitCode::SUCCESS)
}

/// What follows when it is done: nothing, or the wait until what was asked for is deployed.
async fn followed(
    connection: &Connection,
    name: &str,
    goal: Goal,
    follow: FollowArguments,
) -> anyhow::Result<ExitCode> {
    if follow.wait {
        return Box::pin(wait::follow(connection, name, goal, follow.timeout)).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// The CodeSync that a verb is about.
struct Subject {
    client: Client,
    api: Api<CodeSync>,
    namespace: String,
    name: String,
    code_sync: CodeSync,
}

impl Subject {
    async fn find(connection: &Connection, name: &str) -> anyhow::Result<Self> {
        let (client, namespace) = connect(connection).await?;
        let api: Api<CodeSync> = Api::namespaced(client.clone(), &namespace);
        let code_sync = kinds::code_sync(&api, &namespace, name).await?;
        Ok(Self { client, api, namespace, name: name.to_owned(), code_sync })
    }

    /// Changes it, whatever it says by now: for what a person named in full.
    async fn patch(&self, change: &Value) -> anyhow::Result<()> {
        self.send(change).await.with_context(|| self.refused())
    }

    /// Does what was decided on, if it leads to the same still when it is written; each reading decides anew.
    async fn decide_and_patch<Decision: PartialEq>(
        mut self,
        decide: impl Fn(&CodeSync) -> anyhow::Result<Decision>,
        change: impl Fn(&Decision) -> Value,
    ) -> anyhow::Result<Decision> {
        let decision = decide(&self.code_sync)?;
        for _ in 0..TRIES {
            let mut change = change(&decision);
            change["metadata"]["resourceVersion"] = json!(self.code_sync.meta().resource_version);
            match self.send(&change).await {
                Ok(()) => return Ok(decision),
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error).with_context(|| self.refused()),
            }
            self.code_sync = kinds::code_sync(&self.api, &self.namespace, &self.name).await?;
            if decide(&self.code_sync)? != decision {
                bail!(
                    "codesync {} has changed meanwhile, and nothing was done: see `voxsync status {}`",
                    self.name,
                    self.named()
                );
            }
        }
        bail!("codesync {} changes all the time, and nothing was done: try again", self.name)
    }

    async fn send(&self, change: &Value) -> kube::Result<()> {
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.api.patch(&self.name, &parameters, &Patch::Merge(change)).await.map(drop)
    }

    fn named(&self) -> String {
        kinds::named(&self.namespace, &self.name)
    }

    fn refused(&self) -> String {
        format!("codesync {} could not be changed", self.name)
    }

    fn say(&self, what: &str) {
        say(&self.name, what);
    }
}

/// Says something of a CodeSync.
fn say(name: &str, what: &str) {
    output::line(&output::harmless(&format!("codesync {name} {what}")));
}

/// What was said last by an annotation and is not read yet: another value would take its place, and it would be lost.
fn unread<'a>(code_sync: &'a CodeSync, annotation: &str, handled: Option<&String>) -> Option<&'a str> {
    let said = code_sync.annotations().get(annotation)?;
    // It is stored cut, and with spaces for control characters.
    let words = |text: &str| text.split_whitespace().map(|word| word.chars().take(200).collect()).collect();
    let is_read = handled.is_some_and(|handled| {
        let (said, handled): (Vec<String>, Vec<String>) = (words(said), words(handled));
        said == handled
    });
    (!is_read).then(|| said.split_whitespace().next()).flatten()
}

/// What to do about that.
fn not_read_yet(what: &str, named: &str) -> String {
    format!(
        "what was said before, {what}, is not read by voxsync yet and would be lost: say this again once it is, which \
         takes a moment where voxsync runs (`voxsync status {named}`)"
    )
}

/// A value that the annotation has not had before.
fn token() -> String {
    Timestamp::now().to_string()
}

/// An image as people say it: its name and what is certain of it.
fn image(name: &str, digest: &str, commit: Option<&str>) -> String {
    let is_named = is_digest(digest) && !name.contains(short_digest(digest));
    let digest = is_named.then(|| format!("sha256:{}…", short_digest(digest)));
    let commit = commit.map(|commit| format!("commit {}", crate::commit::short(commit)));
    let facts: Vec<String> = digest.into_iter().chain(commit).collect();
    if facts.is_empty() { name.to_owned() } else { format!("{name} ({})", facts.join(", ")) }
}

#[cfg(test)]
mod fixtures {
    use serde_json::{Value, json};
    use voxsync_crds::CodeSync;

    pub(super) const CANARY: &str = "canary";
    pub(super) const PRODUCTION: &str = "production";

    pub(super) fn digest(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    pub(super) fn candidate(name: &str, letter: char) -> Value {
        let digest = digest(letter);
        json!({"name": name, "reference": format!("r.io/a:{name}@{digest}"), "repository": "r.io/a", "tag": name,
            "digest": digest, "commit": "4be01c7a4be01c7a4be01c7a4be01c7a4be01c7a"})
    }

    pub(super) fn deployed(name: &str, letter: char) -> Value {
        json!({"name": name, "reference": format!("r.io/a:{name}@{}", digest(letter)), "tag": name,
            "digest": digest(letter), "promotion": format!("p-{name}")})
    }

    pub(super) fn promotion(name: &str, letter: char, outcome: Option<&str>) -> Value {
        json!({"id": format!("p-{name}"), "candidate": candidate(name, letter), "trigger": "Source",
            "startedAt": "2026-03-01T10:00:00Z", "outcome": outcome})
    }

    pub(super) fn released(name: &str, letter: char, outcome: &str) -> Value {
        json!({"id": format!("p-{name}"), "name": name, "reference": format!("r.io/a:{name}@{}", digest(letter)),
            "outcome": outcome, "endedAt": "2026-03-01T10:00:00Z"})
    }

    pub(super) fn quarantined(name: &str, letter: char) -> Value {
        json!({"name": name, "digest": digest(letter), "reason": "canary: ImagePullBackOff", "since": "2026-03-01T10:00:00Z"})
    }

    /// A canary, and a production that asks for approval.
    pub(super) fn code_sync(spec: &Value, status: &Value) -> CodeSync {
        let mut object = json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": "production", "namespace": "puppet"},
            "spec": {
                "source": {"registry": {"repository": "r.io/a", "tag": {"semver": "*"}}},
                "stages": [
                    {"name": CANARY, "targets": [{"kind": "Server", "name": CANARY}]},
                    {"name": PRODUCTION, "approval": "Manual", "targets": [{"kind": "Config", "name": PRODUCTION}]},
                ],
            },
            "status": status,
        });
        for (name, value) in spec.as_object().into_iter().flatten() {
            object["spec"][name] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::{fixtures::digest, *};

    #[test]
    fn an_image_is_called_by_what_is_known_of_it() {
        let digest = digest('a');
        assert_eq!(
            image("v1", &digest, Some(&"4be01c7a".repeat(5))),
            "v1 (sha256:aaaaaaaaaa…, commit 4be01c7)"
        );
        assert_eq!(image("aaaaaaaaaa", &digest, None), "aaaaaaaaaa");
        assert_eq!(image("v1", "", None), "v1");
    }
}

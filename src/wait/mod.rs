//! `voxsync wait`: until what was named is deployed, with an exit code that CI can act on.
//!
//! It watches the one CodeSync (get and watch are enough) and asks again when the watch breaks off; once it could be
//! asked, an API server that is away for a while is waited out. CodeReleases are read for what is further back than
//! the CodeSync's own status; without the right to list them, that is all that is known. What a tag names that the source
//! does not, the registry is asked; without a login for it, only the source's own tags are known.

mod named;
#[cfg(test)]
mod past_tests;
mod record;
mod runs;
mod selector;
mod source;
mod taken_up;
mod verdict;
#[cfg(test)]
mod verdict_tests;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::{Timestamp, tz::TimeZone};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde_json::json;
use voxsync_crds::{
    CodeRelease, CodeSync,
    code_release::{CODE_SYNC_LABEL, CodeReleaseSpec},
};

use crate::{
    arguments::{Connection, WaitOptions, WaitOutput},
    connect::connect,
    kinds,
    one_look::OneLook,
    output,
};
use named::Registry;
use selector::Selector;
use verdict::{Answer, Question, Verdict, answer};

/// How long to wait before asking again after a watch has ended.
const AGAIN_PAUSE: Duration = Duration::from_secs(1);
/// How long the API server may take for one answer.
const CALL_LIMIT: Duration = Duration::from_secs(15);
/// How many CodeReleases are read at most; a CodeSync keeps no more.
const RELEASES_LIMIT: u32 = 1000;

/// Exit codes.
const UNANSWERABLE: u8 = 2;
const SUPERSEDED: u8 = 3;
const TIMED_OUT: u8 = 124;

/// Waits, and prints how it ended.
pub async fn run(connection: &Connection, options: WaitOptions) -> anyhow::Result<ExitCode> {
    let (name, output, stage) = (options.name.clone(), options.output, options.stage.clone());
    let (namespace, answer) = match wait(connection, options).await {
        Ok(answered) => answered,
        Err(error) => {
            // An exit code of 1 would say that the deployment failed.
            output::error(&crate::describe(&error));
            return Ok(ExitCode::from(UNANSWERABLE));
        }
    };
    let Answer { verdict, message } = answer;
    let (word, code) = match verdict {
        Verdict::Deployed => ("Deployed", 0),
        Verdict::Failed => ("Failed", 1),
        Verdict::RolledBack => ("RolledBack", 1),
        Verdict::Superseded => ("Superseded", SUPERSEDED),
        Verdict::Waiting | Verdict::Unseen => ("TimedOut", TIMED_OUT),
        Verdict::Unanswerable => {
            output::error(&output::harmless(&message));
            return Ok(ExitCode::from(UNANSWERABLE));
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
    let mut watcher = Watcher {
        code_syncs: Api::namespaced(client.clone(), &namespace),
        client,
        namespace,
        name,
        question: Question { selector: selector.unwrap_or(Selector::Present), stage },
        registry,
        releases: Vec::new(),
        releases_until: None,
        was_seen: false,
        last: Answer { verdict: Verdict::Unseen, message: String::new() },
    };
    // An API server that cannot be asked at all is a mistake of the caller's, and not waited for.
    let version = watcher.look().await?;
    if watcher.is_open() {
        // Over time, it stays at the last answer.
        if let Ok(ended) = tokio::time::timeout(timeout, watcher.watch(version)).await {
            ended?;
        }
    }
    Ok((watcher.namespace, watcher.last))
}

/// What waits, and what it knows.
struct Watcher {
    client: Client,
    code_syncs: Api<CodeSync>,
    namespace: String,
    name: String,
    question: Question,
    /// Who knows what a tag names.
    registry: Option<Registry>,
    releases: Vec<CodeReleaseSpec>,
    /// The newest release of the status when they were read.
    releases_until: Option<String>,
    was_seen: bool,
    last: Answer,
}

impl Watcher {
    fn is_open(&self) -> bool {
        matches!(self.last.verdict, Verdict::Waiting | Verdict::Unseen)
    }

    /// Asks once, and gives the version from which to watch.
    async fn look(&mut self) -> anyhow::Result<String> {
        let (namespace, name) = (&self.namespace, &self.name);
        let found = kinds::found(within(self.code_syncs.get(name)).await);
        let found = found.with_context(|| format!("codesync {namespace}/{name}"))?;
        let Some(code_sync) = found else { return Err(self.gone()) };
        let version = code_sync.resource_version().unwrap_or_default();
        self.take(&code_sync).await;
        Ok(version)
    }

    fn gone(&self) -> anyhow::Error {
        let Self { namespace, name, .. } = self;
        kinds::no_code_sync(namespace, name)
    }

    /// Watches until there is an answer.
    async fn watch(&mut self, mut version: String) -> anyhow::Result<()> {
        loop {
            if let Err(error) = self.follow(&version).await? {
                self.tell(&format!("the API server cannot be asked, it is tried again: {error}"));
            }
            while self.is_open() {
                tokio::time::sleep(AGAIN_PAUSE).await;
                match self.look().await {
                    Ok(found) => {
                        version = found;
                        break;
                    }
                    Err(error) if is_away(&error) => {
                        let why = crate::describe(&error);
                        self.tell(&format!("the API server cannot be asked, it is tried again: {why}"));
                    }
                    Err(error) => return Err(error),
                }
            }
            if !self.is_open() {
                return Ok(());
            }
        }
    }

    /// Follows one watch until there is an answer, or to its end; the inner error is what broke it off.
    async fn follow(&mut self, version: &str) -> anyhow::Result<kube::Result<()>> {
        let parameters = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        let mut events = match within(self.code_syncs.watch(&parameters, version)).await {
            Ok(events) => events.boxed(),
            Err(error) => return Ok(Err(error)),
        };
        loop {
            match events.try_next().await {
                Ok(Some(WatchEvent::Added(code_sync) | WatchEvent::Modified(code_sync))) => {
                    self.take(&code_sync).await;
                    if !self.is_open() {
                        return Ok(Ok(()));
                    }
                }
                Ok(Some(WatchEvent::Deleted(_))) => bail!(self.gone()),
                Ok(Some(WatchEvent::Bookmark(_))) => {}
                // A watch ends by itself from time to time, or because its version is too old: asked anew, it goes on.
                Ok(Some(WatchEvent::Error(_)) | None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Takes in what the CodeSync says now.
    async fn take(&mut self, code_sync: &CodeSync) {
        self.read_releases(code_sync).await;
        let mut answer = self.answer(code_sync);
        if matches!(answer.verdict, Verdict::Unseen | Verdict::Superseded) && self.learn(code_sync).await {
            answer = self.answer(code_sync);
        }
        self.was_seen |= answer.verdict == Verdict::Waiting;
        if matches!(answer.verdict, Verdict::Waiting | Verdict::Unseen) {
            self.tell(&answer.message);
        }
        self.last = answer;
    }

    fn answer(&self, code_sync: &CodeSync) -> Answer {
        answer(&self.question, code_sync, &self.releases, self.was_seen)
    }

    /// Asks what the tag names that no record knows. Says whether that is known now.
    async fn learn(&mut self, code_sync: &CodeSync) -> bool {
        let Some(registry) = &mut self.registry else { return false };
        let learned = registry.learn(self.client.clone(), code_sync, &mut self.question.selector).await;
        learned.unwrap_or_else(|why| {
            self.tell(&why);
            false
        })
    }

    /// Says why it waits, where that is news.
    fn tell(&mut self, message: &str) {
        if self.last.message == message {
            return;
        }
        let time = Timestamp::now().to_zoned(TimeZone::system()).strftime("%H:%M:%S");
        output::news(&format!("{time} {}", output::harmless(message)));
        message.clone_into(&mut self.last.message);
    }

    /// Reads the CodeReleases, where a promotion has ended since they were read.
    async fn read_releases(&mut self, code_sync: &CodeSync) {
        let status = code_sync.status.as_ref();
        let newest = status.and_then(|status| status.history.first()).map(|release| release.id.clone());
        if self.question.selector == Selector::Present || newest.is_none() || newest == self.releases_until {
            return;
        }
        let releases: Api<CodeRelease> = Api::namespaced(self.client.clone(), &self.namespace);
        let label = format!("{CODE_SYNC_LABEL}={}", self.name);
        let found = within(releases.list(&ListParams::default().labels(&label).limit(RELEASES_LIMIT))).await;
        match found {
            Ok(found) => self.releases = found.items.into_iter().map(|release| release.spec).collect(),
            Err(error) => {
                let error = crate::describe(&error.into());
                self.tell(&format!(
                    "only the last releases are known, the CodeReleases cannot be read: {error}"
                ));
            }
        }
        self.releases_until = newest;
    }
}

/// Whether an error may pass by itself: nothing was answered, or that the API server is not well.
fn is_away(error: &anyhow::Error) -> bool {
    match error.chain().find_map(|cause| cause.downcast_ref::<kube::Error>()) {
        Some(kube::Error::Api(status)) => status.code == 429 || status.code >= 500,
        Some(_) => true,
        None => false,
    }
}

async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    tokio::time::timeout(CALL_LIMIT, call).await.unwrap_or_else(|_| {
        let message = format!("the API server did not answer in {CALL_LIMIT:?}");
        Err(kube::Error::Service(message.into()))
    })
}

//! Watches a CodeSync until there is an answer, and asks the registry in between where the CodeSync does not know a tag.
//!
//! Unlike `status --watch`, which reads all that it draws anew and takes a change only as the time to do so, each state of
//! the one object is judged here: what was seen once counts. It asks for the rights to get and to watch it, and for no list.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::{Timestamp, tz::TimeZone};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
};
use voxsync_crds::{
    CodeRelease, CodeSync,
    code_release::{CODE_SYNC_LABEL, CodeReleaseSpec},
};

use super::{
    answer::{Answer, Verdict},
    named::Registry,
    selector::Selector,
    verdict::{Question, answer},
};
use crate::{kinds, output};

/// How long to wait before asking again after a watch has ended.
const AGAIN_PAUSE: Duration = Duration::from_secs(1);
/// How long the API server may take for one answer.
const CALL_LIMIT: Duration = Duration::from_secs(15);
/// How many CodeReleases are read at most; a CodeSync keeps no more.
const RELEASES_LIMIT: u32 = 1000;

/// What waits, and what it knows.
pub struct Watcher {
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
    pub last: Answer,
}

impl Watcher {
    /// Nothing is asked yet. Without a registry, only what the CodeSync says is known of a tag.
    pub fn new(
        client: Client,
        namespace: &str,
        name: String,
        question: Question,
        registry: Option<Registry>,
    ) -> Self {
        Self {
            code_syncs: Api::namespaced(client.clone(), namespace),
            client,
            namespace: namespace.to_owned(),
            name,
            question,
            registry,
            releases: Vec::new(),
            releases_until: None,
            was_seen: false,
            last: Answer { verdict: Verdict::Unseen, message: String::new() },
        }
    }

    /// Whether there is no answer yet.
    pub fn is_open(&self) -> bool {
        matches!(self.last.verdict, Verdict::Waiting | Verdict::Unseen)
    }

    /// Asks once, and gives the version from which to watch.
    pub async fn look(&mut self) -> anyhow::Result<String> {
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
    pub async fn watch(&mut self, mut version: String) -> anyhow::Result<()> {
        loop {
            if let Err(error) = self.follow(&version).await? {
                self.tell_away(&error.into());
            }
            while self.is_open() {
                tokio::time::sleep(AGAIN_PAUSE).await;
                match self.look().await {
                    Ok(found) => {
                        version = found;
                        break;
                    }
                    Err(error) if kinds::is_away(&error) => self.tell_away(&error),
                    Err(error) => return Err(error),
                }
            }
            if !self.is_open() {
                return Ok(());
            }
        }
    }

    /// Follows one watch until there is an answer, or to its end; the inner error is what broke it off. The outer one is for
    /// ever: there is no right to watch, or no such object any more.
    async fn follow(&mut self, version: &str) -> anyhow::Result<kube::Result<()>> {
        let parameters = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        let mut events = match within(self.code_syncs.watch(&parameters, version)).await {
            Ok(events) => events.boxed(),
            Err(error) if is_refusal(&error) => {
                let (namespace, name) = (&self.namespace, &self.name);
                return Err(error).with_context(|| format!("codesync {namespace}/{name} cannot be watched"));
            }
            Err(error) => return Ok(Err(error)),
        };
        loop {
            let event = tokio::select! {
                event = events.try_next() => event,
                // With the look that follows, it is asked.
                () = turn(&mut self.registry) => return Ok(Ok(())),
            };
            match event {
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
        if matches!(answer.verdict, Verdict::Unseen | Verdict::Superseded)
            && self.learn(code_sync, answer.verdict).await
        {
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
    async fn learn(&mut self, code_sync: &CodeSync, verdict: Verdict) -> bool {
        let Some(registry) = &mut self.registry else { return false };
        let learned = registry.learn(self.client.clone(), code_sync, &mut self.question.selector).await;
        learned.unwrap_or_else(|why| {
            let again = if verdict == Verdict::Unseen {
                "; the registry is asked again while this waits"
            } else {
                ""
            };
            self.tell(&format!("{why}{again}"));
            false
        })
    }

    fn tell_away(&mut self, why: &anyhow::Error) {
        let why = crate::describe(why);
        self.tell(&format!("the API server cannot be asked, it is tried again: {why}"));
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

/// Comes when a registry is to be asked again.
async fn turn(registry: &mut Option<Registry>) {
    match registry {
        Some(registry) => registry.turn().await,
        None => std::future::pending().await,
    }
}

fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if kinds::is_refusal(status))
}

async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    tokio::time::timeout(CALL_LIMIT, call).await.unwrap_or_else(|_| {
        let message = format!("the API server did not answer in {CALL_LIMIT:?}");
        Err(kube::Error::Service(message.into()))
    })
}

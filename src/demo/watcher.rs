//! Sees what a promotion does, from objects read back through the API, and decides whether a step came true.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Context as _;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, ResourceExt as _};
use voxsync_crds::{
    CodeSync, Config, Server,
    annotations::gate,
    code_sync::{CodeSyncStatus, Outcome, StagePhase},
};

use super::narrator::Narrator;
use crate::output::Tone;

/// How often the objects are read.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long one step may take.
const STEP_DEADLINE: Duration = Duration::from_secs(13);

/// What there is to see: one CodeSync and the objects that it should change, first things first.
pub struct Watcher<'a> {
    pub client: &'a Client,
    pub namespace: &'a str,
    pub code_sync: &'a str,
    /// The Server whose own code is the first stage, if there is one.
    pub canary: Option<&'a str>,
    /// The Config that comes last.
    pub config: &'a str,
    /// The Servers that take their code from it.
    pub servers: Vec<String>,
}

/// How far the pods of one Server are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pods {
    reference: String,
    ready: i32,
    wanted: i32,
    settled: bool,
    /// Its Deployment waits for its turn.
    held: bool,
}

/// What the objects say at one moment.
struct Seen {
    status: CodeSyncStatus,
    canary: Option<String>,
    config: Option<String>,
    pods: BTreeMap<String, Pods>,
}

impl Watcher<'_> {
    /// Waits until all Servers run the digest, canary first. False if that did not come true in time or in order.
    pub async fn until_released(&self, digest: &str, narrator: &Narrator) -> anyhow::Result<bool> {
        let mut told = Told::default();
        let mut in_order = true;
        loop {
            let seen = self.look().await?;
            told.tell(self, &seen, digest, narrator);
            let canary_done = self.canary.is_none_or(|canary| seen.runs(canary, digest));
            in_order &= canary_done || !has(seen.config.as_deref(), digest);
            let all = self.servers.iter().all(|server| seen.runs(server, digest));
            let deployed = seen.status.deployed.as_ref().and_then(|deployed| deployed.digest.as_deref());
            if canary_done && all && deployed == Some(digest) {
                let count = self.servers.len() + usize::from(self.canary.is_some());
                let servers = if count == 1 { "server" } else { "servers" };
                narrator.happened("released", &format!("on {count} {servers}"), Tone::Good);
                return Ok(in_order);
            }
            if narrator.seconds() > STEP_DEADLINE.as_secs_f64() {
                narrator.happened("voxsync", &format!("not there after {STEP_DEADLINE:?}"), Tone::Bad);
                return Ok(false);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the canary failed on the digest and runs again what it ran before. False if it did not, or if anything
    /// after it was touched.
    pub async fn until_rolled_back(&self, digest: &str, narrator: &Narrator) -> anyhow::Result<bool> {
        let before = self.look().await?;
        let mut told = Told::default();
        loop {
            let seen = self.look().await?;
            told.tell(self, &seen, digest, narrator);
            if seen.config != before.config {
                narrator.happened("voxsync", "production was touched", Tone::Bad);
                return Ok(false);
            }
            let promotion = seen.status.promotion.as_ref().filter(|it| it.candidate.digest == digest);
            let failure = promotion.and_then(|promotion| promotion.failure.as_ref());
            if let Some(failure) = failure.filter(|_| told.is_new("failure")) {
                let what = format!("✘ {}: {}", failure.reason, failure.message);
                narrator.happened(&failure.stage, &what, Tone::Bad);
            }
            let has_ended = promotion.is_some_and(|it| it.outcome == Some(Outcome::RolledBack));
            if has_ended && self.is_back(&before, &seen) {
                let canary = self.canary.unwrap_or_default();
                narrator.happened(
                    canary,
                    "runs what it ran before; the new image is in quarantine",
                    Tone::Good,
                );
                narrator.happened("production", "untouched", Tone::Good);
                return Ok(true);
            }
            if narrator.seconds() > STEP_DEADLINE.as_secs_f64() {
                narrator.happened("voxsync", &format!("not rolled back after {STEP_DEADLINE:?}"), Tone::Bad);
                return Ok(false);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether the canary is as it was.
    fn is_back(&self, before: &Seen, seen: &Seen) -> bool {
        let pods = |seen: &Seen| self.canary.and_then(|canary| seen.pods.get(canary).cloned());
        seen.canary == before.canary && pods(seen) == pods(before)
    }

    async fn look(&self) -> anyhow::Result<Seen> {
        let code_syncs: Api<CodeSync> = Api::namespaced(self.client.clone(), self.namespace);
        let servers: Api<Server> = Api::namespaced(self.client.clone(), self.namespace);
        let configs: Api<Config> = Api::namespaced(self.client.clone(), self.namespace);
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), self.namespace);
        let status = code_syncs.get(self.code_sync).await.context("the CodeSync")?.status.unwrap_or_default();
        let config = configs.get(self.config).await.context("the Config")?.spec.code;
        let canary = match self.canary {
            Some(name) => servers.get(name).await.context("the canary")?.spec.code,
            None => None,
        };
        let image =
            |code: Option<voxsync_crds::Code>| code.and_then(|code| code.entries().first()?.image.clone());
        let listed = deployments.list(&kube::api::ListParams::default()).await.context("the Deployments")?;
        let pods = listed.iter().map(|deployment| (deployment.name_any(), pods(deployment))).collect();
        Ok(Seen { status, canary: image(canary), config: image(config), pods })
    }
}

impl Seen {
    fn runs(&self, server: &str, digest: &str) -> bool {
        self.pods.get(server).is_some_and(|pods| pods.settled && has(Some(&pods.reference), digest))
    }
}

fn has(reference: Option<&str>, digest: &str) -> bool {
    reference.is_some_and(|reference| reference.ends_with(digest))
}

fn pods(deployment: &Deployment) -> Pods {
    let spec = deployment.spec.as_ref();
    let volumes = spec.and_then(|spec| spec.template.spec.as_ref()?.volumes.as_ref());
    let reference = volumes.into_iter().flatten().find_map(|volume| volume.image.as_ref()?.reference.clone());
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let count = |number: Option<i32>| number.unwrap_or(0);
    let settled = status.observed_generation == deployment.metadata.generation
        && count(status.updated_replicas) == wanted
        && count(status.available_replicas) == wanted
        && count(status.replicas) == wanted;
    let ready = count(status.updated_replicas).min(count(status.available_replicas));
    let is_paused = spec.is_some_and(|spec| spec.paused == Some(true));
    let held = is_paused && gate(deployment.metadata.annotations.as_ref()).is_some();
    Pods { reference: reference.unwrap_or_default(), ready, wanted, settled, held }
}

/// What was told already: each line once.
#[derive(Default)]
struct Told(BTreeSet<String>);

impl Told {
    fn is_new(&mut self, fact: &str) -> bool {
        self.0.insert(fact.to_owned())
    }

    fn tell(&mut self, watcher: &Watcher<'_>, seen: &Seen, digest: &str, narrator: &Narrator) {
        let candidate = seen.status.candidate.as_ref().filter(|candidate| candidate.digest == digest);
        if let Some(candidate) = candidate.filter(|_| self.is_new("candidate")) {
            let tags = seen.status.source.as_ref().and_then(|source| source.tag_count);
            let tags = tags.map_or(String::new(), |count| format!(", newest of {count} tags that are there"));
            narrator.happened("agent", &format!("candidate {}{tags}", candidate.name), Tone::Plain);
        }
        if let Some(canary) = watcher.canary {
            if has(seen.canary.as_deref(), digest) && self.is_new("canary written") {
                narrator.happened(canary, "code reference written", Tone::Plain);
            }
            self.tell_ready(canary, seen, digest, narrator);
        }
        let soaking = seen.status.stages.iter().find(|stage| stage.phase == StagePhase::Soaking);
        if let Some(stage) = soaking.filter(|_| candidate.is_some() && self.is_new("soaking")) {
            let until = seen.status.waiting.iter().find_map(|row| row.until);
            let until = until
                .map_or(String::new(), |until| format!(" until {}", until.timestamp().strftime("%H:%M:%SZ")));
            narrator.happened(&stage.name, &format!("soaks{until}"), Tone::Plain);
        }
        if has(seen.config.as_deref(), digest) && self.is_new("config written") {
            narrator.happened(watcher.config, "code reference written", Tone::Plain);
        }
        for server in &watcher.servers {
            let pods = seen.pods.get(server);
            let is_held = pods.is_some_and(|pods| pods.held && has(Some(&pods.reference), digest));
            if is_held && self.is_new(&format!("{server} held")) {
                narrator.happened(server, "held back until the others run it", Tone::Plain);
            }
            self.tell_ready(server, seen, digest, narrator);
        }
    }

    fn tell_ready(&mut self, server: &str, seen: &Seen, digest: &str, narrator: &Narrator) {
        if let Some(pods) = seen.pods.get(server).filter(|_| seen.runs(server, digest))
            && self.is_new(server)
        {
            let pods = format!("{} of {} pods ready ✔", pods.ready, pods.wanted);
            narrator.happened(server, &pods, Tone::Good);
        }
    }
}

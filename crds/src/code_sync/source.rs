//! Where candidates come from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GitSource, RegistrySource, Webhook};
use crate::{
    commit::short_commit,
    duration::{DurationText, within},
    openvox,
};

/// Where candidates come from, and how often voxsync looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.registry) ? 1 : 0) + (has(self.git) ? 1 : 0) + (has(self.file) ? 1 : 0) + (has(self.codeSync) ? 1 : 0) == 1").message("give exactly one of registry, git, file and codeSync"),
    validation = Rule::new("!has(self.codeSync) || !(has(self.interval) || has(self.schedule) || has(self.webhook))").message("interval, schedule and webhook are for places outside: what another CodeSync releases is seen at once"),
    validation = Rule::new("!(has(self.interval) && has(self.schedule))").message("give interval or schedule, not both"),
    validation = within("interval", "1s", "720h")
)]
pub struct Source {
    /// How long between two looks (default 1m). With a small jitter, so that looks spread out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<DurationText>,
    /// Looks at fixed times instead of an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Who tells voxsync of news, so that it looks at once: at `/hooks/<namespace>/<CodeSync>` of its receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// A repository of images in a registry, and which of its tags to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistrySource>,
    /// A Git repository whose commits name the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSource>,
    /// A file that voxsync can read itself (a mounted ConfigMap, for instance) and that names the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
    /// Another CodeSync: what it has released is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_sync: Option<CodeSyncSource>,
}

/// Looks at fixed times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Five fields: minute, hour, day of month, month, day of week.
    #[schemars(length(min = 9, max = 128))]
    pub cron: String,
    /// An IANA time zone (default UTC), for instance Europe/Berlin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
}

/// Another CodeSync, whose releases are candidates here: environments that follow one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CodeSyncSource {
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
    /// Its namespace (default: this CodeSync's own). Another one only where voxsync runs with `--allow-cross-namespace`, and
    /// the other CodeSync consents: its annotation `voxsync.dev/accepts-from` names this one's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// One of its stages, whose code is taken as soon as that has passed; without it, what all of its stages run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub stage: Option<String>,
}

/// A Secret in the CodeSync's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct LocalReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
}

/// A file that voxsync can read itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSource {
    /// Its path, below the folder that voxsync was started with as `--file-root`.
    #[schemars(length(min = 1, max = 512))]
    pub path: String,
    /// Where in the YAML or JSON the reference is; none for a plain text file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub field: Option<String>,
}

impl Source {
    /// What a table shows: the repository and what is followed in it.
    pub fn summary(&self) -> String {
        if let Some(registry) = &self.registry {
            return format!("{} {}", registry.repository, registry.tag.summary());
        }
        if let Some(git) = &self.git {
            let path = git.url.trim_end_matches('/');
            let name = path.rsplit(['/', ':']).next().unwrap_or(path).trim_end_matches(".git");
            let tag = git.revision.tag.as_ref().map(|tag| tag.semver.as_str());
            let commit = git.revision.commit.as_deref().map(short_commit);
            let followed = git.revision.branch.as_deref().or(tag).or(commit).unwrap_or_default();
            return format!("git {name}@{followed}");
        }
        if let Some(CodeSyncSource { name, namespace, stage }) = &self.code_sync {
            let place = namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
            let stage = stage.as_ref().map_or_else(String::new, |stage| format!("/{stage}"));
            return format!("codesync {place}{name}{stage}");
        }
        self.file.as_ref().map_or_else(String::new, |file| format!("file {}", file.path))
    }
}

/// The entry of a list that a target means.
pub type Entry = openvox::EntryKey;

//! Where candidates come from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{duration::DurationText, openvox};

/// Where candidates come from, and how often voxsync looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.registry) ? 1 : 0) + (has(self.git) ? 1 : 0) + (has(self.file) ? 1 : 0) == 1").message("give exactly one of registry, git and file"),
    validation = Rule::new("!(has(self.interval) && has(self.schedule))").message("give interval or schedule, not both"),
    validation = Rule::new("!has(self.interval) || (duration(self.interval) >= duration('1s') && duration(self.interval) <= duration('720h'))").message("interval is between 1s and 720h")
)]
pub struct Source {
    /// How long between two looks (default 1m). With a small jitter, so that looks spread out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<DurationText>,
    /// Looks at fixed times instead of an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// A repository of images in a registry, and which of its tags to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistrySource>,
    /// A Git repository in which a file names the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSource>,
    /// A file that voxsync can read itself (a mounted ConfigMap, for instance) and that names the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
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

/// A Secret in the CodeSync's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct LocalReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A repository of images, and which of its tags to follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrySource {
    /// Host and path without a tag, for instance ghcr.io/example/puppet-code.
    #[schemars(length(min = 1, max = 384), regex(pattern = r"^[A-Za-z0-9.:\[\]-]+(/[a-z0-9._-]+)*$"))]
    pub repository: String,
    /// Which of the tags to take.
    pub tag: TagRule,
    /// Only tags that this regular expression matches; what its group named `version` holds is what is compared.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub matching: Option<String>,
    /// No tag that one of these regular expressions matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 256)))]
    pub ignore: Vec<String>,
    /// How to log in: a Secret with `.dockerconfigjson`, with `username` and `password`, or with `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// A Secret with `ca.crt` (and, for client certificates, `tls.crt` and `tls.key`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// Plain HTTP instead of HTTPS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// Which tag of a repository to take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.semver) != has(self.follow)").message("give exactly one of semver and follow"))]
pub struct TagRule {
    /// The highest version in this range, in the range language that Flux, Helm and Argo CD Image Updater share:
    /// `>=1.0.0 <2.0.0`, `^1.2`, `1.x`; prereleases only where the range names one (`>=2.0.0-0`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub semver: Option<String>,
    /// One tag that moves (`stable`, `feature-alice`): its digest is what changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"))]
    pub follow: Option<String>,
}

/// A Git repository in which a file names the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitSource {
    /// `https://…`, `http://…`, `ssh://…`, `git@host:path`, `git://…` or `file://…`; without a password in it.
    #[schemars(length(min = 1, max = 1024))]
    pub url: String,
    /// What to follow in it.
    #[serde(rename = "ref")]
    pub revision: GitRevision,
    /// How to log in: a Secret with `username` and `password`, with `token`, or with `ssh-privatekey` (or
    /// `identity`) and `known_hosts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// A Secret with `ca.crt` (and, for client certificates, `tls.crt` and `tls.key`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// The file that names the image.
    pub reference: GitReferenceFile,
}

/// What to follow in a Git repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.branch) != has(self.tag)").message("give exactly one of branch and tag"))]
pub struct GitRevision {
    /// The newest commit of this branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub branch: Option<String>,
    /// The highest tag by version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<GitTag>,
}

/// Which Git tag to take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitTag {
    /// The highest version in this range; the language is that of a registry's `semver`.
    #[schemars(length(min = 1, max = 256))]
    pub semver: String,
}

/// The file in a repository that names the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitReferenceFile {
    /// Its path from the repository's root: a Config or Server manifest, any YAML or JSON, or a plain text file
    /// whose one line is the reference.
    #[schemars(length(min = 1, max = 512))]
    pub path: String,
    /// Where in the YAML or JSON the reference is, for instance `spec.code.image` (which is the default for a
    /// Config or Server manifest).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub field: Option<String>,
    /// Where the file has several documents: the kind of the one to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,
    /// Where the file has several documents: the name of the one to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
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
            let rule = registry.tag.semver.as_ref().or(registry.tag.follow.as_ref());
            return format!("{} {}", registry.repository, rule.map_or("", String::as_str));
        }
        if let Some(git) = &self.git {
            let path = git.url.trim_end_matches('/');
            let name = path.rsplit(['/', ':']).next().unwrap_or(path).trim_end_matches(".git");
            let tag = git.revision.tag.as_ref().map(|tag| &tag.semver);
            let followed = git.revision.branch.as_ref().or(tag).map_or("", String::as_str);
            return format!("git {name}@{followed}");
        }
        self.file.as_ref().map_or_else(String::new, |file| format!("file {}", file.path))
    }
}

/// The entry of a list that a target means.
pub type Entry = openvox::EntryKey;

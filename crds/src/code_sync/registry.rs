//! Repositories of a registry, and which of their tags to take.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalReference;

/// A repository of images, and which of its tags to follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.tag.follow) || !(has(self.match) || (has(self.ignore) && self.ignore.size() > 0))")
        .message("follow takes one tag as it is: leave match and ignore out")
)]
pub struct RegistrySource {
    /// Host and path without a tag, for instance ghcr.io/example/puppet-code.
    #[schemars(length(min = 1, max = 384), extend("x-kubernetes-validations" = [{
        "rule": r"self.matches('^[A-Za-z0-9.:\\[\\]-]+(/[a-z0-9._-]+)*$')",
        "message": "must be host and path, for instance ghcr.io/example/puppet-code: leave out oci:// or https://, and the tag",
    }]))]
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
    /// A ConfigMap with `ca.crt`: authorities besides those of `certSecretRef` and of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_config_map_ref: Option<LocalReference>,
    /// Plain HTTP instead of HTTPS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// Which tag of a repository to take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.semver) ? 1 : 0) + (has(self.calver) ? 1 : 0) + (has(self.numerical) ? 1 : 0) + (has(self.alphabetical) ? 1 : 0) + (has(self.newestBuild) ? 1 : 0) + (has(self.follow) ? 1 : 0) == 1")
        .message("give exactly one of semver, calver, numerical, alphabetical, newestBuild and follow")
)]
pub struct TagRule {
    /// The highest version in this range, in the range language that Flux, Helm and Argo CD Image Updater share:
    /// `>=1.0.0 <2.0.0`, `^1.2`, `1.x`; prereleases only where the range names one (`>=2.0.0-0`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub semver: Option<String>,
    /// The latest date in this format: words of calver.org with what stands between them, for instance `YYYY.0M.0D`
    /// or `YY.MM.MICRO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub calver: Option<String>,
    /// The highest (or lowest) whole number, compared exactly, however long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numerical: Option<Ordered>,
    /// The last (or first) in the order of the characters' codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alphabetical: Option<Ordered>,
    /// The image that was built last, by the time that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_build: Option<NewestBuild>,
    /// One tag that moves (`stable`, `feature-alice`): its digest is what changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"))]
    pub follow: Option<String>,
}

/// Which end of an order to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Ordered {
    /// Highest (the default) or Lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<Select>,
}

/// One end of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Select {
    /// The greatest.
    #[default]
    Highest,
    /// The least.
    Lowest,
}

/// The image that was built last: nothing more is to be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct NewestBuild {}

impl TagRule {
    /// What a table shows of it: the range, format or tag, or the word for the order.
    pub fn summary(&self) -> &str {
        let lowest = |ordered: &Ordered| ordered.select == Some(Select::Lowest);
        if let Some(text) = self.semver.as_ref().or(self.calver.as_ref()).or(self.follow.as_ref()) {
            return text;
        }
        match (&self.numerical, &self.alphabetical, &self.newest_build) {
            (Some(ordered), _, _) if lowest(ordered) => "numerical, lowest",
            (Some(_), _, _) => "numerical",
            (_, Some(ordered), _) if lowest(ordered) => "alphabetical, lowest",
            (_, Some(_), _) => "alphabetical",
            (_, _, Some(_)) => "newest build",
            _ => "",
        }
    }
}

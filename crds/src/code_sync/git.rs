//! Git repositories, and how a commit of them names an image.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalReference;

/// A Git repository whose commits name the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.reference) != has(self.image)").message("give exactly one of reference and image"))]
pub struct GitSource {
    /// `https://…`, `http://…`, `ssh://…`, `git@host:path`, `git://…` or `file://…`; without a password in it.
    #[schemars(length(min = 1, max = 1024))]
    pub url: String,
    /// What to follow in it.
    #[serde(rename = "ref")]
    pub revision: GitRevision,
    /// How to log in: a Secret with `username` and `password`, with `token`, with `ssh-privatekey` (or
    /// `identity`) and `known_hosts`, or of a GitHub App with `githubAppID`, `githubAppInstallationID` and
    /// `githubAppPrivateKey` (and `githubAppBaseURL`, elsewhere than at github.com).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// A Secret with `ca.crt` (and, for client certificates, `tls.crt` and `tls.key`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// A ConfigMap with `ca.crt`: authorities besides those of `certSecretRef` and of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_config_map_ref: Option<LocalReference>,
    /// The file that names the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitReferenceFile>,
    /// The image that CI builds of each commit, with `{commit}`, `{shortCommit}` (seven digits), `{branch}` or `{tag}`
    /// in its tag: `ghcr.io/example/puppet-code:{shortCommit}`. It is waited for until it can be pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
}

/// What to follow in a Git repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.branch) ? 1 : 0) + (has(self.tag) ? 1 : 0) + (has(self.commit) ? 1 : 0) == 1").message("give exactly one of branch, tag and commit"))]
pub struct GitRevision {
    /// The newest commit of this branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub branch: Option<String>,
    /// The highest tag by version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<GitTag>,
    /// This very commit: its full id of 40 (or, with SHA-256, 64) hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 40, max = 64), regex(pattern = r"^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub commit: Option<String>,
}

/// Which Git tag to take.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitTag {
    /// The highest version in this range; the language is that of a registry's `semver`.
    #[schemars(length(min = 1, max = 256))]
    pub semver: String,
    /// Only tags that this regular expression matches; what its group named `version` holds is what is compared.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub matching: Option<String>,
    /// No tag that one of these regular expressions matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 256)))]
    pub ignore: Vec<String>,
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

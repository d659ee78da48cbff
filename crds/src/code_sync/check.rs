//! What must be true of a stage after its rollout.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalReference;
use crate::duration::{DurationText, within};

/// Asked after the rollout of its stage, and again and again during the soak: it must hold for the stage to pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.http) ? 1 : 0) + (has(self.prometheus) ? 1 : 0) + (has(self.puppetdb) ? 1 : 0) + (has(self.job) ? 1 : 0) == 1")
        .message("give exactly one of http, prometheus, puppetdb and job"),
    validation = within("interval", "1s", "24h"),
    validation = within("timeout", "1s", "1h")
)]
pub struct Check {
    /// Its name, unique in the stage.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// How long between two answers (default 30s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<DurationText>,
    /// How long an answer may take (default 10s, at most 1m; of a Job 10m, at most 1h).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationText>,
    /// How many failures in a row are one too many (default 1): the stage fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100), extend("format" = "int32"))]
    pub failure_limit: Option<u16>,
    /// What it means that it cannot be asked (default Wait).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<Unreachable>,
    /// An HTTP request that must be answered as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// A query to Prometheus, and between which bounds its value must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusCheck>,
    /// How many of the nodes whose catalogs the stage's Servers compile may fail, by the reports in PuppetDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub puppetdb: Option<PuppetdbCheck>,
    /// A Job that must succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobCheck>,
}

/// What it means that a check cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unreachable {
    /// It has not passed: the stage waits, and says so.
    #[default]
    Wait,
    /// It counts as a failure.
    Fail,
}

/// An HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpCheck {
    /// Where to ask.
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://[^\s]+$"))]
    pub url: String,
    /// The status code that is right (default 200).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599), extend("format" = "int32"))]
    pub status: Option<u16>,
    /// What must be in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub contains: Option<String>,
    /// How to log in, and whom to trust.
    #[serde(flatten)]
    pub secrets: CheckSecrets,
}

/// A query to Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.minimum) || has(self.maximum)").message("give minimum, maximum, or both"),
    validation = Rule::new("!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum")
        .message("minimum is not more than maximum")
)]
pub struct PrometheusCheck {
    /// Where Prometheus is, without `/api/v1`.
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://[^\s]+$"))]
    pub url: String,
    /// A query whose answer is one value, or a vector all of whose values count.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
    /// The least that each value may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// The most that each value may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// How to log in, and whom to trust.
    #[serde(flatten)]
    pub secrets: CheckSecrets,
}

/// Reports of nodes in PuppetDB.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.maximumFailedPercent) || has(self.maximumFailedIncreasePercent) || has(self.maximumChangedPercent)")
    .message("give maximumFailedPercent, maximumFailedIncreasePercent or maximumChangedPercent"))]
pub struct PuppetdbCheck {
    /// Where PuppetDB is, without `/pdb/query/v4`.
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://[^\s]+$"))]
    pub url: String,
    /// The most of the nodes that reported since the rollout that may have failed, in percent. A node has failed too
    /// where its Server could not compile its catalog, so that it ran a cached one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub maximum_failed_percent: Option<f64>,
    /// How many more of them may have failed than of the reports of the hour before all ran it, in percent of all nodes:
    /// for estates in which some nodes always fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub maximum_failed_increase_percent: Option<f64>,
    /// The most of them whose last report may be a changed one, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub maximum_changed_percent: Option<f64>,
    /// How many nodes must have reported since the rollout before the share says something (default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000), extend("format" = "int32"))]
    pub minimum_nodes: Option<u32>,
    /// The certificate names of the Servers whose catalogs and reports count (PuppetDB's `producer`), where they are not
    /// the names of the stage's Servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub producers: Vec<String>,
    /// How to log in, and whom to trust.
    #[serde(flatten)]
    pub secrets: CheckSecrets,
}

/// The Secrets that a check needs to ask a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckSecrets {
    /// How to log in: a Secret with `username` and `password`, or with `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// A Secret with `ca.crt` (and, for client certificates, by which PuppetDB
    /// knows who asks, `tls.crt` and `tls.key`, or `cert.pem` and `key.pem`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// A Secret with authorities besides those of `certSecretRef` and of the system: `ca.crt` or `ca_crt.pem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<LocalReference>,
}

/// A Job, run once a promotion and stage; again where it failed and may fail more than once, and, with growing pauses, where
/// it could not be run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobCheck {
    /// The image of its one container.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// What is started in it (default: what the image starts).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 4096)))]
    pub command: Vec<String>,
    /// Its environment, besides `VOXSYNC_REFERENCE`, `VOXSYNC_STAGE`, `VOXSYNC_CODESYNC` and `VOXSYNC_PROMOTION`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub environment: BTreeMap<String, String>,
    /// Mounts the candidate read-only at this path, as an image volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 256), regex(pattern = r"^/[^\s:]*$"))]
    pub code_path: Option<String>,
}

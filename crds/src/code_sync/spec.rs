//! What people write.

use std::{borrow::Cow, collections::BTreeMap};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CandidateStatus, Check, CodeSyncStatus, DEFAULT_STAGE, LocalReference, Notification, Rollback, Source,
    Target, Verify, Window,
};
use crate::{
    CodeReference,
    duration::{DurationText, within},
};

/// A CodeSync keeps the Puppet code of Servers and Configs equal to what a source says it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "voxsync.dev",
    version = "v1alpha1",
    kind = "CodeSync",
    plural = "codesyncs",
    singular = "codesync",
    shortname = "csync",
    category = "voxsync",
    namespaced,
    status = "CodeSyncStatus",
    derive = "PartialEq",
    doc = "A CodeSync keeps the Puppet code of Servers and Configs equal to what a source says it should be.",
    validation = Rule::new("size(self.metadata.name) <= 63").message("the name must have at most 63 characters: it is the value of a label"),
    printcolumn = r#"{"name":"Source","type":"string","priority":1,"jsonPath":".status.source.summary"}"#,
    printcolumn = r#"{"name":"Candidate","type":"string","jsonPath":".status.candidate.name"}"#,
    printcolumn = r#"{"name":"Deployed","type":"string","jsonPath":".status.deployed.name"}"#,
    printcolumn = r#"{"name":"Stage","type":"string","jsonPath":".status.stage"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.summary"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.target) != has(self.stages)").message("give exactly one of target and stages"),
    validation = Rule::new("!has(self.source.registry) || !has(self.source.registry.tag.follow) || !has(self.write) || !has(self.write.form) || self.write.form != 'Tag'")
        .message("follow needs write.form Digest or TagAndDigest: a moved tag does not change a string that has no digest"),
    validation = Rule::new("!has(self.verify) || !has(self.write) || !has(self.write.form) || self.write.form != 'Tag'")
        .message("verify needs write.form Digest or TagAndDigest: a tag alone can be pushed again, without a signature"),
    validation = Rule::new("!has(self.verify) || !has(self.verify.git) || has(self.source.git)").message("verify.git needs a Git source"),
    validation = within("minimumAge", "0s", "2160h")
)]
pub struct CodeSyncSpec {
    /// Looks, elects and reports, but writes nothing: the dry run for adoption.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Why it is suspended; shown wherever the CodeSync is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub suspend_reason: Option<String>,
    /// A person chose this reference: automation rests until the pin is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// Where candidates come from.
    pub source: Source,
    /// How Git and file sources, and pins, look at the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageAccess>,
    /// How long a candidate must have been known before it is taken (default 0s): the newest one that is old enough is
    /// taken. Counted from when voxsync first saw it; the time at which the image says it was made can only lengthen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_age: Option<DurationText>,
    /// Signatures: all that is given must hold before anything is written, of a pin too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// How references are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Write>,
    /// What to do with a target that runs the candidate's tag without a digest (default Keep).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
    /// The only target, where no order is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The ordered steps of a promotion: a stage starts when the one before has rolled out and soaked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub stages: Option<Vec<Stage>>,
    /// When stages may start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub windows: Vec<Window>,
    /// What is done where a stage cannot run the candidate, or one of its checks fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// Who is told of what happens, besides the Kubernetes Events that are always there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub notifications: Vec<Notification>,
    /// How many CodeReleases are kept, and for how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// A reference that a person chose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.emergency) || !self.emergency || has(self.reason)").message("an emergency needs a reason"))]
pub struct Pin {
    /// The reference: with a tag, a digest, or both.
    #[schemars(length(min = 1, max = 512))]
    pub reference: String,
    /// Why; kept in the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub reason: Option<String>,
    /// It waits for no window, soak time, age, check or approval. Signatures, the order of the stages, and that certificate
    /// authorities come last, hold all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
}

impl Pin {
    /// Whether its text names this candidate: by tag or digest, or by both where it has both. A tag may have named another
    /// image before.
    pub fn names(&self, candidate: &CandidateStatus) -> bool {
        CodeReference::parse(&self.reference).is_ok_and(|reference| {
            reference.repository() == candidate.repository
                && reference.tag().is_none_or(|tag| Some(tag) == candidate.tag.as_deref())
                && reference.digest().is_none_or(|digest| digest == candidate.digest)
        })
    }
}

/// How to look at the registry where the source is not a registry itself.
///
/// Without it, voxsync uses the target's own `imagePullSecret`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageAccess {
    /// How to log in: a Secret with `.dockerconfigjson`. One with `username` and `password`, or with `token`, has no
    /// host, and is taken only for a pin in the repository that the source follows.
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
    /// A platform that an image of several must have, whatever the source; for instance linux/amd64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 64), regex(pattern = r"^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$"))]
    pub platform: Option<String>,
}

/// How references are written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// Tag, Digest or TagAndDigest (the default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<WriteForm>,
    /// Also write this `imagePullSecret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub image_pull_secret: Option<String>,
    /// Also write this `imagePullPolicy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,
}

/// When a node asks the registry for the code image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// Each time a pod starts.
    Always,
    /// If the node does not have that reference yet.
    IfNotPresent,
    /// Never: the image must be there.
    Never,
}

/// The form in which a candidate is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WriteForm {
    /// `repository:tag`.
    Tag,
    /// `repository@digest`.
    Digest,
    /// `repository:tag@digest`: what runs is certain, and people can read it.
    #[default]
    TagAndDigest,
}

/// What to do with a target that runs the candidate's tag without a digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adopt {
    /// Leave it as it is: no write and no restart; the next candidate brings the digest.
    #[default]
    Keep,
    /// Write the digest at once.
    Pin,
}

/// One step of a promotion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Its name, unique in the CodeSync.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// What gets the code in this step, all at once.
    #[schemars(length(min = 1, max = 64))]
    pub targets: Vec<Target>,
    /// How long the stage must have run the candidate, healthy, before the next one starts (default 0s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<DurationText>,
    /// Whether a person must say that it may start (default Automatic).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The names of the windows in `windows` that it keeps to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)))]
    pub windows: Vec<String>,
    /// What must be true after its rollout and during its soak.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub checks: Vec<Check>,
    /// Let the stage pass even if no pod of it runs the candidate. Without it such a stage waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
    /// How many of its Deployments may roll at once (default: all). Servers with `ca: true` come last and alone in
    /// any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000), extend("format" = "int32"))]
    pub max_concurrent: Option<u32>,
    /// Let all Deployments of the stage roll at once, certificate authorities too. Only for reconciler modes that
    /// cannot hold a Deployment back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_unordered: bool,
}

/// Whether a person must say that a stage may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    /// Nobody has to.
    #[default]
    Automatic,
    /// Somebody approves the candidate's digest.
    Manual,
}

/// Labels that an object must have; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.matchLabels) && size(self.matchLabels) > 0 || has(self.matchExpressions) && size(self.matchExpressions) > 0")
    .message("an empty selector would select everything: give matchLabels or matchExpressions"))]
pub struct LabelSelector {
    /// Labels with exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub match_labels: BTreeMap<String, String>,
    /// Labels that satisfy these requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Requirement {
    /// The label's name.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How the label is compared.
    pub operator: RequirementOperator,
    /// The values for In and NotIn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RequirementOperator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// How many CodeReleases are kept, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// At most this many (default 200), but for the last two codes that were released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000), extend("format" = "int32"))]
    pub keep: Option<u16>,
    /// At most this long (default 2160h, 90 days), but for the last two codes that were released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_age: Option<DurationText>,
}

impl CodeSyncSpec {
    /// The stages in their order; a single `target` is one stage of the name `default`.
    pub fn ordered_stages(&self) -> Cow<'_, [Stage]> {
        match (&self.stages, &self.target) {
            (Some(stages), _) => Cow::Borrowed(stages),
            (None, Some(target)) => Cow::Owned(vec![Stage {
                name: DEFAULT_STAGE.to_owned(),
                targets: vec![target.clone()],
                ..Stage::default()
            }]),
            (None, None) => Cow::Borrowed(&[]),
        }
    }

    /// The form in which references are written.
    pub fn write_form(&self) -> WriteForm {
        self.write.as_ref().and_then(|write| write.form).unwrap_or_default()
    }
}

impl LabelSelector {
    /// Whether an object with these labels is selected.
    pub fn selects(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        let value = |key: &str| labels.and_then(|labels| labels.get(key));
        self.match_labels.iter().all(|(key, wanted)| value(key) == Some(wanted))
            && self.match_expressions.iter().all(|requirement| {
                let value = value(&requirement.key);
                match requirement.operator {
                    RequirementOperator::In => value.is_some_and(|value| requirement.values.contains(value)),
                    RequirementOperator::NotIn => {
                        value.is_none_or(|value| !requirement.values.contains(value))
                    }
                    RequirementOperator::Exists => value.is_some(),
                    RequirementOperator::DoesNotExist => value.is_none(),
                }
            })
    }
}

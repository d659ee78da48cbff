//! What must be signed, and by whom.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalReference;

/// Signatures: all that is given must hold before anything is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.cosign) || has(self.git)").message("give cosign, git, or both"))]
pub struct Verify {
    /// The image must have a signature of cosign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosign: Option<VerifyCosign>,
    /// The commit (or the annotated tag) must have a signature of Git; only with a Git source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<VerifyGit>,
}

/// Whose signature of an image is enough: one of these keys, or one of these identities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.keys) != has(self.identities)").message("give exactly one of keys and identities"),
    validation = Rule::new("has(self.identities) == has(self.trustedRootSecretRef)").message("identities and trustedRootSecretRef belong together: keyless signatures are judged offline, by that trusted root")
)]
pub struct VerifyCosign {
    /// Public keys; one of them must have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeySource>,
    /// Identities of keyless signatures; one of them must have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub identities: Option<Vec<Identity>>,
    /// A Secret with `trusted_root.json` (the Sigstore trusted root: authorities and logs).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_root_secret_ref: Option<LocalReference>,
}

/// Where public keys are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeySource {
    /// A Secret, all of whose keys hold public keys.
    pub secret_ref: LocalReference,
}

/// Who signed without a key of their own, as the certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The issuer of the identity, for instance `https://token.actions.githubusercontent.com`.
    #[schemars(length(min = 1, max = 256))]
    pub issuer: String,
    /// The subject, for instance
    /// `https://github.com/example/control-repo/.github/workflows/build.yaml@refs/heads/production`.
    #[schemars(length(min = 1, max = 512))]
    pub subject: String,
}

/// Whose signature of a commit or annotated tag is enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyGit {
    /// An allowed-signers file of SSH, or OpenPGP public keys.
    pub keys: KeySource,
}

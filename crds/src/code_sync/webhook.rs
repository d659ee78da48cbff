//! Who tells voxsync of news.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalReference;

/// Who tells voxsync of news, and how it is known that it is them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Who sends.
    #[serde(rename = "type")]
    pub sender: WebhookSender,
    /// A Secret with `token`: what the sender signs with, sends along, or (senders that can do neither) the last part
    /// of the address, `/hooks/<namespace>/<CodeSync>/<token>`.
    pub secret_ref: LocalReference,
}

impl Webhook {
    /// Where in the Secret it is that the sender knows.
    pub const SECRET_KEY: &str = "token";
}

/// Who sends webhooks. Each has its own way to prove itself; docs/webhooks.md has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookSender {
    /// GitHub: push, create, delete, `registry_package`.
    Github,
    /// GitLab: push, tag push.
    Gitlab,
    /// Gitea and Forgejo: push, create, delete, package.
    Gitea,
    /// Bitbucket Cloud: repo:push.
    Bitbucket,
    /// Bitbucket Data Center: `repo:refs_changed`.
    BitbucketServer,
    /// Azure DevOps: git.push.
    AzureDevops,
    /// Docker Hub. It cannot sign: the token is in the address.
    Dockerhub,
    /// Harbor: `PUSH_ARTIFACT` and others.
    Harbor,
    /// Quay. It cannot sign: the token is in the address.
    Quay,
    /// JFrog Artifactory: Docker pushed, deleted, promoted.
    Artifactory,
    /// The notifications of the distribution registry, which GitLab's registry sends too.
    Distribution,
    /// CloudEvents of ECR, ACR and Artifact Registry. The token is in the address or a bearer token.
    CloudEvents,
    /// Anything, with a bearer token.
    Generic,
    /// Anything, signed with HMAC in `X-Signature: sha256=<hexadecimal>`.
    GenericHmac,
}

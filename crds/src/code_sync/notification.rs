//! Who is told of what happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalReference;

/// Somebody who is told of what happens, besides the Kubernetes Events that are always there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// How.
    #[serde(rename = "type")]
    pub channel: NotificationChannel,
    /// A Secret with `address` (a URL; `smtp://` or `smtps://` of a mail server) and what else the channel needs: see
    /// docs/notifications.md.
    pub secret_ref: LocalReference,
    /// A Secret with `ca.crt`: an authority besides those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// Of what (default: all).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub occasions: Vec<NotificationOccasion>,
    /// The text under the title, with `{codeSync}`, `{namespace}`, `{occasion}`, `{name}`, `{reference}`, `{from}`,
    /// `{stage}` and `{message}` in it; without it, one that says all of that. A brace of the text itself is written twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub template: Option<String>,
}

/// How somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NotificationChannel {
    /// A CloudEvents 1.0 event, as JSON in a POST.
    Webhook,
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Microsoft Teams that takes an adaptive card.
    Teams,
    /// An incoming integration of Rocket.Chat.
    RocketChat,
    /// An incoming webhook of Mattermost.
    Mattermost,
    /// A webhook of Discord.
    Discord,
    /// Mail over SMTP.
    Mail,
}

impl NotificationChannel {
    /// Its name in a CodeSync.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::RocketChat => "rocket-chat",
            Self::Mattermost => "mattermost",
            Self::Discord => "discord",
            Self::Mail => "mail",
        }
    }
}

/// What somebody may be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum NotificationOccasion {
    /// A promotion started.
    Started,
    /// A stage waits for a person: an approval.
    Waiting,
    /// All stages run the candidate.
    Released,
    /// A stage could not run it, or a check failed, whether it was rolled back or not; or nothing goes on until a spec is
    /// changed.
    Failed,
    /// What had it was given back what it had before.
    RolledBack,
    /// A target does not get it: somebody else changed it, or its write is refused; or the CodeSync is deleted and leaves
    /// Deployments held back.
    Held,
    /// The source cannot be read, or can be again; or it names something that is not to be taken.
    Source,
}

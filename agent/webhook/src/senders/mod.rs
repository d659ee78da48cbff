//! One file for each sender: how it proves itself, what of its payload is wanted, and what that means.

mod artifactory;
mod azure_devops;
mod bitbucket;
mod bitbucket_server;
mod cloud_events;
mod distribution;
mod dockerhub;
mod generic;
mod generic_hmac;
mod gitea;
mod github;
mod gitlab;
mod harbor;
mod quay;

use voxsync_crds::code_sync::WebhookSender;

use crate::{
    body::Found,
    delivery::Delivery,
    news::News,
    proof::{Claim, Verdict},
};

/// All senders.
pub const ALL: [WebhookSender; 14] = [
    WebhookSender::Github,
    WebhookSender::Gitlab,
    WebhookSender::Gitea,
    WebhookSender::Bitbucket,
    WebhookSender::BitbucketServer,
    WebhookSender::AzureDevops,
    WebhookSender::Dockerhub,
    WebhookSender::Harbor,
    WebhookSender::Quay,
    WebhookSender::Artifactory,
    WebhookSender::Distribution,
    WebhookSender::CloudEvents,
    WebhookSender::Generic,
    WebhookSender::GenericHmac,
];

/// What is known of a sender.
pub(crate) struct Sender {
    /// As in `source.webhook.type`.
    pub(crate) name: &'static str,
    /// How it proves itself.
    pub(crate) prove: fn(&Claim<'_>) -> Verdict,
    /// What of the body its meaning is made of.
    pub(crate) wanted: &'static [&'static str],
    /// What it means.
    pub(crate) read: fn(&Delivery<'_>, &Found) -> News,
}

pub(crate) fn sender(kind: WebhookSender) -> &'static Sender {
    match kind {
        WebhookSender::Github => &github::SENDER,
        WebhookSender::Gitlab => &gitlab::SENDER,
        WebhookSender::Gitea => &gitea::SENDER,
        WebhookSender::Bitbucket => &bitbucket::SENDER,
        WebhookSender::BitbucketServer => &bitbucket_server::SENDER,
        WebhookSender::AzureDevops => &azure_devops::SENDER,
        WebhookSender::Dockerhub => &dockerhub::SENDER,
        WebhookSender::Harbor => &harbor::SENDER,
        WebhookSender::Quay => &quay::SENDER,
        WebhookSender::Artifactory => &artifactory::SENDER,
        WebhookSender::Distribution => &distribution::SENDER,
        WebhookSender::CloudEvents => &cloud_events::SENDER,
        WebhookSender::Generic => &generic::SENDER,
        WebhookSender::GenericHmac => &generic_hmac::SENDER,
    }
}

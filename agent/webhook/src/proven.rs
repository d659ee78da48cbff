//! From a delivery to what it says, with the proof between them.

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use voxsync_crds::code_sync::WebhookSender::{self, Bitbucket, Generic, GenericHmac, Gitea, Github, Gitlab};

use crate::{
    body::find,
    delivery::{Delivery, Secret},
    news::{Change, News},
    proof::{Claim, Refusal},
    senders::{ALL, sender},
};

/// The ways to prove oneself that are told apart by what a request carries, so that nobody has to say who sends.
const PROOFS_OF_ANYONE: [WebhookSender; 6] = [Github, Gitlab, Gitea, Bitbucket, GenericHmac, Generic];

/// A delivery that comes from who knows the secret.
#[derive(Clone, Copy)]
pub struct Proven<'a> {
    delivery: Delivery<'a>,
    /// Who may have sent it.
    senders: &'a [WebhookSender],
}

/// The name of a sender, as in `source.webhook.type`.
pub fn name(kind: WebhookSender) -> &'static str {
    sender(kind).name
}

/// Whether a delivery comes from a sender of this kind that knows the secret.
///
/// # Errors
/// Where it does not; for the log alone.
pub fn prove<'a>(
    kind: &'a WebhookSender,
    delivery: Delivery<'a>,
    secret: &Secret,
    now: Timestamp,
) -> Result<Proven<'a>, Refusal> {
    (sender(*kind).prove)(&Claim::new(delivery, secret, now))?;
    Ok(Proven { delivery, senders: std::slice::from_ref(kind) })
}

/// Whether a delivery comes from anybody who knows the secret and shows it by a signature (as GitHub, GitLab, Gitea,
/// Forgejo, Bitbucket or `generic-hmac`) or in the header `Authorization`.
///
/// # Errors
/// Where it does not; for the log alone.
pub fn prove_to_anyone<'a>(
    delivery: Delivery<'a>,
    secret: &Secret,
    now: Timestamp,
) -> Result<Proven<'a>, Refusal> {
    let claim = Claim::new(delivery, secret, now);
    let mut refusal = Refusal::Missing;
    for kind in PROOFS_OF_ANYONE {
        match (sender(kind).prove)(&claim) {
            Ok(()) => return Ok(Proven { delivery, senders: &ALL }),
            Err(Refusal::Missing) => {}
            Err(found) => refusal = found,
        }
    }
    Err(refusal)
}

/// Shows nothing: what was sent may hold the secret.
impl fmt::Debug for Proven<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Proven")
    }
}

impl Proven<'_> {
    /// What it says. Where the sender is not known it is read as each would have written it, and those who find a
    /// repository in it have understood it.
    pub fn news(&self) -> News {
        let mut all = self.senders.iter().map(|kind| {
            let sender = sender(*kind);
            let found = find(self.delivery.body, sender.wanted);
            let news = (sender.read)(&self.delivery, &found);
            if found.is_complete { news } else { News { change: Change::Unclear, ..news } }
        });
        if let [_] = self.senders {
            return all.next().unwrap_or_else(nothing);
        }
        let understood = all.filter(|news| !news.repositories.is_empty() && news.asks_for_a_look());
        understood.reduce(both).unwrap_or_else(nothing)
    }
}

fn both(mut one: News, other: News) -> News {
    one.repositories.extend(other.repositories);
    one.revisions.extend(other.revisions);
    one
}

/// What is about no repository, or about none that changed.
fn nothing() -> News {
    News { change: Change::Read, repositories: BTreeSet::new(), revisions: BTreeSet::new(), challenge: None }
}

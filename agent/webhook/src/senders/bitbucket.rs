//! Bitbucket Cloud: `repo:push`, with a list of changes.
//!
//! Signature: <https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/> (`X-Hub-Signature: sha256=…`). Payload:
//! <https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/>.

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News},
};

/// The header of the signature, here as in Bitbucket Data Center.
pub(super) const SIGNATURE: &str = "X-Hub-Signature";

pub(crate) const SENDER: Sender = Sender {
    name: "bitbucket",
    prove: |claim| claim.signed_with_prefix(SIGNATURE),
    wanted: &["push/changes/new/name", "push/changes/old/name", "repository/links/html/href"],
    read,
};

/// Whether Bitbucket tries whether it is heard.
pub(super) fn is_ping(delivery: &Delivery<'_>) -> bool {
    delivery.header("X-Event-Key") == Some("diagnostics:ping")
}

fn read(delivery: &Delivery<'_>, found: &Found) -> News {
    // What was deleted has nothing new.
    let is_deletion = found.all("push/changes/new/name").next().is_none()
        && found.all("push/changes/old/name").next().is_some();
    let change = match is_deletion {
        _ if is_ping(delivery) => Change::Ping,
        true => Change::Deleted,
        false => Change::Pushed,
    };
    let revisions = found.all("push/changes/new/name").chain(found.all("push/changes/old/name"));
    News::new(change, found.all("repository/links/html/href"), revisions)
}

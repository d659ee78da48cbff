//! Bitbucket Data Center: `repo:refs_changed`, with a list of changes, and `diagnostics:ping`.
//!
//! Signature: <https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html> (`X-Hub-Signature:
//! sha256=…`). Payload: <https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html>.

use super::{Sender, bitbucket};
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News},
};

pub(crate) const SENDER: Sender = Sender {
    name: "bitbucket-server",
    prove: |claim| claim.signed_with_prefix(bitbucket::SIGNATURE),
    wanted: &["changes/ref/id", "changes/type", "repository/links/clone/href"],
    read,
};

fn read(delivery: &Delivery<'_>, found: &Found) -> News {
    let change = if bitbucket::is_ping(delivery) {
        Change::Ping
    } else {
        Change::of(found.all("changes/type"), |word| match word {
            "DELETE" => Change::Deleted,
            _ => Change::Pushed,
        })
    };
    News::new(change, found.all("repository/links/clone/href"), found.all("changes/ref/id"))
}

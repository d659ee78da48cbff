//! Azure DevOps: `git.push`.
//!
//! Proof: <https://learn.microsoft.com/en-us/azure/devops/service-hooks/services/webhooks> (basic authentication, or HTTP
//! headers that one writes oneself; nothing is signed). Payload:
//! <https://learn.microsoft.com/en-us/azure/devops/service-hooks/events#git.push>.

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News, is_no_commit},
};

pub(crate) const SENDER: Sender = Sender {
    name: "azure-devops",
    prove: |claim| claim.authorized(),
    wanted: &["resource/refUpdates/name", "resource/refUpdates/newObjectId", "resource/repository/remoteUrl"],
    read,
};

fn read(_: &Delivery<'_>, found: &Found) -> News {
    let change = Change::of(found.all("resource/refUpdates/newObjectId"), |commit| {
        if is_no_commit(commit) { Change::Deleted } else { Change::Pushed }
    });
    News::new(change, found.all("resource/repository/remoteUrl"), found.all("resource/refUpdates/name"))
}

//! Gitea and Forgejo: push, create, delete and package.
//!
//! Signature and push: <https://docs.gitea.com/usage/repository/webhooks> (`X-Gitea-Signature`, bare hexadecimal digits, and
//! `X-Hub-Signature-256` as GitHub has it) and <https://forgejo.org/docs/latest/user/webhooks/> (`X-Forgejo-Signature`).
//! The event of packages: `PackagePayload` in `modules/structs/hook.go` of <https://github.com/go-gitea/gitea>.

use std::iter;

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News, is_no_commit},
    proof::Refusal,
};

pub(crate) const SENDER: Sender = Sender {
    name: "gitea",
    prove: |claim| {
        let bare = ["X-Forgejo-Signature", "X-Gitea-Signature"].into_iter();
        let verdicts = bare.map(|header| claim.signed_bare(header));
        // The first that is there decides.
        let first = verdicts
            .chain(iter::once_with(|| claim.signed_with_prefix("X-Hub-Signature-256")))
            .find(|verdict| *verdict != Err(Refusal::Missing));
        first.unwrap_or(Err(Refusal::Missing))
    },
    wanted: &[
        "ref",
        "after",
        "action",
        "repository/clone_url",
        "repository/ssh_url",
        "package/html_url",
        "package/owner/login",
        "package/name",
        "package/version",
    ],
    read,
};

fn read(delivery: &Delivery<'_>, found: &Found) -> News {
    let event = delivery.header("X-Gitea-Event").or_else(|| delivery.header("X-Forgejo-Event"));
    let is_deletion =
        event == Some("delete") || found.has("action", "deleted") || found.all("after").any(is_no_commit);
    let change = if is_deletion { Change::Deleted } else { Change::Pushed };
    let image = image(found);
    let repositories =
        ["repository/clone_url", "repository/ssh_url"].into_iter().flat_map(|path| found.all(path));
    let revisions = found.all("ref").chain(found.all("package/version"));
    News::new(change, repositories.chain(image.as_deref()), revisions)
}

/// The image that a package is. The host is in the package's address alone: `https://host/owner/-/packages/container/name/version`.
fn image(found: &Found) -> Option<String> {
    let one = |path| found.all(path).next();
    let (_, rest) = one("package/html_url")?.split_once("://")?;
    let host = rest.split('/').next()?;
    Some(format!("{host}/{}/{}", one("package/owner/login")?, one("package/name")?))
}

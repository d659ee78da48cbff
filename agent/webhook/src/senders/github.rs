//! GitHub: push, create, delete, `registry_package` and package.
//!
//! Signature: <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries> (`X-Hub-Signature-256`;
//! `X-Hub-Signature` is SHA-1 and not looked at). Payloads:
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads>.

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News},
};

pub(crate) const SENDER: Sender = Sender {
    name: "github",
    prove: |claim| claim.signed_with_prefix("X-Hub-Signature-256"),
    wanted: &[
        "ref",
        "deleted",
        "repository/clone_url",
        "repository/ssh_url",
        "registry_package/package_version/package_url",
        "registry_package/package_version/container_metadata/tag/name",
        "package/package_version/package_url",
        "package/package_version/container_metadata/tag/name",
    ],
    read,
};

fn read(delivery: &Delivery<'_>, found: &Found) -> News {
    let change = match delivery.header("X-GitHub-Event") {
        Some("ping") => Change::Ping,
        Some("delete") => Change::Deleted,
        _ if found.has("deleted", "true") => Change::Deleted,
        _ => Change::Pushed,
    };
    let repositories = [
        "repository/clone_url",
        "repository/ssh_url",
        "registry_package/package_version/package_url",
        "package/package_version/package_url",
    ];
    let revisions = [
        "ref",
        "registry_package/package_version/container_metadata/tag/name",
        "package/package_version/container_metadata/tag/name",
    ];
    let all = |path| found.all(path);
    News::new(change, repositories.into_iter().flat_map(all), revisions.into_iter().flat_map(all))
}

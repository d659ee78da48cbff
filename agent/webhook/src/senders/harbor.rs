//! Harbor: an artifact was pushed, deleted or pulled, in its default format and in that of CloudEvents.
//!
//! <https://goharbor.io/docs/latest/working-with-projects/project-configuration/configure-webhooks/>: the field Auth Header
//! is sent as `Authorization`.

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News},
};

pub(crate) const SENDER: Sender = Sender {
    name: "harbor",
    prove: |claim| claim.authorized(),
    wanted: &[
        "type",
        "event_data/resources/resource_url",
        "event_data/resources/tag",
        "data/resources/resource_url",
        "data/resources/tag",
    ],
    read,
};

fn read(_: &Delivery<'_>, found: &Found) -> News {
    let change = Change::of(found.all("type"), |word| match word {
        "PULL_ARTIFACT" | "harbor.artifact.pulled" => Change::Read,
        "DELETE_ARTIFACT" | "harbor.artifact.deleted" => Change::Deleted,
        _ => Change::Pushed,
    });
    let both = |name: &str| {
        let paths = [format!("event_data/resources/{name}"), format!("data/resources/{name}")];
        paths.into_iter().flat_map(|path| found.all(&path).collect::<Vec<_>>())
    };
    News::new(change, both("resource_url"), both("tag"))
}

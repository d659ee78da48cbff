//! JFrog Artifactory: a Docker tag was pushed, deleted or promoted.
//!
//! Proof: <https://docs.jfrog.com/administration/docs/webhooks> (`X-JFrog-Event-Auth`: the secret token as it is or, with "Use
//! secret for payload signing", the HMAC-SHA256 of the body in hexadecimal digits). Payload:
//! <https://docs.jfrog.com/administration/docs/event-types>.

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News},
};

const HEADER: &str = "X-JFrog-Event-Auth";

pub(crate) const SENDER: Sender = Sender {
    name: "artifactory",
    prove: |claim| claim.signed_bare(HEADER).or_else(|_| claim.in_header(HEADER)),
    wanted: &["event_type", "jpd_origin", "data/repo_key", "data/image_name", "data/tag"],
    read,
};

fn read(_: &Delivery<'_>, found: &Found) -> News {
    let change = Change::of(found.all("event_type"), |word| match word {
        "deleted" => Change::Deleted,
        _ => Change::Pushed,
    });
    let images = images(found);
    News::new(change, images.iter().map(String::as_str), found.all("data/tag"))
}

/// Clients reach a repository below the host, or at a host of its own.
fn images(found: &Found) -> Vec<String> {
    let one = |path| found.all(path).next();
    let origin = one("jpd_origin").and_then(|origin| origin.split_once("://"));
    let host = origin.and_then(|(_, rest)| rest.split('/').next());
    let (Some(host), Some(key), Some(name)) = (host, one("data/repo_key"), one("data/image_name")) else {
        return Vec::new();
    };
    vec![format!("{host}/{key}/{name}"), format!("{key}.{host}/{name}")]
}

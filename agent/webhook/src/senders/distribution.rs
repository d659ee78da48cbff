//! The notifications of the distribution registry, which GitLab's registry sends, too: an envelope with a list of events.
//!
//! <https://distribution.github.io/distribution/about/notifications/>: headers are what the registry's configuration says, such
//! as `Authorization`. Pulls are told of as pushes are, our own looks among them: they ask for no look.

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News},
};

pub(crate) const SENDER: Sender = Sender {
    name: "distribution",
    prove: |claim| claim.authorized(),
    wanted: &[
        "events/action",
        "events/target/repository",
        "events/target/tag",
        "events/target/url",
        "events/request/host",
    ],
    read,
};

fn read(_: &Delivery<'_>, found: &Found) -> News {
    let images = images(found, "events/");
    News::new(
        change(found.all("events/action")),
        images.iter().map(String::as_str),
        found.all("events/target/tag"),
    )
}

/// What the actions of events come to.
pub(super) fn change<'a>(actions: impl IntoIterator<Item = &'a str>) -> Change {
    Change::of(actions, |word| match word {
        "pull" => Change::Read,
        "delete" => Change::Deleted,
        "ping" => Change::Ping,
        _ => Change::Pushed,
    })
}

/// The images of events below a path. A registry behind a proxy knows two hosts: that of the request, and its own.
pub(super) fn images(found: &Found, below: &str) -> Vec<String> {
    let all = |path: &str| found.all(&format!("{below}{path}")).map(str::to_owned).collect::<Vec<_>>();
    let mut hosts = all("request/host");
    let urls = all("target/url");
    hosts.extend(
        urls.iter().filter_map(|url| Some(url.split_once("://")?.1.split_once("/v2/")?.0.to_owned())),
    );
    let repositories = all("target/repository");
    let named =
        |host: &String| repositories.iter().map(move |name| format!("{host}/{name}")).collect::<Vec<_>>();
    hosts.iter().flat_map(named).collect()
}

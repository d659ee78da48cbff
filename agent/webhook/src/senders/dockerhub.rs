//! Docker Hub: a push.
//!
//! <https://docs.docker.com/docker-hub/repos/manage/webhooks/>: it takes an address and nothing else, so the token is in the
//! address.

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News},
};

pub(crate) const SENDER: Sender = Sender {
    name: "dockerhub",
    prove: |claim| claim.in_address(),
    wanted: &["push_data/tag", "repository/repo_name"],
    read,
};

fn read(_: &Delivery<'_>, found: &Found) -> News {
    News::new(Change::Pushed, found.all("repository/repo_name"), found.all("push_data/tag"))
}

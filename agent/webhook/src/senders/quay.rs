//! Quay: a push.
//!
//! <https://docs.redhat.com/en/documentation/red_hat_quay/3/html/use_red_hat_quay/repository-notifications>: nothing is
//! signed, so the token is in the address. `updated_tags` is a list; older versions write an object whose keys are the tags.

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News},
};

pub(crate) const SENDER: Sender = Sender {
    name: "quay",
    prove: |claim| claim.in_address(),
    wanted: &["docker_url", "updated_tags", "updated_tags/*"],
    read,
};

fn read(_: &Delivery<'_>, found: &Found) -> News {
    News::new(
        Change::Pushed,
        found.all("docker_url"),
        found.all("updated_tags").chain(found.all("updated_tags/*")),
    )
}

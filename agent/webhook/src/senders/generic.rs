//! Anything that sends a token along: a step of CI with `curl`, for instance.
//!
//! `Authorization: Bearer <token>`. The body may be empty; what it says is only of use at `/hooks`:
//! `{"repository": "https://git.example/code", "ref": "v1.2.0"}`.

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News},
};

/// Here as in [`super::generic_hmac`].
pub(super) const WANTED: &[&str] = &["repository", "ref"];

pub(crate) const SENDER: Sender =
    Sender { name: "generic", prove: |claim| claim.authorized(), wanted: WANTED, read };

pub(super) fn read(_: &Delivery<'_>, found: &Found) -> News {
    News::new(Change::Pushed, found.all("repository"), found.all("ref"))
}

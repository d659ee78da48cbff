//! Anything that signs: `X-Signature: sha256=<hexadecimal digits of the HMAC of the body>`. The form of the generic HMAC
//! receiver of Flux (<https://fluxcd.io/flux/components/notification/receivers/#generic-hmac-receiver>), with SHA-256 alone.

use super::{Sender, generic};
use crate::proof::signed_with_prefix;

pub(crate) const SENDER: Sender = Sender {
    name: "generic-hmac",
    prove: |delivery, secret, _| signed_with_prefix(delivery, "X-Signature", secret),
    wanted: generic::WANTED,
    read: generic::read,
};

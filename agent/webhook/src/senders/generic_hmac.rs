//! Anything that signs: `X-Signature: sha256=<hexadecimal digits of the HMAC of the body>`. The form of the generic HMAC
//! receiver of Flux (<https://fluxcd.io/flux/components/notification/receivers/#generic-hmac-receiver>), with SHA-256 alone.

use super::{Sender, generic};

pub(crate) const SENDER: Sender = Sender {
    name: "generic-hmac",
    prove: |claim| claim.signed_with_prefix("X-Signature"),
    wanted: generic::WANTED,
    read: generic::read,
};

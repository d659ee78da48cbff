//! A small OCI registry in memory, for the demo: push, pull, list, delete.
//!
//! It follows the OCI distribution specification 1.1 so far that real clients (oci-client, skopeo, podman,
//! docker) can push to it and pull from it: monolithic and chunked uploads, manifests by tag and digest, the tag
//! list with pages. It knows no login, no cross-repository mount and no ranges, and forgets all when it ends.

mod image;
mod routes;
mod store;

pub use image::code_image;
pub use routes::router;
pub use store::Store;

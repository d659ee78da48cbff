//! Looks at OCI registries: which tags there are, which digest a tag has, and whether an image can be fetched.
//!
//! It reads only, from one repository a client, by the OCI distribution specification 1.1 and Docker's token protocol.
//! It may open network connections to the repository's host and to the token server that this host names. It must never
//! send a login anywhere else, never write, and never hand out a part of a list as a list.
//!
//! Reading order: [`Repository`] and [`Login`] (what to ask, and as whom), `client` (one request), `authorization` (what a
//! 401 leads to), `tags` and `manifest` (the two kinds of look), `problem` and `error` (what can go wrong).

mod authorization;
mod body;
mod challenge;
mod client;
pub mod docker_config;
mod error;
mod image;
mod link;
mod login;
mod manifest;
mod problem;
mod repository;
mod retry_after;
mod tags;
#[cfg(test)]
mod tests;
mod transport;

pub use client::{RegistryClient, RegistryOptions};
pub use error::{Attempt, RegistryError};
pub use login::Login;
pub use manifest::ManifestFacts;
pub use problem::Problem;
pub use repository::Repository;
pub use tags::TagList;

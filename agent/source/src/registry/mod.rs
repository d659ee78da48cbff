//! Looks at OCI registries: which tags there are, which digest a tag has, and whether an image can be fetched.
//!
//! It reads only, from one repository a client, by the OCI distribution specification 1.1 and Docker's token protocol.
//! It may open network connections to the repository's host, to the token server that this host names, and (without a
//! login) to where it says that a blob is. It must never send a login anywhere else, never write, and never hand out a
//! part of a list as a list.
//!
//! Reading order: [`Repository`] and [`Login`] (what to ask, and as whom), `client` (one request), `line` (with
//! which manners), `authorization` (what a 401 leads to), `tags` and `manifest` (the two kinds of look), `problem` and
//! `error` (what can go wrong).

mod authorization;
mod blob;
mod body;
mod challenge;
mod client;
mod config;
pub mod docker_config;
mod error;
mod found;
mod image;
mod line;
mod link;
mod login;
mod manifest;
mod mirror;
pub mod own_logins;
mod platform;
mod problem;
mod repository;
mod signatures;
mod tags;
#[cfg(test)]
mod tests;
mod transport;

pub use client::{RegistryClient, RegistryOptions};
pub use error::{Attempt, RegistryError};
pub use found::FoundSignature;
pub use login::Login;
pub use manifest::{ManifestFacts, Wanted};
pub use mirror::{Mirror, MirrorError, Subject};
pub use platform::{Platform, PlatformError};
pub use problem::Problem;
pub use repository::{Repository, RepositoryError};
pub use tags::TagList;

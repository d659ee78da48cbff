//! Webhooks: who sent one, and what it says. Pure: no network, no clock, nothing is kept.
//!
//! A [`Delivery`] is a request as it came. [`prove`] (or [`prove_to_anyone`], where one secret is for all) says whether
//! it comes from who knows the secret; only the [`Proven`] that it gives can be read, into [`News`]. So nothing of a
//! body is parsed before it is proven.
//!
//! A payload is never believed: it only causes a look. So one that cannot be read is as good as one that can, unless
//! what it names must be found ([`RepositoryName`]).
//!
//! Reading order: `delivery`, `proof` (how senders prove themselves), `body` (how little of a body is kept), `news`,
//! `repository`, `senders` (one file for each, with where its vendor says so). SHA-1 is never accepted.

mod body;
mod delivery;
mod news;
mod proof;
mod proven;
mod repository;
mod senders;

pub use delivery::{Delivery, Secret};
pub use news::{Change, News};
pub use proof::Refusal;
pub use proven::{Proven, name, prove, prove_to_anyone};
pub use repository::RepositoryName;
pub use senders::ALL as SENDERS;

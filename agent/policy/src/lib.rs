//! Which tag to take: a pure function from tags and a policy to an election.
//!
//! A [`TagPolicy`] is made once from the strings of a `CodeSync`, and then judges any number of tag lists. Nothing
//! here reads a clock, the network or a file, and no tag, however odd, is an error: what cannot be read as a version
//! is counted and left out.
//!
//! Reading order: [`version`] (what a version is), [`range`] (which versions are wanted), `calver` (dates), `digits`
//! (numbers), `rule` (how tags are ordered), `policy` (the rule with `match` and `ignore`), `verdict` (what becomes of one
//! tag), `election` (the answer to a list).
//!
//! The order of every rule is total: tags that the rule holds to be equal (`1.10` and `1.10.0`, `7` and `007`, two that
//! `match` extracts one version from) are ordered by the plain tag, character by character. So a list has one answer,
//! whatever order it comes in.

mod attachment;
mod calver;
mod digits;
mod election;
#[cfg(test)]
mod fuzz;
mod policy;
pub mod range;
mod rule;
mod verdict;
pub mod version;

pub use calver::FormatError;
pub use election::{Chosen, Election};
pub use policy::{PolicyError, TagPolicy};
pub use range::Range;
pub use rule::TagRule;
pub use verdict::{LeftOut, Verdict};
pub use version::Version;

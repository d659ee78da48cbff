//! Which tag to take: a pure function from tags and a policy to an election.
//!
//! A [`TagPolicy`] is made once from the strings of a `CodeSync`, and then judges any number of tag lists. Nothing
//! here reads a clock, the network or a file, and no tag, however odd, is an error: what cannot be read as a version
//! is counted and left out.
//!
//! Reading order: [`version`] (what a version is), [`range`] (which versions are wanted), `rule` (how tags are
//! ordered), `policy` (the rule with `match` and `ignore`), `election` (the answer).

mod attachment;
mod election;
mod policy;
pub mod range;
mod rule;
pub mod version;

pub use election::{Chosen, Election};
pub use policy::{PolicyError, TagPolicy};
pub use range::Range;
pub use rule::TagRule;
pub use version::Version;

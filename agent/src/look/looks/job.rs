//! A look, on its way to who carries it out and back.

use std::collections::HashMap;

use jiff::Timestamp;

use super::super::{
    awaits::Sought,
    memory::Memory,
    place::{Finding, Place, Want},
    verify::{Asked, Kept},
};

/// A look to carry out.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: PlaceId,
    pub(crate) place: Place,
    pub(crate) asked: Vec<Asked>,
    /// Whether what Secrets and `ConfigMap`s held before is not believed: somebody called, perhaps who changed one.
    pub(crate) is_afresh: bool,
    /// What is to be judged whatever is found.
    pub(crate) kept: Vec<Kept>,
    /// The tags that somebody waits for.
    pub(crate) sought: HashMap<Want, Sought>,
    pub(crate) begun: Timestamp,
    pub(crate) memory: Memory,
}

/// A look that was carried out: a finding for all that the job asks.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) id: PlaceId,
    pub(crate) findings: Vec<(Asked, Finding)>,
    pub(crate) memory: Memory,
}

/// Names a place for as long as somebody wants it.
pub(crate) type PlaceId = u64;

//! What a CodeSync works on now: a promotion under way, and the stage of it whose turn it is.

use std::{borrow::Cow, num::NonZeroU32};

use voxsync_crds::{
    CodeSync,
    annotations::{GATES_FINALIZER, Gate},
    code_sync::{PromotionStatus, Stage, StagePhase, TargetKey, Trigger, known_as},
};

use crate::{CrossNamespace, Snapshot};

/// A promotion under way, and the stage that it works on.
#[derive(Clone, Debug)]
pub struct Work<'a> {
    /// Whose it is.
    pub code_sync: &'a CodeSync,
    /// The promotion, which has not ended.
    pub promotion: &'a PromotionStatus,
    /// Whether the stage is given the candidate, or gives it back.
    pub heading: Heading,
    /// Where the stage is.
    pub phase: StagePhase,
    /// Whether all of the stage may roll at once.
    pub allows_any_order: bool,
    /// How many of its Deployments may roll at a time.
    pub(crate) max_concurrent: Option<NonZeroU32>,
    /// What the stage writes to.
    pub(crate) targets: Vec<TargetKey>,
}

/// Which way a stage goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// It is given the candidate.
    Forth,
    /// It gives the candidate back: its targets get what they had.
    Back,
}

impl Work<'_> {
    /// Whether Deployments are held back for it now. Once its references are written, none is any more: what a person
    /// lets go then is not fought over.
    pub fn places_gates(&self) -> bool {
        let asks = match self.heading {
            Heading::Forth => StagePhase::Gating,
            Heading::Back => StagePhase::RollingBack,
        };
        let is_leaving = self.code_sync.metadata.deletion_timestamp.is_some();
        self.phase == asks
            && !self.allows_any_order
            && (!self.code_sync.spec.suspend || is_leaving)
            && has_finalizer(self.code_sync)
    }

    /// Whether a gate is for it.
    pub fn is_for(&self, gate: &Gate) -> bool {
        self.code_sync.metadata.uid.as_ref() == Some(&gate.code_sync) && self.promotion.id == gate.promotion
    }

    /// How its CodeSync knows a Server: by the name, and in another namespace by both.
    pub fn known_as<'a>(&self, namespace: &str, server: &'a str) -> Cow<'a, str> {
        known_as(self.namespace(), namespace, server)
    }

    /// The namespace of its CodeSync.
    pub fn namespace(&self) -> &str {
        self.code_sync.metadata.namespace.as_deref().unwrap_or_default()
    }
}

impl Snapshot {
    /// What a CodeSync's promotion works on; `None` where none is under way.
    ///
    /// Of a promotion that ends, it is the stage that is given back: the agent says which, one after the other.
    pub fn work_of<'a>(&self, code_sync: &'a CodeSync) -> Option<Work<'a>> {
        let status = code_sync.status.as_ref()?;
        let promotion = status.promotion.as_ref().filter(|promotion| promotion.outcome.is_none())?;
        let heading = if promotion.ending.is_some() { Heading::Back } else { Heading::Forth };
        let is_leaving = code_sync.metadata.deletion_timestamp.is_some();
        if is_leaving && heading == Heading::Forth {
            return None;
        }
        let stages = code_sync.spec.ordered_stages();
        let last = |name: &str| status.stages.iter().find(|last| last.name == name);
        let phase = |name: &str| last(name).map(|last| last.phase).unwrap_or_default();
        let is_open =
            |stage: &Stage| last(&stage.name).and_then(|last| last.promotion.as_ref()) != Some(&promotion.id);
        let place = match (heading, promotion.trigger) {
            (Heading::Back, _) => {
                stages.iter().position(|stage| phase(&stage.name) == StagePhase::RollingBack)
            }
            // What runs in production matters most: a rollback begins there.
            (Heading::Forth, Trigger::Rollback) => stages.iter().rposition(is_open),
            (Heading::Forth, _) => stages.iter().position(is_open),
        }?;
        let stage = stages.get(place)?;
        Some(Work {
            code_sync,
            promotion,
            heading,
            phase: phase(&stage.name),
            allows_any_order: stage.allow_unordered,
            max_concurrent: stage.max_concurrent.and_then(NonZeroU32::new),
            targets: self.targets_of(code_sync).into_iter().nth(place)?,
        })
    }

    /// The work of all CodeSyncs that hold Deployments of a namespace back now.
    pub fn gating_in<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = Work<'a>> {
        let goes_there = self.cross_namespace() == CrossNamespace::Allowed;
        let others = goes_there.then(|| self.code_syncs()).into_iter().flatten();
        let others = others.filter(move |code_sync| {
            has_finalizer(code_sync)
                && code_sync.metadata.namespace.as_deref() != Some(namespace)
                && code_sync.spec.target_namespaces().any(|other| other == namespace)
        });
        // Few have it: the others are not looked at any closer.
        let holding =
            self.code_syncs_in(namespace).chain(others).filter(|code_sync| has_finalizer(code_sync));
        holding.filter_map(|code_sync| self.work_of(code_sync)).filter(Work::places_gates)
    }
}

/// Whether a CodeSync has the finalizer of those that hold Deployments back.
pub fn has_finalizer(code_sync: &CodeSync) -> bool {
    code_sync.metadata.finalizers.iter().flatten().any(|one| one == GATES_FINALIZER)
}

//! What the controller remembers: all of it is found again after a restart.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use voxsync_cluster::{Change, Kind};
use voxsync_crds::code_sync::TargetKind;
use voxsync_promotion::{Observed, RefusedWrite, TargetKey};
use voxsync_source::pause;

use super::{
    pass::{Ended, Refusal},
    wake::Wakes,
};
use crate::{
    checks::Checks,
    key::CodeSyncKey,
    look::{Looks, Purpose, Subscriber, place::Access},
    observe::Involved,
    upstream::Upstream,
};

/// How long after a first refused or failed write the next try is; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest pause between tries.
const LONGEST_RETRY: Duration = Duration::from_mins(5);

/// What the controller remembers.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) looks: Looks,
    pub(crate) checks: Checks,
    pub(crate) wakes: Wakes,
    rows: HashMap<CodeSyncKey, Row>,
    /// Who has to decide again when an object changes.
    interest: HashMap<(String, TargetKind, String), BTreeSet<CodeSyncKey>>,
    /// Who selects targets by labels, by namespace.
    selecting: HashMap<String, BTreeSet<CodeSyncKey>>,
}

/// What is remembered of one CodeSync.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) uid: String,
    /// It was deleted in the middle of a promotion, whose end says so.
    pub(crate) said_goodbye: bool,
    /// The last time at which another replica received a webhook, as it wrote it down.
    pub(crate) hooked_at: Option<String>,
    /// What the present looks were planned from.
    pub(crate) planned: Option<Planned>,
    /// The CodeSync whose releases it takes.
    pub(crate) follows: Option<String>,
    involved: BTreeSet<Involved>,
    claimants: BTreeSet<String>,
    failures: u32,
    refusals: BTreeMap<TargetKey, (Timestamp, u32, Refusal)>,
    /// Why the last record could not be written.
    record_refused: Option<String>,
}

/// What looks were planned from, and what is wrong with it.
#[derive(Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) generation: i64,
    pub(crate) pull_secret: Access,
    pub(crate) upstream: Option<Upstream>,
    pub(crate) invalid: Option<String>,
}

impl Memory {
    /// What is remembered of a CodeSync; nothing at first.
    pub(crate) fn row(&mut self, key: &CodeSyncKey) -> &mut Row {
        self.rows.entry(key.clone()).or_default()
    }

    /// Everybody of whom something is remembered.
    pub(crate) fn known(&self) -> Vec<CodeSyncKey> {
        self.rows.keys().cloned().collect()
    }

    /// Forgets a CodeSync; gives back what was known of it.
    pub(crate) fn forget(&mut self, key: &CodeSyncKey) -> Option<Row> {
        for purpose in [Purpose::Source, Purpose::Pin] {
            self.looks.unsubscribe(&Subscriber { key: key.clone(), purpose });
        }
        self.checks.forget(key);
        self.wakes.wake_at(key, None);
        self.set_interest(key, &BTreeSet::new(), false);
        self.rows.remove(key)
    }

    /// Remembers what a decision depended on.
    pub(crate) fn depends(
        &mut self,
        key: &CodeSyncKey,
        observed: &Observed,
        involved: &BTreeSet<Involved>,
        selects: bool,
    ) {
        let targets = observed.stages.iter().flatten();
        let claimants =
            targets.filter_map(|target| target.claims.as_ref()).map(|claim| claim.code_sync.clone());
        let claimants = claimants.collect();
        self.set_interest(key, involved, selects);
        self.row(key).claimants = claimants;
    }

    /// Who waits for a target that another CodeSync has.
    pub(crate) fn claimed_by(&self, other: &CodeSyncKey) -> Vec<CodeSyncKey> {
        let waits = |(key, row): (&CodeSyncKey, &Row)| {
            let waits = key.namespace == other.namespace && row.claimants.contains(&other.name);
            waits.then(|| key.clone())
        };
        self.rows.iter().filter_map(waits).collect()
    }

    /// Who takes what another CodeSync releases.
    pub(crate) fn following(&self, other: &CodeSyncKey) -> Vec<CodeSyncKey> {
        let follows = |(key, row): (&CodeSyncKey, &Row)| {
            let follows = key.namespace == other.namespace && row.follows.as_ref() == Some(&other.name);
            follows.then(|| key.clone())
        };
        self.rows.iter().filter_map(follows).collect()
    }

    /// Who has to decide again when this changes.
    pub(crate) fn interested(&self, change: &Change) -> BTreeSet<CodeSyncKey> {
        let of = |kind, name: &str| {
            let key = (change.namespace.clone(), kind, name.to_owned());
            self.interest.get(&key).into_iter().flatten().cloned()
        };
        let owner = change.owner.as_deref();
        let mut interested = BTreeSet::new();
        match change.kind {
            Kind::Config => interested.extend(of(TargetKind::Config, &change.name)),
            Kind::Server => {
                interested.extend(of(TargetKind::Server, &change.name));
                interested.extend(owner.into_iter().flat_map(|config| of(TargetKind::Config, config)));
            }
            Kind::Deployment | Kind::ReplicaSet | Kind::Pod => {
                interested.extend(owner.into_iter().flat_map(|server| of(TargetKind::Server, server)));
            }
            Kind::CodeSync | Kind::CodeRelease => {}
        }
        if matches!(change.kind, Kind::Config | Kind::Server) {
            interested.extend(self.selecting.get(&change.namespace).into_iter().flatten().cloned());
        }
        interested
    }

    /// Why the last write of a target was refused.
    pub(crate) fn refusal(
        &self,
        key: &CodeSyncKey,
        target: &TargetKey,
        now: Timestamp,
    ) -> Option<RefusedWrite> {
        let (until, _, refusal) = self.rows.get(key)?.refusals.get(target)?;
        Some(RefusedWrite { message: refusal.message.clone(), is_retry_due: *until <= now })
    }

    /// Why the last record of a promotion could not be written.
    pub(crate) fn record_refused(&self, key: &CodeSyncKey) -> Option<String> {
        self.rows.get(key)?.record_refused.clone()
    }

    /// Takes in how a pass ended.
    pub(crate) fn ended(&mut self, ended: Ended, now: Timestamp) {
        let Ended { key, failed, written, refused, record } = ended;
        self.wakes.end(&key);
        let Some(row) = self.rows.get_mut(&key) else { return };
        for target in written {
            row.refusals.remove(&target);
        }
        if let Some(record) = record {
            let refused = record.err().map(|refusal| refusal.message);
            if refused.is_some() && refused != row.record_refused {
                // What is said of it is part of the status.
                self.wakes.wake([key.clone()]);
            }
            row.record_refused = refused;
        }
        let mut next = None;
        for (target, refusal) in refused {
            let count = row.refusals.get(&target).map_or(0, |(_, count, _)| *count).saturating_add(1);
            let until = after(now, count);
            row.refusals.insert(target, (until, count, refusal));
            next = next.into_iter().chain([until]).min();
            // The refusal is part of what the CodeSync sees.
            self.wakes.wake([key.clone()]);
        }
        row.failures = if failed { row.failures.saturating_add(1) } else { 0 };
        if failed {
            next = next.into_iter().chain([after(now, row.failures)]).min();
        }
        if let Some(next) = next {
            self.wakes.wake_by(&key, next);
        }
    }

    /// When the refused targets of a CodeSync are tried again.
    pub(crate) fn next_try(&self, key: &CodeSyncKey, now: Timestamp) -> Option<Timestamp> {
        let refusals = self.rows.get(key)?.refusals.values();
        refusals.map(|(until, _, _)| *until).filter(|until| *until > now).min()
    }

    fn set_interest(&mut self, key: &CodeSyncKey, involved: &BTreeSet<Involved>, selects: bool) {
        let before = self.rows.get_mut(key).map(|row| std::mem::replace(&mut row.involved, involved.clone()));
        let before = before.unwrap_or_default();
        for (kind, name) in before.difference(involved) {
            let object = (key.namespace.clone(), *kind, name.clone());
            if let Some(interested) = self.interest.get_mut(&object) {
                interested.remove(key);
                if interested.is_empty() {
                    self.interest.remove(&object);
                }
            }
        }
        for (kind, name) in involved.difference(&before) {
            let object = (key.namespace.clone(), *kind, name.clone());
            self.interest.entry(object).or_default().insert(key.clone());
        }
        if selects {
            self.selecting.entry(key.namespace.clone()).or_default().insert(key.clone());
        } else if let Some(selecting) = self.selecting.get_mut(&key.namespace) {
            selecting.remove(key);
        }
    }
}

fn after(now: Timestamp, tries: u32) -> Timestamp {
    now.checked_add(pause(FIRST_RETRY, tries, LONGEST_RETRY)).unwrap_or(Timestamp::MAX)
}

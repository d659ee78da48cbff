//! What the controller remembers: all of it is found again after a restart.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    time::Duration,
};

use jiff::Timestamp;
use voxsync_cluster::{Change, Kind};
use voxsync_crds::code_sync::{TargetKind, known_as};
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
    interest: HashMap<Involved, BTreeSet<CodeSyncKey>>,
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
    pub(crate) follows: Option<CodeSyncKey>,
    involved: BTreeSet<Involved>,
    /// The namespaces in which it selects targets by labels.
    selects_in: BTreeSet<String>,
    /// Who has its targets, as it knows them.
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
        self.set_interest(key, &BTreeSet::new(), &BTreeSet::new());
        self.rows.remove(key)
    }

    /// Remembers what a decision depended on.
    pub(crate) fn depends(
        &mut self,
        key: &CodeSyncKey,
        observed: &Observed,
        involved: &BTreeSet<Involved>,
        selects_in: &BTreeSet<String>,
    ) {
        let targets = observed.stages.iter().flatten();
        let claimants =
            targets.filter_map(|target| target.claims.as_ref()).map(|claim| claim.code_sync.clone());
        let claimants = claimants.collect();
        self.set_interest(key, involved, selects_in);
        self.row(key).claimants = claimants;
    }

    /// Who waits for a target that another CodeSync has.
    pub(crate) fn claimed_by(&self, other: &CodeSyncKey) -> Vec<CodeSyncKey> {
        let waits = |(key, row): (&CodeSyncKey, &Row)| {
            let known = known_as(&key.namespace, &other.namespace, &other.name);
            row.claimants.contains(known.as_ref()).then(|| key.clone())
        };
        self.rows.iter().filter_map(waits).collect()
    }

    /// Who takes what another CodeSync releases.
    pub(crate) fn following(&self, other: &CodeSyncKey) -> Vec<CodeSyncKey> {
        let follows =
            |(key, row): (&CodeSyncKey, &Row)| (row.follows.as_ref() == Some(other)).then(|| key.clone());
        self.rows.iter().filter_map(follows).collect()
    }

    /// Who has to decide again when this changes.
    pub(crate) fn interested(&self, change: &Change) -> BTreeSet<CodeSyncKey> {
        let of = |kind, name: &str| {
            let key = (kind, change.namespace.clone(), name.to_owned());
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

    fn set_interest(
        &mut self,
        key: &CodeSyncKey,
        involved: &BTreeSet<Involved>,
        selects_in: &BTreeSet<String>,
    ) {
        let (involved_before, selected_before) = match self.rows.get_mut(key) {
            Some(row) => (
                std::mem::replace(&mut row.involved, involved.clone()),
                std::mem::replace(&mut row.selects_in, selects_in.clone()),
            ),
            None => (BTreeSet::new(), BTreeSet::new()),
        };
        change(&mut self.interest, key, &involved_before, involved);
        change(&mut self.selecting, key, &selected_before, selects_in);
    }
}

/// Puts a CodeSync down for these, and no longer for those of before.
fn change<K: Clone + Eq + Hash + Ord>(
    all: &mut HashMap<K, BTreeSet<CodeSyncKey>>,
    key: &CodeSyncKey,
    before: &BTreeSet<K>,
    now: &BTreeSet<K>,
) {
    for gone in before.difference(now) {
        if let Some(interested) = all.get_mut(gone) {
            interested.remove(key);
            if interested.is_empty() {
                all.remove(gone);
            }
        }
    }
    for new in now.difference(before) {
        all.entry(new.clone()).or_default().insert(key.clone());
    }
}

fn after(now: Timestamp, tries: u32) -> Timestamp {
    now.checked_add(pause(FIRST_RETRY, tries, LONGEST_RETRY)).unwrap_or(Timestamp::MAX)
}

//! All of it, step by step: an event, or a time that has come; then steps until nothing changes; then the next time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use voxsync_crds::{
    CodeReference,
    annotations::Gate,
    code_release::CodeReleaseSpec,
    code_sync::{CodeSyncSpec, CodeSyncStatus, Outcome, Waiting},
};
use voxsync_promotion::{Action, Gatekeeper, Observed, ObservedSource, step};

use crate::{
    Expectations, SimulationError, Story, Subject,
    checks::Checks,
    cluster::{Cluster, Moves},
    estate::SERVERS_LIMIT,
    happening::Happening,
    ladder::{Line, Tone},
    order,
    source::Source,
    timeline::Timeline,
    told,
};

/// The uid that the CodeSync has here.
const UID: &str = "00000000-0000-0000-0000-000000000000";
/// After so many steps at one moment something is wrong: each Server may take a few.
const STEPS_LIMIT: usize = 4 * SERVERS_LIMIT as usize;
/// How many lines anybody reads.
const LINES_LIMIT: usize = 5_000;
/// How many moments are looked at: some of a day for all of three years. More, only windows of minutes have.
const MOMENTS_LIMIT: usize = 10_000;
/// How many records are kept where the spec does not say it.
const RECORDS_KEPT: u16 = 200;
/// Who is named where it is about the whole.
const VOXSYNC: &str = "voxsync";
/// Who is named where it is about the source.
pub(crate) const SOURCE: &str = "source";

/// The CodeSync and everything around it.
pub(crate) struct World<'a> {
    name: &'a str,
    namespace: &'a str,
    pub(crate) spec: CodeSyncSpec,
    pub(crate) status: CodeSyncStatus,
    pub(crate) said: Said,
    pub(crate) generation: i64,
    has_finalizer: bool,
    /// The records of promotions, the newest first: whose each is, and what it released.
    records: Vec<(String, Option<CodeReference>)>,
    pub(crate) source: Source,
    pub(crate) cluster: Cluster,
    pub(crate) checks: Checks,
    pub(crate) stages: Vec<String>,
    pub(crate) now: Timestamp,
    wake_at: Option<Timestamp>,
    ladder: Vec<Line>,
    rows: Vec<Waiting>,
    pub(crate) expectations: Option<Expectations>,
}

/// What people said by annotations.
#[derive(Default)]
pub(crate) struct Said {
    /// How often they said anything.
    count: u32,
    pub(crate) approve: Option<String>,
    pub(crate) approved_by: Option<String>,
    pub(crate) rollback: Option<String>,
    pub(crate) release_quarantine: Option<String>,
    pub(crate) resume: Option<String>,
}

impl Said {
    /// A number that makes a token new.
    pub(crate) fn again(&mut self) -> u32 {
        self.count += 1;
        self.count
    }
}

impl<'a> World<'a> {
    pub(crate) fn new(subject: Subject<'a>, timeline: &Timeline) -> Result<Self, SimulationError> {
        let Subject { name, namespace, spec, estate } = subject;
        let start = timeline.start;
        let spec = CodeSyncSpec { verify: None, ..spec.clone() };
        let mut source = Source::of(&spec).map_err(SimulationError::Policy)?;
        if estate.servers() > usize::from(SERVERS_LIMIT) {
            return Err(SimulationError::TooManyServers { there: estate.servers(), limit: SERVERS_LIMIT });
        }
        let keys: Vec<String> = estate.stages.iter().flatten().map(|target| target.key.to_string()).collect();
        for (_, happening) in &timeline.happenings {
            if let Happening::Change { target, .. } = happening
                && !keys.contains(target)
            {
                return Err(SimulationError::NoSuchTarget { target: target.clone(), there: keys.join(", ") });
            }
        }
        let runs = timeline.deployed.as_deref().map(|tag| {
            source.has(tag, start);
            source.named(tag).map(|candidate| candidate.reference).unwrap_or_default()
        });
        let stages: Vec<String> = spec.ordered_stages().iter().map(|stage| stage.name.clone()).collect();
        let cluster =
            Cluster::new(estate, stages.clone(), (runs.as_deref(), timeline.rollout), (&source, start));
        Ok(Self {
            name,
            namespace,
            spec,
            status: CodeSyncStatus::default(),
            said: Said::default(),
            generation: 1,
            has_finalizer: false,
            records: Vec::new(),
            source,
            cluster,
            checks: Checks::default(),
            stages,
            now: start,
            wake_at: None,
            ladder: Vec::new(),
            rows: Vec::new(),
            expectations: None,
        })
    }

    pub(crate) fn run(
        mut self,
        timeline: &Timeline,
        tell: &mut dyn FnMut(Timestamp),
    ) -> Result<Story, SimulationError> {
        self.settle()?;
        let mut events = timeline.happenings.iter().peekable();
        let mut is_cut_off = false;
        for moment in 0.. {
            while let Some((_, happening)) = events.next_if(|(at, _)| *at <= self.now) {
                self.happen(happening);
                self.settle()?;
            }
            let event = events.peek().map(|(at, _)| *at);
            let Some(next) = self.next().into_iter().chain(event).min() else { break };
            if next > timeline.end {
                is_cut_off = timeline.ends_early;
                break;
            }
            if moment >= MOMENTS_LIMIT {
                return Err(SimulationError::TooMuch { limit: MOMENTS_LIMIT, at: self.now });
            }
            self.now = next;
            tell(next);
            self.settle()?;
        }
        let end = if timeline.ends_early { self.now } else { timeline.end };
        let Self { ladder, status, expectations, .. } = self;
        Ok(Story { start: timeline.start, end, is_cut_off, ladder, status, expectations })
    }

    /// When something comes by itself.
    fn next(&self) -> Option<Timestamp> {
        let times = [
            self.wake_at,
            self.cluster.next(),
            self.checks.next(&self.source, self.now),
            self.source.next(self.now),
        ];
        times.into_iter().flatten().filter(|time| *time > self.now).min()
    }

    fn observe(&mut self) -> Observed {
        let source = self.source.look(&self.spec, &self.status, self.now);
        let source = ObservedSource { looked: true, ..source };
        let pin = self.spec.pin.as_ref().and_then(|pin| self.source.pinned(&pin.reference));
        let promotion = self.status.promotion.as_ref();
        Observed {
            name: self.name.to_owned(),
            namespace: self.namespace.to_owned(),
            uid: UID.to_owned(),
            generation: self.generation,
            requested_at: None,
            resume: self.said.resume.clone(),
            approve: self.said.approve.clone(),
            approved_by: self.said.approved_by.clone(),
            rollback: self.said.rollback.clone(),
            release_quarantine: self.said.release_quarantine.clone(),
            checks: self.checks.answers(),
            is_leaving: false,
            has_finalizer: self.has_finalizer,
            gatekeeper: Gatekeeper::Present,
            source,
            pin: pin.map(Ok),
            keys: None,
            judged: Vec::new(),
            unverified: Vec::new(),
            stages: self.cluster.observe(),
            recorded: promotion
                .is_some_and(|promotion| self.records.iter().any(|(id, _)| *id == promotion.id)),
            record_refused: None,
            released: self.records.iter().filter_map(|(_, released)| released.clone()).collect(),
            last_release_hash: None,
            invalid: None,
        }
    }

    /// Steps until nothing changes any more, and tells what is waited for then.
    fn settle(&mut self) -> Result<(), SimulationError> {
        for _ in 0..STEPS_LIMIT {
            let moves = self.cluster.pass(&self.source, self.now);
            self.tell_moves(moves);
            let observed = self.observe();
            let taken = step(&self.spec, &self.status, &observed, self.now);
            let mut is_quiet = taken.status == self.status && taken.actions.is_empty();
            self.status = taken.status;
            self.wake_at = taken.wake_at;
            for action in taken.actions {
                self.carry_out(action);
            }
            self.checks.want(&self.spec, taken.checks);
            is_quiet &= !self.checks.ask(&self.source, self.now);
            is_quiet &= !self.keep_order();
            is_quiet &= self.cluster.next().is_none_or(|next| next > self.now);
            if self.ladder.len() > LINES_LIMIT {
                return Err(SimulationError::TooMuch { limit: LINES_LIMIT, at: self.now });
            }
            if is_quiet {
                self.tell_rows();
                return Ok(());
            }
        }
        Err(SimulationError::Restless { at: self.now })
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Event { kind, reason, message } => {
                if let Some(tone) = told::event(kind, reason, &self.status) {
                    self.tell(VOXSYNC, told::message(&message), reason, tone);
                }
            }
            Action::Finalizer(wanted) => self.has_finalizer = wanted,
            Action::Record(release) => self.record(*release),
            Action::Write(write) => {
                let code = self.source.name_of(write.applied.reference.as_deref());
                let stage =
                    self.cluster.stage_of(&write.target).and_then(|stage| self.stages.get(stage)).cloned();
                let is_change = write.expected.image != write.applied.reference;
                self.cluster.write(&write, self.now);
                if is_change {
                    let what = format!("{} is given {code}", write.target);
                    self.tell(&stage.unwrap_or_default(), what, "Write", Tone::Happens);
                }
            }
        }
    }

    /// Writes a record, as the agent does: it keeps so many of the newest.
    fn record(&mut self, release: CodeReleaseSpec) {
        let CodeReleaseSpec { promotion, candidate, outcome, .. } = release;
        if self.records.iter().any(|(id, _)| *id == promotion) {
            return;
        }
        let (tag, digest) = (candidate.tag.as_deref(), Some(candidate.digest.as_str()));
        let reference = CodeReference::new(&candidate.repository, tag, digest).ok();
        self.records.insert(0, (promotion, reference.filter(|_| outcome == Outcome::Released)));
        let keep = self.spec.history.as_ref().and_then(|history| history.keep);
        self.records.truncate(usize::from(keep.unwrap_or(RECORDS_KEPT).max(1)));
    }

    /// Does what the reconciler does. Tells whether there was anything to do.
    fn keep_order(&mut self) -> bool {
        let turn = order::turn((&self.spec, &self.status, UID), self.has_finalizer, &self.cluster);
        let Some(promotion) = self.status.promotion.as_ref().map(|promotion| promotion.id.clone()) else {
            return self.lift(&turn.lift);
        };
        let is_idle = turn.hold.is_empty();
        for name in &turn.hold {
            let (code_sync, promotion) = (UID.to_owned(), promotion.clone());
            self.cluster.hold(name, Gate { code_sync, promotion, since: self.now.into() });
        }
        self.tell_servers(&turn.hold, "held back", "HeldBack");
        self.lift(&turn.lift) || !is_idle
    }

    fn lift(&mut self, names: &[String]) -> bool {
        let rolls = names.iter().filter(|name| self.cluster.is_waiting(name)).cloned().collect::<Vec<_>>();
        for name in names {
            self.cluster.lift(name, self.now);
        }
        self.tell_servers(&rolls, "let go", "LetGo");
        !names.is_empty()
    }

    pub(crate) fn tell(&mut self, who: &str, what: String, reason: &str, tone: Tone) {
        self.ladder.push(Line { at: self.now, who: who.to_owned(), what, reason: reason.to_owned(), tone });
    }

    /// What Servers did, in one line a stage.
    fn tell_servers(&mut self, names: &[String], what: &str, reason: &str) {
        let mut stages: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for name in names {
            let stage = self.cluster.deployments.get(name).map_or(0, |deployment| deployment.stage);
            stages.entry(stage).or_default().push(name);
        }
        let lines = stages.into_iter().map(|(stage, names)| (stage, format!("{}: {what}", names.join(", "))));
        for (stage, line) in lines.collect::<Vec<_>>() {
            let stage = self.stages.get(stage).cloned().unwrap_or_default();
            self.tell(&stage, line, reason, Tone::Happens);
        }
    }

    fn tell_moves(&mut self, Moves { ready, stuck }: Moves) {
        // Of a single one, the stage says it.
        let is_one_of_several = |name: &String| self.cluster.has_company(name);
        let ready: Vec<String> = ready.into_iter().filter(is_one_of_several).collect();
        self.tell_servers(&ready, "ready", "Ready");
        for (stage, name, why) in stuck {
            let stage = self.stages.get(stage).cloned().unwrap_or_default();
            self.tell(&stage, format!("{name}: {why}"), "Stuck", Tone::Bad);
        }
    }

    /// What is waited for, where that is new.
    fn tell_rows(&mut self) {
        let rows = self.status.waiting.clone();
        for row in &rows {
            let who = row.stage.as_deref().unwrap_or(VOXSYNC);
            let is_told = self.rows.contains(row) || told::is_said_again(&self.ladder, who, row);
            if let Some(tone) = told::row(row).filter(|_| !is_told) {
                self.tell(who, told::message(&row.message), &row.reason, tone);
            }
        }
        self.rows = rows;
    }
}

//! The stage that a promotion works on: its Servers, and where each of them is on the way to the candidate; or, where the
//! promotion ends, on the way back from it.
//!
//! The reconciler asks it whom to hold back, and whose turn it is. Both answers are [`voxsync_rollout::order`]'s; here
//! is only what the cluster says.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use voxsync_crds::{
    Code, Server,
    annotations::{Applied, applied_records},
    code_sync::{StagePhase, TargetKey, TargetKind},
};
use voxsync_rollout::{
    order::{self, Hold, Member, Way, goes_back_at_once},
    state::RolloutState,
};

use crate::{
    Snapshot,
    targets::{known_server, takes_from},
    work::{Heading, Work},
};

/// Servers as the CodeSync knows them, and whether each has been given what its stage goes to.
type Servers<'a> = BTreeMap<Cow<'a, str>, (&'a Server, bool)>;

impl Snapshot {
    /// Whose Deployments are to be held back before the stage is written, as the CodeSync knows them.
    pub fn to_gate(&self, work: &Work<'_>) -> BTreeSet<Cow<'_, str>> {
        // Only who has been given it already counts, wherever its pods are.
        let servers = self.servers_of_stage(work);
        let members = servers.iter().filter(|(_, (server, _))| self.has_deployment(server)).map(
            |(known, (server, is_given))| {
                let (namespace, name) = place(server);
                let goes_by_itself = *is_given || self.goes_back_at_once(work, namespace, name);
                let way = if goes_by_itself { Way::Under } else { Way::Before };
                let has_pods =
                    self.is_to_have_pods(namespace, name) && self.code_of(namespace, server).is_ok();
                let name = known.as_ref();
                Member { name, is_authority: server.spec.is_ca(), is_gated: false, has_pods, way }
            },
        );
        let gated = order::to_gate(&members.collect::<Vec<_>>(), work.max_concurrent);
        servers.keys().filter(|known| gated.contains(known.as_ref())).cloned().collect()
    }

    /// Whether a Server that is to go back does not run the candidate well, so that nothing is gained by holding it back:
    /// the others wait for it.
    fn goes_back_at_once(&self, work: &Work<'_>, namespace: &str, name: &str) -> bool {
        let hold = match self.gate_on(namespace, name) {
            Some(_) => Some(Hold::Gate),
            None => self.is_paused(namespace, name).then_some(Hold::Person),
        };
        work.heading == Heading::Back && goes_back_at_once(self.rollout_of(namespace, name).as_ref(), hold)
    }

    /// Whose Deployments may be let go now, if their templates have what the stage goes to, as the CodeSync knows them.
    pub fn to_lift(&self, work: &Work<'_>) -> BTreeSet<Cow<'_, str>> {
        self.turn(work, &self.servers_of_stage(work))
    }

    fn turn<'a>(&self, work: &Work<'_>, servers: &Servers<'a>) -> BTreeSet<Cow<'a, str>> {
        let members = servers.iter().filter_map(|(known, (server, is_given))| {
            let (namespace, name) = place(server);
            let mut member = self.member(namespace, known, server)?;
            if !is_given && member.way != Way::Missing {
                member.way = Way::Before;
            } else if work.heading == Heading::Back && member.way == Way::Stopped {
                // What a person paused is no reason to leave the others on what failed.
                let state = self.rollout_of(namespace, name);
                let is_paused =
                    matches!(state, Some(RolloutState::PausedByPerson | RolloutState::Impossible { .. }));
                member.way = if is_paused { Way::Missing } else { Way::Stopped };
            }
            Some(member)
        });
        let lifted = order::to_lift(&members.collect::<Vec<_>>(), work.max_concurrent);
        servers.keys().filter(|known| lifted.contains(known.as_ref())).cloned().collect()
    }

    /// Whether a Server, by the name that the CodeSync knows it by, takes its code from the stage, and has been given all
    /// of it; `None` where it takes nothing from the stage.
    pub fn is_served(&self, work: &Work<'_>, server: &str) -> Option<bool> {
        let own = work.namespace();
        let server = self
            .server_known_as(own, server)
            .filter(|server| server.spec.serves_code() && self.has_deployment(server))?;
        let is_of = |target: &&TargetKey| takes_from(own, server, target) && self.shut(own, target).is_none();
        let mut targets = work.targets.iter().filter(is_of).peekable();
        targets.peek()?;
        Some(targets.all(|target| self.is_given(work, target)))
    }

    /// Whether the stage waits for something that may take days, before anything of it is written. Its gates are asked
    /// for again when it goes on.
    pub fn needs_no_gates(&self, work: &Work<'_>) -> bool {
        let is_written = |target: &TargetKey| {
            self.record_on(work, target).is_some_and(|record| record.promotion == work.promotion.id)
        };
        matches!(work.phase, StagePhase::Pending | StagePhase::Held) && !work.targets.iter().any(is_written)
    }

    /// Whether others prove the code that a gated Server must run, so that it may run it without a promotion: all of the
    /// namespace that must run the same and are not held back run it, and it is this Server's turn among the others.
    pub fn is_proven_by_others(&self, namespace: &str, name: &str) -> bool {
        let sources = |name: &str| {
            let code = self.server_code(namespace, name).and_then(Result::ok);
            code.map(|code| code.mounts.into_iter().map(|mount| mount.source).collect::<Vec<_>>())
        };
        let Some(wanted) = sources(name).filter(|wanted| !wanted.is_empty()) else { return false };
        let serving = self.servers_in(namespace).filter(|server| server.spec.serves_code());
        let named = serving.filter_map(|server| Some((server.metadata.name.as_deref()?, server)));
        let alike = named.filter(|(name, _)| sources(name).as_ref() == Some(&wanted));
        let members: Vec<Member<'_>> =
            alike.filter_map(|(name, server)| self.member(namespace, name, server)).collect();
        let mut others = members.iter().filter(|member| !member.is_gated);
        let is_done = |member: &Member<'_>| matches!(member.way, Way::Done { .. });
        let is_proof = |member: &Member<'_>| matches!(member.way, Way::Done { ready } if ready > 0);
        others.clone().all(is_done)
            && others.any(is_proof)
            && order::to_lift(&members, Some(NonZeroU32::MIN)).contains(name)
    }

    /// The Servers of a namespace whose gates something may have to be done about now: those whose turn it is, and
    /// those that nobody's turn comes for.
    pub fn gates_to_look_at(&self, namespace: &str) -> BTreeSet<String> {
        let mut due = BTreeSet::new();
        for (uid, gated) in self.gates_of(namespace) {
            let work = self.holder_of_uid(namespace, uid).and_then(|code_sync| self.work_of(code_sync));
            let Some(work) = work.filter(|work| !work.allows_any_order && !self.needs_no_gates(work)) else {
                due.extend(gated.map(str::to_owned));
                continue;
            };
            let (gated, servers): (Vec<&str>, _) = (gated.collect(), self.servers_of_stage(&work));
            // Nobody's turn comes before the code.
            let known = |server: &&str| work.known_as(namespace, server).into_owned();
            let is_given =
                |server| servers.get(known(server).as_str()).is_some_and(|(_, is_served)| *is_served);
            let turn = if gated.iter().any(is_given) { self.turn(&work, &servers) } else { BTreeSet::new() };
            let is_due = |server: &&str| {
                let is_its = self.gate_on(namespace, server).is_some_and(|gate| work.is_for(gate));
                let known = known(server);
                !is_its || turn.contains(known.as_str()) || !servers.contains_key(known.as_str())
            };
            due.extend(gated.into_iter().filter(is_due).map(str::to_owned));
        }
        due
    }

    /// The Servers of a stage that serve code, by name, and whether each has been given what the stage goes to.
    fn servers_of_stage(&self, work: &Work<'_>) -> Servers<'_> {
        let namespace = work.namespace();
        let mut servers = Servers::new();
        for target in &work.targets {
            let is_given = self.is_given(work, target);
            for server in self.servers_of_target(namespace, target) {
                let Some(known) = known_server(namespace, server) else { continue };
                if server.spec.serves_code() {
                    // Several entries of a list are several targets with the same Servers.
                    let (_, is_served) = servers.entry(known).or_insert((server, true));
                    *is_served &= is_given;
                }
            }
        }
        servers
    }

    /// Whether a target says what the stage goes to.
    fn is_given(&self, work: &Work<'_>, target: &TargetKey) -> bool {
        let (namespace, promotion) = (target.namespace_in(work.namespace()), work.promotion);
        let (code, is_paused) = match target.kind {
            TargetKind::Config => self
                .config(namespace, &target.name)
                .map(|config| (&config.spec.code, config.is_paused()))
                .unzip(),
            TargetKind::Server => self
                .server(namespace, &target.name)
                .map(|server| (&server.spec.code, server.is_paused()))
                .unzip(),
        };
        let image = code.and_then(|code| image(code.as_ref()?, target));
        if work.heading == Heading::Back {
            // What somebody else changed or paused is not given back, nor what had something that is in quarantine.
            let status = work.code_sync.status.as_ref();
            let goes_back = |image: &str| {
                self.record_on(work, target)
                    .zip(status)
                    .is_some_and(|(record, status)| promotion.is_to_leave(image, &record, status))
            };
            return is_paused == Some(true) || !image.is_some_and(goes_back);
        }
        let adopt = work.code_sync.spec.adopt.unwrap_or_default();
        image.is_some_and(|image| promotion.is_on(image, self.record_on(work, target).as_ref(), adopt))
    }

    /// What the CodeSync wrote to a target.
    fn record_on(&self, work: &Work<'_>, target: &TargetKey) -> Option<Applied> {
        let metadata = self.metadata_of(target.kind, target.namespace_in(work.namespace()), &target.name)?;
        let entry = target.entry.as_ref().map(ToString::to_string).unwrap_or_default();
        let record = applied_records(metadata.annotations.as_ref()).remove(&entry)?;
        (Some(&record.code_sync) == work.code_sync.metadata.uid.as_ref()).then_some(record)
    }

    /// A Server by what its pods do; a Deployment that is somebody else's is none.
    fn member<'a>(&self, namespace: &str, known: &'a str, server: &Server) -> Option<Member<'a>> {
        let name = server.metadata.name.as_deref()?;
        let is_authority = server.spec.is_ca();
        if !self.has_deployment(server) {
            return Some(Member {
                name: known,
                is_authority,
                is_gated: false,
                has_pods: true,
                way: Way::Missing,
            });
        }
        let (state, progress) = self.measured(namespace, name)?;
        let is_gated = self.is_gated(namespace, name);
        let way = match state {
            RolloutState::Complete(_) if !is_gated => Way::Done { ready: progress.ready },
            RolloutState::Stuck(stuck) if !stuck.may_heal() => Way::Stopped,
            RolloutState::TimedOut { .. }
            | RolloutState::PausedByPerson
            | RolloutState::Impossible { .. } => Way::Stopped,
            RolloutState::Complete(_)
            | RolloutState::Stuck(_)
            | RolloutState::Pending
            | RolloutState::Gated(_)
            | RolloutState::Progressing(_) => Way::Under,
        };
        Some(Member { name: known, is_authority, is_gated, has_pods: progress.wanted > 0, way })
    }

    /// Whether voxsync holds a Server's Deployment back: it is paused, and a gate is written on it.
    fn is_gated(&self, namespace: &str, server: &str) -> bool {
        self.gate_on(namespace, server).is_some() && self.is_paused(namespace, server)
    }
}

/// The namespace and the name of a Server.
fn place(server: &Server) -> (&str, &str) {
    let metadata = &server.metadata;
    (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
}

fn image<'a>(code: &'a Code, target: &TargetKey) -> Option<&'a str> {
    let place = code.position(target.entry.as_ref()).ok().flatten()?;
    code.entries().get(place)?.image.as_deref()
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;

//! One look for one CodeSync, for people who try it: nothing is written, whoever asks.

use kube::{Client, ResourceExt as _};
use voxsync_cluster::Snapshot;
use voxsync_crds::{
    CodeSync,
    code_sync::{CandidateStatus, TargetKey},
};
use voxsync_promotion::SourceProblem;

use crate::{
    Options,
    look::{Asked, Job, Memory, Order, Tools, carry_out, place::Finding, plan},
    observe::{first_target, pull_secret},
    target::Target,
};

/// What a CodeSync would find now.
#[derive(Clone, Debug)]
pub struct Checked {
    /// At its source.
    pub source: Sighted,
    /// For its pin, where it has one.
    pub pin: Option<Sighted>,
    /// What its targets say, in the order of the stages.
    pub targets: Vec<CheckedTarget>,
}

/// A target, and what its code says.
#[derive(Clone, Debug)]
pub struct CheckedTarget {
    /// Which it is.
    pub key: TargetKey,
    /// The image, none where there is no code; or why it could not be written.
    pub image: Result<Option<String>, String>,
}

/// What one look found.
#[derive(Clone, Debug, Default)]
pub struct Sighted {
    /// The images that could run, the best first; more than one only where there is a `minimumAge`.
    pub candidates: Vec<CandidateStatus>,
    /// The tag or commit that was seen.
    pub revision: Option<String>,
    /// How many tags the repository has.
    pub tag_count: Option<u32>,
    /// Why there is no candidate, or why the first one is none.
    pub problem: Option<SourceProblem>,
}

/// Looks once for a CodeSync, with the Secrets that `client` gives. `snapshot` has its targets, where they can be read.
///
/// # Errors
/// A sentence that names the field of the spec, where that asks for nothing that could be looked for.
pub async fn check(
    client: Client,
    snapshot: &Snapshot,
    code_sync: &CodeSync,
    options: &Options,
) -> Result<Checked, String> {
    let namespace = code_sync.namespace().unwrap_or_default();
    let target = first_target(snapshot, &namespace, &code_sync.spec);
    let secret = target.and_then(|target| pull_secret(snapshot, &namespace, &target));
    let plan = plan(&code_sync.spec, &namespace, secret)?;
    let tools = Tools::new(client, options);
    let source = sight(&tools, plan.source).await;
    let pin = match plan.pin {
        Some(pin) => Some(sight(&tools, pin).await),
        None => None,
    };
    Ok(Checked { source, pin, targets: targets(snapshot, &namespace, code_sync) })
}

fn targets(snapshot: &Snapshot, namespace: &str, code_sync: &CodeSync) -> Vec<CheckedTarget> {
    let keys = snapshot.stage_targets(namespace, &code_sync.spec).into_iter().flatten();
    let checked = keys.map(|key| {
        let live = Target::find(snapshot, namespace, &key)
            .and_then(|target| target.live(key.entry.as_ref(), snapshot.shapes().of(key.kind)));
        let image = live.map(|live| live.image).map_err(|problem| problem.message);
        CheckedTarget { key, image }
    });
    checked.collect()
}

async fn sight(tools: &Tools, order: Order) -> Sighted {
    let Order { place, want, verify, cadence: _ } = order;
    let job = Job { id: 0, place, asked: vec![Asked { want, verify }], memory: Memory::default() };
    let report = carry_out(tools, job).await;
    report.findings.into_iter().next().map(|(_, finding)| Sighted::of(finding)).unwrap_or_default()
}

impl Sighted {
    fn of(finding: Finding) -> Self {
        let Finding { image, next_best, revision, tag_count, problem, unverified } = finding;
        let problem = problem.or_else(|| unverified.first().map(SourceProblem::from));
        let candidates = image.iter().chain(&next_best).map(crate::look::place::Found::candidate).collect();
        Self { candidates, revision, tag_count, problem }
    }
}

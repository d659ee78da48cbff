//! One look for one CodeSync, for people who try it: nothing is written, whoever asks.

use std::collections::HashMap;

use jiff::Timestamp;
use kube::{Client, ResourceExt as _};
use voxsync_cluster::Snapshot;
use voxsync_crds::{
    CodeSync,
    code_sync::{CandidateStatus, TargetKey},
    reference::short_digest,
};
use voxsync_promotion::{SourceProblem, TargetProblem, taken_first};

use crate::{
    Options,
    credentials::{CredentialProblem, SecretKeys, check_pull_secret, check_webhook_secret},
    look::{
        Asked, Job, Memory, Order, Tools, carry_out,
        place::{Finding, Found, JudgedBy, SecretName},
        plan,
    },
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
    /// The Secrets that no look needs.
    pub secrets: Vec<CheckedSecret>,
    /// What its targets say, in the order of the stages.
    pub targets: Vec<CheckedTarget>,
}

/// A Secret that no look needs, and whether it can be used.
#[derive(Clone, Debug)]
pub struct CheckedSecret {
    /// The field that names it, below `spec`.
    pub field: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it has what it is for.
    pub state: Result<(), Fault>,
}

/// Why something that a CodeSync names cannot be used.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What is wrong, and what to do.
    pub message: String,
    /// Whether it is not there at all.
    pub is_missing: bool,
}

/// A target, and what its code says.
#[derive(Clone, Debug)]
pub struct CheckedTarget {
    /// Which it is.
    pub key: TargetKey,
    /// The image, none where there is no code; or why it could not be written.
    pub image: Result<Option<String>, Fault>,
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
    /// Why the first one is not taken all the same: its tag was something else when it was.
    pub moved: Option<String>,
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
    let plan = plan(&code_sync.spec, &namespace, secret)?.allowed(options.git_file_root.as_deref())?;
    let tools = Tools::new(client, options);
    let source = sight(&tools, plan.source, |best| moved(code_sync, best)).await;
    let pin = match plan.pin {
        Some(pin) => Some(sight(&tools, pin, |_| None).await),
        None => None,
    };
    let secrets = secrets(&tools, &namespace, code_sync).await;
    Ok(Checked { source, pin, secrets, targets: targets(snapshot, &namespace, code_sync) })
}

/// What a Secret must have.
type Judge = fn(&SecretKeys) -> Result<(), CredentialProblem>;

async fn secrets(tools: &Tools, namespace: &str, code_sync: &CodeSync) -> Vec<CheckedSecret> {
    let spec = &code_sync.spec;
    let webhook = spec.source.webhook.as_ref().map(|webhook| webhook.secret_ref.name.as_str());
    let pull_secret = spec.write.as_ref().and_then(|write| write.image_pull_secret.as_deref());
    let named: [(_, _, Judge); 2] = [
        ("source.webhook.secretRef", webhook, check_webhook_secret),
        ("write.imagePullSecret", pull_secret, check_pull_secret),
    ];
    let mut checked = Vec::new();
    for (field, name, check) in named {
        let Some(name) = name else { continue };
        let state = tools.secrets.get(SecretName { namespace, name }).await.and_then(|keys| check(&keys));
        let state = state.map_err(|problem| Fault {
            message: problem.to_string(),
            is_missing: matches!(problem, CredentialProblem::Missing { .. }),
        });
        checked.push(CheckedSecret { field, name: name.to_owned(), state });
    }
    checked
}

/// Why the agent would not take a version tag: it was pushed again after it was taken.
fn moved(code_sync: &CodeSync, best: &CandidateStatus) -> Option<String> {
    let registry = code_sync.spec.source.registry.as_ref();
    if registry.is_some_and(|registry| registry.tag.follow.is_some()) {
        return None;
    }
    let first = taken_first(code_sync.status.as_ref()?, best)?;
    Some(format!(
        "{} was pushed again: it was {} when it was taken, and voxsync stays at that",
        best.tag.as_deref().unwrap_or_default(),
        short_digest(&first.digest)
    ))
}

fn targets(snapshot: &Snapshot, namespace: &str, code_sync: &CodeSync) -> Vec<CheckedTarget> {
    let keys = snapshot.stage_targets(namespace, &code_sync.spec).into_iter().flatten();
    let checked = keys.map(|key| {
        let live = Target::find(snapshot, namespace, &key)
            .and_then(|target| target.live(key.entry.as_ref(), snapshot.shapes().of(key.kind)));
        let image = live.map(|live| live.image).map_err(|problem| Fault {
            is_missing: problem.reason == TargetProblem::MISSING,
            message: problem.message,
        });
        CheckedTarget { key, image }
    });
    checked.collect()
}

async fn sight(tools: &Tools, order: Order, moved: impl Fn(&CandidateStatus) -> Option<String>) -> Sighted {
    let Order { place, want, verify, cadence: _ } = order;
    let job = Job {
        id: 0,
        place,
        asked: vec![Asked { want, verify }],
        is_afresh: false,
        kept: Vec::new(),
        sought: HashMap::new(),
        begun: Timestamp::now(),
        memory: Memory::default(),
    };
    let report = carry_out(tools, job).await;
    report.findings.into_iter().next().map(|(_, finding)| Sighted::of(finding, moved)).unwrap_or_default()
}

impl Sighted {
    fn of(finding: Finding, moved: impl Fn(&CandidateStatus) -> Option<String>) -> Self {
        let Finding { image, next_best, revision, tag_count, problem, unverified, judged_by, .. } = finding;
        let of_keys = judged_by.and_then(JudgedBy::problem);
        let unverified = of_keys.iter().chain(&unverified).next().map(SourceProblem::from);
        let problem = problem.or(unverified);
        let candidates = image.iter().chain(&next_best).map(Found::candidate).collect();
        let moved = image.filter(|image| !image.names_digest).and_then(|image| moved(&image.candidate()));
        Self { candidates, revision, tag_count, problem, moved }
    }
}

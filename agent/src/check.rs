//! One look for one CodeSync, for people who try it: nothing is written, whoever asks.

mod targets;
mod tries;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use kube::{Client, ResourceExt as _};
use voxsync_cluster::Snapshot;
use voxsync_crds::{
    CodeSync,
    code_sync::{CandidateStatus, Notification, PromotionFailure, known_as},
    reference::short_digest,
};
use voxsync_promotion::{ImageProblem, SourceProblem, is_same, taken_first};

pub use targets::CheckedTarget;
use targets::targets;
use tries::tries;
pub use tries::{CheckedCheck, Tried};

use crate::{
    Options,
    checks::NamedSecrets,
    credentials::{
        CredentialProblem, SecretKeys, check_pull_secret, check_webhook_secret, notification_destination,
        server_login, tls,
    },
    elsewhere,
    look::{
        Asked, Job, Memory, Order, Purpose, Tools, carry_out,
        place::{Finding, Found, JudgedBy, SecretName},
        plan,
    },
    observe::{first_target, pull_secret},
    upstream::{Upstream, upstream},
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
    /// What the checks of the stages say of what runs now.
    pub checks: Vec<CheckedCheck>,
}

/// A Secret that no look needs, and whether it can be used.
#[derive(Clone, Debug)]
pub struct CheckedSecret {
    /// The field that names it, below `spec`.
    pub field: &'static str,
    /// Its name, with the namespace where that is another one.
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

/// What one look found.
#[derive(Clone, Debug, Default)]
pub struct Sighted {
    /// The images that could run, the best first; more than one only where there is a `minimumAge`.
    pub candidates: Vec<CandidateStatus>,
    /// The tag or commit that was seen.
    pub revision: Option<String>,
    /// How many tags the repository has.
    pub tag_count: Option<u32>,
    /// Why there is no candidate, or what was wrong with the look.
    pub problem: Option<SourceProblem>,
    /// Why the first candidate would not be promoted all the same, one by one.
    pub obstacles: Vec<ImageProblem>,
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
    let upstream = upstream(snapshot, code_sync);
    elsewhere::check(snapshot, &namespace, &code_sync.spec)?;
    let plan = plan(&code_sync.spec, &namespace, secret, upstream.as_ref())?;
    let plan = plan.allowed(options.git_file_root.as_deref())?;
    let tools = Tools::new(client, options);
    let source = match plan.source {
        Some(source) => sight(&tools, source, |best| obstacles(code_sync, best, Purpose::Source)).await,
        None => Sighted { problem: upstream.and_then(Upstream::problem), ..Sighted::default() },
    };
    let pin = match plan.pin {
        Some(pin) => Some(sight(&tools, pin, |best| obstacles(code_sync, best, Purpose::Pin)).await),
        None => None,
    };
    let secrets = secrets(&tools, &namespace, code_sync).await;
    let checks = tries(&tools, snapshot, code_sync).await;
    Ok(Checked { source, pin, secrets, targets: targets(snapshot, &namespace, code_sync), checks })
}

/// Whether a Secret has what it is for.
type Judge<'a> = dyn Fn(&SecretKeys) -> Result<(), CredentialProblem> + 'a;

async fn secrets(tools: &Tools, own: &str, code_sync: &CodeSync) -> Vec<CheckedSecret> {
    let spec = &code_sync.spec;
    let check_in = async |namespace: &str, field, name: &str, judge: &Judge| {
        let state = tools.secrets.get(SecretName { namespace, name }).await.and_then(|keys| judge(&keys));
        let state = state.map_err(|problem| Fault {
            message: problem.to_string(),
            is_missing: matches!(problem, CredentialProblem::Missing { .. }),
        });
        CheckedSecret { field, name: known_as(own, namespace, name).into_owned(), state }
    };
    let check = async |field, name: &str, judge: &Judge| check_in(own, field, name, judge).await;
    let mut checked = Vec::new();
    if let Some(webhook) = &spec.source.webhook {
        checked
            .push(check("source.webhook.secretRef", &webhook.secret_ref.name, &check_webhook_secret).await);
    }
    if let Some(name) = spec.write.as_ref().and_then(|write| write.image_pull_secret.as_deref()) {
        // The kubelet looks for it where it pulls.
        for place in spec.pulling_namespaces(own) {
            checked.push(check_in(place, "write.imagePullSecret", name, &check_pull_secret).await);
        }
    }
    for Notification { channel, secret_ref, .. } in &spec.notifications {
        let judge = |keys: &SecretKeys| notification_destination(keys, *channel).map(drop);
        checked.push(check("notifications.secretRef", &secret_ref.name, &judge).await);
    }
    // Several checks mostly name the same ones.
    let mut seen = BTreeSet::new();
    let stages = spec.ordered_stages();
    for named in stages.iter().flat_map(|stage| &stage.checks).map(NamedSecrets::of) {
        let NamedSecrets { login, certificate, authority } = named;
        for (field, reference) in [
            ("stages.checks.secretRef", login),
            ("stages.checks.certSecretRef", certificate),
            ("stages.checks.caSecretRef", authority),
        ] {
            let Some(name) = reference.map(|reference| &reference.name) else { continue };
            if seen.insert((field, name)) {
                let is_login = field == "stages.checks.secretRef";
                let judge = |keys: &SecretKeys| {
                    if is_login { server_login(keys).map(drop) } else { tls(keys).map(drop) }
                };
                checked.push(check(field, name, &judge).await);
            }
        }
    }
    checked
}

/// Why the agent would not promote an image that was found, whoever signed it.
fn obstacles(code_sync: &CodeSync, best: &Found, purpose: Purpose) -> Vec<ImageProblem> {
    let candidate = best.candidate();
    let moved =
        (purpose == Purpose::Source && !best.names_digest).then(|| moved(code_sync, &candidate)).flatten();
    let failed = failed(code_sync, &candidate, purpose);
    moved.into_iter().chain(failed.or_else(|| quarantined(code_sync, &candidate))).collect()
}

/// It failed once, or a person left it.
fn quarantined(code_sync: &CodeSync, best: &CandidateStatus) -> Option<ImageProblem> {
    let status = code_sync.status.as_ref()?;
    let kept = status.quarantine.iter().find(|kept| kept.digest == best.digest)?;
    Some(ImageProblem {
        reason: "Quarantined".to_owned(),
        message: format!(
            "{} is in quarantine since {}: {}. It is not taken before `voxsync release-quarantine {} {} -n {}`",
            best.name,
            kept.since,
            kept.reason,
            code_sync.name_any(),
            kept.digest,
            code_sync.namespace().unwrap_or_default()
        ),
    })
}

/// A version tag that was pushed again after it was taken.
fn moved(code_sync: &CodeSync, best: &CandidateStatus) -> Option<ImageProblem> {
    let first = taken_first(&code_sync.spec, code_sync.status.as_ref()?, best)?;
    Some(ImageProblem {
        reason: "TagMoved".to_owned(),
        message: format!(
            "{} was pushed again: it was {} when it was taken, and voxsync stays at that",
            best.tag.as_deref().unwrap_or_default(),
            short_digest(&first.digest)
        ),
    })
}

/// A stage could not run it, and nothing else was tried since. A pin is tried again, but for one that failed itself.
fn failed(code_sync: &CodeSync, best: &CandidateStatus, purpose: Purpose) -> Option<ImageProblem> {
    let promotion = code_sync.status.as_ref()?.promotion.as_ref()?;
    let was_pin = promotion.candidate.source_revision.is_none();
    let is_it = is_same(&promotion.candidate, best) && (was_pin || purpose == Purpose::Source);
    let failure = promotion.failure.as_ref().filter(|_| is_it)?;
    Some(ImageProblem {
        reason: "Failed".to_owned(),
        message: format!(
            "{}. It is not tried again: go on with a newer one, or with `voxsync resume {} -n {}`",
            failed_before(failure),
            code_sync.name_any(),
            code_sync.namespace().unwrap_or_default()
        ),
    })
}

fn failed_before(failure: &PromotionFailure) -> String {
    let PromotionFailure { stage, reason, .. } = failure;
    let culprit = failure.culprit();
    match &failure.check {
        Some(_) => format!("{culprit} of stage {stage} failed with it"),
        None if reason == PromotionFailure::GATE => {
            format!("{culprit} of stage {stage} did not get its turn with it: {reason}")
        }
        None => format!("{culprit} of stage {stage} could not run it: {reason}"),
    }
}

async fn sight(tools: &Tools, order: Order, obstacles: impl Fn(&Found) -> Vec<ImageProblem>) -> Sighted {
    let Order { place, want, verify, cadence: _ } = order;
    let job = Job {
        id: 0,
        place,
        asked: vec![Asked { want, verify }],
        is_afresh: false,
        kept: Vec::new(),
        sought: HashMap::new(),
        begun: Timestamp::now(),
        memory: Memory::of_one_look(),
    };
    let report = carry_out(tools, job).await;
    report.findings.into_iter().next().map(|(_, finding)| Sighted::of(finding, obstacles)).unwrap_or_default()
}

impl Sighted {
    fn of(finding: Finding, obstacles: impl Fn(&Found) -> Vec<ImageProblem>) -> Self {
        let of_keys = finding.judged_by.clone().and_then(JudgedBy::problem);
        let doubt = of_keys.iter().chain(finding.doubts()).next().map(SourceProblem::from);
        let Finding { image, next_best, revision, tag_count, mut problem, .. } = finding;
        let candidates = image.iter().chain(&next_best).map(Found::candidate).collect();
        let obstacles = if let Some(best) = &image {
            let doubt = doubt.map(|SourceProblem { reason, message, .. }| ImageProblem { reason, message });
            doubt.into_iter().chain(obstacles(best)).collect()
        } else {
            // Of a source that is not verified, nothing is asked that it names.
            problem = problem.or(doubt);
            Vec::new()
        };
        Self { candidates, revision, tag_count, problem, obstacles }
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;

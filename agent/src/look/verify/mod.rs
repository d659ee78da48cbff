//! Whether what a look found is signed as a CodeSync wants it. The verdicts are those of `voxsync-verify`; here the
//! signatures and keys are fetched for them.
//!
//! A good verdict is remembered with a hash of what it was given by: an idle look reads no signatures, and a key that was
//! changed leads to another verdict. Whatever is not good is judged again at each look.

mod query;

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use voxsync_crds::code_sync::VerifiedStatus;
use voxsync_promotion::{SourceProblem, Unverified};
use voxsync_source::{
    git::{Revision, SignedObjects},
    registry::FoundSignature,
};
use voxsync_verify::{
    BadMaterial, Identity, ImageRules, ImageSignature, Keyless, PublicKeys, Refusal, SignedRevision, Signers,
    SimpleSignature, judge_image, judge_revision,
};

use self::query::CosignQuery;
pub(crate) use self::query::{Asked, Judged, VerifyQuery};
use super::{
    memory::Memory,
    place::{Access, Finding, Found, Place, SecretName, Want},
    tools::{Tools, credential_problem},
};
use crate::credentials::{CredentialProblem, SecretKeys};

/// The key of the Secret that `trustedRootSecretRef` names.
const TRUSTED_ROOT: &str = "trusted_root.json";

/// Why something has no good verdict.
#[derive(Clone)]
enum NoVerdict {
    /// It could not be judged now: what was judged before stays so.
    Failed(SourceProblem),
    /// There is nothing to judge by, so nothing is verified any more.
    NothingToJudgeBy(String),
    /// There is nothing of it that could be judged; another finding may have been.
    NothingToJudge(&'static str),
    /// It was judged.
    Refused(Refusal),
}

/// Judges the commit or tag that a look found; gives the finding where it is not good. `read` fetches its objects.
pub(crate) async fn revision(
    tools: &Tools,
    memory: &mut Memory,
    query: Option<&VerifyQuery>,
    (revision, shown): (&Revision, String),
    read: impl Future<Output = Result<SignedObjects, SourceProblem>>,
) -> Option<Finding> {
    let query = query?;
    let secret = query.git.as_deref()?;
    let refused = git_verdict(tools, memory, (query, secret), revision, read).await.err()?;
    let seen = Finding { revision: Some(shown.clone()), ..Finding::default() };
    let (unverified, failure) = refused.of(&shown, &format!("Git {shown}"));
    let problem = failure.unwrap_or_else(|| SourceProblem::from(&unverified));
    Some(Finding { problem: Some(problem), unverified: vec![unverified], ..seen })
}

async fn git_verdict(
    tools: &Tools,
    memory: &mut Memory,
    (query, secret): (&VerifyQuery, &str),
    revision: &Revision,
    read: impl Future<Output = Result<SignedObjects, SourceProblem>>,
) -> Result<(), NoVerdict> {
    let keys = material(tools, query.secret(secret)).await?;
    let judged = Judged { query: query.clone(), material: keys.hash, what: named(revision) };
    if memory.verdict(&judged).is_some() {
        return Ok(());
    }
    // Until it is good, each look judges by the Secret as it is then.
    tools.secrets.forget(query.secret(secret));
    let signers = Signers::parse(keys.files()).map_err(|bad| NoVerdict::bad(secret, &bad))?;
    let objects = read.await.map_err(NoVerdict::Failed)?;
    let tag = revision.tag.as_deref().map(|name| (name, objects.tag.as_deref()));
    let signed = SignedRevision { id: &revision.commit, commit: &objects.commit, tag };
    let by = judge_revision(&signers, &signed, Timestamp::now()).map_err(NoVerdict::Refused)?;
    memory.judged(judged, by);
    Ok(())
}

/// Judges the images of a finding.
pub(crate) async fn images(
    tools: &Tools,
    memory: &mut Memory,
    (place, asked): (&Place, &Asked),
    mut finding: Finding,
) -> Finding {
    let Some(query) = &asked.verify else { return finding };
    let Some(access) = access_of(place, &asked.want) else { return finding };
    if finding.image.is_none() && finding.next_best.is_empty() {
        return finding;
    }
    let by_git = git_signer(tools, memory, query, place).await;
    let judge = match (&by_git, &query.cosign) {
        (Ok(_), Some(cosign)) => Some(Judge::new(tools, query, cosign).await),
        (Err(_), _) | (_, None) => None,
    };
    let judge = judge.transpose();
    for image in finding.image.iter_mut().chain(&mut finding.next_best) {
        let by_cosign = match &judge {
            Ok(Some(judge)) => judge.verdict(tools, memory, image, access).await.map(Some),
            Ok(None) => Ok(None),
            Err(no_verdict) => Err(no_verdict.clone()),
        };
        let by_git = by_git.clone();
        match by_git.and_then(|by_git| Ok(by_git.into_iter().chain(by_cosign?).collect())) {
            Ok(by) => image.verified = Some(VerifiedStatus { by, rules: query.rules.clone() }),
            Err(no_verdict) => {
                let (unverified, failure) = no_verdict.of(&image.digest, &image_named(image));
                finding.unverified.push(unverified);
                finding.problem = finding.problem.or(failure);
            }
        }
    }
    finding
}

/// Who signed what names the image. A pin names it without a commit: nobody did.
async fn git_signer(
    tools: &Tools,
    memory: &Memory,
    query: &VerifyQuery,
    place: &Place,
) -> Result<Option<String>, NoVerdict> {
    let Some(secret) = &query.git else { return Ok(None) };
    let keys = material(tools, query.secret(secret)).await?;
    let what = memory.revision.as_ref().filter(|_| matches!(place, Place::Git { .. })).map(named);
    let judged = what.map(|what| Judged { query: query.clone(), material: keys.hash, what });
    match judged.and_then(|judged| memory.verdict(&judged)) {
        Some(by) => Ok(Some(by)),
        None => Err(NoVerdict::NothingToJudge(
            "a pin names an image and no commit, so verify.git has nothing to judge: pin what is the candidate already, or \
             let a signed commit name it",
        )),
    }
}

/// By what the images of one look are judged.
struct Judge<'q> {
    query: &'q VerifyQuery,
    secret: &'q str,
    material: Material,
    /// Made of the material when the first image asks for it.
    rules: OnceLock<Result<ImageRules, NoVerdict>>,
    cosign: &'q CosignQuery,
}

impl<'q> Judge<'q> {
    async fn new(tools: &Tools, query: &'q VerifyQuery, cosign: &'q CosignQuery) -> Result<Self, NoVerdict> {
        let secret = match cosign {
            CosignQuery::Keys(secret) | CosignQuery::Identities { root: secret, .. } => secret,
        };
        let material = material(tools, query.secret(secret)).await?;
        Ok(Self { query, secret, material, rules: OnceLock::new(), cosign })
    }

    async fn verdict(
        &self,
        tools: &Tools,
        memory: &mut Memory,
        image: &Found,
        access: &Access,
    ) -> Result<String, NoVerdict> {
        let what = format!("{}@{}", image.repository, image.digest);
        let judged = Judged { query: self.query.clone(), material: self.material.hash, what };
        if let Some(by) = memory.verdict(&judged) {
            return Ok(by);
        }
        // Until it is good, each look judges by the Secret as it is then.
        tools.secrets.forget(self.query.secret(self.secret));
        let rules = self.rules.get_or_init(|| self.rules()).as_ref().map_err(Clone::clone)?;
        let digest = image.digest.as_str();
        let found = tools
            .ask(&image.repository, access, |client| async move { client.signatures(digest).await })
            .await
            .map_err(NoVerdict::Failed)?;
        let signatures: Vec<ImageSignature> = found.into_iter().map(signature).collect();
        let by = judge_image(rules, digest, &signatures).map_err(NoVerdict::Refused)?;
        memory.judged(judged, by.clone());
        Ok(by)
    }

    fn rules(&self) -> Result<ImageRules, NoVerdict> {
        let secret = self.secret;
        let bad = |bad: BadMaterial| NoVerdict::bad(secret, &bad);
        match self.cosign {
            CosignQuery::Keys(_) => {
                PublicKeys::parse(self.material.files()).map(ImageRules::Keys).map_err(bad)
            }
            CosignQuery::Identities { identities, .. } => {
                let identity = |(issuer, subject): &(String, String)| Identity {
                    issuer: issuer.clone(),
                    subject: subject.clone(),
                };
                let root = self.material.files().find(|(name, _)| *name == TRUSTED_ROOT);
                let (_, root) = root.ok_or_else(|| {
                    NoVerdict::NothingToJudgeBy(format!(
                        "Secret {secret} has no key {TRUSTED_ROOT}: put the trusted root there"
                    ))
                })?;
                let keyless = Keyless::parse(TRUSTED_ROOT, root, identities.iter().map(identity).collect());
                keyless.map(|keyless| ImageRules::Identities(Box::new(keyless))).map_err(bad)
            }
        }
    }
}

fn signature(found: FoundSignature) -> ImageSignature {
    match found {
        FoundSignature::Simple { payload, annotations } => {
            ImageSignature::Simple(SimpleSignature { payload, annotations })
        }
        FoundSignature::Bundle(bundle) => ImageSignature::Bundle(bundle),
        FoundSignature::Unreadable(why) => ImageSignature::Unreadable(why),
    }
}

impl NoVerdict {
    fn bad(secret: &str, bad: &BadMaterial) -> Self {
        Self::NothingToJudgeBy(format!("Secret {secret}: {bad}"))
    }

    /// What is said of something, and what is wrong with its source, if that is the reason.
    fn of(self, what: &str, named: &str) -> (Unverified, Option<SourceProblem>) {
        let (what, refused) = (Some(what.to_owned()), Unverified::REFUSED.to_owned());
        match self {
            Self::Failed(problem) => {
                let SourceProblem { reason, message, .. } = problem.clone();
                (Unverified { what, reason, message, overrules: false }, Some(problem))
            }
            Self::NothingToJudgeBy(message) => {
                (Unverified { what: None, reason: refused, message, overrules: true }, None)
            }
            Self::NothingToJudge(why) => {
                let message = format!("{named}: {why}");
                (Unverified { what, reason: refused, message, overrules: false }, None)
            }
            Self::Refused(refusal) => {
                let is_missing = refusal == Refusal::Missing;
                let reason = if is_missing { Unverified::MISSING.to_owned() } else { refused };
                let message = format!("{named}: {refusal}");
                (Unverified { what, reason, message, overrules: true }, None)
            }
        }
    }
}

/// The keys that something is judged by.
struct Material {
    keys: Arc<SecretKeys>,
    hash: [u8; 32],
}

impl Material {
    fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.keys.files()
    }
}

async fn material(tools: &Tools, secret: SecretName<'_>) -> Result<Material, NoVerdict> {
    let keys = tools.secrets.get(secret).await.map_err(|problem| match problem {
        CredentialProblem::Missing { .. } => NoVerdict::NothingToJudgeBy(problem.to_string()),
        problem => NoVerdict::Failed(credential_problem(&problem)),
    })?;
    let mut hash = Sha256::new();
    for (name, bytes) in keys.files() {
        for part in [name.as_bytes(), bytes] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
    }
    Ok(Material { keys, hash: hash.finalize().into() })
}

/// How to get at the signatures of an image: as at the image itself.
fn access_of<'a>(place: &'a Place, want: &'a Want) -> Option<&'a Access> {
    match (place, want) {
        (_, Want::Named { image, .. } | Want::Built { image, .. }) => Some(image),
        (Place::Registry { access, .. } | Place::Image { access, .. }, _) => Some(access),
        (Place::Git { .. } | Place::File { .. }, _) => None,
    }
}

fn image_named(image: &Found) -> String {
    let tag = image.tag.as_ref().map_or_else(|| format!("@{}", image.digest), |tag| format!(":{tag}"));
    format!("{}{tag}", image.repository)
}

fn named(revision: &Revision) -> String {
    let tag = revision.tag.as_deref().unwrap_or_default();
    format!("{} {tag} {}", revision.commit, revision.tag_object.as_deref().unwrap_or_default())
}

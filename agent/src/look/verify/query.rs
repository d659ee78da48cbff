//! By what something is judged: names and hashes, never keys. Values only.

use voxsync_crds::code_sync::{CandidateStatus, Identity, Verify};
use voxsync_promotion::verify_rules;

use crate::look::place::{Access, Place, SecretName, Want};

/// What a CodeSync wants of a place, and by what that is judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(crate) want: Want,
    pub(crate) verify: Option<VerifyQuery>,
}

/// By what something is judged: names, never keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VerifyQuery {
    pub(super) namespace: String,
    pub(super) cosign: Option<CosignQuery>,
    /// The Secret with the signers of Git.
    pub(super) git: Option<String>,
    /// The hash of `spec.verify`.
    pub(super) rules: String,
}

/// How an image is judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum CosignQuery {
    /// By the keys in this Secret.
    Keys(String),
    /// By the trusted root in this Secret.
    Identities { root: String, identities: Vec<(String, String)> },
}

impl CosignQuery {
    pub(super) fn secret(&self) -> &str {
        match self {
            Self::Keys(secret) | Self::Identities { root: secret, .. } => secret,
        }
    }
}

/// What is promoted or pinned already, and stays to be judged whatever the source names by now.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// What its CodeSync asks of the source.
    pub(crate) asked: Asked,
    /// The image that a person pinned, where that is what named it.
    pub(crate) pin: Option<Place>,
    pub(crate) candidate: CandidateStatus,
}

/// Something that was judged to be good, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Judged {
    pub(super) query: VerifyQuery,
    /// SHA-256 of the keys.
    pub(super) material: [u8; 32],
    /// A digest, or a commit with its tag.
    pub(super) what: String,
}

impl Kept {
    /// How to get at its signatures, where a login for it is known: what another spec named gets none of this one's.
    pub(super) fn access<'a>(&'a self, place: &'a Place) -> Option<&'a Access> {
        let repository = &self.candidate.repository;
        match (self.pin.as_ref().unwrap_or(place), &self.asked.want) {
            (Place::Image { reference, access }, _) => {
                (reference.repository() == repository).then_some(access)
            }
            (Place::Registry { repository: of, access }, _) => (of == repository).then_some(access),
            // It gets a login only if that says itself for which host it is.
            (_, Want::Named { image, .. }) => Some(image),
            (_, Want::Built { template, image }) => (template.repository() == repository).then_some(image),
            _ => None,
        }
    }
}

impl From<Want> for Asked {
    fn from(want: Want) -> Self {
        Self { want, verify: None }
    }
}

impl VerifyQuery {
    /// What the spec of a CodeSync in a namespace says.
    ///
    /// # Errors
    /// A sentence that names the field and says what would be right.
    pub(crate) fn of(verify: &Verify, namespace: &str) -> Result<Self, String> {
        let cosign = verify.cosign.as_ref().map(|cosign| {
            match (&cosign.keys, &cosign.identities, &cosign.trusted_root_secret_ref) {
                (Some(keys), None, None) => Ok(CosignQuery::Keys(keys.secret_ref.name.clone())),
                (None, Some(identities), Some(root)) => {
                    let pair = |one: &Identity| (one.issuer.clone(), one.subject.clone());
                    let identities = identities.iter().map(pair).collect();
                    Ok(CosignQuery::Identities { root: root.name.clone(), identities })
                }
                _ => Err("verify.cosign: give keys, or identities with trustedRootSecretRef".to_owned()),
            }
        });
        let (cosign, git) =
            (cosign.transpose()?, verify.git.as_ref().map(|git| git.keys.secret_ref.name.clone()));
        if cosign.is_none() && git.is_none() {
            return Err("verify: give cosign, git, or both".to_owned());
        }
        Ok(Self { namespace: namespace.to_owned(), cosign, git, rules: verify_rules(verify) })
    }

    /// The Secrets that it names.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = SecretName<'_>> {
        let names = self.git.as_deref().into_iter().chain(self.cosign.as_ref().map(CosignQuery::secret));
        names.map(|name| self.secret(name))
    }

    pub(super) fn secret<'q>(&'q self, name: &'q str) -> SecretName<'q> {
        SecretName { namespace: &self.namespace, name }
    }
}

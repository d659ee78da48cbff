//! The keys that a look judges by: read once, and the same for all that it finds.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use sha2::{Digest as _, Sha256};
use voxsync_promotion::SourceProblem;
use voxsync_verify::{Identity, ImageRules, Keyless, PublicKeys, Signers};

use super::query::{Asked, CosignQuery, VerifyQuery};
use crate::{
    credentials::{CredentialProblem, SecretKeys},
    look::{
        memory::Memory,
        place::SecretName,
        tools::{Tools, credential_problem},
    },
};

/// The key of the Secret that `trustedRootSecretRef` names.
const TRUSTED_ROOT: &str = "trusted_root.json";

/// The keys of all queries of a look.
pub(super) struct Keyring(HashMap<VerifyQuery, Result<Keys, NoKeys>>);

/// Why there are no keys.
#[derive(Clone, Debug)]
pub(super) enum NoKeys {
    /// It is not known whether there are: what was judged before stays so.
    Unread(SourceProblem),
    /// There is nothing to judge by, so nothing is verified any more.
    Nothing(String),
}

/// What the Secrets of one query hold.
pub(super) struct Keys {
    /// What names them in a verdict: SHA-256 of all that they hold, in hexadecimal.
    pub(super) name: String,
    pub(super) git: Option<Material>,
    pub(super) cosign: Option<Material>,
    signers: OnceLock<Result<Signers, String>>,
    image_rules: OnceLock<Result<ImageRules, String>>,
}

/// What one Secret holds.
pub(super) struct Material {
    secret: String,
    keys: Arc<SecretKeys>,
    pub(super) hash: [u8; 32],
}

impl Keyring {
    /// Reads the Secrets that are named.
    pub(super) async fn read(tools: &Tools, memory: &mut Memory, asked: &[Asked]) -> Self {
        let mut read = HashMap::new();
        for query in asked.iter().filter_map(|asked| asked.verify.as_ref()) {
            if !read.contains_key(query) {
                let keys = Keys::read(tools, query).await;
                read.insert(query.clone(), keys.and_then(|keys| keys.usable(memory, query)));
            }
        }
        Self(read)
    }

    pub(super) fn of(&self, query: &VerifyQuery) -> Result<&Keys, NoKeys> {
        match self.0.get(query) {
            Some(Ok(keys)) => Ok(keys),
            Some(Err(no_keys)) => Err(no_keys.clone()),
            None => Err(NoKeys::Nothing("its keys were not read".to_owned())),
        }
    }
}

impl Keys {
    async fn read(tools: &Tools, query: &VerifyQuery) -> Result<Self, NoKeys> {
        let git = match &query.git {
            Some(secret) => Some(Material::read(tools, query.secret(secret)).await?),
            None => None,
        };
        let cosign = match &query.cosign {
            Some(cosign) => Some(Material::read(tools, query.secret(cosign.secret())).await?),
            None => None,
        };
        let mut hash = Sha256::new();
        for material in [&git, &cosign] {
            hash.update(material.as_ref().map_or(&[][..], |material| &material.hash));
        }
        let name = hex::encode(hash.finalize());
        Ok(Self { name, git, cosign, signers: OnceLock::new(), image_rules: OnceLock::new() })
    }

    /// Whether something can be judged by them; what was found out about them once stays so.
    fn usable(self, memory: &mut Memory, query: &VerifyQuery) -> Result<Self, NoKeys> {
        let known = memory.are_usable(query, &self.name);
        let usable = known.unwrap_or_else(|| {
            let signers = self.git.as_ref().map_or(Ok(()), |_| self.signers().map(drop));
            let rules = || query.cosign.as_ref().map_or(Ok(()), |cosign| self.image_rules(cosign).map(drop));
            let usable = signers.and_then(|()| rules());
            memory.found_of_keys(query, self.name.clone(), usable.clone());
            usable
        });
        usable.map(|()| self).map_err(NoKeys::Nothing)
    }

    pub(super) fn signers(&self) -> Result<&Signers, String> {
        let parse = || {
            let material = self.git.as_ref().ok_or("verify.git names no Secret")?;
            Signers::parse(material.keys.files()).map_err(|bad| material.says(&bad))
        };
        self.signers.get_or_init(parse).as_ref().map_err(Clone::clone)
    }

    pub(super) fn image_rules(&self, cosign: &CosignQuery) -> Result<&ImageRules, String> {
        let parse = || self.cosign.as_ref().ok_or("verify.cosign names no Secret")?.image_rules(cosign);
        self.image_rules.get_or_init(parse).as_ref().map_err(Clone::clone)
    }
}

impl Material {
    async fn read(tools: &Tools, name: SecretName<'_>) -> Result<Self, NoKeys> {
        let keys = tools.secrets.get(name).await.map_err(|problem| match problem {
            CredentialProblem::Missing { .. } => NoKeys::Nothing(problem.to_string()),
            problem => NoKeys::Unread(credential_problem(&problem)),
        })?;
        let mut hash = Sha256::new();
        for (name, bytes) in keys.files() {
            for part in [name.as_bytes(), bytes] {
                hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                hash.update(part);
            }
        }
        Ok(Self { secret: name.name.to_owned(), keys, hash: hash.finalize().into() })
    }

    fn image_rules(&self, cosign: &CosignQuery) -> Result<ImageRules, String> {
        let CosignQuery::Identities { identities, .. } = cosign else {
            let keys = PublicKeys::parse(self.keys.files());
            return keys.map(ImageRules::Keys).map_err(|bad| self.says(&bad));
        };
        let identity = |(issuer, subject): &(String, String)| Identity {
            issuer: issuer.clone(),
            subject: subject.clone(),
        };
        let root = self.keys.files().find(|(name, _)| *name == TRUSTED_ROOT);
        let (_, root) = root.ok_or_else(|| {
            format!("Secret {} has no key {TRUSTED_ROOT}: put the trusted root there", self.secret)
        })?;
        let keyless = Keyless::parse(TRUSTED_ROOT, root, identities.iter().map(identity).collect());
        keyless.map(|keyless| ImageRules::Identities(Box::new(keyless))).map_err(|bad| self.says(&bad))
    }

    fn says(&self, bad: &impl ToString) -> String {
        format!("Secret {}: {}", self.secret, bad.to_string())
    }
}

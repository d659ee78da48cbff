//! Which tags are judged, by which policy.

use std::collections::HashMap;

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;
use kube::{Api, Client};
use voxsync_agent::{RepositoryTags, ripe_at};
use voxsync_crds::{
    CodeSync,
    code_sync::{CandidateStatus, RegistrySource, TagRule},
    duration::DurationText,
};
use voxsync_policy::TagPolicy;
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::{
    listing,
    tried::{parts, tried},
};
use crate::{
    arguments::{Connection, TagsOptions, names},
    connect::connect,
    kinds,
    one_look::OneLook,
};

/// Tags, and who judges them.
pub struct Subject {
    pub policy: TagPolicy,
    /// The policy in a few words.
    pub rule: String,
    /// One tag a line.
    pub tags: String,
    pub built: HashMap<String, Timestamp>,
    /// What a CodeSync knows of the ages that its candidates must reach.
    pub patience: Option<Patience>,
}

/// What is too young by a CodeSync's `minimumAge`.
pub struct Patience {
    minimum_age: std::time::Duration,
    /// What waits for its age.
    ripening: Vec<CandidateStatus>,
    /// What was taken last.
    taken: Option<String>,
}

impl Patience {
    /// What the CodeSync knows, with its own `minimumAge` or another one in mind.
    fn of(code_sync: &CodeSync, other: Option<&DurationText>) -> anyhow::Result<Option<Self>> {
        let Some(age) = other.or(code_sync.spec.minimum_age.as_ref()) else { return Ok(None) };
        let minimum_age = age.to_duration().map_err(|error| anyhow!("minimumAge: {error}"))?;
        let status = code_sync.status.clone().unwrap_or_default();
        let taken = status.candidate.and_then(|candidate| candidate.tag);
        let patience = Self { minimum_age, ripening: status.ripening, taken };
        Ok(Some(patience).filter(|patience| !patience.minimum_age.is_zero()))
    }

    /// Why a tag is too young, if it is.
    pub fn why_not(&self, tag: &str, now: Timestamp) -> Option<String> {
        if self.taken.as_deref() == Some(tag) {
            return None;
        }
        let Some(known) = self.ripening.iter().find(|known| known.tag.as_deref() == Some(tag)) else {
            return Some("too young: voxsync did not see it yet".to_owned());
        };
        let ripe = ripe_at(known, self.minimum_age).timestamp();
        (ripe > now).then(|| format!("too young until {}", ripe.strftime("%F %H:%M:%SZ")))
    }
}

/// What the command line means.
pub async fn of(connection: &Connection, options: TagsOptions) -> anyhow::Result<Subject> {
    let is_ruled = options.policy.has_rule();
    let is_named = options.subject.as_ref().is_some_and(|name| !name.contains('/'));
    if options.policy.minimum_age.is_some() && !is_named {
        bail!("--minimum-age is for a CodeSync: nobody else knows since when a tag is there");
    }
    match (&options.from, options.subject.clone()) {
        (Some(_), _) if options.policy.newest_build => {
            bail!("--newest-build is for a repository: a list has no build times")
        }
        (Some(file), _) => {
            let (policy, rule) = policy_of(&given(String::new(), &options)?)?;
            let tags = listing::read(file)?;
            Ok(Subject { policy, rule, tags, built: HashMap::new(), patience: None })
        }
        (None, Some(repository)) if is_ruled && !is_named => {
            let source = given(repository, &options)?;
            let (policy, rule) = policy_of(&source)?;
            // Nobody's Secrets are asked for.
            let client = Sandbox::new(SandboxOptions::default()).client("default");
            let (tags, built) = asked(client, &source, None, options).await?;
            Ok(Subject { policy, rule, tags, built, patience: None })
        }
        (None, Some(name)) if !is_named => bail!(
            "{name} is a repository, and needs a policy: one of --semver, --calver, --numerical, --alphabetical, \
             --newest-build and --follow"
        ),
        (None, Some(name)) => of_code_sync(connection, &name, options).await,
        (None, None) => bail!("name a repository, a CodeSync, or a list with --from"),
    }
}

async fn of_code_sync(connection: &Connection, name: &str, options: TagsOptions) -> anyhow::Result<Subject> {
    if names::name(name).is_err() {
        bail!("{name:?} is neither a repository, which has a /, nor the name of a CodeSync");
    }
    let (client, namespace) = connect(connection).await?;
    let api: Api<CodeSync> = Api::namespaced(client.clone(), &namespace);
    let code_sync = kinds::find_code_sync(&api, &namespace, name).await?.with_context(|| {
        let missing = kinds::no_code_sync(&namespace, name);
        let hint = if options.policy.has_rule() {
            format!("an image of Docker Hub is called docker.io/library/{name}")
        } else {
            "a repository needs a policy, for instance --semver '*'".to_owned()
        };
        format!("{missing}; {hint}")
    })?;
    let own = code_sync.spec.source.registry.as_ref().with_context(|| {
        format!(
            "codesync {namespace}/{name} follows no registry: see `voxsync check {}`",
            kinds::named(&namespace, name)
        )
    })?;
    let source = tried(own, &options.policy)?;
    let patience = Patience::of(&code_sync, options.policy.minimum_age.as_ref())?;
    let (policy, rule) = policy_of(&source)?;
    let rule = if options.policy.is_given() {
        let (parts, own) = (parts(&options.policy), code_sync.spec.source.summary());
        format!("{rule}{parts}, tried on codesync {namespace}/{name} ({own})")
    } else {
        rule
    };
    let (tags, built) = asked(client, &source, Some(&namespace), options).await?;
    Ok(Subject { policy, rule, tags, built, patience })
}

async fn asked(
    client: Client,
    source: &RegistrySource,
    namespace: Option<&str>,
    options: TagsOptions,
) -> anyhow::Result<(String, HashMap<String, Timestamp>)> {
    let one_look = OneLook::prepare(options.look).await?;
    let asked = voxsync_agent::tags(client, source, namespace, &one_look.options);
    let answer = tokio::time::timeout(options.timeout, asked).await;
    let RepositoryTags { tags, built } = answer
        .map_err(|_| anyhow!("{} gave no answer within --timeout {:?}", source.repository, options.timeout))?
        .map_err(|problem| anyhow!(problem))?;
    Ok((tags, built))
}

fn policy_of(source: &RegistrySource) -> anyhow::Result<(TagPolicy, String)> {
    let policy = TagPolicy::of(source)?;
    let summary = source.tag.summary();
    let rule = source.tag.follow.as_ref().map_or_else(|| summary.to_owned(), |tag| format!("follow {tag}"));
    Ok((policy, rule))
}

/// The source that a CodeSync with the policy of the command line would have.
fn given(repository: String, options: &TagsOptions) -> anyhow::Result<RegistrySource> {
    let source = RegistrySource {
        repository,
        tag: TagRule::default(),
        matching: None,
        ignore: Vec::new(),
        secret_ref: None,
        cert_secret_ref: None,
        cert_config_map_ref: None,
        insecure: options.insecure,
    };
    tried(&source, &options.policy)
}

//! Which tags are judged, by which policy.

use std::collections::HashMap;

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;
use kube::{Api, Client};
use voxsync_agent::{RepositoryTags, ripe_at};
use voxsync_crds::{
    CodeSync,
    code_sync::{CandidateStatus, NewestBuild, Ordered, RegistrySource, Select, TagRule},
};
use voxsync_policy::TagPolicy;
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::listing;
use crate::{
    arguments::{Connection, PolicyArguments, SelectArgument, TagsOptions},
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
    fn of(code_sync: &CodeSync) -> anyhow::Result<Option<Self>> {
        let Some(age) = &code_sync.spec.minimum_age else { return Ok(None) };
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
    let is_ruled = has_rule(&options.policy);
    let has_select = options.policy.numerical || options.policy.alphabetical;
    if options.policy.select == Some(SelectArgument::Lowest) && !has_select {
        bail!("--select lowest is for --numerical and --alphabetical: other rules have only one end");
    }
    match (&options.from, options.subject.clone()) {
        (Some(_), _) if options.policy.newest_build => {
            bail!("--newest-build is for a repository: a list has no build times")
        }
        (Some(file), _) => {
            let (policy, rule) = policy_of(&registry_source(String::new(), &options))?;
            let tags = listing::read(file)?;
            Ok(Subject { policy, rule, tags, built: HashMap::new(), patience: None })
        }
        (None, Some(repository)) if is_ruled && repository.contains('/') => {
            let source = registry_source(repository, &options);
            let (policy, rule) = policy_of(&source)?;
            // Nobody's Secrets are asked for.
            let client = Sandbox::new(SandboxOptions::default()).client("default");
            let (tags, built) = asked(client, &source, None, options).await?;
            Ok(Subject { policy, rule, tags, built, patience: None })
        }
        (None, Some(name)) if name.contains('/') => bail!(
            "{name} is a repository, and needs a policy: one of --semver, --calver, --numerical, --alphabetical, \
             --newest-build and --follow"
        ),
        (None, Some(name)) => of_code_sync(connection, &name, options).await,
        (None, None) => bail!("name a repository, a CodeSync, or a list with --from"),
    }
}

async fn of_code_sync(connection: &Connection, name: &str, options: TagsOptions) -> anyhow::Result<Subject> {
    let (client, namespace) = connect(connection).await?;
    let api: Api<CodeSync> = Api::namespaced(client.clone(), &namespace);
    let is_tried = has_rule(&options.policy);
    let code_sync = kinds::find_code_sync(&api, &namespace, name).await?.with_context(|| {
        let missing = kinds::no_code_sync(&namespace, name);
        let hint = if is_tried {
            format!("an image of Docker Hub is called docker.io/library/{name}")
        } else {
            "a repository needs a policy, for instance --semver '*'".to_owned()
        };
        format!("{missing}; {hint}")
    })?;
    let source = code_sync.spec.source.registry.as_ref().with_context(|| {
        format!("codesync {namespace}/{name} follows no registry: see `voxsync check {name}`")
    })?;
    if is_tried {
        // What another policy would take has no ages yet.
        let source = tried_on(source, &options);
        let has_age = code_sync.spec.minimum_age.is_some();
        let without = if has_age { " without its minimumAge" } else { "" };
        let ((policy, tried), own) = (policy_of(&source)?, code_sync.spec.source.summary());
        let rule = format!("{tried}, tried on codesync {namespace}/{name} ({own}){without}");
        let (tags, built) = asked(client, &source, Some(&namespace), options).await?;
        return Ok(Subject { policy, rule, tags, built, patience: None });
    }
    let (policy, rule) = policy_of(source)?;
    let patience = Patience::of(&code_sync)?;
    let (tags, built) = asked(client, source, Some(&namespace), options).await?;
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

fn has_rule(policy: &PolicyArguments) -> bool {
    let PolicyArguments { semver, calver, numerical, alphabetical, newest_build, follow, .. } = policy;
    semver.is_some() || calver.is_some() || *numerical || *alphabetical || *newest_build || follow.is_some()
}

/// The same repository and login with the policy of the command line.
fn tried_on(source: &RegistrySource, options: &TagsOptions) -> RegistrySource {
    let RegistrySource { tag, matching, ignore, .. } = registry_source(String::new(), options);
    RegistrySource { tag, matching, ignore, ..source.clone() }
}

/// The source that a CodeSync with this policy would have.
fn registry_source(repository: String, options: &TagsOptions) -> RegistrySource {
    let policy = options.policy.clone();
    let select = policy.select.map(|select| match select {
        SelectArgument::Highest => Select::Highest,
        SelectArgument::Lowest => Select::Lowest,
    });
    RegistrySource {
        repository,
        tag: TagRule {
            semver: policy.semver,
            calver: policy.calver,
            numerical: policy.numerical.then_some(Ordered { select }),
            alphabetical: policy.alphabetical.then_some(Ordered { select }),
            newest_build: policy.newest_build.then_some(NewestBuild {}),
            follow: policy.follow,
        },
        matching: policy.matching,
        ignore: policy.ignore,
        secret_ref: None,
        cert_secret_ref: None,
        cert_config_map_ref: None,
        insecure: options.insecure,
    }
}

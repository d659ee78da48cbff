//! A look at a Git repository: one request for names; a file is read only at a commit that is new.

use std::time::Duration;

use voxsync_crds::CodeReference;
use voxsync_policy::{TagPolicy, TagRule};
use voxsync_promotion::SourceProblem;
use voxsync_source::{
    field::{self, Selection},
    git::{self, GitError, GitLogin, GitProblem, GitRef, GitRemote, GitUrl, Revision},
};

use super::{
    image::{found, resolve},
    memory::{Memory, Named},
    place::{Access, FieldQuery, Finding, Found, GitFollow, IMAGE_UNAVAILABLE, Want},
    tools::{Tools, credential_problem},
};
use crate::credentials::git_login;

/// How long one look or read may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Looks for what is wanted of a branch or of tags.
pub(crate) async fn look(
    tools: &Tools,
    memory: &mut Memory,
    (url, follow, access): (&GitUrl, &GitFollow, &Access),
    wants: Vec<Want>,
) -> Vec<(Want, Finding)> {
    let seen = match revision(tools, url, follow, access).await {
        Ok(seen) => seen,
        Err(problem) => {
            return wants.into_iter().map(|want| (want, Finding::problem(problem.clone()))).collect();
        }
    };
    let (remote, revision) = seen;
    if memory.revision.as_ref() != Some(&revision) {
        memory.files.clear();
        memory.revision = Some(revision.clone());
    }
    let mut findings = Vec::with_capacity(wants.len());
    for want in wants {
        let finding = match &want {
            Want::Named { field, image } => {
                named(tools, memory, (&remote, &revision), &want, (field, image)).await
            }
            _ => Finding::default(),
        };
        findings.push((want, finding));
    }
    findings
}

async fn revision(
    tools: &Tools,
    url: &GitUrl,
    follow: &GitFollow,
    access: &Access,
) -> Result<(GitRemote, Revision), SourceProblem> {
    let reference = match follow {
        GitFollow::Branch(branch) => GitRef::Branch(branch.clone()),
        GitFollow::Tag(range) => {
            let policy = TagRule::semver(range).and_then(|rule| TagPolicy::new(rule, None, &[]));
            GitRef::Tag(policy.map_err(|error| unusable("BadPolicy", error.to_string()))?)
        }
    };
    let first = remote(tools, url, access).await?;
    let problem = match ask(tools, &first, &reference).await {
        Ok(revision) => return Ok((first, revision)),
        Err(error) => problem_of(&error),
    };
    let Some(login) = access.login().filter(|_| problem.reason == "Unauthorized") else {
        return Err(problem);
    };
    tools.secrets.forget(login);
    let renewed = remote(tools, url, access).await?;
    if renewed == first {
        return Err(tools.with_keys(problem, access).await);
    }
    match ask(tools, &renewed, &reference).await {
        Ok(revision) => Ok((renewed, revision)),
        Err(error) => Err(tools.with_keys(problem_of(&error), access).await),
    }
}

async fn ask(tools: &Tools, remote: &GitRemote, reference: &GitRef) -> Result<Revision, GitError> {
    let _permit = tools.permit(remote.url.host()).await;
    git::look(remote, reference).await
}

async fn remote(tools: &Tools, url: &GitUrl, access: &Access) -> Result<GitRemote, SourceProblem> {
    let keys = tools.login_keys(access).await.map_err(|error| credential_problem(&error))?;
    let login = keys.map_or(Ok(GitLogin::Anonymous), |keys| git_login(&keys));
    let tls = tools.tls(access).await.map_err(|error| credential_problem(&error))?;
    Ok(GitRemote {
        url: url.clone(),
        login: login.map_err(|error| credential_problem(&error))?,
        ca_pem: tls.authorities,
        identity_pem: tls.identity,
        file_root: tools.git_file_root.clone(),
        timeout: TIMEOUT,
        traffic: tools.metrics.traffic(),
    })
}

async fn named(
    tools: &Tools,
    memory: &mut Memory,
    (remote, revision): (&GitRemote, &Revision),
    want: &Want,
    (field, image): (&FieldQuery, &Access),
) -> Finding {
    let shown = revision.tag.clone().unwrap_or_else(|| revision.commit.clone());
    let seen = Finding { revision: Some(shown.clone()), ..Finding::default() };
    let named = match memory.files.get(field) {
        Some(known) => known.clone(),
        None => match read(tools, remote, revision, field).await {
            Ok(named) => {
                memory.files.insert(field.clone(), named.clone());
                named
            }
            Err(problem) => Err(problem),
        },
    };
    let named = match named {
        Ok(named) => named,
        Err(problem) => return Finding { problem: Some(problem), ..seen },
    };
    match resolve(tools, memory, want, &named.reference, image).await {
        Ok(facts) => {
            let image = Found {
                author: named.author,
                source_revision: Some(shown),
                ..found(&named.reference, &facts)
            };
            Finding { image: Some(image), ..seen }
        }
        Err(problem) => Finding { problem: Some(not_yet(problem)), ..seen },
    }
}

/// What a file of the commit names; the outer error is one of the way there, which may end by itself.
async fn read(
    tools: &Tools,
    remote: &GitRemote,
    revision: &Revision,
    field: &FieldQuery,
) -> Result<Result<Named, SourceProblem>, SourceProblem> {
    let _permit = tools.permit(remote.url.host()).await;
    let file = match git::read_file(remote, revision, &field.path, &tools.cache_folder).await {
        Ok(file) => file,
        Err(error) => {
            let problem = problem_of(&error);
            return if problem.unreachable { Err(problem) } else { Ok(Err(problem)) };
        }
    };
    let place = || format!("Git {}: {} at commit {}", remote.url, field.path, short(&file.commit));
    let named = reference_in(&file.bytes, field)
        .map_err(|reason| unusable("BadReference", format!("{}: {reason}", place())));
    Ok(named.map(|reference| Named { reference, author: Some(file.author.clone()) }))
}

/// The reference in a file of a repository.
fn reference_in(bytes: &[u8], query: &FieldQuery) -> Result<CodeReference, String> {
    let text = field::reference_in(bytes, selection(query)).map_err(|error| error.with_names())?;
    CodeReference::parse(&text).map_err(|error| error.to_string())
}

pub(crate) fn selection(query: &FieldQuery) -> Selection<'_> {
    Selection { field: query.field.as_deref(), kind: query.kind.as_deref(), name: query.name.as_deref() }
}

/// The source itself answered: only the image that it names is not there yet.
pub(crate) fn not_yet(problem: SourceProblem) -> SourceProblem {
    SourceProblem { reason: IMAGE_UNAVAILABLE.to_owned(), unreachable: false, ..problem }
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

fn unusable(reason: &str, message: String) -> SourceProblem {
    SourceProblem { reason: reason.to_owned(), message, unreachable: false }
}

fn problem_of(error: &GitError) -> SourceProblem {
    let (reason, unreachable) = sort(&error.problem);
    SourceProblem { reason: reason.to_owned(), message: error.to_string(), unreachable }
}

/// A word for programs, and whether the repository could not be asked at all.
fn sort(problem: &GitProblem) -> (&'static str, bool) {
    match problem {
        GitProblem::LoginNeeded(_)
        | GitProblem::LoginRefused(_)
        | GitProblem::Forbidden
        | GitProblem::LoginMismatch(_)
        | GitProblem::HostKeyUnknown { .. }
        | GitProblem::HostKeyChanged { .. } => ("Unauthorized", true),
        GitProblem::RepositoryMissing(_) => ("NotFound", true),
        GitProblem::BranchMissing { .. } | GitProblem::BranchName(_) => ("NotFound", false),
        GitProblem::NoTag(_) => ("NoMatch", false),
        GitProblem::PathMalformed { .. }
        | GitProblem::PathMissing { .. }
        | GitProblem::NotAFile { .. }
        | GitProblem::FileTooLarge { .. } => ("BadReference", false),
        _ => ("Unreachable", true),
    }
}

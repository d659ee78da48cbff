//! A look at a Git repository: one request for names; a commit is read only if it is new, and one that is named by its
//! id only once.

use voxsync_crds::{CodeReference, code_sync::GitObjects, commit::short_commit};
use voxsync_policy::TagPolicy;
use voxsync_promotion::SourceProblem;
use voxsync_source::{
    field::{self, Selection},
    git::{self, GitError, GitProblem, GitRef, GitUrl, ImageTemplate, Revision, SignedObjects},
};

use super::{
    git_server::{Failure, Source},
    image::{found, resolve},
    memory::{Author, Memory, Named},
    place::{
        Access, BAD_REFERENCE, FieldQuery, Finding, Found, GitFollow, IMAGE_UNAVAILABLE, NOT_FOUND,
        PLATFORM_MISSING, Want, unusable,
    },
    tools::Tools,
    verify::{Asked, Verifier},
};

/// Looks for what is wanted of a branch, of tags or of a commit.
pub(crate) async fn look(
    tools: &Tools,
    memory: &mut Memory,
    (url, follow, access): (&GitUrl, &GitFollow, &Access),
    verifier: &Verifier<'_>,
    asked: Vec<Asked>,
) -> Vec<(Asked, Finding)> {
    let source = Source { tools, url, access };
    let revision = match source.revision(memory, follow, &asked).await {
        Ok(revision) => revision,
        Err(problem) => {
            return asked.into_iter().map(|asked| (asked, Finding::problem(problem.clone()))).collect();
        }
    };
    if memory.revision.as_ref() != Some(&revision) {
        memory.files.clear();
        memory.author = None;
        memory.revision = Some(revision.clone());
    }
    let mut findings = Vec::with_capacity(asked.len());
    for asked in asked {
        // Nothing that an unsigned commit names is asked for.
        let seen = (&revision, shown(&revision));
        let refused = verifier.revision(memory, asked.verify.as_ref(), &source, seen).await;
        let want = &asked.want;
        let finding = match (refused, want) {
            (Some(refused), _) => refused,
            (None, Want::Named { field, image }) => {
                source.named(memory, &revision, want, (field, image)).await
            }
            (None, Want::Built { template, image }) => {
                source.built(memory, &revision, want, (template, image)).await
            }
            (None, _) => Finding::default(),
        };
        findings.push((asked, finding));
    }
    findings
}

impl Source<'_> {
    /// Where the reference is now. A commit that was read is not asked for again: it stays what it is.
    async fn revision(
        &self,
        memory: &Memory,
        follow: &GitFollow,
        asked: &[Asked],
    ) -> Result<Revision, SourceProblem> {
        let reference = match follow {
            GitFollow::Branch(branch) => GitRef::Branch(branch.clone()),
            GitFollow::Tag(tag) => {
                GitRef::Tag(TagPolicy::of_git(tag).map_err(|error| unusable("BadPolicy", error.to_string()))?)
            }
            GitFollow::Commit(commit) => GitRef::Commit(commit.clone()),
        };
        let is_read = |want: &Want| match want {
            Want::Named { field, .. } => memory.files.contains_key(field),
            Want::Built { .. } => memory.author.is_some(),
            _ => true,
        };
        if let (GitFollow::Commit(_), Some(known)) = (follow, &memory.revision)
            && asked.iter().all(|asked| is_read(&asked.want))
        {
            return Ok(known.clone());
        }
        let reference = &reference;
        self.ask(|remote| async move { git::look(&remote, reference).await })
            .await
            .map_err(Failure::into_problem)
    }

    /// The image that a file of the commit names.
    async fn named(
        &self,
        memory: &mut Memory,
        revision: &Revision,
        want: &Want,
        (field, image): (&FieldQuery, &Access),
    ) -> Finding {
        let named = match memory.files.get(field) {
            Some(known) => known.clone(),
            None => match self.read(revision, field).await {
                Ok(named) => {
                    memory.files.insert(field.clone(), named.clone());
                    named
                }
                Err(problem) => Err(problem),
            },
        };
        let seen = Finding { revision: Some(shown(revision)), ..Finding::default() };
        match named {
            Ok(named) => {
                let image =
                    resolve(self.tools, memory, want, &named.reference, image).await.map(|facts| Found {
                        author: named.author,
                        source_revision: seen.revision.clone(),
                        named_by: Some(objects(revision)),
                        ..found(&named.reference, &facts)
                    });
                with_image(seen, image.map_err(not_yet))
            }
            Err(problem) => Finding { problem: Some(problem), ..seen },
        }
    }

    /// What a file of the commit names; the outer error is one that may end by itself.
    pub(super) async fn read(
        &self,
        revision: &Revision,
        field: &FieldQuery,
    ) -> Result<Result<Named, SourceProblem>, SourceProblem> {
        let cache = &self.tools.cache_folder;
        let read = |remote| async move { git::read_file(&remote, revision, &field.path, cache).await };
        let file = match self.ask(read).await {
            Ok(file) => file,
            Err(Failure { problem, may_end: false }) => return Ok(Err(problem)),
            Err(failure) => return Err(failure.problem),
        };
        let place =
            || format!("Git {}: {} at commit {}", self.url, field.path, short_commit(&file.commit.id));
        let named = reference_in(&file.bytes, field)
            .map_err(|reason| unusable(BAD_REFERENCE, format!("{}: {reason}", place())));
        Ok(named.map(|reference| Named { reference, author: Some(file.commit.author.clone()) }))
    }

    /// The image that CI builds of the commit, once it can be pulled.
    async fn built(
        &self,
        memory: &mut Memory,
        revision: &Revision,
        want: &Want,
        (template, image): (&ImageTemplate, &Access),
    ) -> Finding {
        let seen = Finding { revision: Some(shown(revision)), ..Finding::default() };
        let author = match &memory.author {
            Some(Author(known)) => known.clone(),
            None => match self.author(revision).await {
                Ok(author) => author,
                Err(failure) => return Finding { problem: Some(failure.problem), ..seen },
            },
        };
        memory.author = Some(Author(author.clone()));
        let reference = match template.image(revision) {
            Ok(reference) => reference,
            Err(error) => {
                let problem = unusable(BAD_REFERENCE, format!("source.git.image {error}"));
                return Finding { problem: Some(problem), ..seen };
            }
        };
        let resolved = resolve(self.tools, memory, want, &reference, image).await;
        let image = resolved.map(|facts| Found {
            // What it says itself counts; else CI named it after the commit.
            commit: facts.revision.clone().or_else(|| Some(revision.commit.clone())),
            author: author.clone(),
            source_revision: seen.revision.clone(),
            named_by: Some(objects(revision)),
            ..found(&reference, &facts)
        });
        with_image(seen, image.map_err(|problem| not_built(problem, revision, author.as_deref())))
    }

    /// The raw commit and tag, with their signatures.
    pub(super) async fn signed(&self, revision: &Revision) -> Result<SignedObjects, SourceProblem> {
        let cache = &self.tools.cache_folder;
        let read = |remote| async move { git::read_signed(&remote, revision, cache).await };
        self.ask(read).await.map_err(Failure::into_problem)
    }

    /// Who wrote the commit. None where that would cost more than it is worth: a server that gives no commit without
    /// all its files, and too many files.
    async fn author(&self, revision: &Revision) -> Result<Option<String>, Failure> {
        let cache = &self.tools.cache_folder;
        let read = |remote| async move {
            match git::read_commit(&remote, revision, cache).await {
                Ok(commit) => Ok(Some(commit.author)),
                Err(GitError { problem: GitProblem::TooMuchData(_), .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.ask(read).await
    }
}

fn with_image(seen: Finding, image: Result<Found, SourceProblem>) -> Finding {
    match image {
        Ok(image) => Finding { image: Some(image), ..seen },
        Err(problem) => Finding { problem: Some(problem), ..seen },
    }
}

/// What a table shows of a revision.
fn shown(revision: &Revision) -> String {
    revision.tag.clone().unwrap_or_else(|| revision.commit.clone())
}

fn objects(revision: &Revision) -> GitObjects {
    let Revision { commit, tag, tag_object, reference: _ } = revision.clone();
    GitObjects { commit, tag, tag_object }
}

/// The reference in a file of a repository.
fn reference_in(bytes: &[u8], query: &FieldQuery) -> Result<CodeReference, String> {
    let text = field::reference_in(bytes, selection(query)).map_err(|error| error.with_names())?;
    CodeReference::parse(&text).map_err(|error| error.to_string())
}

pub(crate) fn selection(query: &FieldQuery) -> Selection<'_> {
    Selection { field: query.field.as_deref(), kind: query.kind.as_deref(), name: query.name.as_deref() }
}

/// The source itself answered: only the image that it names is not there yet, or its registry says something else, which
/// is said as what it is.
pub(crate) fn not_yet(problem: SourceProblem) -> SourceProblem {
    let is_missing = [NOT_FOUND, PLATFORM_MISSING].contains(&problem.reason.as_str());
    let reason = if is_missing { IMAGE_UNAVAILABLE.to_owned() } else { problem.reason };
    SourceProblem { reason, unreachable: false, ..problem }
}

/// CI has not pushed the image of a commit yet.
fn not_built(problem: SourceProblem, revision: &Revision, author: Option<&str>) -> SourceProblem {
    let tag = revision.tag.as_ref().map(|tag| format!(" ({tag})")).unwrap_or_default();
    let author = author.map(|author| format!(" of {author}")).unwrap_or_default();
    let message = format!(
        "the image of commit {}{tag}{author} cannot be pulled yet: {}",
        short_commit(&revision.commit),
        problem.message
    );
    not_yet(SourceProblem { message, ..problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::place::{BAD_CREDENTIALS, UNAUTHORIZED, UNREACHABLE};

    #[test]
    fn what_a_registry_says_of_an_image_is_said_as_what_it_is() {
        for (reason, wanted) in [
            (UNAUTHORIZED, UNAUTHORIZED),
            (BAD_CREDENTIALS, BAD_CREDENTIALS),
            (UNREACHABLE, UNREACHABLE),
            (NOT_FOUND, IMAGE_UNAVAILABLE),
            (PLATFORM_MISSING, IMAGE_UNAVAILABLE),
        ] {
            let problem =
                SourceProblem { reason: reason.to_owned(), message: String::new(), unreachable: true };
            let problem = not_yet(problem);
            assert_eq!((problem.reason.as_str(), problem.unreachable), (wanted, false));
        }
    }
}

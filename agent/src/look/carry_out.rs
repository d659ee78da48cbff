//! One look, carried out.

use std::{collections::HashMap, future::Future, io::ErrorKind, path::Path, time::Duration};

use tracing::Instrument as _;
use voxsync_crds::{CodeReference, duration::spoken};
use voxsync_source::{
    field,
    file::{self, FileProblem},
};

use super::{
    awaits::Sought,
    confirm,
    git::{self, not_yet, selection},
    image::{found, resolve},
    looks::{Job, PlaceId, Report},
    memory::Memory,
    place::{Access, BAD_REFERENCE, FieldQuery, Finding, NOT_FOUND, Place, UNREACHABLE, Want, problem},
    registry,
    tools::Tools,
    verify::{Asked, Verifier, VerifyQuery, access_of},
};
use crate::trace;

/// How long a look may take. Each of its questions has a limit of its own; this one is above the longest that a registry
/// may ask to be left alone, and for what nobody thought of.
const LOOK_LIMIT: Duration = Duration::from_mins(90);

/// Carries out a look, within its limit.
pub(crate) async fn carry_out(tools: &Tools, job: Job) -> Report {
    let (id, asked) = (job.id, job.asked.clone());
    let span = trace::look(&job.place);
    let report = within(LOOK_LIMIT, id, asked, Box::pin(look(tools, job).instrument(span.clone()))).await;
    let is_failure = report.findings.iter().any(|(_, finding)| finding.is_failure());
    span.record("outcome", if is_failure { "failed" } else { "ok" });
    report
}

async fn within(
    limit: Duration,
    id: PlaceId,
    asked: Vec<Asked>,
    look: impl Future<Output = Report>,
) -> Report {
    tokio::time::timeout(limit, look).await.unwrap_or_else(|_| {
        let message = format!("the look at it did not end in {}; it is tried again", spoken(limit));
        let finding = Finding::problem(problem(UNREACHABLE, message, true));
        let findings = asked.into_iter().map(|asked| (asked, finding.clone())).collect();
        Report { id, findings, memory: Memory::default() }
    })
}

async fn look(tools: &Tools, job: Job) -> Report {
    let Job { id, place, asked, is_afresh, kept, sought, begun, mut memory } = job;
    if is_afresh {
        forget_secrets(tools, &place, asked.iter());
        memory.hear_news();
    }
    memory.begin(begun, confirm::keys(&place, &sought));
    let unasked = Box::pin(confirm::ask_again(tools, &mut memory, &place, &sought)).await;
    let verifier = Verifier::new(tools, &mut memory, &place, &asked).await;
    let found = if let Place::Git { url, follow, access } = &place {
        Box::pin(git::look(tools, &mut memory, (url, follow, access), &verifier, asked)).await
    } else {
        let mut wants: Vec<Want> = Vec::new();
        for Asked { want, .. } in &asked {
            if !wants.contains(want) {
                wants.push(want.clone());
            }
        }
        let found = of_images(tools, &mut memory, &place, (wants, &sought)).await;
        let of = |asked: Asked| {
            let finding = found.iter().find(|(want, _)| *want == asked.want);
            let finding = finding.map(|(_, finding)| finding.clone()).unwrap_or_default();
            (asked, finding)
        };
        asked.into_iter().map(of).collect()
    };
    let mut findings = Vec::with_capacity(found.len());
    for (asked, finding) in found {
        let finding = Box::pin(verifier.images(&mut memory, (&asked, &kept), finding)).await;
        let access = access_of(&place, &asked.want).zip(sought.get(&asked.want));
        let confirmed = access.map(|(access, sought)| confirm::confirmed(&memory, access, sought));
        // What kept it from asking has it tried again, whatever else there is to say.
        let unasked = unasked.get(&asked.want).cloned();
        let problem = match finding.problem {
            Some(problem) if problem.unreachable || unasked.is_none() => Some(problem),
            problem => unasked.or(problem),
        };
        let confirmed = confirmed.unwrap_or_default();
        findings.push((asked, Finding { problem, confirmed, ..finding }));
    }
    memory.keep(findings.iter().map(|(asked, _)| &asked.want));
    let is_failure = findings.iter().any(|(_, finding)| finding.is_failure());
    if is_failure || findings.iter().any(|(_, finding)| finding.is_of_login()) {
        forget_secrets(tools, &place, findings.iter().map(|(asked, _)| asked));
    }
    tools.metrics.looked(place.kind(), is_failure);
    Report { id, findings, memory }
}

/// Believes nothing any longer of what Secrets and `ConfigMap`s held: the next look reads those that it needs.
fn forget_secrets<'a>(tools: &Tools, place: &Place, asked: impl Iterator<Item = &'a Asked>) {
    for Asked { want, verify } in asked {
        place.access().into_iter().chain(access_of(place, want)).for_each(|it| tools.secrets.forget_all(it));
        verify.iter().flat_map(VerifyQuery::secrets).for_each(|name| tools.secrets.forget(name));
    }
}

/// Looks at a place that names images without commits.
async fn of_images(
    tools: &Tools,
    memory: &mut Memory,
    place: &Place,
    (wants, sought): (Vec<Want>, &HashMap<Want, Sought>),
) -> Vec<(Want, Finding)> {
    match place {
        Place::Registry { repository, access } => {
            registry::look(tools, memory, (repository, access), (wants, sought)).await
        }
        Place::File { path } => {
            let mut findings = Vec::with_capacity(wants.len());
            for want in wants {
                let finding = match &want {
                    Want::Named { field, image } => of_file(tools, memory, &want, (path, field, image)).await,
                    _ => Finding::default(),
                };
                findings.push((want, finding));
            }
            findings
        }
        Place::Image { reference, access } => {
            let finding = match resolve(tools, memory, &Want::Image, reference, access).await {
                Ok(facts) => Finding { image: Some(found(reference, &facts)), ..Finding::default() },
                Err(problem) => Finding::problem(problem),
            };
            wants.into_iter().map(|want| (want, finding.clone())).collect()
        }
        Place::Git { .. } => Vec::new(),
    }
}

/// What a file of this machine names. Its text is never in a message.
async fn of_file(
    tools: &Tools,
    memory: &mut Memory,
    want: &Want,
    (path, field, image): (&Path, &FieldQuery, &Access),
) -> Finding {
    let bytes = match file::read(&tools.file_root, path).await {
        Ok(bytes) => bytes,
        Err(error) => {
            let (reason, unreachable) = sort(&error.problem);
            return Finding::problem(problem(reason, error.to_string(), unreachable));
        }
    };
    let place = path.display();
    let text = field::reference_in(&bytes, selection(field)).map_err(|error| error.to_string());
    let reference = text.and_then(|text| {
        CodeReference::parse(&text).map_err(|error| {
            format!(
                "what is there is not an image reference ({}); for example ghcr.io/example/puppet-code:v1.4.2",
                error.reason()
            )
        })
    });
    let reference = match reference {
        Ok(reference) => reference,
        Err(reason) => {
            return Finding::problem(problem(BAD_REFERENCE, format!("file {place}: {reason}"), false));
        }
    };
    let revision = Some(reference.to_string());
    match resolve(tools, memory, want, &reference, image).await {
        Ok(facts) => {
            let mut image = found(&reference, &facts);
            image.source_revision.clone_from(&revision);
            Finding { image: Some(image), revision, ..Finding::default() }
        }
        Err(problem) => Finding { problem: Some(not_yet(problem)), revision, ..Finding::default() },
    }
}

/// A word for programs, and whether the file could not be read at all.
fn sort(problem: &FileProblem) -> (&'static str, bool) {
    match problem {
        FileProblem::Unreadable(ErrorKind::NotFound) => (NOT_FOUND, true),
        FileProblem::Outside(_) | FileProblem::NotAFile | FileProblem::TooLarge { .. } => {
            (BAD_REFERENCE, false)
        }
        FileProblem::Unreadable(_) | FileProblem::TimedOut(_) => (UNREACHABLE, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_that_does_not_end_is_a_failed_one() {
        let report =
            within(Duration::from_millis(1), 7, vec![Want::Image.into()], std::future::pending()).await;
        let [(Asked { want: Want::Image, verify: None }, finding)] = report.findings.as_slice() else {
            panic!("{report:?}")
        };
        assert!(report.id == 7 && finding.is_failure(), "{finding:?}");
    }
}

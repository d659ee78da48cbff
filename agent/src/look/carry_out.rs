//! One look, carried out.

use std::path::Path;

use voxsync_crds::CodeReference;
use voxsync_promotion::SourceProblem;
use voxsync_source::{field, file};

use super::{
    git::{self, not_yet, selection},
    image::{found, resolve},
    looks::{Job, Report},
    memory::Memory,
    place::{Access, FieldQuery, Finding, Place, Want},
    registry,
    tools::Tools,
};

/// Carries out a look.
pub(crate) async fn carry_out(tools: &Tools, job: Job) -> Report {
    let Job { id, place, wants, mut memory } = job;
    let findings = match &place {
        Place::Registry { repository, access } => {
            registry::look(tools, &mut memory, repository, access, wants).await
        }
        Place::Git { url, follow, access } => {
            git::look(tools, &mut memory, (url, follow, access), wants).await
        }
        Place::File { path } => {
            let mut findings = Vec::with_capacity(wants.len());
            for want in wants {
                let finding = match &want {
                    Want::Named { field, image } => of_file(tools, &mut memory, path, field, image).await,
                    _ => Finding::default(),
                };
                findings.push((want, finding));
            }
            findings
        }
        Place::Image { reference, access } => {
            let finding = match resolve(tools, &mut memory, reference, access).await {
                Ok(facts) => Finding { image: Some(found(reference, &facts)), ..Finding::default() },
                Err(problem) => Finding::problem(problem),
            };
            wants.into_iter().map(|want| (want, finding.clone())).collect()
        }
    };
    let is_failure = findings.iter().any(|(_, finding)| finding.is_failure());
    tools.metrics.looked(place.kind(), is_failure);
    Report { id, findings, memory }
}

/// What a file of this machine names. Its text is never in a message.
async fn of_file(
    tools: &Tools,
    memory: &mut Memory,
    path: &Path,
    field: &FieldQuery,
    image: &Access,
) -> Finding {
    let bytes = match file::read(&tools.file_root, path).await {
        Ok(bytes) => bytes,
        Err(error) => return Finding::problem(problem("Unreachable", error.to_string(), true)),
    };
    let place = path.display();
    let text = field::reference_in(&bytes, selection(field)).map_err(|error| error.to_string());
    let reference = text.and_then(|text| {
        CodeReference::parse(&text).map_err(|_| "what is there is not an image reference".to_owned())
    });
    let reference = match reference {
        Ok(reference) => reference,
        Err(reason) => {
            return Finding::problem(problem("BadReference", format!("file {place}: {reason}"), false));
        }
    };
    let revision = Some(reference.to_string());
    match resolve(tools, memory, &reference, image).await {
        Ok(facts) => {
            let mut image = found(&reference, &facts);
            image.source_revision.clone_from(&revision);
            Finding { image: Some(image), revision, ..Finding::default() }
        }
        Err(problem) => Finding { problem: Some(not_yet(problem)), revision, ..Finding::default() },
    }
}

fn problem(reason: &str, message: String, unreachable: bool) -> SourceProblem {
    SourceProblem { reason: reason.to_owned(), message, unreachable }
}

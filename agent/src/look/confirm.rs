//! Asks once more for tags that waited for their age: what was pushed again meanwhile is another image.

use std::collections::{HashMap, HashSet};

use voxsync_crds::CodeReference;
use voxsync_promotion::SourceProblem;
use voxsync_source::registry::Subject;

use super::{
    awaits::{Confirmed, Sought},
    memory::{ImageKey, Memory},
    place::{Access, BROKEN_IMAGE, Place, Want},
    tools::Tools,
    verify::access_of,
};

/// After so many tags of a repository that could not be asked for, the others are left to the next look.
pub(super) const SILENT_TAGS_LIMIT: usize = 3;

/// The images that a look has to know of besides what it finds.
pub(crate) fn keys(place: &Place, sought: &HashMap<Want, Sought>) -> HashSet<ImageKey> {
    let keys = |(want, sought): (&Want, &Sought)| {
        let access = access_of(place, want).cloned();
        let key = |reference: &CodeReference| Some((reference.clone(), access.clone()?));
        sought.keys().filter_map(key).collect::<Vec<_>>()
    };
    sought.iter().flat_map(keys).collect()
}

/// Asks for the tags that have to be asked for; gives back what kept it from that.
pub(crate) async fn ask_again(
    tools: &Tools,
    memory: &mut Memory,
    place: &Place,
    sought: &HashMap<Want, Sought>,
) -> HashMap<Want, SourceProblem> {
    let mut problems = HashMap::new();
    for (want, sought) in sought {
        let Some(access) = access_of(place, want) else { continue };
        if let Err(problem) = ask_for(tools, memory, (want, access), sought).await {
            problems.insert(want.clone(), problem);
        }
    }
    problems
}

async fn ask_for(
    tools: &Tools,
    memory: &mut Memory,
    (want, access): (&Want, &Access),
    sought: &Sought,
) -> Result<(), SourceProblem> {
    let (mut lacking, mut silent) = (None, HashMap::<&str, usize>::new());
    for (reference, since) in sought {
        if silent.get(reference.repository()).is_some_and(|tries| *tries >= SILENT_TAGS_LIMIT) {
            continue;
        }
        let key = (reference.clone(), access.clone());
        let (Some(since), Some(tag)) = (since, reference.tag()) else { continue };
        // What is not known yet is asked for anyway, if it is still listed.
        let is_listed_anew = matches!(want, Want::Best(_)) && !memory.knows(&key);
        if is_listed_anew || memory.asked(&key).is_some_and(|(_, at)| at >= *since) {
            continue;
        }
        let question = tools.ask((reference.repository(), access), Subject::Names, |client| async move {
            client.head(tag).await
        });
        match question.await {
            Ok(digest) => memory.confirm(key, Some(digest)),
            // What is broken says nothing of what the tag is.
            Err(problem) if problem.unreachable || problem.reason == BROKEN_IMAGE => {
                *silent.entry(reference.repository()).or_default() += 1;
                lacking.get_or_insert(problem);
            }
            // That there is none is an answer, too.
            Err(_) => memory.confirm(key, None),
        }
    }
    lacking.map_or(Ok(()), Err)
}

/// What is known of the tags that are sought.
pub(crate) fn confirmed(memory: &Memory, access: &Access, sought: &Sought) -> Vec<Confirmed> {
    let known = sought.keys().filter_map(|reference| {
        let (digest, at) = memory.asked(&(reference.clone(), access.clone()))?;
        let reference = CodeReference::new(reference.repository(), reference.tag(), digest).ok()?;
        Some(Confirmed { reference, at })
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_confirmed_with_its_digest() {
        let repository = format!("ghcr.io/{}", "r".repeat(380));
        let tag = CodeReference::new(&repository, Some(&"t".repeat(100)), None).unwrap();
        let digest = format!("sha256:{}", "0".repeat(64));
        let mut memory = Memory::default();
        memory.confirm((tag.clone(), Access::default()), Some(digest.clone()));
        let known = confirmed(&memory, &Access::default(), &Sought::from([(tag, None)]));
        assert_eq!(known.iter().map(|it| it.reference.digest()).collect::<Vec<_>>(), [Some(digest.as_str())]);
    }
}

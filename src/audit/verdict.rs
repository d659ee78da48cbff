//! What an audit says of one Server: a pure function of what was seen.

use serde::Serialize;
use voxsync_crds::reference::is_same_code;
use voxsync_rollout::state::RolloutState;

/// What an audit says of one Server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[clap(rename_all = "PascalCase")]
pub enum Verdict {
    /// All ready pods run the declared code, and it is certain which that is.
    InSync,
    /// Pods go from the old code to the declared code.
    Rolling,
    /// A pod of the declared code cannot start, or the Deployment's time for it is over.
    Stuck,
    /// voxsync holds its Deployment back until it is its turn.
    Gated,
    /// A person paused its Deployment before its pods had the declared code.
    PausedByPerson,
    /// The declared code is not in the Deployment.
    NotRolledOut,
    /// Ready pods of one Server run different code, and no rollout is under way.
    Mixed,
    /// Somebody changed the code by hand; voxsync waits for a word.
    Held,
    /// The reference is a tag without a digest: what runs is unknown.
    Unpinned,
    /// The Server has no code.
    NoCode,
    /// The code is on a volume: what is in it cannot be known.
    External,
}

/// What the verdict on one Server depends on.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// Whether the Server serves catalogs at all.
    pub serves_code: bool,
    /// The declared images; one for the object shape.
    pub declared: &'a [String],
    /// Whether one of the entries is a claim.
    pub has_claim: bool,
    /// The images of each ready pod.
    pub running: &'a [Vec<String>],
    /// How far the rollout is.
    pub rollout: &'a RolloutState,
    /// Why it cannot be told which code is declared, if it cannot.
    pub problem: Option<&'a str>,
    /// Why voxsync holds the target, if it does.
    pub hold: Option<&'a str>,
    /// For whom and since when voxsync holds its Deployment back, if it does.
    pub gate: Option<&'a str>,
    /// Where the code is declared, for instance `Config production`.
    pub origin: &'a str,
}

/// The verdict, and a sentence that says what to do (empty where there is nothing to do).
pub fn judge(evidence: &Evidence<'_>) -> (Verdict, String) {
    let Evidence { serves_code, declared, has_claim, running, rollout, problem, hold, gate, origin } =
        evidence;
    if !serves_code {
        return (Verdict::NoCode, "it serves no catalogs (spec.server is false)".to_owned());
    }
    if let Some(hold) = hold {
        return (Verdict::Held, (*hold).to_owned());
    }
    if let Some(problem) = problem {
        return (Verdict::NotRolledOut, (*problem).to_owned());
    }
    if *has_claim {
        return (
            Verdict::External,
            "the code is on a PersistentVolumeClaim: what is in it is not known here".to_owned(),
        );
    }
    if declared.is_empty() {
        return (Verdict::NoCode, format!("neither the Server nor its Config has spec.code ({origin})"));
    }
    match rollout {
        RolloutState::Pending => {
            let sentence = format!(
                "{origin} declares it, the Deployment does not have it: `voxsync run` or the operator must bring it"
            );
            return (Verdict::NotRolledOut, sentence);
        }
        RolloutState::Impossible { message, .. } => return (Verdict::NotRolledOut, message.clone()),
        RolloutState::Gated(_) => {
            return (Verdict::Gated, gate.unwrap_or("voxsync holds its Deployment back").to_owned());
        }
        RolloutState::PausedByPerson => {
            let sentence =
                "a person paused its Deployment: `kubectl rollout resume` lets its pods have the code";
            return (Verdict::PausedByPerson, sentence.to_owned());
        }
        RolloutState::Progressing(progress) => return (Verdict::Rolling, progress.to_string()),
        RolloutState::Stuck(stuck) => {
            return (Verdict::Stuck, format!("{} of pod {}: {}", stuck.reason, stuck.pod, stuck.message));
        }
        RolloutState::TimedOut { message } => return (Verdict::Stuck, message.clone()),
        RolloutState::Complete(_) => {}
    }
    if running.iter().any(|images| !is_same(images, declared)) {
        let sentence =
            "its ready pods run different code, and no rollout is under way: `kubectl rollout restart`";
        return (Verdict::Mixed, sentence.to_owned());
    }
    if declared.iter().any(|image| !image.contains('@')) {
        let sentence = "a tag without a digest: pods started at different times may run different code";
        return (Verdict::Unpinned, sentence.to_owned());
    }
    (Verdict::InSync, String::new())
}

fn is_same(one: &[String], two: &[String]) -> bool {
    one.len() == two.len() && one.iter().zip(two).all(|(one, two)| is_same_code(one, two))
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxsync_rollout::state::{Progress, Stuck, StuckImage};

    #[test]
    fn judges() {
        let pinned = vec![format!("r.io/a:v1@sha256:{}", "a".repeat(64))];
        let other = vec![format!("r.io/a:v2@sha256:{}", "b".repeat(64))];
        let tag = vec!["r.io/a:v1".to_owned()];
        let complete = RolloutState::Complete(Progress { updated: 1, ready: 1, wanted: 1 });
        let stuck = RolloutState::Stuck(Stuck {
            reason: "ImagePullBackOff".into(),
            pod: "a-1".into(),
            message: "not found".into(),
            image: StuckImage::Code,
        });
        let timed_out = RolloutState::TimedOut { message: "has timed out progressing".into() };
        let moving = RolloutState::Progressing(Progress::default());
        let one = |images: &Vec<String>| vec![images.clone()];
        let cases = [
            (true, &pinned, false, one(&pinned), &complete, None, Verdict::InSync),
            (true, &tag, false, one(&tag), &complete, None, Verdict::Unpinned),
            (true, &pinned, false, vec![pinned.clone(), other.clone()], &complete, None, Verdict::Mixed),
            (true, &pinned, false, one(&other), &RolloutState::Pending, None, Verdict::NotRolledOut),
            (true, &pinned, false, one(&other), &stuck, None, Verdict::Stuck),
            (true, &pinned, false, one(&other), &timed_out, None, Verdict::Stuck),
            (true, &pinned, false, one(&other), &moving, None, Verdict::Rolling),
            (
                true,
                &pinned,
                false,
                one(&pinned),
                &RolloutState::PausedByPerson,
                None,
                Verdict::PausedByPerson,
            ),
            (
                true,
                &pinned,
                false,
                one(&other),
                &RolloutState::Gated(Progress::default()),
                None,
                Verdict::Gated,
            ),
            (true, &pinned, false, one(&pinned), &complete, Some("by kubectl-edit"), Verdict::Held),
            (true, &vec![], true, vec![], &complete, None, Verdict::External),
            (true, &vec![], false, vec![], &complete, None, Verdict::NoCode),
            (false, &pinned, false, vec![], &complete, None, Verdict::NoCode),
        ];
        for (serves_code, declared, has_claim, running, rollout, hold, wanted) in cases {
            let evidence = Evidence {
                serves_code,
                declared,
                has_claim,
                running: &running,
                rollout,
                problem: None,
                hold,
                gate: Some("held back for CodeSync production"),
                origin: "Config production",
            };
            let (verdict, sentence) = judge(&evidence);
            assert_eq!(verdict, wanted, "{evidence:?}");
            assert_eq!(
                sentence.is_empty(),
                verdict == Verdict::InSync,
                "a sentence says what to do: {evidence:?}"
            );
        }
    }

    #[test]
    fn says_why_it_cannot_tell_what_is_declared() {
        let evidence = Evidence {
            serves_code: true,
            declared: &[],
            has_claim: false,
            running: &[],
            rollout: &RolloutState::Pending,
            problem: Some("its Config is missing"),
            hold: None,
            gate: None,
            origin: "neither is set",
        };
        assert_eq!(judge(&evidence), (Verdict::NotRolledOut, "its Config is missing".to_owned()));
    }
}

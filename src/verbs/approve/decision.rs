//! What an approval is for: which digest, and which stages. Pure.

use anyhow::bail;
use serde_json::{Value, json};
use voxsync_crds::{
    CodeSync,
    annotations::{APPROVE, APPROVED_BY},
    code_sync::{Approval, ApprovalStatus, CandidateStatus, CodeSyncStatus, Quarantined, Stage},
};

use super::APPROVAL;
use crate::{
    arguments::ApproveOptions,
    kinds::named_of,
    verbs::{image, not_read_yet, token, unread},
};

/// The approver, where the API server vouches for nobody.
const UNAUTHENTICATED: &str = "unauthenticated";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Approve(Approved),
    /// It was, by this person.
    IsApproved(Approved, String),
    /// And why.
    Nothing(String),
}

/// What is approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Approved {
    pub(super) digest: String,
    /// As people call it.
    pub(super) image: String,
    /// None for all stages.
    pub(super) stage: Option<String>,
    /// The stages that this is for.
    pub(super) stages: Vec<String>,
    /// What comes, where that is another one: an approval in advance, or a command that was printed before it came.
    pub(super) instead: Option<String>,
}

impl Approved {
    pub(super) fn sentence(&self) -> String {
        let (image, stages) = (&self.image, self.stages.join(", "));
        match &self.stage {
            Some(stage) => format!("{image} for stage {stage}"),
            None => format!("{image} for all stages that ask for one ({stages})"),
        }
    }

    /// The value of the annotation; a further word says the same once more.
    fn value(&self) -> String {
        match &self.stage {
            Some(stage) => format!("{}/{stage}", self.digest),
            None => self.digest.clone(),
        }
    }
}

/// The patch; without a name, also none that somebody else left.
pub(super) fn change(decision: &Decision, own_name: Option<&str>) -> Value {
    let Decision::Approve(approved) = decision else { return json!({}) };
    let value = format!("{} {}", approved.value(), token());
    json!({"metadata": {"annotations": {APPROVE: value, APPROVED_BY: own_name}}})
}

pub(super) fn decide(code_sync: &CodeSync, options: &ApproveOptions) -> anyhow::Result<Decision> {
    let ApproveOptions { name, stage, all_stages, digest, follow: _ } = options;
    let stages = code_sync.spec.ordered_stages();
    let asking: Vec<&Stage> = stages.iter().filter(|it| it.approval == Some(Approval::Manual)).collect();
    let names = |stages: &[&Stage]| stages.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    if asking.is_empty() {
        return Ok(Decision::Nothing("none of its stages asks for approval".to_owned()));
    }
    if let Some(wanted) = stage.as_ref().filter(|wanted| asking.iter().all(|it| it.name != **wanted)) {
        bail!("stage {wanted:?} asks for no approval; these do: {}", names(&asking).join(", "));
    }
    let Some(status) = &code_sync.status else {
        return Ok(Decision::Nothing("the agent has not seen it yet".to_owned()));
    };
    let coming = coming(status);
    let waits: Vec<&str> = status
        .waiting
        .iter()
        .filter(|row| row.reason == APPROVAL)
        .filter_map(|row| row.stage.as_deref())
        .collect();
    let is_meant = |it: &&CandidateStatus| digest.as_ref().is_none_or(|digest| *digest == it.digest);
    let Some((digest, image)) = coming.filter(is_meant).map(named).or_else(|| {
        // It need not be known yet.
        digest.as_ref().map(|digest| (digest.clone(), digest.clone()))
    }) else {
        return Ok(Decision::Nothing(nothing_waits(status)));
    };
    let is_coming = coming.is_some_and(|coming| coming.digest == digest);
    let reference = coming.filter(|_| is_coming).map(|coming| &coming.reference);
    let is_kept = |it: &&Quarantined| it.digest == digest || reference.is_some_and(|coming| it.bans(coming));
    if let Some(kept) = status.quarantine.iter().find(is_kept) {
        return Ok(Decision::Nothing(is_in_quarantine(&named_of(code_sync), &image, kept)));
    }
    let stage = match (stage, waits.as_slice()) {
        (Some(stage), _) => Some(stage.clone()),
        _ if *all_stages => None,
        (None, [waiting, ..]) if is_coming => Some((*waiting).to_owned()),
        (None, _) if options.digest.is_none() => return Ok(Decision::Nothing(nothing_waits(status))),
        (None, _) => match asking.as_slice() {
            [only] => Some(only.name.clone()),
            several => bail!(
                "codesync {name} does not wait for an approval of this digest now: say for which of the stages {} it is \
                 given in advance, with --stage, or for all with --all-stages",
                names(several).join(", ")
            ),
        },
    };
    let stages = stage.clone().map_or_else(|| names(&asking), |stage| vec![stage]);
    let instead = coming.filter(|_| !is_coming).map(|coming| named(coming).1);
    let approved = Approved { digest, image, stage, stages, instead };
    if let Some(by) = approver(status, &approved) {
        return Ok(Decision::IsApproved(approved, by));
    }
    let unread = unread(code_sync, APPROVE, status.last_handled_approve.as_ref());
    if let Some(other) = unread.filter(|said| *said != approved.value()) {
        let other = format!("the approval of {other}");
        return Ok(Decision::Nothing(not_read_yet(&other, &named_of(code_sync))));
    }
    Ok(Decision::Approve(approved))
}

/// What goes through the stages, or will.
fn coming(status: &CodeSyncStatus) -> Option<&CandidateStatus> {
    let promotion = status.promotion.as_ref().filter(|it| it.outcome.or(it.ending).is_none());
    let deployed = status.deployed.as_ref().and_then(|deployed| deployed.digest.as_ref());
    let candidate = || status.candidate.as_ref().filter(|it| deployed != Some(&it.digest));
    promotion.map(|promotion| &promotion.candidate).or_else(candidate)
}

fn named(candidate: &CandidateStatus) -> (String, String) {
    let CandidateStatus { name, digest, commit, .. } = candidate;
    (digest.clone(), image(name, digest, commit.as_deref()))
}

/// What is released from quarantine has to be approved anew.
fn is_in_quarantine(code_sync: &str, image: &str, kept: &Quarantined) -> String {
    let Quarantined { digest, reason, since, .. } = kept;
    format!(
        "{image} is in quarantine since {since}: {reason}; an approval given now would not count: release it first, with \
         `voxsync release-quarantine {code_sync} {digest}`, and approve it then"
    )
}

fn nothing_waits(status: &CodeSyncStatus) -> String {
    let why = status.summary.as_ref().map_or_else(String::new, |summary| format!(" ({summary})"));
    format!("nothing waits for approval{why}; --stage, --all-stages or --digest gives one in advance")
}

/// Who approved this already, if that is known.
fn approver(status: &CodeSyncStatus, wanted: &Approved) -> Option<String> {
    let counts = |given: &&ApprovalStatus| {
        given.approver != UNAUTHENTICATED
            && given.digest == wanted.digest
            && (given.stage.is_none() || given.stage == wanted.stage)
    };
    status.approvals.iter().find(counts).map(|given| given.approver.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        arguments::FollowArguments,
        verbs::fixtures::{
            CANARY, PRODUCTION, candidate, code_sync, deployed, digest, promotion, quarantined,
        },
    };

    fn options(stage: Option<&str>, all_stages: bool, digest: Option<String>) -> ApproveOptions {
        ApproveOptions {
            name: "production".to_owned(),
            stage: stage.map(str::to_owned),
            all_stages,
            digest,
            follow: FollowArguments::default(),
        }
    }

    fn decided(status: &Value, options: &ApproveOptions) -> anyhow::Result<Decision> {
        decide(&code_sync(&Value::Null, status), options)
    }

    fn value(status: &Value, options: &ApproveOptions) -> String {
        match decided(status, options).unwrap() {
            Decision::Approve(approved) => approved.value(),
            other => panic!("{options:?}: {other:?}"),
        }
    }

    fn waiting() -> Value {
        json!({
            "candidate": candidate("v2", 'b'), "deployed": deployed("v1", 'a'), "promotion": promotion("v2", 'b', None),
            "waiting": [{"stage": PRODUCTION, "reason": "Approval", "message": "m"}],
        })
    }

    #[test]
    fn approves_the_digest_that_waits_for_the_stage_that_waits() {
        let one = format!("{}/production", digest('b'));
        for given in [
            options(None, false, None),
            options(Some(PRODUCTION), false, None),
            options(None, false, Some(digest('b'))),
        ] {
            assert_eq!(value(&waiting(), &given), one, "{given:?}");
        }
        let all = options(None, true, None);
        assert_eq!(value(&waiting(), &all), digest('b'));
        assert!(matches!(decided(&waiting(), &all), Ok(Decision::Approve(approved))
                if approved.sentence().ends_with(" for all stages that ask for one (production)")));
        let Decision::Approve(approved) = decided(&waiting(), &options(None, false, None)).unwrap() else {
            panic!("nothing is approved");
        };
        let said = approved.sentence();
        assert_eq!(said, "v2 (sha256:bbbbbbbbbb…, commit 4be01c7) for stage production");
        assert_eq!(approved.instead, None);
        let patch = change(&Decision::Approve(approved), Some("jane"));
        let annotations = &patch["metadata"]["annotations"];
        assert!(annotations[APPROVE].as_str().unwrap().starts_with(&format!("{one} ")), "{annotations}");
        assert_eq!(annotations[APPROVED_BY], "jane");
    }

    #[test]
    fn an_approval_that_is_not_read_yet_is_not_lost() {
        let given = options(None, false, None);
        let with = |said: &str, status: &Value| {
            let mut code_sync = code_sync(&Value::Null, status);
            code_sync.metadata.annotations = Some([(APPROVE.to_owned(), said.to_owned())].into());
            decide(&code_sync, &given).unwrap()
        };
        let (mut status, of_canary) = (waiting(), format!("{}/canary now", digest('b')));
        let Decision::Nothing(why) = with(&of_canary, &status) else { panic!("the first is lost") };
        assert!(why.contains(&format!("the approval of {}/canary, is not read", digest('b'))), "{why}");
        let same = format!("{}/production before", digest('b'));
        assert!(matches!(with(&same, &status), Decision::Approve(_)), "the same again loses nothing");
        status["lastHandledApprove"] = json!(of_canary);
        assert!(matches!(with(&of_canary, &status), Decision::Approve(_)));
    }

    #[test]
    fn nothing_is_approved_by_accident() {
        let at_rest = json!({"candidate": candidate("v1", 'a'), "deployed": deployed("v1", 'a'), "summary": "Deployed"});
        let failed =
            json!({"deployed": deployed("v1", 'a'), "promotion": promotion("v2", 'b', Some("RolledBack"))});
        let soaks = json!({"candidate": candidate("v2", 'b'), "deployed": deployed("v1", 'a'),
            "promotion": promotion("v2", 'b', None)});
        for (status, given) in [
            (&at_rest, options(None, false, None)),
            (&at_rest, options(None, true, None)),
            (&failed, options(None, false, None)),
            (&soaks, options(None, false, None)),
            (&Value::Null, options(None, false, Some(digest('b')))),
        ] {
            let decision = decided(status, &given).unwrap();
            assert!(matches!(decision, Decision::Nothing(_)), "{given:?}: {decision:?}");
        }
        let refused = decided(&waiting(), &options(Some(CANARY), false, None)).unwrap_err().to_string();
        assert!(refused.contains("asks for no approval; these do: production"), "{refused}");
    }

    #[test]
    fn what_is_in_quarantine_is_released_before_it_is_approved() {
        let mut status = json!({"candidate": candidate("v2", 'b'), "deployed": deployed("v1", 'a'),
            "quarantine": [quarantined("v2", 'b')]});
        for given in [
            options(Some(PRODUCTION), false, None),
            options(None, true, None),
            options(None, false, Some(digest('b'))),
        ] {
            let Decision::Nothing(why) = decided(&status, &given).unwrap() else {
                panic!("{given:?}: something is approved");
            };
            let command = format!("`voxsync release-quarantine production -n puppet {}`", digest('b'));
            assert!(why.starts_with("v2 (") && why.contains(" is in quarantine since "), "{why}");
            assert!(why.contains("would not count") && why.contains(&command), "{why}");
        }
        // Another one is none of its business.
        status["quarantine"] = json!([quarantined("v3", 'c')]);
        assert_eq!(value(&status, &options(None, true, None)), digest('b'));
        // Its digest was never known.
        status["quarantine"] = json!([quarantined("v2", 'b')]);
        status["candidate"]["digest"] = json!("");
        let decision = decided(&status, &options(None, true, None)).unwrap();
        assert!(
            matches!(decision, Decision::Nothing(ref why) if why.contains("is in quarantine")),
            "{decision:?}"
        );
    }

    #[test]
    fn an_approval_may_come_early() {
        let soaks = json!({"candidate": candidate("v2", 'b'), "deployed": deployed("v1", 'a')});
        for given in [options(Some(PRODUCTION), false, None), options(None, false, Some(digest('b')))] {
            assert_eq!(value(&soaks, &given), format!("{}/production", digest('b')), "{given:?}");
        }
        // What is not known yet, in the one stage that asks.
        let unknown = options(None, false, Some(digest('c')));
        assert_eq!(value(&waiting(), &unknown), format!("{}/production", digest('c')));
        let two = json!({"stages": [
            {"name": "a", "approval": "Manual", "targets": []}, {"name": "b", "approval": "Manual", "targets": []},
        ]});
        let refused = decide(&code_sync(&two, &waiting()), &unknown).unwrap_err().to_string();
        assert!(refused.contains("which of the stages a, b"), "{refused}");
    }

    #[test]
    fn a_command_that_was_printed_before_does_not_approve_what_came_since() {
        let printed = options(None, false, Some(digest('a')));
        let Decision::Approve(approved) = decided(&waiting(), &printed).unwrap() else {
            panic!("nothing is approved");
        };
        assert_eq!(approved.value(), format!("{}/production", digest('a')));
        assert_eq!(approved.instead.as_deref(), Some("v2 (sha256:bbbbbbbbbb…, commit 4be01c7)"));
    }

    #[test]
    fn what_is_approved_is_not_approved_again() {
        let mut status = waiting();
        let approval = |digest: &str, stage: Option<&str>| json!([{"digest": digest, "stage": stage, "approver": "jane", "at": "2026-03-01T10:00:00Z"}]);
        let given = options(Some(PRODUCTION), false, None);
        for stage in [None, Some(PRODUCTION)] {
            status["approvals"] = approval(&digest('b'), stage);
            let decision = decided(&status, &given).unwrap();
            assert!(matches!(decision, Decision::IsApproved(_, ref by) if by == "jane"), "{decision:?}");
        }
        assert!(
            decided(&status, &options(None, true, None)).is_ok_and(|it| matches!(it, Decision::Approve(_)))
        );
        status["approvals"] = approval(&digest('b'), None);
        status["approvals"][0]["approver"] = json!(UNAUTHENTICATED);
        assert!(
            decided(&status, &given).is_ok_and(|it| matches!(it, Decision::Approve(_))),
            "with a name now"
        );
        for (digest, stage) in [(digest('a'), None), (digest('b'), Some(CANARY))] {
            status["approvals"] = approval(&digest, stage);
            assert!(decided(&status, &given).is_ok_and(|it| matches!(it, Decision::Approve(_))));
        }
    }
}

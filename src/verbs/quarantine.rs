//! `voxsync release-quarantine`: a digest that was rolled back may be taken again.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;
use voxsync_crds::{
    CodeSync,
    annotations::RELEASE_QUARANTINE,
    code_sync::{CodeSyncStatus, Quarantined},
};

use super::{Subject, image, not_read_yet, say, token, unread};
use crate::{
    arguments::{Connection, ReleaseQuarantineOptions},
    output,
};

/// What a digest begins with.
const DIGEST_START: &str = "sha256:";
/// The fewest digits that stand for a digest.
const FEWEST_DIGITS: usize = 4;

/// `voxsync release-quarantine NAME DIGEST|NAME`
pub async fn release_quarantine(
    connection: &Connection,
    options: ReleaseQuarantineOptions,
) -> anyhow::Result<ExitCode> {
    let ReleaseQuarantineOptions { name, what } = options;
    let subject = Subject::find(connection, &name).await?;
    let quarantine = quarantine(&subject.code_sync);
    let kept = match named(quarantine, &what).as_slice() {
        [] => {
            output::news(&output::harmless(&absent(&name, &what, quarantine)));
            return Ok(ExitCode::FAILURE);
        }
        [kept] => (*kept).clone(),
        several => bail!("{what:?} is the beginning of several digests in quarantine:\n{}", list(several)),
    };
    let status = subject.code_sync.status.as_ref();
    let handled = status.and_then(|status| status.last_handled_release_quarantine.as_ref());
    let other = unread(&subject.code_sync, RELEASE_QUARANTINE, handled).filter(|said| *said != kept.digest);
    if let Some(other) = other {
        let other = not_read_yet(&format!("the release of {other}"), &subject.named());
        output::news(&output::harmless(&format!("codesync {name}: {other}")));
        return Ok(ExitCode::FAILURE);
    }
    let value = format!("{} {}", kept.digest, token());
    let (is_suspended, named) = (subject.code_sync.spec.suspend, subject.named());
    let seen = subject.code_sync.status.clone().unwrap_or_default();
    subject.patch(&json!({"metadata": {"annotations": {RELEASE_QUARANTINE: value}}})).await?;
    let Quarantined { digest, name: image_name, reason, .. } = &kept;
    say(
        &name,
        &format!("may take {} again; it was in quarantine: {reason}", image(image_name, digest, None)),
    );
    if is_suspended {
        say(&name, &format!("is suspended: nothing is written before `voxsync resume {named}`"));
    } else if is_taken(&seen, digest) {
        say(&name, &format!("goes on with it by itself; follow it with `voxsync wait {named}`"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a digest is what should run, so that it is promoted as soon as it is let out: also where it is what failed last,
/// once that is recorded.
fn is_taken(status: &CodeSyncStatus, digest: &str) -> bool {
    let is_wanted = status.candidate.as_ref().is_some_and(|candidate| candidate.digest == digest);
    let is_free =
        status.promotion.as_ref().is_none_or(|promotion| promotion.outcome.is_some() && promotion.recorded);
    is_wanted && is_free && status.rollback.is_none()
}

fn quarantine(code_sync: &CodeSync) -> &[Quarantined] {
    code_sync.status.as_ref().map_or(&[], |status| &status.quarantine)
}

/// The entries that a word names: one by its whole digest, or all by the name that they had, or by their first digits.
fn named<'a>(quarantine: &'a [Quarantined], what: &str) -> Vec<&'a Quarantined> {
    let digits = what.strip_prefix(DIGEST_START).unwrap_or(what).to_ascii_lowercase();
    let begins = |kept: &&Quarantined| {
        let known = kept.digest.strip_prefix(DIGEST_START).unwrap_or(&kept.digest);
        digits.len() >= FEWEST_DIGITS && known.starts_with(&digits)
    };
    let by_name: Vec<&Quarantined> = quarantine.iter().filter(|kept| kept.name == what).collect();
    if by_name.is_empty() { quarantine.iter().filter(begins).collect() } else { by_name }
}

/// Says that there is no such one, and what there is.
fn absent(name: &str, what: &str, quarantine: &[Quarantined]) -> String {
    if quarantine.is_empty() {
        return format!("codesync {name} has nothing in quarantine");
    }
    let all: Vec<&Quarantined> = quarantine.iter().collect();
    format!("codesync {name} has no {what:?} in quarantine; there is: {}", list(&all))
}

fn list(quarantine: &[&Quarantined]) -> String {
    let line = |kept: &&Quarantined| {
        format!("{} {} since {} ({})", kept.name, kept.digest, kept.since, output::shorten(&kept.reason, 120))
    };
    quarantine.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::verbs::fixtures::{candidate, code_sync, digest, promotion, quarantined};

    #[test]
    fn an_entry_is_named_by_its_name_its_digest_or_the_beginning_of_it() {
        let twice = json!({"name": "v3", "digest": format!("sha256:{}b", "a".repeat(63)), "reason": "r",
            "since": "2026-03-01T10:00:00Z"});
        let status = json!({"quarantine": [quarantined("v2", 'b'), quarantined("v1", 'a'), twice]});
        let code_sync = code_sync(&json!({}), &status);
        let names = |what: &str| -> Vec<String> {
            named(quarantine(&code_sync), what).into_iter().map(|kept| kept.name.clone()).collect()
        };
        for what in ["v2", &digest('b'), "sha256:bbbb", "BBBB"] {
            assert_eq!(names(what), ["v2"], "{what}");
        }
        assert_eq!(names("sha256:aaaa"), ["v1", "v3"], "which is it?");
        assert_eq!(names(&digest('a')), ["v1"]);
        for what in ["v", "bbb", "sha256:", "", "sha256:bc"] {
            assert_eq!(names(what), [""; 0], "{what:?}");
        }
        let said = absent("production", "v9", quarantine(&code_sync));
        assert!(said.contains(&digest('b')) && said.contains("ImagePullBackOff"), "{said}");
    }
    #[test]
    fn what_should_run_goes_on_by_itself() {
        let is_taken = |status: &Value, letter| {
            is_taken(&serde_json::from_value(status.clone()).unwrap(), &digest(letter))
        };
        let mut status = json!({"candidate": candidate("v2", 'b')});
        assert!(is_taken(&status, 'b') && !is_taken(&status, 'a'));
        status["promotion"] = promotion("v2", 'b', Some("RolledBack"));
        assert!(!is_taken(&status, 'b'), "its release is not recorded yet");
        status["promotion"]["recorded"] = json!(true);
        assert!(is_taken(&status, 'b'));
        status["promotion"] = promotion("v2", 'b', None);
        assert!(!is_taken(&status, 'b'), "it is given back");
        status["promotion"] = Value::Null;
        status["rollback"] =
            json!({"candidate": candidate("v2", 'b'), "fromName": "v3", "at": "2026-03-01T10:00:00Z"});
        assert!(!is_taken(&status, 'b'), "a person went back");
    }
}

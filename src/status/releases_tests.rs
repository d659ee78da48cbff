//! What the screen says of what was: the last releases, a rollback, what is in quarantine, and who decides now.

use serde_json::{Value, json};
use voxsync_crds::{
    code_release::CodeReleaseSpec,
    code_sync::{CodeSyncStatus, Trigger},
};

use super::{
    releases,
    tests::{NEW, OLD, code_sync, promotion, registry, screen, view},
};

#[test]
fn shows_the_last_releases_newest_first() {
    let release = |id: &str, name: &str, outcome: &str, ended: &str| {
        json!({
            "id": id, "name": name, "reference": OLD, "outcome": outcome, "endedAt": ended,
        })
    };
    let status: CodeSyncStatus = serde_json::from_value(json!({
        "promotion": promotion("Failed"),
        "history": [
            release("p-2", "v1.1.0", "Failed", "2026-11-22T22:50:46Z"),
            release("p-1", "v1.0.0", "Released", "2026-11-22T22:50:44Z"),
            release("p-0", "v0.9.0", "Released", "2026-11-20T10:00:00Z"),
        ],
    }))
    .unwrap();
    let table = |records: &[CodeReleaseSpec]| view().releases(&releases::releases(&status, records));
    assert_eq!(
        table(&[]),
        "  ENDED              FROM    TO      OUTCOME   WHY
  22:50:46Z          v1.0.0  v1.1.0  Failed    canary: ImagePullBackOff of canary-1
  22:50:44Z          v0.9.0  v1.0.0  Released  -
  2026-11-20 10:00Z  -       v0.9.0  Released  -"
    );
    let record: CodeReleaseSpec = serde_json::from_value(json!({
        "codeSync": "production", "codeSyncUid": "u", "promotion": "p-1", "trigger": "Pin", "reason": "back to what ran",
        "candidate": {"name": "v1.0.0", "reference": OLD}, "fromName": "v0.8.0", "outcome": "Released",
        "startedAt": "2026-11-22T22:50:40Z", "endedAt": "2026-11-22T22:50:44Z",
    }))
    .unwrap();
    assert!(
        table(&[record]).contains("v0.8.0  v1.0.0  Released  pinned: back to what ran\n"),
        "its own record knows better"
    );
    assert_eq!(view().releases(&[]), "  no releases yet");
}

#[test]
fn says_that_a_check_failed_and_no_server() {
    let mut failed = promotion("RolledBack");
    failed["failure"] =
        json!({"stage": "canary", "check": "nodes", "reason": "CheckFailed", "message": "4 % failed"});
    let status: CodeSyncStatus = serde_json::from_value(json!({
        "promotion": failed,
        "history": [{"id": "p-2", "name": "v1.1.0", "reference": NEW, "outcome": "RolledBack", "endedAt": "2026-11-22T22:50:46Z"}],
    }))
    .unwrap();
    let table = view().releases(&releases::releases(&status, &[]));
    assert!(table.ends_with("RolledBack  canary: check nodes"), "{table}");
}

#[test]
fn says_what_a_person_went_back_from_and_what_is_in_quarantine() {
    let digest = NEW.rsplit('@').next().unwrap();
    let quarantined = |name: &str| json!({"name": name, "digest": digest, "reason": "canary: ImagePullBackOff of canary-1", "since": "2026-11-22T22:50:46Z"});
    let status = json!({
        "rollback": {"candidate": {"name": "v1.0.0", "reference": OLD}, "fromName": "v1.1.0", "reason": "broken hiera", "at": "2026-11-22T22:50:46Z"},
        "quarantine": [quarantined("v1.1.0"), quarantined("v1.1.1"), quarantined("v1.1.2"), quarantined("v1.1.3")],
    });
    let screen = screen(&registry(), &status);
    let back = "  went back  to v1.0.0 from v1.1.0 at 22:50:46Z (broken hiera), until `voxsync resume production -n puppet`\n";
    assert!(screen.contains(back), "{screen}");
    let line = format!(
        "  quarantine v1.1.0 (bbbbbbbbbb) since 22:50:46Z: canary: ImagePullBackOff of canary-1; `voxsync release-quarantine production -n puppet {digest}`\n"
    );
    assert!(screen.contains(&line), "{screen}");
    assert!(
        screen.contains("             and 1 more: `voxsync status production -n puppet -o json`\n")
            && !screen.contains("v1.1.3"),
        "{screen}"
    );
}

#[test]
fn a_rollback_is_listed_from_what_was_left() {
    let release = |trigger: Option<&str>| {
        json!({"id": "p-3", "name": "v1.0.0", "reference": OLD, "outcome": "Released",
        "trigger": trigger, "endedAt": "2026-11-22T22:50:46Z"})
    };
    let status: CodeSyncStatus =
        serde_json::from_value(json!({"history": [release(Some("Rollback"))]})).unwrap();
    let record: CodeReleaseSpec = serde_json::from_value(json!({
        "codeSync": "production", "codeSyncUid": "u", "promotion": "p-3", "trigger": "Rollback", "reason": "broken hiera",
        "candidate": {"name": "v1.0.0", "reference": OLD}, "fromName": "v1.1.0", "outcome": "Released",
        "startedAt": "2026-11-22T22:50:40Z", "endedAt": "2026-11-22T22:50:46Z",
    }))
    .unwrap();
    let table = |records: &[CodeReleaseSpec]| view().releases(&releases::releases(&status, records));
    let whole = table(std::slice::from_ref(&record));
    assert!(whole.ends_with("v1.1.0  v1.0.0  Released  went back: broken hiera"), "{whole}");
    let without_right = table(&[]);
    assert!(without_right.ends_with("-     v1.0.0  Released  went back"), "{without_right}");
    let emergency = CodeReleaseSpec { trigger: Trigger::Pin, emergency: true, ..record };
    assert!(table(&[emergency]).ends_with("v1.1.0  v1.0.0  Released  emergency: broken hiera"));
}

#[test]
fn the_first_line_says_who_decides() {
    let first = |pin: &Value, status: &Value| {
        let mut code_sync = code_sync(&registry(), status);
        code_sync.spec.pin = serde_json::from_value(pin.clone()).unwrap();
        view().code_sync(&code_sync).lines().next().unwrap().to_owned()
    };
    let pin = json!({"reference": OLD});
    let rollback = json!({"rollback": {"candidate": {"name": "v1.0.0", "reference": OLD}, "fromName": "v1.1.0", "at": "2026-11-22T22:50:46Z"}});
    assert_eq!(first(&Value::Null, &json!({})), "puppet/production  ·  following r.io/code *");
    assert_eq!(
        first(&pin, &json!({})),
        "puppet/production  ·  pinned to v1.0.0@aaaaaaaaaa; its source is r.io/code *"
    );
    assert_eq!(
        first(&pin, &rollback),
        "puppet/production  ·  back at v1.0.0 by a person; its source is r.io/code *"
    );
    let mut by_itself = rollback;
    by_itself["rollback"]["failure"] =
        json!({"stage": "canary", "check": "nodes", "reason": "CheckFailed", "message": "4 % failed"});
    assert_eq!(
        first(&pin, &by_itself),
        "puppet/production  ·  goes back to v1.0.0 by itself; its source is r.io/code *"
    );
}

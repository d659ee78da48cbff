//! What to do about a Lease. Pure: what was seen, for how long, and the time come from outside.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};

/// A Lease that says that it is valid for longer than this, is not believed.
const BELIEVED_DURATION_LIMIT: Duration = Duration::from_mins(1);
/// What a released Lease says it is valid for; with nobody who holds it, nobody waits for that.
const RELEASED_DURATION_SECONDS: i32 = 1;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Write this: it is ours, or nobody's any more.
    Take(LeaseSpec),
    /// It is somebody else's.
    Wait,
}

/// What to do about a Lease that was seen unchanged for so long; `None` where there is none.
pub(crate) fn decide(
    present: Option<&Lease>,
    unchanged: Duration,
    identity: &str,
    duration: Duration,
    now: Timestamp,
) -> Decision {
    let before = present.and_then(|lease| lease.spec.clone()).unwrap_or_default();
    let is_ours = present.and_then(holder) == Some(identity);
    let is_held = present.and_then(holder).is_some() && unchanged < believed_duration(&before, duration);
    if is_held && !is_ours {
        return Decision::Wait;
    }
    let transitions = before.lease_transitions.unwrap_or_default();
    Decision::Take(LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(i32::try_from(duration.as_secs()).unwrap_or(i32::MAX).max(1)),
        renew_time: Some(MicroTime(now)),
        acquire_time: before.acquire_time.filter(|_| is_ours).or(Some(MicroTime(now))),
        lease_transitions: Some(match present {
            Some(_) if !is_ours => transitions.saturating_add(1),
            _ => transitions,
        }),
        ..before
    })
}

/// A Lease that is given up, so that the next need not wait.
pub(crate) fn released(before: LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(RELEASED_DURATION_SECONDS),
        renew_time: Some(MicroTime(now)),
        acquire_time: Some(MicroTime(now)),
        ..before
    }
}

/// Who holds a Lease, valid or not.
pub(crate) fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    Some(holder).filter(|holder| !holder.is_empty())
}

/// For how long a Lease without a change is respected: anybody who may write Leases can write nonsense into it.
fn believed_duration(lease: &LeaseSpec, own: Duration) -> Duration {
    let said = u64::try_from(lease.lease_duration_seconds.unwrap_or_default()).unwrap_or_default();
    Duration::from_secs(said).clamp(own, own.max(BELIEVED_DURATION_LIMIT))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const DURATION: Duration = Duration::from_secs(15);
    const NOW: &str = "2026-01-02T03:04:05.000000Z";

    fn decide_on(spec: Option<Value>, unchanged_seconds: u64) -> Option<Value> {
        let lease = spec.map(|spec| serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap());
        let unchanged = Duration::from_secs(unchanged_seconds);
        match decide(lease.as_ref(), unchanged, "me", DURATION, NOW.parse().unwrap()) {
            Decision::Take(spec) => Some(serde_json::to_value(spec).unwrap()),
            Decision::Wait => None,
        }
    }

    #[rstest]
    #[case::absent(None, 0, 0)]
    #[case::without_content(Some(Value::Null), 0, 1)]
    #[case::empty(Some(json!({})), 0, 1)]
    #[case::released(Some(json!({"holderIdentity": "", "leaseTransitions": 4})), 0, 5)]
    #[case::run_out(Some(json!({"holderIdentity": "other", "leaseDurationSeconds": 15, "leaseTransitions": 4})), 15, 5)]
    #[case::of_nonsense_duration(Some(json!({"holderIdentity": "other", "leaseDurationSeconds": i32::MAX})), 60, 1)]
    #[case::of_nonsense_times(
        Some(json!({"holderIdentity": "other", "renewTime": "9999-01-01T00:00:00.000000Z"})), 15, 1
    )]
    #[case::changed_hands_too_often(Some(json!({"leaseTransitions": i32::MAX})), 0, i32::MAX)]
    fn takes_what_nobody_holds(
        #[case] spec: Option<Value>,
        #[case] unchanged: u64,
        #[case] transitions: i32,
    ) {
        let wanted = json!({
            "holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": transitions,
            "acquireTime": NOW, "renewTime": NOW,
        });
        assert_eq!(decide_on(spec, unchanged), Some(wanted));
    }

    #[rstest]
    #[case::of_usual_duration(json!({"holderIdentity": "other", "leaseDurationSeconds": 15}), 14)]
    #[case::of_a_longer_duration(json!({"holderIdentity": "other", "leaseDurationSeconds": 40}), 39)]
    #[case::of_a_shorter_duration(json!({"holderIdentity": "other", "leaseDurationSeconds": 1}), 14)]
    #[case::of_no_duration(json!({"holderIdentity": "other"}), 14)]
    #[case::of_a_duration_below_nothing(json!({"holderIdentity": "other", "leaseDurationSeconds": -9}), 14)]
    #[case::long_ago(json!({"holderIdentity": "other", "renewTime": "1970-01-01T00:00:00.000000Z"}), 14)]
    fn waits_for_who_holds_it(#[case] spec: Value, #[case] unchanged: u64) {
        assert_eq!(decide_on(Some(spec), unchanged), None);
    }

    #[test]
    fn renews_its_own_and_keeps_what_it_does_not_know() {
        let acquired = "2026-01-01T00:00:00.000000Z";
        let spec = json!({
            "holderIdentity": "me", "leaseDurationSeconds": 99, "leaseTransitions": 3,
            "acquireTime": acquired, "renewTime": acquired, "strategy": "theirs",
        });
        let wanted = json!({
            "holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": 3,
            "acquireTime": acquired, "renewTime": NOW, "strategy": "theirs",
        });
        assert_eq!(decide_on(Some(spec), 0), Some(wanted));
    }
}

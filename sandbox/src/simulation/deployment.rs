//! What a Deployment needs next: a `ReplicaSet` for its template, and replicas moved from the old ones to it.
//!
//! Pure. The rules are those of Kubernetes' Deployment controller, one step at a time.

use serde_json::{Value, json};

use super::revision::{HASH_LABEL, new_set, revision, template_hash};
use crate::json::{name, number, text};

/// A Deployment and what belongs to it.
pub(crate) struct View<'a> {
    pub(crate) deployment: &'a Value,
    pub(crate) sets: Vec<&'a Value>,
    /// Pods of `ReplicaSet`s other than the new one that have not ended, stopping ones included.
    pub(crate) old_pods: usize,
}

/// One change to make.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Create(Value),
    Scale {
        set: String,
        from: i64,
        to: i64,
    },
    /// Gives the new `ReplicaSet`, and the Deployment, its revision.
    Number {
        set: String,
        revision: i64,
    },
    Delete {
        set: String,
    },
}

impl<'a> View<'a> {
    /// The `ReplicaSet` of the present template.
    pub(crate) fn new_set(&self) -> Option<&'a Value> {
        let hash = template_hash(self.deployment);
        self.sets
            .iter()
            .find(|set| {
                set.pointer("/metadata/labels").and_then(|labels| labels.get(HASH_LABEL))
                    == Some(&json!(hash))
            })
            .copied()
    }

    pub(crate) fn old_sets(&self) -> Vec<&'a Value> {
        let new = self.new_set().map(name);
        self.sets.iter().filter(|set| Some(name(set)) != new).copied().collect()
    }

    pub(crate) fn replicas(&self) -> i64 {
        wanted(self.deployment)
    }

    fn is_recreate(&self) -> bool {
        text(self.deployment, "/spec/strategy/type") == Some("Recreate")
    }

    /// Pods over the wanted number, and pods that may be missing, while rolling.
    pub(crate) fn surge_and_unavailable(&self) -> (i64, i64) {
        if self.is_recreate() {
            return (0, 0);
        }
        let of = |field: &str, rounds_up: bool| {
            let value = self
                .deployment
                .pointer("/spec/strategy/rollingUpdate")
                .and_then(|rolling| rolling.get(field));
            share(value, self.replicas(), rounds_up)
        };
        match (of("maxSurge", true), of("maxUnavailable", false)) {
            (0, 0) => (0, 1),
            (surge, unavailable) => (surge, unavailable.min(self.replicas())),
        }
    }
}

fn wanted(workload: &Value) -> i64 {
    number(workload, "/spec/replicas").unwrap_or(1)
}

fn share(value: Option<&Value>, of: i64, rounds_up: bool) -> i64 {
    match value {
        Some(Value::String(percent)) => {
            let percent: i64 = percent.trim_end_matches('%').parse().unwrap_or(0);
            if rounds_up { (of * percent + 99) / 100 } else { of * percent / 100 }
        }
        Some(number) => number.as_i64().unwrap_or(0),
        None => 0,
    }
}

/// The next steps; none once everything is as it should be.
pub(crate) fn steps(view: &View<'_>) -> Vec<Step> {
    if view.deployment.pointer("/spec/paused") == Some(&json!(true)) {
        return scale_only(view);
    }
    let Some(new) = view.new_set() else { return make_new(view) };
    let last = view.old_sets().iter().map(|set| revision(set)).max().unwrap_or(0);
    let mut steps = Vec::new();
    let number = revision(new).max(last + 1);
    if number != revision(new) || number != revision(view.deployment) {
        steps.push(Step::Number { set: name(new).to_owned(), revision: number });
    }
    steps.extend(if view.is_recreate() { recreate(view, new) } else { roll(view, new) });
    if steps.is_empty() {
        steps.extend(forget_old(view, new));
    }
    steps
}

/// A paused Deployment still follows its number of replicas.
fn scale_only(view: &View<'_>) -> Vec<Step> {
    let active: Vec<&&Value> = view.sets.iter().filter(|set| wanted(set) > 0).collect();
    let only = match active.as_slice() {
        [only] => Some(**only),
        [] => view.new_set(),
        _ => None,
    };
    only.and_then(|set| scale(set, view.replicas())).into_iter().collect()
}

fn scale(set: &Value, to: i64) -> Option<Step> {
    let from = wanted(set);
    (from != to).then(|| Step::Scale { set: name(set).to_owned(), from, to })
}

fn make_new(view: &View<'_>) -> Vec<Step> {
    let old = view.old_sets();
    if view.is_recreate() {
        let stops: Vec<Step> = old.iter().filter_map(|set| scale(set, 0)).collect();
        if !stops.is_empty() || view.old_pods > 0 {
            return stops;
        }
    }
    let last = old.iter().map(|set| revision(set)).max().unwrap_or(0);
    vec![Step::Create(new_set(view.deployment, allowed(view, 0), last + 1))]
}

/// How many replicas the new `ReplicaSet` may have now.
fn allowed(view: &View<'_>, present: i64) -> i64 {
    let (surge, _) = view.surge_and_unavailable();
    let total: i64 = view.sets.iter().map(|set| wanted(set)).sum();
    if view.is_recreate() {
        return view.replicas();
    }
    let room = (view.replicas() + surge - total).max(0);
    (present + room).min(view.replicas()).max(0)
}

fn recreate(view: &View<'_>, new: &Value) -> Vec<Step> {
    let stops: Vec<Step> = view.old_sets().iter().filter_map(|set| scale(set, 0)).collect();
    if !stops.is_empty() || view.old_pods > 0 {
        return stops;
    }
    scale(new, view.replicas()).into_iter().collect()
}

fn roll(view: &View<'_>, new: &Value) -> Vec<Step> {
    let present = wanted(new);
    let target = if present > view.replicas() { view.replicas() } else { allowed(view, present) };
    if let Some(step) = scale(new, target) {
        return vec![step];
    }
    let available = |set: &Value| number(set, "/status/availableReplicas").unwrap_or(0);
    let (_, unavailable) = view.surge_and_unavailable();
    let least = view.replicas() - unavailable;
    let total: i64 = view.sets.iter().map(|set| wanted(set)).sum();
    let mut stoppable = total - least - (wanted(new) - available(new));
    let mut steps = Vec::new();
    let mut old = view.old_sets();
    old.sort_by_key(|set| revision(set));
    // Pods that are not available are no loss: they go first.
    let mut spared: i64 = view.sets.iter().map(|set| available(set)).sum::<i64>() - least;
    for set in old {
        let dead = (wanted(set) - available(set)).clamp(0, stoppable.max(0));
        let alive = available(set).min(spared.max(0)).min((stoppable - dead).max(0));
        spared -= alive;
        stoppable -= dead + alive;
        steps.extend(scale(set, wanted(set) - dead - alive));
    }
    steps
}

/// Old `ReplicaSet`s over the history limit go, the oldest first.
fn forget_old(view: &View<'_>, new: &Value) -> Vec<Step> {
    let is_complete = number(new, "/status/availableReplicas").unwrap_or(0) == view.replicas();
    let limit = number(view.deployment, "/spec/revisionHistoryLimit").unwrap_or(10);
    let mut old: Vec<&Value> = view
        .old_sets()
        .into_iter()
        .filter(|set| wanted(set) == 0 && number(set, "/status/replicas").unwrap_or(0) == 0)
        .collect();
    let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    if !is_complete || surplus == 0 {
        return Vec::new();
    }
    old.sort_by_key(|set| revision(set));
    old.into_iter().take(surplus).map(|set| Step::Delete { set: name(set).to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{json::object_mut, simulation::revision::REVISION};

    fn deployment(strategy: &Value, image: &str) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "n", "uid": "u", "annotations": {REVISION: "1"}},
            "spec": {"replicas": 4, "strategy": strategy, "selector": {"matchLabels": {"app": "web"}},
                     "template": {"metadata": {"labels": {"app": "web"}},
                                  "spec": {"containers": [{"name": "c", "image": image}]}}},
        })
    }

    fn set(deployment: &Value, revision: i64, replicas: i64, available: i64) -> Value {
        let mut set = new_set(deployment, replicas, revision);
        object_mut(&mut set)
            .insert("status".to_owned(), json!({"availableReplicas": available, "replicas": replicas}));
        set
    }

    fn scaled(steps: &[Step]) -> Vec<(i64, i64)> {
        steps
            .iter()
            .filter_map(|step| match step {
                Step::Scale { from, to, .. } => Some((*from, *to)),
                _ => None,
            })
            .collect()
    }

    #[rstest]
    #[case::surge_first(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
                        (4, 4), (0, 0), &[(0, 1)])]
    #[case::waits_for_the_new_pod(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
                        (4, 4), (1, 0), &[])]
    #[case::then_one_old_goes(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
                        (4, 4), (1, 1), &[(4, 3)])]
    #[case::quarters(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
                        (4, 4), (1, 0), &[(4, 3)])]
    #[case::recreate_stops_all(json!({"type": "Recreate"}), (4, 4), (0, 0), &[(4, 0)])]
    #[case::recreate_starts_all(json!({"type": "Recreate"}), (0, 0), (0, 0), &[(0, 4)])]
    fn rolls(
        #[case] strategy: Value,
        #[case] (old_replicas, old_available): (i64, i64),
        #[case] (new_replicas, new_available): (i64, i64),
        #[case] expected: &[(i64, i64)],
    ) {
        let before = deployment(&strategy, "i:1");
        let after = deployment(&strategy, "i:2");
        let (old, new) =
            (set(&before, 1, old_replicas, old_available), set(&after, 2, new_replicas, new_available));
        let view = View { deployment: &after, sets: vec![&old, &new], old_pods: 0 };
        assert_eq!(scaled(&steps(&view)), expected);
    }

    #[test]
    fn recreate_waits_until_the_old_pods_are_gone() {
        let before = deployment(&json!({"type": "Recreate"}), "i:1");
        let after = deployment(&json!({"type": "Recreate"}), "i:2");
        let old = set(&before, 1, 0, 0);
        assert_eq!(steps(&View { deployment: &after, sets: vec![&old], old_pods: 1 }), []);
        let made = steps(&View { deployment: &after, sets: vec![&old], old_pods: 0 });
        let [Step::Create(new)] = made.as_slice() else { panic!("{made:?}") };
        assert_eq!((wanted(new), revision(new)), (4, 2));
    }

    #[test]
    fn a_paused_deployment_does_not_roll() {
        let before = deployment(&json!({"type": "RollingUpdate"}), "i:1");
        let mut after = deployment(&json!({"type": "RollingUpdate"}), "i:2");
        crate::json::member_mut(&mut after, "spec").insert("paused".to_owned(), json!(true));
        let old = set(&before, 1, 4, 4);
        assert_eq!(steps(&View { deployment: &after, sets: vec![&old], old_pods: 4 }), []);
    }
}

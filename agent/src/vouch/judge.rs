//! Whether a policy and a binding, as they were read, hold people to their own names; and since when. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::admissionregistration::v1::{
        MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
        ValidatingAdmissionPolicySpec,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use voxsync_crds::CodeSync;

use super::NAME;

/// The text that we ship.
const SHIPPED: &str = include_str!("../../../deploy/policies/people.yaml");
/// What is in each expression about approvals, and only there.
const ABOUT: [&str; 2] = ["voxsync.dev/approve", "variables.approvedBy"];
/// Before the name of a variable.
const VARIABLE: &str = "variables.";

/// What the shipped policy says about approvals.
static RULES: LazyLock<Option<Rules>> = LazyLock::new(|| {
    let policy: ValidatingAdmissionPolicy =
        serde_saphyr::from_multiple(SHIPPED).ok().and_then(|documents: Vec<serde_json::Value>| {
            serde_json::from_value(documents.into_iter().next()?).ok()
        })?;
    let spec = policy.spec?;
    let rules = Rules::of(&spec);
    (!rules.validations.is_empty()).then_some(rules)
});

/// Why a policy does not hold people to their own names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotInForce {
    /// The text of this build is unreadable.
    #[error("this build does not know what it should say")]
    Unknown,
    /// It has no spec, or no time.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// It lets something through.
    #[error("{0} lets requests through that it should judge")]
    Narrowed(&'static str),
    /// A rule is missing, or another one.
    #[error("its rules about approvals are not those that came with this version of voxsync")]
    OtherRules,
}

/// The expressions about approvals, and the variables in them.
#[derive(Debug, PartialEq, Eq)]
struct Rules {
    validations: BTreeSet<String>,
    variables: BTreeMap<String, String>,
}

impl Rules {
    fn of(spec: &ValidatingAdmissionPolicySpec) -> Self {
        let all: BTreeMap<String, String> = spec
            .variables
            .iter()
            .flatten()
            .map(|variable| (variable.name.clone(), folded(&variable.expression)))
            .collect();
        let validations: BTreeSet<String> = spec
            .validations
            .iter()
            .flatten()
            .map(|validation| folded(&validation.expression))
            .filter(|expression| ABOUT.iter().any(|about| expression.contains(about)))
            .collect();
        let mut variables = BTreeMap::new();
        let mut open: Vec<String> = validations.iter().flat_map(|rule| named(rule)).collect();
        while let Some(name) = open.pop() {
            if let Some(expression) = all.get(&name)
                && !variables.contains_key(&name)
            {
                open.extend(named(expression));
                variables.insert(name, expression.clone());
            }
        }
        Self { validations, variables }
    }
}

/// The variables that an expression names.
fn named(expression: &str) -> Vec<String> {
    let name = |rest: &str| rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    expression.split(VARIABLE).skip(1).map(name).collect()
}

/// With single spaces: not all readers of YAML fold long lines alike.
fn folded(expression: &str) -> String {
    expression.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Since when they hold people to their own names, as they are now.
pub(super) fn in_force_since(
    policy: &ValidatingAdmissionPolicy,
    binding: &ValidatingAdmissionPolicyBinding,
) -> Result<Timestamp, NotInForce> {
    let wanted = RULES.as_ref().ok_or(NotInForce::Unknown)?;
    let spec = policy.spec.as_ref().ok_or(NotInForce::Missing("spec"))?;
    judges_all(spec)?;
    let present = Rules::of(spec);
    // Further rules can only refuse more.
    let has_all = wanted.validations.is_subset(&present.validations)
        && wanted.variables.iter().all(|(name, expression)| present.variables.get(name) == Some(expression));
    if !has_all {
        return Err(NotInForce::OtherRules);
    }
    binds_all(binding)?;
    let times = changed(&policy.metadata).zip(changed(&binding.metadata));
    let (policy, binding) = times.ok_or(NotInForce::Missing("time"))?;
    Ok(policy.max(binding))
}

/// Whether each request that writes a CodeSync is judged.
fn judges_all(spec: &ValidatingAdmissionPolicySpec) -> Result<(), NotInForce> {
    // Without one, it is Fail.
    if spec.failure_policy.as_deref().is_some_and(|policy| policy != "Fail") {
        return Err(NotInForce::Narrowed("its failurePolicy"));
    }
    if spec.match_conditions.as_ref().is_some_and(|conditions| !conditions.is_empty()) {
        return Err(NotInForce::Narrowed("its matchConditions"));
    }
    if spec.param_kind.is_some() {
        return Err(NotInForce::Narrowed("its paramKind"));
    }
    let constraints = spec.match_constraints.as_ref().ok_or(NotInForce::Missing("matchConstraints"))?;
    let mut rules = constraints.resource_rules.iter().flatten();
    if !is_unselective(constraints) || !rules.any(is_about_code_syncs) {
        return Err(NotInForce::Narrowed("its matchConstraints"));
    }
    Ok(())
}

/// Whether each refusal of the policy is one.
fn binds_all(binding: &ValidatingAdmissionPolicyBinding) -> Result<(), NotInForce> {
    let spec = binding.spec.as_ref().ok_or(NotInForce::Missing("binding"))?;
    let denies = spec.validation_actions.iter().flatten().any(|action| action == "Deny");
    let narrows = |it: &MatchResources| {
        !is_unselective(it) || it.resource_rules.as_ref().is_some_and(|it| !it.is_empty())
    };
    let is_narrowed = spec.match_resources.as_ref().is_some_and(narrows) || spec.param_ref.is_some();
    if spec.policy_name.as_deref() != Some(NAME) || !denies || is_narrowed {
        return Err(NotInForce::Narrowed("its binding"));
    }
    Ok(())
}

fn is_unselective(resources: &MatchResources) -> bool {
    let is_empty = |selector: &LabelSelector| {
        selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty)
            && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
    };
    resources.exclude_resource_rules.as_ref().is_none_or(Vec::is_empty)
        && resources.namespace_selector.as_ref().is_none_or(is_empty)
        && resources.object_selector.as_ref().is_none_or(is_empty)
}

fn is_about_code_syncs(rule: &NamedRuleWithOperations) -> bool {
    let has = |list: &Option<Vec<String>>, wanted: &str| {
        list.iter().flatten().any(|entry| entry == wanted || entry == "*")
    };
    rule.resource_names.as_ref().is_none_or(Vec::is_empty)
        && rule.scope.as_deref().is_none_or(|scope| scope != "Cluster")
        && has(&rule.api_groups, "voxsync.dev")
        && has(&rule.api_versions, "v1alpha1")
        && has(&rule.resources, "codesyncs")
        && has(&rule.operations, "CREATE")
        && has(&rule.operations, "UPDATE")
}

/// When an object was made or changed last, but for its status.
fn changed(metadata: &ObjectMeta) -> Option<Timestamp> {
    let created = metadata.creation_timestamp.as_ref()?.0;
    let writes = metadata.managed_fields.iter().flatten();
    let writes = writes.filter(|entry| entry.subresource.as_deref().is_none_or(str::is_empty));
    let changes = writes.filter_map(|entry| Some(entry.time.as_ref()?.0));
    Some(changes.fold(created, Timestamp::max))
}

/// A moment after which the status was stored for the last time: the latest of those that the agent wrote into it.
pub(super) fn stored_after(code_sync: &CodeSync) -> Option<Timestamp> {
    let status = code_sync.status.as_ref()?;
    let promotion = status.promotion.as_ref();
    let times = [promotion.map(|it| it.started_at), promotion.and_then(|it| it.ended_at)];
    let conditions = status.conditions.iter().map(|it| it.last_transition_time);
    let stages = status.stages.iter().filter_map(|it| it.since);
    let releases = status.history.iter().map(|it| it.ended_at);
    let approvals = status.approvals.iter().map(|it| it.at);
    let all = times.into_iter().flatten().chain(conditions).chain(stages).chain(releases).chain(approvals);
    all.map(Timestamp::from).max()
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;

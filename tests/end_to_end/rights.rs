//! What the accounts that we ship may do, asked of the real API server. The rest of the suite shows that it is enough.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use k8s_openapi::api::{
    authorization::v1::{
        ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SelfSubjectRulesReview,
        SelfSubjectRulesReviewSpec,
    },
    core::v1::Secret,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams},
};
use serde_json::json;

use crate::harness::{Case, Cluster, Needs, cases, estate::create_secret, shipped::VARIANTS};

pub(crate) const CASES: &[Case] = cases![
    the_key_of_the_certificate_authority_is_out_of_reach => Needs::OBJECT.on_control_plane_only(),
    accounts_may_do_what_the_table_says_and_nothing_else => Needs::OBJECT.on_control_plane_only(),
];

/// Verbs, group, resource, name; and for each of [`VARIANTS`], where its account may do that: in its own namespace, in
/// all, or in none.
type Row = (&'static str, &'static str, &'static str, &'static str, [&'static str; 4]);

const EVERYWHERE: [&str; 4] = ["all", "all", "all", "all"];
const NONE: [&str; 4] = ["-", "-", "-", "-"];
const RUN: [&str; 4] = ["own", "own", "all", "-"];
const READ: [&str; 4] = ["own", "own", "all", "all"];
const LEAD: [&str; 4] = ["own", "own", "own", "-"];

const TABLE: &[Row] = &[
    ("get list watch", "voxsync.dev", "codesyncs", "", READ),
    ("patch", "voxsync.dev", "codesyncs", "", RUN),
    ("create update delete deletecollection", "voxsync.dev", "codesyncs", "", NONE),
    ("approve rollback promote configure", "voxsync.dev", "codesyncs", "", NONE),
    ("update", "voxsync.dev", "codesyncs/status", "", RUN),
    ("patch", "voxsync.dev", "codesyncs/status", "", NONE),
    ("get list watch", "voxsync.dev", "codereleases", "", READ),
    ("create delete", "voxsync.dev", "codereleases", "", RUN),
    ("update patch deletecollection", "voxsync.dev", "codereleases", "", NONE),
    ("get list watch", "openvox.voxpupuli.org", "configs", "", READ),
    ("get list watch", "openvox.voxpupuli.org", "servers", "", READ),
    ("patch", "openvox.voxpupuli.org", "configs", "", RUN),
    ("patch", "openvox.voxpupuli.org", "servers", "", RUN),
    ("create update delete deletecollection", "openvox.voxpupuli.org", "configs", "", NONE),
    ("create update delete deletecollection", "openvox.voxpupuli.org", "servers", "", NONE),
    ("update patch", "openvox.voxpupuli.org", "servers/status", "", NONE),
    ("get list watch", "openvox.voxpupuli.org", "certificateauthorities", "", NONE),
    ("get list watch", "apps", "deployments", "", READ),
    ("patch", "apps", "deployments", "", ["own", "-", "all", "-"]),
    ("create update delete deletecollection", "apps", "deployments", "", NONE),
    ("update patch", "apps", "deployments/scale", "", NONE),
    ("list watch", "apps", "replicasets", "", READ),
    ("get", "apps", "replicasets", "", ["-", "-", "-", "all"]),
    ("create update patch delete", "apps", "replicasets", "", NONE),
    ("list watch", "", "pods", "", READ),
    ("get", "", "pods", "", ["-", "-", "-", "all"]),
    ("create update patch delete", "", "pods", "", NONE),
    ("create get", "", "pods/exec", "", NONE),
    ("get", "", "pods/log", "", NONE),
    ("create get patch", "events.k8s.io", "events", "", RUN),
    ("update delete", "events.k8s.io", "events", "", NONE),
    ("get update", "coordination.k8s.io", "leases", "voxsync-agent", LEAD),
    ("get update", "coordination.k8s.io", "leases", "voxsync-reconciler", LEAD),
    ("create", "coordination.k8s.io", "leases", "", LEAD),
    ("get update", "coordination.k8s.io", "leases", "another", NONE),
    ("list watch patch delete", "coordination.k8s.io", "leases", "", NONE),
    // In all namespaces only where a RoleBinding says so.
    ("get", "", "secrets", "git-login", ["own", "own", "-", "-"]),
    ("get", "", "secrets", "puppet-ca", NONE),
    ("get list watch create update patch delete", "", "secrets", "", NONE),
    ("list watch update patch delete", "", "secrets", "git-login", NONE),
    ("get", "", "configmaps", "company-ca", ["own", "own", "-", "-"]),
    ("get list watch create update patch", "", "configmaps", "", NONE),
    ("create", "", "serviceaccounts/token", "", NONE),
    ("create patch bind escalate", "rbac.authorization.k8s.io", "roles", "", NONE),
    ("create patch", "rbac.authorization.k8s.io", "rolebindings", "", NONE),
    ("create patch", "admissionregistration.k8s.io", "validatingadmissionpolicies", "", NONE),
    // It comes with deploy/policies.
    ("get", "admissionregistration.k8s.io", "validatingadmissionpolicies", "voxsync-people", EVERYWHERE),
    (
        "get",
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        "voxsync-people",
        EVERYWHERE,
    ),
    ("get", "admissionregistration.k8s.io", "validatingadmissionpolicies", "another", NONE),
];

async fn the_key_of_the_certificate_authority_is_out_of_reach(cluster: &Cluster) {
    for variant in VARIANTS {
        let place = &cluster.another_with(variant, variant).await;
        create_secret(place, "puppet-ca", json!({"ca_key.pem": "a private key"})).await;
        create_secret(place, "git-login", json!({"username": "reader", "password": "secret"})).await;
        let secrets: Api<Secret> = Api::namespaced(place.voxsync_client(), place.namespace());
        let all: Api<Secret> = Api::all(place.voxsync_client());
        let lists = ListParams::default();
        let by_name = ListParams::default().fields("metadata.name=puppet-ca");
        let change = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
        for (what, refused) in [
            ("get", secrets.get("puppet-ca").await.err()),
            ("get of metadata", secrets.get_metadata("puppet-ca").await.err()),
            ("list", secrets.list(&lists).await.err()),
            ("list of one name", secrets.list(&by_name).await.err()),
            ("list of all namespaces", all.list(&lists).await.err()),
            ("watch", watch(&secrets).await.err()),
            ("patch", secrets.patch("puppet-ca", &PatchParams::default(), &change).await.err()),
            ("delete", secrets.delete("puppet-ca", &DeleteParams::default()).await.err()),
        ] {
            assert_eq!(refused.as_ref().map(status_code), Some(403), "{variant}: {what}: {refused:?}");
        }
        let named = secrets.get("git-login").await;
        assert_eq!(named.is_ok(), ["namespace", "cooperative"].contains(&variant), "{variant}: {named:?}");
        place.end().await;
    }
}

async fn accounts_may_do_what_the_table_says_and_nothing_else(cluster: &Cluster) {
    for (place_in_table, variant) in VARIANTS.into_iter().enumerate() {
        let place = &cluster.another_with(variant, variant).await;
        let mut allowed = BTreeSet::new();
        for (verbs, group, resource, name, grants) in TABLE {
            for verb in verbs.split(' ') {
                let grant = grants[place_in_table];
                let right = right(verb, group, resource, name);
                for (namespace, wanted) in [(place.namespace(), grant != "-"), ("elsewhere", grant == "all")]
                {
                    let may = may(place, namespace, (verb, group, resource, name)).await;
                    assert_eq!(may, wanted, "{variant}: {right} {name:?} in {namespace}");
                }
                if grant != "-" {
                    allowed.insert(right);
                }
            }
        }
        assert_eq!(rights(place).await, allowed, "{variant}: what is granted, and what is in the table");
        place.end().await;
    }
}

/// Whether the account may do that.
async fn may(
    place: &Cluster,
    namespace: &str,
    (verb, group, resource, name): (&str, &str, &str, &str),
) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let given = |text: &str| Some(text.to_owned());
    let attributes = ResourceAttributes {
        namespace: given(namespace),
        verb: given(verb),
        group: given(group),
        resource: given(resource),
        subresource: given(subresource),
        name: given(name),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        ..SelfSubjectAccessReviewSpec::default()
    };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(place.voxsync_client());
    let answer = reviews.create(&PostParams::default(), &review).await.expect("an answer");
    answer.status.expect("a status").allowed
}

/// All that the account may do in its namespace, but for what every account may.
async fn rights(place: &Cluster) -> BTreeSet<String> {
    let spec = SelfSubjectRulesReviewSpec { namespace: Some(place.namespace().to_owned()) };
    let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
    let reviews: Api<SelfSubjectRulesReview> = Api::all(place.voxsync_client());
    let answer = reviews.create(&PostParams::default(), &review).await.expect("an answer");
    let mut rights = BTreeSet::new();
    for rule in answer.status.expect("a status").resource_rules {
        let names = rule.resource_names.unwrap_or_else(|| vec![String::new()]);
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for (verb, name) in
                    rule.verbs.iter().flat_map(|verb| names.iter().map(move |name| (verb, name)))
                {
                    rights.insert(right(verb, group, resource, name));
                }
            }
        }
    }
    rights.retain(|right| {
        !right.contains(" authorization.k8s.io/") && !right.contains(" authentication.k8s.io/")
    });
    rights
}

/// A right, without the names that it is held to: tests have other ones.
fn right(verb: &str, group: &str, resource: &str, name: &str) -> String {
    format!("{verb} {group}/{resource}{}", if name.is_empty() { "" } else { " by name" })
}

/// The first event of a watch, or the refusal.
async fn watch(secrets: &Api<Secret>) -> kube::Result<()> {
    let mut events = Box::pin(secrets.watch(&WatchParams::default(), "0").await?);
    events.next().await.transpose().map(drop)
}

/// The API server's answer, as a number of HTTP.
pub(crate) fn status_code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    }
}

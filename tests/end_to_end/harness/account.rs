//! The account that voxsync runs under. On the real control plane it is the shipped one, with the shipped rights and no
//! others; the sandbox knows no rights.

use std::{fs, path::PathBuf, time::Duration};

use futures::future::join_all;
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use super::{cluster::Cluster, shipped, status::text, wait::wait_for};

/// How long the API server may take to know of new rights.
const DEADLINE: Duration = Duration::from_mins(2);

/// How voxsync reaches the API server.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) client: Client,
    pub(super) kubeconfig: PathBuf,
}

impl Account {
    /// The account of a kubeconfig.
    pub(super) async fn of(kubeconfig: PathBuf, namespace: &str) -> Self {
        let read = Kubeconfig::read_from(&kubeconfig).expect("the kubeconfig of the cluster");
        let mut configuration = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
            .await
            .expect("the kubeconfig of the cluster");
        namespace.clone_into(&mut configuration.default_namespace);
        Self { client: Client::try_from(configuration).expect("a client"), kubeconfig }
    }

    /// The account of a variant of `deploy/` in the namespace of a test, with the rights that it has there.
    pub(super) async fn shipped(cluster: &Cluster, variant: &str) -> Self {
        let namespace = cluster.namespace();
        let rights = shipped::rights(variant, namespace).await;
        join_all(rights.iter().map(|object| cluster.create(object.clone()))).await;
        let name = rights.iter().find(|object| object["kind"] == "ServiceAccount");
        let name = text(&name.expect("a ServiceAccount")["metadata"]["name"]);
        let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client(), namespace);
        let (parameters, request) = (PostParams::default(), TokenRequest::default());
        let asked = accounts.create_token_request(name, &parameters, &request).await;
        let token = asked.expect("a token").status.expect("a token").token;
        let account = Self::of(kubeconfig_with(cluster, &token), namespace).await;
        let rules =
            rights.iter().filter_map(|object| object["rules"].as_array()).flatten().cloned().collect();
        account.has(namespace, rules).await;
        account
    }

    /// Waits until the API server knows its rights.
    async fn has(&self, namespace: &str, rules: Vec<Value>) {
        let spec = SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) };
        let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
        let reviews: Api<SelfSubjectRulesReview> = Api::all(self.client.clone());
        wait_for("the rights of voxsync's account", DEADLINE, async || {
            let answer = reviews.create(&PostParams::default(), &review).await;
            let status = answer.expect("a review of one's own rules").status.expect("a status");
            let known = json!(status.resource_rules);
            let missing =
                rules.iter().find(|rule| !known.as_array().is_some_and(|known| known.contains(rule)));
            match missing {
                None => Ok(()),
                Some(rule) => Err(format!("{rule} is not in {known}")),
            }
        })
        .await;
    }
}

/// A kubeconfig beside that of the cluster, with a token instead.
fn kubeconfig_with(cluster: &Cluster, token: &str) -> PathBuf {
    let admin = cluster.kubeconfig();
    let text = fs::read_to_string(&admin).expect("the kubeconfig of the cluster");
    let mut value: Value = serde_saphyr::from_str(&text).expect("the kubeconfig of the cluster");
    value["users"][0]["user"] = json!({"token": token});
    let path = admin.with_file_name(format!("{}.kubeconfig", cluster.namespace()));
    fs::write(&path, value.to_string()).expect("write a kubeconfig");
    path
}

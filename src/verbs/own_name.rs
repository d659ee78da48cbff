//! Who runs the command, as the API server knows them.

use anyhow::Context as _;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, Client, api::PostParams};

/// One's own name; none where the API server does not say it: before Kubernetes 1.28, and in the sandbox.
pub async fn own_name(client: Client) -> anyhow::Result<Option<String>> {
    let reviews: Api<SelfSubjectReview> = Api::all(client);
    match reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await {
        Ok(review) => {
            let user = review.status.and_then(|status| status.user_info);
            Ok(user.and_then(|user| user.username).filter(|name| !name.is_empty()))
        }
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 403 => Ok(None),
        Err(error) => Err(error).context("your own name could not be asked for"),
    }
}

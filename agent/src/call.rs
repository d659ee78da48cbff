//! A limit around each question to the API server: one that does not answer must not hold up a pass or a look for ever.

use std::{future::Future, time::Duration};

use voxsync_crds::duration::spoken;

/// How long the API server may take for an answer.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// The answer, or an error if there is none in time; then nobody knows whether the request was carried out.
pub(crate) async fn call<T>(answer: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    within(CALL_LIMIT, answer).await
}

async fn within<T>(limit: Duration, answer: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
        let message = format!("the API server did not answer in {}", spoken(limit));
        Err(kube::Error::Service(message.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_answer_is_an_error() {
        let never = std::future::pending::<kube::Result<()>>();
        let error = within(Duration::from_millis(100), never).await.unwrap_err();
        assert!(error.to_string().contains("did not answer in 0.1 s"), "{error}");
    }
}

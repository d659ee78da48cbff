//! Blobs: content by its digest, from the registry or from where it redirects to.

use reqwest::{Method, Response, Url, header::LOCATION};

use super::{
    Problem, RegistryClient, body,
    client::{Question, accepted},
    manifest::sha256_digest,
    transport,
};

const ACCEPT_ANYTHING: &str = "*/*";

impl RegistryClient {
    /// The content of a digest. Registries keep blobs elsewhere, and redirect there: such a redirect is followed once,
    /// without a login (nor a client certificate, if it leads to another host), to https only (unless the registry itself
    /// is plain HTTP), and what comes must have the digest.
    pub(super) async fn blob(&self, digest: &str, limit_bytes: usize) -> Result<Vec<u8>, Problem> {
        let mut address = self.base.clone();
        address.set_path(&format!("{}blobs/{digest}", self.base.path()));
        let question =
            Question { method: Method::GET, address, accept: ACCEPT_ANYTHING, if_none_match: None };
        let mut response = self.ask(&question).await?;
        if let Some(target) = self.target(&response)? {
            drop(response);
            let is_own = target.origin() == self.base.origin();
            let http = if is_own { &self.line.http } else { &self.line.anonymous };
            let sent = self.line.send(http.get(target.clone()), &target).await;
            response = sent.map_err(|error| transport::problem(&error, &target))?;
        }
        let missing = Problem::DigestNotFound { digest: digest.to_owned() };
        let bytes = body::content(accepted(response, missing).await?, limit_bytes).await?;
        let actual = sha256_digest(&bytes);
        if actual != digest {
            return Err(Problem::DigestMismatch { expected: digest.to_owned(), actual });
        }
        Ok(bytes)
    }

    fn target(&self, response: &Response) -> Result<Option<Url>, Problem> {
        let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection());
        let Some(location) = location else { return Ok(None) };
        let target = location.to_str().ok().and_then(|location| response.url().join(location).ok());
        let is_safe = |target: &Url| {
            (target.scheme() == "https" || target.scheme() == self.base.scheme())
                && target.username().is_empty()
                && target.password().is_none()
        };
        target.filter(is_safe).map(Some).ok_or_else(|| Problem::InvalidAnswer {
            host: transport::host_and_port(&self.base),
            detail: "it keeps blobs at an address that is none, or not https".to_owned(),
        })
    }
}

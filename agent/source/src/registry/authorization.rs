//! What a 401 leads to: basic authentication, or a token from the server that the registry names.
//!
//! Docker's token protocol (distribution, `docs/spec/auth/token.md` and `oauth.md`). Only the right to pull is asked for,
//! and a login is sent over plain HTTP only where the registry itself is asked that way.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;
use url::form_urlencoded;

use super::{
    Login, Problem, RegistryClient, body,
    challenge::{Challenge, challenges},
    client::{accepted, header},
    transport,
};

const MAX_TOKEN_BODY_BYTES: usize = 256 << 10;

/// Both names are in use; where both are given they are the same.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl RegistryClient {
    /// The header that the challenges of a 401 ask for.
    pub(super) async fn authorize(&self, refusal: &HeaderMap) -> Result<HeaderValue, Problem> {
        let refusals = refusal.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<Challenge> = refusals.flat_map(challenges).collect();
        let bearer = challenges.iter().find(|challenge| challenge.scheme == "bearer");
        let realm = bearer.and_then(|bearer| Some((bearer, bearer.parameter("realm")?)));
        match (&self.login, realm) {
            (Login::Bearer(_), _) => Err(self.login_problem(&self.base)),
            (_, Some((bearer, realm))) => self.token(bearer, realm).await,
            (Login::Basic { username, password }, None)
                if challenges.iter().any(|challenge| challenge.scheme == "basic") =>
            {
                basic(username, password)
            }
            _ => Err(self.login_problem(&self.base)),
        }
    }

    pub(super) fn login_problem(&self, asked: &Url) -> Problem {
        match self.login {
            Login::Anonymous => Problem::LoginMissing,
            _ => Problem::LoginRefused { host: transport::host_and_port(asked) },
        }
    }

    async fn token(&self, bearer: &Challenge, realm: &str) -> Result<HeaderValue, Problem> {
        let realm = self.token_server(realm)?;
        let mut parameters = Vec::from([("scope", format!("repository:{}:pull", self.repository.path()))]);
        parameters.extend(self.further_scopes(bearer).map(|scope| ("scope", scope)));
        parameters.extend(bearer.parameter("service").map(|service| ("service", service.to_owned())));

        let request = if let Login::Identity(token) = &self.login {
            let scopes: Vec<String> = parameters
                .iter()
                .filter(|(name, _)| *name == "scope")
                .map(|(_, scope)| scope.clone())
                .collect();
            parameters.retain(|(name, _)| *name != "scope");
            parameters.push(("scope", scopes.join(" ")));
            parameters.push(("grant_type", "refresh_token".to_owned()));
            parameters.push(("client_id", "voxsync".to_owned()));
            parameters.push(("refresh_token", token.clone()));
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
            self.line
                .http
                .post(realm.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form)
        } else {
            let mut address = realm.clone();
            address.query_pairs_mut().extend_pairs(parameters);
            let request = self.line.http.get(address);
            match &self.login {
                Login::Basic { username, password } => {
                    request.header(AUTHORIZATION, basic(username, password)?)
                }
                _ => request,
            }
        };
        let sent = self.line.send(request, &realm).await;
        let response = sent.map_err(|error| transport::problem(&error, &realm))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(self.login_problem(&realm));
        }
        let response = match accepted(response, no_token(&realm)).await {
            Err(Problem::Forbidden) => return Err(self.login_problem(&realm)),
            answer => answer?,
        };
        let answer = body::read(response, MAX_TOKEN_BODY_BYTES).await?;
        let answer: TokenAnswer = serde_json::from_slice(&answer).map_err(|_| no_token(&realm))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        header("Bearer", &token.ok_or_else(|| no_token(&realm))?).map_err(|_| no_token(&realm))
    }

    fn token_server(&self, realm: &str) -> Result<Url, Problem> {
        let refused = |detail: &str| {
            let host = transport::host_and_port(&self.base);
            Err(Problem::InvalidAnswer { host, detail: format!("the address of its token server {detail}") })
        };
        let Ok(realm) = Url::parse(realm) else { return refused("is none") };
        if realm.scheme() != "https" && realm.scheme() != self.base.scheme() {
            return refused("is not https, so no login is sent there");
        }
        if !realm.username().is_empty() || realm.password().is_some() {
            return refused("has a user in it");
        }
        Ok(realm)
    }

    /// Rights on this repository besides `pull` that the registry asks for, as Azure does for lists of tags.
    fn further_scopes(&self, bearer: &Challenge) -> impl Iterator<Item = String> {
        let prefix = format!("repository:{}:", self.repository.path());
        let pull = format!("{prefix}pull");
        let asked = bearer.parameter("scope").unwrap_or_default().to_owned();
        let scopes: Vec<String> = asked.split(' ').map(str::to_owned).collect();
        scopes.into_iter().filter(move |scope| scope.starts_with(&prefix) && *scope != pull)
    }
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, Problem> {
    header("Basic", &STANDARD.encode(format!("{username}:{password}")))
}

fn no_token(realm: &Url) -> Problem {
    Problem::InvalidAnswer { host: transport::host_and_port(realm), detail: "no token in it".to_owned() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::registry::RegistryOptions;

    #[rstest]
    #[case("https://auth.example/token", false, true)]
    #[case("https://auth.example/token", true, true)]
    #[case("http://auth.example/token", true, true)]
    #[case("http://auth.example/token", false, false)]
    #[case("https://user:secret@auth.example/token", false, false)]
    #[case("file:///token", true, false)]
    #[case("/token", false, false)]
    fn token_servers(#[case] realm: &str, #[case] plain_http: bool, #[case] trusted: bool) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = RegistryOptions { plain_http, ..RegistryOptions::default() };
        let client = RegistryClient::new("r.example/x".parse().unwrap(), options).unwrap();
        let server = client.token_server(realm);
        assert_eq!(server.is_ok(), trusted);
        assert!(trusted || !server.unwrap_err().to_string().contains("secret"));
    }
}

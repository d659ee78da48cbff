//! The client against a registry of our own on loopback, which shows what real ones do only sometimes.

mod faults;
mod fuzz;
mod login;
mod manifests;
mod signatures;
mod tags;
mod vendors;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::*;
use crate::Pace;

/// One request as the registry saw it.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    /// With the query.
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A registry that answers what a function says, and remembers what it was asked.
struct Registry {
    host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Registry {
    async fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (record, answer) = (Arc::clone(&seen), Arc::new(answer));
        let router =
            Router::new().fallback(async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let body = String::from_utf8(body.to_vec()).unwrap();
                let seen = Seen { method, path: uri.to_string(), headers, body };
                record.lock().unwrap().push(seen.clone());
                answer(&seen)
            });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { host, seen }
    }

    /// A client of another repository than the usual one.
    fn client_of(&self, path: &str, login: Login) -> RegistryClient {
        let client = self.client(login.clone());
        client.beside(format!("{}/{path}", self.host).parse().unwrap(), true, login).unwrap()
    }

    fn client(&self, login: Login) -> RegistryClient {
        let options = RegistryOptions { plain_http: true, login, ..RegistryOptions::default() };
        self.client_with(options)
    }

    fn client_with(&self, options: RegistryOptions) -> RegistryClient {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Tests do not wait for a budget that they are not about.
        let options = RegistryOptions { pace: Pace::new(u32::MAX), ..options };
        RegistryClient::new(format!("{}/team/code", self.host).parse().unwrap(), options).unwrap()
    }

    /// Method and path of the requests since the last call.
    fn take_requests(&self) -> Vec<String> {
        self.take().iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap(), body.into()).into_response();
    for (name, value) in headers {
        let name: axum::http::HeaderName = name.parse().unwrap();
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

fn json_answer(body: &Value) -> Response {
    answer(200, &[("content-type", "application/json")], body.to_string())
}

fn tags_answer(tags: &[&str], headers: &[(&str, &str)]) -> Response {
    answer(200, headers, json!({"name": "team/code", "tags": tags}).to_string())
}

fn basic(username: &str, password: &str) -> Login {
    Login::Basic { username: username.to_owned(), password: password.to_owned() }
}

//! Asks one check: with its login and certificates, and over a connection that is kept where it can be.

use std::sync::{Mutex, PoisonError};

use kube::Client;
use voxsync_checks::{Answer, Line, ask};
use voxsync_crds::code_sync::{Check, CheckSecrets, LocalReference};
use voxsync_source::{http, registry::Login};

use super::{
    job,
    schedule::{Order, Reply},
    times,
};
use crate::{
    Options,
    credentials::{CredentialProblem, Secrets, Tls, server_login},
    look::{Tools, place::Access},
};

/// How many clients are kept, each with other certificates.
const KEPT_CLIENTS_LIMIT: usize = 64;

/// What checks need besides Secrets.
pub(crate) struct CheckTools {
    pub(super) client: Client,
    /// As what the pods of Jobs run; none where no Job may be made.
    pub(super) job_service_account: Option<String>,
    user_agent: String,
    kept: Mutex<Vec<(Tls, reqwest::Client)>>,
}

impl CheckTools {
    pub(crate) fn new(client: Client, options: &Options) -> Self {
        Self {
            client,
            job_service_account: options.job_service_account.clone(),
            user_agent: options.user_agent.clone(),
            kept: Mutex::default(),
        }
    }

    /// A client with these certificates. Each has all authorities of the system in memory, so it is kept.
    fn client_with(&self, tls: Tls) -> Result<reqwest::Client, http::Unusable> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = kept.iter().find(|(present, _)| *present == tls) {
            return Ok(client.clone());
        }
        let client = http::client(tls.authorities.as_deref(), tls.identity.as_deref())?;
        if kept.len() >= KEPT_CLIENTS_LIMIT {
            kept.clear();
        }
        kept.push((tls, client.clone()));
        Ok(client)
    }
}

/// Asks a check once.
pub(crate) async fn carry_out(tools: &Tools, order: Order) -> (u64, Reply) {
    let id = order.id;
    let reply = match &order.check.job {
        Some(check) => Box::pin(job::ask(&tools.checks, &order, check)).await,
        None => Reply::on_the_way(Box::pin(ask_server(tools, &order)).await),
    };
    tracing::debug!(
        code_sync = %order.key, stage = order.run.stage, check = order.run.check, standing = ?reply.answer.standing,
        message = reply.answer.message, "a check is answered"
    );
    let standing = reply.answer.counted(order.check.unreachable.unwrap_or_default());
    tools.metrics.checked(kind(&order.check), standing);
    (id, reply)
}

async fn ask_server(tools: &Tools, order: &Order) -> Answer {
    let (login, tls) = match credentials(&tools.secrets, order).await {
        Ok(found) => found,
        Err(problem) => return Answer::unreachable(problem.to_string()),
    };
    let client = match tools.checks.client_with(tls) {
        Ok(client) => client,
        Err(unusable) => return Answer::unreachable(unusable.to_string()),
    };
    let line = Line {
        client: &client,
        login: &login,
        timeout: times::timeout(&order.check),
        user_agent: &tools.checks.user_agent,
    };
    ask(&order.check, &order.run, &line).await
}

async fn credentials(secrets: &Secrets, order: &Order) -> Result<(Login, Tls), CredentialProblem> {
    let NamedSecrets { login, certificate, authority } = NamedSecrets::of(&order.check);
    let access = |login: Option<&LocalReference>, certificate: Option<&LocalReference>| {
        let [login, certificate] = [login, certificate].map(|one| one.map(|one| one.name.as_str()));
        Access::new(&order.key.namespace, login, certificate, false)
    };
    let (own, of_authority) = (access(login, certificate), access(None, authority));
    let mut tls = secrets.tls(&own).await?;
    if authority.is_some() {
        let more = secrets.tls(&of_authority).await?.authorities;
        let all = tls.authorities.into_iter().chain(more);
        tls.authorities = all.reduce(|all, more| format!("{all}\n{more}"));
    }
    let login = match own.login() {
        Some(name) => server_login(&*secrets.get(name).await?)?,
        None => Login::Anonymous,
    };
    Ok((login, tls))
}

/// The Secrets that a check names.
#[derive(Clone, Copy, Default)]
pub(crate) struct NamedSecrets<'a> {
    pub(crate) login: Option<&'a LocalReference>,
    pub(crate) certificate: Option<&'a LocalReference>,
    pub(crate) authority: Option<&'a LocalReference>,
}

impl<'a> NamedSecrets<'a> {
    pub(crate) fn of(check: &'a Check) -> Self {
        let secrets = match check {
            Check { http: Some(http), .. } => &http.secrets,
            Check { prometheus: Some(prometheus), .. } => &prometheus.secrets,
            Check { puppetdb: Some(puppetdb), .. } => &puppetdb.secrets,
            _ => return Self::default(),
        };
        let CheckSecrets { secret_ref, cert_secret_ref, ca_secret_ref } = secrets;
        Self {
            login: secret_ref.as_ref(),
            certificate: cert_secret_ref.as_ref(),
            authority: ca_secret_ref.as_ref(),
        }
    }
}

fn kind(check: &Check) -> &'static str {
    match check {
        Check { http: Some(_), .. } => "http",
        Check { prometheus: Some(_), .. } => "prometheus",
        Check { puppetdb: Some(_), .. } => "puppetdb",
        _ => "job",
    }
}

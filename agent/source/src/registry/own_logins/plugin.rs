//! One credential provider: a program that is asked over its standard input and answers on its standard output
//! (`credentialprovider.kubelet.k8s.io/v1`).

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    sync::{Mutex as Turn, Semaphore},
    time::Instant,
};
use voxsync_crds::duration::go_duration;

use super::{
    OwnLoginError,
    cache::{Cache, Reach},
    configuration::{Configuration, Provider},
};
use crate::{
    lock::lock,
    pause,
    registry::{
        Login, Repository,
        docker_config::{Entry, is_for, login_in},
    },
};

/// As long as the kubelet waits.
const RUN_LIMIT: Duration = Duration::from_mins(1);
const MAX_OUTPUT_BYTES: u64 = 1 << 20;
const MAX_ERROR_BYTES: u64 = 16 << 10;
const MAX_SHOWN_CHARACTERS: usize = 200;
/// How often it runs at once, for as many registries.
const RUNS_AT_ONCE: usize = 8;
/// For so long a first failure is an answer too, and each further one for twice as long: a thousand looks must not start
/// a thousand programs that fail.
const FIRST_FAILURE_AGE: Duration = Duration::from_secs(10);
/// The longest that a failure is an answer.
const LONGEST_FAILURE_AGE: Duration = Duration::from_mins(1);
/// What a program gets of the environment: what every program needs, proxies and authorities, and what clouds put
/// there for workload identities. All else stays here.
const PASSED_VARIABLES: [&str; 11] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
const PASSED_PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// One program, and what it said.
pub(super) struct Plugin {
    provider: Provider,
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    /// How long it may take.
    pub(super) limit: Duration,
    answers: Mutex<Cache<Answer>>,
    /// Held while it runs for a registry, by its host: most answers are for all images of one, and one for which it hangs
    /// holds up no other.
    turns: Mutex<HashMap<String, Arc<Turn<()>>>>,
    runs: Semaphore,
}

pub(super) type Answer = Result<BTreeMap<String, Entry>, Failure>;

/// Why it gave none.
pub(super) struct Failure {
    reason: String,
    /// How many on end this is the last of.
    count: u32,
}

/// What came of a run: the logins, for whom, and for how long; or for whom there are none, and why.
pub(super) type Outcome = Result<Read, (Reach, String)>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    api_version: String,
    kind: String,
    cache_key_type: Reach,
    #[serde(default)]
    cache_duration: Option<String>,
    #[serde(default)]
    auth: Option<BTreeMap<String, Entry>>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Plugin").field(&self.provider.name).finish()
    }
}

impl Plugin {
    /// The programs that a configuration names.
    pub(super) fn all(
        configuration: Configuration,
        folder: &Path,
        environment: &[(OsString, OsString)],
    ) -> Vec<Self> {
        let passed: Vec<_> = environment.iter().filter(|(name, _)| is_passed(name)).cloned().collect();
        let plugin = |provider: Provider| {
            let own = provider.environment.iter().map(|(name, value)| (name.into(), value.into()));
            Self {
                program: folder.join(&provider.name),
                environment: passed.iter().cloned().chain(own).collect(),
                limit: RUN_LIMIT,
                answers: Mutex::default(),
                turns: Mutex::default(),
                runs: Semaphore::new(RUNS_AT_ONCE),
                provider,
            }
        };
        configuration.providers.into_iter().map(plugin).collect()
    }

    pub(super) fn is_for(&self, repository: &Repository) -> bool {
        self.provider.match_images.iter().any(|pattern| is_for(pattern, repository))
    }

    pub(super) async fn login(&self, repository: &Repository) -> Result<Option<Login>, OwnLoginError> {
        let answer = match self.known(repository, Instant::now()) {
            Some(answer) => answer,
            None => self.learn(repository).await,
        };
        let entries =
            answer.as_ref().as_ref().map_err(|failure| self.failed(repository, failure.reason.clone()))?;
        login_in(entries, repository).map_err(|error| self.failed(repository, error.to_string()))
    }

    /// Believes no login for a repository any longer.
    pub(super) fn forget(&self, repository: &Repository) {
        lock(&self.answers).forget(repository, Result::is_ok);
    }

    pub(super) fn known(&self, repository: &Repository, now: Instant) -> Option<Arc<Answer>> {
        lock(&self.answers).get(repository, now)
    }

    /// Runs it, unless somebody else did while this one waited for that.
    async fn learn(&self, repository: &Repository) -> Arc<Answer> {
        let turn = self.turn(repository.host());
        let _turn = turn.lock().await;
        let _run = self.runs.acquire().await;
        if let Some(answer) = self.known(repository, Instant::now()) {
            return answer;
        }
        let ran = tokio::time::timeout(self.limit, self.ask(repository)).await;
        let outcome = match ran {
            Ok(answered) => answered.map_err(|reason| (Reach::Image, reason)),
            // The same would hold up those who wait to ask it about other images of the registry.
            Err(_) => Err((Reach::Registry, format!("it did not end in {:?}", self.limit))),
        };
        self.remember(repository, outcome, Instant::now())
    }

    pub(super) fn remember(&self, repository: &Repository, outcome: Outcome, now: Instant) -> Arc<Answer> {
        let mut answers = lock(&self.answers);
        let (answer, reach, age) = match outcome {
            Ok((entries, reach, age)) => {
                answers.forget(repository, Result::is_err);
                (Ok(entries), reach, age)
            }
            Err((reach, reason)) => {
                let before = answers.last(repository, reach).and_then(|last| last.as_ref().err());
                let count = before.map_or(1, |failure| failure.count.saturating_add(1));
                let age = pause(FIRST_FAILURE_AGE, count, LONGEST_FAILURE_AGE);
                (Err(Failure { reason, count }), reach, age)
            }
        };
        let answer = Arc::new(answer);
        answers.insert(repository, reach, Arc::clone(&answer), age, now);
        answer
    }

    fn turn(&self, host: &str) -> Arc<Turn<()>> {
        let mut turns = lock(&self.turns);
        // Who runs it, or waits for that, holds its host's.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(host.to_owned()).or_default().clone()
    }

    fn failed(&self, repository: &Repository, reason: String) -> OwnLoginError {
        OwnLoginError::Plugin { name: self.provider.name.clone(), image: repository.to_string(), reason }
    }

    async fn ask(&self, repository: &Repository) -> Result<Read, String> {
        read(&self.run(repository).await?, &self.provider)
    }

    async fn run(&self, repository: &Repository) -> Result<Vec<u8>, String> {
        let started = Command::new(&self.program)
            .args(&self.provider.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child =
            started.map_err(|error| format!("{} cannot be started: {error}", self.program.display()))?;
        let request = json!({
            "kind": "CredentialProviderRequest", "apiVersion": self.provider.protocol, "image": repository.to_string(),
        });
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let give = async {
            // One that does not want to know may close it.
            if let Some(mut input) = input {
                let _ = input.write_all(request.to_string().as_bytes()).await;
            }
        };
        let ((), output, errors) =
            tokio::join!(give, beginning(output, MAX_OUTPUT_BYTES + 1), beginning(errors, MAX_ERROR_BYTES));
        let status = child.wait().await.map_err(|error| format!("it did not end well: {error}"))?;
        if !status.success() {
            return Err(format!("it ended with {status}{}", last_line(&errors.unwrap_or_default())));
        }
        let output = output.map_err(|error| format!("what it printed cannot be read: {error}"))?;
        if output.len() as u64 > MAX_OUTPUT_BYTES {
            return Err(format!("it printed more than {MAX_OUTPUT_BYTES} bytes"));
        }
        Ok(output)
    }
}

/// Logins, for what they are good, and how long.
pub(super) type Read = (BTreeMap<String, Entry>, Reach, Duration);

/// What a program answered.
pub(super) fn read(output: &[u8], provider: &Provider) -> Result<Read, String> {
    // Never with what is wrong in it: the answer is a login.
    let response: Response = serde_json::from_slice(output)
        .map_err(|_| "what it printed is not a CredentialProviderResponse in JSON".to_owned())?;
    if response.kind != "CredentialProviderResponse" || response.api_version != provider.protocol {
        return Err(format!(
            "it answers with something else than a CredentialProviderResponse of {}",
            provider.protocol
        ));
    }
    let age = match response.cache_duration.as_deref().map(go_duration) {
        None => provider.default_cache_duration,
        // What is over before it begins is not kept.
        Some(Ok(age)) => Duration::try_from(age).unwrap_or_default(),
        Some(Err(_)) => return Err("its `cacheDuration` is no duration".to_owned()),
    };
    Ok((response.auth.unwrap_or_default(), response.cache_key_type, age))
}

fn is_passed(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    PASSED_VARIABLES.contains(&name) || PASSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The beginning of what a program prints; the rest is read too, so that it does not wait for a reader.
async fn beginning(pipe: Option<impl AsyncRead + Unpin>, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let Some(mut pipe) = pipe else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    (&mut pipe).take(limit_bytes).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// What a program that failed said last, on its standard error.
fn last_line(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|one| !one.is_control()).take(MAX_SHOWN_CHARACTERS).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

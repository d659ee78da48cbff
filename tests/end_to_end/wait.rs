//! `voxsync wait` as CI runs it: the real binary, each of its exit codes for real.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};
use voxsync_fixtures::{Access, CodeImage, GitRepository, GitServer, Registry, Transport};

use crate::harness::{
    Case, Cluster, Needs, Voxsync, cases,
    estate::{Estate, PRODUCTION, REPOSITORY, bare_server, commit, git_spec, stages},
    status::{assert_says, phase, text},
    wait_for,
};

/// How long it may take to say something, or to end.
const DEADLINE: Duration = Duration::from_mins(4);
const COMMIT: &str = "4be01c7a9f2c1ab04d4be01c7a9f2c1ab04d4be0";

pub(crate) const CASES: &[Case] = cases![
    wait_ends_well_when_it_is_deployed => Needs::BOTH_SHAPES,
    wait_ends_well_for_what_is_deployed_while_another_fails,
    wait_does_not_take_the_past_for_what_a_file_names_again,
    wait_ends_with_the_first_stage_that_is_asked_for,
    wait_ends_with_1_when_it_failed,
    wait_ends_with_3_when_another_took_its_place,
    wait_ends_with_124_when_its_time_is_over,
    wait_ends_with_2_when_it_cannot_be_answered,
    wait_survives_an_api_server_that_restarts => Needs::EXCLUSIVE,
    wait_needs_no_right_but_to_get_and_watch_codesyncs => Needs::OBJECT.on_control_plane_only(),
];

async fn wait_ends_well_when_it_is_deployed(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "2s").await;
    let by_tag = Waiting::start(cluster, &["--tag", "v1.1.0", "-o", "json"]);
    let by_commit = Waiting::start(cluster, &["--commit", &COMMIT[..9]]);
    by_tag.says("the source has not named tag v1.1.0 yet").await;
    by_commit.says("the source has not named commit 4be01c7a9 yet").await;

    let annotations = vec![("org.opencontainers.image.revision".to_owned(), COMMIT.to_owned())];
    let image = CodeImage { annotations, ..CodeImage::with_site("v1.1.0") };
    let digest = estate.registry.push(REPOSITORY, "v1.1.0", &image).await;
    by_tag.says("Soak: stage canary runs v1.1.0").await;
    let ended = by_tag.end().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let answer: Value = serde_json::from_str(&ended.output).expect("one JSON object");
    assert_eq!([&answer["apiVersion"], &answer["verdict"]], ["wait.voxsync.dev/v1", "Deployed"], "{answer}");
    assert!(ended.news.windows(2).all(|two| reason(&two[0]) != reason(&two[1])), "{:?}", ended.news);

    let ended = by_commit.end().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_says(&ended.output, &[&format!("{}/production: Deployed: v1.1.0", cluster.namespace())]);
    cluster.deployed(PRODUCTION, "v1.1.0").await;

    // What is deployed already is answered at once, and what is no more by its record.
    estate.push("v1.2.0").await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    for arguments in [&[][..], &["--tag", "v1.2.0", "--timeout", "0s"]] {
        let ended = Waiting::start(cluster, arguments).end().await;
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
    }
    // The source names no such tag, but the registry says what it is.
    estate.registry.retag(REPOSITORY, "v1.2.0", "production").await;
    let ended = Waiting::start(cluster, &["--tag", "production", "--timeout", "0s"]).end().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_says(&ended.output, &["tag production names this image: v1.2.0 is deployed in all stages since"]);
    for arguments in [["--digest", &digest], ["--commit", COMMIT], ["--tag", "v1.1.0"]] {
        let ended = Waiting::start(cluster, &arguments).end().await;
        assert_eq!(ended.code, 3, "{arguments:?}: {ended:?}");
        assert_says(&ended.output, &["v1.1.0 was deployed in all stages at", "; v1.2.0 took its place"]);
    }
}

async fn wait_ends_well_for_what_is_deployed_while_another_fails(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1s").await;
    estate.push("v1.1.0-missing").await;
    let failed = Waiting::start(cluster, &["--tag", "v1.1.0-missing"]).end().await;
    assert_eq!(failed.code, 1, "{failed:?}");
    let ended = Waiting::start(cluster, &["--tag", "v1.0.0"]).end().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let says = ["v1.0.0 is deployed in all stages since", "; v1.1.0-missing was rolled back in stage canary"];
    assert_says(&ended.output, &says);
    estate.push("v1.2.0").await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    // It was adopted: there is no record of it, but that of what came next.
    let later = Waiting::start(cluster, &["--tag", "v1.0.0"]).end().await;
    assert_eq!(later.code, 3, "{later:?}");
    let says = "v1.0.0 was deployed in all stages before v1.2.0; v1.2.0 is deployed now";
    assert_says(&later.output, &[says]);
}

async fn wait_does_not_take_the_past_for_what_a_file_names_again(cluster: &Cluster) {
    let registry = Registry::start(Access::Anonymous, Transport::Plain);
    let repository = GitRepository::create();
    let server = GitServer::daemon(&repository);
    let _voxsync = Voxsync::start(cluster);
    bare_server(cluster, PRODUCTION).await;
    let (_, first) = commit(&registry, &repository, "v1.0.0").await;
    cluster.create_code_sync(PRODUCTION, git_spec(&server.url(), PRODUCTION)).await;
    cluster.deployed(PRODUCTION, "v1.0.0").await;
    for tag in ["v1.1.0", "v1.0.0"] {
        commit(&registry, &repository, tag).await;
        cluster.look(PRODUCTION).await;
        cluster.deployed(PRODUCTION, tag).await;
    }
    // It was deployed before, and nothing tells whether it was named again a moment ago.
    let again = Waiting::start(cluster, &["--tag", "v1.1.0"]);
    again.says("the source names v1.0.0 now: waiting for it to name v1.1.0 again").await;
    let (_, last) = commit(&registry, &repository, "v1.1.0").await;
    let ended = again.end().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_says(&ended.output, &["Deployed: v1.1.0 "]);
    let by_commit = Waiting::start(cluster, &["--commit", &last]).end().await;
    assert_eq!(by_commit.code, 0, "{by_commit:?}");
    // A commit is not made twice: its record is an answer.
    let of_the_first = Waiting::start(cluster, &["--commit", &first]).end().await;
    assert_eq!(of_the_first.code, 3, "{of_the_first:?}");
    assert_says(&of_the_first.output, &["v1.0.0 was deployed in all stages at", "; v1.1.0 took its place"]);
}

async fn wait_ends_with_the_first_stage_that_is_asked_for(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "0s").await;
    let production = json!({"stages": [
        stages("0s")[0],
        {"name": "production", "targets": [{"kind": "Config", "name": PRODUCTION}], "soak": "1h"},
    ]});
    cluster.change_code_sync(PRODUCTION, production).await;
    let canary = Waiting::start(cluster, &["--tag", "v1.1.0", "--stage", "canary"]);
    canary.says("not named").await;
    estate.push("v1.1.0").await;
    let ended = canary.end().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_says(&ended.output, &["v1.1.0 is deployed in stage canary"]);
    let soaks = |status: &Value| phase(status, "production") == "Soaking";
    cluster.status_when(PRODUCTION, "production soaks", soaks).await;
    let all = Waiting::start(cluster, &["--tag", "v1.1.0", "--timeout", "0s"]).end().await;
    assert_eq!(all.code, 124, "{all:?}");
}

async fn wait_ends_with_1_when_it_failed(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1s").await;
    let waiting = Waiting::start(cluster, &["--tag", "v1.1.0-missing", "-o", "json"]);
    waiting.says("not named").await;
    estate.push("v1.1.0-missing").await;
    let ended = waiting.end().await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let answer: Value = serde_json::from_str(&ended.output).expect("one JSON object");
    assert_eq!(answer["verdict"], "RolledBack", "{answer}");
    assert_says(text(&answer["message"]), &["stage canary", "Server canary", "missing"]);
    let present = Waiting::start(cluster, &[]).end().await;
    assert_eq!(present.code, 1, "{present:?}");
    // Its record answers when another is deployed.
    estate.push("v1.2.0").await;
    cluster.deployed(PRODUCTION, "v1.2.0").await;
    let later = Waiting::start(cluster, &["--tag", "v1.1.0-missing"]).end().await;
    assert_eq!(later.code, 1, "{later:?}");
}

async fn wait_ends_with_3_when_another_took_its_place(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1h").await;
    let waiting = Waiting::start(cluster, &["--tag", "v1.1.0"]);
    waiting.says("not named").await;
    estate.push("v1.1.0").await;
    waiting.says("Soak").await;
    estate.push("v1.2.0").await;
    let ended = waiting.end().await;
    assert_eq!(ended.code, 3, "{ended:?}");
    assert_says(&ended.output, &["Superseded", "v1.1.0 was superseded: v1.2.0 took its place before"]);
    // Never a candidate, and never to be one.
    let lower = Waiting::start(cluster, &["--tag", "v1.0.5"]).end().await;
    assert_eq!(lower.code, 3, "{lower:?}");
}

async fn wait_ends_with_124_when_its_time_is_over(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1s").await;
    let suspended = json!({"suspend": true, "suspendReason": "freeze until Monday"});
    cluster.change_code_sync(PRODUCTION, suspended).await;
    estate.push_and_look(cluster, "v1.1.0").await;
    let ended = Waiting::start(cluster, &["--tag", "v1.1.0", "--timeout", "1s", "-o", "json"]).end().await;
    assert_eq!(ended.code, 124, "{ended:?}");
    let answer: Value = serde_json::from_str(&ended.output).expect("one JSON object");
    assert_eq!(answer["verdict"], "TimedOut", "{answer}");
    assert_says(text(&answer["message"]), &["freeze until Monday"]);
    assert_eq!(ended.news.len(), 1, "the reason once: {:?}", ended.news);
}

async fn wait_ends_with_2_when_it_cannot_be_answered(cluster: &Cluster) {
    let _estate = Estate::staged(cluster, "1s").await;
    for (arguments, says) in [
        (&["--stage", "blue"][..], "canary, production"),
        (&["--tag", "v1.0.0", "--commit", COMMIT], "cannot be used with"),
        (&["--commit", "4be01c"], "7 to 64 hexadecimal digits"),
        (&["--commit", ""], "7 to 64 hexadecimal digits"),
        (&["--digest", "sha256:1"], "a digest is"),
        (&["--digest", ""], "a digest is"),
        (&["--tag", ""], "--tag is empty"),
        (&["--tag", " "], "--tag is empty"),
        (&["--context", "elsewhere"], "elsewhere"),
    ] {
        let ended = Waiting::start(cluster, arguments).end().await;
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
        assert_says(&ended.news.join("\n"), &[says]);
        assert!(ended.output.is_empty(), "{ended:?}");
    }
    let ended = Waiting::of(cluster, &cluster.kubeconfig(), "staging", &[]).end().await;
    assert_eq!(ended.code, 2, "{ended:?}");
    assert_says(&ended.news.join("\n"), &["there is no codesync \"staging\""]);

    let waiting = Waiting::start(cluster, &["--tag", "v9.0.0"]);
    waiting.says("not named").await;
    cluster.delete("CodeSync", PRODUCTION).await;
    let ended = waiting.end().await;
    assert_eq!(ended.code, 2, "{ended:?}");
}

async fn wait_survives_an_api_server_that_restarts(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1s").await;
    let waiting = Waiting::start(cluster, &["--tag", "v1.1.0"]);
    waiting.says("not named").await;
    cluster.stop_api().await;
    waiting.says("the API server cannot be asked").await;
    cluster.start_api().await;
    estate.push("v1.1.0").await;
    let ended = waiting.end().await;
    assert_eq!(ended.code, 0, "{ended:?}");
}

async fn wait_needs_no_right_but_to_get_and_watch_codesyncs(cluster: &Cluster) {
    let estate = Estate::staged(cluster, "1s").await;
    let rule = json!({
        "apiGroups": ["voxsync.dev"], "resources": ["codesyncs"], "resourceNames": [PRODUCTION],
        "verbs": ["get", "watch"],
    });
    cluster.create(json!({"kind": "Role", "metadata": {"name": "ci"}, "rules": [rule]})).await;
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "kind": "RoleBinding", "metadata": {"name": "ci"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "ci"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": cluster.namespace()}],
    });
    cluster.create(binding).await;
    let kubeconfig = kubeconfig_as(cluster, cluster.namespace());
    // The API server takes a moment to know of new rights.
    let wanted = ["--tag", "v1.1.0"];
    wait_for("the rights of CI", DEADLINE, async || {
        let ended = Waiting::of(cluster, &kubeconfig, PRODUCTION, &["--timeout", "0s"]).end().await;
        if ended.code == 2 { Err(format!("{ended:?}")) } else { Ok(()) }
    })
    .await;
    let waiting = Waiting::of(cluster, &kubeconfig, PRODUCTION, &wanted);
    waiting.says("not named").await;
    estate.push("v1.1.0").await;
    let ended = waiting.end().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    // Further back than the status says nothing without CodeReleases, and says so.
    let unknown =
        Waiting::of(cluster, &kubeconfig, PRODUCTION, &["--commit", COMMIT, "--timeout", "0s"]).end().await;
    assert_eq!(unknown.code, 124, "{unknown:?}");
    assert_says(&unknown.news.join("\n"), &["only the last releases are known", "forbidden"]);
}

/// The cluster's kubeconfig, for another user.
pub(crate) fn kubeconfig_as(cluster: &Cluster, user: &str) -> PathBuf {
    let admin = cluster.kubeconfig();
    let kept = fs::read_to_string(&admin).expect("the kubeconfig of the cluster");
    let mut value: Value = serde_saphyr::from_str(&kept).expect("the kubeconfig of the cluster");
    value["users"][0]["user"]["as"] = json!(user);
    let path = admin.with_file_name(format!("{user}-ci.kubeconfig"));
    fs::write(&path, value.to_string()).expect("write a kubeconfig");
    path
}

/// What a line of news says after its time.
fn reason(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(_, reason)| reason)
}

/// A running `voxsync wait`; it is killed when this is dropped.
struct Waiting {
    child: Child,
    news: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

/// How it ended.
#[derive(Debug)]
struct Ended {
    code: i32,
    output: String,
    news: Vec<String>,
}

impl Waiting {
    /// Starts it for the CodeSync of the estate.
    fn start(cluster: &Cluster, arguments: &[&str]) -> Self {
        Self::of(cluster, &cluster.kubeconfig(), PRODUCTION, arguments)
    }

    fn of(cluster: &Cluster, kubeconfig: &Path, name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
        command.args(["wait", name, "--namespace", cluster.namespace(), "--kubeconfig"]).arg(kubeconfig);
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(child.stderr.take().expect("standard error is piped")).lines();
        let news = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&news);
        let keep = move |line| kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        let reader = thread::spawn(move || lines.map_while(Result::ok).for_each(keep));
        Self { child, news, reader: Some(reader) }
    }

    fn news(&self) -> Vec<String> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has said this.
    async fn says(&self, part: &str) {
        wait_for(&format!("voxsync wait to say {part:?}"), DEADLINE, async || {
            let news = self.news();
            if news.iter().any(|line| line.contains(part)) { Ok(()) } else { Err(format!("{news:?}")) }
        })
        .await;
    }

    /// Waits for its end.
    async fn end(mut self) -> Ended {
        let mut output = String::new();
        let code = {
            let child = Mutex::new(&mut self.child);
            wait_for("voxsync wait to end", DEADLINE, async || {
                let status = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
                let news = self.news.lock().unwrap_or_else(PoisonError::into_inner).clone();
                status.expect("the process can be asked").ok_or_else(|| format!("{news:?}"))
            })
            .await
        };
        self.reader.take().map(JoinHandle::join).transpose().expect("its standard error was read");
        self.child
            .stdout
            .take()
            .expect("standard output is piped")
            .read_to_string(&mut output)
            .expect("UTF-8");
        Ended { code: code.code().expect("it ended by itself"), output, news: self.news() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

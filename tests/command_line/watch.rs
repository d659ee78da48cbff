//! `status --watch` where the API server hangs, fails or refuses, and where nobody reads: on a terminal that `script` of
//! util-linux lends, and without one.

use std::{
    io::Read as _,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, mpsc::channel},
    thread,
};

use axum::{
    extract::Request,
    http::StatusCode,
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use tokio::{net::TcpListener, sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;
use voxsync_sandbox::{Sandbox, SandboxOptions, serve_router};

use super::{DEADLINE, text, voxsync};

/// How the API server is.
#[derive(Clone, Copy)]
enum Mood {
    Answers,
    Hangs,
    Fails(StatusCode),
}

async fn answer(mood: Mood, hanging: &Notify, request: Request, next: Next) -> Response {
    match mood {
        Mood::Answers => next.run(request).await,
        Mood::Hangs => {
            hanging.notify_one();
            std::future::pending().await
        }
        Mood::Fails(code) => code.into_response(),
    }
}

/// A sandbox with voxsync's kinds, and no CodeSync yet.
struct World {
    sandbox: Sandbox,
    mood: Arc<Mutex<Mood>>,
    /// A call hangs.
    hangs: Arc<Notify>,
    folder: tempfile::TempDir,
    stop: CancellationToken,
}

impl World {
    async fn start() -> Self {
        let sandbox = Sandbox::new(SandboxOptions::default());
        sandbox.install_manifests(&text(&voxsync(&["crds"]).stdout)).expect("the kinds");
        let (mood, hangs) = (Arc::new(Mutex::new(Mood::Answers)), Arc::new(Notify::new()));
        let (now, hanging) = (mood.clone(), hangs.clone());
        let router = sandbox.router().layer(from_fn(move |request: Request, next: Next| {
            let (mood, hanging) = (*now.lock().expect("no panic"), hanging.clone());
            async move { answer(mood, &hanging, request, next).await }
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("kubeconfig"), sandbox.kubeconfig(address, "default"))
            .expect("written");
        let stop = CancellationToken::new();
        tokio::spawn(serve_router(router, listener, stop.clone()));
        Self { sandbox, mood, hangs, folder, stop }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().expect("no panic") = mood;
    }

    fn create(&self, name: &str) {
        let stages = json!([{"name": "all", "targets": [{"kind": "Config", "name": "production"}]}]);
        let registry = json!({"repository": "ghcr.io/example/puppet-code", "tag": {"semver": "*"}});
        let code_sync = json!({
            "apiVersion": "voxsync.dev/v1alpha1", "kind": "CodeSync", "metadata": {"name": name, "namespace": "default"},
            "spec": {"source": {"registry": registry}, "stages": stages},
        });
        self.sandbox.install(code_sync).expect("a CodeSync");
    }

    fn command(&self) -> String {
        let kubeconfig = self.folder.path().join("kubeconfig");
        format!("exec {} status --watch --kubeconfig {}", env!("CARGO_BIN_EXE_voxsync"), kubeconfig.display())
    }

    fn watch(&self) -> Watch {
        Watch::start(Command::new("sh").args(["-c", &self.command()]))
    }

    fn watch_on_terminal(&self, rows: usize, columns: usize) -> Watch {
        let command = format!("stty rows {rows} cols {columns}; {}", self.command());
        Watch::start(Command::new("script").args(["-qefc", &command, "/dev/null"]))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A running one.
struct Watch {
    child: Child,
    output: Option<ChildStdout>,
    seen: String,
}

impl Watch {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.env("TERM", "xterm").spawn().expect("it starts");
        let output = child.stdout.take();
        Self { child, output, seen: String::new() }
    }

    /// Reads on until the text since the last `since` is as wanted.
    async fn until(&mut self, what: &str, is_it: fn(&str) -> bool) {
        let mut output = self.output.take().expect("it is read");
        let mut seen = std::mem::take(&mut self.seen);
        let reading = tokio::task::spawn_blocking(move || {
            let mut buffer = [0; 4096];
            while !is_it(last_frame(&seen)) {
                let count = output.read(&mut buffer).unwrap_or_default();
                if count == 0 {
                    return Err(seen);
                }
                seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
            Ok((output, seen))
        });
        match timeout(DEADLINE, reading).await {
            Ok(Ok(Ok((output, seen)))) => (self.output, self.seen) = (Some(output), seen),
            Ok(Ok(Err(seen))) => panic!("it ended before {what}:\n{seen:?}"),
            Ok(Err(error)) => panic!("{what}: {error}"),
            Err(late) => panic!("no {what} in {DEADLINE:?}: {late}"),
        }
    }

    fn interrupt(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    }

    /// Its exit code, which comes by itself.
    fn ended(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let (sender, ended) = channel();
        thread::spawn(move || sender.send(self.child.wait().expect("it ends").code()));
        ended.recv_timeout(DEADLINE).unwrap_or_else(|_| {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
            panic!("it did not end in {DEADLINE:?}")
        })
    }
}

/// What was drawn last, whole.
fn last_frame(seen: &str) -> &str {
    seen.rsplit("\x1b[H").find(|frame| frame.ends_with("\x1b[J")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_ends_when_nobody_reads_it_any_more() {
    let world = World::start().await;
    let mut watch = world.watch();
    drop(watch.output.take());
    // Nothing changes, so nothing is written.
    assert_eq!(watch.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_ends_at_ctrl_c_while_the_api_server_hangs() {
    let world = World::start().await;
    world.create("one");
    let mut watch = world.watch();
    let mut first = [0];
    watch.output.as_mut().expect("it is read").read_exact(&mut first).expect("the first screen");
    world.is(Mood::Hangs);
    world.create("two");
    timeout(DEADLINE, world.hangs.notified()).await.expect("a call");
    watch.interrupt();
    assert_eq!(watch.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_that_there_is_nothing_and_that_the_api_server_is_lost() {
    let world = World::start().await;
    let mut watch = world.watch_on_terminal(9, 50);
    watch
        .until("word of an empty namespace", |frame| frame.contains("no CodeSync in namespace default"))
        .await;
    world.is(Mood::Fails(StatusCode::INTERNAL_SERVER_ERROR));
    world.create("one");
    watch
        .until("word of the API server", |frame| {
            frame.contains("last seen ") && frame.contains("cannot be asked")
        })
        .await;
    world.is(Mood::Answers);
    watch
        .until("the first CodeSync", |frame| frame.contains("default/one") && !frame.contains("last seen"))
        .await;
    for name in ["two", "three", "four"] {
        world.create(name);
    }
    watch.until("what does not fit", |frame| frame.contains(" more lines")).await;
    let frames: Vec<&str> = watch.seen.split("\x1b[H").collect();
    assert!(frames.iter().all(|frame| frame.matches('\n').count() < 9), "it scrolls: {frames:?}");
    world.is(Mood::Fails(StatusCode::FORBIDDEN));
    world.create("five");
    assert_eq!(watch.ended(), Some(2), "who has no right to read is not kept waiting");
}

//! What stays until something happens: `status --watch`, and a verb with `--wait`.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
};

use serde_json::Value;
use tokio::time::Instant;

use super::{DEADLINE, Demo, text};

/// A running `status --watch`, whose output is no terminal.
struct Watched {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Watched {
    fn start(demo: &Demo, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_voxsync"))
            .args(arguments)
            .args(["--namespace", "puppet", "--kubeconfig"])
            .arg(demo.kubeconfig())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().expect("standard output"));
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, seen: Vec::new() }
    }

    /// Reads on to a line with that in it.
    fn until(&mut self, wanted: &str) {
        let began = Instant::now();
        loop {
            let left = DEADLINE.saturating_sub(began.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no {wanted:?} in {DEADLINE:?}:\n{}", self.seen.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended before {wanted:?}:\n{}\n{}", self.seen.join("\n"), self.errors())
                }
            }
            if self.seen.last().is_some_and(|line| line.contains(wanted)) {
                return;
            }
        }
    }

    fn errors(&mut self) -> String {
        let mut errors = String::new();
        let _ = self.child.stderr.take().expect("standard error").read_to_string(&mut errors);
        errors
    }

    /// Ends it as Ctrl-C does, and gives its exit code.
    fn interrupt(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Demo {
    /// Pins what was deployed, waits for it, and sees each step of that.
    pub(super) fn follows_a_promotion(&self, tag: &str) {
        let mut watched = Watched::start(self, &["status", "production", "--watch"]);
        watched.until("to look at: RolledBack");
        watched.until("  OUTCOME  ");
        let promoted = self.run(&["promote", "production", tag, "--reason", "back to what ran", "--wait"]);
        let said = text(&promoted.stdout);
        assert!(promoted.status.success(), "{said}{}", text(&promoted.stderr));
        assert!(said.contains("`voxsync resume production -n puppet`"), "{said}");
        assert!(said.contains("puppet/production: Deployed: ") && !said.contains("follow it with"), "{said}");
        watched.until("back to what ran");
        watched.until("nothing is wrong; Deployed: pinned");
        assert!(
            !watched.seen.iter().any(|line| line.contains('\u{1b}')),
            "it is no terminal: {:?}",
            watched.seen
        );
        assert_eq!(watched.interrupt(), Some(0), "the last screen was well");
    }

    /// Each verb's `--wait` is about what that verb asked for, not about what was there before it.
    pub(super) fn waits_on_the_way_back_and_on_again(&self, tag: &str) {
        let status = self.run_in("puppet", &["status", "staging", "-o", "json"]);
        let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
        let other =
            status["codeSyncs"][0]["candidate"]["name"].as_str().expect("what staging runs").to_owned();
        let pin = ["promote", "production", &other, "--now", "--reason", "INC-42", "--wait"];
        let pin_again = ["promote", "production", &other, "--now", "--reason", "INC-43", "--wait"];
        let back = ["rollback", "production", "--no-quarantine", "--reason", "and back", "--wait"];
        let again = ["promote", "production", tag, "--reason", "back to what ran", "--wait"];
        for (arguments, wanted) in
            [(&pin[..], &*other), (&back, tag), (&pin_again, &other), (&back, tag), (&again, tag)]
        {
            if arguments == pin_again {
                let in_vain = self.run(&pin);
                assert_eq!(in_vain.status.code(), Some(2), "{}", text(&in_vain.stdout));
                assert!(text(&in_vain.stderr).contains("give another --reason"), "{}", text(&in_vain.stderr));
            }
            let output = self.run(arguments);
            let (said, news) = (text(&output.stdout), text(&output.stderr));
            let deployed = format!("puppet/production: Deployed: {wanted} ");
            assert!(output.status.success() && said.contains(&deployed), "{arguments:?}: {said}{news}");
            let runs = self.deployed();
            assert_eq!(runs, wanted, "{arguments:?}: {said}{news}");
        }
    }
}

//! The commands that screens name can be copied: the real command line takes them, and they name their namespace.

use std::{collections::BTreeMap, process::Command};

/// Commands that are about no namespace, by how they begin.
const OF_NO_NAMESPACE: [&str; 4] = ["run", "status -A", "check -f ", "simulate -f "];
/// A kubeconfig that is not there: what is understood fails for nothing else, and changes nothing.
const NO_KUBECONFIG: &str = "/dev/null/kubeconfig";

/// All commands of a text, one of each kind: names and digests make no other kind.
#[derive(Default)]
pub(super) struct Hints(BTreeMap<String, String>);

impl Hints {
    /// Collects those of a screen.
    pub(super) fn take(&mut self, screen: &str, name: &str) {
        for command in screen.split('`').skip(1).step_by(2) {
            let Some(arguments) = command.strip_prefix("voxsync ") else { continue };
            let words = arguments.split_whitespace();
            let kind: Vec<&str> = words.map(|word| if word.contains(':') { "X" } else { word }).collect();
            self.0.insert(kind.join(" ").replace(name, "NAME"), arguments.to_owned());
        }
    }

    /// What is wrong with them.
    pub(super) fn wrong(&self, namespace: &str) -> Vec<String> {
        assert!(self.0.len() > 6, "too few: {:?}", self.0.keys());
        let hints = self.0.values().filter(|arguments| *arguments != "run");
        hints.filter_map(|arguments| wrong(arguments, namespace)).collect()
    }
}

fn wrong(arguments: &str, namespace: &str) -> Option<String> {
    let needs_none = OF_NO_NAMESPACE.iter().any(|begin| arguments.starts_with(begin));
    if !needs_none && !format!("{arguments} ").contains(&format!(" -n {namespace} ")) {
        return Some(format!("`voxsync {arguments}` does not say in which namespace"));
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
    command.args(arguments.split_whitespace()).args(["--kubeconfig", NO_KUBECONFIG]);
    let output = command.output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // What is not understood is an error of the command line itself.
    (!said.starts_with("voxsync: ")).then(|| format!("`voxsync {arguments}`: {said}"))
}

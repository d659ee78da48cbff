//! Each command that the documentation tells people to type is one: its verb and its options exist.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    process::Command,
};

use regex::Regex;

use crate::documents;

/// What `--help` says of a verb; nothing where there is no such verb.
fn help(verb: &str) -> Option<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
    let output = command.args([verb, "--help"]).output().expect("the binary starts");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn each_verb_and_option_exists() {
    // In a block after the prompt, or alone between backticks.
    let command = Regex::new(r"(?m)(?:^\s*\$ |`)voxsync ([a-z][a-z-]*)([^`|#\n]*)").unwrap();
    let option = Regex::new(r"\s(--[a-z][a-z-]*|-[a-zA-Z])(?:[\s=]|$)").unwrap();
    let mut verbs = BTreeMap::new();
    let mut seen = 0;
    for (path, text) in documents() {
        for typed in command.captures_iter(&text) {
            let said = match verbs.entry(typed[1].to_owned()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(help(&typed[1])),
            };
            let said = said.as_ref().unwrap_or_else(|| panic!("{}: no verb: {}", path.display(), &typed[0]));
            seen += 1;
            for option in option.captures_iter(&typed[2]) {
                assert!(said.contains(&option[1]), "{}: no {}: {}", path.display(), &option[1], &typed[0]);
            }
        }
    }
    assert!(seen > 100, "only {seen} commands");
}

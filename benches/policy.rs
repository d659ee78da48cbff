//! What an election costs: a million tags in one list, from the bytes of the registry's page to the pick.
//!
//! `cargo bench --bench policy`
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for the terminal; what it cannot measure ends it"
)]

use std::{fs, hint::black_box, path::Path, process::Command};

use serde::Deserialize;
use tokio::time::Instant;
use voxsync_crds::code_sync::Select;
use voxsync_policy::{TagPolicy, TagRule};

const TAGS: u32 = 1_000_000;
const MEBIBYTE_BYTES: f64 = 1_048_576.0;
/// Each is measured in a process of its own, so that its memory is its own too.
const CHILD: &str = "one-case";

struct Case {
    name: &'static str,
    policy: fn() -> TagPolicy,
    tag: fn(u32) -> String,
}

const CASES: [Case; 6] = [
    Case {
        name: "semver",
        policy: || policy(TagRule::semver(">=1.0.0-0").expect("a range"), None, &[]),
        tag: |number| format!("v{}.{}.{}-rc.{}", number % 7, number % 1013, number % 997, number),
    },
    Case {
        name: "semver with match and ignore",
        policy: || {
            let rule = TagRule::semver("^1.2 || ^3").expect("a range");
            policy(rule, Some("^v(?<version>.+)$"), &["-rc", "-dirty$"])
        },
        tag: |number| format!("v{}.{}.{}", number % 7, number % 1013, number),
    },
    Case {
        name: "calver",
        policy: || policy(TagRule::calver("YYYY.0M.0D-MODIFIER").expect("a format"), None, &[]),
        tag: |number| {
            format!("{}.{:02}.{:02}-build.{number}", 2000 + number % 30, 1 + number % 12, 1 + number % 28)
        },
    },
    Case {
        name: "numerical with match",
        policy: || policy(TagRule::numerical(Select::Highest), Some(r"^build-(?<version>\d+)$"), &[]),
        tag: |number| format!("build-{}", u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
    },
    Case {
        name: "alphabetical",
        policy: || policy(TagRule::alphabetical(Select::Lowest), None, &[]),
        tag: |number| format!("{:016x}", u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
    },
    Case {
        name: "follow",
        policy: || policy(TagRule::follow("stable").expect("a tag"), None, &[]),
        tag: |number| if number == 77 { "stable".to_owned() } else { format!("v{number}") },
    },
];

fn policy(rule: TagRule, matching: Option<&str>, ignore: &[&str]) -> TagPolicy {
    let ignore: Vec<String> = ignore.iter().map(ToString::to_string).collect();
    TagPolicy::new(rule, matching, &ignore).expect("a policy")
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [CHILD, name, file] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        let case = CASES.iter().find(|case| case.name == name).expect("a case");
        println!("{}", measure(case, Path::new(file)));
        return;
    }
    println!("\nOf {TAGS} tags, from the bytes of the page to the 20 best");
    println!("  {:<30} {:>12} {:>12} {:>14}", "policy", "reading", "election", "peak memory");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("page.json");
    for case in &CASES {
        let tags: Vec<String> = (0..TAGS).map(case.tag).map(|tag| format!("\"{tag}\"")).collect();
        let page = format!(r#"{{"name":"example/puppet-code","tags":[{}]}}"#, tags.join(","));
        fs::write(&file, page).expect("the page can be written");
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program).args([CHILD, case.name]).arg(&file).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[derive(Deserialize)]
struct Page {
    tags: Vec<String>,
}

/// One row of the table. The page itself is part of the peak memory.
fn measure(case: &Case, file: &Path) -> String {
    let page = fs::read(file).expect("the page");
    let policy = (case.policy)();
    let started = Instant::now();
    let read: Page = serde_json::from_slice(&page).expect("a page");
    let lines = read.tags.join("\n");
    drop(read);
    let reading = started.elapsed();
    let started = Instant::now();
    let election = policy.elect_best(black_box(&lines).lines(), 20, |_| None);
    let elected = started.elapsed();
    assert!(election.chosen.is_some(), "{election}");
    format!(
        "  {:<30} {:>9.0} ms {:>9.0} ms {:>10.0} MiB",
        case.name,
        reading.as_secs_f64() * 1e3,
        elected.as_secs_f64() * 1e3,
        peak_bytes() as f64 / MEBIBYTE_BYTES
    )
}

fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    kibibytes * 1024
}

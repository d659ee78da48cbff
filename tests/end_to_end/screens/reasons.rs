//! Whether each reason to wait that the documentation explains has a scene, or is known not to need one.
//!
//! That the documentation explains all reasons in the sources is a test of its own.

use std::{collections::BTreeSet, fs, path::Path};

use super::scenes::Scene;

/// The parts of `docs/operations.md` with the reasons of a CodeSync.
const SECTIONS: [&str; 2] = ["### The source\n", "### The way through the stages\n"];

/// Why some reasons have no scene, and which.
const WITHOUT_SCENE: [(&str, &str); 7] = [
    (
        "the row is that of `Unreachable` with another word and message",
        "Unauthorized BadCredentials NotFound BadPolicy BadReference TooManyRequests PlatformMissing ReadingBuildTimes \
         BrokenImage NotAnImage NotVerified NotJudged TagMoved NoSuchStage NoDigest NoCandidate",
    ),
    (
        "the row is that of `TargetMissing` with another word and message",
        "NoSuchEntry AmbiguousEntry NoConsent External ShapeMismatch ShapeUnknown WriteRefused",
    ),
    ("it is over in a moment", "Looking Source Gating Newer Adopting Deleting Writing Rolling Superseded"),
    (
        "a condition, an event or the word of the table says it, and no row",
        "Seen SignatureMissing RanBefore Adopted Changed NotificationFailed Waiting Deployed NotEverywhere NeverDeployed \
         CandidateNotDeployed NotHeld NotSuspended",
    ),
    ("it is another screen after a release: the tests of checks show it", "CheckFailed"),
    ("it is over with the next promotion: the tests of the promotion show it", "Joining"),
    ("it needs a voxsync without a right: the tests of rights show it", "NotRecorded"),
];

/// Fails where a reason has neither, or both.
pub(super) fn assert_complete(scenes: &[Scene]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let text = fs::read_to_string(path).expect("docs/operations.md");
    let explained: BTreeSet<&str> = SECTIONS.iter().flat_map(|section| reasons(&text, section)).collect();
    assert!(explained.len() > 50, "{explained:?}");
    let excused: BTreeSet<&str> =
        WITHOUT_SCENE.iter().flat_map(|(_, reasons)| reasons.split_whitespace()).collect();
    let is_shown = |reason: &str| {
        let is_named = |says: &&str| says.starts_with(&format!("{reason}:"));
        scenes.iter().any(|scene| scene.reason == reason || scene.says.iter().any(is_named))
    };
    let shown: BTreeSet<&str> = explained.iter().copied().filter(|reason| is_shown(reason)).collect();
    let open: Vec<_> = explained.iter().filter(|it| !shown.contains(*it) && !excused.contains(*it)).collect();
    assert!(open.is_empty(), "no screen shows these reasons: {open:?}");
    let odd: Vec<_> = excused.iter().filter(|it| !explained.contains(*it) || shown.contains(*it)).collect();
    assert!(odd.is_empty(), "these are not explained, or shown all the same: {odd:?}");
    let unknown: Vec<_> = scenes.iter().map(|it| it.reason).filter(|it| !explained.contains(it)).collect();
    assert!(unknown.is_empty(), "docs/operations.md does not explain {unknown:?}");
}

/// The words in the first cells of the table of a section.
fn reasons<'t>(text: &'t str, section: &str) -> impl Iterator<Item = &'t str> {
    let (_, behind) = text.split_once(section).unwrap_or_else(|| panic!("no {section:?}"));
    let table = behind.split("\n#").next().unwrap_or_default();
    let cells =
        table.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2))
}

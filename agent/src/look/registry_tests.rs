//! One odd tag stops nobody, and is not forgotten; and a registry that is away is not asked for all its tags.

use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;
use voxsync_crds::code_sync::Select;
use voxsync_fixtures::{Access as Guard, CodeImage, Fault, Registry, Transport};
use voxsync_policy::TagRule;

use super::*;
use crate::{
    Registries,
    look::{
        place::{BROKEN_IMAGE, UNAUTHORIZED, UNREACHABLE},
        tools::tests::tools,
    },
};

const CODE: &str = "team/code";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// One who looks at the repository again and again.
struct World {
    registry: Registry,
    tools: Tools,
    memory: Memory,
    query: TagQuery,
    _folder: TempDir,
}

impl World {
    /// A repository with these tags, each built a day after the one before it.
    async fn of(rule: TagRule, count: usize, tags: &[&str]) -> Self {
        let registry = Registry::start(Guard::Anonymous, Transport::Plain);
        for (number, tag) in tags.iter().enumerate() {
            let created = Some(format!("2026-01-{:02}T00:00:00Z", number + 1));
            registry.push(CODE, tag, &CodeImage { created, ..CodeImage::with_site(tag) }).await;
        }
        let folder = tempfile::tempdir().unwrap();
        let tools = tools(&[], Registries::default(), &folder).await;
        let query = TagQuery { rule, matching: None, ignore: Vec::new(), count };
        Self { registry, tools, memory: Memory::default(), query, _folder: folder }
    }

    /// What a look finds, and for which tags it asked.
    async fn look(&mut self) -> (Finding, Vec<String>) {
        self.registry.forget_requests();
        let repository = format!("{}/{CODE}", self.registry.host());
        let access = Access::new("puppet", None, None, true).for_images(None, true);
        let wants = vec![Want::Best(self.query.clone())];
        let place = (repository.as_str(), &access);
        let found = look(&self.tools, &mut self.memory, place, (wants, &HashMap::new())).await;
        let tag = |path: &str| path.split_once("/manifests/").map(|(_, tag)| tag.to_owned());
        let asked = self.registry.requests().iter().filter_map(|request| tag(&request.path)).collect();
        (found.into_iter().next().unwrap().1, asked)
    }

    fn fail(&self, path: &'static str, status: u16) {
        self.registry.answer(Fault { path, status, headers: Vec::new(), times: usize::MAX });
    }
}

fn alphabetical() -> TagRule {
    TagRule::alphabetical(Select::Highest)
}

fn reason(finding: &Finding) -> Option<&str> {
    finding.problem.as_ref().map(|problem| problem.reason.as_str())
}

/// It is listed before it can be had, and the list is the same when it can.
#[tokio::test]
async fn a_tag_whose_image_comes_late_is_elected() {
    let mut world = World::of(TagRule::newest_build(), 1, &["a", "b"]).await;
    world.fail("manifests/b", 404);
    assert_eq!(world.look().await.0.revision.as_deref(), Some("a"));
    world.registry.end_faults();
    let mut looks = 1;
    let asked = loop {
        let (found, asked) = world.look().await;
        if found.revision.as_deref() == Some("b") {
            break asked;
        }
        assert!(looks < 10 && asked.is_empty(), "{looks}: {found:?}, asked for {asked:?}");
        looks += 1;
    };
    assert_eq!(asked, ["b", "b"], "when it was built, and whether it can be had");
}

#[tokio::test]
async fn a_broken_image_stops_nobody() {
    let mut world = World::of(TagRule::newest_build(), 1, &["a"]).await;
    world.registry.push_blob(CODE, b"[]".to_vec()).await;
    let config = json!({
        "mediaType": "application/vnd.oci.image.config.v1+json", "size": 2,
        "digest": "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
    });
    let broken = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []});
    world.registry.push_manifest(CODE, "b", MANIFEST, broken.to_string().into_bytes()).await;
    for _ in 0..2 {
        let (found, _) = world.look().await;
        assert!(found.revision.as_deref() == Some("a") && found.problem.is_none(), "{found:?}");
    }
    // Nor where it is the best of those that have to reach an age: they want to know when they were built.
    world.query = TagQuery { rule: alphabetical(), count: 2, ..world.query };
    let (found, _) = world.look().await;
    assert_eq!((found.revision.as_deref(), reason(&found)), (Some("b"), Some(BROKEN_IMAGE)));
    assert_eq!(found.image.unwrap().tag.as_deref(), Some("a"));
}

#[rstest]
#[case::out_of_order(500, UNREACHABLE)]
#[case::blocked_by_who_scans_images(403, UNAUTHORIZED)]
#[tokio::test]
async fn a_tag_without_an_answer_stops_nobody_for_long(#[case] status: u16, #[case] said: &str) {
    let mut world = World::of(TagRule::newest_build(), 1, &["b", "d", "a", "c", "e"]).await;
    for path in ["manifests/a", "manifests/c", "manifests/e"] {
        world.fail(path, status);
    }
    for number in 1..5 {
        let (found, asked) = world.look().await;
        assert_eq!(reason(&found), Some(said), "look {number}");
        let of_all = if number == 1 { &["a", "b", "c", "d", "e"][..] } else { &["a", "c", "e"] };
        assert_eq!(asked, of_all, "what is known is not asked for again");
    }
    for _ in 0..30 {
        let (found, asked) = world.look().await;
        assert!(found.revision.as_deref() == Some("d") && found.problem.is_none(), "{found:?}");
        assert!(asked.len() <= 3 + 1, "{asked:?}");
    }
}

#[rstest]
#[case::newest_build(TagRule::newest_build())]
#[case::with_an_age(alphabetical())]
#[tokio::test]
async fn a_registry_that_is_away_is_not_asked_for_all_tags(#[case] rule: TagRule) {
    let mut world = World::of(rule, 20, &["a", "b", "c", "d", "e", "f"]).await;
    world.fail("manifests/", 500);
    for _ in 0..12 {
        let (found, asked) = world.look().await;
        assert_eq!((reason(&found), asked.len()), (Some(UNREACHABLE), 3), "{found:?}");
    }
}

#[tokio::test]
async fn the_best_one_without_an_answer_keeps_nobody_from_its_age() {
    let mut world = World::of(alphabetical(), 3, &["a", "b", "c"]).await;
    world.fail("manifests/c", 500);
    let (found, _) = world.look().await;
    assert_eq!(reason(&found), Some(UNREACHABLE));
    let tags: Vec<_> = found.image.iter().chain(&found.next_best).filter_map(|it| it.tag.clone()).collect();
    assert_eq!(tags, ["b", "a"]);
}

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
        Job, carry_out,
        place::{BROKEN_IMAGE, Place, TOO_MANY_REQUESTS, UNAUTHORIZED, UNREACHABLE},
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
        let folder = tempfile::tempdir().unwrap();
        let tools = tools(&[], Registries::default(), &folder).await;
        let query = TagQuery { rule, matching: None, ignore: Vec::new(), count };
        let world = Self { registry, tools, memory: Memory::default(), query, _folder: folder };
        for (number, tag) in tags.iter().enumerate() {
            world.push(tag, number + 1).await;
        }
        world
    }

    async fn push(&self, tag: &str, day: usize) {
        let created = Some(format!("2026-01-{day:02}T00:00:00Z"));
        self.registry.push(CODE, tag, &CodeImage { created, ..CodeImage::with_site(tag) }).await;
    }

    /// What a look finds, and for which tags it asked.
    async fn look(&mut self) -> (Finding, Vec<String>) {
        self.registry.forget_requests();
        let access = Access::new("puppet", None, None, true).for_images(None, true);
        let wants = vec![Want::Best(self.query.clone())];
        let (repository, sought) = (self.repository(), HashMap::new());
        let place = (repository.as_str(), &access);
        let found = look(&self.tools, &mut self.memory, place, (wants, &sought)).await;
        (found.into_iter().next().unwrap().1, self.asked())
    }

    /// What a look finds that somebody called for.
    async fn called(&mut self) -> Finding {
        let access = Access::new("puppet", None, None, true).for_images(None, true);
        let job = Job {
            id: 0,
            place: Place::Registry { repository: self.repository(), access },
            asked: vec![Want::Best(self.query.clone()).into()],
            is_afresh: true,
            kept: Vec::new(),
            sought: HashMap::new(),
            begun: Timestamp::now(),
            memory: std::mem::take(&mut self.memory),
        };
        let mut report = carry_out(&self.tools, job).await;
        self.memory = report.memory;
        report.findings.remove(0).1
    }

    /// When the images were built, for one who looks once.
    async fn built(&self) -> Result<HashMap<String, Timestamp>, String> {
        self.registry.forget_requests();
        let access = Access::new("puppet", None, None, true);
        let source = json!({"repository": self.repository(), "insecure": true, "tag": {"newestBuild": {}}});
        let source = serde_json::from_value(source).unwrap();
        let mut memory = Memory::of_one_look();
        listed(&self.tools, &mut memory, &source, &access).await.map(|(_, built)| built)
    }

    fn repository(&self) -> String {
        format!("{}/{CODE}", self.registry.host())
    }

    /// For which tags it was asked.
    fn asked(&self) -> Vec<String> {
        let tag = |path: &str| path.split_once("/manifests/").map(|(_, tag)| tag.to_owned());
        self.registry.requests().iter().filter_map(|request| tag(&request.path)).collect()
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
    for number in 0..30 {
        let (found, asked) = world.look().await;
        assert!(found.revision.as_deref() == Some("d") && found.problem.is_none(), "{found:?}");
        // At first whether another one is answered, and what the best one is.
        assert_eq!(asked.len(), if number == 0 { 3 + 2 } else { 3 }, "{asked:?}");
    }
    world.registry.end_faults();
    assert_eq!(world.look().await.0.revision.as_deref(), Some("e"), "it is asked for at each look");
}

#[tokio::test]
async fn a_registry_that_was_away_hides_nothing_that_is_new() {
    let mut world = World::of(TagRule::newest_build(), 1, &["v1", "v2"]).await;
    assert_eq!(world.look().await.0.revision.as_deref(), Some("v2"));
    world.push("v3", 3).await;
    world.fail("manifests/", 500);
    for _ in 0..12 {
        let (found, asked) = world.look().await;
        assert!(reason(&found) == Some(UNREACHABLE) && asked.len() <= 3, "{found:?}, asked for {asked:?}");
    }
    world.registry.end_faults();
    assert_eq!(world.look().await.0.revision.as_deref(), Some("v3"));
}

#[tokio::test]
async fn one_odd_answer_hides_nothing_for_longer_than_a_look() {
    let mut world = World::of(TagRule::newest_build(), 1, &["v1", "v2"]).await;
    let odd = Fault { path: "manifests/v2", status: 200, headers: Vec::new(), times: 1 };
    world.registry.answer(odd);
    assert_eq!(world.look().await.0.revision.as_deref(), Some("v1"));
    assert_eq!(world.look().await.0.revision.as_deref(), Some("v2"));
}

#[tokio::test]
async fn who_calls_for_a_look_has_all_asked_for_that_was_not_there() {
    let mut world = World::of(TagRule::newest_build(), 1, &["v1", "v2"]).await;
    world.fail("manifests/v2", 404);
    assert_eq!(world.look().await.0.revision.as_deref(), Some("v1"));
    world.registry.end_faults();
    assert_eq!(world.look().await.0.revision.as_deref(), Some("v1"));
    assert_eq!(world.called().await.revision.as_deref(), Some("v2"));
}

#[tokio::test]
async fn a_registry_that_wants_to_be_left_alone_is_not_asked_for_further_tags() {
    let mut world = World::of(TagRule::newest_build(), 1, &["a", "b", "c"]).await;
    let headers = vec![("retry-after", "1")];
    world.registry.answer(Fault { path: "manifests/", status: 403, headers, times: usize::MAX });
    let (found, asked) = world.look().await;
    assert_eq!((reason(&found), asked.len()), (Some(TOO_MANY_REQUESTS), 1), "{found:?}");
}

#[tokio::test]
async fn who_looks_once_is_told_of_all_tags_that_have_an_answer() {
    let world = World::of(TagRule::newest_build(), 1, &["a", "b", "c", "d", "e"]).await;
    for path in ["manifests/a", "manifests/b", "manifests/c"] {
        world.fail(path, 403);
    }
    let built = world.built().await.unwrap();
    assert_eq!(built.keys().map(String::as_str).collect::<HashSet<_>>(), HashSet::from(["d", "e"]));
    world.registry.end_faults();
    world.fail("manifests/", 500);
    assert!(world.built().await.unwrap_err().contains("out of order"), "of none");
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

//! What nobody waits for is judged once an hour, and what is wanted at each look.

use jiff::SignedDuration;
use voxsync_policy::TagRule;

use super::*;
use crate::look::place::TagQuery;

#[tokio::test]
async fn a_refusal_is_believed_for_an_hour_unless_somebody_waits() {
    let (mut world, registry, [first, second]) = world_of_images().await;
    let best = registry.push(CODE, "v2", &CodeImage::with_site("best")).await;
    first.sign_image(&registry, CODE, &best).await;
    let older = registry.push(CODE, "v0", &CodeImage::with_site("older")).await;
    let rule = TagRule::semver("*").unwrap();
    world.asked.want = Want::Best(TagQuery { rule, matching: None, ignore: Vec::new(), count: 3 });
    let is_asked = || {
        let hex = older.trim_start_matches("sha256:");
        let is_asked = registry.requests().iter().any(|request| request.path.contains(hex));
        registry.forget_requests();
        is_asked
    };
    let unsigned =
        |finding: &Finding| finding.unverified.iter().map(|it| it.reason.clone()).collect::<Vec<_>>();

    let found = world.look(holding(&[&first])).await;
    assert!(is_asked() && unsigned(&found) == [Unverified::MISSING], "{found:?}");
    let found = world.look(holding(&[&first])).await;
    assert!(!is_asked() && unsigned(&found) == [Unverified::MISSING], "an idle look: {found:?}");
    world.look(holding(&[&first, &second])).await;
    assert!(is_asked(), "by other keys");
    world.now += SignedDuration::from_mins(61);
    world.look(holding(&[&first])).await;
    assert!(is_asked(), "an hour later");
    world.look(holding(&[&first])).await;
    assert!(!is_asked());
    world.is_afresh = true;
    world.look(holding(&[&first])).await;
    assert!(is_asked(), "somebody wants to know");
    world.is_afresh = false;
    world.kept.digest.clone_from(&older);
    for _ in 0..2 {
        let found = world.look(holding(&[&first])).await;
        assert!(is_asked() && found.is_missing(), "it is promoted: {found:?}");
    }
    first.sign_image(&registry, CODE, &older).await;
    assert!(world.look(holding(&[&first])).await.unverified.is_empty());
}

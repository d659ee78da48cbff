//! A webhook for a CodeSync that another process looks at is written down where that one sees it.

use voxsync_crds::annotations::HOOKED_AT;

use super::*;

impl World {
    async fn hooked_at(&self) -> Option<String> {
        let code_sync = self.code_syncs().get("production").await.unwrap();
        code_sync.metadata.annotations?.get(HOOKED_AT).cloned()
    }
}

#[tokio::test]
async fn a_follower_writes_it_down_until_it_leads() {
    let mut world = World::start().await;
    // As a leader that lost its Lease.
    world.agent = None;
    assert_eq!(world.push(SECRET).await, 202);
    let first = until("it is written down", async || world.hooked_at().await).await;
    for _ in 0..20 {
        assert_eq!(world.push(SECRET).await, 202);
    }
    until("it is written down again", async || world.hooked_at().await.filter(|second| *second != first))
        .await;

    world.agent = Some(world.bell.listen());
    let before = world.hooked_at().await;
    assert_eq!((world.push(SECRET).await, world.heard().len()), (202, 1));
    assert_eq!(world.hooked_at().await, before, "who leads has nothing to write");
}

#[tokio::test]
async fn another_shard_s_is_written_down() {
    let mut world = World::start_with(|_| HooksOptions::default(), json!({"shard": "another"})).await;
    assert_eq!((world.push(SECRET).await, world.heard().len()), (202, 0));
    until("it is written down", async || world.hooked_at().await).await;
}

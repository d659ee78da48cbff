//! Two pods of voxsync, and the one that leads goes.

use crate::{
    estate::{DEADLINE, Estate, text},
    node::kubectl,
    promotion::promote,
    wait::wait_for,
};

const LEASES: [&str; 2] = ["voxsync-agent", "voxsync-reconciler"];

pub(crate) async fn the_other_pod_goes_on_when_the_leader_is_deleted(estate: &mut Estate) {
    let leaders = leaders(estate, &[]).await;
    for leader in &leaders {
        kubectl(&["delete", "pod", leader, "--ignore-not-found", "--wait=false"]);
    }
    promote(estate, "v4", "v5").await;
    let others = self::leaders(estate, &leaders).await;
    println!("  from {} to {}", leaders.join(" and "), others.join(" and "));
}

/// Who leads, for each Lease, once it is none of these.
async fn leaders(estate: &Estate, but: &[String]) -> Vec<String> {
    let mut leaders = Vec::new();
    for lease in LEASES {
        let what = format!("a leader of {lease} but {but:?}");
        let leader = wait_for(&what, DEADLINE, async || {
            let lease = estate.node.get("Lease", lease).await;
            let holder = text(&lease["spec"]["holderIdentity"]).to_owned();
            if holder.is_empty() || but.contains(&holder) { Err(format!("{holder:?}")) } else { Ok(holder) }
        });
        leaders.push(leader.await);
    }
    leaders.dedup();
    leaders
}

//! What this process received and another one has to look at: since it follows, has no agent, or serves another shard. It
//! writes that down on the CodeSync, where whoever has the CodeSync sees it. A flood is written down once in a while.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tracing::warn;
use voxsync_agent::{CodeSyncKey, Listener};
use voxsync_crds::{CodeSync, FIELD_MANAGER, annotations::HOOKED_AT};

/// How long between two rounds.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a write may take.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Writes it down, for as long as it is not dropped.
pub(super) async fn run(client: Client, mut listener: Listener) {
    let mut left = BTreeSet::new();
    let mut has_complained = false;
    loop {
        if left.is_empty() {
            left = listener.heard().await;
        }
        let mut failed = BTreeSet::new();
        for key in left {
            match write_down(&client, &key).await {
                Ok(()) => has_complained = false,
                Err((why, is_final)) => {
                    if !std::mem::replace(&mut has_complained, true) {
                        warn!(code_sync = %key, "a webhook could not be passed on: {why}");
                    }
                    if !is_final {
                        failed.insert(key);
                    }
                }
            }
        }
        left = failed;
        sleep(PAUSE).await;
    }
}

/// Why not, and whether it is of no use to try again.
async fn write_down(client: &Client, key: &CodeSyncKey) -> Result<(), (String, bool)> {
    let api: Api<CodeSync> = Api::namespaced(client.clone(), &key.namespace);
    let patch = Patch::Merge(json!({"metadata": {"annotations": {HOOKED_AT: Timestamp::now().to_string()}}}));
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match timeout(WRITE_LIMIT, api.patch(&key.name, &parameters, &patch)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
        Ok(Err(kube::Error::Api(status))) => Err((status.message, (400..500).contains(&status.code))),
        Ok(Err(error)) => Err((error.to_string(), false)),
        Err(_) => Err((format!("the API server did not answer in {WRITE_LIMIT:?}"), false)),
    }
}

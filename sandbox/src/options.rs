//! What a sandbox is asked to be: its clock, its pods' fates, and how old an API server it plays.
//!
//! Plain values and functions; nothing here starts anything.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// Why a simulated node cannot pull an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullFailure {
    /// The container's waiting reason, `ImagePullBackOff` as a rule.
    pub reason: String,
    /// The container's waiting message. A kubelet names the reference here and nowhere else.
    pub message: String,
}

impl PullFailure {
    /// The failure that a kubelet reports for a reference that the registry does not know.
    pub fn not_found(reference: &str) -> Self {
        Self {
            reason: "ImagePullBackOff".to_owned(),
            message: format!(
                "Back-off pulling image \"{reference}\": ErrImagePull: rpc error: code = NotFound desc = failed to \
                 pull and unpack image \"{reference}\": failed to resolve reference \"{reference}\": not found"
            ),
        }
    }
}

/// Asked before a pod starts, for each image that it names: containers' and image volumes'. `None`: it can be pulled.
pub type PullCheck = Arc<dyn Fn(&str) -> Option<PullFailure> + Send + Sync>;

/// Tells the time that objects are stamped with. Delays are measured with tokio's clock, never with this.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a sandbox behaves.
#[derive(Clone)]
pub struct SandboxOptions {
    /// From a pod's scheduling to its start.
    pub pod_start_delay: Duration,
    /// Decides which images can be pulled. The default fails references that contain `missing`.
    ///
    /// Other words choose a pod's fate in any case: `crash` (its containers exit and back off), `unready` (never
    /// ready), `slow` (ready 5 s later).
    pub pull_check: PullCheck,
    /// Whether the API server knows image volumes. Where it does not, it drops those volumes and their mounts on every
    /// write, as an API server does whose feature gate is off.
    pub image_volumes: bool,
    /// What `/version` reports, for instance `v1.36.3`.
    pub server_version: String,
    /// The clock for time stamps in objects.
    pub clock: Clock,
    /// How many changes are kept for watches that resume; older resource versions are answered with 410.
    pub remembered_changes: usize,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            pod_start_delay: Duration::from_millis(200),
            pull_check: Arc::new(|reference| {
                reference.contains("missing").then(|| PullFailure::not_found(reference))
            }),
            image_volumes: true,
            server_version: "v1.36.3".to_owned(),
            clock: Arc::new(Timestamp::now),
            remembered_changes: 8192,
        }
    }
}

/// A clock that starts at `start` and goes on with tokio's clock, so that a test which pauses tokio's time also sees
/// virtual time stamps.
pub fn virtual_clock(start: Timestamp) -> Clock {
    let origin = tokio::time::Instant::now();
    Arc::new(move || {
        let elapsed = SignedDuration::try_from(origin.elapsed()).unwrap_or(SignedDuration::MAX);
        start.saturating_add(elapsed).unwrap_or(start)
    })
}

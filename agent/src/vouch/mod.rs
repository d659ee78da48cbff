//! Whether the API server vouches for who signed an approval.
//!
//! Anybody who may patch a CodeSync can write any name into `voxsync.dev/approved-by`. Only where the shipped policy
//! `voxsync-people` was in force at the moment at which the approval was written is that name the writer's own. So the
//! policy and its binding are read after an approval is seen (never for a decision without a new one), and two things must
//! hold: their rules about approvals are the shipped ones, and they have not changed since before the CodeSync's status was
//! stored for the last time, which was before the approval came.
//!
//! Otherwise the approval counts, and its approver is `unauthenticated`.

mod judge;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::{Api, Client};
use voxsync_crds::CodeSync;

use crate::call::call;
use judge::{NotInForce, in_force_since};

/// The name of the policy and of its binding.
const NAME: &str = "voxsync-people";
/// How long a policy may take until all API servers hold to it, with what their clocks and ours may differ.
const SETTLING: SignedDuration = SignedDuration::from_mins(1);

/// Whether the name in `voxsync.dev/approved-by` is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Voucher {
    /// Nobody vouches for it.
    #[default]
    None,
    /// The API server held who wrote it to their own name.
    ApiServer,
}

/// Since when the policy is in force as it is now.
pub(crate) async fn read(client: &Client) -> Result<Timestamp, Unvouched> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let (policy, binding) = tokio::try_join!(call(policies.get(NAME)), call(bindings.get(NAME)))?;
    Ok(in_force_since(&policy, &binding)?)
}

/// Why nobody vouches for a name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unvouched {
    /// It cannot be told.
    #[error("the policy {NAME} cannot be read: {0}")]
    Unread(#[from] kube::Error),
    /// The policy does not hold people to their names.
    #[error("the policy {NAME} is not in force: {0}")]
    NotInForce(#[from] NotInForce),
    /// An approval may be older than the policy.
    #[error(
        "the policy {NAME} was not in force yet, or was changed, when the status was stored that came before the approval"
    )]
    TooNew,
}

/// Whether an approval that the status does not have yet was written under a policy that is in force since then.
///
/// The agent puts a new approval into the status whenever it stores one (while it asks who signed it, it stores none), and
/// stores it only if nobody changed the object meanwhile. So what is not in it was written after it was stored.
pub(crate) fn covers(since: Timestamp, code_sync: &CodeSync) -> Result<(), Unvouched> {
    // A status that was restored from a backup is older than the object.
    let created = code_sync.metadata.creation_timestamp.as_ref().map(|created| created.0);
    let stored =
        judge::stored_after(code_sync).filter(|stored| created.is_some_and(|created| *stored >= created));
    let settled = since.checked_add(SETTLING).unwrap_or(Timestamp::MAX);
    if stored.is_some_and(|stored| stored >= settled) { Ok(()) } else { Err(Unvouched::TooNew) }
}

//! GitLab: push and tag push.
//!
//! Proof: `X-Gitlab-Token`, the secret token as it is, or the signing token of newer versions, which follows Standard
//! Webhooks (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>), by
//! <https://docs.gitlab.com/user/project/integrations/webhooks/> and
//! <https://gitlab.com/gitlab-org/gitlab/-/merge_requests/230944>. Each is a whole proof: where a webhook has both, the
//! Secret may hold either. Payloads: <https://docs.gitlab.com/user/project/integrations/webhook_events/>.

use super::Sender;
use crate::{
    body::Found,
    delivery::Delivery,
    news::{Change, News, is_no_commit},
    proof::Refusal,
};

pub(crate) const SENDER: Sender = Sender {
    name: "gitlab",
    prove: |claim| {
        let signed = claim.signed_by_standard();
        match signed.or_else(|_| claim.in_header("X-Gitlab-Token")) {
            Err(Refusal::Missing) => signed,
            verdict => verdict,
        }
    },
    wanted: &[
        "ref",
        "after",
        "project/git_http_url",
        "project/git_ssh_url",
        "repository/git_http_url",
        "repository/git_ssh_url",
    ],
    read,
};

fn read(_: &Delivery<'_>, found: &Found) -> News {
    let is_deletion = found.all("after").any(is_no_commit);
    let change = if is_deletion { Change::Deleted } else { Change::Pushed };
    let repositories =
        ["project/git_http_url", "project/git_ssh_url", "repository/git_http_url", "repository/git_ssh_url"];
    News::new(change, repositories.into_iter().flat_map(|path| found.all(path)), found.all("ref"))
}

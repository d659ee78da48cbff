//! Asks a check of kind `job`: makes its Job where there is none, and reads how it is. The only Jobs that are touched are
//! those that are as they are made here, and none is ever changed or deleted: the API server does that in time.

use jiff::Timestamp;
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Resource as _,
    api::{ListParams, PostParams},
};
use voxsync_checks::{
    Answer,
    job::{self, Progress},
};
use voxsync_crds::{CodeSync, FIELD_MANAGER, code_sync::JobCheck};

use super::{
    ask::CheckTools,
    schedule::{Order, Reply},
    times,
};
use crate::call::call;

/// The label by which the API server says whose a pod is.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// How many pods of a Job are read: more than one only where nodes are drained.
const PODS_LIMIT: u32 = 16;
/// Without it, who may write a CodeSync could start pods.
const NOT_ALLOWED: &str = "voxsync makes no Jobs: start it with --job-service-account";
/// Its name can be known before voxsync makes it: what such a Job says is not asked.
const FOREIGN: &str = "is not as voxsync makes it: somebody else made it, or an admission webhook changes it; delete it, or exempt it";

pub(super) async fn ask(tools: &CheckTools, order: &Order, check: &JobCheck) -> Reply {
    let Some(service_account) = &tools.job_service_account else {
        return Reply::on_the_way(Answer::unreachable(NOT_ALLOWED));
    };
    let owner = OwnerReference {
        api_version: CodeSync::api_version(&()).into_owned(),
        kind: CodeSync::kind(&()).into_owned(),
        name: order.key.name.clone(),
        uid: order.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let wanted = job::Order {
        run: &order.run,
        check,
        timeout: times::timeout(&order.check),
        owner: &owner,
        namespace: &order.key.namespace,
        service_account,
        pull_secret: order.pull_secret.as_deref(),
        attempt: order.attempt,
        silences: order.silences,
    };
    match Box::pin(progress(tools, &wanted)).await {
        Ok((Progress::Underway(answer), _)) => Reply::on_the_way(answer),
        Ok((Progress::Ended(answer), ended_at)) => Reply { answer, ended: true, ended_at },
        Err(error) => Reply::on_the_way(refused(&error)),
    }
}

/// How the Job is, and when it ended.
async fn progress(
    tools: &CheckTools,
    wanted: &job::Order<'_>,
) -> kube::Result<(Progress, Option<Timestamp>)> {
    let jobs: Api<Job> = Api::namespaced(tools.client.clone(), wanted.namespace);
    let name = job::name(wanted);
    let found = if let Some(found) = call(jobs.get_opt(&name)).await? {
        found
    } else {
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match call(jobs.create(&parameters, &job::job(wanted))).await {
            // An answer of the API server was lost, or another leader was quicker.
            Err(kube::Error::Api(refusal)) if refusal.code == 409 => call(jobs.get(&name)).await?,
            created => created?,
        }
    };
    if !job::is_made_of(&found, wanted) {
        return Ok((Progress::Underway(Answer::unreachable(format!("Job {name} {FOREIGN}"))), None));
    }
    let pods: Api<Pod> = Api::namespaced(tools.client.clone(), wanted.namespace);
    let of_job = ListParams::default().labels(&format!("{JOB_NAME}={name}")).limit(PODS_LIMIT);
    let pods = call(pods.list(&of_job)).await?.items;
    Ok((job::judge(&found, &pods), job::ended_at(&found)))
}

fn refused(error: &kube::Error) -> Answer {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => Answer::unreachable(format!(
            "this account may not make the Job (deploy/jobs gives the right): {}",
            status.message
        )),
        kube::Error::Api(status) => {
            Answer::unreachable(format!("the API server refuses the Job: {}", status.message))
        }
        _ => Answer::unreachable("the API server does not answer"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;
    use voxsync_checks::Standing;
    use voxsync_promotion::CheckRun;
    use voxsync_sandbox::{Sandbox, SandboxOptions};

    use super::*;
    use crate::{key::CodeSyncKey, test_options::options};

    #[tokio::test]
    async fn where_no_job_may_be_made_nothing_is_asked() {
        let client = Sandbox::new(SandboxOptions::default()).client("puppet");
        let tools = CheckTools::new(client, &options(Path::new("/")));
        let check = JobCheck { image: "i".to_owned(), ..JobCheck::default() };
        let order = Order {
            id: 1,
            key: CodeSyncKey { namespace: "puppet".to_owned(), name: "production".to_owned() },
            uid: "u".to_owned(),
            run: CheckRun {
                stage: "canary".to_owned(),
                check: "job".to_owned(),
                promotion: "p".to_owned(),
                reference: "r".to_owned(),
                since: Timestamp::UNIX_EPOCH,
                servers: vec![],
            },
            check: serde_json::from_value(json!({"name": "job", "job": check})).unwrap(),
            pull_secret: None,
            attempt: 1,
            silences: 0,
        };
        let Reply { answer, ended, .. } = ask(&tools, &order, &check).await;
        assert_eq!(
            (answer.standing, ended),
            (Standing::Unreachable, false),
            "it is a fault, and said as one"
        );
        assert!(answer.message.contains("--job-service-account"), "{}", answer.message);
    }
}

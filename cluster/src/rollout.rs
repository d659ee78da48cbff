//! Which code a Server must run, and how far its rollout is, by the index.

use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use voxsync_crds::{Config, Server, annotations::obstacle, openvox::PAUSED_ANNOTATION};
use voxsync_rollout::{
    resolve::{ResolveProblem, ServerCode, resolve},
    state::{MESSAGE_LIMIT_BYTES, Progress, RolloutState, measure},
};

use crate::Snapshot;

/// What the reconciler may have to say of a template that it does not bring in.
const OBSTACLES: [&str; 6] =
    ["NotRolledOut", "PutBack", "RefusedByAdmission", "Refused", "Forbidden", "NoImageVolumes"];

impl Snapshot {
    /// Which code a Server must run; `None` where there is no such Server.
    ///
    /// # Errors
    /// Where it cannot be told: see [`ResolveProblem`].
    pub fn server_code(&self, namespace: &str, server: &str) -> Option<Result<ServerCode, ResolveProblem>> {
        self.server(namespace, server).map(|server| self.code_of(namespace, server))
    }

    /// How far a Server is on the way to the code that it must run; `None` where there is no such Server.
    pub fn rollout_of(&self, namespace: &str, name: &str) -> Option<RolloutState> {
        self.measured(namespace, name).map(|(state, _)| state)
    }

    /// As [`Snapshot::rollout_of`], with how many pods are where, whatever the state.
    pub fn measured(&self, namespace: &str, name: &str) -> Option<(RolloutState, Progress)> {
        let server = self.server(namespace, name)?;
        Some(self.measured_once(namespace, name, || self.measure(namespace, name, server)))
    }

    fn measure(&self, namespace: &str, name: &str, server: &Server) -> (RolloutState, Progress) {
        let code = match self.code_of(namespace, server) {
            Ok(code) => code,
            Err(problem) => return (RolloutState::from(&problem), Progress::default()),
        };
        let replica_sets: Vec<ReplicaSet> = self.replica_sets_of(namespace, name).collect();
        // Those that are well do not say why others are not.
        let pods: Vec<Pod> = self.troubled_pods_of(namespace, name).collect();
        let deployment = self.deployment_of(namespace, name);
        let deployment = deployment.as_ref();
        let (state, progress) = measure(&code, server, deployment, &replica_sets, &pods);
        let state = match state {
            RolloutState::Pending => {
                let config = self.config_of(namespace, server);
                let why = paused(server, config).or_else(|| in_the_way(server, &code));
                why.unwrap_or(RolloutState::Pending)
            }
            state => state,
        };
        (state, progress)
    }

    pub(crate) fn code_of(&self, namespace: &str, server: &Server) -> Result<ServerCode, ResolveProblem> {
        resolve(server, self.config_of(namespace, server))
    }

    fn config_of(&self, namespace: &str, server: &Server) -> Option<&Config> {
        server.spec.config_ref.as_deref().and_then(|config| self.config(namespace, config))
    }
}

/// Nobody brings code to a Server that a person paused, itself or with its Config.
fn paused(server: &Server, config: Option<&Config>) -> Option<RolloutState> {
    let (kind, metadata) = match config {
        _ if server.is_paused() => ("Server", &server.metadata),
        Some(config) if config.is_paused() => ("Config", &config.metadata),
        _ => return None,
    };
    let name = metadata.name.as_deref().unwrap_or_default();
    let message = format!(
        "its Deployment does not get the code, because {kind} {name} is paused by a person: remove the annotation \
         {PAUSED_ANNOTATION} there to go on"
    );
    Some(RolloutState::Impossible { reason: "Paused", message })
}

/// What the reconciler wrote on the Server about this code, which the objects themselves do not show.
fn in_the_way(server: &Server, code: &ServerCode) -> Option<RolloutState> {
    let obstacle = obstacle(server.metadata.annotations.as_ref())?;
    let is_about_it = code.annotation() == Some(obstacle.code);
    let reason = OBSTACLES.into_iter().find(|known| *known == obstacle.reason).filter(|_| is_about_it)?;
    let end = obstacle.message.floor_char_boundary(MESSAGE_LIMIT_BYTES);
    Some(RolloutState::Impossible { reason, message: obstacle.message.get(..end)?.to_owned() })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use rstest::rstest;
    use serde_json::{Value, json};
    use voxsync_crds::annotations::OBSTACLE;

    use super::*;
    use crate::{Kind, SERVER_LABEL};

    /// A Server with code that its Deployment of three pods does not have, with these annotations.
    fn pending(of_server: &Value, of_config: &Value) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let metadata = json!({"name": "all", "namespace": "puppet", "annotations": of_config});
        let config = json!({"metadata": metadata, "spec": {}});
        snapshot.apply(serde_json::from_value::<Config>(config).unwrap());
        let metadata = json!({"name": "one", "namespace": "puppet", "annotations": of_server});
        let server = json!({"metadata": metadata, "spec": {"configRef": "all", "code": {"image": "a:2"}}});
        snapshot.apply(serde_json::from_value::<Server>(server).unwrap());
        let pod = json!({"containers": [{"name": "openvox-server"}]});
        let selector = json!({"matchLabels": {SERVER_LABEL: "one"}});
        let spec = json!({"replicas": 3, "selector": selector, "template": {"spec": pod}});
        let deployment = json!({"metadata": {"name": "one", "namespace": "puppet"}, "spec": spec});
        snapshot.apply(serde_json::from_value::<Deployment>(deployment).unwrap());
        snapshot
    }

    #[rstest]
    #[case::it_is_about_what_is_wanted("a:2", "NoImageVolumes", Some("NoImageVolumes"))]
    #[case::other_code_is_wanted_now("a:1", "NoImageVolumes", None)]
    #[case::nobody_knows_that_reason("a:2", "Whatever", None)]
    fn an_obstacle_says_why_a_template_is_not_written(
        #[case] about: &str,
        #[case] reason: &str,
        #[case] wanted: Option<&str>,
    ) {
        let obstacle = json!({"code": about, "reason": reason, "message": "it says why"}).to_string();
        let snapshot = pending(&json!({OBSTACLE: obstacle}), &json!({}));
        let expected = match wanted {
            Some(reason) => RolloutState::Impossible {
                reason: OBSTACLES.into_iter().find(|known| *known == reason).unwrap(),
                message: "it says why".to_owned(),
            },
            None => RolloutState::Pending,
        };
        assert_eq!(snapshot.rollout_of("puppet", "one"), Some(expected));
    }

    #[rstest]
    #[case::nobody(json!({}), json!({}), None)]
    #[case::the_server(json!({PAUSED_ANNOTATION: "true"}), json!({}), Some("Server one is paused"))]
    #[case::its_config(json!({}), json!({PAUSED_ANNOTATION: "true"}), Some("Config all is paused"))]
    fn a_pause_says_why_a_template_is_not_written(
        #[case] server: Value,
        #[case] config: Value,
        #[case] wanted: Option<&str>,
    ) {
        let (state, progress) = pending(&server, &config).measured("puppet", "one").unwrap();
        assert_eq!(progress.wanted, 3, "the Pods that there should be are known");
        match (wanted, state) {
            (None, RolloutState::Pending) => {}
            (Some(wanted), RolloutState::Impossible { reason: "Paused", message }) => {
                assert!(message.contains(wanted), "{message}");
            }
            (_, state) => panic!("{state:?}"),
        }
    }

    /// What the Deployment of two pods, its `ReplicaSet` and a pod of that are, all with the Server's code.
    fn rolling(version: u64, updated: u32, ready: u32) -> (Deployment, ReplicaSet, Pod) {
        let mount =
            json!({"name": "code", "mountPath": "/etc/puppetlabs/code/environments", "readOnly": true});
        let template = json!({
            "metadata": {"annotations": {"openvox.voxpupuli.org/code-image": "a:2"}},
            "spec": {
                "containers": [{"name": "openvox-server", "volumeMounts": [mount]}],
                "volumes": [{"name": "code", "image": {"reference": "a:2", "pullPolicy": "IfNotPresent"}}],
            },
        });
        let metadata = |name: &str, owner: Value| {
            let owners: Vec<Value> = owner.is_object().then_some(owner).into_iter().collect();
            json!({
                "name": name, "namespace": "puppet", "uid": name, "resourceVersion": version.to_string(),
                "ownerReferences": owners, "annotations": {"deployment.kubernetes.io/revision": "1"},
            })
        };
        let owner = |kind: &str, name: &str| json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": name, "controller": true});
        let selector = json!({"matchLabels": {SERVER_LABEL: "one"}});
        let deployment = json!({
            "metadata": metadata("one", Value::Null),
            "spec": {"replicas": 2, "selector": selector, "template": template},
            "status": {"replicas": 2, "updatedReplicas": updated, "availableReplicas": ready},
        });
        let set = json!({
            "metadata": metadata("one-1", owner("Deployment", "one")),
            "spec": {"replicas": 2, "selector": selector, "template": template},
            "status": {"replicas": 2, "readyReplicas": ready},
        });
        let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}});
        let container = json!({"name": "openvox-server", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        let pod = json!({
            "metadata": metadata("one-1-x", owner("ReplicaSet", "one-1")), "spec": {"containers": []},
            "status": {"phase": "Pending", "containerStatuses": [container]},
        });
        (
            serde_json::from_value(deployment).unwrap(),
            serde_json::from_value(set).unwrap(),
            serde_json::from_value(pod).unwrap(),
        )
    }

    fn server(annotations: &Value) -> Server {
        let metadata = json!({"name": "one", "namespace": "puppet", "annotations": annotations});
        serde_json::from_value(
            json!({"metadata": metadata, "spec": {"configRef": "all", "code": {"image": "a:2"}}}),
        )
        .unwrap()
    }

    /// Each thing that an answer rests on changes by itself, and the answer with it.
    #[test]
    fn no_answer_outlives_what_it_rests_on() {
        let mut snapshot = pending(&json!({}), &json!({}));
        let mut last = snapshot.measured("puppet", "one").unwrap();
        let mut look = |snapshot: &Snapshot, what: &str| {
            let now = snapshot.measured("puppet", "one").unwrap();
            assert_eq!(
                now,
                snapshot.clone().measured("puppet", "one").unwrap(),
                "{what}: a copy knows nothing yet"
            );
            assert_ne!(now, last, "{what}");
            last = now;
        };
        let config = |annotations: Value| {
            let metadata = json!({"name": "all", "namespace": "puppet", "annotations": annotations});
            serde_json::from_value::<Config>(json!({"metadata": metadata, "spec": {}})).unwrap()
        };
        snapshot.apply(config(json!({PAUSED_ANNOTATION: "true"})));
        look(&snapshot, "the Config");
        snapshot.apply(config(json!({})));
        look(&snapshot, "the Config again");
        let obstacle = json!({"code": "a:2", "reason": "Refused", "message": "why"}).to_string();
        snapshot.apply(server(&json!({OBSTACLE: obstacle})));
        look(&snapshot, "the Server");
        let (deployment, set, pod) = rolling(1, 2, 0);
        snapshot.apply(deployment);
        look(&snapshot, "the Deployment");
        snapshot.apply(set);
        look(&snapshot, "a ReplicaSet");
        let metadata = pod.metadata.clone();
        snapshot.apply(pod);
        look(&snapshot, "a pod");
        snapshot.delete(Kind::Pod, &metadata);
        look(&snapshot, "the end of a pod");
        let (deployment, set, _) = rolling(2, 2, 1);
        snapshot.apply(set);
        look(&snapshot, "the ReplicaSet again");
        snapshot.apply(deployment);
        let (deployment, _, _) = rolling(3, 2, 2);
        snapshot.apply(deployment);
        look(&snapshot, "the Deployment again");
        snapshot.delete(Kind::Deployment, &rolling(4, 2, 2).0.metadata);
        look(&snapshot, "the end of the Deployment");
    }
}

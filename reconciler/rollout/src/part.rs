//! The code part of a pod template: what of it is ours, and what that must be.

use k8s_openapi::{
    api::core::v1::{
        ImageVolumeSource, LocalObjectReference, PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume,
        VolumeMount,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{
    owner::Maker,
    resolve::{CODE_VOLUME, CodeMount, CodeSource, ServerCode},
    slots::Slots,
    template::{CODE_IMAGE_ANNOTATION, MAIN_CONTAINER, TemplateProblem},
};

/// What the operator puts behind the code, in volumes and in mounts. In another order its next write would be a
/// change of the template, and so a second rollout.
const BEHIND_CODE: [&str; 2] = ["enc-config", "report-webhook-config"];

/// The code part of one pod template.
#[derive(Debug)]
pub(crate) struct Part<'template> {
    /// Our annotation as it is.
    pub(crate) annotation: Option<&'template str>,
    /// Our annotation as it must be.
    pub(crate) wanted_annotation: Option<String>,
    /// The place of the server container.
    pub(crate) container: usize,
    /// The volumes of the pod.
    pub(crate) volumes: Slots<'template, Volume>,
    /// The mounts of the server container.
    pub(crate) mounts: Slots<'template, VolumeMount>,
    /// The pod's pull secrets.
    pub(crate) secrets: Slots<'template, LocalObjectReference>,
}

impl<'template> Part<'template> {
    /// Finds the code part in a pod template.
    ///
    /// # Errors
    /// Where there is no server container, or a volume of somebody else is where the code must be.
    pub(crate) fn find(
        template: &'template PodTemplateSpec,
        code: &ServerCode,
        maker: Maker,
    ) -> Result<Self, TemplateProblem> {
        let pod = template.spec.as_ref().ok_or(TemplateProblem::NoMainContainer)?;
        let mut containers = pod.containers.iter().enumerate();
        let (container, main) = containers
            .find(|(_, container)| container.name == MAIN_CONTAINER)
            .ok_or(TemplateProblem::NoMainContainer)?;
        let annotation = annotation(template.metadata.as_ref());

        // Where nobody ever put code by Server and Config, what looks like a code volume is not ours.
        let is_managed = !code.mounts.is_empty() || maker == Maker::Operator || annotation.is_some();
        let is_ours = |volume: &Volume| is_managed && is_code_volume(volume, code, maker);
        let volumes = slots(
            pod.volumes.as_deref(),
            is_ours,
            |volume| &volume.name,
            code.mounts.iter().map(volume).collect(),
        );
        let names: Vec<&str> = volumes
            .ours
            .iter()
            .filter_map(|place| volumes.list?.get(*place))
            .chain(&volumes.wanted)
            .map(|volume| volume.name.as_str())
            .collect();
        let mounts = slots(
            main.volume_mounts.as_deref(),
            |mount| names.contains(&mount.name.as_str()),
            |mount| &mount.name,
            code.mounts.iter().map(volume_mount).collect(),
        );
        check_paths(&mounts)?;
        Ok(Self {
            annotation,
            wanted_annotation: code.annotation(),
            container,
            volumes,
            mounts,
            secrets: secrets(pod.image_pull_secrets.as_deref(), code, maker),
        })
    }

    /// Whether it is as it must be.
    pub(crate) fn is_right(&self) -> bool {
        self.annotation == self.wanted_annotation.as_deref()
            && self.volumes.are_right()
            && self.mounts.are_right()
            && self.secrets.are_right()
    }
}

/// Whether a volume's name is one that the operator gives to code.
pub(crate) fn is_code_volume_name(name: &str) -> bool {
    let number = name.strip_prefix(CODE_VOLUME).and_then(|rest| rest.strip_prefix('-'));
    name == CODE_VOLUME
        || number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn annotation(metadata: Option<&ObjectMeta>) -> Option<&str> {
    metadata?.annotations.as_ref()?.get(CODE_IMAGE_ANNOTATION).map(String::as_str)
}

fn is_code_volume(volume: &Volume, code: &ServerCode, maker: Maker) -> bool {
    if code.mounts.iter().any(|mount| mount.volume == volume.name) {
        return true;
    }
    // Without code newer operators mount an empty folder under the same name: it stays while there is none.
    let is_empty_folder = volume.name == CODE_VOLUME && volume.empty_dir.is_some();
    let replaces_empty_folder = is_empty_folder && maker == Maker::Operator && !code.mounts.is_empty();
    let holds_code = volume.image.is_some() || volume.persistent_volume_claim.is_some();
    is_code_volume_name(&volume.name) && (holds_code || replaces_empty_folder)
}

fn volume(mount: &CodeMount) -> Volume {
    let mut volume = Volume { name: mount.volume.clone(), ..Volume::default() };
    match &mount.source {
        CodeSource::Image { reference, pull_policy } => {
            volume.image = Some(ImageVolumeSource {
                reference: Some(reference.clone()),
                pull_policy: Some(pull_policy.clone()),
            });
        }
        CodeSource::Claim { name } => {
            volume.persistent_volume_claim =
                Some(PersistentVolumeClaimVolumeSource { claim_name: name.clone(), read_only: Some(true) });
        }
    }
    volume
}

fn volume_mount(mount: &CodeMount) -> VolumeMount {
    VolumeMount {
        name: mount.volume.clone(),
        mount_path: mount.path.clone(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

fn slots<T>(
    list: Option<&[T]>,
    is_ours: impl Fn(&T) -> bool,
    name: impl Fn(&T) -> &String,
    wanted: Vec<T>,
) -> Slots<'_, T> {
    let elements = list.unwrap_or_default();
    let ours = elements.iter().enumerate().filter(|(_, element)| is_ours(element)).map(|(place, _)| place);
    let behind = elements.iter().position(|element| BEHIND_CODE.contains(&name(element).as_str()));
    Slots { list, ours: ours.collect(), wanted, new_place: behind.unwrap_or(elements.len()) }
}

/// The operator writes the code's secrets and no others, so in its Deployments all are the code's, but for those
/// that a Config or Server names for the server's own image. In other Deployments secrets are only added.
fn secrets<'list>(
    list: Option<&'list [LocalObjectReference]>,
    code: &ServerCode,
    maker: Maker,
) -> Slots<'list, LocalObjectReference> {
    let present = list.unwrap_or_default();
    let mut wanted = code.pull_secrets();
    let ours = match maker {
        Maker::Operator => {
            let is_ours = |secret: &LocalObjectReference| {
                wanted.contains(&secret.name.as_str()) || !code.server_image_secrets.contains(&secret.name)
            };
            present.iter().enumerate().filter(|(_, secret)| is_ours(secret)).map(|(place, _)| place).collect()
        }
        Maker::Other => {
            wanted.retain(|wanted| present.iter().all(|secret| secret.name != *wanted));
            Vec::new()
        }
    };
    let wanted = wanted.into_iter().map(|name| LocalObjectReference { name: name.to_owned() }).collect();
    Slots { list, ours, wanted, new_place: present.len() }
}

/// The API server refuses two mounts at one path, and says so less clearly.
fn check_paths(mounts: &Slots<'_, VolumeMount>) -> Result<(), TemplateProblem> {
    let all = mounts.list.unwrap_or_default().iter().enumerate();
    let mut others: Vec<&VolumeMount> =
        all.filter(|(place, _)| !mounts.ours.contains(place)).map(|(_, mount)| mount).collect();
    for wanted in &mounts.wanted {
        if let Some(other) = others.iter().find(|other| other.mount_path == wanted.mount_path) {
            return Err(TemplateProblem::PathTaken {
                path: wanted.mount_path.clone(),
                volume: other.name.clone(),
            });
        }
        others.push(wanted);
    }
    Ok(())
}

//! Who gets the code: the targets of each stage, and the Servers that take it from them.

use std::collections::BTreeMap;

use voxsync_crds::code_sync::{CodeSyncSpec, Stage, Target, TargetKey, TargetKind, known_as};

/// How many Servers a Config is taken to have where nobody says it.
const COMPILERS: u16 = 2;
/// How many Servers all stages may have together.
pub const SERVERS_LIMIT: u16 = 500;

/// The targets of each stage, in the order of the spec's stages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estate {
    /// The targets of each stage.
    pub stages: Vec<Vec<EstateTarget>>,
}

/// A target, and the Servers that take their code from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstateTarget {
    /// Which it is.
    pub key: TargetKey,
    /// Its Servers; each has one pod.
    pub servers: Vec<EstateServer>,
}

/// A Server that serves code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstateServer {
    /// How the CodeSync knows it: by its name, or `namespace/name` in another namespace.
    pub name: String,
    /// Whether it is a certificate authority.
    pub is_authority: bool,
}

/// How many Servers a stage has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Those that compile.
    pub compilers: u16,
    /// Certificate authorities.
    pub authorities: u16,
}

impl Estate {
    /// What is taken for granted where nobody says what there is: a Server that is a target is one, and a Config has two.
    /// `sizes` says otherwise, by the names of stages: the Servers of the stage's Config, or what its selector finds.
    pub fn assumed(spec: &CodeSyncSpec, namespace: &str, sizes: &BTreeMap<String, Size>) -> Self {
        let stages = spec.ordered_stages();
        let stage = |stage: &Stage| assumed(stage, namespace, sizes.get(&stage.name).copied());
        Self { stages: stages.iter().map(stage).collect() }
    }

    /// How many Servers there are.
    pub fn servers(&self) -> usize {
        self.stages.iter().flatten().map(|target| target.servers.len()).sum()
    }

    /// The same with another stage where that has targets with Servers: what is known of a stage counts.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let is_known = |stage: &[EstateTarget]| stage.iter().any(|target| !target.servers.is_empty());
        let pairs = self.stages.into_iter().zip(other.stages);
        Self { stages: pairs.map(|(one, other)| if is_known(&one) { one } else { other }).collect() }
    }
}

/// Whether a stage can have so many Servers: one whose targets are Servers by name says itself how many there are.
pub(crate) fn may_have(stage: &Stage, size: Size) -> bool {
    let is_named = |target: &Target| target.kind == TargetKind::Server && target.name.is_some();
    let says = Size { compilers: u16::try_from(stage.targets.len()).unwrap_or(u16::MAX), authorities: 0 };
    !stage.targets.iter().all(is_named) || size == says || is_sole_authority(stage, Some(size))
}

fn assumed(stage: &Stage, own: &str, size: Option<Size>) -> Vec<EstateTarget> {
    let mut targets = Vec::new();
    let mut rest = size;
    for (number, target) in stage.targets.iter().enumerate() {
        let name = target.name.clone().unwrap_or_else(|| match number {
            0 => stage.name.clone(),
            number => format!("{}-{number}", stage.name),
        });
        let place = target.other_namespace(own);
        let known = |name: &str| known_as(own, place.unwrap_or(own), name).into_owned();
        let key = |name: &str| TargetKey {
            kind: target.kind,
            namespace: place.map(str::to_owned),
            name: name.to_owned(),
            entry: target.entry.clone(),
        };
        match target.kind {
            TargetKind::Server => {
                let selected = target.name.is_none().then(|| rest.take()).flatten();
                let servers = selected.map_or_else(
                    || {
                        vec![EstateServer {
                            name: name.clone(),
                            is_authority: is_sole_authority(stage, size),
                        }]
                    },
                    |size| named(&name, size),
                );
                targets.extend(servers.into_iter().map(|EstateServer { name, is_authority }| EstateTarget {
                    key: key(&name),
                    servers: vec![EstateServer { name: known(&name), is_authority }],
                }));
            }
            TargetKind::Config => {
                let size = match size {
                    // The Servers of a stage with several Configs are those of the first.
                    Some(_) => rest.take().unwrap_or(Size { compilers: 0, authorities: 0 }),
                    None => Size { compilers: COMPILERS, authorities: 0 },
                };
                let servers = named(&known(&name), size);
                targets.push(EstateTarget { key: key(&name), servers });
            }
        }
    }
    targets
}

/// Whether the one Server that a stage names is an authority.
fn is_sole_authority(stage: &Stage, size: Option<Size>) -> bool {
    stage.targets.len() == 1 && size == Some(Size { compilers: 0, authorities: 1 })
}

fn named(name: &str, size: Size) -> Vec<EstateServer> {
    let of = |kind: &str, count: u16, is_authority: bool| {
        let name = move |number| match count {
            1 => format!("{name}-{kind}"),
            _ => format!("{name}-{kind}-{number}"),
        };
        (1..=count).map(move |number| EstateServer { name: name(number), is_authority }).collect::<Vec<_>>()
    };
    [of("compile", size.compilers, false), of("ca", size.authorities, true)].concat()
}

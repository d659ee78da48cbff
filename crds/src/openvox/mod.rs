//! `Config` and `Server` (`openvox.voxpupuli.org/v1alpha1`), as openvox-operator defines them.
//!
//! They are not ours: we read few of their fields and write only the code. Every field that is not named here
//! is kept as it is.

mod code;
mod object;

pub use code::{Code, CodeEntry, CodeShape, EntryError, EntryKey};
pub use object::{
    Config, ConfigSpec, DEFAULT_ENVIRONMENT_PATH, GROUP, PAUSED_ANNOTATION, PuppetSpec, Server, ServerSpec,
    VERSION,
};

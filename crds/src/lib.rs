//! The API that voxsync reads and writes.
//!
//! - [`openvox`]: `Config` and `Server`, as openvox-operator defines them. Not ours: every field that we do not
//!   know is kept.
//! - [`code_sync`] and [`code_release`]: `CodeSync`, what people write, and `CodeRelease`, what happened.
//! - [`mod@reference`], [`commit`], [`annotations`], [`duration`]: the values that these objects hold.
//!
//! Nothing here talks to anybody: types, their schemas, and pure functions on them.

pub mod annotations;
pub mod code_release;
pub mod code_sync;
pub mod commit;
pub mod duration;
pub mod openvox;
pub mod reference;
pub mod time;
pub mod yaml;

pub use code_release::CodeRelease;
pub use code_sync::CodeSync;
pub use openvox::{Code, CodeEntry, Config, Server};
pub use reference::CodeReference;

/// Owns what voxsync writes in managed fields: tools that apply manifests are told this name, and people see that it
/// was us.
pub const FIELD_MANAGER: &str = "voxsync";

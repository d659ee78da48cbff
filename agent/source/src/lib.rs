//! Where candidates come from: registries, Git repositories and files.
//!
//! This crate looks and reports; it decides nothing beyond what a look needs, and it never writes anywhere.

mod advice;
mod causes;
pub mod field;
pub mod file;
pub mod git;
pub mod http;
mod lock;
mod pace;
mod pause;
mod proxy;
pub mod registry;
mod traffic;

pub use advice::Advice;
pub use pace::{Admission, DEFAULT_REQUESTS_PER_SECOND, Pace};
pub use pause::pause;
pub use proxy::{NoWay, proxy_address};
pub use traffic::{Exchange, Quota, Traffic};

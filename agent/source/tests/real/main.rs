//! The sources against real servers on loopback. A server that is not installed fails its tests and says what to install.

mod git;
mod registry;

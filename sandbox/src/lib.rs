//! An in-process Kubernetes API, small and honest, for the demo and for tests.
//!
//! It keeps objects in memory and answers as a real API server does, as far as this project, `kube` clients and
//! `kubectl` need it: objects with all their verbs, watches, server-side apply, CRDs with their validation, tables,
//! discovery. It plays the Deployment controller and the nodes, if asked. It is not a Kubernetes: there is no
//! authentication, nothing runs in its pods, and where it differs from a real API server, it is wrong.
//!
//! It touches nothing outside the process but the listener that it is given.

mod admission;
mod api;
mod apply;
mod built_in;
mod built_in_checks;
mod built_in_columns;
mod call;
mod catalog;
mod column;
mod crd;
mod defaulting;
mod deletion;
mod discovery;
mod faults;
mod field_path;
mod field_set;
mod json;
mod json_path;
mod list;
mod managed_fields;
mod openapi;
mod options;
mod owners;
mod patch;
mod protobuf;
mod refusal;
mod request;
mod resource;
mod rule;
mod sandbox;
mod scale;
mod schema;
mod selector;
mod simulation;
mod store;
mod strategic;
mod structure;
mod table;
mod validation;
mod verb;
mod watch;
mod workload_defaults;
mod write;

pub use faults::{FaultPlan, Faults};
pub use options::{Clock, PullCheck, PullFailure, SandboxOptions, virtual_clock};
pub use sandbox::{InstallError, Sandbox, serve_router};

/// A time stamp as objects carry it: whole seconds.
fn stamp(now: jiff::Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

//! `voxsync crds`: the CustomResourceDefinitions.

use std::process::ExitCode;

use crate::output;

/// Prints them as one YAML stream.
pub fn print() -> anyhow::Result<ExitCode> {
    for (_, definition) in voxsync_crds::yaml::definitions() {
        output::line("---");
        output::line(voxsync_crds::yaml::to_yaml(&definition)?.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

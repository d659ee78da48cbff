//! `voxsync man`: the manual pages, made from the same words as `--help`.

use std::{fs, path::Path, process::ExitCode};

use anyhow::Context as _;
use clap::Command;
use clap_mangen::Man;

use crate::output;

/// Writes a page for the program and one for each verb into a folder; without one, prints the first page.
pub fn write(program: &Command, folder: Option<&Path>) -> anyhow::Result<ExitCode> {
    let pages = pages(program)?;
    let Some(folder) = folder else {
        if let Some((_, page)) = pages.first() {
            output::line(page.trim_end());
        }
        return Ok(ExitCode::SUCCESS);
    };
    for (name, page) in &pages {
        let path = folder.join(name);
        fs::write(&path, page).with_context(|| format!("the manual page {}", path.display()))?;
    }
    output::line(&format!("{} manual pages are in {}", pages.len(), folder.display()));
    Ok(ExitCode::SUCCESS)
}

/// Each page with the name of its file; the program's own comes first.
fn pages(program: &Command) -> anyhow::Result<Vec<(String, String)>> {
    let mut program = program.clone().disable_help_subcommand(true);
    // Gives the verbs their whole names and the options that all of them have.
    program.build();
    let verbs = program.get_subcommands().filter(|verb| !verb.is_hide_set());
    std::iter::once(&program).chain(verbs).map(page).collect()
}

fn page(command: &Command) -> anyhow::Result<(String, String)> {
    let page = Man::new(command.clone())
        .source(concat!("voxsync ", env!("CARGO_PKG_VERSION")))
        .manual("voxsync manual");
    let mut text = Vec::new();
    page.render(&mut text).context("a manual page")?;
    Ok((page.get_filename(), String::from_utf8(text).context("a manual page")?))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn every_verb_has_a_page_with_examples() {
        let program = Arguments::command();
        let pages = pages(&program).unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.first(), Some(&"voxsync.1"));
        for verb in program.get_subcommands() {
            let name = format!("voxsync-{}.1", verb.get_name());
            let (_, page) =
                pages.iter().find(|(page, _)| *page == name).unwrap_or_else(|| panic!("{names:?}"));
            let example = format!("voxsync {}", verb.get_name());
            assert!(page.contains("Example") && page.contains(&example), "{name} has an example:\n{page}");
            assert!(page.contains(".SH SYNOPSIS") && page.contains("kubeconfig"), "{name}:\n{page}");
        }
    }

    #[test]
    fn the_page_of_wait_has_its_exit_statuses() {
        let pages = pages(&Arguments::command()).unwrap();
        let (_, page) = pages.iter().find(|(name, _)| name == "voxsync-wait.1").unwrap();
        let (_, statuses) = page.split_once("Exit status").unwrap();
        for status in ["0", "1", "2", "3", "124"] {
            assert!(statuses.lines().any(|line| line.trim().starts_with(status)), "{status}:\n{statuses}");
        }
    }
}

//! `voxsync man`: the manual pages, made from the same words as `--help`.

use std::{fs, io, path::Path, process::ExitCode};

use anyhow::Context as _;
use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

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
    render(&page, command, &mut text).context("a manual page")?;
    Ok((page.get_filename(), String::from_utf8(text).context("a manual page")?))
}

/// As [`Man::render`], but that what follows the options has sections of its own instead of one named EXTRA.
fn render(page: &Man, command: &Command, text: &mut Vec<u8>) -> io::Result<()> {
    page.render_title(text)?;
    page.render_name_section(text)?;
    page.render_synopsis_section(text)?;
    page.render_description_section(text)?;
    page.render_options_section(text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(text)?;
    }
    if let Some(after) = command.get_after_help() {
        after_help(&after.to_string()).to_writer(text)?;
    }
    if command.get_version().is_some() {
        page.render_version_section(text)?;
    }
    Ok(())
}

/// The text after the options: a line with a colon at its end begins a section, as it does in `--help`. Its lines stay as
/// they are, for they have columns.
fn after_help(text: &str) -> Roff {
    let mut page = Roff::new();
    let section = |page: &mut Roff, title: &str| {
        page.control("SH", [title]);
        page.control("nf", []);
    };
    for line in text.lines() {
        match line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            Some("Example") => section(&mut page, "EXAMPLES"),
            Some(title) => section(&mut page, &title.to_uppercase()),
            None => _ = page.text([roman(line)]),
        }
    }
    page.control("fi", []);
    page
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
            let example = format!("voxsync {}", verb.get_name()).replace('-', "\\-");
            assert!(
                page.contains(".SH EXAMPLES") && page.contains(&example),
                "{name} has an example:\n{page}"
            );
            assert!(page.contains(".SH SYNOPSIS") && page.contains("kubeconfig"), "{name}:\n{page}");
        }
    }

    #[test]
    fn pages_of_verbs_that_scripts_ask_have_their_exit_statuses() {
        let pages = pages(&Arguments::command()).unwrap();
        for (verb, statuses) in [
            ("wait", &["0", "1", "2", "3", "124"][..]),
            ("status", &["0", "1", "2"]),
            ("audit", &["0", "1", "2"]),
            ("approve", &["0", "1", "2"]),
            ("promote", &["0", "2"]),
        ] {
            let (_, page) = pages.iter().find(|(name, _)| *name == format!("voxsync-{verb}.1")).unwrap();
            let (_, section) = page.split_once(".SH \"EXIT STATUS\"").unwrap_or_else(|| panic!("{page}"));
            let (section, _) = section.split_once(".SH").unwrap();
            for status in statuses {
                assert!(section.lines().any(|line| line.trim().starts_with(status)), "{status}:\n{section}");
            }
            assert!(!page.contains(".SH EXTRA"), "{page}");
        }
    }

    #[test]
    fn what_all_verbs_share_comes_after_their_own_options() {
        for verb in ["audit", "run", "wait"] {
            let mut program = Arguments::command();
            program.build();
            let help = program.find_subcommand_mut(verb).unwrap().render_help().to_string();
            let (own, shared) = help.split_once("Connection:").unwrap_or_else(|| panic!("{help}"));
            assert!(shared.contains("--kubeconfig") && !own.contains("--kubeconfig"), "{help}");
            assert!(own.contains("--help"), "{help}");
        }
    }
}

//! What can be said to `voxsync tags`.

use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, ValueEnum};
use voxsync_crds::duration::DurationText;

use super::{LookArguments, TableOutput, duration};

const POLICY: &str = "Policy";

#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status:
  0    the tags were judged, whether or not one is chosen
  2    the question cannot be answered: a policy that cannot be read, no such CodeSync, a registry that cannot be asked

Of a CodeSync each part of its policy can be replaced: what is not given stays as it is. Candidates that it does not know
yet are too young where there is a minimumAge; --minimum-age 0s leaves ages out.

Examples:
  voxsync tags ghcr.io/example/puppet-code --semver '>=1.0.0 <2.0.0'
  voxsync tags ghcr.io/example/puppet-code --calver YYYY.0M.MICRO --match '^v(?<version>.+)$'
  voxsync tags registry.example/puppet-code --semver '*' --ca ca.crt --docker-config ~/.docker/config.json
  voxsync tags production -n puppet                     as this CodeSync sees them
  voxsync tags production -n puppet --match '^r'        the same policy with another match
  voxsync tags production -n puppet --semver '~1.2' --minimum-age 0s
  git tag | voxsync tags --from - --semver '*-0' --ignore '-rc'
  voxsync tags --from tags.txt --numerical -o json")]
pub struct TagsOptions {
    /// A repository, with a policy; or a CodeSync, which has one, of which other parts can be tried
    #[arg(value_name = "REPOSITORY|CODESYNC", required_unless_present = "from", conflicts_with = "from")]
    pub subject: Option<String>,
    /// A list to judge instead, one tag a line; - is standard input
    #[arg(long, value_name = "FILE", requires = "rule")]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub policy: PolicyArguments,
    /// Name all tags
    #[arg(long)]
    pub all: bool,
    /// What is printed
    #[arg(short, long, value_enum, default_value_t = TableOutput::Table)]
    pub output: TableOutput,
    /// Plain HTTP instead of HTTPS
    #[arg(long)]
    pub insecure: bool,
    /// How long the registry may take
    #[arg(long, default_value = "2m", value_name = "DURATION", value_parser = duration)]
    pub timeout: Duration,
    #[command(flatten)]
    pub look: LookArguments,
}

#[derive(Clone, Debug, Default, Args)]
#[command(group = ArgGroup::new("rule"))]
pub struct PolicyArguments {
    /// The highest version in this range
    #[arg(long, value_name = "RANGE", group = "rule", help_heading = POLICY)]
    pub semver: Option<String>,
    /// The latest date in this format, for instance YYYY.0M.MICRO
    #[arg(long, value_name = "FORMAT", group = "rule", help_heading = POLICY)]
    pub calver: Option<String>,
    /// The highest whole number
    #[arg(long, group = "rule", help_heading = POLICY)]
    pub numerical: bool,
    /// The last in the order of the characters' codes
    #[arg(long, group = "rule", help_heading = POLICY)]
    pub alphabetical: bool,
    /// The image that was built last; only of a repository
    #[arg(long, group = "rule", help_heading = POLICY)]
    pub newest_build: bool,
    /// One tag that moves
    #[arg(long, value_name = "TAG", group = "rule", help_heading = POLICY)]
    pub follow: Option<String>,
    /// Which end of the order is taken, of --numerical and --alphabetical (default: highest)
    #[arg(long, value_enum, ignore_case = true, help_heading = POLICY)]
    pub select: Option<SelectArgument>,
    /// Only tags that this regular expression matches; what its group `version` holds is what is compared
    #[arg(long = "match", value_name = "REGEX", allow_hyphen_values = true, help_heading = POLICY)]
    pub matching: Option<String>,
    /// No tag that this regular expression matches; may be given several times
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true, help_heading = POLICY)]
    pub ignore: Vec<String>,
    /// How long candidates must be known, instead of the CodeSync's minimumAge
    #[arg(long, value_name = "DURATION", value_parser = age, help_heading = POLICY)]
    pub minimum_age: Option<DurationText>,
}

impl PolicyArguments {
    /// Whether it says by what tags are compared.
    pub fn has_rule(&self) -> bool {
        let Self { semver, calver, numerical, alphabetical, newest_build, follow, .. } = self;
        semver.is_some()
            || calver.is_some()
            || *numerical
            || *alphabetical
            || *newest_build
            || follow.is_some()
    }

    /// Whether it says anything.
    pub fn is_given(&self) -> bool {
        let Self { select, matching, ignore, minimum_age, .. } = self;
        let is_part = select.is_some() || matching.is_some() || !ignore.is_empty() || minimum_age.is_some();
        is_part || self.has_rule()
    }
}

fn age(text: &str) -> Result<DurationText, String> {
    duration(text).map(|_| DurationText::from(text))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SelectArgument {
    Highest,
    Lowest,
}

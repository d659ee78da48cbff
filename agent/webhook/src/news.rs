//! What a webhook says.

use std::collections::BTreeSet;

use crate::repository::RepositoryName;

/// What a webhook says. Nothing of it is believed; it is small, whatever came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What happened.
    pub change: Change,
    /// Where, in all the spellings that it was given in.
    pub repositories: BTreeSet<RepositoryName>,
    /// The branches and tags that it is about, as the sender writes them.
    pub revisions: BTreeSet<String>,
    /// What the sender wants to hear before it sends anything: the code of Event Grid's validation.
    pub challenge: Option<String>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something was pushed, tagged or published, or the sender does not say what it was.
    Pushed,
    /// Something was deleted.
    Deleted,
    /// The sender only tries whether it is heard.
    Ping,
    /// Something was read. Our own looks are told of in this way, too: a look for them would never end.
    Read,
    /// The payload cannot be read.
    Unclear,
}

impl News {
    /// News of this change, from the sender's own words for places and revisions.
    pub(crate) fn new<'a>(
        change: Change,
        repositories: impl IntoIterator<Item = &'a str>,
        revisions: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            change,
            repositories: repositories.into_iter().filter_map(RepositoryName::new).collect(),
            revisions: revisions.into_iter().map(str::to_owned).collect(),
            challenge: None,
        }
    }

    /// Whether there may be something new to find.
    pub fn asks_for_a_look(&self) -> bool {
        match self.change {
            Change::Pushed | Change::Deleted | Change::Unclear => true,
            Change::Ping | Change::Read => false,
        }
    }
}

impl Change {
    /// The change of several words for it: a push among them counts, then a deletion. What nobody knows is a push.
    pub(crate) fn of<'a>(words: impl IntoIterator<Item = &'a str>, sort: impl Fn(&str) -> Self) -> Self {
        let rank = |change: &Self| match change {
            Self::Unclear => 4,
            Self::Pushed => 3,
            Self::Deleted => 2,
            Self::Ping => 1,
            Self::Read => 0,
        };
        words.into_iter().map(sort).max_by_key(rank).unwrap_or(Self::Pushed)
    }
}

/// Whether this is the commit that Git's forges write where there is none: zeros.
pub(crate) fn is_no_commit(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit == b'0')
}

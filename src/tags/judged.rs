//! What becomes of every tag: chosen, ripe (it fits, and another one is better), ripening (it is too young), ignored.
//! Pure.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use voxsync_policy::TagPolicy;

use super::subject::Patience;

/// A list of tags as a policy sees it.
#[derive(Debug, Serialize)]
pub struct Judged<'a> {
    pub chosen: Option<&'a str>,
    /// The chosen one first; then those that fit, the best first; then the others by reason.
    pub tags: Vec<Judgement<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Judgement<'a> {
    pub tag: &'a str,
    pub state: State,
    #[serde(serialize_with = "text")]
    pub why: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Chosen,
    Ripe,
    Ripening,
    Ignored,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Ripe => "ripe",
            Self::Ripening => "ripening",
            Self::Ignored => "ignored",
        }
    }
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl<'a> Judged<'a> {
    pub fn of(
        policy: &TagPolicy,
        tags: impl Iterator<Item = &'a str>,
        built: &HashMap<String, Timestamp>,
        patience: Option<&Patience>,
        now: Timestamp,
    ) -> Self {
        let tags = tags.map(str::trim).filter(|tag| !tag.is_empty());
        let verdicts = policy.verdicts(tags, |tag| built.get(tag).copied());
        let (mut whys, mut chosen) = (BTreeMap::new(), None);
        let better: Arc<str> = "it fits, and another one is better".into();
        let best: Arc<str> =
            if patience.is_some() { "the best that is old enough" } else { "the best that fits" }.into();
        let mut judge = |tag: &'a str| {
            if chosen.is_some() {
                return (State::Ripe, better.clone());
            }
            if let Some(why) = patience.and_then(|patience| patience.why_not(tag, now)) {
                return (State::Ripening, why.into());
            }
            chosen = Some(tag);
            (State::Chosen, best.clone())
        };
        let judgements = verdicts.into_iter().map(|verdict| {
            let (state, why) = match verdict.left_out {
                None => judge(verdict.tag),
                Some(left_out) => {
                    let why = whys.entry(left_out).or_insert_with(|| Arc::from(policy.why(left_out)));
                    (State::Ignored, Arc::clone(why))
                }
            };
            Judgement { tag: verdict.tag, state, why }
        });
        let mut judgements: Vec<Judgement<'a>> = judgements.collect();
        // The ones that are too young are better, but what counts comes first.
        if let Some(place) = judgements.iter().position(|judgement| judgement.state == State::Chosen) {
            judgements.get_mut(..=place).into_iter().for_each(|first| first.rotate_right(1));
        }
        Self { chosen, tags: judgements }
    }

    /// How many tags are in this state.
    pub fn count(&self, state: State) -> usize {
        self.tags.iter().filter(|judgement| judgement.state == state).count()
    }
}

//! Which steps a demo has: a pure function of the seed.

/// One event from outside, and what should come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A version tag is pushed: canary, soak, production.
    Tag(Push),
    /// A version tag is pushed, and a commit makes the reference file name it.
    Commit(Push),
    /// A version tag is pushed whose layers are not there.
    Broken(Push),
}

/// An image that is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Its tag.
    pub tag: String,
    /// The commit that it says it is of.
    pub commit: String,
    /// What its code says; another text is another digest.
    pub text: String,
}

/// The image that all Servers run at the start, and the steps in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// What runs at the start.
    pub first: Push,
    /// What happens then.
    pub steps: Vec<Step>,
}

/// What makes a step of an image, and what that image's tag begins with.
type Kind = (fn(Push) -> Step, &'static str);

/// Makes the story of a seed: another seed means other tags, other digests and another order.
pub fn story(seed: u64) -> Story {
    let mut random = Random(seed);
    let minor = random.below(20);
    let mut next = 0;
    let mut push = |random: &mut Random, prefix: &str| {
        let patch = next;
        next += 1;
        let commit = format!("{:016x}{:016x}{:08x}", random.next(), random.next(), random.below(1 << 32));
        Push {
            tag: format!("{prefix}1.{minor}.{patch}"),
            text: format!("seed {seed}, release {patch}"),
            commit,
        }
    };
    let first = push(&mut random, "v");
    // The commit's image has a tag that the version range of the other CodeSync does not see.
    let mut kinds: [Kind; 3] = [(Step::Tag, "v"), (Step::Commit, "staging-"), (Step::Broken, "v")];
    // Seed 1, the default, tells it in the order in which it is easiest to follow.
    if seed != 1 {
        for place in (1..kinds.len()).rev() {
            kinds.swap(place, usize::try_from(random.below(place as u64 + 1)).unwrap_or(0));
        }
    }
    let steps = kinds.into_iter().map(|(kind, prefix)| kind(push(&mut random, prefix))).collect();
    Story { first, steps }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_changes_tags_digests_and_order_and_is_the_same_each_time() {
        assert_eq!(story(7), story(7));
        let orders: std::collections::HashSet<Vec<std::mem::Discriminant<Step>>> =
            (2..40).map(|seed| story(seed).steps.iter().map(std::mem::discriminant).collect()).collect();
        assert!(orders.len() >= 4, "{orders:?}");
        assert_ne!(story(2).first, story(3).first);
        assert!(matches!(story(1).steps[..], [Step::Tag(_), Step::Commit(_), Step::Broken(_)]));
    }
}

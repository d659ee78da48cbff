//! A small generator (xorshift64*): the same seed, the same story.

pub(super) struct Chance(pub u64);

impl Chance {
    /// Chances of its own for a part of a story, so that the rest of it stays as it was.
    pub(super) fn apart(seed: u64, part: u32) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(part) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit
    }

    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

//! A set of hashes that may answer "perhaps" for one it does not have. In: hashes. Out: a few bits
//! for each, as bytes that travel.
//!
//! A register-blocked Bloom filter (Lang, Neumann, Kemper, Boncz: "Performance-Optimal Filtering:
//! Bloom Overtakes Cuckoo at High Throughput", VLDB 2019): all bits of a hash are in one word.

/// Words of the largest set: 4 MiB. Sets grow no larger while they are made.
const WORDS_MAX: usize = 1 << 19;
/// Hashes for each word of a finished set: 16 bits for a hash let one of a hundred others pass.
const HASHES_PER_WORD: usize = 4;
/// With more hashes than this for each word most others pass.
const HASHES_PER_WORD_MAX: usize = 16;

/// The set. Its length is a power of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    /// An empty set that takes any number of hashes; [`Self::fold`] it when their number is known.
    pub(crate) fn new() -> Self {
        Self { words: vec![0; WORDS_MAX] }
    }

    /// Adds a hash.
    pub(crate) fn insert(&mut self, hash: u64) {
        let (place, bits) = self.place(hash);
        self.words[place] |= bits;
    }

    /// Whether a hash may have been added.
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        let (place, bits) = self.place(hash);
        self.words[place] & bits == bits
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        // Fibonacci hashing spreads what the hash has in its low bits.
        let hash = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let place = (hash >> 32) as usize & (self.words.len() - 1);
        let bit = |shift: u32| 1 << ((hash >> shift) & 63);
        (place, bit(8) | bit(14) | bit(20) | bit(26))
    }

    /// Adds all of another set, which may be larger or smaller.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.words.len() > self.words.len() {
            // A word stands for all longer ones that end like it.
            let times = other.words.len() / self.words.len();
            self.words = self.words.repeat(times);
        }
        let others = other.words.iter().cycle();
        self.words.iter_mut().zip(others).for_each(|(word, other)| *word |= other);
    }

    /// As small as is good for so many hashes; none when there are too many for it to be of use.
    pub(crate) fn fold(mut self, hashes: usize) -> Option<Self> {
        if hashes > WORDS_MAX * HASHES_PER_WORD_MAX {
            return None;
        }
        let wanted = (hashes / HASHES_PER_WORD).next_power_of_two();
        while self.words.len() > wanted {
            let half = self.words.len() / 2;
            let (low, high) = self.words.split_at_mut(half);
            low.iter_mut().zip(high).for_each(|(low, high)| *low |= *high);
            self.words.truncate(half);
        }
        self.words.shrink_to_fit();
        Some(self)
    }

    /// As bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// From bytes; none when no set of ours wrote them.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: Vec<_> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        (rest.is_empty() && words.len().is_power_of_two()).then_some(Self { words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hashes: impl Iterator<Item = u64> + Clone) -> Bloom {
        let mut bloom = Bloom::new();
        hashes.clone().for_each(|hash| bloom.insert(hash));
        bloom.fold(hashes.count()).expect("not too many")
    }

    #[test]
    fn what_was_added_is_there_and_little_else() {
        let mut few = of((0..100).map(|n| n * 7_919));
        let many = of((0..10_000).map(|n| n * 104_729 + 1));
        few.merge(&many);
        let read = Bloom::from_bytes(&few.to_bytes()).expect("ours");
        assert_eq!(read, few);
        assert!((0..100).all(|n| few.may_contain(n * 7_919)));
        assert!((0..10_000).all(|n| few.may_contain(n * 104_729 + 1)));
        let others = (0..100_000).filter(|n| few.may_contain(n * 1_299_709 + 2)).count();
        assert!(others < 3_000, "{others} of 100000 others pass");
        assert_eq!(few.words.len(), 4_096);
    }

    #[test]
    fn too_many_are_no_set() {
        assert_eq!(Bloom::new().fold(WORDS_MAX * HASHES_PER_WORD_MAX + 1), None);
        assert_eq!(Bloom::from_bytes(&[0; 24]), None);
        assert_eq!(Bloom::from_bytes(&[0; 9]), None);
    }
}

//! A set of hashes that may answer "perhaps" for one it does not have. In: hashes. Out: a few bits
//! for each, as bytes that travel.
//!
//! A register-blocked Bloom filter (Lang, Neumann, Kemper, Boncz: "Performance-Optimal Filtering:
//! Bloom Overtakes Cuckoo at High Throughput", VLDB 2019): all bits of a hash are in one word.

/// Words of the largest set: 4 MiB.
const WORDS_MAX: usize = 1 << 19;
/// Hashes for each word: 16 bits for a hash let one of a hundred others pass.
const HASHES_PER_WORD: usize = 4;
/// With more hashes than this for each word most others pass.
const HASHES_PER_WORD_MAX: usize = 16;
/// Hashes that take more bytes than the largest set.
pub(crate) const LARGEST_FROM: usize = WORDS_MAX;

/// The set. Its length is a power of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    /// An empty set of the largest size, which takes any number of hashes.
    pub(crate) fn largest() -> Self {
        Self { words: vec![0; WORDS_MAX] }
    }

    /// The set of these, as large as is good for so many.
    pub(crate) fn of(hashes: &[u64]) -> Self {
        let mut bloom = Self { words: vec![0; words_for(hashes.len())] };
        bloom.add(hashes);
        bloom
    }

    /// Adds hashes.
    pub(crate) fn add(&mut self, hashes: &[u64]) {
        for hash in hashes {
            let (place, bits) = self.place(*hash);
            self.words[place] |= bits;
        }
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

    /// Adds all of another set of the same size.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// As small as is good for so many hashes; none when there are too many for it to be of use.
    pub(crate) fn fold(mut self, hashes: usize) -> Option<Self> {
        if hashes > self.words.len() * HASHES_PER_WORD_MAX {
            return None;
        }
        let wanted = words_for(hashes);
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
        bytes(&self.words)
    }

    /// From the bytes of a set of the largest size; none when they are not.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let words = words(bytes)?;
        (words.len() == WORDS_MAX).then_some(Self { words })
    }
}

/// Words that are good for so many hashes.
fn words_for(hashes: usize) -> usize {
    (hashes / HASHES_PER_WORD).next_power_of_two().min(WORDS_MAX)
}

/// Words as bytes.
pub(crate) fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Words from bytes; none when there is a rest.
pub(crate) fn words(bytes: &[u8]) -> Option<Vec<u64>> {
    let (words, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| words.iter().map(|word| u64::from_le_bytes(*word)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(bloom: &Bloom) -> usize {
        (0..100_000).filter(|n| bloom.may_contain(n * 1_299_709 + 2)).count()
    }

    #[test]
    fn what_was_added_is_there_and_little_else() {
        let many: Vec<u64> = (0..10_000).map(|n| n * 104_729 + 1).collect();
        let bloom = Bloom::of(&many);
        assert_eq!(bloom.words.len(), 4_096);
        let (mut first, mut second) = (Bloom::largest(), Bloom::largest());
        first.add(&many);
        second.add(&(0..100).map(|n| n * 7_919).collect::<Vec<_>>());
        first.merge(&Bloom::from_bytes(&second.to_bytes()).expect("ours"));
        let folded = first.fold(10_100).expect("not too many");
        for bloom in [&bloom, &folded] {
            assert!(many.iter().all(|hash| bloom.may_contain(*hash)));
            assert!(others(bloom) < 3_000, "{} of 100000 others pass", others(bloom));
        }
        assert!((0..100).all(|n| folded.may_contain(n * 7_919)));
    }

    #[test]
    fn too_many_are_no_set() {
        assert_eq!(Bloom::largest().fold(WORDS_MAX * HASHES_PER_WORD_MAX + 1), None);
        assert_eq!(Bloom::from_bytes(&[0; 24]), None);
        assert_eq!(words(&[0; 9]), None);
    }
}

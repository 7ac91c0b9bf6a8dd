//! Postings as a bitmap of all documents of the segment. Behind it lies, for every eighth word of the bitmap, the
//! number of bits set before it, and then the frequency's code of four bits for each bit set.

use super::{FREQUENCIES, Posting, code};
use crate::bits::Bits;

/// Words of the bitmap between two counts of the bits before.
const WORDS_A_COUNT: usize = 8;

/// A bitmap of postings.
#[derive(Clone, Copy)]
pub(crate) struct Bitmap<'a> {
    words: &'a [[u8; 8]],
    counts: &'a [[u8; 4]],
    frequencies: &'a [u8],
    documents: usize,
}

impl<'a> Bitmap<'a> {
    /// Empty where the bytes are too few.
    pub(super) fn read(documents: usize, bytes: &'a [u8]) -> Self {
        let words = documents.div_ceil(64);
        let split = bytes
            .split_at_checked(words * 8)
            .and_then(|(bitmap, rest)| {
                let (counts, frequencies) =
                    rest.split_at_checked(words.div_ceil(WORDS_A_COUNT) * 4)?;
                Some((bitmap, counts, frequencies))
            });
        let (bitmap, counts, frequencies) = split.unwrap_or_default();
        Self {
            words: bitmap.as_chunks().0,
            counts: counts.as_chunks().0,
            frequencies,
            documents,
        }
    }

    /// How often the term occurs in `document`, as rounded; 0 where it doesn't.
    #[inline]
    pub(crate) fn frequency(self, document: u32) -> u32 {
        let word_at = document as usize / 64;
        let Some(word) = self.words.get(word_at) else {
            return 0;
        };
        let word = u64::from_le_bytes(*word);
        let bit = document % 64;
        if word >> bit & 1 == 0 {
            return 0;
        }
        let counted = word_at / WORDS_A_COUNT;
        let mut before = u32::from_le_bytes(self.counts[counted]);
        for word in &self.words[counted * WORDS_A_COUNT..word_at] {
            before = before.wrapping_add(u64::from_le_bytes(*word).count_ones());
        }
        before = before.wrapping_add((word & ((1 << bit) - 1)).count_ones());
        self.frequency_at(before as usize)
    }

    #[inline]
    fn frequency_at(self, rank: usize) -> u32 {
        let pair = self.frequencies.get(rank / 2).copied().unwrap_or_default();
        u32::from(FREQUENCIES[usize::from(pair >> (rank % 2 * 4) & 0xf)])
    }

    /// The word at this place, without bits beyond the last document.
    #[inline]
    fn word(self, at: usize) -> u64 {
        let word = u64::from_le_bytes(self.words[at]);
        match self.documents - at * 64 {
            left @ ..64 => word & ((1 << left) - 1),
            _ => word,
        }
    }

    #[inline]
    pub(super) fn for_each(self, each: &mut impl FnMut(Posting)) {
        let mut rank = 0;
        for at in 0..self.words.len() {
            let mut word = self.word(at);
            while word != 0 {
                each(Posting {
                    document: at as u32 * 64 + word.trailing_zeros(),
                    frequency: self.frequency_at(rank),
                });
                rank += 1;
                word &= word - 1;
            }
        }
    }

    pub(super) fn count_among(self, dead: &Bits) -> usize {
        self.words
            .iter()
            .zip(dead.words())
            .map(|(word, dead)| (u64::from_le_bytes(*word) & dead).count_ones() as usize)
            .sum()
    }
}

pub(super) fn write(postings: &[Posting], documents: usize, bytes: &mut Vec<u8>) {
    let mut words = vec![0_u64; documents.div_ceil(64)];
    for posting in postings {
        words[posting.document as usize / 64] |= 1 << (posting.document % 64);
    }
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    let mut before = 0_u32;
    for words in words.chunks(WORDS_A_COUNT) {
        bytes.extend(before.to_le_bytes());
        before += words.iter().map(|word| word.count_ones()).sum::<u32>();
    }
    let nibble = |posting: &Posting| code(posting.frequency) as u8;
    bytes.extend(
        postings
            .chunks(2)
            .map(|pair| nibble(&pair[0]) | pair.get(1).map_or(0, nibble) << 4),
    );
}

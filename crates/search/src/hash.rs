//! Term identifiers: 64-bit hashes in place of a dictionary of strings.
//!
//! A collision would let one term count for another. Among a million distinct terms in one chatbot the chance that
//! any two collide is about 3 in 100 million (n²/2⁶⁵), and the harm would be one slightly wrong score, so the memory
//! and the comparisons that strings cost are not spent. Nobody gains by forging one: a chatbot's owner could only
//! mislead the ranking of the owner's own documents. Files that hold hashes know the analysis they came
//! from by its fingerprint, so the function may change.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::analysis::Leg;

/// The identifier of a term; the same letters in the two legs are two terms.
pub(crate) fn term_id(leg: Leg, term: &str) -> u64 {
    hash(leg as u64 + 1, term.as_bytes())
}

/// Hashes eight bytes at a time by multiplication and folding, the way wyhash does.
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        state = fold(state ^ u64::from_le_bytes(word), 0xa076_1d64_78bd_642f);
    }
    let mut word = [0; 8];
    word[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    state = fold(state ^ u64::from_le_bytes(word), 0xe703_7ed1_a0b4_28db);
    fold(state ^ 0x8ebc_6af0_9c88_c6e3, 0x5895_65cc_f5d1_b7a9)
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A map keyed by identifiers that are hashes already.
pub(crate) type TermMap<V> = HashMap<u64, V, BuildHasherDefault<AlreadyHashed>>;

/// Passes a 64-bit hash through.
#[derive(Default)]
pub(crate) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(self.0, bytes);
    }

    fn write_u64(&mut self, hashed: u64) {
        self.0 = hashed;
    }
}

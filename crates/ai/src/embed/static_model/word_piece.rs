//! Cuts words into known pieces, the longest first: WordPiece (Wu et al. 2016, arXiv:1609.08144).
//!
//! Okra has its own because the general tokenizer library brings a regular-expression engine and
//! copies of the vocabulary, for a start-up tens of times longer; a fixture made with that library
//! keeps the two equal.

use super::model_file::ModelFile;
use super::words::each_word;

/// What a piece that continues a word starts with in the vocabulary.
const CONTINUES: &[u8] = b"##";

/// An index from spellings to token numbers: open addressing, a quarter to half full. Spellings are known by their
/// hashes of 64 bits alone: they stay in the model file, and reading them was a tenth of the time of taking documents
/// in. That a word takes the hash of one of 30,000 tokens happens once in 600 trillion unknown words, and would mix
/// a wrong vector into a mean.
#[derive(Debug)]
pub(super) struct WordPieces {
    /// Apart from the tokens, so that a look into a slot that is not the right one reads nothing else.
    hashes: Box<[Hash]>,
    tokens: Box<[u32]>,
    /// The length in bytes of the longest spelling; nothing longer is tried.
    longest: usize,
}

impl WordPieces {
    pub(super) fn index(model: &ModelFile) -> Self {
        let size = (2 * model.count() as usize).next_power_of_two();
        let mut hashes = vec![Hash::NONE; size].into_boxed_slice();
        let mut tokens = vec![0; size].into_boxed_slice();
        let mut longest = 0;
        for token in 0..model.count() {
            longest = longest.max(model.token(token).len());
            let hash = Hash::START.over(model.token(token));
            let mut at = hash.slot(size);
            while hashes[at] != Hash::NONE {
                at = (at + 1) & (size - 1);
            }
            (hashes[at], tokens[at]) = (hash, token);
        }
        Self {
            hashes,
            tokens,
            longest,
        }
    }

    /// Calls `found` with each known token of `text`, in order. A word that cannot be cut into
    /// known pieces gives none, as if it were not there.
    pub(super) fn each(&self, text: &str, mut found: impl FnMut(u32)) {
        let mut pieces = Vec::new();
        let mut ends = Vec::new();
        each_word(text, |word| {
            if let Some(token) = self.find(Hash::START.over(word.as_bytes())) {
                found(token);
            } else if self.cut(word, &mut pieces, &mut ends) {
                pieces.iter().copied().for_each(&mut found);
            }
        });
    }

    /// Fills `pieces` with the word's; `false` where some part is unknown. `ends` is scratch space.
    fn cut(&self, word: &str, pieces: &mut Vec<u32>, ends: &mut Vec<(usize, Hash)>) -> bool {
        pieces.clear();
        let mut start = 0;
        while start < word.len() {
            let prefix = if start == 0 { &[] } else { CONTINUES };
            let rest = &word[start..];
            let hashes = prefix_hashes(rest, Hash::START.over(prefix));
            ends.clear();
            ends.extend(hashes.take_while(|&(end, _)| end <= self.longest));
            let longest = ends.iter().rev().find_map(|&(end, hash)| {
                let token = self.find(hash)?;
                Some((end, token))
            });
            let Some((length, token)) = longest else {
                return false;
            };
            pieces.push(token);
            start += length;
        }
        true
    }

    /// The token whose spelling has this hash.
    fn find(&self, hash: Hash) -> Option<u32> {
        let mut at = hash.slot(self.hashes.len());
        loop {
            match self.hashes[at] {
                Hash::NONE => return None,
                known if known == hash => return Some(self.tokens[at]),
                _ => at = (at + 1) & (self.hashes.len() - 1),
            }
        }
    }
}

/// The hash of every beginning of `text`, with the byte it ends before; shortest first.
fn prefix_hashes(text: &str, start: Hash) -> impl Iterator<Item = (usize, Hash)> {
    text.char_indices().scan(start, |hash, (at, character)| {
        let end = at + character.len_utf8();
        *hash = hash.over(&text.as_bytes()[at..end]);
        Some((end, *hash))
    })
}

/// FNV-1a of 64 bits. It grows by one byte at a time, so all beginnings of a word cost one pass.
/// Text cannot be crafted to slow look-ups down: how long they probe depends on the model alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hash(u64);

impl Hash {
    /// An empty slot's; no spelling has it.
    const NONE: Self = Self(0);
    const START: Self = Self(0xcbf2_9ce4_8422_2325);

    fn over(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// The slot to start at in a table whose `size` is a power of two.
    fn slot(self, size: usize) -> usize {
        // FNV's high bits depend on all input, its lowest ones less so: fold them together.
        (self.0 ^ (self.0 >> 32)) as usize & (size - 1)
    }
}

//! Cuts words into known pieces, the longest first: WordPiece (Wu et al. 2016, arXiv:1609.08144).
//!
//! Okra has its own because the general tokenizer library brings a regular-expression engine and
//! copies of the vocabulary, for a start-up tens of times longer; a fixture made with that library
//! keeps the two equal.

use super::model_file::ModelFile;
use super::words::each_word;

/// What a piece that continues a word starts with in the vocabulary.
const CONTINUES: &[u8] = b"##";

/// An index from spellings to token numbers: open addressing, a quarter to half full. A slot holds a
/// token and its hash, so that the spelling, which stays in the model file, is read for few but the
/// right one.
#[derive(Debug)]
pub(super) struct WordPieces {
    slots: Box<[Slot]>,
    /// The length in bytes of the longest spelling; nothing longer is tried.
    longest: usize,
}

impl WordPieces {
    pub(super) fn index(model: &ModelFile) -> Self {
        let size = (2 * model.count() as usize).next_power_of_two();
        let mut slots = vec![Slot::EMPTY; size].into_boxed_slice();
        let mut longest = 0;
        for token in 0..model.count() {
            longest = longest.max(model.token(token).len());
            let hash = Hash::START.over(model.token(token));
            let mut at = hash.slot(size);
            while !slots[at].is_empty() {
                at = (at + 1) & (size - 1);
            }
            slots[at] = Slot { hash, token };
        }
        Self { slots, longest }
    }

    /// Calls `found` with each known token of `text`, in order. A word that cannot be cut into
    /// known pieces gives none, as if it were not there.
    pub(super) fn each(&self, model: &ModelFile, text: &str, mut found: impl FnMut(u32)) {
        let mut pieces = Vec::new();
        let mut ends = Vec::new();
        each_word(text, |word| {
            if let Some(token) = self.find(model, Hash::START.over(word.as_bytes()), &[], word) {
                found(token);
            } else if self.cut(model, word, &mut pieces, &mut ends) {
                pieces.iter().copied().for_each(&mut found);
            }
        });
    }

    /// Fills `pieces` with the word's; `false` where some part is unknown. `ends` is scratch space.
    fn cut(
        &self,
        model: &ModelFile,
        word: &str,
        pieces: &mut Vec<u32>,
        ends: &mut Vec<(usize, Hash)>,
    ) -> bool {
        pieces.clear();
        let mut start = 0;
        while start < word.len() {
            let prefix = if start == 0 { &[] } else { CONTINUES };
            let rest = &word[start..];
            let hashes = prefix_hashes(rest, Hash::START.over(prefix));
            ends.clear();
            ends.extend(hashes.take_while(|&(end, _)| end <= self.longest));
            let longest = ends.iter().rev().find_map(|&(end, hash)| {
                let token = self.find(model, hash, prefix, &rest[..end])?;
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

    /// The token spelled `prefix` and then `piece`, which together hash to `hash`.
    fn find(&self, model: &ModelFile, hash: Hash, prefix: &[u8], piece: &str) -> Option<u32> {
        let mut at = hash.slot(self.slots.len());
        loop {
            let slot = self.slots[at];
            if slot.is_empty() {
                return None;
            }
            if slot.hash == hash
                && model.token(slot.token).strip_prefix(prefix) == Some(piece.as_bytes())
            {
                return Some(slot.token);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: Hash,
    token: u32,
}

impl Slot {
    /// No model has so many tokens. An `Option` would make the table half as large again.
    const EMPTY: Self = Self {
        hash: Hash(0),
        token: u32::MAX,
    };

    fn is_empty(self) -> bool {
        self.token == u32::MAX
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

/// FNV-1a of 32 bits. It grows by one byte at a time, so all beginnings of a word cost one pass.
/// Text cannot be crafted to slow look-ups down: how long they probe depends on the model alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hash(u32);

impl Hash {
    const START: Self = Self(0x811c_9dc5);

    fn over(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, &byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        }))
    }

    /// The slot to start at in a table whose `size` is a power of two.
    fn slot(self, size: usize) -> usize {
        // FNV's high bits depend on all input, its lowest ones less so: fold them together.
        (self.0 ^ (self.0 >> 15)) as usize & (size - 1)
    }
}

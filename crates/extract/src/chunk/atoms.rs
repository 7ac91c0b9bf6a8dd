//! Splits blocks into the pieces that chunks are made of.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::ChunkOptions;
use super::sentences::sentences;
use crate::{Block, BlockKind};

/// The smallest piece of text that a chunk takes or leaves whole.
#[derive(Debug)]
pub(super) struct Atom {
    /// Index of its block.
    pub(super) block: usize,
    /// Its bytes in the block's text, white space after it included.
    pub(super) range: Range<usize>,
    /// Its length, with what would separate it from a following block.
    pub(super) chars: usize,
    /// How good a cut after it is.
    pub(super) after: Boundary,
    /// The level of the heading that it is or is part of; headings are kept with what follows.
    pub(super) heading: Option<u8>,
}

/// How good a place to cut is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Boundary {
    /// Inside a sentence that is too long by itself.
    Word,
    /// Between two sentences, lines or table rows.
    Sentence,
    /// Between two blocks.
    Block,
    /// Before a heading; the higher its level, the higher the number.
    Section(u8),
}

/// Characters that separate two blocks in a chunk.
const BLOCK_GAP: usize = 2;

/// Splits blocks into atoms, none of which is longer than a chunk may be.
pub(super) fn split(blocks: &[Block], options: &ChunkOptions) -> Vec<Atom> {
    let mut splitter = Splitter {
        atoms: Vec::new(),
        limit: options.max_chars - BLOCK_GAP - 1,
    };
    for (index, block) in blocks.iter().enumerate() {
        splitter.block(index, block);
        if let Some(last) = splitter.atoms.last_mut() {
            last.chars += BLOCK_GAP;
            last.after = match blocks.get(index + 1).map(|next| next.kind) {
                Some(BlockKind::Heading(level)) => Boundary::Section(u8::MAX - level),
                _ => Boundary::Block,
            };
        }
    }
    splitter.atoms
}

/// Where the header of a Markdown table ends, in bytes: after its first two lines.
pub(super) fn header_end(table: &str) -> usize {
    table
        .match_indices('\n')
        .nth(1)
        .map_or(table.len(), |(place, _)| place + 1)
}

struct Splitter {
    atoms: Vec<Atom>,
    limit: usize,
}

impl Splitter {
    fn block(&mut self, index: usize, block: &Block) {
        let text = &block.text;
        let before = self.atoms.len();
        match block.kind {
            BlockKind::Paragraph => self.sentences(index, text, 0..text.len()),
            BlockKind::Heading(_) => self.whole_or_sentences(index, text, 0..text.len()),
            BlockKind::Table => {
                let header = header_end(text);
                self.whole_or_sentences(index, text, 0..header);
                self.lines(index, text, header..text.len());
            }
            BlockKind::Record if text.chars().count() <= self.limit => {
                self.push(index, text, 0..text.len(), Boundary::Block);
            }
            BlockKind::List | BlockKind::Code | BlockKind::Record => {
                self.lines(index, text, 0..text.len())
            }
        }
        if let BlockKind::Heading(level) = block.kind {
            for atom in &mut self.atoms[before..] {
                atom.heading = Some(level);
            }
        }
    }

    fn lines(&mut self, block: usize, text: &str, range: Range<usize>) {
        let mut start = range.start;
        for line in text[range].split_inclusive('\n') {
            self.whole_or_sentences(block, text, start..start + line.len());
            start += line.len();
        }
    }

    fn whole_or_sentences(&mut self, block: usize, text: &str, range: Range<usize>) {
        if text[range.clone()].chars().count() <= self.limit {
            self.push(block, text, range, Boundary::Sentence);
        } else {
            self.sentences(block, text, range);
        }
    }

    fn sentences(&mut self, block: usize, text: &str, range: Range<usize>) {
        let mut start = range.start;
        for sentence in sentences(&text[range]) {
            let end = start + sentence.len();
            if sentence.chars().count() <= self.limit {
                self.push(block, text, start..end, Boundary::Sentence);
            } else {
                self.words(block, text, start..end);
            }
            start = end;
        }
    }

    /// Gathers the words of an overlong sentence into pieces of at most an eighth of the limit, so that
    /// cuts can still be made near the target and one piece fits an overlap.
    fn words(&mut self, block: usize, text: &str, range: Range<usize>) {
        let piece_chars = (self.limit / 8).max(1);
        let mut start = range.start;
        let mut end = range.start;
        let mut chars = 0;
        let last = range.end;
        for word in text[range].split_word_bounds() {
            let word_chars = word.chars().count();
            // A space stays with the word before it, so that no piece begins with one.
            let room = piece_chars + usize::from(word.trim().is_empty());
            if chars + word_chars > room && chars > 0 {
                self.push(block, text, start..end, Boundary::Word);
                start = end;
                chars = 0;
            }
            end += word.len();
            chars += word_chars;
            if word_chars > piece_chars {
                self.graphemes(block, text, start..end, piece_chars);
                start = end;
                chars = 0;
            }
        }
        if start < last {
            self.push(block, text, start..last, Boundary::Word);
        }
        if let Some(atom) = self.atoms.last_mut() {
            atom.after = Boundary::Sentence;
        }
    }

    /// Cuts a word without end (a data URL, a line of dashes) between graphemes, and a grapheme without
    /// end (hundreds of stacked accents, which no script has) between its characters.
    fn graphemes(&mut self, block: usize, text: &str, range: Range<usize>, piece_chars: usize) {
        let mut start = range.start;
        let mut end = range.start;
        let mut chars = 0;
        let last = range.end;
        for grapheme in text[range].graphemes(true) {
            let grapheme_chars = grapheme.chars().count();
            if chars > 0 && chars + grapheme_chars > piece_chars {
                self.push(block, text, start..end, Boundary::Word);
                start = end;
                chars = 0;
            }
            if grapheme_chars > self.limit {
                for (offset, c) in grapheme.char_indices() {
                    chars += 1;
                    if chars == piece_chars {
                        let cut = end + offset + c.len_utf8();
                        self.push(block, text, start..cut, Boundary::Word);
                        start = cut;
                        chars = 0;
                    }
                }
            } else {
                chars += grapheme_chars;
            }
            end += grapheme.len();
        }
        if start < last {
            self.push(block, text, start..last, Boundary::Word);
        }
    }

    /// Adds an atom.
    fn push(&mut self, block: usize, text: &str, range: Range<usize>, after: Boundary) {
        if range.is_empty() {
            return;
        }
        let piece = &text[range.clone()];
        if piece.trim().is_empty() {
            self.lengthen(block, text, range, after);
            return;
        }
        let chars = piece.chars().count();
        self.atoms.push(Atom {
            block,
            range,
            chars,
            after,
            heading: None,
        });
    }
    /// Adds white space to the atom before it in its block, as much as fits and at least one character;
    /// white space at a block's beginning is dropped.
    fn lengthen(&mut self, block: usize, text: &str, range: Range<usize>, after: Boundary) {
        let Some(last) = self.atoms.last_mut().filter(|last| last.block == block) else {
            return;
        };
        last.after = last.after.max(after);
        if last.range.end == range.start {
            let room = (self.limit + 1).saturating_sub(last.chars);
            for c in text[range].chars().take(room) {
                last.range.end += c.len_utf8();
                last.chars += 1;
            }
        }
    }
}

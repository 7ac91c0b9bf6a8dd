//! Cuts a document into passages for search: about as long as a good answer's context, cut where a
//! reader would cut, overlapping by whole sentences.
//!
//! Question-and-answer trials on technical documents found answers best with passages of 800–1,200
//! characters that overlap by 15–20%; 300 and 2,400 were clearly worse. Text is first split into
//! *atoms* (sentences, lines, table rows, records), then atoms are gathered left to right; each cut
//! goes to the best boundary in reach: before a heading (a chapter's rather than a paragraph's), between blocks, between sentences, inside one
//! only where it alone is too long. All of it takes time linear in the text.

mod atoms;
mod sentences;

use std::ops::Range;

use atoms::{Atom, Boundary};

use crate::{Block, BlockKind, Document};

/// Sizes of chunks, in characters (Unicode scalar values).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkOptions {
    /// Shorter chunks are only made where a section ends (from half of this on) or nothing else fits.
    pub min_chars: usize,
    /// The length cuts aim at.
    pub target_chars: usize,
    /// No chunk is longer, its overlap and repeated table header included.
    pub max_chars: usize,
    /// Most characters of the previous chunk that are repeated, in whole sentences.
    pub overlap_chars: usize,
}

impl Default for ChunkOptions {
    /// 800–1,200 characters, aiming at 1,000, with up to 200 of overlap.
    fn default() -> Self {
        Self {
            min_chars: 800,
            target_chars: 1_000,
            max_chars: 1_200,
            overlap_chars: 200,
        }
    }
}

impl ChunkOptions {
    /// The same with sizes that make sense together: a maximum of at least 40, the rest within it.
    fn sane(&self) -> Self {
        let max_chars = self.max_chars.max(40);
        let target_chars = self.target_chars.clamp(1, max_chars);
        Self {
            max_chars,
            target_chars,
            min_chars: self.min_chars.clamp(1, target_chars),
            overlap_chars: self.overlap_chars.min(max_chars / 4),
        }
    }
}

/// One passage of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Place in the document, from 1.
    pub ordinal: u32,
    /// The passage. Headings within it stand on lines of their own; those it begins with are in
    /// `headings` instead, so that the two can be shown or indexed together without repetition.
    pub text: String,
    /// The headings over the passage's first own words, outermost first.
    pub headings: Vec<String>,
    /// The page its first own words are on, where the document has pages.
    pub page: Option<u32>,
}

/// Cuts a document into chunks. Every character of the document that isn't white space is in at least
/// one of them, in order; the same document and options give the same chunks.
pub fn chunk(document: &Document, options: &ChunkOptions) -> Vec<Chunk> {
    let options = options.sane();
    let atoms = atoms::split(&document.blocks, &options);
    let cutter = Cutter {
        blocks: &document.blocks,
        atoms: &atoms,
        options: &options,
    };
    let mut outline = Outline::new(&document.blocks);
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut start = 0;
    while start < atoms.len() {
        let lead = cutter.lead(start);
        let end = cutter.end(start, lead.chars);
        let chunk = cutter.assemble(start..end, &lead, &mut outline);
        chunks.push(Chunk {
            ordinal: u32::try_from(chunks.len() + 1).unwrap_or(u32::MAX),
            ..chunk
        });
        start = end;
    }
    chunks
}

/// Longest heading in a chunk's path, in characters.
const MAX_PATH_HEADING_CHARS: usize = 300;

/// What a chunk repeats before its own text.
#[derive(Default)]
struct Lead {
    /// Bytes of the table's block that are its header rows; empty without one.
    header: Range<usize>,
    /// First atom of the overlap; the chunk's own start where there is none.
    overlap_from: usize,
    /// Length of all of it.
    chars: usize,
}

struct Cutter<'d> {
    blocks: &'d [Block],
    atoms: &'d [Atom],
    options: &'d ChunkOptions,
}

impl Cutter<'_> {
    /// What a chunk that starts at this atom repeats: the header of a table it continues, and whole
    /// sentences, lines or rows of the same section before it. Both give way to the atom itself.
    fn lead(&self, start: usize) -> Lead {
        let atom = &self.atoms[start];
        let mut lead = Lead {
            overlap_from: start,
            ..Lead::default()
        };
        if start == 0 || atom.heading.is_some() {
            return lead;
        }
        let room = self.options.max_chars.saturating_sub(atom.chars);
        if let Some((header, chars)) = self.table_header(atom).filter(|&(_, chars)| chars <= room) {
            lead.header = 0..header;
            lead.chars = chars;
        }
        let room = self.options.overlap_chars.min(room - lead.chars);
        let mut overlap = 0;
        // Part of a sentence is only repeated where the cut itself is inside that sentence.
        let cut_in_sentence = self.atoms[start - 1].after == Boundary::Word;
        while let Some(before) = lead.overlap_from.checked_sub(1) {
            let previous = &self.atoms[before];
            let in_header = previous.block == atom.block && previous.range.start < lead.header.end;
            let whole = before == 0 || self.atoms[before - 1].after != Boundary::Word;
            if previous.heading.is_some()
                || in_header
                || overlap + previous.chars > room
                || !(whole || cut_in_sentence)
            {
                break;
            }
            overlap += previous.chars;
            lead.overlap_from = before;
        }
        lead.chars += overlap;
        lead
    }

    /// The bytes and characters of the header of the table that this atom continues, unless the header
    /// is so long that repeating it would leave little room for rows.
    fn table_header(&self, atom: &Atom) -> Option<(usize, usize)> {
        let block = &self.blocks[atom.block];
        if block.kind != BlockKind::Table || atom.range.start == 0 {
            return None;
        }
        let most = self.options.max_chars / 3;
        let beginning = &block.text[..block.text.floor_char_boundary(most * 4)];
        let end = atoms::header_end(beginning);
        let chars = beginning[..end].chars().count();
        (atom.range.start >= end && beginning[..end].ends_with('\n') && chars <= most)
            .then_some((end, chars))
    }

    /// Where the chunk that starts at this atom ends: the best boundary among those that make it long
    /// enough and not too long, the one nearest the target where several are as good.
    fn end(&self, start: usize, lead_chars: usize) -> usize {
        let options = self.options;
        let (body, kept, mut hidden) = self.leading_headings(start);
        let mut length = lead_chars + kept;
        let mut best: Option<(Boundary, usize, usize)> = None;
        let mut last_allowed = body;
        let mut place = body;
        while let Some(atom) = self.atoms.get(place) {
            // Headings only go into the path where a body comes next; else they stay in the text.
            if atom.heading.is_some() {
                length += hidden;
            }
            hidden = 0;
            // The first atom fits beside its lead by construction, so each chunk advances.
            if length + atom.chars > options.max_chars && place > start {
                break;
            }
            length += atom.chars;
            place += 1;
            if place == self.atoms.len() {
                return place;
            }
            if atom.heading.is_some() {
                continue;
            }
            last_allowed = place;
            let distance = length.abs_diff(options.target_chars);
            let better = best.is_none_or(|(boundary, nearest, _)| {
                atom.after > boundary || (atom.after == boundary && distance < nearest)
            });
            // A section's end is worth a shorter chunk: what follows is then found under its own heading.
            let least = match atom.after {
                Boundary::Section(_) => options.min_chars / 2,
                _ => options.min_chars,
            };
            if length >= least && better {
                best = Some((atom.after, distance, place));
            }
        }
        // Where not even one atom of the body fits (headings as long as a chunk), the headings go alone.
        best.map_or(last_allowed, |(_, _, place)| place)
            .max(start + 1)
    }

    /// The first atom after the headings that a chunk begins with, the length of those headings that
    /// stay in its text, and of those that go into the path where a body comes next.
    fn leading_headings(&self, start: usize) -> (usize, usize, usize) {
        let mut over: Vec<(u8, usize)> = Vec::new();
        let mut kept = 0;
        let mut all = 0;
        let mut place = start;
        while let Some(atom) = self.atoms.get(place)
            && let Some(level) = atom.heading
            && (place == start || all + atom.chars <= self.options.max_chars)
        {
            while let Some(&(upper, chars)) = over.last()
                && upper >= level
            {
                over.pop();
                kept += chars;
            }
            if self.is_whole_heading(atom) {
                over.push((level, atom.chars));
            } else {
                kept += atom.chars;
            }
            all += atom.chars;
            place += 1;
        }
        (place, kept, all - kept)
    }

    /// Whether an atom is a heading short enough to be repeated as part of the path.
    fn is_whole_heading(&self, atom: &Atom) -> bool {
        atom.heading.is_some()
            && atom.range == (0..self.blocks[atom.block].text.len())
            && atom.chars <= MAX_PATH_HEADING_CHARS
    }

    fn assemble(&self, own: Range<usize>, lead: &Lead, outline: &mut Outline<'_>) -> Chunk {
        let first_body = own
            .clone()
            .find(|&place| self.atoms[place].heading.is_none());
        let first = &self.atoms[first_body.unwrap_or(own.start)];
        let path = outline.over(first.block);
        let mut text = String::new();
        if !lead.header.is_empty() {
            text.push_str(&self.blocks[first.block].text[lead.header.clone()]);
        }
        let mut previous: Option<&Atom> = None;
        for place in lead.overlap_from..own.end {
            let atom = &self.atoms[place];
            let is_over_body =
                first_body.is_some_and(|body| place < body) && path.contains(&atom.block);
            if is_over_body && self.is_whole_heading(atom) {
                continue;
            }
            if let Some(before) = previous.filter(|previous| previous.block != atom.block) {
                text.truncate(text.trim_end().len());
                text.push_str(self.gap(before.block, atom.block));
            }
            text.push_str(&self.blocks[atom.block].text[atom.range.clone()]);
            previous = Some(atom);
        }
        // Only preformatted lines begin with white space on purpose.
        let shown = match self.blocks[first.block].kind {
            BlockKind::Code | BlockKind::List => text.trim_end(),
            _ => text.trim(),
        };
        Chunk {
            ordinal: 0,
            text: shown.to_owned(),
            headings: path.iter().map(|&block| self.heading_text(block)).collect(),
            page: self.blocks[first.block].page,
        }
    }

    fn heading_text(&self, block: usize) -> String {
        self.blocks[block]
            .text
            .chars()
            .take(MAX_PATH_HEADING_CHARS)
            .collect()
    }

    /// What separates two blocks: records are lines of one sheet, all else are paragraphs.
    fn gap(&self, before: usize, after: usize) -> &'static str {
        let record = |block: usize| {
            self.blocks[block].kind == BlockKind::Record && !self.blocks[block].text.contains('\n')
        };
        if record(before) && record(after) {
            "\n"
        } else {
            "\n\n"
        }
    }
}

/// Follows the headings in force while chunks are made from front to back.
struct Outline<'d> {
    blocks: &'d [Block],
    seen: usize,
    /// Level and block of the open headings.
    open: Vec<(u8, usize)>,
}

impl<'d> Outline<'d> {
    fn new(blocks: &'d [Block]) -> Self {
        Self {
            blocks,
            seen: 0,
            open: Vec::new(),
        }
    }

    /// The blocks of the headings over a block, outermost first. Blocks must be asked for in order.
    fn over(&mut self, block: usize) -> Vec<usize> {
        while self.seen < block {
            if let BlockKind::Heading(level) = self.blocks[self.seen].kind {
                self.open.retain(|&(open, _)| open < level);
                self.open.push((level, self.seen));
            }
            self.seen += 1;
        }
        self.open.iter().map(|&(_, heading)| heading).collect()
    }
}

#[cfg(test)]
mod tests;

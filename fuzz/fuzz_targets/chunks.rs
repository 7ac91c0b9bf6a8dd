//! The chunker on any blocks with any sizes: nothing too long, nothing lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::{Block, BlockKind, ChunkOptions, Document, chunk};

fuzz_target!(|input: (Vec<(u8, String)>, [u16; 4])| {
    let (blocks, [min_chars, target_chars, max_chars, overlap_chars]) = input;
    let blocks: Vec<Block> = blocks
        .into_iter()
        .filter(|(_, text)| !text.trim().is_empty())
        .map(|(kind, text)| Block {
            kind: kind_of(kind),
            text,
            page: None,
        })
        .collect();
    let options = ChunkOptions {
        min_chars: min_chars.into(),
        target_chars: target_chars.into(),
        max_chars: max_chars.into(),
        overlap_chars: overlap_chars.into(),
    };
    let document = Document {
        title: None,
        blocks,
    };
    let chunks = chunk(&document, &options);
    for chunk in &chunks {
        assert!(chunk.text.chars().count() <= options.max_chars.max(40));
    }
    for block in &document.blocks {
        let word = block.text.chars().find(|c| !c.is_whitespace());
        let shown = |chunk: &okra_extract::Chunk| {
            word.is_none_or(|c| {
                chunk.text.contains(c) || chunk.headings.iter().any(|heading| heading.contains(c))
            })
        };
        assert!(chunks.iter().any(shown), "{block:?} is lost");
    }
});

fn kind_of(choice: u8) -> BlockKind {
    match choice % 11 {
        level @ 1..=6 => BlockKind::Heading(level),
        7 => BlockKind::List,
        8 => BlockKind::Table,
        9 => BlockKind::Record,
        10 => BlockKind::Code,
        _ => BlockKind::Paragraph,
    }
}

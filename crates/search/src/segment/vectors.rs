//! The vectors of a segment's documents, laid end to end for scanning.

use crate::vector::{QuantizedVector, QueryVector};

/// Vectors while they are gathered, grouped by dimension. All of one chatbot's have the same, except while it changes
/// embedders.
#[derive(Default)]
pub(crate) struct VectorBlocks {
    pub(super) blocks: Vec<Block>,
}

pub(super) struct Block {
    pub(super) dimensions: usize,
    pub(super) documents: Vec<u32>,
    scales: Vec<f32>,
    codes: Vec<u8>,
}

impl VectorBlocks {
    /// Adds a document's vector. Documents come in ascending order; an empty vector is no vector.
    pub(super) fn push(
        &mut self,
        document: u32,
        scale: f32,
        codes: impl ExactSizeIterator<Item = u8>,
    ) {
        let dimensions = codes.len();
        if dimensions == 0 {
            return;
        }
        let known = self
            .blocks
            .iter()
            .position(|block| block.dimensions == dimensions);
        let at = known.unwrap_or_else(|| {
            self.blocks.push(Block {
                dimensions,
                documents: Vec::new(),
                scales: Vec::new(),
                codes: Vec::new(),
            });
            self.blocks.len() - 1
        });
        let block = &mut self.blocks[at];
        block.documents.push(document);
        block.scales.push(scale);
        block.codes.extend(codes);
    }

    pub(super) fn push_vector(&mut self, document: u32, vector: &QuantizedVector) {
        self.push(
            document,
            vector.scale,
            vector.codes.iter().map(|&code| code as u8),
        );
    }
}

impl Block {
    /// Appends the block's sections, for a segment of so many documents.
    pub(super) fn write(&self, documents: usize, out: &mut Vec<u8>) {
        if self.documents.len() != documents {
            out.extend(self.documents.iter().flat_map(|it| it.to_le_bytes()));
        }
        out.extend(self.scales.iter().flat_map(|it| it.to_le_bytes()));
        out.extend_from_slice(&self.codes);
    }
}

/// Vectors of one dimension, as they lie in a segment.
#[derive(Clone, Copy)]
pub(crate) struct VectorBlock<'a> {
    pub(crate) dimensions: usize,
    /// The documents, ascending; none where every document of the segment has a vector.
    pub(super) documents: &'a [[u8; 4]],
    pub(super) scales: &'a [[u8; 4]],
    pub(super) codes: &'a [u8],
}

impl<'a> VectorBlock<'a> {
    /// Every vector as (document, scale, codes).
    pub(super) fn all(self) -> impl Iterator<Item = (u32, f32, &'a [u8])> {
        let vectors = self.codes.chunks_exact(self.dimensions);
        let scaled = self.scales.iter().zip(vectors).enumerate();
        scaled.map(move |(at, (scale, codes))| {
            let document = self
                .documents
                .get(at)
                .map_or(at as u32, |it| u32::from_le_bytes(*it));
            (document, f32::from_le_bytes(*scale), codes)
        })
    }

    /// Writes the cosine of every document that has a vector of the query's dimension into `cosines`.
    pub(crate) fn cosines(self, query: &QueryVector, cosines: &mut [f32]) {
        if self.dimensions != query.dimensions() {
            return;
        }
        // Mostly every document has a vector, and each lies where its document does.
        if self.documents.is_empty() {
            return query.scan(self.codes, self.scales, cosines);
        }
        let mut scanned = vec![0.0; self.documents.len()];
        query.scan(self.codes, self.scales, &mut scanned);
        for (document, cosine) in self.documents.iter().zip(scanned) {
            cosines[u32::from_le_bytes(*document) as usize] = cosine;
        }
    }
}

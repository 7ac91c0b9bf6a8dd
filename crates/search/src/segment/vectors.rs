//! The vectors of a segment's documents, laid end to end for scanning.

use crate::vector::{QuantizedVector, QueryVector};

/// Vectors grouped by dimension. All of one chatbot's have the same, except while it changes embedders.
#[derive(Default)]
pub(crate) struct VectorBlocks {
    blocks: Vec<Block>,
}

struct Block {
    dimensions: usize,
    documents: Vec<u32>,
    scales: Vec<f32>,
    codes: Vec<i8>,
}

impl VectorBlocks {
    /// Adds a document's vector. Documents come in ascending order; an empty vector is no vector.
    pub(super) fn push(&mut self, document: u32, scale: f32, codes: &[i8]) {
        if codes.is_empty() {
            return;
        }
        let block = match self
            .blocks
            .iter()
            .position(|block| block.dimensions == codes.len())
        {
            Some(at) => &mut self.blocks[at],
            None => {
                self.blocks.push(Block {
                    dimensions: codes.len(),
                    documents: Vec::new(),
                    scales: Vec::new(),
                    codes: Vec::new(),
                });
                let last = self.blocks.len() - 1;
                &mut self.blocks[last]
            }
        };
        block.documents.push(document);
        block.scales.push(scale);
        block.codes.extend_from_slice(codes);
    }

    pub(super) fn push_vector(&mut self, document: u32, vector: &QuantizedVector) {
        self.push(document, vector.scale, &vector.codes);
    }

    /// Hands `each` every vector as (document, scale, codes), block by block.
    pub(super) fn for_each(&self, mut each: impl FnMut(u32, f32, &[i8])) {
        for block in &self.blocks {
            let vectors = block.codes.chunks_exact(block.dimensions);
            for ((document, scale), codes) in block.documents.iter().zip(&block.scales).zip(vectors)
            {
                each(*document, *scale, codes);
            }
        }
    }

    /// Writes the cosine of every document that has a vector of the query's dimension into `cosines`.
    pub(crate) fn cosines(&self, query: &QueryVector, cosines: &mut [f32]) {
        for block in &self.blocks {
            if block.dimensions != query.dimensions() {
                continue;
            }
            // Mostly every document has a vector, and each lies where its document does.
            if block.documents.len() == cosines.len() {
                query.scan(&block.codes, &block.scales, cosines);
                continue;
            }
            let mut scanned = vec![0.0; block.documents.len()];
            query.scan(&block.codes, &block.scales, &mut scanned);
            for (document, cosine) in block.documents.iter().zip(scanned) {
                cosines[*document as usize] = cosine;
            }
        }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        for block in &mut self.blocks {
            block.documents.shrink_to_fit();
            block.scales.shrink_to_fit();
            block.codes.shrink_to_fit();
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.blocks
            .iter()
            .map(|block| {
                size_of::<Block>()
                    + block.documents.capacity() * size_of::<u32>()
                    + block.scales.capacity() * size_of::<f32>()
                    + block.codes.capacity()
            })
            .sum()
    }
}

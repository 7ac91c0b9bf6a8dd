//! Writing segments from documents.

use rayon::prelude::*;
use uuid::Uuid;

use super::merge::{self, Source, push_run};
use super::postings::PostingsWriter;
use super::vectors::VectorBlocks;
use super::{DocumentEntry, ItemRange, MOST_POSTINGS_BYTES, Segment};
use crate::analysis::{Evidence, Language, Leg, Scratch, Script, for_each_token, token_terms};
use crate::hash::{TermMap, hash, term_id};
use crate::{Change, Document};

/// Postings gathered before they are sorted and written out: 32 MB of them, so that building the largest chatbot
/// takes no more memory beside its index than that.
const BATCH_POSTINGS: usize = 4 << 20;
/// A batch's documents are numbered in 16 bits.
const BATCH_DOCUMENTS: usize = 1 << 16;
/// Words whose terms are remembered. Text repeats its words: most are cut and stemmed once, not every time.
/// Some 20 MB, while a large chatbot is built.
const REMEMBERED_TOKENS: usize = 1 << 18;

/// Why reading and writing cannot fail here.
const IN_MEMORY: &str = "a segment in memory has no file to fail";

/// Documents from which on it pays to analyse them on several processors.
const MANY_DOCUMENTS: usize = 512;

/// Segments of all documents of these items, which are all different: mostly one, or one for each processor.
pub(crate) fn build(changes: &[&Change]) -> Vec<Segment> {
    let documents: usize = changes.iter().map(|change| change.documents.len()).sum();
    let threads = match documents {
        MANY_DOCUMENTS.. => rayon::current_num_threads(),
        _ => 1,
    };
    let mut shares: Vec<Vec<&Change>> = Vec::new();
    let mut room = 0;
    for &change in changes {
        if room == 0 {
            shares.push(Vec::new());
            room = documents.div_ceil(threads).max(1);
        }
        room = room.saturating_sub(change.documents.len());
        if let Some(share) = shares.last_mut() {
            share.push(change);
        }
    }
    let built = |share: &Vec<&Change>| {
        let mut builder = Builder::default();
        share
            .iter()
            .for_each(|it| builder.add(it.item, &it.documents));
        builder.finish()
    };
    match shares.as_slice() {
        [one] => built(one),
        several => several.par_iter().flat_map_iter(built).collect(),
    }
}

/// Builds one segment from any number of documents; see the module.
#[derive(Default)]
struct Builder {
    batches: Vec<Segment>,
    runs: Vec<ItemRange>,
    documents: Vec<DocumentEntry>,
    vectors: VectorBlocks,
    postings: Vec<BatchPosting>,
    terms: TermTable,
    scratch: Scratch,
}

/// A posting before it is sorted; the term is numbered by [`TermTable`].
#[derive(Clone, Copy, Default)]
struct BatchPosting {
    term: u32,
    document: u16,
    frequency: u16,
}

/// Numbers terms in order of appearance, and counts them for the document at hand.
#[derive(Default)]
struct TermTable {
    numbers: TermMap<u32>,
    ids: Vec<u64>,
    /// Occurrences in the document at hand.
    counts: Vec<u32>,
    /// Terms of the document at hand.
    touched: Vec<u32>,
    /// Terms of tokens seen before: where they lie in `remembered_terms`.
    remembered: TermMap<(u32, u32)>,
    remembered_terms: Vec<(Leg, u32)>,
}

impl Builder {
    /// Adds all documents of an item. An item is added once at most.
    fn add(&mut self, item: Uuid, documents: &[Document]) {
        if documents.is_empty() {
            return;
        }
        for document in documents {
            if self.documents.len() >= BATCH_DOCUMENTS || self.postings.len() >= BATCH_POSTINGS {
                self.write_batch();
            }
            self.add_document(item, document);
        }
    }

    /// The documents added as one segment; as several only where they are too many for one.
    fn finish(mut self) -> Vec<Segment> {
        self.write_batch();
        let sizes = self.batches.iter().map(|it| it.head.postings_bytes());
        if self.batches.len() < 2 || sizes.sum::<usize>() > MOST_POSTINGS_BYTES {
            return self.batches;
        }
        let sources: Vec<Source<'_>> = self.batches.iter().map(Source::whole).collect();
        vec![merge::merge(&sources, None).expect(IN_MEMORY)]
    }

    fn add_document(&mut self, item: Uuid, document: &Document) {
        let number = self.documents.len();
        let run = ItemRange {
            item,
            start: number as u32,
            len: 1,
            ordinal: document.ordinal,
        };
        push_run(&mut self.runs, run);
        let mut evidence = Evidence::default();
        evidence.read(&document.title);
        evidence.read(&document.text);
        let language = evidence.language();
        let stemmed_as = language.unwrap_or(Language::English);
        let mut lengths = [0; 2];
        for text in [&document.title, &document.text] {
            for_each_token(text, |script, token| {
                self.terms
                    .count((script, stemmed_as), token, &mut self.scratch, &mut lengths);
            });
        }
        for &term in &self.terms.touched {
            let count = std::mem::take(&mut self.terms.counts[term as usize]);
            self.postings.push(BatchPosting {
                term,
                document: number as u16,
                frequency: u16::try_from(count).unwrap_or(u16::MAX),
            });
        }
        self.terms.touched.clear();
        self.documents.push(DocumentEntry { lengths, language });
        if let Some(vector) = &document.vector {
            self.vectors.push_vector(number as u32, vector);
        }
    }

    fn write_batch(&mut self) {
        if self.documents.is_empty() {
            return;
        }
        let writer = self.write_postings();
        let segment = writer.finish(&self.runs, &self.documents, &self.vectors);
        self.batches.push(segment.expect(IN_MEMORY));
        self.vectors = VectorBlocks::default();
        self.runs.clear();
        self.documents.clear();
        self.postings.clear();
    }

    /// Sorts by counting: the postings come document by document, so each term's end up in order of documents.
    fn write_postings(&self) -> PostingsWriter {
        let mut starts = vec![0_u32; self.terms.ids.len() + 1];
        for posting in &self.postings {
            starts[posting.term as usize + 1] += 1;
        }
        for term in 1..starts.len() {
            starts[term] += starts[term - 1];
        }
        let mut next = starts.clone();
        let mut sorted = vec![BatchPosting::default(); self.postings.len()];
        for posting in &self.postings {
            let at = &mut next[posting.term as usize];
            sorted[*at as usize] = *posting;
            *at += 1;
        }
        let mut order: Vec<u32> = (0..self.terms.ids.len() as u32)
            .filter(|&term| starts[term as usize] < starts[term as usize + 1])
            .collect();
        order.sort_unstable_by_key(|&term| self.terms.ids[term as usize]);
        let mut writer = PostingsWriter::new(self.documents.len(), None).expect(IN_MEMORY);
        for term in order {
            let range = starts[term as usize] as usize..starts[term as usize + 1] as usize;
            for posting in &sorted[range] {
                writer.push(u32::from(posting.document), u32::from(posting.frequency));
            }
            let ended = writer.end_term(self.terms.ids[term as usize]);
            ended.expect(IN_MEMORY);
        }
        writer
    }
}

impl TermTable {
    /// Counts the terms of one token.
    fn count(
        &mut self,
        (script, language): (Script, Language),
        token: &str,
        scratch: &mut Scratch,
        lengths: &mut [u32; 2],
    ) {
        let key = hash(script.number() << 8 | language as u64, token.as_bytes());
        let remembered = self.remembered.get(&key).copied();
        let range = remembered.unwrap_or_else(|| {
            let range = self.number_terms((script, language), token, scratch);
            if script.repeats_tokens() {
                self.remembered.insert(key, range);
            }
            range
        });
        for at in range.0..range.1 {
            let (leg, term) = self.remembered_terms[at as usize];
            lengths[leg as usize] += 1;
            let count = &mut self.counts[term as usize];
            if *count == 0 {
                self.touched.push(term);
            }
            *count += 1;
        }
        if !script.repeats_tokens() {
            self.remembered_terms.truncate(range.0 as usize);
        }
    }

    /// Appends the terms of a token to `remembered_terms`.
    fn number_terms(
        &mut self,
        kind: (Script, Language),
        token: &str,
        scratch: &mut Scratch,
    ) -> (u32, u32) {
        if self.remembered.len() >= REMEMBERED_TOKENS {
            self.remembered.clear();
            self.remembered_terms.clear();
        }
        let start = self.remembered_terms.len() as u32;
        token_terms(kind, token, scratch, &mut |leg, term| {
            let id = term_id(leg, term);
            let number = *self.numbers.entry(id).or_insert_with(|| {
                self.ids.push(id);
                self.counts.push(0);
                self.ids.len() as u32 - 1
            });
            self.remembered_terms.push((leg, number));
        });
        (start, self.remembered_terms.len() as u32)
    }
}

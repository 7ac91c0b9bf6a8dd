//! Keeping segments few and mostly alive.
//!
//! What is small is merged as changes come. Joining large segments takes seconds, which no question should wait for: it
//! is done on a snapshot ([`Index::tended`]), whose result then takes the place of what it was made of, changes since
//! included ([`Index::adopt`]).

use std::cmp::Reverse;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Index;
use super::part::Part;
use crate::segment::MOST_POSTINGS_BYTES;
use crate::segment::merge::{Source, merge};

/// Documents up to which segments are merged as changes come: some ten milliseconds.
const SMALL: u64 = 4_096;

impl Index {
    /// Merges the smallest segments that are in memory, as long as the result is small.
    pub(super) fn merge_small(&mut self) {
        self.parts.retain(|part| part.live > 0);
        self.parts.sort_by_key(|part| Reverse(part.live));
        let from = merged_from(&self.parts, SMALL, |part| part.segment.file().is_none());
        if from + 1 < self.parts.len() {
            let sources: Vec<Source<'_>> = self.parts[from..].iter().map(Part::source).collect();
            let merged = merge(&sources, None).expect("segments in memory have no file to fail");
            self.parts.truncate(from);
            self.parts.push(Part::whole(merged));
        }
    }

    /// Whether [`Index::tended`] would do anything with this folder.
    pub fn wants_care(&self, folder: Option<&Path>) -> bool {
        merged_from(&self.parts, u64::MAX, |_| true) + 1 < self.parts.len()
            || self.parts.iter().any(|part| {
                part.is_mostly_dead() || (folder.is_some() && part.segment.file().is_none())
            })
    }

    /// The same index of fewer segments: each at least twice as large as the next. With a folder, the postings of all
    /// are in files there; without one, in memory. Each merge at least doubles the segment that a document lies in,
    /// so a document is rewritten no more often than the logarithm of the index's size.
    ///
    /// # Errors
    /// Where files cannot be read or written; the index is as it was.
    pub fn tended(&self, folder: Option<&Path>) -> io::Result<Self> {
        let mut parts = self.parts.clone();
        for part in &mut parts {
            if part.is_mostly_dead() {
                *part = Part::whole(merge(&[part.source()], folder)?);
            }
        }
        parts.sort_by_key(|part| Reverse(part.live));
        let from = merged_from(&parts, u64::MAX, |_| true);
        if from + 1 < parts.len() {
            let sources: Vec<Source<'_>> = parts[from..].iter().map(Part::source).collect();
            let merged = Part::whole(merge(&sources, folder)?);
            parts.truncate(from);
            parts.push(merged);
        }
        if let Some(folder) = folder {
            for part in &mut parts {
                *part = part.in_file(folder)?;
            }
        }
        Ok(Self {
            parts,
            shares: Arc::default(),
        })
    }

    /// This index with `tended`, which was made of `base`, in place of what it was made of. `base` is an earlier state
    /// of this index.
    #[must_use]
    pub fn adopt(&self, base: &Self, tended: &Self) -> Self {
        let mut next = tended.clone();
        let same = |part: &Part, others: &[Part]| {
            let found = others
                .iter()
                .find(|it| Arc::ptr_eq(&it.segment, &part.segment));
            found.cloned()
        };
        for before in &base.parts {
            let now = same(before, &self.parts);
            for run in before.segment.head.runs() {
                // What is no longer alive here was removed, replaced, or merged into a segment that is not of `base`.
                let gone = now.as_ref().is_none_or(|now| now.is_dead(run.start));
                if gone && !before.is_dead(run.start) {
                    next.remove(run.item);
                }
            }
        }
        let new = self
            .parts
            .iter()
            .filter(|part| same(part, &base.parts).is_none());
        next.parts.extend(new.cloned());
        next.parts.retain(|part| part.live > 0);
        next.parts.sort_by_key(|part| Reverse(part.live));
        next.shares = Arc::default();
        next
    }
}

/// The first of the parts that are better merged into one: all from there on, if that is more than one.
fn merged_from(parts: &[Part], most: u64, mergeable: impl Fn(&Part) -> bool) -> usize {
    let mut from = parts.len();
    let (mut live, mut bytes) = (0_u64, 0_usize);
    while let Some(part) = from.checked_sub(1).map(|at| &parts[at]) {
        bytes += part.segment.head.postings_bytes();
        let next = live + u64::from(part.live);
        let smallest = from == parts.len();
        let fits = next <= most && bytes <= MOST_POSTINGS_BYTES && mergeable(part);
        if !fits || !(smallest || u64::from(part.live) < 2 * live) {
            break;
        }
        live = next;
        from -= 1;
    }
    from
}

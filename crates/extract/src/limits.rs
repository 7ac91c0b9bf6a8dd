//! How much of a hostile file's wishes are granted. Made by the engine from its configuration,
//! checked by every reader.

use std::time::{Duration, Instant};

use crate::ExtractError;

/// Bounds on what one extraction may produce or use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most characters of text a document may hold.
    pub max_output_chars: usize,
    /// Most blocks a document may have: each takes some eighty bytes beside its text, however short that is.
    pub max_blocks: usize,
    /// Most pages of a PDF that are read; a longer one is refused.
    pub max_pages: usize,
    /// Most bytes a packed file (docx, odt, epub and so on) may unpack to, all entries together.
    pub max_unpacked_bytes: u64,
    /// Most bytes that one byte of a packed file's entry may unpack to, once the entry is over 4 MiB.
    pub max_unpack_ratio: u64,
    /// Most entries in a packed file.
    pub max_entries: usize,
    /// Deepest nesting of JSON and YAML values, XML elements and RTF groups.
    pub max_depth: usize,
    /// When the work must be over. It is checked between pages, rows and blocks, and the caller gets
    /// its answer then even when a third-party parser is still busy.
    pub deadline: Option<Instant>,
}

impl Default for Limits {
    /// 20 million characters, a million blocks, 5,000 pages, 256 MiB unpacked at 1:200, 10,000 entries, 128 levels, no
    /// deadline.
    fn default() -> Self {
        Self {
            max_output_chars: 20_000_000,
            max_blocks: 1_000_000,
            max_pages: 5_000,
            max_unpacked_bytes: 256 << 20,
            max_unpack_ratio: 200,
            max_entries: 10_000,
            max_depth: 128,
            deadline: None,
        }
    }
}

impl Limits {
    /// Fails once the deadline has passed.
    pub(crate) fn check_deadline(&self) -> Result<(), ExtractError> {
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(ExtractError::OutOfTime),
            _ => Ok(()),
        }
    }

    /// The time left, `None` where there is no deadline.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_names_the_defaults() {
        let page = include_str!("../../../docs/limits.md");
        let check = |of: &str, limit: u64, unit: &str| {
            let digits: Vec<char> = limit.to_string().chars().collect();
            let groups: Vec<String> = digits.rchunks(3).rev().map(String::from_iter).collect();
            let row = format!("| {of} | {}{unit} |", groups.join(","));
            assert!(page.contains(&row), "no row {row:?}");
        };
        let limits = Limits::default();
        check("text", limits.max_output_chars as u64, " characters");
        check(
            "paragraphs, rows and the like",
            limits.max_blocks as u64,
            "",
        );
        check("pages of a PDF", limits.max_pages as u64, "");
        let packed = "a packed file (docx, odt, epub and so on), unpacked";
        check(packed, limits.max_unpacked_bytes >> 20, " MiB");
        let part = "a part of it larger than 4 MiB, unpacked";
        check(part, limits.max_unpack_ratio, " times its packed size");
        check("parts of it", limits.max_entries as u64, "");
        check(
            "levels of JSON, YAML, XML and RTF",
            limits.max_depth as u64,
            "",
        );
    }
}

//! Lines of a PDF to blocks: headings by their size, tables by their gaps, lists by their marks, paragraphs
//! by the distance between lines.

use std::collections::HashMap;

use super::lines::{Cell, Line};
use crate::sink::BlockSink;
use crate::{BlockKind, ExtractError, inline, table};

/// A heading is at least this much larger than the text, or this much when it is bold.
const HEADING_RATIO: f32 = 1.2;
const BOLD_HEADING_RATIO: f32 = 1.07;

/// Longest heading, and longest bold line of the text's own size that is one, in characters.
const MAX_HEADING_CHARS: usize = 160;
const MAX_BOLD_HEADING_CHARS: usize = 70;

/// Distance between lines, compared to the usual one, from which a new paragraph begins.
const PARAGRAPH_GAP: f32 = 1.2;

/// Puts the blocks that a page's lines make up into a sink.
pub(super) fn read_into(
    lines: &[Line],
    style: &Style,
    sink: &mut BlockSink<'_>,
) -> Result<(), ExtractError> {
    let mut rest = lines;
    while let Some(first) = rest.first() {
        sink.set_page(first.page);
        let used = if let Some(rows) = table_rows(rest) {
            sink.push(BlockKind::Table, &table::render(&grid(&rest[..rows])))?;
            rows
        } else if let Some(level) = style.heading_level(first) {
            let used = style.heading_lines(rest, level);
            let text: Vec<String> = rest[..used].iter().map(Line::text).collect();
            sink.push(BlockKind::Heading(level), &text.join(" "))?;
            used
        } else if list_item(&first.text()).is_some() {
            push_list(rest, style, sink)?
        } else {
            let used = style.paragraph_lines(rest);
            sink.push(BlockKind::Paragraph, &joined(&rest[..used]))?;
            used
        };
        rest = &rest[used.max(1)..];
    }
    Ok(())
}

/// What is usual in a document.
pub(super) struct Style {
    body_size: f32,
    /// Distance of baselines in units of the font size.
    pitch: f32,
    /// Sizes of headings in tenths of a point, largest first.
    heading_sizes: Vec<i32>,
}

impl Style {
    /// Looks at all pages.
    pub(super) fn of(pages: &[Vec<Line>]) -> Self {
        let mut sizes: HashMap<i32, usize> = HashMap::new();
        let mut pitches: HashMap<i32, usize> = HashMap::new();
        for line in pages.iter().flatten().filter(|line| !line.is_artifact) {
            let chars: usize = line
                .cells
                .iter()
                .map(|cell| cell.text.chars().count())
                .sum();
            *sizes.entry(tenths(line.size)).or_default() += chars;
        }
        let body = most_common(&sizes).unwrap_or(100);
        for pair in pages.iter().flat_map(|page| page.windows(2)) {
            let distance = pair[0].y - pair[1].y;
            if distance > 0.0 && tenths(pair[0].size) == body && tenths(pair[1].size) == body {
                *pitches
                    .entry(tenths(distance * 10.0 / pair[0].size.max(1.0)) / 5)
                    .or_default() += 1;
            }
        }
        let body_size = body as f32 / 10.0;
        let mut style = Self {
            body_size,
            pitch: most_common(&pitches)
                .map_or(1.4, |fraction| fraction as f32 / 20.0)
                .clamp(1.0, 2.2),
            heading_sizes: Vec::new(),
        };
        style.heading_sizes = pages
            .iter()
            .flatten()
            .filter(|line| !line.is_artifact && style.is_large(line))
            .map(|line| tenths(line.size))
            .collect();
        style.heading_sizes.sort_unstable_by(|a, b| b.cmp(a));
        style.heading_sizes.dedup();
        style
    }

    /// Size of the text in points.
    pub(super) fn body_size(&self) -> f32 {
        self.body_size
    }

    fn is_large(&self, line: &Line) -> bool {
        let ratio = line.size / self.body_size.max(1.0);
        line.cells.len() == 1
            && (ratio >= HEADING_RATIO || (line.is_bold && ratio >= BOLD_HEADING_RATIO))
            && line.cells[0].text.chars().count() <= MAX_HEADING_CHARS
    }

    /// The level of the heading that a line is: by its size among all headings, and one below them for a
    /// short bold line of the text's own size that is no sentence.
    fn heading_level(&self, line: &Line) -> Option<u8> {
        let text = line.text();
        if !text.chars().any(char::is_alphanumeric) {
            return None;
        }
        if self.is_large(line) {
            let rank = self
                .heading_sizes
                .iter()
                .position(|&size| size == tenths(line.size))?;
            return Some(u8::try_from(rank + 1).unwrap_or(6).min(6));
        }
        let stands_out = line.is_bold
            && line.cells.len() == 1
            && line.size >= 0.95 * self.body_size
            && text.chars().count() <= MAX_BOLD_HEADING_CHARS
            && !text.ends_with(['.', ',', ';', ':', '。']);
        stands_out.then(|| {
            u8::try_from(self.heading_sizes.len() + 1)
                .unwrap_or(6)
                .min(6)
        })
    }

    /// How many lines a heading runs over.
    fn heading_lines(&self, lines: &[Line], level: u8) -> usize {
        let more = lines.windows(2).take(2).take_while(|pair| {
            self.heading_level(&pair[1]) == Some(level)
                && tenths(pair[0].size) == tenths(pair[1].size)
                && self.follows(&pair[0], &pair[1])
        });
        1 + more.count()
    }

    /// How many lines belong to the paragraph that begins here.
    fn paragraph_lines(&self, lines: &[Line]) -> usize {
        let more = lines.windows(2).enumerate().take_while(|(place, pair)| {
            self.follows(&pair[0], &pair[1])
                && (tenths(pair[0].size) - tenths(pair[1].size)).abs() <= 5
                && self.heading_level(&pair[1]).is_none()
                && list_item(&pair[1].text()).is_none()
                && table_rows(&lines[place + 1..]).is_none()
        });
        1 + more.count()
    }

    /// Whether a line is set right below another.
    fn follows(&self, line: &Line, next: &Line) -> bool {
        let distance = line.y - next.y;
        line.page == next.page
            && distance > 0.0
            && distance <= self.pitch * PARAGRAPH_GAP * line.size.max(1.0)
    }
}

fn tenths(size: f32) -> i32 {
    (size * 10.0).round() as i32
}

/// The key with the highest count; the smallest of equals, so that the answer doesn't depend on chance.
fn most_common(counts: &HashMap<i32, usize>) -> Option<i32> {
    counts
        .iter()
        .max_by_key(|&(&key, &count)| (count, std::cmp::Reverse(key)))
        .map(|(&key, _)| key)
}

/// How many lines from here on are rows of a table: at least two in a row with several cells.
fn table_rows(lines: &[Line]) -> Option<usize> {
    let rows = lines
        .iter()
        .take_while(|line| line.cells.len() > 1 && line.page == lines[0].page)
        .take(MAX_TABLE_ROWS)
        .count();
    (rows >= 2).then_some(rows)
}

/// Rows of one table, so that looking ahead stays cheap.
const MAX_TABLE_ROWS: usize = 200;

/// Cells in columns: those of the widest row, to which cells of other rows go by their nearest edge.
fn grid(lines: &[Line]) -> Vec<Vec<String>> {
    let widest = lines.iter().max_by_key(|line| line.cells.len());
    let columns: &[Cell] = widest.map_or(&[], |line| &line.cells);
    lines
        .iter()
        .map(|line| {
            let mut row = vec![String::new(); columns.len()];
            for (place, cell) in line.cells.iter().enumerate() {
                let column = if line.cells.len() == columns.len() {
                    place
                } else {
                    nearest(columns, cell)
                };
                if !row[column].is_empty() {
                    row[column].push(' ');
                }
                row[column].push_str(cell.text.trim());
            }
            row
        })
        .collect()
}

fn nearest(columns: &[Cell], cell: &Cell) -> usize {
    let distance = |column: &Cell| {
        let left = (column.left - cell.left).abs();
        let right = (column.right - cell.right).abs();
        left.min(right)
    };
    (0..columns.len())
        .min_by(|&a, &b| distance(&columns[a]).total_cmp(&distance(&columns[b])))
        .unwrap_or(0)
}

/// Lines wrapped by the producer as one text.
fn joined(lines: &[Line]) -> String {
    let texts: Vec<String> = lines.iter().map(Line::text).collect();
    inline::unwrapped(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Takes a run of list items, wrapped lines included, and says how many lines it took.
fn push_list(
    lines: &[Line],
    style: &Style,
    sink: &mut BlockSink<'_>,
) -> Result<usize, ExtractError> {
    let mut list = String::new();
    let mut used = 0;
    while let Some(first) = lines.get(used)
        && let Some((mark, _)) = list_item(&first.text())
        && first.page == lines[0].page
    {
        let own = style.paragraph_lines(&lines[used..]);
        // Text below an item that begins left of the item's own text is a paragraph of its own.
        let own = (1..own)
            .find(|&more| lines[used + more].left() < first.left() - 0.5 * first.size)
            .unwrap_or(own);
        let text = joined(&lines[used..used + own]);
        let text = list_item(&text).map_or(text.as_str(), |(_, text)| text);
        list.push_str(&format!("{mark}{text}\n"));
        used += own;
    }
    sink.push(BlockKind::List, &list)?;
    Ok(used)
}

/// Whether a text by itself is the mark of a list item.
pub(super) fn is_list_mark(text: &str) -> bool {
    list_item(&format!("{text} x")).is_some()
}

/// The mark, as Markdown writes it, and the text of a list item.
fn list_item(text: &str) -> Option<(String, &str)> {
    let bullet = text.strip_prefix([
        '•', '●', '◦', '○', '▪', '■', '·', '‣', '–', '-', '*', '\u{f0b7}',
    ]);
    if let Some(rest) = bullet.filter(|rest| rest.starts_with(char::is_whitespace)) {
        return Some(("- ".to_owned(), rest.trim_start()));
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.get(digits..)?.strip_prefix(['.', ')'])?;
    let is_number = (1..=3).contains(&digits) && rest.starts_with(char::is_whitespace);
    is_number.then(|| (format!("{}. ", &text[..digits]), rest.trim_start()))
}

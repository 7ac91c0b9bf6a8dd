//! Pieces of text on a page to lines of cells.

use pdf_oxide::extractors::text::{ArtifactType, PaginationSubtype};
use pdf_oxide::layout::{FontWeight, TextSpan};

/// Gaps in units of the font size: from here on a gap is a space …
const SPACE_GAP: f32 = 0.17;
/// … between scripts a little later, since some programs set them apart by a fifth of the size …
const MIXED_SPACE_GAP: f32 = 0.28;
/// … and from here on the next column of a table.
const CELL_GAP: f32 = 1.0;

/// One line of text on a page.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The page, from 1.
    pub(super) page: u32,
    /// Its texts, more than one where wide gaps separate them, each with its left and right edge.
    pub(super) cells: Vec<Cell>,
    /// Baseline, upwards from the bottom of the page, in points.
    pub(super) y: f32,
    /// Font size of most of it, in points.
    pub(super) size: f32,
    /// Whether all of it is bold.
    pub(super) is_bold: bool,
    /// Whether it is marked as no part of the text: a page number, a watermark. It isn't read, and still
    /// tells what else repeats.
    pub(super) is_artifact: bool,
}

/// A text within a line.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) left: f32,
    pub(super) right: f32,
}

impl Line {
    /// The whole line as one text.
    pub(super) fn text(&self) -> String {
        let texts: Vec<&str> = self.cells.iter().map(|cell| cell.text.trim()).collect();
        texts.join(" ").trim().to_owned()
    }

    /// How much text it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.cells.iter().map(|cell| cell.text.len()).sum()
    }

    /// Left edge of the line.
    pub(super) fn left(&self) -> f32 {
        self.cells.first().map_or(0.0, |cell| cell.left)
    }
}

/// The lines of a page in reading order. Running headers and footers stay in: pdf_oxide finds some, but
/// takes chapter headings at the top of pages ("Chapter 1", "Chapter 2") for them as well; see `running`.
pub(super) fn on_page(page: u32, spans: &[TextSpan]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for span in spans {
        let place = [span.bbox.x, span.bbox.y, span.bbox.width, span.font_size];
        if span.text.is_empty() || !place.iter().all(|value| value.is_finite()) {
            continue;
        }
        match lines.last_mut() {
            Some(line) if continues(line, span) => extend(line, span),
            _ if span.text.trim().is_empty() => {}
            _ => lines.push(Line {
                page,
                cells: vec![cell(span)],
                y: span.bbox.y,
                size: span.font_size,
                is_bold: is_bold(span),
                is_artifact: is_artifact(span),
            }),
        }
    }
    lines
}

/// Whether a piece stands on the line's baseline (or a little off it, as an index does) and after its end.
fn continues(line: &Line, span: &TextSpan) -> bool {
    let size = line.size.max(span.font_size).max(1.0);
    let right = line.cells.last().map_or(0.0, |cell| cell.right);
    line.is_artifact == is_artifact(span)
        && (line.y - span.bbox.y).abs() < 0.4 * size
        && span.bbox.x > right - 0.7 * size
}

fn extend(line: &mut Line, span: &TextSpan) {
    let size = line.size.max(span.font_size).max(1.0);
    let only_mark = line.cells.len() == 1 && super::layout::is_list_mark(line.cells[0].text.trim());
    let Some(last) = line.cells.last_mut() else {
        return;
    };
    let gap = span.bbox.x - last.right;
    if gap > CELL_GAP * size && !only_mark && !span.text.trim().is_empty() {
        line.cells.push(cell(span));
    } else {
        let spaced = last.text.ends_with(' ') || span.text.starts_with(' ') || last.text.is_empty();
        let mixed = is_wide(last.text.chars().next_back()) != is_wide(span.text.chars().next());
        let space_gap = if mixed { MIXED_SPACE_GAP } else { SPACE_GAP };
        if gap > space_gap * size && !spaced {
            last.text.push(' ');
        }
        last.text.push_str(&span.text);
        last.right = last.right.max(span.bbox.x + span.bbox.width);
    }
    if !span.text.trim().is_empty() {
        line.is_bold &= is_bold(span);
        // The size of a line is that of its longest piece; a raised index is small.
        line.size = line.size.max(span.font_size);
    }
}

/// Whether a letter is one of the East Asian scripts.
fn is_wide(c: Option<char>) -> bool {
    c.is_some_and(|c| matches!(c, '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}'))
}

fn cell(span: &TextSpan) -> Cell {
    Cell {
        text: span.text.clone(),
        left: span.bbox.x,
        right: span.bbox.x + span.bbox.width,
    }
}

/// Whether a piece is marked as no text. What pdf_oxide marks as "other" it has only guessed, from a few
/// words that stand in the same place on another page.
fn is_artifact(span: &TextSpan) -> bool {
    let guess = ArtifactType::Pagination(PaginationSubtype::Other);
    span.artifact_type
        .as_ref()
        .is_some_and(|kind| *kind != guess)
}

fn is_bold(span: &TextSpan) -> bool {
    matches!(
        span.font_weight,
        FontWeight::SemiBold | FontWeight::Bold | FontWeight::ExtraBold | FontWeight::Black
    )
}

//! Running headers, footers and page numbers: lines at the edge of pages that repeat, which would stand
//! in the middle of every passage that goes over a page.

use std::collections::HashMap;

use super::lines::{Cell, Line};

/// Pages on which a line must stand before it counts as repeated.
const MIN_PAGES: usize = 3;

/// A gap this much larger than the usual one parts an edge from the text.
const EDGE_GAP: f32 = 1.4;

/// Lines that an edge has at most.
const MAX_EDGE_LINES: usize = 3;

/// Larger lines than the text, by this much, are headings, wherever they stand.
const LARGEST: f32 = 1.15;

/// Longest running line in bytes.
const MAX_BYTES: usize = 300;

/// Takes what repeats at the edges, and what is no text at all, out of the pages, whose text is of this
/// size.
pub(super) fn drop_repeated(pages: &mut [Vec<Line>], body_size: f32) {
    let mut seen: HashMap<Key, Vec<(usize, Option<u64>)>> = HashMap::new();
    let edges: Vec<Vec<usize>> = pages
        .iter()
        .map(|page| edge_lines(page, body_size))
        .collect();
    for (number, (page, edge)) in pages.iter().zip(&edges).enumerate() {
        for &place in edge {
            let line = &page[place];
            if line.size <= body_size * LARGEST && line.bytes() <= MAX_BYTES {
                // Cell by cell: what stands left and right is one line on some pages and two on others.
                for cell in &line.cells {
                    let (key, digits) = key(cell, line.y);
                    seen.entry(key).or_default().push((number, digits));
                }
            }
        }
    }
    for (page, edge) in pages.iter_mut().zip(edges) {
        let is_repeated = |line: &Line| {
            line.size <= body_size * LARGEST
                && line.cells.iter().all(|cell| {
                    let found = seen.get(&key(cell, line.y).0);
                    found.is_some_and(|found| repeats(found, line.is_bold))
                })
        };
        let mut dropped: Vec<usize> = edge;
        dropped.retain(|&place| is_repeated(&page[place]));
        let mut place = 0;
        page.retain(|line| {
            place += 1;
            !line.is_artifact && !dropped.contains(&(place - 1))
        });
    }
}

/// A cell's words with its numbers left out, and its height on the page.
type Key = (String, i32);

fn key(cell: &Cell, y: f32) -> (Key, Option<u64>) {
    let mut words = String::new();
    let mut number = None;
    let mut digits = String::new();
    for c in cell.text.trim().chars().chain(['\n']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            words.push('#');
            number = number.or(digits.parse().ok());
            digits.clear();
        }
        words.push(c);
    }
    ((words, (y / 4.0).round() as i32), number)
}

/// Whether a line was found on enough pages, as itself or with the number of the page. A bold line
/// whose number goes up is more likely a heading of its own.
fn repeats(found: &[(usize, Option<u64>)], is_bold: bool) -> bool {
    let mut pages: Vec<usize> = found.iter().map(|(page, _)| *page).collect();
    pages.dedup();
    if pages.len() < MIN_PAGES {
        return false;
    }
    let counts_pages = found.windows(2).all(|pair| match (pair[0], pair[1]) {
        ((page, Some(number)), (next, Some(other))) => {
            other.checked_sub(number) == u64::try_from(next - page).ok()
        }
        _ => true,
    });
    let is_same = found.iter().all(|(_, number)| *number == found[0].1);
    is_same || (counts_pages && !is_bold)
}

/// The places of the lines that a gap parts from the text, at the top and at the bottom.
fn edge_lines(page: &[Line], body_size: f32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..page.len()).collect();
    order.sort_by(|&one, &other| page[other].y.total_cmp(&page[one].y));
    let gaps: Vec<f32> = order
        .windows(2)
        .map(|pair| page[pair[0]].y - page[pair[1]].y)
        .collect();
    // Lines of columns side by side are no line apart.
    let is_line = |gap: &f32| *gap >= 0.8 * body_size;
    let mut usual: Vec<f32> = gaps.iter().copied().filter(is_line).collect();
    usual.sort_by(f32::total_cmp);
    let usual = usual.get(usual.len() / 2).copied().unwrap_or(body_size);
    let is_edge = |gap: &&f32| **gap > usual * EDGE_GAP;
    // A page with nothing but such lines has no text to be parted from.
    let top = gaps
        .iter()
        .take(MAX_EDGE_LINES)
        .rposition(|gap| is_edge(&gap));
    let bottom = gaps
        .iter()
        .rev()
        .take(MAX_EDGE_LINES)
        .rposition(|gap| is_edge(&gap));
    let top = top.map_or(0, |place| place + 1);
    let bottom = bottom.map_or(0, |place| place + 1);
    let mut edge = order[..top].to_vec();
    edge.extend(&order[order.len().saturating_sub(bottom).max(top)..]);
    if page.len() == 1 {
        edge.push(0);
    }
    edge
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, y: f32, size: f32, is_bold: bool) -> Line {
        Line {
            page: 1,
            cells: vec![Cell {
                text: text.to_owned(),
                left: 50.0,
                right: 500.0,
            }],
            y,
            size,
            is_bold,
            is_artifact: false,
        }
    }

    /// Pages with these lines at the top and the bottom; what is left of each page's first and last.
    #[track_caller]
    fn check(top: fn(usize) -> Line, bottom: fn(usize) -> Line, is_kept: (bool, bool)) {
        let page = |number: usize| {
            let mut lines = vec![top(number)];
            lines.extend((0..20).map(|n| {
                line(
                    &format!("Text {n} of {number}"),
                    700.0 - 14.0 * n as f32,
                    11.0,
                    false,
                )
            }));
            lines.push(bottom(number));
            lines
        };
        let mut pages: Vec<Vec<Line>> = (1..=5).map(page).collect();
        drop_repeated(&mut pages, 11.0);
        for (number, page) in (1..).zip(&pages) {
            let texts: Vec<String> = page.iter().map(Line::text).collect();
            assert_eq!(texts.contains(&top(number).text()), is_kept.0, "{texts:?}");
            assert_eq!(
                texts.contains(&bottom(number).text()),
                is_kept.1,
                "{texts:?}"
            );
            assert!(texts.contains(&format!("Text 0 of {number}")));
            assert!(texts.contains(&format!("Text 19 of {number}")));
        }
    }

    #[test]
    fn what_repeats_at_the_edges_is_dropped() {
        check(
            |_| line("Okra Handbook", 770.0, 9.0, true),
            |number| line(&format!("Page {number} of 5"), 40.0, 9.0, false),
            (false, false),
        );
        check(
            |number| line(&format!("{}", number + 16), 770.0, 11.0, false),
            |_| line("Confidential", 40.0, 8.0, false),
            (false, false),
        );
    }

    #[test]
    fn headings_and_text_stay() {
        check(
            |number| line(&format!("Chapter {number}"), 770.0, 18.0, true),
            |number| {
                line(
                    &format!("The end of part {}.", number * number),
                    40.0,
                    11.0,
                    false,
                )
            },
            (true, true),
        );
        check(
            |number| line(&format!("Chapter {number}"), 770.0, 11.0, true),
            // A repeated line right below the text is part of it, such as a total in a table.
            |_| line("Total", 420.0, 11.0, false),
            (true, true),
        );
    }
}

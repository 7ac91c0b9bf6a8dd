//! Texts and slides to HTML, element by element.

use quick_xml::escape::partial_escape;
use quick_xml::events::BytesStart;

use super::styles::Styles;
use crate::html;
use crate::sink::BlockSink;
use crate::xml::{Piece, Pieces, attribute, name};
use crate::{ExtractError, Limits};

/// Empty cells written for one that says how often it is repeated.
const MAX_REPEATED_CELLS: usize = 64;

/// Elements whose text isn't the document's: comments, deleted text, a list of the headings that
/// stand in it anyway, the marks of notes, and what stands on each page.
const SKIPPED: &[&str] = &[
    "office:annotation",
    "office:forms",
    "office:scripts",
    "office:font-face-decls",
    "office:automatic-styles",
    "presentation:date-time",
    "presentation:footer",
    "presentation:header",
    "presentation:settings",
    "svg:title",
    "text:table-of-content",
    "text:page-count",
    "text:page-number",
    "text:tracked-changes",
    "text:note-citation",
];

/// Puts a text's or a presentation's blocks into a sink, a slide's with its number as the page.
pub(super) fn read(
    content: &str,
    styles: &Styles,
    limits: &Limits,
    sink: &mut BlockSink<'_>,
) -> Result<(), ExtractError> {
    let mut writer = Writer {
        styles,
        open: Vec::new(),
        skipped: 0,
        html: String::new(),
        notes: Vec::new(),
        slides: 0,
    };
    let mut pieces = Pieces::of(content, limits);
    while let Some(piece) = pieces.next()? {
        match piece {
            Piece::Open(tag) => writer.open(&tag),
            Piece::Text(text) if writer.takes_text() => {
                writer.html.push_str(&partial_escape(text.as_ref()));
            }
            Piece::Text(_) => {}
            Piece::Close => {
                if let Some(End::Slide) = writer.close() {
                    sink.set_page(writer.slides);
                    html::read_fragment_into(&std::mem::take(&mut writer.html), sink)?;
                }
            }
        }
    }
    html::read_fragment_into(&writer.html, sink)
}

/// What ends an open element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// An element that nothing is written for.
    Nothing,
    Tag(&'static str),
    /// A paragraph or heading, after which its notes follow.
    Block(&'static str),
    /// A note, with where its text begins.
    Note(usize),
    Skipped,
    /// The frame of a slide's title.
    Title,
    Slide,
}

struct Writer<'s> {
    styles: &'s Styles,
    open: Vec<End>,
    skipped: usize,
    html: String,
    /// Notes of the open paragraph.
    notes: Vec<String>,
    slides: u32,
}

impl Writer<'_> {
    fn takes_text(&self) -> bool {
        self.skipped == 0
            && self
                .open
                .iter()
                .any(|end| matches!(end, End::Block(_) | End::Tag("</small>")))
    }

    fn open(&mut self, tag: &BytesStart<'_>) {
        let end = if self.skipped > 0 || SKIPPED.contains(&name(tag)) {
            self.skipped += 1;
            End::Skipped
        } else {
            self.start(tag)
        };
        self.open.push(end);
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> End {
        let (html, end) = match name(tag) {
            "text:p" if self.open.contains(&End::Title) => ("<h2>", End::Block("</h2>")),
            "text:p" => ("<p>", End::Block("</p>")),
            "text:h" => heading(tag),
            "text:line-break" => ("<br>", End::Nothing),
            "text:s" | "text:tab" => (" ", End::Nothing),
            "text:list-item" | "text:list-header" => ("<li>", End::Tag("</li>")),
            "text:list" => self.list(tag),
            "text:a" => return self.link(tag),
            "text:note-body" => return End::Note(self.html.len()),
            // What a picture shows, in words.
            "svg:desc" => (" <small>", End::Tag("</small>")),
            "table:table" => ("<table>", End::Tag("</table>")),
            "table:table-row" => ("<tr>", End::Tag("</tr>")),
            "table:table-cell" | "table:covered-table-cell" => return self.cell(tag),
            "draw:page" => {
                self.slides += 1;
                ("", End::Slide)
            }
            "draw:frame" if is_title(tag) => ("", End::Title),
            _ => ("", End::Nothing),
        };
        self.html.push_str(html);
        end
    }

    fn list(&self, tag: &BytesStart<'_>) -> (&'static str, End) {
        let style = attribute(tag, "text:style-name");
        // A list in a list has the style of the outer one.
        let inherited = self.open.iter().rev().find_map(|end| match end {
            End::Tag("</ol>") => Some(true),
            End::Tag("</ul>") => Some(false),
            _ => None,
        });
        let numbered = match style {
            Some(style) => self.styles.is_numbered(&style),
            None => inherited.unwrap_or(false),
        };
        if numbered {
            ("<ol>", End::Tag("</ol>"))
        } else {
            ("<ul>", End::Tag("</ul>"))
        }
    }

    fn link(&mut self, tag: &BytesStart<'_>) -> End {
        let target = attribute(tag, "xlink:href").unwrap_or_default();
        let target = quick_xml::escape::escape(target);
        self.html.push_str(&format!("<a href=\"{target}\">"));
        End::Tag("</a>")
    }

    fn cell(&mut self, tag: &BytesStart<'_>) -> End {
        let repeated = attribute(tag, "table:number-columns-repeated");
        let repeated = repeated.and_then(|count| count.parse::<usize>().ok());
        // A repeated cell is nearly always an empty one; the last of them takes the text.
        for _ in 1..repeated.unwrap_or(1).min(MAX_REPEATED_CELLS) {
            self.html.push_str("<td></td>");
        }
        self.html.push_str("<td>");
        End::Tag("</td>")
    }

    fn close(&mut self) -> Option<End> {
        let end = self.open.pop()?;
        match end {
            End::Skipped => self.skipped -= 1,
            End::Tag(tag) => self.html.push_str(tag),
            End::Block(tag) => {
                self.html.push_str(tag);
                if !self.open.iter().any(|end| matches!(end, End::Note(_))) {
                    let notes = std::mem::take(&mut self.notes);
                    self.html.extend(notes);
                }
            }
            End::Note(from) => {
                let note = self.html.split_off(from);
                self.notes.push(note);
            }
            End::Nothing | End::Title | End::Slide => {}
        }
        Some(end)
    }
}

fn heading(tag: &BytesStart<'_>) -> (&'static str, End) {
    match attribute(tag, "text:outline-level").as_deref() {
        None | Some("1") => ("<h1>", End::Block("</h1>")),
        Some("2") => ("<h2>", End::Block("</h2>")),
        Some("3") => ("<h3>", End::Block("</h3>")),
        Some("4") => ("<h4>", End::Block("</h4>")),
        Some("5") => ("<h5>", End::Block("</h5>")),
        Some(_) => ("<h6>", End::Block("</h6>")),
    }
}

fn is_title(frame: &BytesStart<'_>) -> bool {
    attribute(frame, "presentation:class").is_some_and(|class| class == "title")
}

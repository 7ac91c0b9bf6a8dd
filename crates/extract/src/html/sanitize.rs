//! Rewrites hostile HTML as plain, balanced, shallow HTML for code that builds a tree and recurses.
//!
//! What comes out has no scripts, styles, foreign elements, comments or what lies over the page, only a few attributes, every
//! element closed explicitly and none nested deeper than [`MAX_DEPTH`], so the depth of any tree built
//! from it is bounded whatever came in. Measuring the depth of the original instead was rejected: every
//! measure short of a full HTML parser can be led astray by raw text, comments and foreign content.

use std::cell::RefCell;

use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};

use super::blocks::{HIDDEN, raw_kind};
use super::overlay::{CONTENTS, is_overlay};

/// Deepest nesting of what comes out; start tags below are dropped, their text is kept.
const MAX_DEPTH: usize = 200;

/// The page rewritten.
pub(super) fn sanitize(html: &str) -> String {
    let writer = Writer {
        html: String::with_capacity(html.len()),
        ..Writer::default()
    };
    let mut writer = super::tokenize(html, Sanitizer(RefCell::new(writer)))
        .0
        .into_inner();
    writer.close_down_to(0);
    writer.html
}

struct Sanitizer(RefCell<Writer>);

impl TokenSink for Sanitizer {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut writer = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => return writer.tag(&tag),
            Token::CharacterTokens(text) if writer.skipped.is_none() => writer.text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[derive(Default)]
struct Writer {
    html: String,
    open: Vec<String>,
    /// The element being left out, and how many of the same name are open in it.
    skipped: Option<(String, usize)>,
}

impl Writer {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        let start = tag.kind == TagKind::StartTag;
        if let Some((skipped, depth)) = &mut self.skipped {
            if skipped == name {
                *depth = if start { *depth + 1 } else { *depth - 1 };
                if *depth == 0 {
                    self.skipped = None;
                }
            }
        } else if !start {
            if let Some(place) = self.open.iter().rposition(|open| open == name) {
                self.close_down_to(place);
            }
        } else if name != "title" && self.is_skipped(tag) {
            self.skipped = Some((name.to_owned(), 1));
        } else if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.open(tag);
        }
        match raw_kind(name) {
            Some(kind) if start => TokenSinkResult::RawData(kind),
            _ => TokenSinkResult::Continue,
        }
    }

    fn is_skipped(&self, tag: &Tag) -> bool {
        let name: &str = &tag.name;
        let contents = |open: &String| CONTENTS.contains(&open.as_str());
        raw_kind(name).is_some()
            || HIDDEN.contains(&name)
            || is_overlay(tag, false) && is_overlay(tag, self.open.iter().any(contents))
    }

    fn open(&mut self, tag: &Tag) {
        let name: &str = &tag.name;
        self.close_implied(name);
        let void = VOID.contains(&name);
        if !void && self.open.len() >= MAX_DEPTH {
            return;
        }
        self.html.push('<');
        self.html.push_str(name);
        for attribute in &tag.attrs {
            let attribute_name: &str = &attribute.name.local;
            if KEPT_ATTRIBUTES.contains(&attribute_name) {
                self.html.push_str(&format!(" {attribute_name}=\""));
                escape(&attribute.value, &mut self.html);
                self.html.push('"');
            }
        }
        self.html.push('>');
        if !void {
            self.open.push(name.to_owned());
        }
    }

    fn text(&mut self, text: &str) {
        escape(text, &mut self.html);
    }

    /// Closes what a start tag closes by itself, so that `<p>` after `<p>` or `<li>` after `<li>`, whose
    /// end tags most authors leave out, do not count as nesting.
    fn close_implied(&mut self, name: &str) {
        let (closed, barrier): (&[&str], &[&str]) = match name {
            "li" => (&["li"], &["ul", "ol", "menu"]),
            "dt" | "dd" => (&["dt", "dd"], &["dl"]),
            "td" | "th" => (&["td", "th"], &["tr", "table"]),
            "tr" => (&["tr"], &["table"]),
            "thead" | "tbody" | "tfoot" => (&["thead", "tbody", "tfoot"], &["table"]),
            _ => (&[], &[]),
        };
        let inner = self
            .open
            .iter()
            .rposition(|open| closed.contains(&open.as_str()) || barrier.contains(&open.as_str()));
        if let Some(place) = inner.filter(|&place| closed.contains(&self.open[place].as_str())) {
            self.close_down_to(place);
        }
        if CLOSES_PARAGRAPH.contains(&name) && self.open.last().is_some_and(|open| open == "p") {
            self.close_down_to(self.open.len() - 1);
        }
    }

    fn close_down_to(&mut self, length: usize) {
        while self.open.len() > length
            && let Some(name) = self.open.pop()
        {
            self.html.push_str(&format!("</{name}>"));
        }
    }
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            _ => html.push(c),
        }
    }
}

const KEPT_ATTRIBUTES: &[&str] = &[
    "class",
    "id",
    "href",
    "alt",
    "role",
    "property",
    "name",
    "content",
    "itemprop",
    "lang",
    "colspan",
    "rowspan",
    "hidden",
    "aria-hidden",
    "style",
];

const VOID: &[&str] = &[
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "image", "img",
    "input", "keygen", "link", "meta", "param", "source", "track", "wbr",
];

const CLOSES_PARAGRAPH: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "div",
    "dl",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &str) {
        assert_eq!(sanitize(html), expected);
    }

    #[test]
    fn html_is_balanced_and_bare() {
        check("<p>a<p>b", "<p>a</p><p>b</p>");
        check("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>");
        check("<div><b>x</div></b>y", "<div><b>x</b></div>y");
        check("a<script>if (1<2) '</div>'</script>b<!-- c -->", "ab");
        check("<svg><style><div>x</div></style></svg>y", "y");
        check(
            "<a href='x\"y' onclick=z>&lt;</a>",
            "<a href=\"x&quot;y\">&lt;</a>",
        );
        check(
            "<table><tr><td>1<td>2<tr><td>3</table>",
            "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>",
        );
    }

    #[test]
    fn depth_is_bounded_and_text_kept() {
        let html = sanitize(&format!(
            "{}deep{}",
            "<div>".repeat(50_000),
            "</div>".repeat(50_000)
        ));
        assert_eq!(html.matches("<div>").count(), MAX_DEPTH);
        assert!(html.contains("deep"));
        assert_eq!(sanitize(&"<p>x".repeat(1000)).matches("<p>").count(), 1000);
    }
}

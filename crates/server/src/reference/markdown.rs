//! Descriptions: the part of Markdown that doc comments use, as HTML.
//!
//! Paragraphs, headings, lists, fenced code, `code`, **strong**, *emphasis* and [links](https://commonmark.org). What
//! is not understood stays as it was written. A full parser is a dependency for a page that shows our own texts; HTML
//! inside Markdown is text here.

use super::html::Html;

/// Writes `text` as blocks.
pub fn write(page: &mut Html, text: &str) {
    let mut lines = text.lines().peekable();
    let mut paragraph: Vec<&str> = Vec::new();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if let Some(fence) = fence(trimmed) {
            end_paragraph(page, &mut paragraph);
            page.raw("<pre tabindex=\"0\"><code>");
            for line in lines
                .by_ref()
                .take_while(|line| !line.trim().starts_with(fence))
            {
                page.text(line).raw("\n");
            }
            page.raw("</code></pre>\n");
        } else if trimmed.is_empty() {
            end_paragraph(page, &mut paragraph);
        } else if let Some(heading) = heading(trimmed) {
            end_paragraph(page, &mut paragraph);
            // Not a heading element: the page's outline belongs to its operations and schemas.
            page.raw("<p><strong>");
            inline(page, heading);
            page.raw("</strong></p>\n");
        } else if let Some(first) = item(trimmed) {
            end_paragraph(page, &mut paragraph);
            page.raw("<ul>\n");
            let mut words = vec![first];
            // An item goes on in the lines that follow it, up to a blank one.
            while let Some(next) =
                lines.next_if(|next| !next.trim().is_empty() && fence_of(next).is_none())
            {
                match item(next.trim()) {
                    Some(another) => list_item(page, &std::mem::replace(&mut words, vec![another])),
                    None => words.push(next.trim()),
                }
            }
            list_item(page, &words);
            page.raw("</ul>\n");
        } else {
            paragraph.push(trimmed);
        }
    }
    end_paragraph(page, &mut paragraph);
}

fn fence(line: &str) -> Option<&'static str> {
    ["```", "~~~"]
        .into_iter()
        .find(|fence| line.starts_with(fence))
}

fn fence_of(line: &&str) -> Option<&'static str> {
    fence(line.trim())
}

fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    (rest.len() < line.len() && line.len() - rest.len() <= 6)
        .then_some(rest)?
        .strip_prefix(' ')
        .map(str::trim)
}

fn item(line: &str) -> Option<&str> {
    if let Some(rest) = ["- ", "* ", "+ "]
        .iter()
        .find_map(|bullet| line.strip_prefix(bullet))
    {
        return Some(rest);
    }
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some(digits)
        .filter(|digits| (1..=9).contains(digits))
        .and_then(|digits| line[digits..].strip_prefix(". "))
}

fn list_item(page: &mut Html, words: &[&str]) {
    page.raw("<li>");
    inline(page, &words.join(" "));
    page.raw("</li>\n");
}

fn end_paragraph(page: &mut Html, lines: &mut Vec<&str>) {
    if !lines.is_empty() {
        page.raw("<p>");
        inline(page, &lines.join(" "));
        page.raw("</p>\n");
        lines.clear();
    }
}

/// Writes `text` with its code spans, emphasis and links.
pub fn inline(page: &mut Html, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        page.text(&rest[..at]);
        rest = &rest[at..];
        let length = span(page, rest);
        if length == 0 {
            let mark = &rest[..1];
            page.text(mark);
            rest = &rest[1..];
        } else {
            rest = &rest[length..];
        }
    }
    page.text(rest);
}

/// Writes the span that `text` begins with and returns its length, 0 where it begins with none.
fn span(page: &mut Html, text: &str) -> usize {
    if let Some(code) = between(text, "`", "`") {
        page.raw("<code>").text(code).raw("</code>");
        return code.len() + 2;
    }
    for (mark, open, close) in [("**", "<strong>", "</strong>"), ("*", "<em>", "</em>")] {
        if let Some(inner) = between(text, mark, mark).filter(|inner| inner.trim() == *inner) {
            page.raw(open).text(inner).raw(close);
            return inner.len() + 2 * mark.len();
        }
    }
    let Some(label) = between(text, "[", "](") else {
        return 0;
    };
    let Some(target) = between(&text[label.len() + 2..], "(", ")").filter(|target| is_safe(target))
    else {
        return 0;
    };
    page.raw("<a href=\"")
        .text(target)
        .raw("\" rel=\"noreferrer\">")
        .text(label)
        .raw("</a>");
    label.len() + target.len() + 4
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let inner = text.strip_prefix(open)?;
    inner
        .find(close)
        .filter(|&end| end > 0)
        .map(|end| &inner[..end])
}

/// Links lead to web pages, to mail addresses, or inside this site; `javascript:` and the like stay text.
fn is_safe(target: &str) -> bool {
    let inside = target.starts_with('#') || (target.starts_with('/') && !target.starts_with("//"));
    let outside = ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| target.starts_with(scheme));
    (inside || outside) && !target.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut page = Html::new();
        write(&mut page, text);
        assert_eq!(page.finish().replace('\n', ""), expected, "{text:?}");
    }

    #[test]
    fn blocks() {
        check("", "");
        check("One\ntwo.\n\nThree.", "<p>One two.</p><p>Three.</p>");
        check("# Title\nText", "<p><strong>Title</strong></p><p>Text</p>");
        check("#hash", "<p>#hash</p>");
        check(
            "- a\n- b\n  more\n\nAfter",
            "<ul><li>a</li><li>b more</li></ul><p>After</p>",
        );
        check("1. a\n2. b", "<ul><li>a</li><li>b</li></ul>");
        check(
            "```json\n{ \"a\": \"**b**\" }\n```\nx",
            "<pre tabindex=\"0\"><code>{ &quot;a&quot;: &quot;**b**&quot; }</code></pre><p>x</p>",
        );
        check("~~~\nopen", "<pre tabindex=\"0\"><code>open</code></pre>");
        check(
            "- a\n```\nb\n```",
            "<ul><li>a</li></ul><pre tabindex=\"0\"><code>b</code></pre>",
        );
    }

    #[test]
    fn spans() {
        check("a `b < c` d", "<p>a <code>b &lt; c</code> d</p>");
        check("**a** and *b*", "<p><strong>a</strong> and <em>b</em></p>");
        check("2 * 3 * 4", "<p>2 * 3 * 4</p>");
        check(
            "`open **open *open [open",
            "<p>`open **open *open [open</p>",
        );
        check(
            "[한](https://a.b/c?d=1&e)",
            "<p><a href=\"https://a.b/c?d=1&amp;e\" rel=\"noreferrer\">한</a></p>",
        );
        check(
            "[a](#b) [c](/d)",
            "<p><a href=\"#b\" rel=\"noreferrer\">a</a> <a href=\"/d\" rel=\"noreferrer\">c</a></p>",
        );
    }

    #[test]
    fn hostile_text_stays_text() {
        check(
            "<script>alert(1)</script>",
            "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
        );
        for target in [
            "javascript:alert(1)",
            "JavaScript:x",
            "data:text/html,x",
            "//evil.example",
            "https://a b",
            " ",
        ] {
            check(&format!("[a]({target})"), &format!("<p>[a]({target})</p>"));
        }
        check(
            "[a](https://b\" onclick=\"c)",
            "<p>[a](https://b&quot; onclick=&quot;c)</p>",
        );
        check(
            "[a](https://b\"onclick='c')",
            "<p><a href=\"https://b&quot;onclick=&#39;c&#39;\" rel=\"noreferrer\">a</a></p>",
        );
        check(
            "[<b>](/x)",
            "<p><a href=\"/x\" rel=\"noreferrer\">&lt;b&gt;</a></p>",
        );
    }

    #[test]
    fn any_text_ends() {
        for mark in ["`", "*", "[", "](", "```\n", "- ", "#", "한*"] {
            let mut page = Html::new();
            write(&mut page, &mark.repeat(2000));
            assert!(!page.finish().contains("<script"));
        }
    }
}

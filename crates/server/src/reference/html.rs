//! Builds HTML in which text cannot become markup.
//!
//! Markup is given as a `&'static str`, which is to say by this program's source; whatever comes from a document at run
//! time has no such lifetime and can only go in as text.

/// HTML under construction.
pub struct Html {
    out: String,
}

impl Html {
    /// Nothing yet.
    pub fn new() -> Self {
        Html { out: String::new() }
    }

    /// Adds markup.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Adds text, escaped for use between tags and inside a quoted attribute.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                // No HTML document may hold these; a browser's guess at them is not ours to rely on.
                '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\x7F' => {
                    self.out.push('\u{FFFD}')
                }
                _ => self.out.push(character),
            }
        }
        self
    }

    /// What was built.
    pub fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_markup_is_not() {
        let mut html = Html::new();
        html.raw("<b title=\"")
            .text("\"><script>'&\0")
            .raw("\">")
            .text("한 < 1")
            .raw("</b>");
        assert_eq!(
            html.finish(),
            "<b title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\u{FFFD}\">한 &lt; 1</b>"
        );
    }
}

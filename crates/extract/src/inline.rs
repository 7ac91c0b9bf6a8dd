//! Running text as it is collected from Markdown or HTML: white space, line breaks and links.

/// Longest link target kept, in bytes. Longer ones carry tracking data, not an address to read.
const MAX_TARGET_BYTES: usize = 200;

/// Lines that a program wrapped as one text; a word divided by a hyphen is made whole.
pub(crate) fn unwrapped(lines: &[&str]) -> String {
    let mut inline = Inline::default();
    for (place, line) in lines.iter().enumerate() {
        let next = lines.get(place + 1);
        let divided = line
            .strip_suffix(['-', '\u{2010}', '\u{ad}'])
            .filter(|word| {
                word.ends_with(char::is_lowercase)
                    && next.is_some_and(|next| next.starts_with(char::is_lowercase))
            });
        match divided {
            Some(word) => inline.text(word),
            None => {
                inline.text(line);
                inline.soft_break();
            }
        }
    }
    inline.take()
}

/// Collects the text of one block.
#[derive(Default)]
pub(crate) struct Inline {
    text: String,
    /// The open link: its target and where its text starts.
    link: Option<(String, usize)>,
    /// Links written with their targets so far: where to insert each, once the block is whole.
    targets: Vec<(usize, String)>,
}

impl Inline {
    /// Adds text as it stands.
    pub(crate) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds text whose runs of white space mean one space, as in HTML.
    pub(crate) fn collapsed(&mut self, text: &str) {
        for (place, word) in text.split(|c: char| c.is_ascii_whitespace()).enumerate() {
            if place > 0 {
                self.space();
            }
            self.text.push_str(word);
        }
    }

    /// Adds a space unless there is white space already.
    pub(crate) fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
            self.text.push(' ');
        }
    }

    /// A line wrapped in the source: a space, but nothing between Han or Kana, which know no spaces.
    pub(crate) fn soft_break(&mut self) {
        self.text.push('\n');
        self.soften();
    }

    fn soften(&mut self) {
        self.text.pop();
        if self.text.chars().next_back().is_some_and(is_spaceless) {
            self.text.push(SOFT_JOIN);
        } else {
            self.space();
        }
    }

    /// A line break that the author made.
    pub(crate) fn line_break(&mut self) {
        while self.text.ends_with(' ') {
            self.text.pop();
        }
        self.text.push('\n');
    }

    /// Starts a link.
    pub(crate) fn open_link(&mut self, target: &str) {
        self.link = Some((target.to_owned(), self.text.len()));
    }

    /// Ends the open link. A target that a reader could use (a web, mail or phone address that the
    /// text doesn't already show) is kept.
    pub(crate) fn close_link(&mut self) {
        let Some((target, start)) = self.link.take() else {
            return;
        };
        let shown = self.text.get(start..).unwrap_or("").trim();
        let address = target
            .strip_prefix("mailto:")
            .or_else(|| target.strip_prefix("tel:"))
            .unwrap_or(&target);
        let usable = address.len() < target.len()
            || target.starts_with("https://")
            || target.starts_with("http://");
        if usable
            && !shown.is_empty()
            && !shown.contains(address)
            && target.len() <= MAX_TARGET_BYTES
        {
            self.targets
                .push((self.text.trim_end().len(), address.to_owned()));
        }
    }

    /// The collected text, trimmed, and an empty collector again.
    ///
    /// Link targets are written out as `text (target)`, unless they would make up more than half of a
    /// block with several links: that is navigation, whose targets drown the words in it.
    pub(crate) fn take(&mut self) -> String {
        self.link = None;
        let text = std::mem::take(&mut self.text);
        let targets = std::mem::take(&mut self.targets);
        let text = join_wrapped(text, &targets);
        text.trim().to_owned()
    }
}

impl Inline {
    /// The collected text as it stands, white space and all, and an empty collector again.
    pub(crate) fn take_verbatim(&mut self) -> String {
        self.link = None;
        self.targets.clear();
        std::mem::take(&mut self.text)
    }
}

/// Marks a wrapped line after a spaceless letter until the next letter is known. A private-use
/// character; one in the input is dropped in the same way, and means nothing to a reader.
const SOFT_JOIN: char = '\u{f8ff}';

/// Inserts the link targets and resolves the marks of [`Inline::soft_break`].
fn join_wrapped(text: String, targets: &[(usize, String)]) -> String {
    let length: usize = targets.iter().map(|(_, target)| target.len()).sum();
    let targets = if targets.len() > 1 && length > text.len() {
        &[]
    } else {
        targets
    };
    if targets.is_empty() && !text.contains(SOFT_JOIN) {
        return text;
    }
    let mut joined = String::with_capacity(text.len() + length + 3 * targets.len());
    let mut next_target = targets.iter().peekable();
    let mut chars = text.char_indices().peekable();
    while let Some((place, c)) = chars.next() {
        while let Some((_, target)) = next_target.next_if(|(at, _)| *at <= place) {
            joined.push_str(" (");
            joined.push_str(target);
            joined.push(')');
        }
        if c != SOFT_JOIN {
            joined.push(c);
        } else if !chars.peek().is_some_and(|&(_, next)| is_spaceless(next)) {
            joined.push(' ');
        }
    }
    for (_, target) in next_target {
        joined.push_str(" (");
        joined.push_str(target);
        joined.push(')');
    }
    joined
}

/// Letters and punctuation of scripts that put no space between words.
fn is_spaceless(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_wrapped(lines: &[&str], expected: &str) {
        let mut inline = Inline::default();
        for (place, line) in lines.iter().enumerate() {
            if place > 0 {
                inline.soft_break();
            }
            inline.text(line);
        }
        assert_eq!(inline.take(), expected);
    }

    #[test]
    fn wrapped_lines_join_as_their_script_does() {
        check_wrapped(&["send it", "back"], "send it back");
        check_wrapped(&["제품을", "반품"], "제품을 반품");
        check_wrapped(&["到着後", "返品できます"], "到着後返品できます");
        check_wrapped(&["到着後", "OK"], "到着後 OK");
    }

    #[track_caller]
    fn check_link(text: &str, target: &str, expected: &str) {
        let mut inline = Inline::default();
        inline.open_link(target);
        inline.text(text);
        inline.close_link();
        assert_eq!(inline.take(), expected);
    }

    #[test]
    fn useful_targets_are_kept() {
        check_link(
            "the form",
            "https://okra.example/form",
            "the form (https://okra.example/form)",
        );
        check_link(
            "write to us",
            "mailto:help@okra.example",
            "write to us (help@okra.example)",
        );
        check_link(
            "help@okra.example",
            "mailto:help@okra.example",
            "help@okra.example",
        );
        check_link("above", "#top", "above");
        check_link("run", "javascript:alert(1)", "run");
    }
}

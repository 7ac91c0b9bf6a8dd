//! The text of a list with its nested lists, as both the Markdown and the HTML reader collect it.

/// Deepest indentation. A hostile file's thousands of levels must not cost the square of their number.
const MAX_INDENT: usize = 8;

/// Collects the lines of an outermost list.
#[derive(Default)]
pub(crate) struct ListText {
    /// Next numbers of the open lists, `None` for bullets.
    open: Vec<Option<u64>>,
    text: String,
    /// The mark of an item that has no text yet.
    mark: Option<String>,
}

impl ListText {
    /// Whether text belongs to a list at the moment.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Opens a list, numbered from `number` or with bullets.
    pub(crate) fn open(&mut self, number: Option<u64>) {
        self.open.push(number);
    }

    /// Starts an item. One outside any list is ignored, as its text then is.
    pub(crate) fn item(&mut self) {
        self.mark = self.open.last_mut().map(|number| match number {
            Some(number) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            None => "- ".to_owned(),
        });
    }

    /// Adds a line to the open item.
    pub(crate) fn line(&mut self, line: &str) {
        let depth = self.open.len().clamp(1, MAX_INDENT);
        let mark = self.mark.take();
        let indent = if mark.is_some() { depth - 1 } else { depth };
        self.text.push_str(&"  ".repeat(indent));
        self.text.push_str(mark.as_deref().unwrap_or(""));
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Closes the innermost list; the text of the whole where that was the outermost.
    pub(crate) fn close(&mut self) -> Option<String> {
        self.open.pop();
        self.mark = None;
        self.open.is_empty().then(|| self.take())
    }

    /// The text so far, which is then forgotten; the lists stay open.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }
}

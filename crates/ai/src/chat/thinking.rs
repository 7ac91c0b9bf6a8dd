//! Keeps a model's thinking out of its answer where the server leaves it in the text.
//!
//! Servers that know a model's thinking send it beside the content; others let it through as
//! `<think>…</think>` at the very beginning (DeepSeek R1's and Qwen 3's chat templates). Only there
//! is it taken out: the same words later in an answer are the answer's own.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Takes a leading `<think>…</think>` out of text that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct ThinkingFilter {
    state: State,
    /// Text not decided on yet: perhaps the beginning of a mark.
    held: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but white space and perhaps a part of the opening mark came.
    #[default]
    Start,
    /// Within the thinking.
    Inside,
    /// Behind the closing mark; white space before the answer is dropped.
    Behind,
    /// The answer itself.
    Answer,
}

impl ThinkingFilter {
    /// What of `text` belongs to the answer as far as is known; the rest is held back.
    pub fn pass(&mut self, text: String) -> String {
        if self.state == State::Answer {
            return text;
        }
        self.held.push_str(&text);
        if self.state == State::Start {
            let begun = self.held.trim_start();
            if begun.starts_with(OPEN) {
                self.state = State::Inside;
            } else if !OPEN.starts_with(begun) {
                self.state = State::Answer;
                return std::mem::take(&mut self.held);
            }
        }
        if self.state == State::Inside {
            if let Some(at) = self.held.find(CLOSE) {
                self.held.drain(..at + CLOSE.len());
                self.state = State::Behind;
            } else {
                // Only a part of the closing mark can still matter.
                let mut keep = self.held.len().saturating_sub(CLOSE.len() - 1);
                while !self.held.is_char_boundary(keep) {
                    keep += 1;
                }
                self.held.drain(..keep);
            }
        }
        if self.state == State::Behind && !self.held.trim_start().is_empty() {
            self.state = State::Answer;
            return std::mem::take(&mut self.held).trim_start().to_owned();
        }
        String::new()
    }

    /// What was held back, once nothing follows: an answer that only looked like a mark, never an
    /// unfinished thought.
    pub fn rest(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if self.state == State::Start && !held.trim().is_empty() {
            held
        } else {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests;

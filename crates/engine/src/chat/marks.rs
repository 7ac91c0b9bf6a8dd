//! The marks that a model leaves in its answer, taken out of it as it streams: `[2]` after what rests on passage 2,
//! `[none]` where no passage holds what was asked for, `[next]` before a question to ask next. A reader sees none of
//! them: which passages were used is told beside the answer. Pure.

use crate::prompt::bracketed;

/// Takes marks out of an answer that comes in pieces, wherever these are cut.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The numbers that mean a passage; others in brackets are text.
    numbers: Vec<u32>,
    /// Whether questions to ask next were asked for.
    proposes: bool,
    /// What may be the beginning of a mark, with the white space before it.
    held: String,
    /// The run of backquotes that opened code, in which nothing is a mark; 0 outside.
    code: usize,
    /// Characters shown so far, in bytes.
    shown: usize,
    /// Whether what was shown last ends a line, or nothing was.
    begins_line: bool,
    /// Whether spaces that come next stood behind a mark at the beginning of a line.
    skips: bool,
    cited: Vec<Mark>,
    declined: bool,
    /// What came after the first `[next]`.
    proposed: Option<String>,
}

/// That the text before this place rests on a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The passage's number.
    pub(super) number: u32,
    /// Where the mark stood in the text without marks, in bytes.
    pub(super) at: usize,
}

/// What stands in brackets.
enum Bracket {
    /// Numbers of passages.
    Cites(Vec<u32>),
    None,
    Next,
    /// Text.
    Text,
    /// Not known before more comes.
    Cut,
}

/// Longest text in brackets that may be a mark, in bytes.
const LONGEST: usize = 40;
/// Questions to ask next that are kept.
const PROPOSED: usize = 3;
/// Characters of one at most.
const PROPOSED_CHARS: usize = 200;
/// Bytes of what comes after `[next]` that are kept.
const PROPOSED_BYTES: usize = 4_000;

impl Marks {
    /// For an answer that was given passages of these numbers.
    pub(super) fn new(numbers: Vec<u32>, proposes: bool) -> Self {
        Self {
            numbers,
            proposes,
            begins_line: true,
            ..Self::default()
        }
    }

    /// The next piece of the answer; gives what of it can be shown already.
    pub(super) fn push(&mut self, piece: &str) -> String {
        if let Some(proposed) = &mut self.proposed {
            if proposed.len() < PROPOSED_BYTES {
                proposed.push_str(piece);
            }
            return String::new();
        }
        self.held.push_str(piece);
        self.take(false)
    }

    /// The model goes on in a new paragraph, after it was given the results of its calls: what it said of questions to
    /// ask next, or of there being no answer, was too early.
    pub(super) fn go_on(&mut self, said_something: bool) {
        self.proposed = None;
        self.declined = false;
        if said_something {
            self.held.push_str("\n\n");
        }
    }

    /// Passages have been added: these are the numbers of all.
    pub(super) fn also(&mut self, numbers: &[u32]) {
        self.numbers = numbers.to_vec();
    }

    /// The end of the answer; gives what was still held.
    pub(super) fn end(&mut self) -> String {
        let mut rest = self.take(true);
        if self.has_marks() {
            rest.truncate(rest.trim_end().len());
        }
        rest
    }

    /// Whether anything was taken out of the answer.
    pub(super) fn has_marks(&self) -> bool {
        self.declined || self.proposed.is_some() || !self.cited.is_empty()
    }

    /// The places that were marked, in their order.
    pub(super) fn cited(&self) -> &[Mark] {
        &self.cited
    }

    /// Whether the answer says that no passage holds what was asked for, and rests on none.
    pub(super) fn declined(&self) -> bool {
        self.declined && self.cited.is_empty()
    }

    /// The questions to ask next.
    pub(super) fn proposed(&self) -> Vec<String> {
        let text = self.proposed.as_deref().unwrap_or_default();
        let lines = text.split("[next]").flat_map(str::lines);
        let lines = lines.map(|line| {
            let line = line.trim().trim_start_matches(['-', '*', '•']);
            line.trim().trim_matches(['"', '“', '”']).trim().to_owned()
        });
        let proper = |line: &String| !line.is_empty() && line.chars().count() <= PROPOSED_CHARS;
        lines.filter(proper).take(PROPOSED).collect()
    }

    fn take(&mut self, whole: bool) -> String {
        let held = std::mem::take(&mut self.held);
        let mut out = String::with_capacity(held.len());
        let mut at = 0;
        while at < held.len() {
            if std::mem::take(&mut self.skips) {
                at += held[at..].len() - held[at..].trim_start_matches([' ', '\t']).len();
                self.skips = at == held.len();
                continue;
            }
            let rest = &held[at..];
            let blank = rest.len() - rest.trim_start().len();
            let (space, after) = rest.split_at(blank);
            match after.chars().next() {
                // White space alone, with whatever comes next.
                None if !whole => break,
                None => {
                    out.push_str(space);
                    break;
                }
                Some('[' | '【') if self.code == 0 => match self.bracket(after, whole) {
                    (Bracket::Cut, _) => break,
                    (Bracket::Text, length) => {
                        out.push_str(space);
                        out.push_str(&after[..length]);
                        at += blank + length;
                    }
                    (Bracket::Next, length) => {
                        self.proposed = Some(after[length..].to_owned());
                        return out;
                    }
                    (mark, length) => {
                        let place = self.shown + out.len();
                        match mark {
                            Bracket::Cites(numbers) => self.cited.extend(
                                numbers.into_iter().map(|number| Mark { number, at: place }),
                            ),
                            _ => self.declined = true,
                        }
                        at += blank + length;
                        // A mark leaves no space at the beginning of a line; a break of lines before it stays.
                        if space.contains('\n') {
                            out.push_str(space.trim_end_matches([' ', '\t']));
                        }
                        self.skips = out.ends_with('\n') || out.is_empty() && self.begins_line;
                    }
                },
                Some('`') => {
                    let run = after.len() - after.trim_start_matches('`').len();
                    if blank + run == rest.len() && !whole {
                        break;
                    }
                    out.push_str(&rest[..blank + run]);
                    self.code = match self.code {
                        0 => run,
                        open if open == run => 0,
                        open => open,
                    };
                    at += blank + run;
                }
                Some(_) => {
                    // An empty line ends code within a line that was never closed.
                    if self.code < 3 && space.matches('\n').count() > 1 {
                        self.code = 0;
                    }
                    let plain = |c: char| c.is_whitespace() || matches!(c, '[' | '【' | '`');
                    let length = after.find(plain).unwrap_or(after.len()).max(1);
                    let length = match after.is_char_boundary(length) {
                        true => length,
                        false => after.chars().next().map_or(1, char::len_utf8),
                    };
                    out.push_str(space);
                    out.push_str(&after[..length]);
                    at += blank + length;
                }
            }
        }
        held[at.min(held.len())..].clone_into(&mut self.held);
        if whole {
            self.held.clear();
        }
        self.shown += out.len();
        if let Some(last) = out.chars().next_back() {
            self.begins_line = last == '\n';
        }
        out
    }

    /// What stands in the brackets that `text` begins with, and how long it is, brackets included.
    fn bracket(&self, text: &str, whole: bool) -> (Bracket, usize) {
        let open = text.chars().next().map_or(0, char::len_utf8);
        let Some((inner, close)) = text[open..].find([']', '】', '[', '【', '\n']).map(|end| {
            let closing = text[open + end..].chars().next().unwrap_or(']');
            (&text[open..open + end], closing)
        }) else {
            // Still open: a mark as long as it may be one.
            let may = !whole && text.len() <= LONGEST && self.may_begin(&text[open..]);
            return (if may { Bracket::Cut } else { Bracket::Text }, open);
        };
        if !matches!(close, ']' | '】') {
            return (Bracket::Text, open);
        }
        let length = open + inner.len() + close.len_utf8();
        let after = text[length..].chars().next();
        let mark = self.meant(inner);
        match (mark, after) {
            (Bracket::Text, _) => (Bracket::Text, open),
            // `[1](address)` is a link, if the rest says so.
            (_, None) if !whole => (Bracket::Cut, open),
            (_, Some('(')) => (Bracket::Text, open),
            (mark, _) => (mark, length),
        }
    }

    fn meant(&self, inner: &str) -> Bracket {
        let inner = inner.trim();
        match inner {
            "none" => return Bracket::None,
            "next" if self.proposes => return Bracket::Next,
            _ => {}
        }
        let given = |numbers: &Vec<u32>| numbers.iter().all(|it| self.numbers.contains(it));
        let numbers = bracketed(inner).filter(given);
        numbers.map_or(Bracket::Text, Bracket::Cites)
    }

    /// Whether what was written after an opening bracket may still become a mark.
    fn may_begin(&self, inner: &str) -> bool {
        let inner = inner.trim_start();
        let numeric = |c: char| c.is_ascii_digit() || matches!(c, ',' | ';' | ' ' | '^');
        inner.chars().all(numeric)
            || "none".starts_with(inner.trim_end())
            || self.proposes && "next".starts_with(inner.trim_end())
    }
}

#[cfg(test)]
mod tests;

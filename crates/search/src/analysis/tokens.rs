//! Cutting text into tokens: runs of letters, digits and their marks in one script.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::script::{Character, Script, classify};

/// Longest token in characters. A longer run is cut here, so that a "word" of a million characters costs no more
/// than a text of that length; the longest words of agglutinating languages stay whole.
const LONGEST_TOKEN: usize = 64;

/// Calls `emit` for each token of `text` in order, lower-cased and in Unicode's compatibility form (NFKC).
pub(crate) fn for_each_token(text: &str, emit: impl FnMut(Script, &str)) {
    let mut cutter = Cutter {
        token: String::new(),
        chars: 0,
        script: None,
        contracted: false,
        emit,
    };
    if text.is_ascii() || is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        cutter.cut(text);
    } else {
        text.nfkc().for_each(|c| cutter.take(c));
    }
    cutter.finish();
}

struct Cutter<F> {
    token: String,
    chars: usize,
    script: Option<Script>,
    /// The token follows a Latin word and an apostrophe: it may be an English ending ("it's", "don't").
    contracted: bool,
    emit: F,
}

impl<F: FnMut(Script, &str)> Cutter<F> {
    /// Takes every character. Runs of ASCII letters and digits, which most text is made of, are taken at once.
    fn cut(&mut self, text: &str) {
        let mut left = text;
        while let Some(c) = left.chars().next() {
            let alphanumeric = left.bytes().take_while(u8::is_ascii_alphanumeric);
            let run = match self.script {
                None => alphanumeric.count(),
                Some(_) => 0,
            };
            if (1..=LONGEST_TOKEN).contains(&run) {
                self.word(&left[..run]);
                left = &left[run..];
            } else {
                self.take(c);
                left = &left[c.len_utf8()..];
            }
        }
    }

    /// Takes ASCII letters and digits, no more than a token holds and where none is begun.
    fn word(&mut self, run: &str) {
        let digits = run.bytes().all(|byte| byte.is_ascii_digit());
        self.script = Some(if digits {
            Script::Digits
        } else {
            Script::Latin
        });
        self.token.push_str(run);
        self.token.make_ascii_lowercase();
        self.chars = run.len();
    }

    fn take(&mut self, c: char) {
        match classify(c) {
            Character::Letter(script) => self.letter(script, c),
            Character::Digit => match self.script {
                Some(script) if script.takes_digits() => self.push(c),
                _ => self.start(Script::Digits, c),
            },
            Character::Mark if self.script.is_some() => self.push_mark(c),
            Character::Ignored => {}
            Character::Apostrophe if self.script == Some(Script::Latin) => {
                self.flush();
                self.contracted = true;
            }
            Character::Mark | Character::Apostrophe | Character::Break => self.finish(),
        }
    }

    fn letter(&mut self, script: Script, c: char) {
        match self.script {
            Some(current) if current == script => {}
            Some(Script::Digits) if script.takes_digits() => self.script = Some(script),
            _ => {
                self.flush();
                self.script = Some(script);
            }
        }
        if c.is_ascii() {
            self.push(c.to_ascii_lowercase());
        } else {
            c.to_lowercase().for_each(|c| self.push_mark(c));
        }
    }

    fn start(&mut self, script: Script, c: char) {
        self.flush();
        self.script = Some(script);
        self.push(c);
    }

    fn push(&mut self, c: char) {
        if self.chars == LONGEST_TOKEN {
            let script = self.script;
            self.flush();
            self.script = script;
        }
        // A final sigma is the same letter; char::to_lowercase does not look at its place.
        self.token.push(if c == 'ς' { 'σ' } else { c });
        self.chars += 1;
    }

    /// Adds a mark, or a letter that may have come apart into a letter and a mark.
    fn push_mark(&mut self, c: char) {
        // 'İ' becomes 'i' and a dot above; without the dot it meets the 'i' that people type.
        if c != '\u{307}' || self.script != Some(Script::Latin) {
            self.push(c);
        }
    }

    fn finish(&mut self) {
        self.flush();
        self.contracted = false;
    }

    fn flush(&mut self) {
        if let Some(script) = self.script.take()
            && !self.token.is_empty()
        {
            let ending = self.contracted
                && matches!(
                    self.token.as_str(),
                    "s" | "t" | "re" | "ve" | "ll" | "d" | "m"
                );
            if !ending {
                (self.emit)(script, &self.token);
            }
            self.contracted = false;
        }
        self.token.clear();
        self.chars = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_taken_at_once_are_those_taken_letter_by_letter(
            text in "([a-zA-Z0-9]{0,70}|[ '’.\\u{301}éß가漢İ-]{0,3}|[a-z]{1,6}'(s|t|ll)){0,12}",
        ) {
            let (mut at_once, mut singly) = (Vec::new(), Vec::new());
            let mut cutter = Cutter {
                token: String::new(),
                chars: 0,
                script: None,
                contracted: false,
                emit: |script, token: &str| singly.push((script, token.to_owned())),
            };
            text.chars().for_each(|c| cutter.take(c));
            cutter.finish();
            let mut cutter = Cutter {
                token: String::new(),
                chars: 0,
                script: None,
                contracted: false,
                emit: |script, token: &str| at_once.push((script, token.to_owned())),
            };
            cutter.cut(&text);
            cutter.finish();
            prop_assert_eq!(at_once, singly);
        }
    }
}

//! The tokens of RTF.

/// A piece of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'r> {
    Open,
    Close,
    /// A byte of text.
    Byte(u8),
    /// A control word or symbol, without its backslash, and its number.
    Word(&'r str, Option<i32>),
}

/// The tokens of a file, in order.
pub(super) struct Tokens<'r> {
    rest: &'r [u8],
}

impl<'r> Tokens<'r> {
    pub(super) fn of(bytes: &'r [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, length: usize) -> &'r [u8] {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Reads what follows a backslash.
    fn control(&mut self) -> Option<Token<'r>> {
        let letters = self.letters();
        if letters == 0 {
            return self.symbol();
        }
        let word = std::str::from_utf8(self.take(letters)).unwrap_or_default();
        let sign = usize::from(self.rest.first() == Some(&b'-'));
        let digits = self.rest.get(sign..).unwrap_or_default();
        let digits = digits
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let value = if digits > 0 {
            let number = std::str::from_utf8(self.take(sign + digits)).unwrap_or_default();
            number.parse().ok()
        } else {
            None
        };
        if self.rest.first() == Some(&b' ') {
            self.take(1);
        }
        if word == "bin" {
            self.take(
                value
                    .and_then(|length| usize::try_from(length).ok())
                    .unwrap_or(0),
            );
            return self.next();
        }
        Some(Token::Word(word, value))
    }

    fn symbol(&mut self) -> Option<Token<'r>> {
        let &[symbol] = self.take(1) else {
            return None;
        };
        Some(match symbol {
            b'\'' => {
                let digits = std::str::from_utf8(self.take(2)).unwrap_or_default();
                Token::Byte(u8::from_str_radix(digits, 16).unwrap_or(b'?'))
            }
            b'\\' | b'{' | b'}' => Token::Byte(symbol),
            b'\r' | b'\n' => Token::Word("par", None),
            b'\t' => Token::Word("tab", None),
            b'*' => Token::Word("*", None),
            b'~' => Token::Word("~", None),
            b'-' => Token::Word("-", None),
            b'_' => Token::Word("_", None),
            _ => Token::Word("", None),
        })
    }

    /// How many letters come next; the longest control words have some 30.
    fn letters(&self) -> usize {
        let letters = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic());
        letters.take(40).count()
    }
}

impl<'r> Iterator for Tokens<'r> {
    type Item = Token<'r>;

    fn next(&mut self) -> Option<Token<'r>> {
        loop {
            let &[byte] = self.take(1) else {
                return None;
            };
            match byte {
                b'{' => return Some(Token::Open),
                b'}' => return Some(Token::Close),
                b'\\' => return self.control(),
                // Lines are broken anywhere, and mean nothing.
                b'\r' | b'\n' | 0 => {}
                byte => return Some(Token::Byte(byte)),
            }
        }
    }
}

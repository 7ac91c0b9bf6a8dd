//! Tells Rust code from its comments and literals, so that a rule about code is not broken by a sentence about it.
//!
//! The words of the language follow the Rust reference, chapter "Tokens". A file that does not end a literal is read to
//! its end as that literal; such a file does not compile, so nobody misses a finding in it.

/// `text` with every comment and every string, character and byte literal replaced by spaces. Lines stay where they are.
pub fn only(text: &str) -> String {
    let mut scanner = Scanner {
        rest: text,
        code: String::with_capacity(text.len()),
    };
    while !scanner.rest.is_empty() {
        scanner.step();
    }
    scanner.code
}

struct Scanner<'a> {
    rest: &'a str,
    code: String,
}

impl Scanner<'_> {
    /// Consumes one literal, comment, word or character.
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(block_comment(rest));
        } else if let Some(length) = raw_string(rest) {
            self.blank(length);
        } else if let Some(length) = quoted(rest, '"') {
            self.blank(length);
        } else if let Some(length) = character(rest) {
            self.blank(length);
        } else {
            // A whole word at once: the `r` that ends `user` does not begin a raw string.
            let word = rest
                .find(|character: char| !is_word(character))
                .unwrap_or(rest.len());
            let length = if word > 0 {
                word
            } else {
                rest.chars().next().map_or(0, char::len_utf8)
            };
            let prefix =
                matches!(&rest[..length], "b" | "c") && rest[length..].starts_with(['"', '\'']);
            self.code
                .push_str(if prefix { " " } else { &rest[..length] });
            self.rest = &rest[length..];
        }
    }

    fn blank(&mut self, length: usize) {
        let (literal, rest) = self.rest.split_at(length);
        self.code.extend(
            literal
                .chars()
                .map(|character| if character == '\n' { '\n' } else { ' ' }),
        );
        self.rest = rest;
    }
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of `r"…"`, `r#"…"#`, `br#"…"#` and the like.
fn raw_string(text: &str) -> Option<usize> {
    let after = ["r", "br", "cr"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - body.len();
    Some(
        body.find(&end)
            .map_or(text.len(), |found| start + found + end.len()),
    )
}

/// The length of a literal that begins with `quote` and ends with the next one that no backslash stands before.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let body = text.strip_prefix(quote)?;
    let mut escaped = false;
    for (at, character) in body.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return Some(quote.len_utf8() + at + quote.len_utf8());
        }
    }
    Some(text.len())
}

/// The length of a character literal; `None` for a lifetime, which begins alike.
fn character(text: &str) -> Option<usize> {
    let mut body = text.strip_prefix('\'')?.chars();
    match body.next()? {
        '\\' => quoted(text, '\''),
        inner if body.next() == Some('\'') => Some(2 + inner.len_utf8()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let code = only(text);
        assert_eq!(
            code.lines().count(),
            text.lines().count(),
            "lines moved in {text:?}"
        );
        let squeezed = code.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed, expected, "{text:?}");
    }

    #[test]
    fn comments_are_not_code() {
        check("a // b\nc", "a c");
        check("//! b\n/// c\nd", "d");
        check("a /* b /* c */ d */ e", "a e");
        check("a /* b\nc */ d", "a d");
        check("a /* open", "a");
        check("a / b", "a / b");
    }

    #[test]
    fn literals_are_not_code() {
        check(r#"f("sleep(1) // no comment", x)"#, "f( , x)");
        check(r#"f("a \" b", x)"#, "f( , x)");
        check(r#"f("a \\", x)"#, "f( , x)");
        check("f(r\"a \\\", x)", "f( , x)");
        check("f(r#\"a \" b\"#, x)", "f( , x)");
        check("f(br##\"a \"# b\"##, x)", "f( , x)");
        check("f(b\"a\", c\"b\", b'\\'', x)", "f( , , , x)");
        check(
            r"f('a', '\'', '\u{1F600}', '한', '/', x)",
            "f( , , , , , x)",
        );
        check("f(\"open", "f(");
    }

    #[test]
    fn lifetimes_raw_names_and_words_ending_in_r_are_code() {
        check(
            "fn f<'a>(user: &'a str) { r#type }",
            "fn f<'a>(user: &'a str) { r#type }",
        );
        check("matches!(var, \"x\")", "matches!(var, )");
        check("c + b", "c + b");
        check("이름('값')", "이름( )");
    }
}

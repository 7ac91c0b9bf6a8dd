//! The rules about a file's text: a module doc, a length, no unfinished work, no sleeping test, one guarded fetcher.

use super::{Violation, code};

/// House number: a longer file has two subjects.
const LONGEST: usize = 600;

/// What marks unfinished work. Written in two halves, or this file would be the first finding.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
];

/// Whether a file of this name is read by the rules.
pub fn is_source(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, end)| matches!(end, "rs" | "sql" | "toml" | "py" | "sh"))
}

/// Checks one file. `path` is relative to the workspace, with `/` between its parts.
pub fn check(path: &str, text: &str) -> Vec<Violation> {
    let mut violations = unfinished(path, text);
    if !path.ends_with(".rs") {
        return violations;
    }
    if !path.ends_with("/build.rs") && !text.trim_start().starts_with("//!") {
        violations.push(Violation {
            place: path.into(),
            finding: "the file does not begin with a module doc".into(),
            why: "Begin it with //! lines: what this is, who calls it, what may fail.",
        });
    }
    let length = text.lines().count();
    if length > LONGEST {
        violations.push(Violation {
            place: path.into(),
            finding: format!("{length} lines, {LONGEST} are allowed"),
            why: "A file that long has more than one subject: split it where the subjects meet.",
        });
    }
    let code = code::only(text);
    violations.extend(sleeping_tests(path, &code));
    violations.extend(unguarded_requests(path, &code));
    violations
}

fn unfinished(path: &str, text: &str) -> Vec<Violation> {
    numbered(text)
        .filter_map(|(number, line)| {
            let mark = UNFINISHED.iter().find(|mark| has_word(line, mark))?;
            Some(Violation {
                place: format!("{path}:{number}"),
                finding: format!("`{mark}` marks unfinished work"),
                why: "Finish it, or take it out and file an issue: users run what is here.",
            })
        })
        .collect()
}

/// Sleeping in tests: everywhere in test files, and below `#[cfg(test)]` in others.
fn sleeping_tests(path: &str, code: &str) -> Vec<Violation> {
    let test_file = path.contains("/tests/") || path.ends_with("/tests.rs");
    let mut in_tests = test_file;
    let mut violations = Vec::new();
    for (number, line) in numbered(code) {
        in_tests |= line.contains("#[cfg(test)]");
        if in_tests && calls_sleep(line) {
            violations.push(Violation {
                place: format!("{path}:{number}"),
                finding: "a test sleeps".into(),
                why: "It is slow when it works and fails when the machine is busy: wait for the event itself, or pass \
                      the time in.",
            });
        }
    }
    violations
}

/// Whether the code calls a function named `sleep` or `sleep_until`, not a method of that name on a test's own clock.
fn calls_sleep(line: &str) -> bool {
    ["sleep(", "sleep_until(", "sleep_ms("].iter().any(|call| {
        line.match_indices(call).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let declared = line[..at].trim_end().ends_with("fn");
            !declared && !before.is_some_and(|character| is_word(character) || character == '.')
        })
    })
}

fn unguarded_requests(path: &str, code: &str) -> Vec<Violation> {
    let fetcher =
        path == "crates/engine/src/fetch.rs" || path.starts_with("crates/engine/src/fetch/");
    if !path.starts_with("crates/engine/") || fetcher {
        return Vec::new();
    }
    numbered(code)
        .filter(|(_, line)| has_word(line, "reqwest"))
        .map(|(number, _)| Violation {
            place: format!("{path}:{number}"),
            finding: "reqwest is named outside fetch".into(),
            why: "Every address a user gives goes through the one guarded fetcher, which refuses the operator's own \
                  network.",
        })
        .collect()
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// Whether `word` stands in `line` by itself; a word that ends in punctuation ends there.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..]
            .chars()
            .next()
            .filter(|_| word.ends_with(is_word));
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(path, text)
            .into_iter()
            .map(|violation| format!("{}: {}", violation.place, violation.finding))
            .collect()
    }

    fn keeps(path: &str, text: &str) {
        assert_eq!(findings(path, text), Vec::<String>::new(), "{path}: {text}");
    }

    fn breaks(path: &str, text: &str, place: &str, word: &str) {
        let findings = findings(path, text);
        assert_eq!(findings.len(), 1, "{path}: {text}: {findings:?}");
        assert!(
            findings[0].starts_with(&format!("{place}: ")) && findings[0].contains(word),
            "{findings:?}"
        );
    }

    #[test]
    fn a_file_begins_with_its_module_doc() {
        keeps("crates/x/src/a.rs", "//! What this is.\n\nfn f() {}\n");
        keeps("crates/x/src/a.rs", "\n//! What this is.\n");
        keeps("crates/x/build.rs", "fn main() {}\n");
        breaks(
            "crates/x/src/a.rs",
            "fn f() {}\n",
            "crates/x/src/a.rs",
            "module doc",
        );
        breaks(
            "crates/x/src/a.rs",
            "// What this is.\n",
            "crates/x/src/a.rs",
            "module doc",
        );
        breaks(
            "crates/x/tests/story.rs",
            "use x;\n//! Late.\n",
            "crates/x/tests/story.rs",
            "module doc",
        );
        breaks("crates/x/src/a.rs", "", "crates/x/src/a.rs", "module doc");
    }

    #[test]
    fn a_file_has_a_longest_length() {
        let lines = |count: usize| "//! Doc.\n".repeat(count);
        keeps("crates/x/src/a.rs", &lines(LONGEST));
        breaks(
            "crates/x/src/a.rs",
            &lines(LONGEST + 1),
            "crates/x/src/a.rs",
            "601 lines",
        );
    }

    #[test]
    fn unfinished_work_is_found_in_code_comments_and_other_languages() {
        for mark in UNFINISHED {
            let line = format!("//! Doc.\n// {mark} later\n");
            breaks(
                "crates/x/src/a.rs",
                &line,
                "crates/x/src/a.rs:2",
                "unfinished",
            );
            breaks("crates/x/a.sql", &line, "crates/x/a.sql:2", "unfinished");
            breaks(
                "crates/x/src/a.rs",
                &format!("//! Doc.\nf({mark}:"),
                "crates/x/src/a.rs:2",
                "unfinished",
            );
        }
        let longer = format!("//! MAS{0}NT, {0}S and the method todo().\n", UNFINISHED[0]);
        keeps("crates/x/src/a.rs", &longer);
    }

    #[test]
    fn tests_do_not_sleep() {
        let doc = "//! Doc.\n";
        for call in [
            "std::thread::sleep(d)",
            "tokio::time::sleep(d).await",
            "sleep(d)",
            "time::sleep_until(t).await",
        ] {
            let line = format!("{doc}fn f() {{ {call}; }}\n");
            breaks(
                "crates/x/tests/a.rs",
                &line,
                "crates/x/tests/a.rs:2",
                "sleeps",
            );
            breaks(
                "crates/x/src/a/tests.rs",
                &line,
                "crates/x/src/a/tests.rs:2",
                "sleeps",
            );
            let below = format!("{doc}#[cfg(test)]\nmod tests {{\n    {call};\n}}\n");
            breaks("crates/x/src/a.rs", &below, "crates/x/src/a.rs:4", "sleeps");
            keeps("crates/x/src/a.rs", &line);
        }
        keeps(
            "crates/x/tests/a.rs",
            "//! Doc.\n// No test may sleep(1).\nfn sleep(d: u8) {}\n",
        );
        keeps(
            "crates/x/tests/a.rs",
            "//! Doc.\nfn f() { clock.sleep(d); asleep(d); g(\"sleep(1)\") }\n",
        );
    }

    #[test]
    fn only_the_fetcher_of_engine_sends_requests() {
        let code = "//! Doc.\nuse reqwest::Client;\n";
        breaks(
            "crates/engine/src/ingest.rs",
            code,
            "crates/engine/src/ingest.rs:2",
            "reqwest",
        );
        breaks(
            "crates/engine/src/fetching.rs",
            code,
            "crates/engine/src/fetching.rs:2",
            "reqwest",
        );
        keeps("crates/engine/src/fetch.rs", code);
        keeps("crates/engine/src/fetch/guard.rs", code);
        keeps("crates/ai/src/http.rs", code);
        keeps(
            "crates/engine/src/ingest.rs",
            "//! Sends nothing through reqwest.\n",
        );
    }

    #[test]
    fn only_sources_are_read() {
        for (name, expected) in [
            ("a.rs", true),
            ("0001.sql", true),
            ("Cargo.toml", true),
            ("a.png", false),
            ("LICENSE", false),
        ] {
            assert_eq!(is_source(name), expected, "{name}");
        }
    }
}

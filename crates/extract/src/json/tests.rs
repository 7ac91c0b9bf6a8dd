//! What values become, and what is refused.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(json: &str, expected: &[&str]) {
    let document = read(json.as_bytes(), &Limits::default()).expect("readable");
    let texts: Vec<_> = document
        .blocks
        .iter()
        .map(|block| block.text.as_str())
        .collect();
    assert_eq!(texts, expected);
}

#[track_caller]
fn check_refused(json: &str, reason: &str) {
    let error = read(json.as_bytes(), &Limits::default()).expect_err("refused");
    assert_eq!(error.to_string(), reason);
}

#[test]
fn values_become_readable_lines() {
    check(
        r#"[{"question":"How long?","answer":"30 days"},{"question":"Why?","answer":null}]"#,
        &["question: How long?\nanswer: 30 days", "question: Why?"],
    );
    check(
        r#"{"shop":{"name":"오크라","open":true},"days":[1,2.5,-3],"empty":[],"none":{}}"#,
        &["shop.name: 오크라\nshop.open: true\ndays: 1, 2.5, -3"],
    );
    check(
        r#"{"data":{"items":[{"name":"Gasket","sizes":[{"mm":54},{"mm":58}]},{"name":"Hose"}]},"total":2}"#,
        &[
            "items.name: Gasket",
            "sizes.mm: 54",
            "sizes.mm: 58",
            "items.name: Hose",
            "total: 2",
        ],
    );
}

#[test]
fn json_lines_and_lone_values() {
    check("{\"a\":1}\n{\"a\":2}\n", &["a: 1", "a: 2"]);
    check("\u{feff}\"text\"", &["text"]);
    check("[\"a\",\"b\\nc\"]", &["a, b\nc"]);
    check("[[1,2],[3,4]]", &["1, 2\n3, 4"]);
    check("null", &[]);
}

#[test]
fn broken_files_say_where() {
    check_refused(
        "{\"a\":\n1",
        "The file is damaged: it ends too early (line 2, column 1).",
    );
    check_refused(
        "{\"a\" 1}",
        "The file is damaged: it is not valid JSON (line 1, column 6).",
    );
    check_refused(
        "{}\nnot json",
        "The file is damaged: it is not valid JSON (line 2, column 2).",
    );
}

#[test]
fn deep_nesting_is_refused() {
    let reason = "The file is nested too deeply: more than 126 levels.";
    check_refused(&"[".repeat(10_000), reason);
    check_refused(
        &format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)),
        reason,
    );
    check(&format!("{}1{}", "[".repeat(126), "]".repeat(126)), &["1"]);
    check("[\"[[[[\\\"[[[[\"]", &["[[[[\"[[[["]);
}

#[test]
fn repeated_keys_cannot_fill_memory() {
    let key = "k".repeat(100_000);
    let values: Vec<String> = (0..1000).map(|value| format!("\"{value}\":1")).collect();
    let limits = Limits {
        max_output_chars: 1_000_000,
        ..Limits::default()
    };
    let outcome = read(
        format!("{{\"{key}\":{{{}}}}}", values.join(",")).as_bytes(),
        &limits,
    );
    assert!(matches!(outcome, Err(ExtractError::TooLarge(_))));
}

proptest! {
    #[test]
    fn any_text_gets_an_answer(json in "([\\[\\]{}:,\"\\\\ 0-9a-c\n]|true|null|\\PC){0,100}") {
        let _ = read(json.as_bytes(), &Limits::default());
    }
}

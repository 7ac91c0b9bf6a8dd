//! The text of a document, which people paste as JSON or as YAML.

use std::time::{Duration, Instant};

use okra_domain::error::{Error, Result};
use okra_extract::{ExtractError, Limits, yaml_value};
use serde_json::Value;

/// Bytes of YAML that are read: aliases make more of it than is written, so its end is not left to the request's.
const MAX_YAML_BYTES: usize = 4 * 1024 * 1024;
/// How long reading it may take.
const TIME: Duration = Duration::from_secs(10);

/// What a text holds: JSON where it begins as an object of JSON does, YAML else. Takes its time: off the threads that
/// answer.
pub async fn read_document(text: String) -> Result<Value> {
    let read = tokio::task::spawn_blocking(move || read(&text)).await;
    read.map_err(|error| Error::internal("the reading of a document stopped", error))?
}

fn read(text: &str) -> Result<Value> {
    let refused = |problem: String| Error::invalid_field("document", problem);
    // What editors put before a text.
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('{') {
        let read = serde_json::from_str(text);
        return read.map_err(|error| refused(format!("is not valid JSON: {error}")));
    }
    if text.len() > MAX_YAML_BYTES {
        let problem = "is longer than 4 MB, which is the most for YAML; give it as JSON, or without what no tool needs";
        return Err(refused(problem.to_owned()));
    }
    let limits = Limits {
        deadline: Some(Instant::now() + TIME),
        ..Limits::default()
    };
    yaml_value(text, &limits).map_err(|error| {
        refused(match error {
            ExtractError::Damaged(reason) => format!("cannot be read: {reason}"),
            ExtractError::TooLarge(reason) => format!("is too large: {reason}"),
            ExtractError::TooDeep(most) => format!("is nested more than {most} levels deep"),
            other => other.to_string(),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_and_yaml_are_told_apart() {
        let check = |text: &str, expected: Value| assert_eq!(read(text).expect(text), expected);
        check("{\"openapi\": \"3.1.0\"}", json!({"openapi": "3.1.0"}));
        check(
            "\u{feff} {\"openapi\": \"3.1.0\"}\n",
            json!({"openapi": "3.1.0"}),
        );
        check("openapi: 3.1.0\n", json!({"openapi": "3.1.0"}));
        check(
            "# ours\n---\nopenapi: '3.0.3'\n",
            json!({"openapi": "3.0.3"}),
        );
        check("", Value::Null);
    }

    #[test]
    fn a_text_that_is_neither_says_why() {
        let check = |text: &str, expected: &str| {
            let error = read(text).expect_err("refused");
            assert_eq!(error.details[0].field, "document");
            assert!(error.message.contains(expected), "{error}");
        };
        check("{\"a\": 1", "not valid JSON");
        check("a: [1", "not valid YAML (line");
        check(&"a".repeat(MAX_YAML_BYTES + 1), "longer than 4 MB");
        check(&"- ".repeat(500), "more than 128 levels");
        let mut bomb = String::from("a0: &a0 [x, x]\n");
        for level in 1..30 {
            let inner = format!("*a{}, ", level - 1).repeat(9);
            bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        check(&bomb, "aliases included");
    }
}

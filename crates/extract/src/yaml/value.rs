//! YAML as the JSON value that it stands for, for whoever reads documents that come in both.
//!
//! Plain scalars are read by YAML 1.2's core schema, so `no` is a text and `3.10` a number. Aliases stand for whole
//! values here, whose copies count like what is written: a document of aliases of aliases is refused once it would be
//! longer than one may be.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

use super::{EVENTS_PER_DEADLINE_CHECK, reason};
use crate::{ExtractError, Limits, guard};

/// Most values of a document, with those that its aliases stand for.
const MAX_VALUES: usize = 500_000;

/// Reads one YAML document as JSON.
///
/// # Errors
/// An [`ExtractError`] that says what is wrong, and where: the text is no YAML, holds several documents, keys that are
/// no texts or aliases of nothing, is nested more deeply than `limits` allow, or stands for more values or text.
pub fn yaml_value(text: &str, limits: &Limits) -> Result<Value, ExtractError> {
    let (text, limits_there) = (text.to_owned(), limits.clone());
    guard::run(limits, move |_| read(&text, &limits_there))
}

fn read(text: &str, limits: &Limits) -> Result<Value, ExtractError> {
    let mut builder = Builder {
        limits,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        values: 0,
        bytes: 0,
    };
    for (count, event) in Parser::new_from_str(text).enumerate() {
        if count.is_multiple_of(EVENTS_PER_DEADLINE_CHECK) {
            limits.check_deadline()?;
        }
        let (event, _) = event.map_err(|error| reason(&error))?;
        builder.event(event)?;
    }
    Ok(builder.root.map_or(Value::Null, |built| built.value))
}

/// A value with what it takes, so that a copy of it is charged without being looked through.
#[derive(Clone)]
struct Built {
    value: Value,
    /// Levels of nesting: none of a scalar.
    height: usize,
    values: usize,
    /// Bytes of its texts and keys.
    bytes: usize,
}

impl Built {
    fn text(text: &str) -> Self {
        Self {
            value: Value::String(text.to_owned()),
            height: 0,
            values: 1,
            bytes: text.len(),
        }
    }
}

/// A collection that is open.
struct Open {
    collection: Collection,
    anchor: usize,
    height: usize,
    values: usize,
    bytes: usize,
}

enum Collection {
    Sequence(Vec<Value>),
    /// With the key whose value is next.
    Mapping(Map<String, Value>, Option<String>),
}

struct Builder<'l> {
    limits: &'l Limits,
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    root: Option<Built>,
    /// What was made so far, copies for anchors and aliases included.
    values: usize,
    bytes: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>) -> Result<(), ExtractError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(Open {
                    collection: Collection::Mapping(_, key @ None),
                    ..
                }) = self.open.last_mut()
                {
                    *key = Some(text.clone().into_owned());
                    return self.remember(anchor, &Built::text(&text));
                }
                let mut built = Built::text(&text);
                if style == ScalarStyle::Plain && !is_text(tag.as_deref()) {
                    built.value = plain(&text);
                }
                self.charge(&built)?;
                self.remember(anchor, &built)?;
                self.add(built)
            }
            Event::Alias(anchor) => self.alias(anchor),
            Event::SequenceStart(anchor, _) => self.begin(anchor, Collection::Sequence(Vec::new())),
            Event::MappingStart(anchor, _) => {
                self.begin(anchor, Collection::Mapping(Map::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::DocumentStart(_) if self.root.is_some() => Err(damaged(
                "it holds several YAML documents, where one is read",
            )),
            _ => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize) -> Result<(), ExtractError> {
        // An anchor within itself is not there yet.
        let Some(built) = self.anchors.get(&anchor).cloned() else {
            return Err(damaged("an alias in it stands for what it is part of"));
        };
        if let Some(Open {
            collection: Collection::Mapping(_, key @ None),
            ..
        }) = self.open.last_mut()
        {
            let Value::String(text) = built.value else {
                return Err(odd_key());
            };
            *key = Some(text);
            return Ok(());
        }
        self.charge(&built)?;
        self.add(built)
    }

    fn begin(&mut self, anchor: usize, collection: Collection) -> Result<(), ExtractError> {
        if let Some(Open {
            collection: Collection::Mapping(_, None),
            ..
        }) = self.open.last()
        {
            return Err(odd_key());
        }
        if self.open.len() >= self.limits.max_depth {
            return Err(ExtractError::TooDeep(self.limits.max_depth));
        }
        self.count(1, 0)?;
        self.open.push(Open {
            collection,
            anchor,
            height: 0,
            values: 1,
            bytes: 0,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ExtractError> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let built = Built {
            value: match open.collection {
                Collection::Sequence(values) => Value::Array(values),
                Collection::Mapping(map, _) => Value::Object(map),
            },
            height: open.height + 1,
            values: open.values,
            bytes: open.bytes,
        };
        self.remember(open.anchor, &built)?;
        self.add(built)
    }

    /// Puts a value where it belongs; what it takes was charged.
    fn add(&mut self, built: Built) -> Result<(), ExtractError> {
        // A copy may be as deep as what it was made of, further down.
        if self.open.len() + built.height > self.limits.max_depth {
            return Err(ExtractError::TooDeep(self.limits.max_depth));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(built);
            return Ok(());
        };
        open.height = open.height.max(built.height);
        open.values += built.values;
        open.bytes += built.bytes;
        match &mut open.collection {
            Collection::Sequence(values) => values.push(built.value),
            Collection::Mapping(map, key) => {
                let key = key.take().unwrap_or_default();
                open.bytes += key.len();
                let bytes = key.len();
                match key.as_str() {
                    "<<" => merge(map, built.value)?,
                    _ => {
                        map.insert(key, built.value);
                    }
                }
                self.count(0, bytes)?;
            }
        }
        Ok(())
    }

    /// Keeps a copy for the aliases of this anchor; 0 is none.
    fn remember(&mut self, anchor: usize, built: &Built) -> Result<(), ExtractError> {
        if anchor > 0 {
            self.charge(built)?;
            self.anchors.insert(anchor, built.clone());
        }
        Ok(())
    }

    fn charge(&mut self, built: &Built) -> Result<(), ExtractError> {
        self.count(built.values, built.bytes)
    }

    fn count(&mut self, values: usize, bytes: usize) -> Result<(), ExtractError> {
        self.values += values;
        self.bytes += bytes;
        if self.values > MAX_VALUES {
            let what = format!("it stands for more than {MAX_VALUES} values, aliases included");
            return Err(ExtractError::too_large(what));
        }
        if self.bytes > self.limits.max_output_chars {
            let most = self.limits.max_output_chars;
            let what = format!("it stands for more than {most} bytes of text, aliases included");
            return Err(ExtractError::too_large(what));
        }
        Ok(())
    }
}

/// Adds what `<<` names to a mapping. What the mapping says itself wins, whether it stands before or behind: a later
/// entry takes the place of an earlier one.
fn merge(map: &mut Map<String, Value>, value: Value) -> Result<(), ExtractError> {
    let parts = match value {
        Value::Array(parts) => parts,
        part => vec![part],
    };
    for part in parts {
        let Value::Object(part) = part else {
            return Err(damaged("<< in it names what is no mapping"));
        };
        for (key, value) in part {
            map.entry(key).or_insert(value);
        }
    }
    Ok(())
}

fn is_text(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str")
}

/// What a plain scalar stands for in the core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let number = number(text);
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(unsigned(digits)?, 16)
            .ok()
            .map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(unsigned(digits)?, 8)
            .ok()
            .map(Number::from);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let signed = text.strip_prefix('+').unwrap_or(text);
        let whole = signed.parse::<u64>().map(Number::from);
        let whole = whole.or_else(|_| signed.parse::<i64>().map(Number::from));
        return whole.ok().or_else(|| Number::from_f64(text.parse().ok()?));
    }
    // What Rust reads beyond digits, a point and an exponent (`inf`, `nan`) is a text here.
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    is_number
        .then(|| text.parse().ok())
        .flatten()
        .and_then(Number::from_f64)
}

/// Digits without the sign that `from_str_radix` would take.
fn unsigned(digits: &str) -> Option<&str> {
    Some(digits).filter(|digits| !digits.starts_with(['+', '-']))
}

fn odd_key() -> ExtractError {
    damaged("a key in it is no text")
}

fn damaged(what: &str) -> ExtractError {
    ExtractError::damaged(what)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(yaml: &str, expected: Value) {
        assert_eq!(yaml_value(yaml, &Limits::default()), Ok(expected));
    }

    #[track_caller]
    fn check_refused(yaml: &str, expected: &str) {
        let error = yaml_value(yaml, &Limits::default()).expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn documents_become_what_json_would_say() {
        check(
            "openapi: 3.1.0\npaths:\n  /a/{id}:\n    get: {tags: [x, 'y'], deprecated: false}\n",
            json!({"openapi": "3.1.0", "paths": {"/a/{id}": {"get": {"tags": ["x", "y"], "deprecated": false}}}}),
        );
        check(
            "a: |\n  one\n  two\nb: >\n  one\n  two\n",
            json!({"a": "one\ntwo\n", "b": "one two\n"}),
        );
        check("# only a comment\n", Value::Null);
        check("{\"a\": [1, null, \"x\"]}", json!({"a": [1, null, "x"]}));
        check("---\na: 1\n...\n", json!({"a": 1}));
        check("200: ok\ndefault:\n", json!({"200": "ok", "default": null}));
        check("a: 1\na: 2\n", json!({"a": 2}));
    }

    #[test]
    fn plain_scalars_are_read_by_the_core_schema() {
        let check = |yaml: &str, expected: Value| {
            let read = yaml_value(&format!("a: {yaml}\n"), &Limits::default());
            assert_eq!(read, Ok(json!({"a": expected})), "{yaml}");
        };
        for nothing in ["", "~", "null"] {
            check(nothing, Value::Null);
        }
        check("true", json!(true));
        check("no", json!("no"));
        check("'true'", json!("true"));
        check("!!str 12", json!("12"));
        check("12", json!(12));
        check("-12", json!(-12));
        check("+12", json!(12));
        check("0x1F", json!(31));
        check("0o17", json!(15));
        check("0x-1", json!("0x-1"));
        check("1.50", json!(1.5));
        check("-.5", json!(-0.5));
        check("1e3", json!(1000.0));
        check("18446744073709551615", json!(u64::MAX));
        check("1.2.3", json!("1.2.3"));
        check("2024-01-01", json!("2024-01-01"));
        for text in [".", "e5", ".inf", ".nan", "inf", "nan", "1e999", "한국어"] {
            check(text, json!(text));
        }
    }

    #[test]
    fn aliases_stand_for_what_they_name() {
        check(
            "a: &x {b: [1]}\nc: *x\nd: {<<: *x, e: 2}\n",
            json!({"a": {"b": [1]}, "c": {"b": [1]}, "d": {"b": [1], "e": 2}}),
        );
        check(
            "a: &x {k: 1, l: 1}\nb: &y {l: 2, m: 2}\nc: {k: 0, <<: [*x, *y], m: 3}\n",
            json!({"a": {"k": 1, "l": 1}, "b": {"l": 2, "m": 2}, "c": {"k": 0, "l": 1, "m": 3}}),
        );
        check(
            "&k key: 1\nb: {*k : 2}\n",
            json!({"key": 1, "b": {"key": 2}}),
        );
        check_refused("a: &x [*x]\n", "alias");
        check_refused("a: {<<: 1}\n", "no mapping");
        check_refused("a: *nothing\n", "not valid YAML (line 1");
    }

    #[test]
    fn a_document_is_no_longer_than_it_may_be() {
        let mut bomb = String::from("a0: &a0 [lol, lol]\n");
        for level in 1..40 {
            let inner = format!("*a{}, ", level - 1).repeat(9);
            bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        check_refused(&bomb, "500000 values");
        let long = "x".repeat(100_000);
        let texts = format!("a: &a {long}\nb: [{}]\n", "*a, ".repeat(300));
        check_refused(&texts, "bytes of text");
        // Each is one level deeper than the one it names.
        let mut deep = String::from("a0: &a0 []\n");
        for level in 1..200 {
            deep.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        check_refused(&deep, "more than 128 levels");
        check_refused(&"- ".repeat(5_000), "128 levels");
        check_refused(&"[".repeat(100_000), "");
        check_refused(&"{a: ".repeat(100_000), "");
    }

    #[test]
    fn what_is_no_document_says_so() {
        check_refused("a: [1, 2", "not valid YAML (line");
        check_refused("a: b: c", "not valid YAML (line 1");
        check_refused("a: 1\n---\nb: 2\n", "several");
        check_refused("? [x, y]\n: z\n", "no text");
    }
}

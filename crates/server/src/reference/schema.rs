//! JSON Schema, as OpenAPI 3.1 uses it, in words: a type in a phrase, its fields as a list that nests.
//!
//! Definitions may contain themselves and nest without end. A definition that is being written is therefore not
//! entered again, and below [`DEPTH`] only its name is given, as a link to where it is written in full.

use serde_json::Value;

use super::html::Html;
use super::{Document, markdown, object};

/// How many levels of fields are shown in one place; deeper ones are a link away.
const DEPTH: usize = 4;
/// How many types within types a phrase names, such as the items of an array of arrays.
const PHRASE_DEPTH: usize = 6;

/// Writes the definition of a named schema in full.
pub fn write_definition<'a>(
    page: &mut Html,
    document: &Document<'a>,
    name: &'a str,
    definition: &'a Value,
) {
    page.raw("<p class=\"media\">");
    write_type(page, document, definition);
    write_constraints(page, definition);
    page.raw("</p>\n");
    markdown::write(page, definition["description"].as_str().unwrap_or_default());
    Fields {
        document,
        open: vec![name],
    }
    .write(page, definition, 0);
    let examples = definition["examples"].as_array().into_iter().flatten();
    for example in definition.get("example").into_iter().chain(examples) {
        page.raw("<p class=\"label\">Example</p>\n<pre tabindex=\"0\"><code>")
            .text(&format!("{example:#}"));
        page.raw("</code></pre>\n");
    }
}

/// Writes the fields of a schema, where it has any.
pub fn write_fields<'a>(page: &mut Html, document: &Document<'a>, definition: &'a Value) {
    Fields {
        document,
        open: Vec::new(),
    }
    .write(page, definition, 0);
}

/// Writes what kind of value a schema describes, as a phrase with links to the schemas it names.
pub fn write_type(page: &mut Html, document: &Document<'_>, definition: &Value) {
    page.raw("<span class=\"type\">");
    phrase(page, document, definition, 0);
    page.raw("</span>");
}

fn phrase(page: &mut Html, document: &Document<'_>, definition: &Value, depth: usize) {
    if depth > PHRASE_DEPTH {
        page.raw("…");
        return;
    }
    if let Some(reference) = definition["$ref"].as_str() {
        return link(page, document, reference);
    }
    if let Some(value) = definition.get("const") {
        page.raw("<code>").text(&one_line(value)).raw("</code>");
        return;
    }
    if let Some(values) = definition["enum"].as_array() {
        for (index, value) in values.iter().enumerate() {
            page.raw(if index == 0 {
                "one of <code>"
            } else {
                ", <code>"
            })
            .text(&one_line(value))
            .raw("</code>");
        }
        return;
    }
    for (key, separator) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(parts) = definition[key].as_array() {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    page.raw(separator);
                }
                phrase(page, document, part, depth + 1);
            }
            return;
        }
    }
    for (index, kind) in kinds(definition).into_iter().enumerate() {
        if index > 0 {
            page.raw(" or ");
        }
        one_kind(page, document, definition, kind, depth);
    }
}

/// The words under `type`; without any, what the other keywords show.
fn kinds(definition: &Value) -> Vec<&str> {
    match &definition["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ if definition.get("properties").is_some() => vec!["object"],
        _ if definition.get("items").is_some() => vec!["array"],
        _ => vec!["any value"],
    }
}

fn one_kind(
    page: &mut Html,
    document: &Document<'_>,
    definition: &Value,
    kind: &str,
    depth: usize,
) {
    match kind {
        "array" => match definition.get("items") {
            Some(items) => {
                page.raw("array of ");
                phrase(page, document, items, depth + 1);
            }
            None => {
                page.raw("array");
            }
        },
        "object" => match definition
            .get("additionalProperties")
            .filter(|values| values.is_object())
        {
            Some(values) => {
                page.raw("object, whose values are ");
                phrase(page, document, values, depth + 1);
            }
            None => {
                page.raw("object");
            }
        },
        "null" => {
            page.raw("null");
        }
        other => {
            page.text(other);
            if let Some(format) = definition["format"].as_str() {
                page.raw(" (").text(format).raw(")");
            }
        }
    }
}

fn link(page: &mut Html, document: &Document<'_>, reference: &str) {
    let name = name_of(reference);
    match document.schema_anchors.get(name.as_str()) {
        Some(anchor) => page
            .raw("<a href=\"#")
            .text(anchor)
            .raw("\"><code>")
            .text(&name)
            .raw("</code></a>"),
        None => page.raw("<code>").text(&name).raw("</code>"),
    };
}

/// The name that a reference ends with, without JSON Pointer's escapes (RFC 6901).
fn name_of(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or_default();
    name.replace("~1", "/").replace("~0", "~")
}

/// Writes the limits of a value: lengths, bounds, a pattern, a default.
pub fn write_constraints(page: &mut Html, definition: &Value) {
    const WORDS: [(&str, &str); 12] = [
        ("minimum", "at least "),
        ("exclusiveMinimum", "more than "),
        ("maximum", "at most "),
        ("exclusiveMaximum", "less than "),
        ("minLength", "shortest length "),
        ("maxLength", "greatest length "),
        ("minItems", "fewest items "),
        ("maxItems", "most items "),
        ("pattern", "matches "),
        ("contentEncoding", "encoded as "),
        ("contentMediaType", "holds "),
        ("default", "default "),
    ];
    for (key, words) in WORDS {
        if let Some(value) = definition.get(key) {
            page.raw("<span class=\"limit\">, ")
                .raw(words)
                .raw("<code>")
                .text(&one_line(value))
                .raw("</code></span>");
        }
    }
}

/// A value in one line, as JSON.
pub fn one_line(value: &Value) -> String {
    value.to_string()
}

/// Writes fields within fields.
struct Fields<'d, 'a> {
    document: &'d Document<'a>,
    /// The named schemas that are being written, the outermost first.
    open: Vec<&'a str>,
}

impl<'a> Fields<'_, 'a> {
    /// Writes the fields of `definition`, of what it refers to, and of its items.
    fn write(&mut self, page: &mut Html, definition: &'a Value, depth: usize) {
        if depth > DEPTH {
            return;
        }
        if let Some(reference) = definition["$ref"].as_str() {
            return self.write_named(page, reference, definition, depth);
        }
        self.write_properties(page, definition, depth);
        for key in ["oneOf", "anyOf", "allOf"] {
            for part in definition[key].as_array().into_iter().flatten() {
                self.write(page, part, depth + 1);
            }
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = definition.get(key).filter(|inner| inner.is_object()) {
                self.write(page, inner, depth + 1);
            }
        }
    }

    fn write_named(
        &mut self,
        page: &mut Html,
        reference: &str,
        definition: &'a Value,
        depth: usize,
    ) {
        let target = self.document.resolve(definition);
        let name = name_of(reference);
        let known = self
            .document
            .schema_anchors
            .keys()
            .find(|known| ***known == *name)
            .copied();
        let Some(known) = known.filter(|known| !self.open.contains(known)) else {
            return;
        };
        self.open.push(known);
        self.write(page, target, depth);
        self.open.pop();
    }

    fn write_properties(&mut self, page: &mut Html, definition: &'a Value, depth: usize) {
        let Some(properties) =
            object(&definition["properties"]).filter(|properties| !properties.is_empty())
        else {
            return;
        };
        let required: Vec<&str> = definition["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        page.raw("<ul class=\"fields\">\n");
        for (name, property) in properties {
            page.raw("<li><code>").text(name).raw("</code> ");
            write_type(page, self.document, property);
            write_constraints(page, property);
            if required.contains(&name.as_str()) {
                page.raw(" <span class=\"required\">required</span>");
            }
            if property["deprecated"] == true {
                page.raw(" <span class=\"deprecated\">deprecated</span>");
            }
            page.raw("\n");
            markdown::write(page, property["description"].as_str().unwrap_or_default());
            if let Some(example) = property.get("example") {
                page.raw("<p>Example: <code>")
                    .text(&one_line(example))
                    .raw("</code></p>\n");
            }
            self.write(page, property, depth + 1);
            page.raw("</li>\n");
        }
        page.raw("</ul>\n");
    }
}

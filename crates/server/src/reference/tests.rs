//! A realistic document, a hostile one, and ones that have no end.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::*;

/// One passage that an answer rests on.
#[derive(Serialize, Deserialize, ToSchema)]
struct Source {
    /// How well it matches, from 0 to 1.
    #[schema(minimum = 0, maximum = 1, example = 0.87)]
    similarity: f64,
    /// A page of the document, where it has pages.
    page: Option<u32>,
    kind: SourceKind,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum SourceKind {
    File,
    Url,
}

/// An answer.
#[derive(Serialize, Deserialize, ToSchema)]
struct Answer {
    text: String,
    sources: Vec<Source>,
    best: Option<Source>,
    #[schema(no_recursion)]
    follow_ups: Vec<Answer>,
}

#[derive(Serialize, Deserialize, ToSchema)]
struct Question {
    /// What the visitor asks, in **any** language.
    #[schema(max_length = 4000, example = "환불은 어떻게 받나요?")]
    question: String,
}

/// Ask a chatbot
///
/// The answer comes from its knowledge:
/// - `sources` says from where,
/// - nothing is made up.
#[utoipa::path(
    post, path = "/chatbots/{id}/ask", tag = "Chat", security(("key" = [])),
    params(("id" = uuid::Uuid, Path, description = "Whom to ask"), ("lang" = Option<String>, Query, description = "Such as `ko`")),
    request_body(content = Question, content_type = "application/json"),
    responses(
        (status = 200, description = "The answer", body = Answer, example = json!({"text": "7일 안에", "sources": []})),
        (status = 404, description = "There is no such chatbot"),
    )
)]
#[expect(dead_code, reason = "only its description is used")]
fn ask() {}

/// Whether the process is up
#[utoipa::path(get, path = "/healthz", security(()), responses((status = 200, description = "It is", body = String, content_type = "text/plain")))]
#[expect(dead_code, reason = "only its description is used")]
fn health() {}

#[derive(OpenApi)]
#[openapi(
    info(title = "Sample", version = "1.2.3", description = "Ask *anything*.\n\nSee [the site](https://example.org)."),
    servers((url = "https://api.example.org", description = "The example")),
    tags((name = "Chat", description = "Questions and answers")),
    paths(ask, health), components(schemas(Answer, Question)), modifiers(&Key)
)]
struct Sample;

struct Key;

impl Modify for Key {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key."))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

fn sample() -> String {
    render(&serde_json::to_value(Sample::openapi()).unwrap())
}

/// The text of a page, without its tags, with one space between words.
fn text_of(page: &str) -> String {
    let body = page.split_once("</style>").map_or(page, |(_, body)| body);
    let text: String = body
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text))
        .collect();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
}

fn check(page: &str, expected: &[&str]) {
    let text = text_of(page);
    for part in expected {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

/// Fails unless every tag is closed in order, every anchor is unique and every link inside the page leads somewhere.
fn assert_sound(page: &str) {
    const EMPTY: [&str; 2] = ["meta", "!doctype"];
    let mut open: Vec<&str> = Vec::new();
    let mut anchors = HashSet::new();
    for tag in page
        .split('<')
        .skip(1)
        .filter_map(|part| part.split_once('>').map(|(tag, _)| tag))
    {
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "in {tag}"),
            None if EMPTY.contains(&name) => {}
            None => open.push(name),
        }
        if let Some(id) = attribute(tag, "id") {
            assert!(anchors.insert(id), "the anchor {id} is given twice");
        }
        assert!(
            !["script", "link", "img", "iframe", "object", "svg", "base"].contains(&name),
            "{tag}"
        );
        assert!(
            attribute(tag, "style").is_none() && !tag.contains(" on"),
            "{tag}"
        );
    }
    assert_eq!(open, Vec::<&str>::new());
    for reference in page
        .split("href=\"#")
        .skip(1)
        .filter_map(|part| part.split('"').next())
    {
        assert!(
            anchors.contains(reference),
            "the link #{reference} leads nowhere"
        );
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

#[test]
fn a_call_is_described_in_full() {
    let page = sample();
    assert_sound(&page);
    check(
        &page,
        &[
            "Sample 1.2.3",
            "Ask anything.",
            "https://api.example.org The example",
            "Send the header Authorization: Bearer &lt;key&gt;. An API key.",
            "Chat Questions and answers",
            "POST /chatbots/{id}/ask Ask a chatbot",
            "sources says from where,",
            "Authentication: key",
            "id requiredpathstring (uuid)Whom to ask",
            "langquery",
            "question string, greatest length 4000 required What the visitor asks, in any language.",
            "Example: \"환불은 어떻게 받나요?\"",
            "200 The answer application/json: Answer",
            "similarity number (double), at least 0, at most 1 required How well it matches, from 0 to 1.",
            "kind SourceKind required",
            "one of \"file\", \"url\"",
            "7일 안에",
            "404 There is no such chatbot",
            "Other GET /healthz Whether the process is up Authentication: none",
            "200 It is text/plain: string",
        ],
    );
}

#[test]
fn optional_values_name_what_they_may_be() {
    check(
        &sample(),
        &[
            "page integer (int32) or null, at least 0",
            "best Source or null",
            "follow_ups array of Answer required",
        ],
    );
}

#[test]
fn the_page_is_small_and_needs_nothing_else() {
    let page = sample();
    assert!(page.len() < 20_000, "{} bytes", page.len());
    let outside: Vec<&str> = page
        .split("://")
        .skip(1)
        .map(|part| part.split(['"', '<', ' ']).next().unwrap())
        .collect();
    assert_eq!(
        outside,
        ["example.org", "api.example.org"],
        "only addresses that the document itself names"
    );
    for word in ["url(", "@import", "src="] {
        assert!(!page.contains(word), "{word} loads something");
    }
    for landmark in [
        "<header>",
        "<nav aria-labelledby=",
        "<main id=\"main\">",
        "<html lang=\"en\">",
    ] {
        assert!(page.contains(landmark), "{landmark}");
    }
}

/// Puts `text` wherever a document can hold text.
fn hostile(text: &str) -> Value {
    let schema = json!({
        "type": text, "format": text, "description": text, "pattern": text, "default": text, "example": text,
        "enum": [text], "properties": { text: { "type": "string", "format": text, "const": text } }, "required": [text],
    });
    let content = json!({ text: { "schema": { "$ref": format!("#/components/schemas/{text}") }, "example": text,
        "examples": { text: { "summary": text, "value": { text: text } } } } });
    json!({
        "info": { "title": text, "version": text, "description": text },
        "servers": [{ "url": text, "description": text }],
        "tags": [{ "name": text, "description": text }],
        "security": [{ text: [] }],
        "paths": { text: { "parameters": [{ "name": text, "in": text, "description": text, "schema": schema, "example": text }],
            "get": { "operationId": text, "summary": text, "description": text, "tags": [text],
                "requestBody": { "description": text, "content": content },
                "responses": { text: { "description": text, "headers": { text: { "description": text } }, "content": content } } } } },
        "components": { "schemas": { text: schema.clone(), "other": { "properties": { "a": schema } } },
            "securitySchemes": { text: { "type": text, "scheme": text, "name": text, "in": text, "description": text } } },
    })
}

#[test]
fn hostile_texts_stay_texts() {
    for text in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onclick='alert(1)",
        "</style></title></code></pre><svg onload=alert(1)>",
        "[x](javascript:alert(1))",
        "```\n</code><script>alert(1)</script>",
        "&lt;script&gt;&#60;b&#62;",
        "한국어 \u{202E} \0 \u{1F600}",
        "a/b~1c~0d%2F#?",
        "",
    ] {
        let page = render(&hostile(text));
        assert_sound(&page);
        assert!(!page.contains("href=\"javascript"), "{text}");
    }
}

#[test]
fn definitions_without_end_are_cut_off() {
    let link = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let document = json!({
        "paths": { "/a": { "get": { "responses": { "200": { "content": { "x": { "schema": link("Tree") } } } } } } },
        "components": { "schemas": {
            "Tree": { "properties": { "children": { "type": "array", "items": link("Tree") }, "other": link("Twin") } },
            "Twin": { "properties": { "twin": link("Tree"), "self": link("Twin") } },
            "Loop": link("Loop"), "Here": link("There"), "There": link("Here"), "Nowhere": link("Missing"),
        } },
    });
    let page = render(&document);
    assert_sound(&page);
    check(
        &page,
        &[
            "children array of Tree",
            "twin Tree",
            "Loop Loop",
            "Nowhere Missing",
        ],
    );
}

#[test]
fn deep_nesting_is_cut_off() {
    let mut schema = json!({ "type": "string" });
    for _ in 0..300 {
        schema = json!({ "type": "array", "items": { "properties": { "inner": schema } } });
    }
    let document = json!({ "components": { "schemas": { "Deep": schema } } });
    let page = render(&document);
    assert_sound(&page);
    assert!(page.len() < 20_000, "{} bytes", page.len());
}

#[test]
fn names_that_look_alike_keep_their_own_anchors() {
    let document = json!({ "components": { "schemas": {
        "a b": {}, "a-b": {}, "a_b": {}, "a--2": {}, "a": {}, "가": {}, "나": { "$ref": "#/components/schemas/가" },
    } } });
    assert_sound(&render(&document));
}

#[test]
fn any_value_gives_a_page() {
    for document in [
        json!(null),
        json!([]),
        json!("x"),
        json!({ "paths": [], "components": 3, "info": [], "tags": {} }),
    ] {
        let page = render(&document);
        assert_sound(&page);
        check(&page, &["API reference"]);
    }
}

#[test]
fn a_methods_own_parameter_replaces_the_paths() {
    let document = json!({ "paths": { "/a": {
        "parameters": [{ "name": "p", "in": "query", "description": "of the path" }, { "$ref": "#/components/parameters/q" }],
        "get": { "parameters": [{ "name": "p", "in": "query", "description": "of the method" }] },
        "put": {},
    } }, "components": { "parameters": { "q": { "name": "q", "in": "header", "description": "shared" } } } });
    let page = render(&document);
    let (get, put) = page.split_once(">PUT<").unwrap();
    assert!(
        get.contains("of the method") && !get.contains("of the path") && get.contains("shared")
    );
    assert!(put.contains("of the path") && put.contains("shared"));
}

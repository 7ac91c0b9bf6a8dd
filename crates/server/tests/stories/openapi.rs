//! The API's description: pinned, whole, and served with its reference page.

use std::collections::HashSet;
use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use okra_server::app::Spec;
use serde_json::Value;

use crate::support::{Stage, text};

stories! {
    the_description_and_the_reference_are_served,
}

/// The seventeen calls: method and path.
const CALLS: [(&str, &str); 17] = [
    ("post", "/chatbot/{chatbotId}/knowledge-base/files"),
    ("get", "/chatbots"),
    ("post", "/chatbots"),
    ("patch", "/chatbots"),
    ("get", "/chatbot/{chatbotId}"),
    ("delete", "/chatbot/{chatbotId}"),
    ("patch", "/chatbot/{chatbotId}/update-avatar"),
    ("patch", "/chatbot/{chatbotId}/voice-agent"),
    ("patch", "/chatbot/{chatbotId}/chat-widget"),
    ("get", "/chatbot/{chatbotId}/knowledge-base"),
    ("delete", "/chatbot/{chatbotId}/knowledge-base"),
    ("patch", "/chatbot/{chatbotId}/knowledge-base"),
    ("post", "/chatbot/{chatbotId}/query-knowledge"),
    ("post", "/chatbot/{chatbotId}/chat"),
    ("get", "/chatbot/{chatbotId}/conversations/{sessionId}"),
    ("get", "/chatbot/{chatbotId}/conversations"),
    (
        "get",
        "/chatbot/{chatbotId}/conversations/{sessionId}/messages",
    ),
];

fn description() -> Value {
    let spec = Spec::render().expect("the description can be rendered");
    serde_json::from_str(&spec.json).expect("JSON")
}

#[test]
fn openapi_json_is_what_the_handlers_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json");
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let rendered = Spec::render()
        .expect("the description can be rendered")
        .json;
    assert!(
        written == rendered,
        "openapi.json is not what the handlers say: run `cargo xtask openapi`, look at the \
         difference, and commit it"
    );
}

#[test]
fn each_of_the_seventeen_calls_is_described() {
    let spec = description();
    let mut ids = HashSet::new();
    for (path, operations) in spec["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let id = text(&operation["operationId"]);
            assert!(ids.insert(id.to_owned()), "{method} {path}: {id} twice");
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{method} {path} has no summary");
        }
    }
    for (method, path) in CALLS {
        let operation = &spec["paths"][format!("/api/external{path}")][method];
        assert!(operation.is_object(), "{method} {path} is not described");
        for placeholder in ["chatbotId", "sessionId"] {
            let parameters = operation["parameters"].to_string();
            let wanted = path.contains(placeholder);
            assert_eq!(parameters.contains(placeholder), wanted, "{method} {path}");
        }
        let answers = operation["responses"].as_object().expect("responses");
        assert!(answers.contains_key("401"), "{method} {path}");
        assert!(answers.keys().any(|status| status.starts_with('2')));
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let spec = description();
    let mut found = Vec::new();
    references(&spec, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(spec.pointer(pointer).is_some(), "{reference}");
    }
    assert_eq!(
        spec["openapi"].as_str().map(|version| &version[..2]),
        Some("3.")
    );
}

async fn the_description_and_the_reference_are_served(stage: Stage) {
    let app = stage.app().await;
    let get = |path: &str| Request::get(path).body(Body::empty()).expect("a request");
    let served = app.nobody().send(get("/openapi.json")).await;
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.expect(200), description());

    let page = app.nobody().send(get("/docs")).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    let html = std::str::from_utf8(&page.body).expect("UTF-8");
    assert!(html.contains("Query knowledge"));
    for loader in [
        "<script", "<link", "<img", "<iframe", "@import", "url(", " src=",
    ] {
        assert!(!html.contains(loader), "{loader} in /docs");
    }
    for href in html.split("href=\"").skip(1) {
        let target = href.split('"').next().unwrap_or_default();
        let own = target.starts_with('#') || target == "/openapi.json";
        assert!(own, "/docs leads to {target}");
    }
}

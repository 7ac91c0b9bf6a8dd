//! Whatever is sent, to whichever call: an answer in the contract's form, and never a fault of the
//! server's own.

use axum::body::Body;
use okra_testkit::provider::MockProvider;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::support::{Bot, Client, Stage, TestApp, list, text};

stories! {
    no_body_brings_any_call_down,
    no_mutation_of_a_good_body_brings_a_call_down,
    wrong_values_are_named,
    bodies_over_the_limit_are_refused,
    unknown_and_repeated_fields_are_taken_calmly,
    queries_and_messages_take_any_text,
    paths_and_queries_take_any_text,
}

/// Every call that takes a JSON body, with one that would do.
fn calls(bot: &Bot, item: &str) -> Vec<(&'static str, String, Value)> {
    vec![
        (
            "POST",
            "/chatbots".to_owned(),
            json!({
                "name": "Shop", "description": "Tea", "is_public": true, "slug": null,
                "personality_config": {"style": "Kind"}, "suggestions": ["Hi?"],
                "settings": {"prompt": "Be kind", "snippet": {"primaryColor": "#123456"}},
            }),
        ),
        (
            "PATCH",
            format!("/chatbots?id={}", bot.id),
            json!({"name": "Shop", "active": true}),
        ),
        (
            "PATCH",
            bot.path(""),
            json!({"description": null, "openai_api_key": "sk-0123456789abc"}),
        ),
        (
            "PATCH",
            bot.path("/voice-agent"),
            json!({"vad": {"threshold": 0.5}, "model": {"max_output_tokens": 9}}),
        ),
        (
            "PATCH",
            bot.path("/chat-widget"),
            json!({"header": "Hi", "language": "ko"}),
        ),
        (
            "POST",
            bot.path("/knowledge-base"),
            json!({"items": [
                {"type": "text", "title": "T", "content": "Tea is hot."},
                {"type": "qna", "question": "Hot?", "answer": "Yes."},
                {"type": "url", "url": "http://127.0.0.1:1/"},
            ]}),
        ),
        (
            "PATCH",
            bot.path("/knowledge-base"),
            json!({"id": item, "title": "T", "content": "C", "enabled": true}),
        ),
        (
            "POST",
            bot.path("/query-knowledge"),
            json!({"query": "tea", "limit": 3, "min_similarity": 0.1}),
        ),
        (
            "POST",
            bot.path("/chat"),
            json!({
                "messages": [{"role": "user", "content": "tea?", "attachments": null}],
                "platform": "web", "sessionToken": "t",
            }),
        ),
        (
            "POST",
            bot.path("/chat?stream=true"),
            json!({"messages": [{"role": "user", "content": "tea?"}]}),
        ),
        ("POST", bot.path("/knowledge-base/files"), json!({})),
        ("PATCH", bot.path("/update-avatar"), json!({})),
    ]
}

/// An application whose chatbots' own keys lead to `provider`, not out into the world.
async fn with(provider: &MockProvider, stage: Stage) -> TestApp {
    let url = provider.base_url();
    stage.app_with(&[("OPENAI_BASE_URL", &url)]).await
}

async fn bot_with_item(app: &TestApp) -> (Bot, String) {
    let bot = app.bot("Shop").await;
    let item = bot
        .add(json!({"type": "text", "content": "Tea is hot."}))
        .await;
    app.work().await;
    (bot, text(&item["id"]).to_owned())
}

/// What is no good body of any call.
fn hostile_bodies() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| open.repeat(10_000) + &close.repeat(10_000);
    let mut bodies: Vec<Vec<u8>> = [
        "", " ", "{", "}", "{]", "[1,2", "nul", "null", "true", "0", "-0.0e-999", "1e999", "NaN",
        "Infinity", "\"text\"", "[]", "[[]]", "{\"\": {}}", "{\"name\"}", "{'name': 1}", "{\"name\":}",
        "{\"name\": \"a\u{0}b\"}", "{\"name\": \"\\u0000\", \"query\": \"\\u0000\"}",
        "{\"name\": \"\\ud800\", \"query\": \"\\udc00\"}", "{\"name\": \"\\x\"}", "{}{}", "{} trailing",
        "\u{feff}{\"name\": \"bom\"}", "{\"name\": 1, \"query\": 2, \"messages\": 3, \"items\": 4, \"type\": 5}",
        "{\"messages\": [null], \"items\": [null], \"query\": null, \"vad\": null, \"settings\": null}",
        "{\"messages\": {\"0\": 1}, \"items\": {\"0\": 1}, \"id\": {}}",
        "<xml/>", "a=b&c=d", "--boundary\r\n", "{\"items\": []}",
    ]
    .iter()
    .map(|body| body.as_bytes().to_vec())
    .collect();
    bodies.push(b"\xff\xfe{\0}\0".to_vec());
    bodies.push(b"{\"name\": \"\xc3\x28\", \"query\": \"\xc3\x28\"}".to_vec());
    bodies.push(b"{\"unknown\": \"\xed\xa0\x80\"}".to_vec());
    bodies.push(vec![0; 1_000]);
    bodies.push(deep("[", "]").into_bytes());
    bodies.push(deep("{\"settings\":", "}").into_bytes());
    bodies.push(format!("{{\"settings\": {}}}", deep("[", "]")).into_bytes());
    bodies.push(format!("{{\"unknown\": {}}}", deep("[", "]")).into_bytes());
    bodies.push(
        format!(
            "{{\"name\": \"{0}\", \"query\": \"{0}\"}}",
            "x".repeat(1_000_000)
        )
        .into_bytes(),
    );
    bodies.push(format!("{{{}\"z\": 1}}", "\"a\": 1, ".repeat(50_000)).into_bytes());
    bodies
}

async fn no_body_brings_any_call_down(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage).await;
    let (bot, item) = bot_with_item(&app).await;
    let media_types = [
        Some("application/json"),
        None,
        Some("text/plain"),
        Some("application/json; charset=utf-16"),
        Some("multipart/form-data; boundary=boundary"),
        Some("multipart/form-data"),
        Some("\u{feff}"),
    ];
    for (method, path, _) in calls(&bot, &item) {
        for body in hostile_bodies() {
            for media_type in &media_types[..if body.len() < 100 { 7 } else { 1 }] {
                let sent = Body::from(body.clone());
                let answer = app.client.call(method, &path, sent, *media_type).await;
                assert!(answer.status < 500, "{answer:?}");
                let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
                // An empty object or one of unknown fields alone changes nothing, which is allowed.
                let harmless = answer.status == 200 && method == "PATCH";
                let named = answer.status == 200 && shown.contains("bom");
                assert!(
                    answer.status >= 400 || harmless || named,
                    "{shown} as {media_type:?}: {answer:?}"
                );
            }
        }
    }
    app.work().await;
    bot.show().await;
    assert!(
        bot.items()
            .await
            .iter()
            .all(|item| item["status"] != "processing")
    );
}

/// The paths to every value within `value`.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                places(value, &format!("{path}/{key}"), found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                places(value, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn odd_value(random: &mut StdRng) -> Value {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!(" "),
        json!("null"),
        json!("\u{1}\u{7f}\u{202e}"),
        json!("한글 🍵 \u{1F468}\u{200D}\u{1F469}"),
        json!("x".repeat(40_000)),
        json!("../../etc"),
        json!("'; DROP TABLE chatbots; --"),
        json!("{{7*7}}"),
        json!("%00%ff"),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!({"": {"": ""}}),
        json!([1, "a", null]),
        json!({"type": "file"}),
        json!("019b0000-0000-7000-8000-000000000000"),
        json!("http://[::1]:1/"),
        json!("javascript:1"),
    ];
    odd.choose(random).expect("not empty").clone()
}

/// `value` with one to three places changed, doubled or taken away.
fn mutated(value: &Value, random: &mut StdRng) -> Vec<u8> {
    let mut value = value.clone();
    for _ in 0..random.random_range(1..4) {
        let mut found = Vec::new();
        places(&value, "", &mut found);
        let place = found.choose(random).expect("the root at least").clone();
        let target = value.pointer_mut(&place).expect("a place within");
        match (random.random_range(0..4), &mut *target) {
            (0, Value::Object(map)) => {
                let key = map.keys().next().cloned().unwrap_or_default();
                map.remove(&key);
            }
            (1, Value::Object(map)) => drop(map.insert("unknown".to_owned(), odd_value(random))),
            (2, Value::Array(values)) => values.extend(values.clone()),
            _ => *target = odd_value(random),
        }
    }
    let mut bytes = value.to_string().into_bytes();
    if random.random_bool(0.15) {
        let at = random.random_range(0..bytes.len());
        match random.random_bool(0.5) {
            true => bytes.truncate(at),
            false => bytes[at] = random.random(),
        }
    }
    bytes
}

async fn no_mutation_of_a_good_body_brings_a_call_down(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage).await;
    let (bot, item) = bot_with_item(&app).await;
    let mut random = StdRng::seed_from_u64(2025);
    let calls = calls(&bot, &item);
    for _ in 0..600 {
        let (method, path, body) = calls.choose(&mut random).expect("calls");
        let body = mutated(body, &mut random);
        let shown = String::from_utf8_lossy(&body)
            .chars()
            .take(2_000)
            .collect::<String>();
        let answer = app.client.json(method, path, body).await;
        assert!(answer.status < 500, "{shown}: {answer:?}");
        if answer
            .header("content-type")
            .starts_with("text/event-stream")
        {
            let events = answer.events();
            let ends = events
                .iter()
                .filter(|(name, _)| name == "done" || name == "error");
            assert_eq!(ends.count(), 1, "{shown}: {events:?}");
        }
    }
    app.work().await;
    for path in [
        "/chatbots?limit=200".to_owned(),
        bot.path("/knowledge-base"),
        bot.path("/conversations"),
    ] {
        app.client.get(&path).await.expect(200);
    }
}

async fn wrong_values_are_named(stage: Stage) {
    let app = stage.app().await;
    let (bot, item) = bot_with_item(&app).await;
    check_queries(&bot).await;
    check_chats(&bot).await;
    check_items(&bot).await;
    let knowledge = bot.path("/knowledge-base");
    let nameless = bot.client.patch(&knowledge, json!({"title": "x"})).await;
    nameless.refused(400, "invalid_request", "id");
    let enabled = bot
        .client
        .patch(&knowledge, json!({"id": item, "enabled": "yes"}))
        .await;
    enabled.refused(400, "invalid_request", "enabled");
    assert_eq!(bot.items().await.len(), 1, "all or none of several items");
    for body in [r#"{"type": "text"}"#, r#"{"type": "qna", "question": "a"}"#] {
        let missing = app.client.json("POST", &knowledge, body).await;
        missing.refused(400, "invalid_request", "");
        assert!(
            text(&missing.json()["error"]).contains("missing field"),
            "{missing:?}"
        );
    }
    let unknown_type = app
        .client
        .json("POST", &knowledge, r#"{"type": "song"}"#)
        .await;
    unknown_type.refused(400, "invalid_request", "type");
}

async fn check_named(bot: &Bot, path: &str, body: &str, field: &str) {
    let answer = bot.client.json("POST", path, body.to_owned()).await;
    assert_eq!(answer.status, 400, "{body}: {answer:?}");
    answer.refused(400, "invalid_request", field);
}

async fn check_queries(bot: &Bot) {
    let query = bot.path("/query-knowledge");
    for (body, field) in [
        (r#"{"query": 5}"#, "query"),
        (r#"{"query": null}"#, "query"),
        (r#"{"query": ""}"#, "query"),
        (r#"{"query": " \n "}"#, "query"),
        (r#"{"query": "a", "limit": 0}"#, "limit"),
        (r#"{"query": "a", "limit": 51}"#, "limit"),
        (r#"{"query": "a", "limit": -1}"#, "limit"),
        (r#"{"query": "a", "limit": 1.5}"#, "limit"),
        (r#"{"query": "a", "limit": "5"}"#, "limit"),
        (r#"{"query": "a", "limit": 99999999999999999999}"#, "limit"),
        (r#"{"query": "a", "min_similarity": 1.1}"#, "min_similarity"),
        (
            r#"{"query": "a", "min_similarity": -0.1}"#,
            "min_similarity",
        ),
        (
            r#"{"query": "a", "min_similarity": 1e300}"#,
            "min_similarity",
        ),
        (
            r#"{"query": "a", "min_similarity": "0.5"}"#,
            "min_similarity",
        ),
    ] {
        check_named(bot, &query, body, field).await;
    }
}

async fn check_chats(bot: &Bot) {
    let chat = bot.path("/chat");
    for (body, field) in [
        (r#"{"messages": "hi"}"#, "messages"),
        (r#"{"messages": []}"#, "messages"),
        (
            r#"{"messages": [{"role": "assistant", "content": "hi"}]}"#,
            "messages",
        ),
        (
            r#"{"messages": [{"role": "user", "content": ["hi"]}]}"#,
            "messages[0].content",
        ),
        (
            r#"{"messages": [{"role": "user", "content": " "}]}"#,
            "messages[0].content",
        ),
        (
            r#"{"messages": [{"role": 1, "content": "hi"}]}"#,
            "messages[0].role",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "hi"}], "platform": 1}"#,
            "platform",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "hi"}], "sessionToken": 1}"#,
            "sessionToken",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "hi"}], "sessionToken": ""}"#,
            "sessionToken",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "hi", "attachments": [{"name": "a", "url": "file:///etc/passwd"}]}]}"#,
            "messages[0].attachments",
        ),
    ] {
        check_named(bot, &chat, body, field).await;
    }
}

async fn check_items(bot: &Bot) {
    let knowledge = bot.path("/knowledge-base");
    for (body, field) in [
        (r#"{"type": "text", "content": 5}"#, "content"),
        (r#"{"type": "text", "content": " "}"#, "content"),
        (r#"{"type": "text", "content": "a", "title": ""}"#, "title"),
        (
            r#"{"type": "qna", "question": "a", "answer": ""}"#,
            "answer",
        ),
        (r#"{"items": "all"}"#, "items"),
        (r#"{"items": []}"#, "items"),
        (
            r#"{"items": [{"type": "text", "content": "a"}, {"type": "text", "content": []}]}"#,
            "items[1].content",
        ),
        (
            r#"{"items": [{"type": "text", "content": "a"}, {"type": "qna", "question": "a", "answer": " "}]}"#,
            "items[1].answer",
        ),
    ] {
        check_named(bot, &knowledge, body, field).await;
    }
}

async fn bodies_over_the_limit_are_refused(stage: Stage) {
    let app = stage.app_with(&[("OKRA_MAX_JSON_KB", "64")]).await;
    let (bot, item) = bot_with_item(&app).await;
    let huge = json!({"name": "x", "query": "y", "filler": "z".repeat(65 * 1024)}).to_string();
    for (method, path, _) in calls(&bot, &item) {
        if path.ends_with("/files") || path.ends_with("-avatar") {
            continue;
        }
        let answer = app.client.json(method, &path, huge.clone()).await;
        answer.refused(413, "too_large", "");
        let pieces = huge
            .as_bytes()
            .chunks(1_000)
            .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
        let pieces: Vec<_> = pieces.collect();
        let streamed = Body::from_stream(futures_util::stream::iter(pieces));
        app.client
            .json(method, &path, streamed)
            .await
            .refused(413, "too_large", "");
    }
    let just = json!({"query": "tea", "filler": "z".repeat(60 * 1024)});
    bot.client
        .post(&bot.path("/query-knowledge"), just)
        .await
        .expect(200);
}

async fn unknown_and_repeated_fields_are_taken_calmly(stage: Stage) {
    let app = stage.app().await;
    let (bot, _) = bot_with_item(&app).await;
    let query = bot.path("/query-knowledge");
    let body = json!({"query": "tea", "unknown": {"deep": [1, {"a": null}]}, "Query": 5, "": ""});
    let found = app.client.post(&query, body).await.expect(200);
    assert_eq!(list(&found["results"]).len(), 1);
    let twice = app
        .client
        .json("POST", &query, r#"{"query": "tea", "query": "coffee"}"#)
        .await;
    twice.refused(400, "invalid_request", "");
    let typed = "{\"query\": \"tea\"}";
    for media_type in [
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/vnd.api+json",
        "",
    ] {
        let answer = app
            .client
            .call("POST", &query, Body::from(typed), Some(media_type))
            .await;
        answer.expect(200);
    }
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let answer = app
            .client
            .call("POST", &query, Body::from(typed), Some(media_type))
            .await;
        answer.refused(415, "unsupported_type", "");
    }
    let client: &Client = &app.client;
    client
        .call("POST", &query, Body::empty(), Some("application/json"))
        .await
        .refused(400, "invalid_request", "");
}

async fn queries_and_messages_take_any_text(stage: Stage) {
    let app = stage.app().await;
    let (bot, _) = bot_with_item(&app).await;
    let long = "tea ".repeat(8_000);
    let one_word = "t".repeat(32_000);
    let korean = "차".repeat(32_000);
    for query in [
        "?",
        "…",
        "🍵",
        "\u{200b}",
        "\u{202e}tea",
        "a\u{301}\u{301}\u{301}",
        "(((",
        "\\",
        "\"",
        "%",
        "_",
        "' OR 1=1 --",
        "NEAR(tea) AND *",
        "tea\ttea\r\ntea",
        &long,
        &one_word,
        &korean,
        "ﷺ",
        "İ",
        "ß",
    ] {
        bot.query(query).await;
        let reply = bot.ask(query).await;
        let stored = bot.messages(&reply["session_id"]).await;
        assert_eq!(stored[0]["content"], query);
    }
    let over = "차".repeat(32_001);
    let over = json!({"query": over, "messages": [{"role": "user", "content": over}]});
    bot.client
        .post(&bot.path("/query-knowledge"), over.clone())
        .await
        .refused(400, "invalid_request", "query");
    bot.chat(over)
        .await
        .refused(400, "invalid_request", "messages[0].content");
}

async fn paths_and_queries_take_any_text(stage: Stage) {
    let app = stage.app().await;
    let (bot, _) = bot_with_item(&app).await;
    let odd = [
        "x",
        "%00",
        "%FF",
        "%2e%2e%2f",
        "..",
        "null",
        "-1",
        "'",
        "%F0%9F%8D%B5",
        "{}",
        "00000000-0000-0000-0000-000000000000",
        &"9".repeat(5_000),
    ];
    for value in odd.map(|value| value.replace('{', "%7B").replace('}', "%7D")) {
        for path in [
            format!("/chatbot/{value}"),
            format!("/chatbot/{value}/knowledge-base"),
            format!("/chatbot/{value}/conversations/{value}/messages"),
            bot.path(&format!("/conversations/{value}")),
            bot.path(&format!("/conversations/{value}/messages")),
        ] {
            let answer = app.client.get(&path).await;
            assert!((400..=404).contains(&answer.status), "{answer:?}");
        }
        let one = bot.path(&format!("/knowledge-base?id={value}"));
        let answer = app.client.delete(&one).await;
        assert!([400, 404].contains(&answer.status), "{answer:?}");
        let answer = app
            .client
            .patch(&format!("/chatbots?id={value}"), json!({"name": "x"}))
            .await;
        assert!([400, 404].contains(&answer.status), "{answer:?}");
    }
    for query in [
        "?",
        "?&&&",
        "?=",
        "?page",
        "?page=1&page=2",
        "?x=%zz",
        "?id=1&id=2",
    ] {
        let answer = app.client.get(&format!("/chatbots{query}")).await;
        assert!([200, 400].contains(&answer.status), "{answer:?}");
    }
}

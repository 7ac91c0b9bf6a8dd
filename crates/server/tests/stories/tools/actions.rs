//! Actions: requests to an organization's own systems, who may define them, and what becomes of those that go wrong.

use okra_testkit::provider::{MockProvider, Script};
use okra_testkit::website::{MockSite, Page as SitePage};
use serde_json::{Value, json};

use super::{calls, get_order, last, page, results, set, shop, with};
use crate::support::{Stage, keys_of, list, sorted, text};

stories! {
    an_action_is_called_with_its_secret,
    a_tool_that_fails_is_slow_or_long_costs_no_answer,
    actions_are_kept_and_changed,
    actions_are_their_organizations_own,
    only_hosts_that_are_allowed_are_called,
    a_document_is_read_into_drafts,
    an_action_can_be_tried,
}

async fn an_action_is_called_with_its_secret(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    let mut answers = get_order(&app, &site).await.to_string();
    site.put("/orders/a%2Fb?day=1&day=2", page("{\"state\": \"sent\"}"));
    let action = json!({
        "description": "Gives the state of an order.", "method": "GET", "url": site.url("/orders/{order_id}"),
        "parameters": {"properties": {"order_id": {"type": "string"}, "day": {"type": "array"}}},
        "headers": {"authorization": null, "x-shop": "5"},
    });
    answers += &set(&app, "get_order", action).await.to_string();
    let bot = shop(&app, &["get_order"]).await;
    provider.reply(calls(&[(
        "get_order",
        "{\"order_id\": \"a/b\", \"day\": [1, 2]}",
    )]));
    provider.reply(Script::text("Sent."));
    let events = bot.stream(crate::support::said("Where is my order?")).await;
    answers += &String::from_utf8_lossy(&events.body);
    let events = events.events();
    let sent = site.calls().remove(0);
    assert_eq!(
        (sent.method.as_str(), sent.path.as_str()),
        ("GET", "/orders/a%2Fb?day=1&day=2")
    );
    assert_eq!(sent.headers["authorization"], "Bearer shop-secret-1234");
    assert_eq!(sent.headers["x-shop"], "5");
    let tool = &last(&provider).body["tools"][0]["function"];
    assert_eq!(
        (&tool["name"], &tool["description"]),
        (&json!("get_order"), &json!("Gives the state of an order."))
    );
    assert_eq!(
        tool["parameters"]["properties"]["order_id"],
        json!({"type": "string"})
    );
    let told = results(&last(&provider)).remove(0);
    assert!(
        told.starts_with("<result-") && told.contains("{\"state\": \"sent\"}"),
        "{told}"
    );
    let (_, done) = events.last().expect("an end");
    assert_eq!(done["tool_results"][0]["content"], "{\"state\": \"sent\"}");
    assert_eq!(done["metadata"]["outcome"], "answered");
    // With a body.
    let action = json!({
        "description": "Writes a note.", "method": "POST", "url": site.url("/notes"), "confirm": false,
        "parameters": {"properties": {"text": {"type": "string"}, "dry": {"type": "boolean"}}}, "query": ["dry"],
    });
    answers += &set(&app, "add_note", action).await.to_string();
    site.put("/notes?dry=true", page("").with_status(201));
    let bot = shop(&app, &["add_note"]).await;
    provider.reply(calls(&[(
        "add_note",
        "{\"text\": \"메모\", \"dry\": true}",
    )]));
    provider.reply(Script::text("Noted."));
    bot.ask("Note this.").await;
    let sent = site.calls().remove(1);
    assert_eq!(
        (sent.method.as_str(), sent.body.as_str()),
        ("POST", "{\"text\":\"메모\"}")
    );
    assert_eq!(sent.headers["content-type"], "application/json");
    assert!(results(&last(&provider))[0].contains("Done (201)"));
    answers += &app.client.get("/tools").await.expect(200).to_string();
    assert!(!answers.contains("shop-secret"), "no secret is told");
    let asked: String = provider
        .requests()
        .iter()
        .map(|request| request.body.to_string())
        .collect();
    assert!(!asked.contains("shop-secret"));
}

async fn a_tool_that_fails_is_slow_or_long_costs_no_answer(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[("OKRA_MAX_TOOL_SECONDS", "5")]).await;
    get_order(&app, &site).await;
    let bot = shop(&app, &["get_order"]).await;
    let mut prompt = 0;
    for (answer, failed, words) in [
        (
            page("boiler \0 trouble").with_status(500),
            true,
            "answered 500",
        ),
        (
            page("no such order").with_status(404),
            true,
            "no such order",
        ),
        (
            SitePage::redirect(302, "https://evil.example/"),
            true,
            "not followed",
        ),
        (SitePage::then_nothing("slow"), true, "within 5 seconds"),
        (SitePage::then_cut("cut"), true, ""),
        (SitePage::endless("endless "), false, "left out"),
        (page("x".repeat(1024 * 1024)), false, "left out"),
        (
            SitePage::typed("application/octet-stream", vec![0xff_u8, 0, 0xfe]),
            false,
            "\u{fffd}",
        ),
    ] {
        site.put("/orders/7", answer);
        provider.reply(calls(&[("get_order", "{\"order_id\": \"7\"}")]));
        provider.reply(Script::text("I could not see."));
        let reply = bot.ask("Where is my order 7?").await;
        let message = &reply["message"];
        assert_eq!(message["content"], "I could not see.", "{reply}");
        let result = &message["tool_results"][0];
        assert_eq!(result["failed"], failed, "{result}");
        let told = results(&last(&provider)).remove(0);
        assert!(told.contains(words), "{words}: {told:.200}");
        assert!(text(&result["content"]).len() < 10_000);
        prompt = last(&provider).body.to_string().len().max(prompt);
    }
    assert!(prompt < 40_000, "{prompt} bytes");
}

async fn actions_are_kept_and_changed(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    let made = get_order(&app, &site).await;
    let fields =
        "name title description method url parameters query confirm headers created_at updated_at";
    assert_eq!(keys_of(&made), sorted(fields));
    assert_eq!(made["headers"], json!(["authorization"]));
    assert_eq!(
        (&made["method"], &made["confirm"]),
        (&json!("GET"), &json!(false))
    );
    let listed = app.client.get("/tools").await.expect(200);
    assert_eq!(listed["data"], json!([made]));
    let built_in: Vec<&str> = list(&listed["built_in"])
        .iter()
        .map(|it| text(&it["name"]))
        .collect();
    assert_eq!(
        built_in,
        ["search_knowledge", "ask_for_person", "record_contact"]
    );
    assert_eq!(
        app.client.get("/tools/get_order").await.expect(200)["data"],
        made
    );
    let put = async |name: &str, action: Value| {
        app.client
            .json("PUT", &format!("/tools/{name}"), action.to_string())
            .await
    };
    // To another host no secret goes along.
    let elsewhere = json!({"description": "x", "method": "post", "url": "https://other.example/x"});
    let moved = put("get_order", elsewhere.clone()).await.expect(200);
    assert_eq!(
        (&moved["data"]["headers"], &moved["data"]["confirm"]),
        (&json!([]), &json!(true))
    );
    let check = async |change: Value, field: &str| {
        let mut action = elsewhere.clone();
        action
            .as_object_mut()
            .expect("an object")
            .extend(change.as_object().expect("an object").clone());
        put("get_order", action)
            .await
            .refused(400, "invalid_request", field);
    };
    check(
        json!({"headers": {"authorization": null}}),
        "headers.authorization",
    )
    .await;
    check(json!({"method": "TRACE"}), "method").await;
    check(json!({"url": "https://{host}/"}), "url").await;
    check(json!({"url": "https://a.example/{x}"}), "url").await;
    check(json!({"description": ""}), "description").await;
    check(json!({"parameters": {"type": "array"}}), "parameters.type").await;
    check(json!({"query": ["x"]}), "query[0]").await;
    put("Get-Order", elsewhere.clone())
        .await
        .refused(400, "invalid_request", "name");
    put("search_knowledge", elsewhere.clone())
        .await
        .refused(400, "invalid_request", "name");
    app.client
        .json("PUT", "/tools/x", "{}")
        .await
        .refused(400, "invalid_request", "");
    app.client
        .delete("/tools/get_order")
        .await
        .expect_nothing(204);
    app.client
        .delete("/tools/get_order")
        .await
        .refused(404, "not_found", "");
    app.client
        .get("/tools/get_order")
        .await
        .refused(404, "not_found", "");
}

async fn actions_are_their_organizations_own(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    get_order(&app, &site).await;
    let theirs = &app.stranger;
    assert_eq!(theirs.get("/tools").await.expect(200)["data"], json!([]));
    theirs
        .get("/tools/get_order")
        .await
        .refused(404, "not_found", "");
    theirs
        .delete("/tools/get_order")
        .await
        .refused(404, "not_found", "");
    theirs
        .post("/tools/get_order/test", json!({}))
        .await
        .refused(404, "not_found", "");
    // Their chatbot's choice of the name is a choice of nothing.
    let made = theirs
        .post(
            "/chatbots",
            json!({"name": "Theirs", "settings": {"tools": ["get_order"]}}),
        )
        .await;
    let bot = made.expect(200)["chatbot"]["id"].clone();
    let path = format!("/chatbot/{}/chat", text(&bot));
    provider.reply(calls(&[("get_order", "{\"order_id\": \"7\"}")]));
    theirs
        .post(&path, crate::support::said("Where is order 7?"))
        .await
        .refused(502, "provider_failed", "");
    assert_eq!(site.calls().len(), 0);
}

async fn only_hosts_that_are_allowed_are_called(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(
        &provider,
        &site,
        stage,
        &[("OKRA_TOOL_HOSTS", "127.0.0.1,*.shop.example")],
    )
    .await;
    let put = async |url: &str| {
        let action = json!({"description": "x", "method": "GET", "url": url});
        app.client.json("PUT", "/tools/x", action.to_string()).await
    };
    put("https://api.shop.example/x").await.expect(200);
    put(&site.url("/x")).await.expect(200);
    for url in [
        "https://shop.example.evil.example/x",
        "https://other.example/x",
        "http://api.shop.example/x",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:1/x",
        "https://[::1]/x",
        "http://2130706433/x",
    ] {
        put(url).await.refused(400, "invalid_request", "url");
    }
}

async fn a_document_is_read_into_drafts(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    let document = json!({
        "openapi": "3.1.0", "servers": [{"url": site.url("")}],
        "paths": {
            "/orders/{id}": {"get": {
                "operationId": "getOrder", "summary": "Look an order up", "security": [{"key": []}],
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
            }},
            "/export": {"post": {"requestBody": {"required": true, "content": {"text/csv": {}}}}},
        },
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
    });
    let read = app
        .client
        .post("/tool-drafts", json!({"document": document.clone()}))
        .await
        .expect(200);
    let draft = &read["data"][0];
    assert_eq!(
        (&draft["name"], &draft["needs_headers"]),
        (&json!("get_order"), &json!(["x-key"]))
    );
    assert_eq!(read["skipped"][0]["operation"], "POST /export");
    assert_eq!(
        app.client.get("/tools").await.expect(200)["data"],
        json!([]),
        "nothing is stored"
    );
    let as_text = app
        .client
        .post("/tool-drafts", json!({"document": document.to_string()}))
        .await;
    assert_eq!(as_text.expect(200), read);
    let yaml = format!(
        "# Orders\nopenapi: 3.1.0\nservers:\n  - url: {}\npaths:\n  /orders/{{id}}:\n    get:\n      \
         operationId: getOrder\n      summary: Look an order up\n      security:\n        - key: []\n      \
         parameters:\n        - &id {{name: id, in: path, required: true, schema: {{type: string}}}}\n  \
         /export:\n    post:\n      requestBody:\n        required: true\n        content:\n          \
         text/csv: {{}}\ncomponents:\n  parameters: {{id: *id}}\n  securitySchemes:\n    \
         key: {{type: apiKey, in: header, name: X-Key}}\n",
        site.url("")
    );
    let as_yaml = app.client.post("/tool-drafts", json!({"document": yaml}));
    assert_eq!(as_yaml.await.expect(200), read);
    // A draft is what can be set.
    let mut action = draft.clone();
    action["headers"] = json!({"x-key": "k"});
    set(&app, "get_order", action).await;
    site.put("/orders/7", page("sent"));
    let tried = app
        .client
        .post("/tools/get_order/test", json!({"arguments": {"id": "7"}}))
        .await
        .expect(200);
    assert_eq!(
        (&tried["ok"], &tried["content"]),
        (&json!(true), &json!("sent"))
    );
    assert_eq!(site.calls()[0].headers["x-key"], "k");
    let refused = async |body: Value, field: &str| {
        app.client
            .post("/tool-drafts", body)
            .await
            .refused(400, "invalid_request", field);
    };
    refused(json!({"document": "{"}), "document").await;
    refused(json!({"document": "paths: [1"}), "document").await;
    refused(json!({"document": "- ".repeat(500)}), "document").await;
    refused(json!({"document": {"swagger": "2.0"}}), "document").await;
    refused(
        json!({"document": {"openapi": "3.0.0", "paths": {}}}),
        "server",
    )
    .await;
}

async fn an_action_can_be_tried(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    get_order(&app, &site).await;
    let tried = async |arguments: Value| {
        app.client
            .post("/tools/get_order/test", json!({"arguments": arguments}))
            .await
            .expect(200)
    };
    let missing = tried(json!({})).await;
    assert_eq!(
        (&missing["ok"], &missing["content"]),
        (&json!(false), &json!("The argument order_id is needed."))
    );
    let unknown = tried(json!({"order_id": "8"})).await;
    assert!(
        text(&unknown["content"]).contains("answered 404"),
        "{unknown}"
    );
    let reply = app
        .client
        .post("/tools/get_order/test", json!({"arguments": 7}))
        .await;
    reply.refused(400, "invalid_request", "arguments");
}

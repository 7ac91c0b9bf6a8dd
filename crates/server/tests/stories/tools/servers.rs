//! MCP servers as sources of tools; the one that is asked is Okra's own, over a real connection.

use okra_testkit::provider::{MockProvider, Script};
use okra_testkit::website::MockSite;
use serde_json::{Value, json};

use super::{calls, choose, last, page, results};
use crate::support::{Bot, OUR_KEY, Served, Stage, TestApp, keys_of, list, said, sorted, text};

stories! {
    a_servers_tools_are_called,
    a_servers_tool_waits_for_the_visitor_unless_it_is_said_otherwise,
    servers_are_kept_and_changed,
    a_server_that_cannot_be_asked_is_not_stored,
}

async fn opened(stage: Stage) -> (MockProvider, TestApp, Served, Bot) {
    let provider = MockProvider::start().await;
    let url = provider.base_url();
    let settings = [
        ("OPENAI_BASE_URL", url.as_str()),
        ("OKRA_FETCH_ALLOW", "127.0.0.1"),
    ];
    let app = stage.app_with(&settings).await;
    let served = app.serve().await;
    let bot = app.bot("Kettles").await;
    bot.add(json!({"type": "text", "title": "Kettle", "content": "The kettle is made of steel."}))
        .await;
    app.work().await;
    (provider, app, served, bot)
}

async fn set(app: &TestApp, served: &Served, unconfirmed: Value) -> Value {
    let url = served.url.replace("/api/external", "/mcp");
    let server = json!({"url": url, "headers": {"x-api-key": OUR_KEY}, "unconfirmed": unconfirmed});
    let set = app
        .client
        .json("PUT", "/tool-servers/okra", server.to_string())
        .await;
    set.expect(200)["data"].clone()
}

async fn a_servers_tools_are_called(stage: Stage) {
    let (provider, app, served, bot) = opened(stage).await;
    let server = set(&app, &served, json!(["search_knowledge", "list_chatbots"])).await;
    let ids: Vec<&str> = list(&server["tools"])
        .iter()
        .map(|tool| text(&tool["id"]))
        .collect();
    assert!(ids.contains(&"okra/search_knowledge"), "{ids:?}");
    choose(
        &bot,
        &[
            "okra/search_knowledge",
            "okra/no_such_tool",
            "other/search_knowledge",
            "search_knowledge",
        ],
    )
    .await;
    let slug = bot.show().await["slug"].clone();
    let arguments = json!({"chatbot": slug, "query": "What is the kettle made of?"}).to_string();
    provider.reply(calls(&[
        ("okra_search_knowledge", &arguments),
        (
            "okra_search_knowledge",
            "{\"chatbot\": \"nobody\", \"query\": \"x\"}",
        ),
    ]));
    provider.reply(Script::text("Of steel."));
    let reply = bot.ask("What is it made of?").await;
    let request = last(&provider);
    let told: Vec<&Value> = list(&request.body["tools"])
        .iter()
        .map(|tool| &tool["function"]["name"])
        .collect();
    assert_eq!(
        told,
        [&json!("okra_search_knowledge"), &json!("search_knowledge")]
    );
    let results = results(&request);
    assert!(
        results[0].starts_with("<result-") && results[0].contains("made of steel"),
        "{results:?}"
    );
    let outcomes: Vec<&Value> = list(&reply["message"]["tool_results"])
        .iter()
        .map(|it| &it["failed"])
        .collect();
    assert!(
        outcomes.contains(&&json!(true)) && outcomes.contains(&&json!(false)),
        "{reply}"
    );
    // A server that is gone costs no answer.
    drop(served);
    provider.reply(calls(&[("okra_search_knowledge", &arguments)]));
    provider.reply(Script::text("I cannot look."));
    let reply = bot.ask("What is it made of?").await;
    assert_eq!(reply["message"]["content"], "I cannot look.");
    assert_eq!(reply["message"]["tool_results"][0]["failed"], true);
    assert!(!reply.to_string().contains(OUR_KEY));
}

async fn a_servers_tool_waits_for_the_visitor_unless_it_is_said_otherwise(stage: Stage) {
    let (provider, app, served, bot) = opened(stage).await;
    let server = set(&app, &served, json!([])).await;
    assert!(
        list(&server["tools"])
            .iter()
            .all(|tool| tool["confirm"] == true),
        "{server}"
    );
    choose(&bot, &["okra/search_knowledge"]).await;
    let slug = bot.show().await["slug"].clone();
    let arguments = json!({"chatbot": slug, "query": "What is the kettle made of?"}).to_string();
    provider.reply(calls(&[("okra_search_knowledge", &arguments)]));
    provider.reply(Script::text("Shall I look?"));
    let reply = bot.ask("What is it made of?").await;
    let call = &reply["message"]["tool_calls"][0];
    assert_eq!(call["state"], "awaiting_confirmation");
    provider.reply(Script::text("Of steel."));
    let mut yes = said("Yes");
    yes["session_id"] = reply["session_id"].clone();
    yes["confirm"] = json!({"message_id": reply["message"]["id"], "call_id": call["id"]});
    let reply = bot.chat(yes).await.expect(200);
    let result = &reply["message"]["tool_results"][0];
    assert!(
        text(&result["content"]).contains("made of steel"),
        "{result}"
    );
}

async fn servers_are_kept_and_changed(stage: Stage) {
    let (_, app, served, _) = opened(stage).await;
    let server = set(&app, &served, json!([])).await;
    assert_eq!(
        keys_of(&server),
        sorted("name url command headers unconfirmed tools created_at updated_at")
    );
    assert_eq!(
        keys_of(&server["tools"][0]),
        sorted("id name title description parameters confirm")
    );
    assert_eq!(server["headers"], json!(["x-api-key"]));
    assert!(!server.to_string().contains(OUR_KEY));
    let put = async |server: Value| {
        app.client
            .json("PUT", "/tool-servers/okra", server.to_string())
            .await
    };
    // Asked anew, with the header that it has.
    let again = put(json!({"url": server["url"], "unconfirmed": ["ask"]}))
        .await
        .expect(200)["data"]
        .clone();
    assert_eq!(again["headers"], server["headers"]);
    assert_eq!(
        app.client.get("/tool-servers").await.expect(200)["data"],
        json!([again])
    );
    assert_eq!(
        app.stranger.get("/tool-servers").await.expect(200)["data"],
        json!([])
    );
    app.stranger
        .delete("/tool-servers/okra")
        .await
        .refused(404, "not_found", "");
    for (server, field) in [
        (json!({"url": "ftp://x"}), "url"),
        (json!({"url": "http://10.0.0.1/mcp"}), "url"),
        (json!({"url": "http://tools.example/mcp"}), "url"),
        (
            json!({"url": server["url"], "headers": {"host": "x"}}),
            "headers.host",
        ),
        (
            json!({"url": server["url"], "unconfirmed": vec!["a"; 101]}),
            "unconfirmed",
        ),
    ] {
        put(server).await.refused(400, "invalid_request", field);
    }
    app.client
        .json(
            "PUT",
            "/tool-servers/Bad",
            json!({"url": server["url"]}).to_string(),
        )
        .await
        .refused(400, "invalid_request", "name");
    app.client
        .delete("/tool-servers/okra")
        .await
        .expect_nothing(204);
    app.client
        .delete("/tool-servers/okra")
        .await
        .refused(404, "not_found", "");
}

async fn a_server_that_cannot_be_asked_is_not_stored(stage: Stage) {
    let site = MockSite::start().await;
    let app = stage
        .app_with(&[
            ("OKRA_FETCH_ALLOW", "127.0.0.1"),
            ("OKRA_MAX_TOOL_SECONDS", "1"),
        ])
        .await;
    site.put("/html", okra_testkit::website::Page::html("<h1>Hello</h1>"));
    site.put("/json", page("{\"hello\": 1}"));
    site.put("/error", page("no").with_status(500));
    site.put(
        "/moved",
        okra_testkit::website::Page::redirect(302, "http://169.254.169.254/"),
    );
    site.put("/slow", okra_testkit::website::Page::then_nothing("{"));
    site.put("/endless", okra_testkit::website::Page::endless("x"));
    for path in [
        "/html", "/json", "/error", "/moved", "/slow", "/endless", "/nothing",
    ] {
        let server =
            json!({"url": site.url(path), "headers": {"authorization": "Bearer secret-1234"}});
        let set = app
            .client
            .json("PUT", "/tool-servers/x", server.to_string())
            .await;
        set.refused(502, "provider_failed", "");
        assert!(!set.json().to_string().contains("secret-1234"));
    }
    assert_eq!(
        app.client.get("/tool-servers").await.expect(200)["data"],
        json!([])
    );
}

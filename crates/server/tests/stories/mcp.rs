//! The Model Context Protocol, as the official library's client speaks it over a real connection.

use std::time::Duration;

use okra_domain::person::Role;
use okra_testkit::provider::Script;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};

use crate::support::{OUR_KEY, Served, Stage, change, messages_when, text, with_model};

stories! {
    the_official_client_lists_searches_and_asks,
    what_goes_wrong_is_told_in_a_sentence,
    another_organizations_key_sees_its_own_alone,
    nobody_is_served_without_a_good_key,
    a_conversation_goes_on_by_its_id,
    who_leaves_stops_the_answer,
    an_answer_under_way_is_finished_when_the_server_stops,
}

type Client = RunningService<RoleClient, ()>;

async fn connected(served: &Served, key: &str) -> Client {
    let url = served.url.replace("/api/external", "/mcp");
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(key);
    let transport = StreamableHttpClientTransport::from_config(config);
    ().serve(transport)
        .await
        .expect("the server speaks the protocol")
}

async fn call(client: &Client, tool: &'static str, arguments: Value) -> CallToolResult {
    let mut params = CallToolRequestParams::new(tool);
    params.arguments = arguments.as_object().cloned();
    client
        .call_tool(params)
        .await
        .expect("an answer of the tool's")
}

fn said(result: &CallToolResult) -> String {
    let texts = result.content.iter().filter_map(|block| block.as_text());
    let texts: Vec<&str> = texts.map(|block| block.text.as_str()).collect();
    texts.join("\n")
}

fn data(result: &CallToolResult) -> &Value {
    assert_ne!(result.is_error, Some(true), "{}", said(result));
    result.structured_content.as_ref().expect("data")
}

async fn the_official_client_lists_searches_and_asks(stage: Stage) {
    let (provider, app, _, bot) = with_model(stage, &[]).await;
    let described = json!({"description": "찻주전자를 팝니다"});
    bot.client.patch(&bot.path(""), described).await.expect(200);
    let served = app.serve().await;
    let client = connected(&served, OUR_KEY).await;
    let info = client.peer_info().expect("the server says who it is");
    let name = info.server_info.as_ref().map(|it| it.name.as_str());
    assert_eq!(name, Some("okra"));
    let tools = client.list_all_tools().await.expect("tools");
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(names, ["list_chatbots", "search_knowledge", "ask"]);
    for tool in &tools {
        assert_eq!(tool.input_schema["type"], "object");
        assert!(tool.description.as_ref().is_some_and(|it| it.len() > 30));
    }

    let listed = call(&client, "list_chatbots", json!({})).await;
    let one = json!({"slug": "teapots", "name": "Teapots", "description": "찻주전자를 팝니다"});
    assert_eq!(data(&listed)["chatbots"], json!([one]));
    let read: Value = serde_json::from_str(&said(&listed)).expect("the same in words");
    assert_eq!(read, *data(&listed));

    let query = json!({"chatbot": "teapots", "query": "How is a teapot rinsed?", "limit": 1});
    let found = call(&client, "search_knowledge", query).await;
    let passages = data(&found)["passages"].as_array().expect("a list");
    assert_eq!(passages.len(), 1);
    assert_eq!(passages[0]["title"], "Care");
    assert!(text(&passages[0]["content"]).contains("cold water"));

    provider.reply(Script::text("찬물로 헹구세요 [1]."));
    let question = json!({"chatbot": "teapots", "question": "How do I rinse a teapot?"});
    let answered = call(&client, "ask", question).await;
    assert_eq!(data(&answered)["answer"], "찬물로 헹구세요.");
    assert_eq!(data(&answered)["sources"][0]["title"], "Care");
    assert_eq!(said(&answered), "찬물로 헹구세요.\nSources:\n- Care");
    let stored = bot.messages(&data(&answered)["session_id"]).await;
    assert_eq!(stored.len(), 2);
    let sessions = bot
        .client
        .get(&bot.path("/conversations"))
        .await
        .expect(200);
    assert_eq!(sessions["data"][0]["platform"], "mcp");
    client.cancel().await.expect("the client ends");
}

async fn a_conversation_goes_on_by_its_id(stage: Stage) {
    let (provider, app, _, bot) = with_model(stage, &[]).await;
    let served = app.serve().await;
    let client = connected(&served, OUR_KEY).await;
    provider.reply(Script::text("With cold water."));
    let first = json!({"chatbot": "teapots", "question": "How?"});
    let first = call(&client, "ask", first).await;
    let session = data(&first)["session_id"].clone();
    let next = json!({"chatbot": "teapots", "question": "Which cloth dries a teapot best?", "session_id": session});
    let next = call(&client, "ask", next).await;
    assert_eq!(data(&next)["session_id"], session);
    let asked = provider.requests()[1].conversation();
    let history = [
        "user: How?",
        "assistant: With cold water.",
        "user: Which cloth dries a teapot best?",
    ];
    assert_eq!(asked[1..], history);
    assert_eq!(bot.messages(&session).await.len(), 4);
    // A person takes it over: the chatbot says nothing.
    let taken = change(&app.client, &bot, &session, json!({"is_human_mode": true}));
    taken.await.expect(200);
    let more = json!({"chatbot": "teapots", "question": "Hello?", "session_id": session});
    let told = call(&client, "ask", more).await;
    assert_eq!(
        (&data(&told)["answer"], &data(&told)["is_human_mode"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(provider.request_count(), 2);
}

async fn what_goes_wrong_is_told_in_a_sentence(stage: Stage) {
    let (provider, app, _, bot) = with_model(stage, &[]).await;
    let served = app.serve().await;
    let client = connected(&served, OUR_KEY).await;
    let check = async |tool: &'static str, arguments: Value, words: &str| {
        let failed = call(&client, tool, arguments).await;
        assert_eq!(failed.is_error, Some(true), "{}", said(&failed));
        assert!(said(&failed).contains(words), "{}", said(&failed));
    };
    let nothing = "019b0000-0000-7000-8000-000000000000";
    check(
        "ask",
        json!({"chatbot": "none", "question": "Hi"}),
        "list_chatbots",
    )
    .await;
    check("ask", json!({"chatbot": "teapots"}), "question").await;
    check(
        "ask",
        json!({"chatbot": "teapots", "question": "  "}),
        "empty",
    )
    .await;
    check(
        "ask",
        json!({"chatbot": "teapots", "question": 7}),
        "question",
    )
    .await;
    check(
        "ask",
        json!({"chatbot": "teapots", "question": "Hi", "tone": "rude"}),
        "tone",
    )
    .await;
    let session = json!({"chatbot": "teapots", "question": "Hi", "session_id": nothing});
    check("ask", session, "conversation").await;
    let session = json!({"chatbot": "teapots", "question": "Hi", "session_id": "7"});
    check("ask", session, "conversation").await;
    let search = |limit: i64| json!({"chatbot": "teapots", "query": "tea", "limit": limit});
    check("search_knowledge", search(0), "from 1 to 20").await;
    check("search_knowledge", search(21), "from 1 to 20").await;
    check("search_knowledge", search(-1), "limit").await;
    provider.reply(Script::error(400, "Out of tea."));
    let question = json!({"chatbot": "teapots", "question": "Tea?"});
    check("ask", question.clone(), "Out of tea.").await;
    bot.client
        .patch(&bot.path(""), json!({"active": false}))
        .await
        .expect(200);
    check("ask", question, "switched off").await;
    let unknown = client.call_tool(CallToolRequestParams::new("brew")).await;
    let told = unknown.expect_err("there is no such tool").to_string();
    assert!(told.contains("brew"), "{told}");
    client.list_all_tools().await.expect("and it goes on");
}

async fn another_organizations_key_sees_its_own_alone(stage: Stage) {
    let app = stage.app().await;
    app.bot("Shop").await;
    let served = app.serve().await;
    let client = connected(&served, &"b2".repeat(24)).await;
    let listed = call(&client, "list_chatbots", json!({})).await;
    assert_eq!(data(&listed)["chatbots"], json!([]));
    for (tool, words) in [("ask", "question"), ("search_knowledge", "query")] {
        let mut arguments = json!({"chatbot": "shop"});
        arguments[words] = json!("tea");
        let failed = call(&client, tool, arguments).await;
        assert!(
            said(&failed).contains("no such chatbot"),
            "{}",
            said(&failed)
        );
    }
}

async fn nobody_is_served_without_a_good_key(stage: Stage) {
    let app = stage.app().await;
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {},
                   "clientInfo": {"name": "story", "version": "1"}},
    });
    let asks = |client: &crate::support::Client, body: &Value| {
        let (client, body) = (speaking(client), body.clone());
        async move { client.mcp(body).await }
    };
    let nobody = app.nobody();
    for stranger in [
        &nobody,
        &nobody.with_key(&"c3".repeat(24)),
        &nobody.with_key("odd"),
    ] {
        let refused = asks(stranger, &initialize).await;
        refused.refused(401, "unauthorized", "");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    let bearer = nobody.with("authorization", &format!("Bearer {OUR_KEY}"));
    let served = asks(&bearer, &initialize).await.expect(200);
    assert_eq!(served["result"]["serverInfo"]["name"], "okra");
    assert_eq!(served["result"]["protocolVersion"], "2025-06-18");

    // A person may look, and may ask where they may elsewhere.
    let viewer = app.member("Ours", "viewer@example.com", Role::Viewer).await;
    app.bot("Shop").await;
    let listed = asks(&viewer, &calling("list_chatbots", json!({})))
        .await
        .expect(200);
    assert_eq!(
        listed["result"]["structuredContent"]["chatbots"][0]["slug"],
        "shop"
    );
    let question = json!({"chatbot": "shop", "question": "Hi"});
    let refused = asks(&viewer, &calling("ask", question)).await.expect(200);
    assert_eq!(refused["result"]["isError"], true);
}

/// A client that says what it takes, as the protocol wants it.
fn speaking(client: &crate::support::Client) -> crate::support::Client {
    let client = client.with("accept", "application/json, text/event-stream");
    client.with("host", "chat.example.com")
}

/// A call of a tool as it is sent.
fn calling(tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
           "params": {"name": tool, "arguments": arguments}})
}

async fn who_leaves_stops_the_answer(stage: Stage) {
    let (provider, app, _, bot) = with_model(stage, &[]).await;
    provider.reply(Script::HangAfter {
        text: "With cold".to_owned(),
    });
    let question = json!({"chatbot": "teapots", "question": "How do I rinse a teapot?"});
    let client = speaking(&app.client);
    tokio::select! {
        answer = client.mcp(calling("ask", question)) => panic!("{answer:?}"),
        () = provider.wait_for_requests(1) => {}
    }
    let sessions = bot.client.get(&bot.path("/conversations")).await;
    let session = sessions.expect(200)["data"][0]["id"].clone();
    let messages = messages_when(&bot, &session, 2).await;
    assert_eq!(messages[1]["metadata"]["ended"], "cancelled");
    provider.wait_for_disconnects(1).await;
}

async fn an_answer_under_way_is_finished_when_the_server_stops(stage: Stage) {
    let (provider, app, _, _) = with_model(stage, &[]).await;
    provider.reply(Script::HangAfter {
        text: "With cold water.".to_owned(),
    });
    let question = json!({"chatbot": "teapots", "question": "How do I rinse a teapot?"});
    let client = speaking(&app.client);
    let asking = tokio::spawn(async move { client.mcp(calling("ask", question)).await });
    provider.wait_for_requests(1).await;
    let engine = app.engine.clone();
    let stopping = tokio::spawn(async move { engine.shut_down(Duration::from_secs(60)).await });
    app.engine.stopping().cancelled().await;
    provider.release();
    let told = asking.await.expect("no panic").expect(200);
    let answer = &told["result"]["structuredContent"]["answer"];
    assert_eq!(answer, "With cold water.", "{told}");
    stopping.await.expect("no panic");
}

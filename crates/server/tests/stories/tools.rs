//! Tools: what a chatbot's model may call, what comes of it, and what a visitor is asked first. [`actions`] are an
//! organization's own tools, [`confirming`] is what waits for the visitor, [`faults`] what goes wrong, [`servers`] are
//! MCP's, and [`commands`] those of them that run on this machine.

mod actions;
mod commands;
mod confirming;
mod faults;
mod servers;

use okra_testkit::provider::{MockProvider, RecordedRequest, Script};
use okra_testkit::website::{MockSite, Page as SitePage};
use serde_json::{Value, json};

use crate::support::{Bot, Page, Stage, TestApp, at, list, one_event, said, text};

stories! {
    a_chatbot_without_tools_asks_as_before,
    a_model_looks_something_else_up,
    calls_that_cannot_be_made_are_mended_by_the_model,
    a_model_that_only_calls_is_ended,
    every_providers_format_takes_calls_and_results,
    only_so_many_calls_are_made_at_once,
    contact_details_are_recorded_where_the_visitor_wrote_them,
    a_person_is_called_where_the_visitor_asked_for_one,
    a_person_is_offered_where_nobody_asked_for_one,
    another_model_goes_on_where_nothing_was_said,
}

/// An application whose chatbots have this model, and whose tools may call this site.
async fn with(
    provider: &MockProvider,
    site: &MockSite,
    stage: Stage,
    more: &[(&str, &str)],
) -> TestApp {
    let (url, allow) = (provider.base_url(), site.address().to_string());
    let mut settings = vec![
        ("OPENAI_BASE_URL", url.as_str()),
        ("OKRA_FETCH_ALLOW", allow.as_str()),
    ];
    settings.extend(more);
    stage.app_with(&settings).await
}

/// A chatbot of a kettle shop with these tools.
async fn shop(app: &TestApp, tools: &[&str]) -> Bot {
    let bot = app.bot("Shop").await;
    let items = json!({"items": [
        {"type": "text", "title": "Returns", "content": "Kettles can be returned within thirty days."},
        {"type": "text", "title": "Warranty", "content": "The guarantee on boilers of steel lasts two years."},
    ]});
    bot.add(items).await;
    app.work().await;
    choose(&bot, tools).await;
    bot
}

async fn choose(bot: &Bot, tools: &[&str]) {
    let settings = json!({"is_public": true, "settings": {"tools": tools}});
    bot.client.patch(&bot.path(""), settings).await.expect(200);
}

fn calls(calls: &[(&str, &str)]) -> Script {
    let call = |(name, arguments): &(&str, &str)| ((*name).to_owned(), (*arguments).to_owned());
    Script::Calls {
        text: String::new(),
        calls: calls.iter().map(call).collect(),
    }
}

/// An action that looks an order up, at this site.
async fn get_order(app: &TestApp, site: &MockSite) -> Value {
    let action = json!({
        "title": "Look an order up",
        "description": "Gives the state of an order.",
        "method": "GET",
        "url": site.url("/orders/{order_id}"),
        "parameters": {"properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
        "headers": {"authorization": "Bearer shop-secret-1234"},
    });
    set(app, "get_order", action).await
}

/// An action that cancels one.
async fn cancel_order(app: &TestApp, site: &MockSite) -> Value {
    let action = json!({
        "title": "Cancel an order",
        "description": "Cancels an order.",
        "method": "POST",
        "url": site.url("/cancel"),
        "parameters": {"properties": {"order_id": {"type": "string"}}},
    });
    set(app, "cancel_order", action).await
}

async fn set(app: &TestApp, name: &str, action: Value) -> Value {
    let path = format!("/tools/{name}");
    app.client
        .json("PUT", &path, action.to_string())
        .await
        .expect(200)["data"]
        .clone()
}

fn page(body: impl Into<String>) -> SitePage {
    SitePage::typed("application/json", body.into().into_bytes())
}

/// What a model was told of its calls, of the last request.
fn results(request: &RecordedRequest) -> Vec<String> {
    let messages = list(&request.body["messages"]).iter();
    let results = messages.filter(|message| message["role"] == "tool");
    results
        .map(|message| text(&message["content"]).to_owned())
        .collect()
}

fn last(provider: &MockProvider) -> RecordedRequest {
    provider.requests().pop().expect("a request")
}

async fn a_chatbot_without_tools_asks_as_before(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    let bot = shop(&app, &[]).await;
    let check = async |bot: &Bot| {
        let reply = bot.ask("Can kettles be returned?").await;
        let body = last(&provider).body;
        assert!(
            body.get("tools").is_none() && body.get("tool_choice").is_none(),
            "{body}"
        );
        assert!(!body.to_string().contains("tools that are offered"));
        assert_eq!(reply["message"]["tool_calls"], Value::Null);
        assert_eq!(reply["message"]["tool_results"], Value::Null);
    };
    check(&bot).await;
    // Those of names that are nobody's are none.
    choose(&bot, &["deleted_long_ago"]).await;
    check(&bot).await;
    choose(&bot, &["search_knowledge"]).await;
    let off = json!({"settings": {"isToolEnabled": false}});
    bot.client.patch(&bot.path(""), off).await.expect(200);
    check(&bot).await;
    let on = json!({"settings": {"isToolEnabled": true}});
    bot.client.patch(&bot.path(""), on).await.expect(200);
    bot.ask("Can kettles be returned?").await;
    assert_eq!(
        last(&provider).body["tools"][0]["function"]["name"],
        "search_knowledge"
    );
    let check = async |tools: Value, field: &str| {
        let settings = json!({"settings": {"tools": tools}});
        bot.client
            .patch(&bot.path(""), settings)
            .await
            .refused(400, "invalid_request", field);
    };
    check(json!("search_knowledge"), "settings.tools").await;
    check(json!(["a", "a"]), "settings.tools[1]").await;
    check(json!([""]), "settings.tools[0]").await;
    check(json!(vec!["a"; 33]), "settings.tools").await;
}

async fn a_model_looks_something_else_up(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    let bot = shop(&app, &["search_knowledge"]).await;
    provider.reply(Script::Calls {
        text: "Let me look.".to_owned(),
        calls: vec![(
            "search_knowledge".to_owned(),
            r#"{"query": "guarantee on boilers of steel"}"#.to_owned(),
        )],
    });
    provider.reply(Script::text("It lasts two years [2]."));
    let events = bot.stream(said("Can kettles be returned?")).await.events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..2], ["session", "sources"]);
    assert_eq!(names.last(), Some(&"done"));
    let call = one_event(&events, "tool_call");
    assert_eq!(call["name"], "search_knowledge");
    assert_eq!(
        call["arguments"],
        json!({"query": "guarantee on boilers of steel"})
    );
    assert_eq!(
        (&call["id"], &call["state"]),
        (&json!("call_1"), &json!("called"))
    );
    let outcome = one_event(&events, "tool_result");
    assert_eq!(
        (&outcome["tool_call_id"], &outcome["failed"]),
        (&json!("call_1"), &json!(false))
    );
    assert!(text(&outcome["content"]).contains("two years"), "{outcome}");
    let (_, done) = events.last().expect("an end");
    assert_eq!(done["content"], "Let me look.\n\nIt lasts two years.");
    assert_eq!(done["tool_calls"], json!([call]));
    assert_eq!(done["tool_results"], json!([outcome]));
    assert!(done["metadata"].get("tool_calls").is_none());
    let deltas = events.iter().filter(|(name, _)| name == "delta");
    let shown: String = deltas.map(|(_, data)| text(&data["content"])).collect();
    assert_eq!(shown, "Let me look.\n\nIt lasts two years.");
    // What it found is cited like what it was given.
    let sources = events.iter().filter(|(name, _)| name == "sources");
    let all: Vec<&Value> = sources.map(|(_, data)| &data["sources"]).collect();
    let rest_on = list(&done["metadata"]["sources"]);
    assert_eq!(rest_on.len(), 1, "{done}");
    let given = list(all.last().expect("sources"));
    assert!(
        given
            .iter()
            .any(|source| source["knowledge_id"] == rest_on[0]["knowledge_id"])
    );
    // The call and its result were sent back, and the tokens of both answers are counted.
    let request = last(&provider);
    let messages = list(&request.body["messages"]);
    let called = &messages[messages.len() - 2];
    assert_eq!(
        (&called["role"], &called["content"]),
        (&json!("assistant"), &json!("Let me look."))
    );
    assert_eq!(
        called["tool_calls"][0]["id"],
        messages[messages.len() - 1]["tool_call_id"]
    );
    assert!(results(&request)[0].contains("<passages-"));
    let stored = &bot.messages(&events[0].1["session_id"]).await[1];
    assert_eq!(stored, done);
    assert_eq!(stored["metadata"]["outcome"], "answered");
}

async fn calls_that_cannot_be_made_are_mended_by_the_model(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    get_order(&app, &site).await;
    site.put("/orders/7", page("{\"state\": \"sent\"}"));
    let bot = shop(&app, &["get_order", "search_knowledge"]).await;
    let long = format!("{{\"order_id\": \"{}\"}}", "7".repeat(20_000));
    let faults = [
        ("get_order", "{\"order_id\": ", "not a JSON object"),
        ("get_order", "[1]", "not a JSON object"),
        ("get_order", "{}", "order_id is needed"),
        ("get_order", "{\"order_id\": 7}", "of type string"),
        (
            "get_order",
            "{\"order_id\": \"7\", \"x\": 1}",
            "no argument",
        ),
        ("get_order", &long, "longer than 16 KB"),
        ("delete_everything", "{}", "no tool named"),
        ("search_knowledge", "{\"query\": 1}", "needed"),
    ];
    for (name, arguments, problem) in faults {
        provider.reply(calls(&[(name, arguments)]));
        provider.reply(calls(&[("get_order", "{\"order_id\": \"7\"}")]));
        provider.reply(Script::text("It was sent."));
        let reply = bot.ask("Where is my order 7?").await;
        let told = results(&last(&provider));
        assert_eq!(told.len(), 2);
        assert!(told[0].contains(problem), "{arguments}: {}", told[0]);
        assert!(told[1].contains("{\"state\": \"sent\"}"), "{}", told[1]);
        let message = &reply["message"];
        assert_eq!(message["content"], "It was sent.");
        let failed: Vec<&Value> = list(&message["tool_results"])
            .iter()
            .map(|it| &it["failed"])
            .collect();
        assert_eq!(failed, [&json!(true), &json!(false)]);
        assert!(message["tool_calls"].to_string().len() < 1_000);
    }
    assert_eq!(site.calls().len(), faults.len());
}

async fn a_model_that_only_calls_is_ended(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    let bot = shop(&app, &["search_knowledge"]).await;
    provider.reply_by_default(calls(&[("search_knowledge", "{\"query\": \"kettle\"}")]));
    let events = bot.stream(said("Can kettles be returned?")).await.events();
    let (name, error) = events.last().expect("an end");
    assert_eq!(
        (name.as_str(), &error["code"]),
        ("error", &json!("tool_loop"))
    );
    assert_eq!(
        provider.request_count(),
        6,
        "five rounds of calls, and one that asks for the answer"
    );
    assert_eq!(last(&provider).body["tool_choice"], "none");
    let message = &bot.messages(&events[0].1["session_id"]).await[1];
    assert_eq!(list(&message["tool_calls"]).len(), 5);
    assert_eq!(message["metadata"]["ended"], "failed");
    // One that then says something has answered.
    provider.reply_by_default(Script::Calls {
        text: "Yes.".to_owned(),
        calls: vec![(
            "search_knowledge".to_owned(),
            "{\"query\": \"kettle\"}".to_owned(),
        )],
    });
    let reply = bot.ask("Can kettles be returned?").await;
    assert!(
        text(&reply["message"]["content"]).ends_with("Yes."),
        "{reply}"
    );
}

async fn every_providers_format_takes_calls_and_results(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let url = provider.base_url();
    let beta = format!("http://{}/v1beta", provider.address());
    let more = [
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("ANTHROPIC_API_KEY", "sk-ant"),
        ("GEMINI_BASE_URL", beta.as_str()),
        ("GEMINI_API_KEY", "AIza"),
    ];
    let app = with(&provider, &site, stage, &more).await;
    get_order(&app, &site).await;
    site.put("/orders/7", page("sent yesterday"));
    let bot = shop(&app, &["get_order"]).await;
    for (model, expected) in [
        ("gpt-4o-mini", "\"tool_call_id\":"),
        ("anthropic/claude-sonnet-4-5", "\"type\":\"tool_result\""),
        ("gemini/gemini-2.5-flash", "\"functionResponse\":"),
    ] {
        let settings = json!({"settings": {"model": model}});
        bot.client.patch(&bot.path(""), settings).await.expect(200);
        let two = calls(&[
            ("get_order", "{\"order_id\": \"7\"}"),
            ("get_order", "{\"order_id\": \"7\"}"),
        ]);
        provider.reply(two);
        provider.reply(Script::text("It was sent yesterday."));
        let reply = bot.ask("Where is my order 7?").await;
        let body = last(&provider).body.to_string();
        assert_eq!(body.matches(expected).count(), 2, "{model}: {body}");
        assert_eq!(body.matches("sent yesterday").count(), 2, "{model}: {body}");
        assert_eq!(reply["message"]["content"], "It was sent yesterday.");
        assert_eq!(list(&reply["message"]["tool_results"]).len(), 2);
    }
}

async fn only_so_many_calls_are_made_at_once(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    get_order(&app, &site).await;
    site.put("/orders/7", page("sent"));
    let bot = shop(&app, &["get_order"]).await;
    provider.reply(calls(&[("get_order", "{\"order_id\": \"7\"}"); 10]));
    provider.reply(Script::text("Sent."));
    let reply = bot.ask("Where is my order 7?").await;
    assert_eq!(site.calls().len(), 8);
    let told = results(&last(&provider));
    assert_eq!(told.len(), 10);
    assert!(
        told[7].contains("sent") && told[8].contains("At most 8"),
        "{told:?}"
    );
    let mut ids: Vec<&str> = list(&reply["message"]["tool_calls"])
        .iter()
        .map(|it| text(&it["id"]))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}

async fn contact_details_are_recorded_where_the_visitor_wrote_them(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    let bot = shop(&app, &["record_contact"]).await;
    let slug = bot.show().await["slug"].clone();
    let page = Page::new(&app, text(&slug), None).begun(json!({})).await;
    provider.reply(calls(&[
        ("record_contact", "{\"email\": \"mallory@evil.example\"}"),
        (
            "record_contact",
            "{\"name\": \"Kim\", \"email\": \"kim@x.example\"}",
        ),
        ("record_contact", "{\"email\": \"nothing\"}"),
    ]));
    provider.reply(Script::text("Thank you, Kim."));
    let events = page
        .ask("I am Kim, please write to Kim@X.example")
        .await
        .events();
    let told = results(&last(&provider));
    assert!(told[0].contains("did not write this email"), "{told:?}");
    assert!(
        told[1].contains("Recorded.") && told[2].contains("no e-mail address"),
        "{told:?}"
    );
    assert!(
        !events.iter().any(|(name, _)| name.starts_with("tool_")),
        "a chatbot's own affair: {events:?}"
    );
    let session = async || {
        let sessions = bot
            .client
            .get(&bot.path("/conversations"))
            .await
            .expect(200);
        sessions["data"][0]["metadata"].clone()
    };
    let known = session().await;
    assert_eq!(
        (&known["email"], &known["name"]),
        (&json!("kim@x.example"), &json!("Kim"))
    );
    page.ask("Thanks, can kettles be returned?").await.events();
    assert_eq!(session().await, known, "the page's next message keeps it");
}

async fn a_person_is_called_where_the_visitor_asked_for_one(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    let bot = shop(&app, &["ask_for_person"]).await;
    let slug = bot.show().await["slug"].clone();
    let page = Page::new(&app, text(&slug), None).begun(json!({})).await;
    provider.reply(calls(&[("ask_for_person", "{}")]));
    provider.reply(Script::text("A person will answer you here."));
    let events = page.ask("상담원과 이야기하고 싶어요.").await.events();
    let (_, done) = events.last().expect("an end");
    // What the chatbot says last is said whole.
    assert_eq!(done["content"], "A person will answer you here.");
    assert_eq!(
        (&done["ended"], &done["offer_person"]),
        (&json!("complete"), &json!(false))
    );
    let session = &events[0].1["session_id"];
    let shown = bot.client.get(&at(&bot, session, "")).await.expect(200);
    assert_eq!(
        (
            &shown["session"]["is_human_mode"],
            &shown["session"]["state"]
        ),
        (&json!(true), &json!("waiting"))
    );
    assert_eq!(page.messages().await["handling"]["state"], "waiting");
    let asked = provider.request_count();
    let (_, done) = page.ask("Hello?").await.events().remove(1);
    assert_eq!(done["ended"], "handed_over", "the chatbot is silent");
    assert_eq!(provider.request_count(), asked);
    // Over the API the answer says so itself; who asked a message before is heard too.
    provider.reply(Script::text("Your name, please?"));
    let mut body = said("I want a human.");
    body["sessionToken"] = json!("kim");
    let reply = bot.chat(body.clone()).await.expect(200);
    assert_eq!(reply["is_human_mode"], false);
    provider.reply(calls(&[("ask_for_person", "{}")]));
    provider.reply(Script::text("Wait a moment, Kim."));
    body["messages"][0]["content"] = json!("Kim");
    let reply = bot.chat(body).await.expect(200);
    let metadata = &reply["message"]["metadata"];
    assert_eq!(metadata["called_person"], true, "{reply}");
    assert_eq!(metadata.get("offer_person"), None);
    assert_eq!(reply["is_human_mode"], true);
}

async fn a_person_is_offered_where_nobody_asked_for_one(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    let bot = shop(&app, &["ask_for_person"]).await;
    provider.reply(calls(&[("ask_for_person", "")]));
    provider.reply(Script::text("A person can help you."));
    let reply = bot.ask("My kettle leaks.").await;
    assert_eq!(reply["message"]["metadata"]["offer_person"], true);
    assert_eq!(reply["is_human_mode"], false, "the visitor decides");
    let off = json!({"settings": {"isHumanHandoverEnabled": false}});
    bot.client.patch(&bot.path(""), off).await.expect(200);
    bot.ask("Let me talk to somebody.").await;
    assert!(last(&provider).body.get("tools").is_none());
}

async fn another_model_goes_on_where_nothing_was_said(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    get_order(&app, &site).await;
    site.put("/orders/7", page("sent yesterday"));
    let bot = shop(&app, &["get_order"]).await;
    let settings = json!({"settings": {"fallbackModel": "mock-2"}});
    bot.client.patch(&bot.path(""), settings).await.expect(200);
    let call = || calls(&[("get_order", "{\"order_id\": \"7\"}")]);
    provider.reply(call());
    provider.reply(Script::error(400, "Out of order"));
    provider.reply(call());
    provider.reply(Script::text("It was sent yesterday."));
    let message = bot.ask("Where is my order 7?").await["message"].clone();
    assert_eq!(message["content"], "It was sent yesterday.");
    assert_eq!(message["model"], "mock-2");
    let instead_of = json!({"model": "gpt-4o-mini", "error": "Out of order"});
    assert_eq!(message["metadata"]["instead_of"], instead_of);
    let models = provider.requests();
    let models: Vec<&str> = models.iter().map(|it| text(&it.body["model"])).collect();
    assert_eq!(models, ["gpt-4o-mini", "gpt-4o-mini", "mock-2", "mock-2"]);
    // It was told of the call that the first one made.
    assert_eq!(results(&provider.requests()[2]).len(), 1);
    assert_eq!(list(&message["tool_results"]).len(), 2);

    // Not in the place of one that spoke, nor of one that stands in itself.
    let asked = provider.request_count();
    provider.reply(Script::Calls {
        text: "One moment.".to_owned(),
        calls: vec![("get_order".to_owned(), "{\"order_id\": \"7\"}".to_owned())],
    });
    provider.reply(Script::error(400, "Out of order"));
    let failed = bot.chat(said("Where is my order 7?")).await;
    failed.refused(502, "provider_failed", "");
    assert_eq!(provider.request_count(), asked + 2);
    provider.reply(Script::error(400, "Out of order"));
    provider.reply(call());
    provider.reply(Script::error(400, "So am I"));
    let failed = bot.chat(said("Where is my order 7?")).await;
    failed.refused(502, "provider_failed", "");
    assert_eq!(provider.request_count(), asked + 5);
}

//! Calls that go wrong, in each provider's format, and turns that are left or taken over while something is carried out.

use okra_testkit::provider::{MockProvider, RecordedRequest, Script};
use okra_testkit::website::{MockSite, Page as SitePage};
use serde_json::{Value, json};

use super::{calls, cancel_order, choose, get_order, last, page, shop, with};
use crate::support::{
    Bot, Page, Reader, Stage, TestApp, asked_and_left, at, change, list, messages_when, question,
    said, text,
};

stories! {
    broken_calls_are_mended_in_every_format,
    a_model_that_only_calls_is_ended_in_every_format,
    who_leaves_while_a_tool_runs_goes_on_afterwards,
    what_was_confirmed_is_recorded_though_its_visitor_leaves,
    what_was_confirmed_is_noted_though_a_person_takes_over,
}

/// A model of each format, Ollama's too.
const MODELS: [&str; 4] = [
    "gpt-4o-mini",
    "anthropic/claude-sonnet-4-5",
    "gemini/gemini-2.5-flash",
    "ollama/llama3.1",
];

async fn with_every_format(provider: &MockProvider, site: &MockSite, stage: Stage) -> TestApp {
    let url = provider.base_url();
    let bare = format!("http://{}", provider.address());
    let more = [
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("ANTHROPIC_API_KEY", "sk-ant"),
        ("GEMINI_BASE_URL", bare.as_str()),
        ("GEMINI_API_KEY", "AIza"),
        ("OLLAMA_BASE_URL", bare.as_str()),
        ("OKRA_VISITOR_MESSAGES_PER_MINUTE", "1000"),
    ];
    with(provider, site, stage, &more).await
}

async fn use_model(bot: &Bot, model: &str) {
    let settings = json!({"settings": {"model": model}});
    bot.client.patch(&bot.path(""), settings).await.expect(200);
}

/// The arguments of every call that a request tells its model of, in whichever format.
fn sent_back(value: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match value {
        Value::Array(values) => found.extend(values.iter().flat_map(sent_back)),
        Value::Object(map) => {
            for (name, value) in map {
                match (name.as_str(), value) {
                    ("arguments", Value::String(text)) => {
                        found.push(serde_json::from_str(text).unwrap_or(json!(text)));
                    }
                    ("args" | "input", _) => found.push(value.clone()),
                    _ => found.extend(sent_back(value)),
                }
            }
        }
        _ => {}
    }
    found
}

async fn broken_calls_are_mended_in_every_format(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with_every_format(&provider, &site, stage).await;
    get_order(&app, &site).await;
    site.put("/orders/7", page("sent yesterday"));
    let bot = shop(&app, &["get_order"]).await;
    for (round, model) in MODELS.into_iter().enumerate() {
        use_model(&bot, model).await;
        provider.reply(calls(&[
            ("get_order", "{\"order_id\": \"7"),
            ("get_order", "\u{ac00}"),
            ("delete_everything", "{}"),
        ]));
        provider.reply(calls(&[("get_order", "{\"order_id\": \"7\"}")]));
        provider.reply(Script::text("It was sent yesterday."));
        let reply = bot.ask("Where is my order 7?").await;
        let message = &reply["message"];
        assert_eq!(message["content"], "It was sent yesterday.", "{model}");
        let results = list(&message["tool_results"]);
        let failed: Vec<bool> = results.iter().map(|it| it["failed"] == true).collect();
        assert_eq!(failed, [true, true, true, false], "{model}: {results:?}");
        for (at, words) in ["not a JSON object", "not a JSON object", "no tool named"]
            .into_iter()
            .enumerate()
        {
            let told = text(&results[at]["content"]);
            assert!(told.contains(words), "{model}: {told}");
        }
        // Providers refuse a conversation that holds broken arguments.
        let body = last(&provider).body;
        let arguments = sent_back(
            &body[if model.starts_with("gemini") {
                "contents"
            } else {
                "messages"
            }],
        );
        assert_eq!(arguments.len(), 4, "{model}: {body}");
        assert!(
            arguments.iter().all(Value::is_object),
            "{model}: {arguments:?}"
        );
        assert_eq!(site.calls().len(), round + 1, "{model}: one call was made");
        // What is stored goes with the conversation's next turn.
        let mut next = said("Thank you. Can kettles be returned?");
        next["session_id"] = reply["session_id"].clone();
        provider.reply(Script::text("Within thirty days."));
        let next = bot.chat(next).await.expect(200);
        assert_eq!(next["message"]["metadata"]["ended"], "complete", "{model}");
    }
}

async fn a_model_that_only_calls_is_ended_in_every_format(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with_every_format(&provider, &site, stage).await;
    let bot = shop(&app, &["search_knowledge"]).await;
    let slug = bot.show().await["slug"].clone();
    let last_choice = |request: &RecordedRequest| {
        let body = &request.body;
        let of_google = &body["toolConfig"]["functionCallingConfig"]["mode"];
        match (&body["tool_choice"], of_google) {
            (Value::String(word), _) | (_, Value::String(word)) => word.to_lowercase(),
            (choice, _) => text(&choice["type"]).to_owned(),
        }
    };
    for model in MODELS {
        use_model(&bot, model).await;
        provider.reply_by_default(calls(&[("search_knowledge", "{\"query\": \"kettle\"}")]));
        let visitor = Page::new(&app, text(&slug), None).begun(json!({})).await;
        let before = provider.request_count();
        let events = visitor.ask("Can kettles be returned?").await.events();
        let (name, error) = events.last().expect("an end");
        assert_eq!(
            (name.as_str(), &error["code"]),
            ("error", &json!("tool_loop"))
        );
        let words = "The answer could not be finished. Please try again.";
        assert_eq!(error["error"], words, "{model}");
        assert_eq!(provider.request_count() - before, 6, "{model}");
        assert_eq!(last_choice(&last(&provider)), "none", "{model}");
        // What the builder reads says what happened, and the conversation goes on.
        let messages = bot.messages(&events[0].1["session_id"]).await;
        assert_eq!(messages[1]["metadata"]["outcome"], "failed");
        let told = text(&messages[1]["metadata"]["error"]);
        assert!(told.contains("went on calling tools"), "{told}");
        provider.reply_by_default(Script::text("Within thirty days."));
        let events = visitor.ask("When can kettles be returned?").await.events();
        let (_, done) = events.last().expect("an end");
        assert_eq!(
            (&done["content"], &done["ended"]),
            (&json!("Within thirty days."), &json!("complete"))
        );
    }
}

async fn who_leaves_while_a_tool_runs_goes_on_afterwards(stage: Stage) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    get_order(&app, &site).await;
    site.put("/orders/7", SitePage::held("never read"));
    let bot = shop(&app, &["get_order"]).await;
    provider.reply(Script::Calls {
        text: "Let me look.".to_owned(),
        calls: vec![("get_order".to_owned(), "{\"order_id\": \"7\"}".to_owned())],
    });
    let mut body = said("Where is my order 7?");
    body["sessionToken"] = json!("kim");
    asked_and_left(&app, &bot, &body, "event: tool_call").await;
    let all = bot
        .client
        .get(&bot.path("/conversations"))
        .await
        .expect(200);
    let session = all["data"][0]["id"].clone();
    let messages = messages_when(&bot, &session, 2).await;
    assert_eq!(messages[1]["content"], "Let me look.");
    assert_eq!(messages[1]["metadata"]["ended"], "cancelled");
    assert_eq!(list(&messages[1]["tool_calls"]).len(), 1);
    assert_eq!(messages[1]["tool_results"], json!([]));
    // Both calls of the model are paid for: the first told its tokens.
    assert!(
        messages[1]["tokens_used"].as_i64() > Some(0),
        "{messages:?}"
    );
    assert_eq!(provider.request_count(), 1, "nobody is told of the result");
    provider.reply(Script::text("It was sent."));
    body["messages"][0]["content"] = json!("When was order 7 sent?");
    let reply = bot.chat(body).await.expect(200);
    assert_eq!(reply["session_id"], session);
    assert_eq!(reply["message"]["content"], "It was sent.");
}

/// A chatbot that cancels orders at a system that is held up, and the visitor's yes to that.
async fn proposed(stage: Stage) -> (MockProvider, MockSite, TestApp, Bot) {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    cancel_order(&app, &site).await;
    site.put("/cancel", SitePage::held("cancelled"));
    let bot = shop(&app, &[]).await;
    choose(&bot, &["cancel_order"]).await;
    provider.reply(calls(&[("cancel_order", "{\"order_id\": \"7\"}")]));
    provider.reply(Script::text("Shall I cancel order 7?"));
    (provider, site, app, bot)
}

async fn what_was_confirmed_is_recorded_though_its_visitor_leaves(stage: Stage) {
    let (provider, site, _app, bot) = proposed(stage).await;
    let reply = bot.ask("Please cancel order 7.").await;
    let session = &reply["session_id"];
    let mut yes = said("Yes");
    yes["session_id"] = session.clone();
    yes["confirm"] = json!({"message_id": reply["message"]["id"], "call_id": "call_1"});
    // Without a socket between, over which the order system's answer may come before the reader's end.
    let mut reader = bot.reader(&yes).await;
    reader.until("event: tool_call").await;
    drop(reader);
    site.wait_for_calls(1).await;
    site.release();
    let messages = messages_when(&bot, session, 4).await;
    let last = &messages[3];
    assert_eq!(last["metadata"]["ended"], "cancelled");
    assert_eq!(last["tool_calls"][0]["arguments"], json!({"order_id": "7"}));
    assert_eq!(last["tool_results"][0]["content"], "cancelled", "{last}");
    assert_eq!(
        provider.request_count(),
        2,
        "no model is asked for an answer that nobody reads"
    );
    bot.chat(yes).await.refused(409, "already_confirmed", "");
    assert_eq!(site.calls().len(), 1);
}

async fn what_was_confirmed_is_noted_though_a_person_takes_over(stage: Stage) {
    let (provider, site, app, bot) = proposed(stage).await;
    let slug = bot.show().await["slug"].clone();
    let visitor = Page::new(&app, text(&slug), None).begun(json!({})).await;
    let events = visitor.ask("Please cancel order 7.").await.events();
    let session = events[0].1["session_id"].clone();
    let (_, done) = events.last().expect("an end");
    let mut yes = question("Yes");
    yes["confirm"] = json!({"message_id": done["id"], "call_id": "call_1"});
    let asked = visitor.request("POST", "/chat", Some(yes));
    let mut reader = Reader::open(&visitor.client, asked).await;
    reader.until("event: tool_call").await;
    site.wait_for_calls(1).await;
    let taken = change(&app.client, &bot, &session, json!({"is_human_mode": true})).await;
    taken.expect(200);
    // The visitor is told at once, though what was begun goes on.
    let heard = reader.rest().await;
    assert!(heard.contains(r#""ended":"handed_over""#), "{heard}");
    assert!(!heard.contains("tool_result"), "{heard}");
    site.release();
    let noted = async {
        loop {
            let notes = app
                .client
                .get(&at(&bot, &session, "/notes"))
                .await
                .expect(200);
            match list(&notes["data"]).first() {
                Some(note) => return note.clone(),
                None => tokio::task::yield_now().await,
            }
        }
    };
    let noted = tokio::time::timeout(std::time::Duration::from_secs(10), noted).await;
    let note = noted.expect("a note is left");
    let told = text(&note["content"]);
    for part in ["Cancel an order", "it was done", "order_id: 7", "cancelled"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // The chatbot said nothing, and the visitor sees nothing of the note.
    let messages = bot.messages(&session).await;
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert_eq!(provider.request_count(), 2);
    let seen = visitor.messages().await.to_string();
    assert!(!seen.contains("it was done"), "{seen}");
}

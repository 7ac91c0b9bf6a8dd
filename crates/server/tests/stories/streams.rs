//! Streamed answers: the order of events, their one end, and what is left when someone hangs up.

use futures_util::StreamExt;
use okra_testkit::provider::{MockProvider, Script};
use serde_json::{Value, json};

use crate::support::{Bot, OUR_KEY, Stage, TestApp, one_event, said, text};

stories! {
    a_stream_says_what_it_will_be_then_the_answer_then_that_it_is_whole,
    a_stream_that_fails_ends_in_one_error,
    who_hangs_up_stops_the_model_and_both_messages_stay,
    who_hangs_up_without_streaming_stops_the_model_too,
    the_turn_ends_whole_though_its_reader_is_slow,
}

async fn with(provider: &MockProvider, stage: Stage) -> (TestApp, Bot) {
    let url = provider.base_url();
    let app = stage.app_with(&[("OPENAI_BASE_URL", &url)]).await;
    let bot = app.bot("Teapots").await;
    bot.add(
        json!({"type": "text", "title": "Care", "content": "Rinse the teapot with cold water."}),
    )
    .await;
    app.work().await;
    (app, bot)
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    let mut names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    names
}

async fn a_stream_says_what_it_will_be_then_the_answer_then_that_it_is_whole(stage: Stage) {
    let provider = MockProvider::start().await;
    let (_app, bot) = with(&provider, stage).await;
    let words = "찬물로 헹구세요. Rinse it with cold water.";
    provider.reply(Script::Text {
        text: words.to_owned(),
        deltas: 7,
    });
    provider.reply(Script::ByteByByte {
        text: words.to_owned(),
    });
    for _ in 0..2 {
        let answer = bot.stream(said("How do I rinse the teapot?")).await;
        let kept = answer.header("cache-control").to_owned();
        assert!(kept.contains("no-cache"), "{kept}");
        let events = answer.events();
        assert_eq!(names(&events), ["session", "sources", "delta", "done"]);
        let deltas: Vec<&str> = events
            .iter()
            .filter(|(name, _)| name == "delta")
            .map(|(_, data)| text(&data["content"]))
            .collect();
        assert!(deltas.len() > 1, "{deltas:?}");
        assert_eq!(deltas.concat(), words);
        let (session, done) = (one_event(&events, "session"), one_event(&events, "done"));
        assert_eq!(done["content"], words);
        assert_eq!(done["id"], session["message_id"]);
        assert_eq!(done["session_id"], session["session_id"]);
        assert!(done["tokens_used"].as_i64() > Some(0), "{done}");
        let sources = &one_event(&events, "sources")["sources"];
        assert_eq!(sources[0]["title"], "Care");
        assert_eq!(bot.messages(&session["session_id"]).await[1], *done);
    }
    let plain = bot
        .client
        .post(&bot.path("/chat?stream=1"), said("Hi"))
        .await;
    plain.events();
    let odd = bot
        .client
        .post(&bot.path("/chat?stream=maybe"), said("Hi"))
        .await;
    odd.refused(400, "invalid_request", "stream");
    // What is wrong before there is a turn is an answer like any other.
    bot.stream(json!({"messages": []}))
        .await
        .refused(400, "invalid_request", "messages");
}

async fn a_stream_that_fails_ends_in_one_error(stage: Stage) {
    let provider = MockProvider::start().await;
    let (_app, bot) = with(&provider, stage).await;
    let half = || "Half an answer".to_owned();
    for (script, words, said_before) in [
        (
            Script::error(400, "Your prompt is silly."),
            "Your prompt is silly.",
            "",
        ),
        (Script::Empty, "", ""),
        (
            Script::ErrorAfter {
                text: half(),
                message: "Out of tea.".to_owned(),
            },
            "Out of tea.",
            "Half an answer",
        ),
        (Script::CloseAfter { text: half() }, "", "Half an answer"),
        (Script::ResetAfter { text: half() }, "", "Half an answer"),
        (
            Script::MalformedAfter { text: half() },
            "",
            "Half an answer",
        ),
    ] {
        provider.reply_by_default(script.clone());
        let events = bot.stream(said("Is there tea?")).await.events();
        let heard: Vec<&str> = events
            .iter()
            .filter(|(name, _)| name == "delta")
            .map(|(_, data)| text(&data["content"]))
            .collect();
        let heard = heard.concat();
        // A connection that is reset may take what was sent before with it.
        let lost = matches!(script, Script::ResetAfter { .. }) && heard.is_empty();
        assert!(heard == said_before || lost, "{script:?}: {heard}");
        let expected: &[&str] = match heard.as_str() {
            "" => &["session", "sources", "error"],
            _ => &["session", "sources", "delta", "error"],
        };
        assert_eq!(names(&events), expected, "{script:?}");
        let error = one_event(&events, "error");
        assert_eq!(error["code"], "provider_failed", "{error}");
        assert!(text(&error["error"]).contains(words), "{error}");
        let session = &one_event(&events, "session")["session_id"];
        let messages = bot.messages(session).await;
        assert_eq!(messages.len(), 2, "{script:?}: {messages:?}");
        assert_eq!(messages[1]["content"], heard, "what was said is kept");
        assert_eq!(messages[1]["metadata"]["ended"], "failed");
    }
}

/// Waits until the only session holds both messages, ten seconds at most.
async fn both_messages(bot: &Bot) -> Vec<Value> {
    let waiting = async {
        loop {
            let all = bot
                .client
                .get(&bot.path("/conversations"))
                .await
                .expect(200);
            assert_eq!(all["pagination"]["total"], 1, "{all}");
            let messages = bot.messages(&all["data"][0]["id"]).await;
            if messages.len() > 1 {
                return messages;
            }
            tokio::task::yield_now().await;
        }
    };
    let ten_seconds = std::time::Duration::from_secs(10);
    let messages = tokio::time::timeout(ten_seconds, waiting).await;
    messages.expect("both messages are stored")
}

#[track_caller]
fn check_cancelled(messages: &[Value], content: &str) {
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0]["content"], "Tell me everything");
    assert_eq!(messages[1]["content"], content);
    assert_eq!(messages[1]["metadata"]["ended"], "cancelled");
}

async fn who_hangs_up_stops_the_model_and_both_messages_stay(stage: Stage) {
    let provider = MockProvider::start().await;
    let (app, bot) = with(&provider, stage).await;
    let served = app.serve().await;
    provider.reply(Script::HangAfter {
        text: "It began".to_owned(),
    });
    let client = reqwest::Client::builder().build().expect("a client");
    let url = format!("{}{}?stream=true", served.url, bot.path("/chat"));
    let request = client
        .post(url)
        .header("x-api-key", OUR_KEY)
        .json(&said("Tell me everything"));
    let mut stream = request.send().await.expect("an answer").bytes_stream();
    let mut heard = String::new();
    while !heard.contains("It began") {
        let bytes = stream.next().await.expect("more").expect("bytes");
        heard.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
    }
    drop(stream);
    provider.wait_for_disconnects(1).await;
    check_cancelled(&both_messages(&bot).await, "It began");
    // The conversation goes on where it stopped.
    let all = bot
        .client
        .get(&bot.path("/conversations"))
        .await
        .expect(200);
    let mut next = said("Go on");
    next["session_id"] = all["data"][0]["id"].clone();
    bot.chat(next).await.expect(200);
    let asked = provider.requests().pop().expect("a request").conversation();
    assert_eq!(
        asked[1..],
        [
            "user: Tell me everything",
            "assistant: It began",
            "user: Go on"
        ]
    );
}

async fn who_hangs_up_without_streaming_stops_the_model_too(stage: Stage) {
    let provider = MockProvider::start().await;
    let (app, bot) = with(&provider, stage).await;
    let served = app.serve().await;
    provider.reply(Script::HangBeforeAnswer);
    let client = reqwest::Client::builder().build().expect("a client");
    let url = format!("{}{}", served.url, bot.path("/chat"));
    let request = client
        .post(url)
        .header("x-api-key", OUR_KEY)
        .json(&said("Tell me everything"));
    let asking = tokio::spawn(request.send());
    provider.wait_for_requests(1).await;
    asking.abort();
    provider.wait_for_disconnects(1).await;
    check_cancelled(&both_messages(&bot).await, "");
}

async fn the_turn_ends_whole_though_its_reader_is_slow(stage: Stage) {
    let provider = MockProvider::start().await;
    let (_app, bot) = with(&provider, stage).await;
    // More pieces than the engine keeps waiting for a reader.
    let words = "word ".repeat(2_000);
    provider.reply(Script::Text {
        text: words.clone(),
        deltas: 2_000,
    });
    let events = bot.stream(said("Talk")).await.events();
    assert_eq!(one_event(&events, "done")["content"], words);
}

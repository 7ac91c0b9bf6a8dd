//! Providers that fail: what is stored, what the visitor reads, what the builder reads, and that the conversation goes on.
//! [`clients`] are those that misbehave. Of tools that is in [`crate::tools`], of images in [`crate::images`].

mod clients;

use okra_testkit::provider::{ErrorReply, MockProvider, Script};
use serde_json::{Value, json};

use crate::support::{
    Bot, Page, Reader, Stage, TestApp, asked_and_left, list, messages_when, one_event, public_bot,
    question, said, text, with_model,
};

stories! {
    every_fault_of_every_provider_ends_one_answer_and_no_conversation,
    a_provider_that_hangs_ends_one_answer_and_no_conversation,
    a_token_of_a_megabyte_is_kept_whole,
    what_was_cut_off_is_paid_for,
}

/// What a visitor reads in place of an answer that a provider did not give.
const UNFINISHED: &str = "The answer could not be finished. Please try again.";
/// The settings under which one address may ask as often as a story does.
const UNHURRIED: [(&str, &str); 2] = [
    ("OKRA_VISITOR_MESSAGES_PER_MINUTE", "1000"),
    ("OKRA_ADDRESS_SESSIONS_PER_MINUTE", "1000"),
];

/// A model of each format, Ollama's too.
const MODELS: [&str; 4] = [
    "gpt-4o-mini",
    "anthropic/claude-sonnet-4-5",
    "gemini/gemini-2.5-flash",
    "ollama/llama3.1",
];

/// An application whose chatbot may have each of [`MODELS`].
async fn with_every_format(stage: Stage) -> (MockProvider, TestApp, Bot, String) {
    let provider = MockProvider::start().await;
    let bare = format!("http://{}", provider.address());
    let mut settings = vec![
        ("OPENAI_BASE_URL", bare.as_str()),
        ("ANTHROPIC_BASE_URL", bare.as_str()),
        ("ANTHROPIC_API_KEY", "sk-ant"),
        ("GEMINI_BASE_URL", bare.as_str()),
        ("GEMINI_API_KEY", "AIza"),
        ("OLLAMA_BASE_URL", bare.as_str()),
    ];
    settings.extend(UNHURRIED);
    let app = stage.app_with(&settings).await;
    let (bot, slug) = public_bot(&app).await;
    (provider, app, bot, slug)
}

async fn use_model(bot: &Bot, model: &str) {
    let settings = json!({"settings": {"model": model}});
    bot.client.patch(&bot.path(""), settings).await.expect(200);
}

/// A fault, what of it the builder reads, and what was said before it.
struct Fault {
    script: Script,
    words: &'static str,
    said: &'static str,
}

fn faults(model: &str) -> Vec<Fault> {
    let half = || "Half an".to_owned();
    let fault = |script, words, said| Fault {
        script,
        words,
        said,
    };
    let mut faults = vec![
        fault(
            Script::error(401, "Wrong key sk-secret-0123456789."),
            "Wrong key sk-…",
            "",
        ),
        fault(Script::error(500, "Core 7 melted."), "Core 7 melted.", ""),
        fault(
            Script::Error(
                ErrorReply::new(429, "Account 42 is busy.").with_header("retry-after", "60"),
            ),
            "Account 42 is busy. (to be asked again in 60 s)",
            "",
        ),
        fault(Script::Empty, "empty answer", ""),
        fault(
            Script::CloseAfter { text: half() },
            "ended in the middle",
            "Half an",
        ),
        fault(
            Script::MalformedAfter { text: half() },
            "broken JSON",
            "Half an",
        ),
        fault(
            Script::ErrorAfter {
                text: half(),
                message: "Core 7 melted.".to_owned(),
            },
            "Core 7 melted.",
            "Half an",
        ),
    ];
    // Half a character at the end, and half a character before the next.
    let event = |bytes: &[u8]| {
        match model.split_once('/') {
        Some(("anthropic", _)) => [
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"",
            bytes,
            b"\"}}\n\n",
        ]
        .concat(),
        Some(("gemini", _)) => [
            b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"".as_slice(),
            bytes,
            b"\"}]}}]}\n\n",
        ]
        .concat(),
        _ => [
            b"data: {\"choices\":[{\"delta\":{\"content\":\"".as_slice(),
            bytes,
            b"\"}}]}\n\n",
        ]
        .concat(),
    }
    };
    let (whole, cut) = (event(b"Half an"), event(&"반".as_bytes()[..2]));
    let letter = cut
        .iter()
        .position(|byte| *byte >= 0x80)
        .expect("half a letter");
    let raw = |pieces: Vec<Vec<u8>>| Script::Raw {
        content_type: "text/event-stream".to_owned(),
        pieces,
    };
    let ends = raw(vec![whole.clone(), cut[..letter + 2].to_vec()]);
    faults.push(fault(ends, "ended in the middle", "Half an"));
    faults.push(fault(raw(vec![whole, cut]), "broken JSON", "Half an"));
    faults
}

async fn every_fault_of_every_provider_ends_one_answer_and_no_conversation(stage: Stage) {
    let (provider, app, bot, slug) = with_every_format(stage).await;
    for model in MODELS {
        use_model(&bot, model).await;
        for fault in faults(model) {
            let page = Page::new(&app, &slug, None).begun(json!({})).await;
            check(&provider, &page, &bot, &fault, model).await;
        }
    }
    let overview = app.client.get("/overview").await.expect(200);
    let failed = MODELS.len() * faults("gpt-4o-mini").len();
    assert_eq!(overview["totals"]["failed"], json!(failed), "{overview}");
}

/// Has a visitor's first answer fail in this way, and the next one go well.
async fn check(provider: &MockProvider, page: &Page, bot: &Bot, fault: &Fault, model: &str) {
    let Fault {
        script,
        words,
        said,
    } = fault;
    let context = format!("{model} {script:?}");
    provider.reply_by_default(script.clone());
    let answer = page.ask("How do I rinse the teapot?").await;
    let events = answer.events();
    let error = one_event(&events, "error");
    assert_eq!(events.last().map(|(name, _)| name.as_str()), Some("error"));
    assert_eq!(error["code"], "provider_failed", "{context}");
    assert_eq!(error["error"], UNFINISHED, "{context}");
    let heard = String::from_utf8_lossy(&answer.body).into_owned();
    for theirs in ["Core 7", "Account 42", "sk-", "JSON"] {
        assert!(!heard.contains(theirs), "{context}: {heard}");
    }
    let seen = page.messages().await;
    let seen = list(&seen["data"]);
    assert_eq!(seen.len(), 2, "{context}: {seen:?}");
    assert_eq!(
        (&seen[1]["content"], &seen[1]["ended"]),
        (&json!(said), &json!("failed")),
        "{context}"
    );
    // Who runs the chatbot reads the provider's own words.
    let session = &one_event(&events, "session")["session_id"];
    let stored = bot.messages(session).await;
    let metadata = &stored[1]["metadata"];
    let told = text(&metadata["error"]);
    assert!(told.contains(words), "{context}: {told}");
    assert!(!told.contains("sk-secret"), "{context}: {told}");
    assert_eq!(metadata["outcome"], "failed", "{context}");

    provider.reply_by_default(Script::text("With cold water."));
    let events = page.ask("What is the teapot rinsed with?").await.events();
    let done = one_event(&events, "done");
    assert_eq!(
        (&done["content"], &done["ended"]),
        (&json!("With cold water."), &json!("complete")),
        "{context}"
    );
    // The model is shown what was asked and said before, and no empty answer.
    let asked = provider.requests().pop().expect("a request").conversation();
    let name = if model.starts_with("gemini") {
        "model"
    } else {
        "assistant"
    };
    let mut expected = vec!["user: How do I rinse the teapot?".to_owned()];
    if !said.is_empty() {
        expected.push(format!("{name}: {said}"));
    }
    expected.push("user: What is the teapot rinsed with?".to_owned());
    // These two want one turn where messages of one side follow each other, and its first text is compared.
    if (model.starts_with("anthropic") || model.starts_with("gemini")) && said.is_empty() {
        expected.truncate(1);
    }
    assert_eq!(asked[1..], expected, "{context}");
}

async fn a_provider_that_hangs_ends_one_answer_and_no_conversation(stage: Stage) {
    let more = [("OKRA_MAX_TURN_SECONDS", "5")];
    let (provider, _app, page, bot) = with_model(stage, &more).await;
    let hangs = [
        (Script::HangBeforeAnswer, ""),
        (
            Script::HangAfter {
                text: "Half an".to_owned(),
            },
            "Half an",
        ),
    ];
    for (round, (script, said)) in hangs.into_iter().enumerate() {
        provider.reply(script);
        let events = page.ask("How do I rinse the teapot?").await.events();
        let error = one_event(&events, "error");
        assert_eq!(
            (&error["code"], &error["error"]),
            (&json!("turn_timeout"), &json!(UNFINISHED))
        );
        provider.wait_for_disconnects(round + 1).await;
        let session = &one_event(&events, "session")["session_id"];
        let stored = bot.messages(session).await;
        let failed = stored.last().expect("an answer");
        assert_eq!(
            (&failed["content"], &failed["metadata"]["ended"]),
            (&json!(said), &json!("failed"))
        );
        assert!(text(&failed["metadata"]["error"]).contains("within 5 seconds"));
        provider.reply(Script::text("With cold water."));
        let events = page.ask("What is the teapot rinsed with?").await.events();
        assert_eq!(one_event(&events, "done")["content"], "With cold water.");
        assert_eq!(bot.messages(session).await.len(), 4 * (round + 1));
    }
}

async fn a_token_of_a_megabyte_is_kept_whole(stage: Stage) {
    let (provider, app, bot, slug) = with_every_format(stage).await;
    let long = "가나다라 ".repeat(80_000).trim_end().to_owned();
    for model in MODELS {
        use_model(&bot, model).await;
        let page = Page::new(&app, &slug, None).begun(json!({})).await;
        provider.reply_by_default(Script::text(long.as_str()));
        let before = provider.request_count();
        let events = page.ask("How do I rinse the teapot?").await.events();
        let deltas = events.iter().filter(|(name, _)| name == "delta");
        let heard: String = deltas.map(|(_, data)| text(&data["content"])).collect();
        assert!(heard == long, "{model}: {} bytes", heard.len());
        assert!(
            one_event(&events, "done")["content"] == json!(long),
            "{model}"
        );
        let stored = page.messages().await;
        assert!(stored["data"][1]["content"] == json!(long), "{model}");
        // What does not fit is no part of the next prompt, nor of what sums the conversation up behind it.
        provider.reply_by_default(Script::text("With cold water."));
        page.ask("What is the teapot rinsed with?").await.events();
        provider.wait_for_requests(before + 3).await;
        for request in provider.requests() {
            let sent = request.body.to_string().len();
            assert!(sent < 100_000, "{model}: {sent}");
        }
    }
}

async fn what_was_cut_off_is_paid_for(stage: Stage) {
    let (provider, app, bot, slug) = with_every_format(stage).await;
    let end = json!({"tokens_a_day": 1_000_000});
    app.client.patch("/providers", end).await.expect(200);
    let today = async || {
        let shown = app.client.get("/providers").await.expect(200);
        shown["tokens_today"].as_i64().expect("a number")
    };
    let hangs = || Script::HangAfter {
        text: "Rinse it with cold water and let it dry.".to_owned(),
    };
    let mut counted = 0;
    for model in MODELS {
        use_model(&bot, model).await;
        provider.reply(hangs());
        let mut body = said("How do I rinse the teapot?");
        body["sessionToken"] = json!(model);
        asked_and_left(&app, &bot, &body, "Rinse it").await;
        let message = messages_when(&bot, &session_of(&bot, model).await, 2)
            .await
            .remove(1);
        assert_eq!(message["metadata"]["ended"], "cancelled");
        assert_eq!(message["metadata"]["tokens_estimated"], true, "{model}");
        let tokens = message["tokens_used"].as_i64().expect("a number");
        let written = message["metadata"]["completion_tokens"].as_i64();
        // The prompt has its rules and a passage; what was said is ten tokens long, or so.
        assert!(tokens > 100 && tokens < 10_000, "{model}: {message}");
        assert!(
            written >= Some(9) && written < Some(20),
            "{model}: {message}"
        );
        counted += tokens;
        assert_eq!(today().await, counted, "{model}");
    }
    // Where a person takes over there is no answer, and what was written is paid for all the same.
    let page = Page::new(&app, &slug, None).begun(json!({})).await;
    provider.reply(hangs());
    let asked = page.request("POST", "/chat", Some(question("How do I rinse it?")));
    let mut reader = Reader::open(&page.client, asked).await;
    reader.until("Rinse it").await;
    page.call("POST", "/person", None).await.expect(200);
    reader.rest().await;
    let spent = async {
        while today().await == counted {
            tokio::task::yield_now().await;
        }
    };
    let spent = tokio::time::timeout(std::time::Duration::from_secs(10), spent).await;
    spent.expect("they are counted");
    // What a provider refused cost nothing.
    let before = today().await;
    provider.reply(Script::error(401, "No."));
    let refused = bot.chat(said("How do I rinse the teapot?")).await;
    refused.refused(502, "provider_failed", "");
    assert_eq!(today().await, before);
}

/// A visitor's conversation over the API, which has begun.
async fn session_of(bot: &Bot, visitor: &str) -> Value {
    let path = bot.path("/conversations?limit=200");
    let all = bot.client.get(&path).await.expect(200);
    let mut all = list(&all["data"]).iter();
    let own = all.find(|it| it["sns_user_id"] == visitor);
    own.expect("it has begun")["id"].clone()
}

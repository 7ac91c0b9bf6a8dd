//! How a model's words end, or break off: what is told of it, and what is counted.

use std::time::Duration;

use okra_testkit::provider::{CutOff, MockProvider, Script};
use serde_json::{Value, json};

use super::{next, shop, with};
use crate::support::Stage;

stories! {
    an_answer_that_is_cut_off_is_told_from_a_whole_one_in_every_format,
    a_call_beside_the_answer_counts_though_it_fails,
}

async fn an_answer_that_is_cut_off_is_told_from_a_whole_one_in_every_format(stage: Stage) {
    let provider = MockProvider::start().await;
    let (url, bare) = (
        provider.base_url(),
        format!("http://{}", provider.address()),
    );
    let more = [
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("ANTHROPIC_API_KEY", "sk-ant"),
        ("GEMINI_BASE_URL", bare.as_str()),
        ("GEMINI_API_KEY", "AIza"),
        ("OLLAMA_BASE_URL", bare.as_str()),
    ];
    let app = with(&provider, stage, &more).await;
    let bot = shop(&app, json!({})).await;
    for model in [
        "gpt-4o-mini",
        "anthropic/claude-sonnet-4-5",
        "gemini/gemini-2.5-flash",
        "ollama/llama3.1",
    ] {
        let settings = json!({"settings": {"model": model}});
        bot.client.patch(&bot.path(""), settings).await.expect(200);
        let finish = async |script: Script| {
            provider.reply(script);
            let reply = bot.ask("How long does standard delivery take?").await;
            let message = &reply["message"];
            assert_eq!(message["content"], "Two", "{model}");
            assert_eq!(message["metadata"]["ended"], "complete", "{model}");
            message["metadata"]["finish"].clone()
        };
        let cut_off = |by: CutOff| Script::CutOff {
            text: "Two".to_owned(),
            by,
        };
        assert_eq!(finish(cut_off(CutOff::Length)).await, "length", "{model}");
        let filtered = finish(cut_off(CutOff::Filter)).await;
        assert_eq!(filtered, "content_filter", "{model}");
        assert_eq!(finish(Script::text("Two")).await, Value::Null, "{model}");
    }
}

async fn a_call_beside_the_answer_counts_though_it_fails(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = with(&provider, stage, &[]).await;
    let bot = shop(&app, json!({})).await;
    let broken = || Script::MalformedAfter {
        text: String::new(),
    };
    let estimated = |reply: &Value| reply["message"]["metadata"]["tokens_estimated"] == true;
    let first = bot.ask("Can I rent a tent somewhere in Korea?").await;
    assert!(!estimated(&first), "{first}");
    provider.reply(broken());
    provider.reply(Script::text("50,000 won [1]."));
    let reply = next(&bot, &first, "and how much do I have to leave for it?").await;
    assert!(estimated(&reply), "{reply}");
    // One that is refused takes nothing.
    provider.reply(Script::error(400, "No."));
    let reply = next(&bot, &first, "and how much do I have to leave for it?").await;
    assert!(!estimated(&reply), "{reply}");

    // A summary that fails is counted with the next answer that finds it.
    let mut reply = first;
    let mut question = 1;
    let mut ask = async || {
        let words = format!("How long does standard delivery of parcel number {question} take?");
        question += 1;
        reply = next(&bot, &reply, &words).await;
        estimated(&reply)
    };
    let asked = provider.request_count();
    while provider.request_count() < asked + 7 {
        assert!(!ask().await);
    }
    provider.reply(Script::text("Two days."));
    provider.reply(broken());
    assert!(!ask().await);
    provider.wait_for_requests(asked + 9).await;
    let counted = async { while !ask().await {} };
    let counted = tokio::time::timeout(Duration::from_secs(10), counted).await;
    assert!(counted.is_ok(), "it is never counted");
}

//! How a model's words end, and what is told of it.

use okra_testkit::provider::{CutOff, MockProvider, Script};
use serde_json::{Value, json};

use super::{shop, with};
use crate::support::Stage;

stories! {
    an_answer_that_is_cut_off_is_told_from_a_whole_one_in_every_format,
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

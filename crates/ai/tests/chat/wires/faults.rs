//! Each provider's API when it is slow, cut into pieces, refusing or broken.

use std::time::Duration;

use okra_ai::chat::{Finish, Patience, Usage, Wire};
use okra_ai::error::ProviderErrorKind;
use okra_testkit::provider::{ErrorReply, Script};
use serde_json::json;

use super::{WIRES, request, speaking, speaking_within};
use crate::{ANSWER, gathered, raw};

#[tokio::test]
async fn every_wire_is_read_byte_by_byte_and_in_one_piece() {
    for wire in WIRES {
        let (provider, model) = speaking(wire).await;
        provider.reply(Script::ByteByByte {
            text: ANSWER.to_owned(),
        });
        assert_eq!(
            gathered(&model, request()).await.unwrap().text,
            ANSWER,
            "{wire:?}"
        );
        // One token of a megabyte, and so one line.
        let long = "가나다라 ".repeat(80_000);
        provider.reply(Script::text(long.as_str()));
        assert_eq!(
            gathered(&model, request()).await.unwrap().text,
            long,
            "{wire:?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_keeps_each_providers_words_but_not_the_key() {
    for wire in WIRES {
        for (status, kind) in [
            (400, ProviderErrorKind::Rejected { status: 400 }),
            (401, ProviderErrorKind::Rejected { status: 401 }),
            (500, ProviderErrorKind::Unavailable { status: 500 }),
            (529, ProviderErrorKind::Unavailable { status: 529 }),
        ] {
            let (provider, model) = speaking(wire).await;
            provider.reply_by_default(Script::error(status, "No good: operator-key."));
            let error = gathered(&model, request()).await.unwrap_err();
            assert_eq!(error.kind, kind, "{wire:?}");
            assert_eq!(error.message, "No good: ….", "{wire:?}");
            // What may pass is tried once more.
            let tries = if status < 500 { 1 } else { 2 };
            assert_eq!(provider.request_count(), tries, "{wire:?} {status}");
        }
        let (provider, model) = speaking(wire).await;
        let reply = ErrorReply::new(429, "Slow down").with_header("retry-after", "60");
        provider.reply(Script::Error(reply));
        let error = gathered(&model, request()).await.unwrap_err();
        let retry_after = Some(Duration::from_secs(60));
        assert_eq!(
            error.kind,
            ProviderErrorKind::RateLimited { retry_after },
            "{wire:?}"
        );
        // A busy moment is waited out unseen.
        provider.reply(Script::error(529, "Overloaded"));
        provider.reply(Script::text(ANSWER));
        assert_eq!(
            gathered(&model, request()).await.unwrap().text,
            ANSWER,
            "{wire:?}"
        );
    }
}

#[tokio::test]
async fn every_wire_breaks_off_in_the_same_ways() {
    let so_far = || "So far".to_owned();
    for wire in WIRES {
        let cases = [
            (
                Script::CloseAfter { text: so_far() },
                ProviderErrorKind::Interrupted,
            ),
            (
                Script::MalformedAfter { text: so_far() },
                ProviderErrorKind::Malformed,
            ),
            (Script::Empty, ProviderErrorKind::Empty),
        ];
        for (script, kind) in cases {
            let (provider, model) = speaking(wire).await;
            provider.reply(script.clone());
            let error = gathered(&model, request()).await.unwrap_err();
            assert_eq!(error.kind, kind, "{wire:?} {script:?}");
        }
        let (provider, model) = speaking(wire).await;
        provider.reply(Script::ErrorAfter {
            text: so_far(),
            message: "The GPU caught fire".to_owned(),
        });
        let error = gathered(&model, request()).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Interrupted, "{wire:?}");
        assert_eq!(error.message, "The GPU caught fire", "{wire:?}");
    }
}

#[tokio::test]
async fn a_provider_that_hangs_is_given_up_on_every_wire() {
    for wire in WIRES {
        // Long enough for the request to have arrived by then.
        let before = Patience {
            first_token: Duration::from_secs(2),
            ..Patience::default()
        };
        let (provider, model) = speaking_within(wire, before).await;
        provider.reply(Script::HangBeforeAnswer);
        let error = gathered(&model, request()).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Timeout, "{wire:?}");
        provider.wait_for_disconnects(1).await;
        let within = Patience {
            idle: Duration::from_millis(100),
            ..Patience::default()
        };
        let (provider, model) = speaking_within(wire, within).await;
        provider.reply(Script::HangAfter {
            text: "So far".to_owned(),
        });
        let error = gathered(&model, request()).await.unwrap_err();
        assert!(error.message.contains("in the middle"), "{wire:?} {error}");
        provider.wait_for_disconnects(1).await;
    }
}

#[tokio::test]
async fn what_a_filter_stops_is_an_error_of_its_own() {
    let sse = "text/event-stream";
    let cases = [
        (
            Wire::OpenAi,
            raw(
                sse,
                "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\n",
            ),
        ),
        (
            Wire::Anthropic,
            raw(
                sse,
                "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":\
                 {\"stop_reason\":\"refusal\"},\"usage\":{\"output_tokens\":0}}\n\n\
                 event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            ),
        ),
        (
            Wire::Gemini,
            raw(
                sse,
                "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n",
            ),
        ),
        (
            Wire::Gemini,
            raw(
                sse,
                "data: {\"candidates\":[{\"finishReason\":\"PROHIBITED_CONTENT\"}]}\n\n",
            ),
        ),
    ];
    for (wire, script) in cases {
        let (provider, model) = speaking(wire).await;
        provider.reply(script);
        let error = gathered(&model, request()).await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Blocked, "{wire:?} {error}");
        assert!(!error.retryable());
    }
    // With something said before, it is the end of an answer.
    let (provider, model) = speaking(Wire::Gemini).await;
    let body = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hm\",\"thought\":true},\
                {\"text\":\"Well\"}]},\"finishReason\":\"SAFETY\"}],\
                \"usageMetadata\":{\"candidatesTokenCount\":1,\"thoughtsTokenCount\":2}}\n\n";
    provider.reply(raw(sse, body));
    let answer = gathered(&model, request()).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.finish),
        ("Well", Finish::Blocked)
    );
    assert_eq!(answer.usage.output_tokens, 3);
}

#[tokio::test]
async fn thinking_of_anthropics_is_no_part_of_the_answer_and_cached_tokens_count() {
    let (provider, model) = speaking(Wire::Anthropic).await;
    let body = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\
        \"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":40,\
        \"cache_creation_input_tokens\":500,\"output_tokens\":1}}}\n\n\
        event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\
        \"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
        \"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Hm\"}}\n\n\
        event: a_new_one\ndata: {\"type\":\"a_new_one\",\"index\":7}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\
        \"delta\":{\"type\":\"text_delta\",\"text\":\"Yes.\"}}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":\
        {\"stop_reason\":\"max_tokens\"},\"usage\":{\"output_tokens\":9}}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    provider.reply(raw("text/event-stream", body));
    let answer = gathered(&model, request()).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.finish),
        ("Yes.", Finish::Length)
    );
    let usage = Usage {
        input_tokens: 543,
        output_tokens: 9,
    };
    assert_eq!(answer.usage, usage);
}

#[tokio::test]
async fn gemini_says_in_the_body_how_long_to_wait() {
    let (provider, model) = speaking(Wire::Gemini).await;
    let provider_says = json!({"error": {"code": 429, "message": "Quota",
        "details": [{"@type": "x"}, {"retryDelay": "33.5s"}]}});
    provider.reply(Script::Error(ErrorReply {
        body: Some(provider_says),
        ..ErrorReply::new(429, "Quota")
    }));
    let error = gathered(&model, request()).await.unwrap_err();
    let retry_after = Some(Duration::from_millis(33_500));
    assert_eq!(error.kind, ProviderErrorKind::RateLimited { retry_after });
}

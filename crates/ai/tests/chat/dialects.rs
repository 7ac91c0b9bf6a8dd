//! What providers send that OpenAI would not, and what is no answer at all.

use okra_ai::chat::{ChatDelta, Completion, Finish};
use okra_ai::error::{ProviderError, ProviderErrorKind};
use okra_testkit::provider::{MockProvider, Script};

use crate::{model, question, raw, streamed};

/// What the answer in `body` is read as.
async fn read(content_type: &str, body: &str) -> Result<Completion, ProviderError> {
    let provider = MockProvider::start().await;
    provider.reply_by_default(raw(content_type, body));
    streamed(&model(&provider)).await
}

#[tokio::test]
async fn dialects_are_understood() {
    let sse = "text/event-stream; charset=utf-8";
    let cases = [
        // A finish reason, but no [DONE].
        (
            sse,
            r#"data: {"choices":[{"delta":{"content":"Yes."},"finish_reason":"length"}]}

"#,
            "Yes.",
            Finish::Length,
            0,
        ),
        // [DONE], but no finish reason; no blank line at the end.
        (
            sse,
            "data: {\"choices\":[{\"delta\":{\"content\":\"Yes.\"}}]}\r\n\r\ndata: [DONE]",
            "Yes.",
            Finish::Stop,
            0,
        ),
        // Thinking beside the content, under both names, and in the content.
        (
            sse,
            r#"data: {"choices":[{"delta":{"reasoning":"Hm","reasoning_content":"Hm","content":null}}]}

data: {"choices":[{"delta":{"content":"<think>Hm"}}]}

data: {"choices":[{"delta":{"content":"</think>Yes."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}

data: [DONE]

"#,
            "Yes.",
            Finish::Stop,
            4,
        ),
        // Parts instead of a string.
        (
            sse,
            r#"data: {"choices":[{"delta":{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"Yes."}]},"finish_reason":"content_filter"}]}

"#,
            "Yes.",
            Finish::Blocked,
            0,
        ),
        // A refusal is what the model says.
        (
            sse,
            r#"data: {"choices":[{"delta":{"content":null,"refusal":"I can't."},"finish_reason":"stop"}]}

"#,
            "I can't.",
            Finish::Stop,
            0,
        ),
        // What no known word says.
        (
            sse,
            r#"data: {"choices":[{"delta":{"content":"Yes."},"finish_reason":"bored"}]}

"#,
            "Yes.",
            Finish::Other,
            0,
        ),
        // A server that cannot stream.
        (
            "application/json",
            r#"{"choices":[{"message":{"content":"Yes."},"finish_reason":"stop"}],"usage":{"completion_tokens":2}}"#,
            "Yes.",
            Finish::Stop,
            2,
        ),
        // Comments, an unnamed type, a line that only looks like thinking.
        (
            "",
            ": waiting\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"<th\"}}]}\n\ndata: [DONE]\n\n",
            "<th",
            Finish::Stop,
            0,
        ),
    ];
    for (content_type, body, text, finish, output_tokens) in cases {
        let completion = read(content_type, body).await.expect(body);
        assert_eq!(completion.text, text, "{body}");
        assert_eq!(completion.finish, finish, "{body}");
        assert_eq!(completion.usage.output_tokens, output_tokens, "{body}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_refused() {
    use ProviderErrorKind::{Empty, Interrupted, Malformed, Unavailable};
    let sse = "text/event-stream";
    let cases = [
        ("text/html", "<html>Welcome</html>", Malformed),
        ("application/json", "{\"status\":\"ok\"}", Malformed),
        ("application/json", "{\"choices\":[]}", Empty),
        (
            "application/json",
            "{\"error\":\"no such model\"}",
            Interrupted,
        ),
        ("application/json", "", Malformed),
        (sse, "", Interrupted),
        (sse, "data: [1,2,3]\n\n", Malformed),
        (
            sse,
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"del",
            Interrupted,
        ),
        (
            sse,
            "data: {\"choices\":[{\"delta\":{\"content\":\"<think>Hm\"}}]}\n\ndata: [DONE]\n\n",
            Empty,
        ),
        (
            sse,
            "event: error\ndata: {\"message\":\"Overloaded\",\"type\":\"overloaded_error\"}\n\n",
            Unavailable { status: 503 },
        ),
        (sse, "event: error\ndata: out of memory\n\n", Interrupted),
    ];
    for (content_type, body, kind) in cases {
        let error = read(content_type, body).await.expect_err(body);
        assert_eq!(error.kind, kind, "{body}: {error}");
    }
}

#[tokio::test]
async fn invalid_utf8_is_refused_rather_than_guessed() {
    let provider = MockProvider::start().await;
    provider.reply(Script::Raw {
        content_type: "text/event-stream".to_owned(),
        pieces: vec![b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n".to_vec()],
    });
    let error = streamed(&model(&provider)).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Malformed);
}

#[tokio::test]
async fn what_came_together_is_given_together_and_a_fault_behind_it() {
    let event = |text: &str| {
        let delta = serde_json::json!({"choices": [{"delta": {"content": text}}]});
        format!("data: {delta}\n\n")
    };
    let words = event("Refunds ") + &event("take ") + &event("five days.");
    let provider = MockProvider::start().await;
    provider.reply(raw(
        "text/event-stream",
        &(words.clone() + "data: {broken\n\n"),
    ));
    let mut stream = model(&provider).stream(question()).await.unwrap();
    let text = ChatDelta::Text("Refunds take five days.".to_owned());
    assert_eq!(stream.next().await.unwrap().unwrap(), text);
    let fault = stream.next().await.unwrap().unwrap_err();
    assert_eq!(fault.kind, ProviderErrorKind::Malformed);
    assert!(stream.next().await.is_none());
    // However much there is, a piece has an end.
    let long = event(&"word ".repeat(400)).repeat(10);
    provider.reply(raw("text/event-stream", &(long + "data: [DONE]\n\n")));
    let mut stream = model(&provider).stream(question()).await.unwrap();
    let mut lengths = Vec::new();
    while let Some(Ok(ChatDelta::Text(text))) = stream.next().await {
        lengths.push(text.len());
    }
    assert_eq!(lengths.iter().sum::<usize>(), 20_000);
    assert!(lengths.iter().all(|length| *length <= 6_000), "{lengths:?}");
}

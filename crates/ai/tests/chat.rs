//! What a chat model promises, against a provider that behaves and one that doesn't.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use okra_ai::chat::{
    ChatDelta, ChatMessage, ChatModel, ChatModelConfig, ChatRequest, Completion, Finish, Patience,
    Role, Usage,
};
use okra_ai::error::{ProviderError, ProviderErrorKind};
use okra_domain::Secret;
use okra_testkit::provider::{ErrorReply, MockProvider, Script};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const ANSWER: &str = "Refunds take 5 days. 환불은 5일 걸립니다 🙂.";

#[tokio::test]
async fn an_answer_arrives_in_pieces_with_its_usage() {
    let provider = MockProvider::start().await;
    provider.reply(Script::Text {
        text: ANSWER.to_owned(),
        deltas: 7,
    });
    let mut stream = model(&provider).stream(question()).await.unwrap();
    let mut pieces = Vec::new();
    let done = loop {
        match stream.next().await.unwrap().unwrap() {
            ChatDelta::Text(piece) => pieces.push(piece),
            done => break done,
        }
    };
    assert_eq!(pieces.concat(), ANSWER);
    assert_eq!(pieces.len(), 7);
    let expected = ChatDelta::Done {
        usage: Usage {
            input_tokens: 9,
            output_tokens: 8,
        },
        model: Some("meta/llama::3-high".to_owned()),
        finish: Finish::Stop,
    };
    assert_eq!(done, expected);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_whole_answer_is_the_same() {
    let provider = MockProvider::start().await;
    provider.reply_by_default(Script::text(ANSWER));
    let model = model(&provider);
    let completion = model.complete(question()).await.unwrap();
    assert_eq!(completion, streamed(&model).await.unwrap());
    assert_eq!(completion.text, ANSWER);
    assert_eq!(completion.usage.output_tokens, 8);
}

#[tokio::test]
async fn the_request_holds_what_was_asked_and_nothing_else() {
    let provider = MockProvider::start().await;
    let model = model(&provider);
    model.stream(question()).await.unwrap();
    model
        .complete(ChatRequest {
            model: "gpt-5-mini".to_owned(),
            temperature: None,
            api_key: Some(Secret::new(" bot-key\n")),
            ..question()
        })
        .await
        .unwrap();
    let requests = provider.requests();
    assert_eq!(
        requests[0].body,
        serde_json::json!({
            "model": "meta/llama::3-high",
            "messages": [
                { "role": "system", "content": "Answer in one sentence." },
                { "role": "user", "content": "How long do refunds take?" },
            ],
            "stream": true,
            "stream_options": { "include_usage": true },
            "temperature": 0.5,
            "max_tokens": 100,
        })
    );
    assert_eq!(requests[0].key(), Some("operator-key"));
    assert_eq!(requests[1].key(), Some("bot-key"));
    assert_eq!(requests[1].body["stream"], false);
    assert_eq!(requests[1].body["max_completion_tokens"], 100);
    assert!(requests[1].body.get("max_tokens").is_none());
    assert!(requests[1].body.get("temperature").is_none());
}

#[tokio::test]
async fn a_server_without_keys_gets_none_and_any_spelling_of_its_address_works() {
    let provider = MockProvider::start().await;
    let origin = format!("http://{}", provider.address());
    let spellings = [
        origin.clone(),
        format!("{origin}/"),
        format!("{origin}/v1"),
        format!("{origin}/v1/"),
        format!(" {origin}/v1/chat/completions"),
    ];
    for spelling in spellings {
        let model = ChatModel::new(ChatModelConfig::new(spelling)).unwrap();
        assert_eq!(
            model.complete(question()).await.unwrap().text,
            "How long do refunds take?"
        );
    }
    assert!(
        provider
            .requests()
            .iter()
            .all(|request| request.key().is_none())
    );
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_refused_at_once() {
    for address in [
        "",
        "api.openai.com",
        "ftp://x/v1",
        "http://me:pw@x/v1",
        "http://",
    ] {
        let error = ChatModel::new(ChatModelConfig::new(address)).err().unwrap();
        assert_eq!(error.kind, ProviderErrorKind::NotConfigured, "{address}");
        assert!(!error.message.contains("pw"), "{error}");
    }
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection_to_the_provider() {
    let provider = MockProvider::start().await;
    provider.reply(Script::HangAfter {
        text: "So far".to_owned(),
    });
    let mut stream = model(&provider).stream(question()).await.unwrap();
    assert_eq!(
        stream.next().await.unwrap().unwrap(),
        ChatDelta::Text("So far".to_owned())
    );
    assert_eq!(provider.disconnects(), 0);
    drop(stream);
    provider.wait_for_disconnects(1).await;
}

#[tokio::test]
async fn giving_up_before_the_first_token_closes_it_too() {
    for script in [
        Script::HangBeforeAnswer,
        Script::HangAfter {
            text: String::new(),
        },
    ] {
        let provider = MockProvider::start().await;
        provider.reply(script);
        let model = model(&provider);
        tokio::select! {
            _ = model.stream(question()) => panic!("nothing was answered"),
            () = provider.wait_for_requests(1) => {}
        }
        provider.wait_for_disconnects(1).await;
    }
}

#[tokio::test]
async fn a_finished_answer_leaves_its_connection_for_the_next() {
    let (address, connections) = counting_server().await;
    let model = ChatModel::new(ChatModelConfig::new(address)).unwrap();
    for _ in 0..50 {
        streamed(&model).await.unwrap();
    }
    // A turn may begin before the one before has quite let go, but not fifty times.
    let connections = connections.load(Ordering::Relaxed);
    assert!(connections < 10, "{connections} connections for 50 turns");
}

/// How an answer of `script` fails, streamed and whole.
async fn failures(script: Script) -> [ProviderError; 2] {
    failures_within(Patience::default(), script).await
}

async fn failures_within(patience: Patience, script: Script) -> [ProviderError; 2] {
    let provider = MockProvider::start().await;
    provider.reply_by_default(script);
    let model = ChatModel::new(ChatModelConfig {
        patience,
        ..config(&provider)
    })
    .unwrap();
    [
        streamed(&model).await.unwrap_err(),
        model.complete(question()).await.unwrap_err(),
    ]
}

#[track_caller]
fn assert_kinds(errors: &[ProviderError], kinds: [ProviderErrorKind; 2]) {
    let found: Vec<_> = errors.iter().map(|error| error.kind).collect();
    assert_eq!(found, kinds, "{errors:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    use ProviderErrorKind::{Connect, Interrupted, Malformed};
    for text in ["So far", ""] {
        let text = text.to_owned();
        let errors = failures(Script::CloseAfter { text: text.clone() }).await;
        assert_kinds(&errors, [Interrupted, Malformed]);
        let errors = failures(Script::ResetAfter { text }).await;
        for error in errors {
            // With no more than a packet of it sent, the head may be lost along with the rest.
            assert!(matches!(error.kind, Interrupted | Connect), "{error:?}");
        }
    }
}

#[tokio::test]
async fn broken_json_is_an_error() {
    let errors = failures(Script::MalformedAfter {
        text: "So far".to_owned(),
    })
    .await;
    assert_kinds(&errors, [ProviderErrorKind::Malformed; 2]);
}

#[tokio::test]
async fn an_empty_answer_is_an_error() {
    assert_kinds(
        &failures(Script::Empty).await,
        [ProviderErrorKind::Empty; 2],
    );
    assert_kinds(
        &failures(Script::text("")).await,
        [ProviderErrorKind::Empty; 2],
    );
}

#[tokio::test]
async fn an_error_within_the_stream_keeps_the_providers_words() {
    for text in ["So far", ""] {
        let errors = failures(Script::ErrorAfter {
            text: text.to_owned(),
            message: "The GPU caught fire; operator-key sk-proj-abcdef123456 is at fault"
                .to_owned(),
        })
        .await;
        assert_kinds(&errors, [ProviderErrorKind::Interrupted; 2]);
        for error in errors {
            assert_eq!(error.message, "The GPU caught fire; … sk-… is at fault");
        }
    }
}

#[tokio::test]
async fn a_provider_that_hangs_is_given_up() {
    let soon = Duration::from_millis(100);
    let before = Patience {
        first_token: soon,
        total: soon * 2,
        ..Patience::default()
    };
    let within = Patience {
        idle: soon,
        ..Patience::default()
    };
    let hang_after = |text: &str| Script::HangAfter {
        text: text.to_owned(),
    };
    for script in [Script::HangBeforeAnswer, hang_after("")] {
        let errors = failures_within(before, script).await;
        assert_kinds(&errors, [ProviderErrorKind::Timeout; 2]);
        assert!(errors[0].message.contains("in time"), "{}", errors[0]);
    }
    let provider = MockProvider::start().await;
    provider.reply(hang_after("So far"));
    let model = ChatModel::new(ChatModelConfig {
        patience: within,
        ..config(&provider)
    });
    let error = streamed(&model.unwrap()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Timeout);
    assert!(error.message.contains("in the middle"), "{error}");
    provider.wait_for_disconnects(1).await;
}

#[tokio::test]
async fn half_characters_are_put_together() {
    let provider = MockProvider::start().await;
    provider.reply_by_default(Script::ByteByByte {
        text: ANSWER.to_owned(),
    });
    let model = model(&provider);
    assert_eq!(streamed(&model).await.unwrap().text, ANSWER);
    assert_eq!(model.complete(question()).await.unwrap().text, ANSWER);
}

#[tokio::test]
async fn faults_before_the_first_token_are_tried_once_more() {
    let once = [
        Script::error(500, "Broken"),
        Script::error(503, "Overloaded"),
        Script::error(429, "Slow down"),
        Script::Error(ErrorReply::new(429, "Slow down").with_header("retry-after", "0")),
        raw(
            "text/event-stream",
            "data: {\"error\":{\"message\":\"Busy\",\"code\":503}}\n\n",
        ),
    ];
    for script in once {
        let provider = MockProvider::start().await;
        provider.reply(script.clone());
        let completion = streamed(&model(&provider)).await;
        assert_eq!(
            completion.unwrap().text,
            "How long do refunds take?",
            "{script:?}"
        );
        assert_eq!(provider.request_count(), 2, "{script:?}");
    }
}

#[tokio::test]
async fn other_faults_are_not_tried_again() {
    let after_a_token = Script::ErrorAfter {
        text: "So far".to_owned(),
        message: "Overloaded".to_owned(),
    };
    let patient = Script::Error(ErrorReply::new(429, "Slow").with_header("retry-after", "60"));
    for script in [
        after_a_token,
        patient,
        Script::error(400, "Too long"),
        Script::Empty,
    ] {
        let provider = MockProvider::start().await;
        provider.reply_by_default(script.clone());
        streamed(&model(&provider)).await.unwrap_err();
        assert_eq!(provider.request_count(), 1, "{script:?}");
    }
}

#[tokio::test]
async fn two_faults_in_a_row_are_reported() {
    let provider = MockProvider::start().await;
    provider.reply(Script::error(503, "Overloaded"));
    provider.reply(Script::Error(
        ErrorReply::new(429, "Quota spent").with_header("retry-after", "7"),
    ));
    let error = streamed(&model(&provider)).await.unwrap_err();
    assert_eq!(error.message, "Quota spent");
    assert!(error.retryable());
    let expected = ProviderErrorKind::RateLimited {
        retry_after: Some(Duration::from_secs(7)),
    };
    assert_eq!(error.kind, expected);
    assert_eq!(provider.request_count(), 2);
}

#[tokio::test]
async fn a_refusal_keeps_the_providers_words_but_not_the_key() {
    let provider = MockProvider::start().await;
    provider.reply(Script::error(
        401,
        "Incorrect API key provided: operator-key.",
    ));
    let error = streamed(&model(&provider)).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Rejected { status: 401 });
    assert_eq!(error.message, "Incorrect API key provided: ….");
    assert!(!error.retryable());

    provider.reply(Script::error(400, "한".repeat(10_000)));
    let error = streamed(&model(&provider)).await.unwrap_err();
    assert_eq!(error.message.chars().count(), 500);
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error_that_names_the_place() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = ChatModelConfig {
        retry_pause: Duration::ZERO,
        ..ChatModelConfig::new(format!("http://{address}/v1"))
    };
    let error = streamed(&ChatModel::new(config).unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Connect);
    assert!(error.message.contains(&address.to_string()), "{error}");
    assert!(error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_key_that_cannot_be_sent_is_refused_unsent() {
    let provider = MockProvider::start().await;
    let request = ChatRequest {
        api_key: Some(Secret::new("a\nb")),
        ..question()
    };
    let error = model(&provider).complete(request).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotConfigured);
    assert_eq!(provider.request_count(), 0);
}

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
            Finish::Other,
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

fn raw(content_type: &str, body: &str) -> Script {
    Script::Raw {
        content_type: content_type.to_owned(),
        pieces: vec![body.as_bytes().to_vec()],
    }
}

fn question() -> ChatRequest {
    ChatRequest {
        model: "meta/llama::3-high".to_owned(),
        messages: vec![
            ChatMessage::new(Role::System, "Answer in one sentence."),
            ChatMessage::new(Role::User, "How long do refunds take?"),
        ],
        api_key: None,
        temperature: Some(0.5),
        max_output_tokens: Some(100),
    }
}

fn model(provider: &MockProvider) -> ChatModel {
    ChatModel::new(config(provider)).unwrap()
}

fn config(provider: &MockProvider) -> ChatModelConfig {
    ChatModelConfig {
        retry_pause: Duration::ZERO,
        ..ChatModelConfig::new(provider.base_url()).with_key(Secret::new("operator-key"))
    }
}

/// The streamed answer, put together.
async fn streamed(model: &ChatModel) -> Result<Completion, ProviderError> {
    let mut stream = model.stream(question()).await?;
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        match delta? {
            ChatDelta::Text(piece) => text += &piece,
            ChatDelta::Done {
                usage,
                model,
                finish,
            } => {
                return Ok(Completion {
                    text,
                    usage,
                    model,
                    finish,
                });
            }
        }
    }
    panic!("a stream ended with neither Done nor an error")
}

/// A server that answers streams and counts its connections.
async fn counting_server() -> (String, Arc<AtomicUsize>) {
    const EVENTS: &str =
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n";
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
        transfer-encoding: chunked\r\n\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                while read_request(&mut socket).await {
                    let body = format!("{HEAD}{:x}\r\n{EVENTS}\r\n", EVENTS.len());
                    socket.write_all(body.as_bytes()).await.unwrap();
                    // The end comes apart from the last event, as it does over a real network.
                    tokio::task::yield_now().await;
                    socket.write_all(b"0\r\n\r\n").await.unwrap();
                }
            });
        }
    });
    (address, connections)
}

/// Reads one request; `false` where the connection was closed instead.
async fn read_request(socket: &mut tokio::net::TcpStream) -> bool {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
        // The question's last member closes the body.
        if request.ends_with(b"}") {
            return true;
        }
    }
}

//! What a chat model promises, against a provider that behaves and one that doesn't.

// Only test functions are excused by clippy.toml; helpers of a test fail by panicking too.
#![allow(clippy::unwrap_used)]

mod dialects;
mod faults;
mod wires;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use okra_ai::chat::{
    ChatDelta, ChatMessage, ChatModel, ChatModelConfig, ChatRequest, Completion, Finish, Image,
    Role, Usage,
};
use okra_ai::error::{ProviderError, ProviderErrorKind};
use okra_domain::Secret;
use okra_testkit::provider::{MockProvider, Script};
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
async fn images_go_beside_the_words_that_they_were_shown_with() {
    let provider = MockProvider::start().await;
    provider.reply(Script::text("Teapots."));
    let mut shown = question();
    shown.messages[1].images = vec![
        Image::Jpeg(Bytes::from_static(b"\xFF\xD8\xFF")),
        Image::Address("http://localhost:1/a.png".to_owned()),
    ];
    let mut alone = ChatMessage::new(Role::User, "");
    alone.images = shown.messages[1].images.clone();
    shown.messages.push(alone);
    model(&provider).stream(shown).await.unwrap();
    let images = serde_json::json!([
        { "type": "image_url", "image_url": { "url": "data:image/jpeg;base64,/9j/" } },
        { "type": "image_url", "image_url": { "url": "http://localhost:1/a.png" } },
    ]);
    let words = serde_json::json!({ "type": "text", "text": "How long do refunds take?" });
    let sent = &provider.requests()[0].body["messages"];
    assert_eq!(sent[0]["content"], "Answer in one sentence.");
    assert_eq!(sent[1]["content"][0], words);
    assert_eq!(sent[1]["content"][1], images[0]);
    assert_eq!(sent[1]["content"][2], images[1]);
    assert_eq!(sent[2]["content"], images);
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
        ..ChatRequest::default()
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

/// The streamed answer to the [`question`], put together.
async fn streamed(model: &ChatModel) -> Result<Completion, ProviderError> {
    gathered(model, question()).await
}

/// The streamed answer, put together.
async fn gathered(model: &ChatModel, request: ChatRequest) -> Result<Completion, ProviderError> {
    let mut stream = model.stream(request).await?;
    let (mut text, mut tool_calls) = (String::new(), Vec::new());
    while let Some(delta) = stream.next().await {
        match delta? {
            ChatDelta::Text(piece) => text += &piece,
            ChatDelta::ToolCall(call) => tool_calls.push(call),
            ChatDelta::Done {
                usage,
                model,
                finish,
            } => {
                return Ok(Completion {
                    text,
                    tool_calls,
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

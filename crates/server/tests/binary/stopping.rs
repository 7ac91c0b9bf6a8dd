//! A server that is asked to stop finishes what it has begun.

use futures_util::StreamExt;
use okra_testkit::provider::{MockProvider, Script};
use serde_json::{Value, json};

use crate::okra::Okra;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_answer_is_finished_before_the_server_ends() {
    let provider = MockProvider::start().await;
    provider.reply(Script::HangAfter {
        text: "The first words".to_owned(),
    });
    let mut okra = Okra::new().with("OPENAI_BASE_URL", &provider.base_url());
    let mut server = okra.serve_with_key().await;
    let chatbot = server.chatbot("Help").await;
    let path = format!("/api/external/chatbot/{chatbot}/chat?stream=true");
    let question = json!({
        "messages": [{"role": "user", "content": "Hello?"}],
        "sessionToken": "visitor",
    });
    let request = server.request("POST", &path).json(&question);
    let response = request.send().await.expect("the server answers");
    assert_eq!(response.status().as_u16(), 200);
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    while !text.contains("The first words") {
        let bytes = stream.next().await.expect("more comes").expect("unbroken");
        text.push_str(&String::from_utf8_lossy(&bytes));
    }

    server.terminate().await;
    server.err.wait_for("stopping").await;
    assert!(
        !text.contains("event: done") && !text.contains("event: error"),
        "{text}"
    );
    provider.release();
    while let Some(bytes) = stream.next().await {
        text.push_str(&String::from_utf8_lossy(&bytes.expect("unbroken")));
    }
    assert_eq!(text.matches("event: done").count(), 1, "{text}");
    assert!(!text.contains("event: error"), "{text}");
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{}", server.err.ended().await);

    // The answer was stored in full.
    let server = okra.serve_with_key().await;
    let path = format!("/api/external/chatbot/{chatbot}/conversations");
    let conversations: Value = server.get(&path).await;
    let last = conversations["data"][0].to_string();
    assert!(last.contains("The first words"), "{conversations}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_ends_does_not_keep_the_server() {
    let provider = MockProvider::start().await;
    provider.reply_by_default(Script::HangBeforeAnswer);
    let mut okra = Okra::new()
        .with("OPENAI_BASE_URL", &provider.base_url())
        .with("OKRA_SHUTDOWN_SECONDS", "1");
    let mut server = okra.serve_with_key().await;
    let chatbot = server.chatbot("Help").await;
    let path = format!("/api/external/chatbot/{chatbot}/chat");
    let question = json!({"messages": [{"role": "user", "content": "Hello?"}]});
    let request = server.request("POST", &path).json(&question);
    let asking = tokio::spawn(request.send());
    provider.wait_for_requests(1).await;
    server.terminate().await;
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{}", server.err.ended().await);
    let answer = asking.await.expect("no panic");
    assert!(answer.is_err() || answer.is_ok_and(|answer| !answer.status().is_success()));
}

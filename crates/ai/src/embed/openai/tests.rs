//! The embedder against a provider that answers well, badly and not at all.

use okra_testkit::provider::{
    EMBEDDING_DIMENSION, EmbeddingScript, ErrorReply, MockProvider, embedding,
};

use super::*;

#[tokio::test]
async fn vectors_come_in_the_order_of_their_texts() {
    let provider = MockProvider::start().await;
    provider.reply_embeddings(EmbeddingScript::Vectors);
    provider.reply_embeddings(EmbeddingScript::Reordered);
    let embedder = embedder(&provider);
    let texts = texts(["refund policy", "환불 규정", "opening hours"]);
    for _ in 0..2 {
        let vectors = embedder.embed(&texts, Purpose::Document).await.unwrap();
        for (text, vector) in texts.iter().zip(&vectors) {
            assert_close(vector, &embedding(text));
        }
    }
    assert_eq!(embedder.space(), "openai:mock-embedding");
    let request = &provider.requests()[0];
    assert_eq!(request.path, "/v1/embeddings");
    assert_eq!(request.key(), Some("operator-key"));
    assert_eq!(request.body["model"], "mock-embedding");
}

#[tokio::test]
async fn many_texts_go_in_batches() {
    let provider = MockProvider::start().await;
    let mut texts: Vec<String> = (0..130).map(|n| format!("text {n}")).collect();
    texts.extend((0..13).map(|_| "길".repeat(MAX_TEXT_CHARS * 2)));
    let vectors = embedder(&provider)
        .embed(&texts, Purpose::Document)
        .await
        .unwrap();
    assert_close(&vectors[129], &embedding("text 129"));
    let sizes: Vec<usize> = provider
        .requests()
        .iter()
        .map(|request| request.body["input"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [64, 64, 14, 1]);
}

#[tokio::test]
async fn blank_texts_are_zeros_and_never_sent() {
    let provider = MockProvider::start().await;
    let embedder = embedder(&provider);
    let zeros = vec![0.0; EMBEDDING_DIMENSION];
    let blank = texts(["", " \n"]);
    let vectors = embedder.embed(&blank, Purpose::Query).await.unwrap();
    assert_eq!(vectors, [zeros.clone(), zeros.clone()]);
    let mixed = texts(["", "refund", "\u{3000}"]);
    let vectors = embedder.embed(&mixed, Purpose::Query).await.unwrap();
    assert_eq!([&vectors[0], &vectors[2]], [&zeros, &zeros]);
    assert_eq!(
        provider.requests()[1].body["input"],
        serde_json::json!(["refund"])
    );
    let vectors = embedder.embed(&[], Purpose::Query).await.unwrap();
    assert!(vectors.is_empty());
    assert_eq!(provider.request_count(), 2);
}

#[tokio::test]
async fn other_lengths_are_scaled_to_one() {
    let provider = MockProvider::start().await;
    provider.reply_embeddings(EmbeddingScript::NotUnit);
    let vectors = embedder(&provider)
        .embed(&texts(["refund"]), Purpose::Query)
        .await
        .unwrap();
    assert_close(&vectors[0], &embedding("refund"));
}

#[tokio::test]
async fn wrong_vectors_are_refused() {
    let cases = [
        (EmbeddingScript::MissingOne, "1 vectors for 2 texts"),
        (EmbeddingScript::WrongDimension, "63 numbers"),
        (EmbeddingScript::NotFinite, "not"),
        (EmbeddingScript::NotANumber, "not what was asked for"),
    ];
    for (script, words) in cases {
        let provider = MockProvider::start().await;
        provider.reply_embeddings(script.clone());
        let error = embedder(&provider)
            .embed(&texts(["a", "b"]), Purpose::Document)
            .await
            .unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Malformed, "{script:?}");
        assert!(error.message.contains(words), "{script:?}: {error}");
    }
}

#[tokio::test]
async fn a_wrong_first_answer_pins_nothing() {
    let provider = MockProvider::start().await;
    let embedder = embedder(&provider);
    provider.reply_embeddings(EmbeddingScript::WrongDimension);
    for expected in [EMBEDDING_DIMENSION - 1, EMBEDDING_DIMENSION] {
        let vectors = embedder.embed(&texts(["a"]), Purpose::Query).await.unwrap();
        assert_eq!(vectors[0].len(), expected);
    }
}

#[tokio::test]
async fn batches_of_other_dimensions_are_refused() {
    let provider = MockProvider::start().await;
    provider.reply_embeddings(EmbeddingScript::Vectors);
    provider.reply_embeddings(EmbeddingScript::WrongDimension);
    let texts: Vec<String> = (0..=MAX_BATCH_TEXTS).map(|n| format!("text {n}")).collect();
    let outcome = embedder(&provider).embed(&texts, Purpose::Document).await;
    let error = outcome.unwrap_err();
    assert!(error.message.contains("63 numbers"), "{error}");
}

#[tokio::test]
async fn a_busy_provider_is_asked_once_more() {
    let provider = MockProvider::start().await;
    let busy = || EmbeddingScript::Error(ErrorReply::new(503, "Busy"));
    provider.reply_embeddings(busy());
    let embedder = embedder(&provider);
    embedder.embed(&texts(["a"]), Purpose::Query).await.unwrap();
    assert_eq!(provider.request_count(), 2);
    provider.reply_embeddings(busy());
    provider.reply_embeddings(busy());
    let error = embedder
        .embed(&texts(["a"]), Purpose::Query)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unavailable { status: 503 });
    assert_eq!(error.message, "Busy");
}

#[tokio::test]
async fn a_hanging_provider_is_given_up() {
    let provider = MockProvider::start().await;
    provider.reply_embeddings(EmbeddingScript::Hang);
    let embedder = OpenAiEmbedder::new(OpenAiEmbedderConfig {
        timeout: Duration::from_millis(50),
        ..config(&provider)
    });
    let error = embedder
        .unwrap()
        .embed(&texts(["a"]), Purpose::Query)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Timeout);
}

fn config(provider: &MockProvider) -> OpenAiEmbedderConfig {
    OpenAiEmbedderConfig {
        api_key: Some(Secret::new("operator-key")),
        retry_pause: Duration::ZERO,
        ..OpenAiEmbedderConfig::new(provider.base_url(), "mock-embedding")
    }
}

fn embedder(provider: &MockProvider) -> OpenAiEmbedder {
    OpenAiEmbedder::new(config(provider)).unwrap()
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(ToOwned::to_owned).to_vec()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}

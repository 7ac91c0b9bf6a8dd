//! Embeddings without a model: texts that share words point the same way.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::dialect::Dialect;
use super::{EMBEDDING_DIMENSION, EmbeddingScript, hang, json_response};

/// The vector given to `text`: the sum of its words' directions, scaled to length 1; all zeros for
/// a text without words. The same on every machine and in every run.
pub fn embedding(text: &str) -> Vec<f32> {
    let mut sum = [0f64; EMBEDDING_DIMENSION];
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        if word.is_empty() {
            continue;
        }
        let mut state = fnv1a(&word.to_lowercase());
        for value in &mut sum {
            state = scrambled(state);
            *value += (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
        }
    }
    let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    sum.iter().map(|value| (value * scale) as f32).collect()
}

/// Answers an embeddings request by its script.
pub(super) async fn reply(
    script: EmbeddingScript,
    request: &Value,
    mut released: watch::Receiver<usize>,
) -> Response {
    let script = match script {
        EmbeddingScript::Error(reply) => return reply.into_response(Dialect::OpenAi),
        EmbeddingScript::Hang => {
            hang(&mut released).await;
            EmbeddingScript::Vectors
        }
        script => script,
    };
    let texts = match &request["input"] {
        Value::String(text) => vec![text.as_str()],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({ "object": "embedding", "index": index, "embedding": embedding(text) }))
        .collect();
    spoil(&mut data, &script);
    let tokens: usize = texts
        .iter()
        .map(|text| text.split_whitespace().count())
        .sum();
    let mut body = json!({
        "object": "list", "model": request["model"], "data": data,
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    })
    .to_string();
    if matches!(script, EmbeddingScript::NotFinite) {
        // No JSON value of ours can hold it, so it is written into the text.
        body = body.replacen("\"too large\"", "1e39", 1);
    }
    let mut response = json_response(StatusCode::OK, &Value::Null);
    *response.body_mut() = body.into();
    response
}

fn spoil(data: &mut Vec<Value>, script: &EmbeddingScript) {
    match script {
        EmbeddingScript::Reordered => data.reverse(),
        EmbeddingScript::MissingOne => {
            data.pop();
        }
        EmbeddingScript::WrongDimension => {
            if let Some(vector) = data.last_mut().and_then(vector_of) {
                vector.pop();
            }
        }
        EmbeddingScript::NotUnit => {
            for value in data.first_mut().and_then(vector_of).into_iter().flatten() {
                *value = json!(value.as_f64().unwrap_or_default() * 7.0);
            }
        }
        EmbeddingScript::NotFinite => set_first(data, json!("too large")),
        EmbeddingScript::NotANumber => set_first(data, Value::Null),
        EmbeddingScript::Vectors | EmbeddingScript::Error(_) | EmbeddingScript::Hang => {}
    }
}

fn set_first(data: &mut [Value], number: Value) {
    if let Some(value) = data
        .first_mut()
        .and_then(vector_of)
        .and_then(|v| v.first_mut())
    {
        *value = number;
    }
}

fn vector_of(item: &mut Value) -> Option<&mut Vec<Value>> {
    item["embedding"].as_array_mut()
}

/// FNV-1a, 64 bits.
fn fnv1a(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// One step of SplitMix64.
fn scrambled(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

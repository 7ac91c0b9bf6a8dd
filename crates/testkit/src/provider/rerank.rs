//! A reranker without a model: passages that share more words with the query come first.

use std::collections::HashSet;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::dialect::Dialect;
use super::{RerankScript, hang, json_response};

/// Answers a rerank request by its script.
pub(super) async fn reply(
    script: RerankScript,
    request: &Value,
    mut released: watch::Receiver<usize>,
) -> Response {
    match script {
        RerankScript::Error(reply) => return reply.into_response(Dialect::OpenAi),
        RerankScript::Hang => hang(&mut released).await,
        _ => {}
    }
    let as_texts = matches!(script, RerankScript::Texts);
    let texts = &request[if as_texts { "texts" } else { "documents" }];
    let Some(texts) = texts.as_array() else {
        let refusal = json!({"error": "Failed to deserialize the JSON body: missing field"});
        return json_response(StatusCode::UNPROCESSABLE_ENTITY, &refusal);
    };
    let query = words(&request["query"]);
    let scored = texts.iter().map(|text| {
        let shared = query.intersection(&words(text)).count();
        shared as f64 / query.len().max(1) as f64
    });
    let mut scores: Vec<(usize, Value)> = scored.map(|score| json!(score)).enumerate().collect();
    match script {
        RerankScript::Reversed => {
            for (_, score) in &mut scores {
                *score = json!(1.0 - score.as_f64().unwrap_or_default());
            }
        }
        RerankScript::MissingOne => {
            scores.pop();
        }
        RerankScript::Twice => {
            if let (Some(first), Some(last)) = (scores.first().cloned(), scores.last_mut()) {
                *last = first;
            }
        }
        RerankScript::NotFinite => {
            if let Some((_, score)) = scores.first_mut() {
                *score = Value::Null;
            }
        }
        _ => {}
    }
    // Best first, as rerankers answer.
    scores.sort_by(|a, b| {
        b.1.as_f64()
            .partial_cmp(&a.1.as_f64())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let name = if as_texts { "score" } else { "relevance_score" };
    let results = scores
        .into_iter()
        .map(|(index, score)| json!({"index": index, name: score}));
    let results = Value::Array(results.collect());
    let body = match as_texts {
        true => results,
        false => json!({"model": request["model"], "results": results}),
    };
    json_response(StatusCode::OK, &body)
}

fn words(text: &Value) -> HashSet<String> {
    let text = text.as_str().unwrap_or_default().to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

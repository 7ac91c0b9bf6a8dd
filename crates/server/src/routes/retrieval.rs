//! Asking what a chatbot finds.

use std::time::Instant;

use axum::Json as JsonBody;
use axum::extract::State;
use okra_domain::Error;
use okra_engine::{Found, Passage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{OwnChatbot, Viewer};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::Json;
use crate::wire::QueryResult;

/// Passages of one query at most.
const MAX_RESULTS: usize = 50;

/// A question to search with.
#[derive(Debug, Deserialize, ToSchema)]
pub struct QueryInput {
    /// What to look for, at most 32,000 characters.
    query: String,
    /// Passages wanted, 1 to 50.
    #[schema(default = 5, minimum = 1, maximum = 50)]
    limit: Option<usize>,
    /// Leave out passages less likely than this, 0 to 1.
    #[schema(default = 0.0, minimum = 0, maximum = 1)]
    min_similarity: Option<f32>,
    /// Tell how each passage was scored, and how long it took.
    #[serde(default)]
    explain: bool,
}

/// Passages, best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueryReply {
    results: Vec<QueryResult>,
    /// With `explain`: the similarity from which on a passage is answered from.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    /// With `explain`: how long finding took.
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<f64>,
    /// With `explain`: what did not go as it should, such as a reranker that did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// Query knowledge
///
/// The passages that answer best, with how likely each is the right one. With `explain` each tells
/// its scores by words and by meaning too, and what the reranker made of them where there is one.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/query-knowledge",
    operation_id = "queryKnowledge", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = QueryInput,
    responses((status = 200, body = QueryReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn query(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Json(input): Json<QueryInput>,
) -> ApiResult<JsonBody<QueryReply>> {
    let query = okra_domain::session::parse_message("query", &input.query)?;
    let limit = input.limit.unwrap_or(5);
    if limit == 0 || limit > MAX_RESULTS {
        let problem = format!("must be from 1 to {MAX_RESULTS}");
        return Err(ApiError(Error::invalid_field("limit", problem)));
    }
    let minimum = input.min_similarity.unwrap_or(0.0);
    if !(0.0..=1.0).contains(&minimum) {
        let problem = "must be from 0 to 1";
        return Err(ApiError(Error::invalid_field("min_similarity", problem)));
    }
    let started = Instant::now();
    let Found { passages, warning } = app
        .engine
        .retrieve(&chatbot, &query, limit, minimum)
        .await?;
    let milliseconds = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let result = |passage: &Passage| QueryResult {
        scores: input.explain.then(|| passage.scores.into()),
        ..QueryResult::from(passage.cited())
    };
    Ok(JsonBody(QueryReply {
        results: passages.iter().map(result).collect(),
        threshold: input.explain.then(|| app.engine.answer_threshold()),
        milliseconds: input.explain.then_some(milliseconds),
        warning: warning.filter(|_| input.explain),
    }))
}

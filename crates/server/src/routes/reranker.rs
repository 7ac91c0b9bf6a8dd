//! Who puts the passages that a chatbot finds in order once more.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use okra_domain::Secret;
use okra_domain::embedder::{EndpointChange, Reranker};
use okra_domain::provider::ProviderChange;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Admin, OwnChatbot};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{Json, nullable};

/// A reranker: a server with a `/rerank` like that of Cohere, Jina, vLLM or text-embeddings-inference.
#[derive(Debug, Serialize, ToSchema)]
pub struct RerankerBody {
    /// The address above `/rerank`.
    base_url: String,
    /// The model's name; null where the server has one.
    model: Option<String>,
    /// Its key, masked: `sk-…WXYZ`.
    api_key: Option<String>,
    /// How many of the best passages it is shown.
    top_n: u32,
}

impl From<Reranker> for RerankerBody {
    fn from(reranker: Reranker) -> Self {
        Self {
            base_url: reranker.provider.base_url,
            model: reranker.model,
            api_key: reranker.provider.api_key.as_ref().map(Secret::masked),
            top_n: reranker.top_n,
        }
    }
}

/// `{"reranker": …}`: null where there is none.
#[derive(Debug, Serialize, ToSchema)]
pub struct RerankerReply {
    reranker: Option<RerankerBody>,
}

/// A reranker to use.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RerankerInput {
    /// The address above `/rerank`, such as `https://api.jina.ai/v1` or `http://127.0.0.1:8080`. One
    /// inside a private network is only reached where the server's operator opened it.
    #[schema(required)]
    base_url: Option<String>,
    /// The model's name; servers with one model need none.
    model: Option<String>,
    /// Its key; null for none. Not given, or given as it is shown, the present one stays, as long as the
    /// address does.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    api_key: Option<Option<Secret>>,
    /// How many of the best passages it is shown, 1 to 100; 20 where not given.
    #[schema(default = 20, minimum = 1, maximum = 100)]
    top_n: Option<u32>,
}

/// Get a chatbot's reranker
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/reranker",
    operation_id = "getReranker", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    responses((status = 200, body = RerankerReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn show(OwnChatbot(chatbot, _): OwnChatbot<Admin>) -> ApiResult<JsonBody<RerankerReply>> {
    let reranker = chatbot.reranker.map(Into::into);
    Ok(JsonBody(RerankerReply { reranker }))
}

/// Set a chatbot's reranker
///
/// From the next question on it is shown the best passages, and its order is the one that counts. It has
/// three seconds; where it fails, the order stays as it was, and query-knowledge tells so.
#[utoipa::path(put, path = "/api/external/chatbot/{chatbotId}/reranker",
    operation_id = "setReranker", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = RerankerInput,
    responses((status = 200, body = RerankerReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn set(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Json(input): Json<RerankerInput>,
) -> ApiResult<JsonBody<RerankerReply>> {
    let engine = &app.engine;
    let change = |current: Option<&Reranker>| {
        let change = EndpointChange {
            provider: ProviderChange {
                base_url: input.base_url,
                api_key: input.api_key,
            },
            model: input.model,
        };
        let next = Reranker::changed(current, change, input.top_n)?;
        engine.check_reach(&next.provider)?;
        Ok(Some(next))
    };
    let reranker = engine.store().set_reranker(&chatbot, change).await?;
    Ok(JsonBody(RerankerReply {
        reranker: reranker.map(Into::into),
    }))
}

/// Forget a chatbot's reranker
#[utoipa::path(delete, path = "/api/external/chatbot/{chatbotId}/reranker",
    operation_id = "deleteReranker", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
) -> ApiResult<StatusCode> {
    let store = app.engine.store();
    store.set_reranker(&chatbot, |_| Ok(None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! What a conversation was about, for the agent who takes it over.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use okra_domain::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find;
use crate::access::{Agent, OwnChatbot};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::Json;

/// How the summary shall be.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SummaryInput {
    /// The tag of the language to write in, such as `ko`; that of the conversation where it is left
    /// out.
    language: Option<String>,
}

/// A model's summary.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryReply {
    /// The text.
    summary: String,
    /// The model that wrote it.
    model: String,
    /// Tokens read and written.
    tokens_used: i64,
}

/// Sum up a conversation
///
/// The chatbot's model reads the latest 200 messages and says what the visitor wants, what they were
/// told, and what is open. Nothing of it is stored.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}/summary",
    operation_id = "sumUpConversation", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation.")),
    request_body = SummaryInput,
    responses((status = 200, body = SummaryReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
              (status = 429, body = ErrorBody), (status = 502, body = ErrorBody),
              (status = 503, body = ErrorBody)))]
pub async fn make(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Agent>,
    Path((_, id)): Path<(String, String)>,
    Json(input): Json<SummaryInput>,
) -> ApiResult<JsonBody<SummaryReply>> {
    // It goes into the model's instructions, so nothing but a tag will do.
    let is_tag = |tag: &str| {
        let proper = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (2..=35).contains(&tag.len()) && tag.bytes().all(proper)
    };
    if input.language.as_deref().is_some_and(|tag| !is_tag(tag)) {
        let error = Error::invalid_field("language", "must be a language tag such as ko");
        return Err(ApiError(error));
    }
    let session = find(&app, &chatbot, &id).await?;
    let language = input.language.as_deref();
    let summary = app.engine.summary(&chatbot, &session, language).await?;
    Ok(JsonBody(SummaryReply {
        summary: summary.content,
        model: summary.model,
        tokens_used: summary.tokens_used,
    }))
}

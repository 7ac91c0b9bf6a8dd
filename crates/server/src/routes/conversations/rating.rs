//! What a visitor thought of a conversation.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use okra_domain::session::SessionRating;
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use crate::access::{OwnChatbot, Viewer};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};

/// A conversation's rating.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatingReply {
    /// Null where the visitor gave none.
    rating: Option<SessionRating>,
}

/// Get a conversation's rating
///
/// What its visitor said once it was settled: one, the latest.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}/rating",
    operation_id = "getConversationRating", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation.")),
    responses((status = 200, body = RatingReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<RatingReply>> {
    let session = find(&app, &chatbot, &id).await?;
    let store = app.engine.store();
    let rating = store.session_rating(&chatbot, &session).await?;
    Ok(JsonBody(RatingReply { rating }))
}

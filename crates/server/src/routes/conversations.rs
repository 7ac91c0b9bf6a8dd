//! Reading what was said.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use okra_domain::SessionId;
use okra_domain::chatbot::Chatbot;
use okra_domain::session::Session;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::OwnChatbot;
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{PageParams, Paging, parse_id};
use crate::wire::{ListBody, MessageBody, SessionDetails, SessionSummary};

/// `{"session": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionReply {
    session: SessionDetails,
}

/// Get conversations
///
/// The one last spoken in first.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/conversations",
    operation_id = "getConversations", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."), PageParams),
    responses((status = 200, body = ListBody<SessionSummary>), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    OwnChatbot(chatbot): OwnChatbot,
    Paging(page): Paging,
) -> ApiResult<JsonBody<ListBody<SessionSummary>>> {
    let page = app.engine.store().sessions(&chatbot, page).await?;
    Ok(JsonBody(ListBody::new(page)))
}

/// Get a conversation
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}",
    operation_id = "getConversation", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation.")),
    responses((status = 200, body = SessionReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    OwnChatbot(chatbot): OwnChatbot,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<SessionReply>> {
    let session = find(&app, &chatbot, &id).await?;
    Ok(JsonBody(SessionReply {
        session: session.into(),
    }))
}

/// Get messages
///
/// Oldest first.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}/messages",
    operation_id = "getMessages", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation."), PageParams),
    responses((status = 200, body = ListBody<MessageBody>), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn messages(
    State(app): State<App>,
    OwnChatbot(chatbot): OwnChatbot,
    Path((_, id)): Path<(String, String)>,
    Paging(page): Paging,
) -> ApiResult<JsonBody<ListBody<MessageBody>>> {
    let session = find(&app, &chatbot, &id).await?;
    let page = app.engine.store().messages(&session, page).await?;
    Ok(JsonBody(ListBody::new(page)))
}

async fn find(app: &App, chatbot: &Chatbot, id: &str) -> ApiResult<Session> {
    let id: SessionId = parse_id(id, "conversation")?;
    Ok(app.engine.store().session(chatbot, id).await?)
}

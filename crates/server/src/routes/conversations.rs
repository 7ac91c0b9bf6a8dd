//! Reading what was said; who answers, and what agents write, in the files below.

pub mod agents;
pub mod export;
pub mod handling;
pub mod notes;
pub mod rating;
pub mod summary;

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use okra_domain::SessionId;
use okra_domain::chatbot::Chatbot;
use okra_domain::session::{Session, SessionState, parse_platform};
use okra_store::sessions::SessionFilter;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::access::{OwnChatbot, Viewer};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{Edge, PageParams, Paging, QueryParams, parse_id};
use crate::wire::{ListBody, MessageBody, SessionDetails, SessionSummary};

/// `{"session": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionReply {
    session: SessionDetails,
}

/// Which conversations are wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // Only its description is used; reading names the field at fault.
pub struct SessionFilterParams {
    /// Only conversations on this platform, such as `web` or `playground`.
    platform: Option<String>,
    /// Only conversations that stand like this.
    state: Option<SessionState>,
    /// Only those in which something was said then or later: a time (RFC 3339), or a day in UTC.
    from: Option<String>,
    /// Only those in which the last was said before this time, or on this day in UTC or before.
    to: Option<String>,
    /// Only those in which a message, or the visitor's token, name or e-mail address holds this, in
    /// any case; at most 200 characters.
    search: Option<String>,
}

fn session_filter(query: &QueryParams) -> ApiResult<SessionFilter> {
    Ok(SessionFilter {
        platform: query.text("platform").map(parse_platform).transpose()?,
        state: query.word("state", "in_progress, waiting or resolved")?,
        from: query.moment("from", Edge::Beginning)?,
        to: query.moment("to", Edge::End)?,
        search: query.search()?,
    })
}

/// Get conversations
///
/// The one last spoken in first.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/conversations",
    operation_id = "getConversations", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."), PageParams,
           SessionFilterParams),
    responses((status = 200, body = ListBody<SessionSummary>), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Paging(page): Paging,
    query: QueryParams,
) -> ApiResult<JsonBody<ListBody<SessionSummary>>> {
    let filter = session_filter(&query)?;
    let page = app.engine.store().sessions(&chatbot, &filter, page).await?;
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
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
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
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
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

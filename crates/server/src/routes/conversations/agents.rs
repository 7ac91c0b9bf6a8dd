//! What agents write to visitors, and that they are writing.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::chatbot::Chatbot;
use okra_domain::session::{Attachment, Session, parse_message};
use okra_domain::{Error, MessageId, SessionId};
use okra_store::events::Typist;
use okra_store::sessions::{AgentMessage, Reader};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::find;
use crate::access::{Agent, Caller, OwnChatbot};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{IdempotencyKey, Json, parse_id};
use crate::routes::chat::attached;
use crate::wire::MessageBody;

/// The most characters of an agent's name.
const MAX_NAME_CHARS: usize = 100;

/// What an agent writes.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AgentMessageInput {
    /// The text, 32,000 characters at most; may be empty where attachments come with it.
    content: String,
    /// Files that lie elsewhere, 10 at most.
    attachments: Option<Vec<Attachment>>,
    /// A number that the client makes for this message; the header `Idempotency-Key` does the same.
    /// Sent again with the same one, nothing is stored twice.
    request_id: Option<Uuid>,
    /// Of a program: what the visitor is told that the agent is called, 100 characters at most. A
    /// person who signed in writes under their own name.
    name: Option<String>,
}

/// `{"message": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentMessageReply {
    message: MessageBody,
}

/// Write as an agent
///
/// The visitor gets the message at once. Writing takes the conversation over, for whoever writes
/// where nobody has it. 201 for a new message, 200 where it was stored before under the same key.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}/messages",
    operation_id = "writeAsAgent", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation."),
           ("Idempotency-Key" = Option<String>, Header,
            description = "The same each time the message is sent; 200 characters at most.")),
    request_body = AgentMessageInput,
    responses((status = 201, body = AgentMessageReply), (status = 200, body = AgentMessageReply),
              (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn say(
    State(app): State<App>,
    OwnChatbot(chatbot, caller): OwnChatbot<Agent>,
    Path((_, id)): Path<(String, String)>,
    IdempotencyKey(key): IdempotencyKey,
    Json(input): Json<AgentMessageInput>,
) -> ApiResult<(StatusCode, JsonBody<AgentMessageReply>)> {
    let session: SessionId = parse_id(&id, "conversation")?;
    let key = input.request_id.map(|id| id.to_string()).or(key);
    let attachments = attached("attachments", input.attachments)?;
    let content = match attachments.is_some() && input.content.trim().is_empty() {
        true => String::new(),
        false => parse_message("content", &input.content)?,
    };
    let said = AgentMessage {
        id: key.map(|key| message_id(session, &caller, &key)),
        content,
        attachments,
        author: caller.person().map(|person| person.id),
        name: name_of(&caller, input.name)?,
    };
    let (message, is_new) = app.engine.say_as_agent(&chatbot, session, said).await?;
    let status = match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let message = message.into();
    Ok((status, JsonBody(AgentMessageReply { message })))
}

/// Say that an agent is writing
///
/// The visitor is shown so for some seconds; nothing is stored. To be sent every three seconds or so
/// while it goes on.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}/typing",
    operation_id = "tellTyping", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn typing(
    State(app): State<App>,
    OwnChatbot(chatbot, caller): OwnChatbot<Agent>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let session = find(&app, &chatbot, &id).await?;
    let by = Typist::Agent(caller.person().map(|person| person.id));
    app.engine.store().tell_typing(&chatbot, &session, by);
    Ok(StatusCode::NO_CONTENT)
}

/// Up to where a conversation was read.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ReadInput {
    /// The last message that was seen.
    message_id: Uuid,
}

/// Say what was read
///
/// For all agents: `agents_read_at` of the conversation. What was read already stays so.
#[utoipa::path(put, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}/read",
    operation_id = "markRead", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation.")),
    request_body = ReadInput,
    responses((status = 204), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn read(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Agent>,
    Path((_, id)): Path<(String, String)>,
    Json(input): Json<ReadInput>,
) -> ApiResult<StatusCode> {
    let session = find(&app, &chatbot, &id).await?;
    note_read(&app, &chatbot, &session, &input, Reader::Agents).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Notes up to where somebody has read.
pub(crate) async fn note_read(
    app: &App,
    chatbot: &Chatbot,
    session: &Session,
    input: &ReadInput,
    by: Reader,
) -> ApiResult<()> {
    let store = app.engine.store();
    let message = store.message(session, MessageId(input.message_id)).await?;
    let message = message.ok_or_else(|| Error::not_found("message"))?;
    Ok(store.mark_read(chatbot, session, message.id, by).await?)
}

/// The id of a message under a key: another conversation's and another caller's key is another.
fn message_id(session: SessionId, caller: &Caller<Agent>, key: &str) -> MessageId {
    let name = format!("agent/{session}/{}/{key}", caller.id());
    MessageId(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
}

fn name_of(caller: &Caller<Agent>, given: Option<String>) -> ApiResult<Option<String>> {
    if let Some(person) = caller.person() {
        return Ok(Some(person.name.clone()));
    }
    let given = given.map(|name| name.trim().to_owned());
    let Some(name) = given.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        let problem = format!("at most {MAX_NAME_CHARS} characters, without control characters");
        return Err(ApiError(Error::invalid_field("name", problem)));
    }
    Ok(Some(name))
}

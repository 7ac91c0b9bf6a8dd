//! Notes that agents leave each other at a conversation.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::handling::{MAX_NOTE_CHARS, Note};
use okra_domain::person::Role;
use okra_domain::{Error, ErrorKind, NoteId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find;
use crate::access::{Agent, OwnChatbot, Viewer};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{Json, parse_id};
use crate::wire::people::NoteBody;

/// A conversation's notes.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotesReply {
    /// Oldest first, 500 at most.
    data: Vec<NoteBody>,
}

/// List notes
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}/notes",
    operation_id = "getNotes", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation.")),
    responses((status = 200, body = NotesReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<NotesReply>> {
    let session = find(&app, &chatbot, &id).await?;
    let notes = app.engine.store().notes(&session).await?;
    Ok(JsonBody(NotesReply {
        data: notes.into_iter().map(NoteBody::from).collect(),
    }))
}

/// A note to leave.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NoteInput {
    /// The text, 4,000 characters at most.
    content: String,
}

/// `{"note": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoteReply {
    note: NoteBody,
}

/// Add a note
///
/// For the organization's own people: no visitor and no model ever reads it.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}/notes",
    operation_id = "addNote", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation.")),
    request_body = NoteInput,
    responses((status = 201, body = NoteReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn add(
    State(app): State<App>,
    OwnChatbot(chatbot, caller): OwnChatbot<Agent>,
    Path((_, id)): Path<(String, String)>,
    Json(input): Json<NoteInput>,
) -> ApiResult<(StatusCode, JsonBody<NoteReply>)> {
    let content = input.content.trim().to_owned();
    if content.is_empty() || content.chars().count() > MAX_NOTE_CHARS {
        let problem = format!("must have 1 to {MAX_NOTE_CHARS} characters");
        return Err(ApiError(Error::invalid_field("content", problem)));
    }
    let session = find(&app, &chatbot, &id).await?;
    let store = app.engine.store();
    let note = Note {
        id: NoteId::new(),
        session_id: session.id,
        author: caller.person().map(|person| person.id),
        author_name: caller.person().map(|person| person.name.clone()),
        content,
        created_at: store.clock().now(),
    };
    store.add_note(&chatbot, &note).await?;
    let reply = NoteReply { note: note.into() };
    Ok((StatusCode::CREATED, JsonBody(reply)))
}

/// Delete a note
///
/// One's own; admins delete anyone's.
#[utoipa::path(delete, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}/notes/{noteId}",
    operation_id = "deleteNote", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation."),
           ("noteId" = uuid::Uuid, Path, description = "The note.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    OwnChatbot(chatbot, caller): OwnChatbot<Agent>,
    Path((_, id, note)): Path<(String, String, String)>,
) -> ApiResult<StatusCode> {
    let session = find(&app, &chatbot, &id).await?;
    let note: NoteId = parse_id(&note, "note")?;
    let store = app.engine.store();
    let note = store.note(&session, note).await?;
    let note = note.ok_or_else(|| Error::not_found("note"))?;
    let own = caller.person().is_some_and(|it| note.author == Some(it.id));
    if !own && caller.role() < Role::Admin {
        let message = "This note is another person's; they or an admin can delete it.";
        return Err(ApiError(
            Error::new(ErrorKind::Forbidden, message).coded("not_yours"),
        ));
    }
    store.delete_note(&chatbot, &note).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! Who answers a conversation: taking it over, assigning it, handing it back, settling it.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use okra_domain::handling::HandlingChange;
use okra_domain::session::SessionState;
use okra_domain::{PersonId, SessionId};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::SessionReply;
use crate::access::{Agent, OwnChatbot};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{Json, nullable, parse_id};

/// What shall be changed; what is left out follows from the rest.
#[derive(Debug, Deserialize, ToSchema)]
pub struct HandlingInput {
    /// True takes the conversation over, for whoever calls where nobody has it. False hands it back
    /// to the chatbot, which knows all that was said.
    is_human_mode: Option<bool>,
    /// `waiting` for a person, `resolved` (the chatbot answers whatever the visitor writes then,
    /// which re-opens it), or `in_progress`.
    state: Option<SessionState>,
    /// The person who shall have it, which takes it over; null has it wait for whoever comes first.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Uuid>)]
    assignee_id: Option<Option<Uuid>>,
}

/// Change who answers
///
/// Taking a conversation over (`is_human_mode`, `assignee_id` or the state `waiting`) cuts off an
/// answer that is being written: nothing more of it is delivered, and it is not stored. While a
/// person has the conversation the chatbot is silent. Of two people who take it over at once the
/// second gets 409 `taken`, unless they name themselves in `assignee_id`.
#[utoipa::path(patch, path = "/api/external/chatbot/{chatbotId}/conversations/{sessionId}",
    operation_id = "updateConversation", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sessionId" = uuid::Uuid, Path, description = "The conversation.")),
    request_body = HandlingInput,
    responses((status = 200, body = SessionReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    OwnChatbot(chatbot, caller): OwnChatbot<Agent>,
    Path((_, id)): Path<(String, String)>,
    Json(input): Json<HandlingInput>,
) -> ApiResult<JsonBody<SessionReply>> {
    let id: SessionId = parse_id(&id, "conversation")?;
    let change = HandlingChange {
        is_human_mode: input.is_human_mode,
        state: input.state,
        assignee: input.assignee_id.map(|person| person.map(PersonId)),
    };
    let by = caller.person().map(|person| person.id);
    let session = app
        .engine
        .handle(&chatbot, id, |now| now.changed(change, by));
    Ok(JsonBody(SessionReply {
        session: session.await?.into(),
    }))
}

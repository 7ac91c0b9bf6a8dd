//! A visitor's question and its answer as it comes: over a connection that may drop and be taken
//! up again.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use okra_domain::session::{Message, parse_message};
use okra_domain::tool::BUILT_IN;
use okra_domain::{Error, ErrorKind, MessageId};
use okra_engine::chat::{TurnEvent, TurnRequest};
use okra_engine::live::{Follower, LiveTurn};
use okra_engine::providers::BUDGET_SPENT;
use okra_store::sessions::{SessionKey, UserMessage, already_used};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::messages::{VisitorCall, VisitorMessage};
use super::{Asking, MAX_QUESTION_CHARS, PLATFORM, attachments};
use crate::app::App;
use crate::error::{self, ApiError, ApiResult, ErrorBody};
use crate::input::{Json, parse_id};
use crate::routes::chat::{self, ConfirmInput, Delta, KEEP_ALIVE, Sources};
use crate::wire::people::HandedOver;

/// What the visitor asks.
#[derive(Debug, Deserialize, ToSchema)]
pub struct QuestionInput {
    /// The text, 4,000 characters at most; may be empty where images come with it.
    content: String,
    /// Ids of images that this visitor uploaded, 4 at most.
    #[serde(default)]
    attachments: Vec<String>,
    /// A number that the browser makes for this question. Sent again with the same one, the
    /// question is not asked twice: the stream begins anew, or gives the answer that there is. Another
    /// question under it is refused (409 `already_used`).
    request_id: Uuid,
    /// The call that the visitor confirms by this message.
    #[serde(default)]
    confirm: Option<ConfirmInput>,
}

/// Ask
///
/// The answer comes as server-sent events, each with an `id` that counts from 1: `session`
/// (`session_id`, `message_id`, `user_message_id`), `sources`, `delta` (`content`), `tool_call` (as in the message's
/// `calls`) and `tool_result` (`id`, `failed`) of the organization's own tools, and exactly one
/// `done` (the message) or `error`. Where a person has the conversation, or takes it over meanwhile,
/// `done` is no message: its `id` is null and its `ended` `handed_over`. A connection that drops does not stop the answer for 30 s: take
/// it up again with the call below.
#[utoipa::path(post, path = "/api/public/chatbot/{slug}/chat", operation_id = "askAsVisitor",
    tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug.")),
    request_body = QuestionInput,
    responses((status = 200, content((String = "text/event-stream"))),
              (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 409, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn ask(
    State(app): State<App>,
    asking: Asking,
    Json(input): Json<QuestionInput>,
) -> ApiResult<Response> {
    let images_alone = !input.attachments.is_empty() && input.content.trim().is_empty();
    let content = match images_alone {
        true => String::new(),
        false => parse_message("content", &input.content)?,
    };
    if content.chars().count() > MAX_QUESTION_CHARS {
        let problem = format!("at most {MAX_QUESTION_CHARS} characters");
        return Err(ApiError(Error::invalid_field("content", problem)));
    }
    let (message, answer) = asking.visitor.turn_ids(input.request_id);
    if app.engine.live_turn(answer).is_none() {
        let told = told(&app, &asking, answer).await?;
        // While the stored answer was looked for, the same request may have begun the turn elsewhere
        // and even ended it: then there are events to follow, and the two readers see the same.
        if app.engine.live_turn(answer).is_none() {
            if let Some(told) = told {
                check_said(&app, &asking, (message, &content)).await?;
                return Ok(told);
            }
            let visitor = asking.visitor.key();
            app.visitors.limits.message(visitor, asking.chatbot.id)?;
        }
    }
    let attachments = attachments::named(&app, &asking, &input.attachments).await?;
    let request = TurnRequest {
        session: SessionKey::Visitor {
            platform: PLATFORM.to_owned(),
            token: Some(asking.visitor.id.clone()),
            profile: Some(asking.visitor.profile.metadata()),
        },
        message: UserMessage {
            id: Some(message),
            content: content.clone(),
            attachments,
        },
        answer_id: Some(answer),
        earlier: Vec::new(),
        own_history: false,
        confirms: input.confirm.map(ConfirmInput::parse).transpose()?,
    };
    let follower = app.engine.begin_live_turn(&asking.chatbot, request);
    let follower = follower.await?;
    // What confirms a call has an id of its own.
    let stored = follower.turn.session.last_message.as_ref();
    // The turn may be that of an earlier request.
    if stored.is_some_and(|stored| stored.content != content) {
        return Err(ApiError(already_used()));
    }
    let begun = json!({
        "session_id": follower.turn.session.id,
        "message_id": follower.turn.message_id,
        "user_message_id": stored.map_or(message, |stored| stored.id),
    });
    Ok(respond(event("session", 0, &begun), follower))
}

/// Take an answer up again
///
/// The events after the one that the header `Last-Event-ID` names. Where the answer is over for
/// longer than a minute, it is `done` alone.
#[utoipa::path(get, path = "/api/public/chatbot/{slug}/chat/{messageId}",
    operation_id = "resumeAnswer", tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug."),
           ("messageId" = Uuid, Path, description = "The answer's id, from the event `session`."),
           ("Last-Event-ID" = Option<u32>, Header, description = "The last event that came; 0 for none.")),
    responses((status = 200, content((String = "text/event-stream"))),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn resume(
    State(app): State<App>,
    asking: Asking,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let id: MessageId = parse_id(&id, "answer")?;
    let last = headers.get("last-event-id");
    let last = last.and_then(|value| value.to_str().ok());
    let last: usize = last.and_then(|text| text.parse().ok()).unwrap_or(0);
    match live(&app, &asking, id) {
        Some(turn) => Ok(respond(
            Event::default().comment("resumed"),
            turn.follow(last),
        )),
        None => match told(&app, &asking, id).await? {
            Some(told) => Ok(told),
            None => Err(ApiError(Error::not_found("answer"))),
        },
    }
}

/// Stop an answer
///
/// What was written so far is kept, and the stream ends with `done`.
#[utoipa::path(delete, path = "/api/public/chatbot/{slug}/chat/{messageId}",
    operation_id = "stopAnswer", tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug."),
           ("messageId" = Uuid, Path, description = "The answer's id.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn stop(
    State(app): State<App>,
    asking: Asking,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let id: MessageId = parse_id(&id, "answer")?;
    match live(&app, &asking, id) {
        Some(turn) => turn.stop(),
        // What is over needs no stopping.
        None if stored(&app, &asking, id).await?.is_some() => {}
        None => return Err(ApiError(Error::not_found("answer"))),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The visitor's own live turn: ids of others' answers name nothing.
fn live(app: &App, asking: &Asking, id: MessageId) -> Option<Arc<LiveTurn>> {
    let owned = |turn: &Arc<LiveTurn>| {
        turn.session.chatbot_id == asking.chatbot.id
            && turn.session.visitor.as_deref() == Some(&asking.visitor.id)
    };
    app.engine.live_turn(id).filter(owned)
}

async fn stored(app: &App, asking: &Asking, id: MessageId) -> ApiResult<Option<Message>> {
    match asking.session(app).await? {
        Some(session) => Ok(app.engine.store().message(&session, id).await?),
        None => Ok(None),
    }
}

/// Whether the message of this id, where there is one, says that: an answer is given to no other question than its own.
async fn check_said(app: &App, asking: &Asking, said: (MessageId, &str)) -> ApiResult<()> {
    let (id, content) = said;
    match stored(app, asking, id).await? {
        Some(message) if message.content != content => Err(ApiError(already_used())),
        _ => Ok(()),
    }
}

/// A stream of the answer as it is stored, where it is.
async fn told(app: &App, asking: &Asking, id: MessageId) -> ApiResult<Option<Response>> {
    let Some(message) = stored(app, asking, id).await? else {
        return Ok(None);
    };
    let begun = json!({"session_id": message.session_id, "message_id": message.id});
    let done = json!(VisitorMessage::from(message));
    let events = [event("session", 0, &begun), event("done", 1, &done)];
    let events = stream::iter(events.map(Ok::<_, Infallible>));
    Ok(Some(
        ([("x-accel-buffering", "no")], Sse::new(events)).into_response(),
    ))
}

fn respond(first: Event, follower: Follower) -> Response {
    let stream = Sse::new(events(first, follower));
    let stream = stream.keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    ([("x-accel-buffering", "no")], stream).into_response()
}

fn events(first: Event, follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    let session = follower.turn.session.id;
    stream::unfold(
        (follower, Some(first)),
        move |(mut follower, first)| async move {
            if let Some(first) = first {
                return Some((Ok(first), (follower, None)));
            }
            let (number, happened) = loop {
                let (number, happened) = follower.next().await?;
                if is_told(&happened) {
                    break (number, happened);
                }
            };
            let event = match &*happened {
                TurnEvent::Sources(sources) => event("sources", number, &Sources { sources }),
                TurnEvent::Delta(content) => event("delta", number, &Delta { content }),
                TurnEvent::ToolCall(call) => {
                    event("tool_call", number, &VisitorCall::of(call, None))
                }
                TurnEvent::ToolResult(outcome) => {
                    let told = json!({"id": outcome.tool_call_id, "failed": outcome.failed});
                    event("tool_result", number, &told)
                }
                TurnEvent::Done(message) => {
                    let message = VisitorMessage::from((**message).clone());
                    event("done", number, &message)
                }
                TurnEvent::Failed(error) => event("error", number, &told_to_visitors(error)),
                TurnEvent::HandedOver => event("done", number, &HandedOver::of(session)),
            };
            Some((Ok(event), (follower, None)))
        },
    )
}

/// Built-in tools are the chatbot's own affair.
fn is_told(event: &TurnEvent) -> bool {
    match event {
        TurnEvent::ToolCall(call) => !BUILT_IN.contains(&call.name.as_str()),
        TurnEvent::ToolResult(outcome) => !BUILT_IN.contains(&outcome.name.as_str()),
        _ => true,
    }
}

/// What a visitor is told of a failure. A provider's words are about the organization's account and
/// settings; it reads them in the answer's metadata.
fn told_to_visitors(error: &Error) -> ErrorBody {
    let mut body = error::body(error);
    use ErrorKind::{OutOfSpace, Provider, Unavailable};
    if matches!(error.kind, Provider | Unavailable | OutOfSpace) {
        body.error = "The answer could not be finished. Please try again.".to_owned();
    }
    // Whose tokens they are is no business of a visitor's; the widget says it in their language.
    if body.code == BUDGET_SPENT {
        body.error = "No more answers can be given today. Please try again tomorrow.".to_owned();
    }
    body
}

fn event(name: &str, number: usize, data: &impl Serialize) -> Event {
    chat::event(name, data).id(number.to_string())
}

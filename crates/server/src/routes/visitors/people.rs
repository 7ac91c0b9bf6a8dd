//! A visitor and the people who answer: asking for one, and what they write, as it comes.

use std::convert::Infallible;

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::handling::Handling;
use okra_domain::session::Session;
use okra_domain::{Error, ErrorKind};
use okra_store::events::{SessionWatch, Told, Typist};
use okra_store::sessions::Reader;
use serde_json::json;
use tokio::time::Instant;

use super::Asking;
use super::messages::VisitorMessage;
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::Json;
use crate::routes::chat::{KEEP_ALIVE, event};
use crate::routes::conversations::agents::{ReadInput, note_read};
use crate::routes::events::LIFE;
use crate::wire::people::VisitorHandling;

/// Ask for a person
///
/// The chatbot is silent from then on: an answer that is being written is cut off. Where a person
/// has the conversation already nothing changes.
#[utoipa::path(post, path = "/api/public/chatbot/{slug}/person", operation_id = "callPerson",
    tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug.")),
    responses((status = 200, body = VisitorHandling), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn call(State(app): State<App>, asking: Asking) -> ApiResult<JsonBody<VisitorHandling>> {
    if !asking.chatbot.settings.is_human_handover_enabled {
        let message = "Visitors of this chatbot cannot ask for a person \
                       (settings.isHumanHandoverEnabled).";
        let error = Error::new(ErrorKind::Forbidden, message).coded("handover_disabled");
        return Err(ApiError(error));
    }
    let visitor = asking.visitor.key();
    app.visitors.limits.message(visitor, asking.chatbot.id)?;
    change(&app, &asking, Handling::called).await
}

/// Stop waiting for a person
///
/// The chatbot answers again. Where a person has the conversation by now nothing changes.
#[utoipa::path(delete, path = "/api/public/chatbot/{slug}/person", operation_id = "callOffPerson",
    tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug.")),
    responses((status = 200, body = VisitorHandling), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn call_off(
    State(app): State<App>,
    asking: Asking,
) -> ApiResult<JsonBody<VisitorHandling>> {
    change(&app, &asking, Handling::called_off).await
}

pub(super) async fn change(
    app: &App,
    asking: &Asking,
    change: fn(Handling) -> Handling,
) -> ApiResult<JsonBody<VisitorHandling>> {
    let (chatbot, session) = (&asking.chatbot, own(app, asking).await?);
    let handled = app
        .engine
        .handle(chatbot, session.id, |now| Ok(change(now)));
    let standing = app.engine.store().standing(chatbot, handled.await?.id);
    let handling = VisitorHandling::of(standing.await?, &app.engine, chatbot);
    Ok(JsonBody(handling))
}

pub(super) async fn own(app: &App, asking: &Asking) -> ApiResult<Session> {
    let session = asking.session(app).await?;
    Ok(session.ok_or_else(|| Error::not_found("conversation"))?)
}

/// Say that the visitor is writing
///
/// Agents who look at the conversation are shown so for some seconds; nothing is stored.
#[utoipa::path(post, path = "/api/public/chatbot/{slug}/typing", operation_id = "tellVisitorTyping",
    tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn typing(State(app): State<App>, asking: Asking) -> ApiResult<StatusCode> {
    let session = own(&app, &asking).await?;
    let store = app.engine.store();
    store.tell_typing(&asking.chatbot, &session, Typist::Visitor);
    Ok(StatusCode::NO_CONTENT)
}

/// Say what was read
///
/// Agents are shown whether the visitor has seen what they wrote.
#[utoipa::path(put, path = "/api/public/chatbot/{slug}/read", operation_id = "markOwnRead",
    tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug.")),
    request_body = ReadInput,
    responses((status = 204), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn read(
    State(app): State<App>,
    asking: Asking,
    Json(input): Json<ReadInput>,
) -> ApiResult<StatusCode> {
    let session = own(&app, &asking).await?;
    note_read(&app, &asking.chatbot, &session, &input, Reader::Visitor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Watch the conversation
///
/// What people do in it, as server-sent events: `handling` (who answers; the first one tells how
/// things are now), `message` (an agent's), `typing` (an agent is writing, an empty object), and
/// `resync` (an empty object: read the messages anew). So does every connection: the stream ends
/// after ten minutes, or with the server, and is to be opened again. The chatbot's answers come
/// over the streams of their questions.
#[utoipa::path(get, path = "/api/public/chatbot/{slug}/events", operation_id = "watchConversation",
    tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug.")),
    responses((status = 200, content((String = "text/event-stream"))),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn watch(State(app): State<App>, asking: Asking) -> ApiResult<Response> {
    let session = own(&app, &asking).await?;
    let watch = app.engine.store().watch_session(&session).await?;
    let room = Room {
        app,
        chatbot: asking.chatbot,
        session,
        watch,
        end: Instant::now() + LIFE,
    };
    let stream = Sse::new(events(room).await?);
    let stream = stream.keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([("x-accel-buffering", "no")], stream).into_response())
}

/// An open stream of a visitor's.
struct Room {
    app: App,
    chatbot: Chatbot,
    session: Session,
    watch: SessionWatch,
    end: Instant,
}

async fn events(
    room: Room,
) -> ApiResult<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    // Read after the watch was begun, so that nothing falls between the two.
    let first = room.told(Told::Handled).await?;
    let begun = stream::iter(first.map(Ok));
    let told = stream::unfold(room, |mut room| async move {
        let stopping = room.app.engine.stopping();
        loop {
            let told = tokio::select! {
                told = room.watch.next() => told,
                () = tokio::time::sleep_until(room.end) => return None,
                () = stopping.cancelled() => return None,
            };
            let event = room.told(told).await.unwrap_or_else(|error| {
                tracing::warn!(%error, session = %room.session.id, "an event was not loaded");
                Some(event("resync", &json!({})))
            });
            if let Some(event) = event {
                return Some((Ok(event), room));
            }
        }
    });
    Ok(futures_util::StreamExt::chain(begun, told))
}

impl Room {
    /// What is sent of that; `None` where it is gone meanwhile.
    async fn told(&self, told: Told) -> Result<Option<Event>> {
        let store = self.app.engine.store();
        Ok(match told {
            Told::Handled => {
                let standing = store.standing(&self.chatbot, self.session.id).await?;
                let handling = VisitorHandling::of(standing, &self.app.engine, &self.chatbot);
                Some(event("handling", &handling))
            }
            Told::Message(id) => {
                let message = store.message(&self.session, id).await?;
                message.map(|message| event("message", &VisitorMessage::from(message)))
            }
            Told::Typing => Some(event("typing", &json!({}))),
            Told::Resync => Some(event("resync", &json!({}))),
        })
    }
}

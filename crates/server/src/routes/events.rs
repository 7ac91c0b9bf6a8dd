//! What happens, told as it happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use okra_domain::session::SenderType;
use okra_store::events::{Event, Typist, Watch};
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use super::chat::{KEEP_ALIVE, to_value};
use super::embedders::VectorProgress;
use crate::access::{Caller, Viewer};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::wire::people::NoteBody;
use crate::wire::{KnowledgeItem, MessageBody, SessionSummary, SourceBody};

/// How long a stream goes on. Then its reader connects again, and shows whether it still may.
pub(crate) const LIFE: Duration = Duration::from_secs(10 * 60);

/// The object of an event `knowledge`.
#[derive(Debug, Serialize, ToSchema)]
pub struct KnowledgeEvent {
    /// Whose knowledge it is.
    chatbot_id: Uuid,
    /// The item.
    item_id: Uuid,
    /// The item as it is now; null where it was deleted.
    item: Option<KnowledgeItem>,
}

/// The object of an event `source`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceEvent {
    /// Whose knowledge it feeds.
    chatbot_id: Uuid,
    /// The source.
    source_id: Uuid,
    /// The source as it is now; null where it was deleted.
    source: Option<SourceBody>,
}

/// The object of an event `conversation`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationEvent {
    /// The chatbot spoken with.
    chatbot_id: Uuid,
    /// The conversation, as lists show it.
    session: SessionSummary,
}

/// The object of an event `message`.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageEvent {
    /// The chatbot spoken with.
    chatbot_id: Uuid,
    /// The conversation.
    session_id: Uuid,
    /// The message.
    message: MessageBody,
}

/// The object of an event `note`.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoteEvent {
    /// The chatbot spoken with.
    chatbot_id: Uuid,
    /// The conversation.
    session_id: Uuid,
    /// The note.
    note_id: Uuid,
    /// The note as it is now; null where it was deleted.
    note: Option<NoteBody>,
}

/// The object of an event `typing`.
#[derive(Debug, Serialize, ToSchema)]
pub struct TypingEvent {
    /// The chatbot spoken with.
    chatbot_id: Uuid,
    /// The conversation.
    session_id: Uuid,
    /// Who is writing: `user` or `agent`.
    sender_type: SenderType,
    /// The agent; null for the visitor, and for a program.
    person_id: Option<Uuid>,
}

/// The object of an event `embedder`.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbedderEvent {
    /// Whose vectors they are.
    chatbot_id: Uuid,
    /// How they stand.
    #[serde(flatten)]
    progress: VectorProgress,
}

/// Any event's object.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // Only its schema is used: each event has its own object.
pub enum EventBody {
    /// Of `knowledge`.
    Knowledge(KnowledgeEvent),
    /// Of `source`.
    Source(SourceEvent),
    /// Of `conversation`.
    Conversation(ConversationEvent),
    /// Of `message`.
    Message(MessageEvent),
    /// Of `note`.
    Note(NoteEvent),
    /// Of `typing`.
    Typing(TypingEvent),
    /// Of `embedder`.
    Embedder(EmbedderEvent),
}

/// Watch what happens
///
/// Server-sent events of the organization from now on: `knowledge` when an item comes, changes or
/// goes; `source` when one of its sources does, or is read on; `embedder` when new vectors of a
/// chatbot come further, are in place or could not be made; `conversation` and `message` when
/// something is said, an answer is rated or a person takes over; `note` when an agent leaves one;
/// `typing` while someone writes, who is to be shown so for some seconds. An event says
/// how things are now, so one that comes twice means nothing new. `resync` (an empty object) means
/// that events were missed: read anew what is shown. So does every connection: the stream ends
/// after ten minutes, or with the server, and is to be opened again. Nothing is kept for who is away, so
/// events have no ids and `Last-Event-ID` means nothing; webhooks are for what must not be missed.
#[utoipa::path(get, path = "/api/external/events",
    operation_id = "watchEvents", tag = "Organization",
    responses((status = 200, body = EventBody, content_type = "text/event-stream"),
              (status = 401, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub async fn watch(State(app): State<App>, caller: Caller<Viewer>) -> ApiResult<Response> {
    let watch = app.engine.store().watch(caller.organization()).await?;
    let stream = Sse::new(events(watch, LIFE, app.engine.stopping()));
    let stream = stream.keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([("x-accel-buffering", "no")], stream).into_response())
}

fn events(
    watch: Watch,
    life: Duration,
    stopping: CancellationToken,
) -> impl Stream<Item = Result<Sent, Infallible>> {
    let end = Instant::now() + life;
    // The first comment tells the reader that from here on nothing is missed.
    let begun = stream::iter([Ok(Sent::default().comment("watching"))]);
    let told = stream::unfold((watch, stopping), move |(mut watch, stopping)| async move {
        let event = tokio::select! {
            event = watch.next() => event?,
            () = tokio::time::sleep_until(end) => return None,
            () = stopping.cancelled() => return None,
        };
        Some((Ok(sent(&event)), (watch, stopping)))
    });
    futures_util::StreamExt::chain(begun, told)
}

fn sent(event: &Event) -> Sent {
    let (name, data) = match event.clone() {
        Event::Knowledge {
            chatbot_id,
            item_id,
            item,
        } => {
            let body = KnowledgeEvent {
                chatbot_id: chatbot_id.0,
                item_id: item_id.0,
                item: item.map(|item| (*item).into()),
            };
            ("knowledge", to_value(body))
        }
        Event::Source {
            chatbot_id,
            source_id,
            source,
        } => {
            let body = SourceEvent {
                chatbot_id: chatbot_id.0,
                source_id: source_id.0,
                source: source.map(|source| (*source).into()),
            };
            ("source", to_value(body))
        }
        Event::Conversation(session) => {
            let body = ConversationEvent {
                chatbot_id: session.chatbot_id.0,
                session: (*session).into(),
            };
            ("conversation", to_value(body))
        }
        Event::Message {
            chatbot_id,
            message,
        } => {
            let body = MessageEvent {
                chatbot_id: chatbot_id.0,
                session_id: message.session_id.0,
                message: (*message).into(),
            };
            ("message", to_value(body))
        }
        Event::Note {
            chatbot_id,
            session_id,
            note_id,
            note,
        } => {
            let body = NoteEvent {
                chatbot_id: chatbot_id.0,
                session_id: session_id.0,
                note_id: note_id.0,
                note: note.map(|note| (*note).into()),
            };
            ("note", to_value(body))
        }
        Event::Typing {
            chatbot_id,
            session_id,
            by,
        } => {
            let (sender_type, person_id) = match by {
                Typist::Visitor => (SenderType::User, None),
                Typist::Agent(person) => (SenderType::Agent, person.map(|person| person.0)),
            };
            let body = TypingEvent {
                chatbot_id: chatbot_id.0,
                session_id: session_id.0,
                sender_type,
                person_id,
            };
            ("typing", to_value(body))
        }
        Event::Embedder {
            chatbot_id,
            reembedding,
        } => {
            let body = EmbedderEvent {
                chatbot_id: chatbot_id.0,
                progress: reembedding.into(),
            };
            ("embedder", to_value(body))
        }
        Event::Resync => ("resync", serde_json::json!({})),
    };
    Sent::default().event(name).data(data.to_string())
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use okra_domain::OrganizationId;
    use okra_store::testing::{Backend, store};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stream_ends_with_its_time_or_with_the_server() {
        let made = store(Backend::Sqlite).await;
        let (store, _place) = made.expect("SQLite is everywhere");
        let stopped = CancellationToken::new();
        stopped.cancel();
        for (life, stopping) in [(Duration::ZERO, CancellationToken::new()), (LIFE, stopped)] {
            let watch = store.watch(OrganizationId::new()).await.expect("a watch");
            let told: Vec<_> = events(watch, life, stopping).collect().await;
            assert_eq!(told.len(), 1, "the first comment alone");
        }
    }
}

//! Asking a chatbot: one JSON answer, or a stream of server-sent events.

mod again;

use std::convert::Infallible;
use std::time::Duration;

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use okra_domain::session::{
    Attachment, CitedSource, Message, SenderType, parse_message, parse_platform, parse_visitor,
};
use okra_domain::{Error, MessageId, SessionId};
use okra_engine::chat::{Confirms, TurnEvent, TurnRequest};
use okra_store::sessions::{SessionKey, UserMessage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::access::{Agent, OwnChatbot};
use crate::app::App;
use crate::error::{self, ApiError, ApiResult, ErrorBody};
use crate::input::{IdempotencyKey, Json, parse_id, query_value};
use crate::wire::MessageBody;
use crate::wire::people::HandedOver;

/// A comment line this often keeps proxies from closing a stream.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Messages of one body at most.
const MAX_MESSAGES: usize = 1_000;
/// Attachments of one message at most.
const MAX_ATTACHMENTS: usize = 10;

/// What the visitor says.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatInput {
    /// The last message of role `user` is answered. Earlier ones count as history only where the
    /// session has none of its own.
    messages: Vec<InputMessage>,
    /// Where the visitor is.
    #[schema(default = "web")]
    platform: Option<String>,
    /// The visitor's token: the same token continues the same conversation. Without one a new
    /// conversation is begun.
    #[serde(rename = "sessionToken")]
    session_token: Option<String>,
    /// Continues a conversation by its id instead.
    session_id: Option<String>,
    /// The call that the visitor confirms by this message.
    confirm: Option<ConfirmInput>,
}

/// A call that waits for the visitor, of the conversation's last answer. It is carried out before this message is
/// answered, once; 409 `already_confirmed` where it was, `confirmation_lapsed` where something else was said since or an
/// hour is over.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ConfirmInput {
    /// The answer that made the call.
    message_id: String,
    /// The call's id there.
    call_id: String,
}

impl ConfirmInput {
    pub(crate) fn parse(self) -> ApiResult<Confirms> {
        Ok(Confirms {
            answer: parse_id(&self.message_id, "call to confirm")?,
            call: self.call_id,
        })
    }
}

/// One message of the conversation as the client has it.
#[derive(Debug, Deserialize, ToSchema)]
pub struct InputMessage {
    /// `user` or `assistant`; others are ignored.
    role: String,
    /// The text.
    content: String,
    /// Files that go with it. Images (by the ending of their name or address: png, jpg, webp, gif)
    /// of the message that is answered, 4 at most, go to a model that sees them.
    attachments: Option<Vec<Attachment>>,
}

/// The whole answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatReply {
    /// The conversation; send it back as `session_id` to go on.
    session_id: uuid::Uuid,
    /// The answer; null where a person has the conversation: the visitor's message is stored, and the
    /// chatbot says nothing.
    message: Option<MessageBody>,
    /// Whether a person has the conversation.
    is_human_mode: bool,
    /// The passages that the answer rests on.
    sources: Vec<CitedSource>,
}

/// Chat
///
/// With `?stream=true` the answer comes as server-sent events, each with a name and one JSON
/// object: `session` (`session_id`, `message_id`), `sources` (under `sources` the passages that the answer is
/// given; again, with all of them, where a tool found more), `delta` (`content`), `tool_call` and `tool_result` (as in
/// the message's `tool_calls` and `tool_results`), and at the end exactly one `done` (the message) or `error` (the
/// error). Which of the passages the answer rests on is known at its end: `metadata.sources` of the message in `done`.
/// Closing the connection stops the answer.
///
/// With the header `Idempotency-Key` a question may be sent twice, as after a lost connection: under the same key it is
/// stored, answered and paid for once, and both get the same answer, which then goes on for 30 s without a reader. A
/// question whose answer was lost with the server is answered anew. Another question under the key is 409
/// `already_used`; keys are the caller's own (an API key's or a person's), and do not expire.
///
/// Where a person has the conversation, or takes it over meanwhile, there is no message: `message` is
/// null and `is_human_mode` true; a stream's `done` is then `{"id": null, "session_id": …,
/// "sender_type": "bot", "content": "", "ended": "handed_over", "is_human_mode": true}`.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/chat",
    operation_id = "chat", tag = "Conversations",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("stream" = Option<bool>, Query, description = "Stream the answer."),
           ("Idempotency-Key" = Option<String>, Header,
            description = "The same each time the question is sent; 200 characters at most.")),
    request_body = ChatInput,
    responses((status = 200, content((ChatReply = "application/json"), (String = "text/event-stream"))),
              (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 409, body = ErrorBody),
              (status = 502, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub async fn chat(
    State(app): State<App>,
    OwnChatbot(chatbot, caller): OwnChatbot<Agent>,
    Streamed(streamed): Streamed,
    IdempotencyKey(key): IdempotencyKey,
    Json(input): Json<ChatInput>,
) -> ApiResult<Response> {
    let request = request(input)?;
    if let Some(key) = key {
        return again::ask(&app, (&chatbot, &caller), &key, request, streamed).await;
    }
    let turn = app.engine.begin_turn(&chatbot, request).await?;
    let session = turn.session.id;
    if streamed {
        let begun = first(session, turn.message_id);
        return Ok(stream_of(begun, turn, move |mut turn| async move {
            let happened = turn.next().await?;
            Some((event_of(&happened, session), turn))
        }));
    }
    Ok(reply(session, turn.answer().await?))
}

/// Whether the chatbot called a person by this answer.
fn called_person(message: &Message) -> bool {
    message.metadata.get("called_person") == Some(&Value::Bool(true))
}

/// Whether `?stream=true` was asked for.
pub struct Streamed(bool);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Streamed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        match query_value(parts, "stream")?.as_deref() {
            None | Some("false" | "0" | "") => Ok(Self(false)),
            Some("true" | "1") => Ok(Self(true)),
            Some(_) => {
                let error = Error::invalid_field("stream", "must be true or false");
                Err(ApiError(error))
            }
        }
    }
}

fn request(input: ChatInput) -> ApiResult<TurnRequest> {
    let count = input.messages.len();
    if count > MAX_MESSAGES {
        let problem = format!("at most {MAX_MESSAGES}");
        return Err(ApiError(Error::invalid_field("messages", problem)));
    }
    let last = input
        .messages
        .iter()
        .rposition(|message| message.role == "user");
    let Some(last) = last else {
        let problem = "must hold a message of role user";
        return Err(ApiError(Error::invalid_field("messages", problem)));
    };
    let session = match input.session_id {
        Some(id) => SessionKey::Id(parse_id::<SessionId>(&id, "conversation")?),
        None => SessionKey::Visitor {
            platform: parse_platform(input.platform.as_deref().unwrap_or("web"))?,
            token: input
                .session_token
                .as_deref()
                .map(parse_visitor)
                .transpose()?,
            profile: None,
        },
    };
    let mut messages = input.messages;
    let asked = messages.swap_remove(last);
    messages.truncate(last);
    let field = format!("messages[{last}]");
    Ok(TurnRequest {
        session,
        answer_id: None,
        message: UserMessage {
            id: None,
            content: parse_message(&format!("{field}.content"), &asked.content)?,
            attachments: attached(&format!("{field}.attachments"), asked.attachments)?,
        },
        earlier: messages.into_iter().filter_map(earlier).collect(),
        own_history: false,
        confirms: input.confirm.map(ConfirmInput::parse).transpose()?,
    })
}

/// Roles other than these two are a client's claim to speak for us, and are ignored.
fn earlier(message: InputMessage) -> Option<(SenderType, String)> {
    let sender = match message.role.as_str() {
        "user" => SenderType::User,
        "assistant" | "bot" => SenderType::Bot,
        _ => return None,
    };
    Some((sender, message.content))
}

/// The files that a client names beside a message; `None` for none.
pub(crate) fn attached(
    field: &str,
    attachments: Option<Vec<Attachment>>,
) -> ApiResult<Option<Vec<Attachment>>> {
    let attachments = attachments.unwrap_or_default();
    let proper = |attachment: &Attachment| {
        let web = attachment.url.starts_with("https://") || attachment.url.starts_with("http://");
        web && attachment.url.len() <= 2_000 && attachment.name.len() <= 1_000
    };
    if attachments.len() <= MAX_ATTACHMENTS && attachments.iter().all(proper) {
        // Images of visitors are theirs to send: a client names files that lie elsewhere.
        let elsewhere = attachments
            .into_iter()
            .map(|it| Attachment { file: None, ..it });
        let elsewhere: Vec<_> = elsewhere.collect();
        return Ok(Some(elsewhere).filter(|list| !list.is_empty()));
    }
    let problem = format!(
        "at most {MAX_ATTACHMENTS}, each with a name and an http(s) url of 2,000 characters at most"
    );
    Err(ApiError(Error::invalid_field(field, problem)))
}

/// An answer with the passages that it rests on; `None` where a person has the conversation.
type Answered = Option<(Message, Vec<CitedSource>)>;

fn reply(session: SessionId, answered: Answered) -> Response {
    let (message, sources) = answered.unzip();
    let reply = ChatReply {
        session_id: session.0,
        is_human_mode: message.as_ref().is_none_or(called_person),
        message: message.map(MessageBody::from),
        sources: sources.unwrap_or_default(),
    };
    JsonBody(reply).into_response()
}

/// The first event of a stream.
fn first(session: SessionId, answer: MessageId) -> Event {
    event(
        "session",
        &json!({"session_id": session, "message_id": answer}),
    )
}

/// A stream of events: the first, and what `next` gives after it.
fn stream_of<S, N>(
    begun: Event,
    state: S,
    next: impl Fn(S) -> N + Clone + Send + 'static,
) -> Response
where
    S: Send + 'static,
    N: Future<Output = Option<(Event, S)>> + Send + 'static,
{
    let stream = futures_util::stream::unfold((state, Some(begun)), move |(state, begun)| {
        let next = next.clone();
        async move {
            let (event, state) = match begun {
                Some(begun) => (begun, state),
                None => next(state).await?,
            };
            Some((Ok::<_, Infallible>(event), (state, None)))
        }
    });
    let stream = Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Proxies that collect answers before passing them on are asked not to.
    ([("x-accel-buffering", "no")], stream).into_response()
}

fn event_of(happened: &TurnEvent, session: SessionId) -> Event {
    match happened {
        TurnEvent::Sources(sources) => event("sources", &Sources { sources }),
        TurnEvent::Delta(content) => event("delta", &Delta { content }),
        TurnEvent::ToolCall(call) => event("tool_call", call),
        TurnEvent::ToolResult(outcome) => event("tool_result", outcome),
        TurnEvent::Done(message) => event("done", &MessageBody::from((**message).clone())),
        TurnEvent::Failed(error) => event("error", &error::body(error)),
        TurnEvent::HandedOver => event("done", &HandedOver::of(session)),
    }
}

pub(crate) fn to_value(body: impl Serialize) -> Value {
    // These bodies hold strings, numbers and maps with string keys: nothing JSON can't say.
    serde_json::to_value(body).unwrap_or_default()
}

/// The body of the event `sources`. Written as it stands: passages are long, and a tree of values
/// would copy each of them once more.
#[derive(Serialize)]
pub(crate) struct Sources<'a> {
    pub(crate) sources: &'a [CitedSource],
}

/// The body of the event `delta`.
#[derive(Serialize)]
pub(crate) struct Delta<'a> {
    pub(crate) content: &'a str,
}

/// One event of a stream: its name and one JSON object.
pub(crate) fn event(name: &str, data: &impl Serialize) -> Event {
    // As above: nothing that JSON can't say.
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(data)
}

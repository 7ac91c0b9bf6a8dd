//! What a visitor's own conversation says, and what the visitor thinks of it.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use okra_domain::chatbot::Chatbot;
use okra_domain::session::{
    Attachment, CitedSource, Feedback, MAX_COMMENT_CHARS, Message, Rating, SenderType, Session,
    SessionState,
};
use okra_domain::tool::{BUILT_IN, CallState, CalledTool, ToolOutcome, calls_in, results_in};
use okra_domain::{Error, ItemId, MessageId, Timestamp};
use okra_store::sessions::{INTERRUPTED, Standing};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Asking;
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{Json, parse_id, query_value};
use crate::wire::people::VisitorHandling;

/// Messages of one answer, where none or more are asked for.
const PAGE: u32 = 50;

/// A message as the visitor sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitorMessage {
    id: Uuid,
    sender_type: SenderType,
    content: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    attachments: Option<Vec<Attachment>>,
    /// The passages that the answer rests on, without their text; each with the `excerpt` that says so.
    #[schema(value_type = Vec<Object>)]
    sources: Vec<Value>,
    /// Hosts that this answer may link to, beside those of its sources and of the chatbot.
    #[schema(value_type = Vec<String>)]
    link_hosts: Vec<Value>,
    /// What the visitor may ask next.
    #[schema(value_type = Vec<String>)]
    suggestions: Vec<Value>,
    /// Whether the answer is that there is none, so that a person had better be offered.
    offer_person: bool,
    /// The calls of the organization's own tools.
    calls: Vec<VisitorCall>,
    /// What the visitor thought of it.
    feedback: Option<Rating>,
    /// What the agent is called who wrote it, where one did.
    agent: Option<String>,
    /// How the answer ended: `complete`, `cancelled` or `failed`; null for the visitor's own.
    ended: Option<String>,
}

/// A call of a tool, as the visitor sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitorCall {
    /// Tells the calls of an answer apart.
    id: String,
    /// What it is, in the organization's words.
    title: String,
    /// `called`: it is being carried out. `done`, `failed`. `awaiting_confirmation`: it is carried out where the visitor
    /// confirms it, which can be done while no other message follows.
    state: &'static str,
    /// What would be sent, of a call that waits.
    details: Vec<CallDetail>,
}

/// One argument of a call.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallDetail {
    name: String,
    value: String,
}

impl VisitorCall {
    /// The call, with what came of it where that is known.
    pub(super) fn of(call: &CalledTool, outcome: Option<&ToolOutcome>) -> Self {
        let state = match (call.state, outcome) {
            (CallState::AwaitingConfirmation, _) => "awaiting_confirmation",
            (CallState::Called, None) => "called",
            (CallState::Called, Some(outcome)) if outcome.failed => "failed",
            (CallState::Called, Some(_)) => "done",
        };
        let arguments = call.arguments.as_object().into_iter().flatten();
        let details = arguments.map(|(name, value)| CallDetail {
            name: name.clone(),
            value: value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        });
        Self {
            id: call.id.clone(),
            title: call.title.clone(),
            state,
            details: match call.state {
                CallState::AwaitingConfirmation => details.collect(),
                CallState::Called => Vec::new(),
            },
        }
    }

    fn all(message: &Message) -> Vec<Self> {
        let outcomes = results_in(&message.metadata);
        let calls = calls_in(&message.metadata).into_iter();
        let own = calls.filter(|call| !BUILT_IN.contains(&call.name.as_str()));
        own.map(|call| {
            let outcome = outcomes.iter().find(|it| it.tool_call_id == call.id);
            Self::of(&call, outcome)
        })
        .collect()
    }
}

impl From<Message> for VisitorMessage {
    fn from(message: Message) -> Self {
        let list = |name: &str| match message.metadata.get(name) {
            Some(Value::Array(list)) => list.clone(),
            _ => Vec::new(),
        };
        let offer_person = message.metadata.get("offer_person") == Some(&Value::Bool(true));
        let ended = message.metadata.get("ended").and_then(Value::as_str);
        // Why there is no answer is the organization's affair.
        let ended = ended.map(|ended| match ended {
            INTERRUPTED => "failed",
            ended => ended,
        });
        let agent = message.metadata.get("agent");
        let agent = agent
            .and_then(|agent| agent.get("name"))
            .and_then(Value::as_str);
        Self {
            id: message.id.0,
            sender_type: message.sender_type,
            created_at: message.created_at,
            sources: list("sources"),
            link_hosts: list("link_hosts"),
            suggestions: list("suggestions"),
            offer_person,
            calls: VisitorCall::all(&message),
            feedback: message.feedback.map(|feedback| feedback.rating),
            agent: agent.map(str::to_owned),
            ended: ended.map(str::to_owned),
            attachments: message.attachments,
            content: message.content,
        }
    }
}

/// The latest part of a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessagesReply {
    /// Oldest first.
    data: Vec<VisitorMessage>,
    /// The id of an answer that is still being written: take it up again.
    running: Option<Uuid>,
    /// Who answers; null before the first message.
    handling: Option<VisitorHandling>,
    /// How the visitor rated the settled conversation, from 1 to 5; null where they did not.
    score: Option<i64>,
    /// Whether there are older ones, to be asked for with `before`.
    has_more: bool,
}

/// Own messages
#[utoipa::path(get, path = "/api/public/chatbot/{slug}/messages", operation_id = "getOwnMessages",
    tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug."),
           ("before" = Option<Uuid>, Query, description = "Only messages before this one."),
           ("limit" = Option<u32>, Query, description = "How many, 1 to 50.")),
    responses((status = 200, body = MessagesReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    asking: Asking,
    parts: Parts,
) -> ApiResult<JsonBody<MessagesReply>> {
    let before = query_value(&parts, "before")?;
    let before: Option<MessageId> = before.map(|id| parse_id(&id, "message")).transpose()?;
    let limit = match query_value(&parts, "limit")?.map(|text| text.parse::<u32>()) {
        None => PAGE,
        Some(Ok(limit @ 1..=PAGE)) => limit,
        Some(_) => {
            let problem = format!("must be a whole number from 1 to {PAGE}");
            return Err(ApiError(Error::invalid_field("limit", problem)));
        }
    };
    let Some(session) = asking.session(&app).await? else {
        return Ok(JsonBody(MessagesReply {
            data: Vec::new(),
            running: None,
            handling: None,
            score: None,
            has_more: false,
        }));
    };
    let running = app.engine.live_turn_in(session.id);
    let store = app.engine.store();
    // The person's name takes a read, where there is a person.
    let handling = match session.is_human_mode {
        true => store.standing(&asking.chatbot, session.id).await?,
        false => Standing {
            is_human_mode: false,
            state: session.state,
            agent: None,
        },
    };
    let handling = VisitorHandling::of(handling, &app.engine, &asking.chatbot);
    let score = score(&app, &asking.chatbot, &session).await?;
    let (messages, has_more) = store.messages_before(&session, before, limit).await?;
    Ok(JsonBody(MessagesReply {
        data: messages.into_iter().map(VisitorMessage::from).collect(),
        running: running.map(|turn| turn.message_id.0),
        handling: Some(handling),
        score,
        has_more,
    }))
}

/// Looked for only where there may be one.
async fn score(app: &App, chatbot: &Chatbot, session: &Session) -> ApiResult<Option<i64>> {
    if !chatbot.settings.is_rating_enabled || session.state != SessionState::Resolved {
        return Ok(None);
    }
    let rating = app.engine.store().session_rating(chatbot, session).await?;
    Ok(rating.map(|rating| rating.score))
}

/// The passages of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourcesReply {
    /// Those that are still there, as they read now, best first.
    data: Vec<CitedSource>,
}

/// Sources of an answer
///
/// The passages that one of the visitor's own answers rests on, with their text. One that was
/// deleted or disabled since is left out.
#[utoipa::path(get, path = "/api/public/chatbot/{slug}/messages/{messageId}/sources",
    operation_id = "getAnswerSources", tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug."),
           ("messageId" = Uuid, Path, description = "The answer's id.")),
    responses((status = 200, body = SourcesReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn sources(
    State(app): State<App>,
    asking: Asking,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<SourcesReply>> {
    let id: MessageId = parse_id(&id, "answer")?;
    let missing = || Error::not_found("answer");
    let session = asking.session(&app).await?.ok_or_else(missing)?;
    let store = app.engine.store();
    let message = store.message(&session, id).await?.ok_or_else(missing)?;
    let data = sources_now(&app, &asking.chatbot, &message.metadata).await?;
    Ok(JsonBody(SourcesReply { data }))
}

/// The passages that a stored answer rests on, as they are now; without those that are gone.
pub(crate) async fn sources_now(
    app: &App,
    chatbot: &Chatbot,
    metadata: &Map<String, Value>,
) -> ApiResult<Vec<CitedSource>> {
    let cited = cited(metadata);
    let places: Vec<(ItemId, u32)> = cited.iter().map(|it| (it.knowledge_id, it.chunk)).collect();
    let found = app.engine.store().found_chunks(chatbot, &places).await?;
    let now = |cited: Cited| {
        let mut found = found.iter();
        let place = (cited.knowledge_id, cited.chunk);
        let found = found.find(|it| (it.item_id, it.chunk.ordinal) == place)?;
        let mut source = CitedSource::of(found, cited.similarity);
        source.excerpt = cited.excerpt;
        Some(source)
    };
    Ok(cited.into_iter().filter_map(now).collect())
}

/// A source as an answer's metadata names it.
#[derive(Deserialize)]
struct Cited {
    knowledge_id: ItemId,
    chunk: u32,
    similarity: f32,
    /// Absent in answers of before there were excerpts.
    excerpt: Option<String>,
}

fn cited(metadata: &Map<String, Value>) -> Vec<Cited> {
    let sources = metadata.get("sources").and_then(Value::as_array);
    let sources = sources.into_iter().flatten();
    // Only the engine writes these; a message of a version that wrote others has none to show.
    sources
        .filter_map(|it| Cited::deserialize(it).ok())
        .collect()
}

/// What the visitor thinks of an answer.
#[derive(Debug, Deserialize, ToSchema)]
pub struct FeedbackInput {
    /// `up`, `down`, or null to take it back.
    rating: Option<Rating>,
    /// Why, 2,000 characters at most.
    comment: Option<String>,
}

/// Rate an answer
#[utoipa::path(put, path = "/api/public/chatbot/{slug}/messages/{messageId}/feedback",
    operation_id = "rateAnswer", tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug."),
           ("messageId" = Uuid, Path, description = "The answer's id.")),
    request_body = FeedbackInput,
    responses((status = 204), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn rate(
    State(app): State<App>,
    asking: Asking,
    Path((_, id)): Path<(String, String)>,
    Json(input): Json<FeedbackInput>,
) -> ApiResult<StatusCode> {
    let id: MessageId = parse_id(&id, "answer")?;
    let comment = input.comment.filter(|comment| !comment.trim().is_empty());
    if comment
        .as_ref()
        .is_some_and(|text| text.chars().count() > MAX_COMMENT_CHARS)
    {
        let problem = format!("at most {MAX_COMMENT_CHARS} characters");
        return Err(ApiError(Error::invalid_field("comment", problem)));
    }
    let session = asking.session(&app).await?;
    let session = session.ok_or_else(|| Error::not_found("answer"))?;
    let feedback = input.rating.map(|rating| Feedback { rating, comment });
    app.engine
        .store()
        .set_feedback(&asking.chatbot, &session, id, feedback)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

//! Answering a turn: open it, retrieve, prompt, generate, finish it.
//!
//! The turn runs in a task of its own. Whoever asked holds a [`Turn`]; dropping it (a closed tab)
//! cancels the model call, and the turn is finished in the store all the same. A turn ends in
//! exactly one [`TurnEvent::Done`], [`TurnEvent::Failed`] or [`TurnEvent::HandedOver`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use okra_ai::chat::{ChatDelta, ChatRequest};
use okra_ai::error::{ProviderError, ProviderErrorKind};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{AnswerFacts, CitedSource, Message, Outcome, SenderType, Session};
use okra_domain::{Error, ErrorKind, MessageId};
use okra_store::sessions::{Earlier, OpenTurn, SessionKey, UserMessage};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::extractive::{self, Kind};
use crate::handover::Held;
use crate::images::images_of;
use crate::prompt::{self, Said};
use crate::providers::{Failed, First};
use crate::retrieve::Passage;
use crate::{Engine, Fallback};

/// What a visitor asks, and in which session.
#[derive(Debug, Clone)]
pub struct TurnRequest {
    /// The session, found or made.
    pub session: SessionKey,
    /// The message to answer.
    pub message: UserMessage,
    /// The id that the answer shall have; `None` for a new one.
    pub answer_id: Option<MessageId>,
    /// What the client says was said before; used only where the session holds no history.
    pub earlier: Vec<(SenderType, String)>,
    /// Whether `earlier` is the history, whatever the session holds.
    pub own_history: bool,
}

/// What happens in a turn, in order.
#[derive(Debug)]
pub enum TurnEvent {
    /// The passages that the answer is given. At most once, before any text.
    Sources(Vec<CitedSource>),
    /// More of the answer.
    Delta(String),
    /// The stored answer; the last event.
    Done(Box<Message>),
    /// Why there is no whole answer; the last event.
    Failed(Error),
    /// A person has the conversation, or has just taken it over: the chatbot says nothing, and no
    /// answer is stored; the last event.
    HandedOver,
}

impl TurnEvent {
    /// Whether none follows it.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Sources(_) | Self::Delta(_))
    }
}

/// A turn under way. Dropping it cancels the turn.
#[derive(Debug)]
pub struct Turn {
    /// The session, with the visitor's message as its last.
    pub session: Session,
    /// The id that the answer will have.
    pub message_id: MessageId,
    events: mpsc::Receiver<TurnEvent>,
    ended: bool,
    cancel: DropGuard,
    cut_off: CancellationToken,
}

/// Events that may wait for a slow reader before the model is slowed down too.
const EVENTS: usize = 64;
/// The lowest similarity of a passage that a model is given.
const MIN_SIMILARITY: f32 = 0.05;

impl Turn {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<TurnEvent> {
        if self.ended {
            return None;
        }
        loop {
            let event = self.events.recv().await.unwrap_or_else(|| {
                // The task ended without its last event: it panicked, and the log has it.
                TurnEvent::Failed(Error::internal("the turn's task stopped", "no last event"))
            });
            self.ended = event.is_last();
            // What waited here when a person took over is not heard any more.
            if self.ended || !self.cut_off.is_cancelled() {
                return Some(event);
            }
        }
    }

    /// Is cancelled when a person takes the session over.
    pub(crate) fn cut_off(&self) -> CancellationToken {
        self.cut_off.clone()
    }

    /// A handle that stops the model's call while the turn's last event is still waited for.
    pub(crate) fn canceller(&self) -> CancellationToken {
        self.cancel.token().clone()
    }

    /// Waits for the end: the stored answer with the passages it was given; `None` where a person
    /// has the conversation.
    pub async fn answer(mut self) -> Result<Option<(Message, Vec<CitedSource>)>> {
        let mut sources = Vec::new();
        while let Some(event) = self.next().await {
            match event {
                TurnEvent::Sources(given) => sources = given,
                TurnEvent::Delta(_) => {}
                TurnEvent::Done(message) => return Ok(Some((*message, sources))),
                TurnEvent::Failed(error) => return Err(error),
                TurnEvent::HandedOver => return Ok(None),
            }
        }
        Err(Error::internal("a turn had no end", "no last event"))
    }
}

/// The answer as it grows; what is there when the turn ends is what is stored.
#[derive(Default)]
struct Draft {
    text: String,
    sources: Vec<CitedSource>,
    answered_by: Option<&'static str>,
    /// Whether a passage is likely enough to answer from; `None` until that was looked for.
    grounded: Option<bool>,
    model: Option<String>,
    provider: Option<String>,
    tokens: i64,
    /// Those of them that the model wrote.
    written: i64,
    retrieval: Duration,
    first_text: Option<Duration>,
    /// Images of the question that the model was shown.
    images_seen: usize,
    /// The model that failed before another took its place.
    instead_of: Option<Failed>,
}

/// How a turn ended.
enum End {
    Complete,
    Cancelled,
    Failed(Error),
    HandedOver,
}

struct Running {
    chatbot: Chatbot,
    question: Said,
    /// Images of the question, whether the model sees any or not.
    images_sent: usize,
    history: Vec<Said>,
    answer_id: MessageId,
    open: OpenTurn,
    started: Instant,
    events: mpsc::Sender<TurnEvent>,
    cancelled: CancellationToken,
    held: Held,
}

impl Engine {
    /// Stores the visitor's message and begins to answer it. Fails where nothing was stored:
    /// an unknown session, a chatbot that is switched off, a store that does not answer.
    pub async fn begin_turn(
        self: &Arc<Self>,
        chatbot: &Chatbot,
        request: TurnRequest,
    ) -> Result<Turn> {
        if !chatbot.active {
            let message = "This chatbot is switched off (active is false).";
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
        let images = images_of(request.message.attachments.as_deref());
        let images_sent = images.len();
        let sees = self.sees_images(chatbot);
        let question = Said {
            by: SenderType::User,
            text: request.message.content.clone(),
            images: if sees { images } else { Vec::new() },
        };
        let history = match request.own_history {
            true => 0,
            false => self.parts.options.history_messages,
        };
        let store = &self.parts.store;
        let heard = self.hear_takeovers().await?;
        let open = store
            .open_turn(chatbot, &request.session, request.message, history)
            .await?;
        let held = self.hold(chatbot, &open.session, heard).await?;
        if open.session.is_human_mode {
            held.cut_off().cancel();
        }
        let (sender, events) = mpsc::channel(EVENTS);
        let cancelled = CancellationToken::new();
        let answer_id = request.answer_id.unwrap_or_else(MessageId::new);
        let turn = Turn {
            session: open.session.clone(),
            message_id: answer_id,
            events,
            ended: false,
            cancel: cancelled.clone().drop_guard(),
            cut_off: held.cut_off().clone(),
        };
        let running = Running {
            chatbot: chatbot.clone(),
            question,
            images_sent,
            history: history_of(&open, request.earlier, sees),
            answer_id,
            open,
            started: Instant::now(),
            events: sender,
            cancelled,
            held,
        };
        let engine = self.clone();
        self.running.spawn(async move { engine.run(running).await });
        Ok(turn)
    }

    async fn run(&self, turn: Running) {
        let mut draft = Draft::default();
        let end = tokio::select! {
            biased;
            () = turn.held.cut_off().cancelled() => End::HandedOver,
            () = turn.cancelled.cancelled() => End::Cancelled,
            result = self.generate(&turn, &mut draft) => match result {
                Ok(()) => End::Complete,
                Err(error) => End::Failed(error),
            },
        };
        self.finish(turn, draft, end).await;
    }

    async fn generate(&self, turn: &Running, draft: &mut Draft) -> Result<()> {
        let options = &self.parts.options;
        let first = self.first(&turn.chatbot)?;
        if first.is_none() && options.fallback == Fallback::Error {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "No model provider is configured. Set one for the organization (PUT \
                 /api/external/providers/NAME), or OPENAI_API_KEY, or OPENAI_BASE_URL for \
                 another server, or OKRA_LLM_FALLBACK=extractive.",
            ));
        }
        let (question, minimum) = (&turn.question.text, MIN_SIMILARITY);
        let passages = match question.is_empty() {
            true => Vec::new(), // images alone
            false => {
                let found = self.retrieve(&turn.chatbot, question, options.passages, minimum);
                found.await?.passages
            }
        };
        draft.retrieval = turn.started.elapsed();
        let grounded = passages.iter().any(|passage| passage.answers);
        draft.grounded = (!question.is_empty()).then_some(grounded);
        match first {
            Some(first) => self.ask_model(turn, first, &passages, draft).await,
            None => extract(turn, &passages, draft).await,
        }
    }

    async fn ask_model(
        &self,
        turn: &Running,
        first: First,
        passages: &[Passage],
        draft: &mut Draft,
    ) -> Result<()> {
        let options = &self.parts.options;
        draft.answered_by = Some("model");
        draft.model = Some(turn.chatbot.settings.model.clone());
        draft.provider = first.as_ref().ok().map(|it| it.provider.clone());
        draft.sources = passages.iter().map(Passage::cited).collect();
        turn.send(TurnEvent::Sources(draft.sources.clone())).await;
        let (chatbot, budget) = (&turn.chatbot, options.prompt_tokens);
        let lines = prompt::build(chatbot, passages, &turn.history, &turn.question, budget);
        let messages = self.shown(chatbot, lines).await?;
        draft.images_seen = messages.last().map_or(0, |asked| asked.images.len());
        let request = ChatRequest {
            messages,
            max_output_tokens: options.answer_tokens,
            ..ChatRequest::default()
        };
        let begun = self.begin_answer(chatbot, first, request).await;
        let begun = begun.map_err(provider_error)?;
        draft.provider = Some(begun.provider);
        draft.model = Some(begun.model);
        draft.instead_of = begun.instead_of;
        if !begun.sees {
            draft.images_seen = 0;
        }
        let mut stream = begun.stream;
        while let Some(delta) = stream.next().await {
            match delta.map_err(provider_error)? {
                ChatDelta::Text(text) => {
                    let text = storable(text);
                    draft
                        .first_text
                        .get_or_insert_with(|| turn.started.elapsed());
                    draft.text.push_str(&text);
                    turn.send(TurnEvent::Delta(text)).await;
                }
                // None was offered; a model that calls one all the same is not heard.
                ChatDelta::ToolCall(_) => {}
                ChatDelta::Done { .. } if draft.text.is_empty() => {
                    let message = "The model called a tool where none was offered.";
                    return Err(Error::new(ErrorKind::Provider, message));
                }
                ChatDelta::Done { usage, model, .. } => {
                    draft.tokens = i64::from(usage.input_tokens) + i64::from(usage.output_tokens);
                    draft.written = i64::from(usage.output_tokens);
                    draft.model = model.map(storable).or(draft.model.take());
                    return Ok(());
                }
            }
        }
        Err(Error::new(
            ErrorKind::Provider,
            "The model provider's answer broke off.",
        ))
    }

    /// Stores the answer, whatever became of it, and sends the last event.
    async fn finish(&self, turn: Running, draft: Draft, end: End) {
        let (ended, error) = match end {
            End::Complete => ("complete", None),
            End::Cancelled => ("cancelled", None),
            End::Failed(error) => ("failed", Some(error)),
            End::HandedOver => ("handed_over", None),
        };
        metrics::counter!("okra_turns_total", "ended" => ended).increment(1);
        if ended == "handed_over" {
            let _ = turn.events.send(TurnEvent::HandedOver).await;
            return;
        }
        let took = turn.started.elapsed();
        metrics::histogram!("okra_turn_seconds").record(took);
        let facts = AnswerFacts {
            outcome: outcome(&draft, error.as_ref()),
            took: (ended == "complete").then_some(took),
            question: turn.open.session.last_message.as_ref().map(|it| it.id),
            takeovers: turn.open.session.takeovers,
        };
        let message = Message {
            id: turn.answer_id,
            session_id: turn.open.session.id,
            sender_type: SenderType::Bot,
            metadata: metadata(&turn, &draft, ended, error.as_ref()),
            content: draft.text,
            attachments: None,
            model: draft.model,
            provider: draft.provider,
            tokens_used: draft.tokens,
            feedback: None,
            created_at: self.parts.store.clock().now(),
        };
        let store = &self.parts.store;
        let stored = store.finish_turn(&turn.chatbot, &message, facts).await;
        if let Err(error) = &stored {
            let cause = error.source.as_ref().map(ToString::to_string);
            tracing::error!(%error, cause, session = %message.session_id, "an answer was not stored");
        }
        let last = match (error, stored) {
            (Some(error), _) | (None, Err(error)) => TurnEvent::Failed(error),
            // Taken over at another server, whose word did not come in time.
            (None, Ok(false)) => TurnEvent::HandedOver,
            (None, Ok(true)) => TurnEvent::Done(Box::new(message)),
        };
        // A turn that was cancelled has no reader any more.
        let _ = turn.events.send(last).await;
    }
}

impl Running {
    /// Hands an event to the reader. Where the reader is gone the turn is cancelled at its next
    /// step, so there is nothing to do about it here.
    async fn send(&self, event: TurnEvent) {
        let _ = self.events.send(event).await;
    }
}

async fn extract(turn: &Running, passages: &[Passage], draft: &mut Draft) -> Result<()> {
    let extract = extractive::answer(&turn.question.text, passages);
    draft.answered_by = Some(match extract.kind {
        Kind::Pair => "qna",
        Kind::Passage => "passage",
        Kind::Nothing => "nothing",
    });
    let source = extract.source.and_then(|index| passages.get(index));
    draft.sources = source.map(Passage::cited).into_iter().collect();
    turn.send(TurnEvent::Sources(draft.sources.clone())).await;
    draft.first_text = Some(turn.started.elapsed());
    draft.text = extract.text.clone();
    turn.send(TurnEvent::Delta(extract.text)).await;
    Ok(())
}

/// What was said before: the store's history where there is one, else what the client claims. With
/// its images where the model sees any.
fn history_of(open: &OpenTurn, earlier: Vec<(SenderType, String)>, sees: bool) -> Vec<Said> {
    if open.history.is_empty() {
        let said = |(by, text)| Said {
            by,
            text,
            images: Vec::new(),
        };
        return earlier.into_iter().map(said).collect();
    }
    let said = |message: &Earlier| Said {
        by: message.sender_type,
        text: message.content.clone(),
        images: images_of(message.attachments.as_deref().filter(|_| sees)),
    };
    open.history.iter().map(said).collect()
}

/// How well the question was served, where that can be told.
fn outcome(draft: &Draft, error: Option<&Error>) -> Option<Outcome> {
    match (error, draft.grounded) {
        (Some(_), _) => Some(Outcome::Failed),
        (None, Some(true)) => Some(Outcome::Answered),
        (None, Some(false)) => Some(Outcome::Unanswered),
        (None, None) => None,
    }
}

fn metadata(
    turn: &Running,
    draft: &Draft,
    ended: &str,
    error: Option<&Error>,
) -> Map<String, Value> {
    let sources: Vec<Value> = draft
        .sources
        .iter()
        .map(|source| {
            json!({
                "knowledge_id": source.knowledge_id,
                "title": source.title,
                "url": source.url,
                "chunk": source.chunk,
                "page": source.page,
                "similarity": source.similarity,
            })
        })
        .collect();
    let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let mut metadata = Map::new();
    metadata.insert("answered_by".to_owned(), json!(draft.answered_by));
    metadata.insert("model_used".to_owned(), json!(draft.model.is_some()));
    metadata.insert("ended".to_owned(), json!(ended));
    metadata.insert("outcome".to_owned(), json!(outcome(draft, error)));
    metadata.insert("sources".to_owned(), Value::Array(sources));
    metadata.insert(
        "timings_ms".to_owned(),
        json!({
            "retrieval": millis(draft.retrieval),
            "first_text": draft.first_text.map(millis),
            "total": millis(turn.started.elapsed()),
        }),
    );
    if draft.tokens > 0 {
        metadata.insert("completion_tokens".to_owned(), json!(draft.written));
    }
    if turn.images_sent > 0 {
        let images = json!({"sent": turn.images_sent, "seen": draft.images_seen});
        metadata.insert("images".to_owned(), images);
    }
    if let Some(failed) = &draft.instead_of {
        let instead_of = json!({"model": failed.model, "error": storable(failed.error.clone())});
        metadata.insert("instead_of".to_owned(), instead_of);
    }
    if let Some(error) = error {
        let shown = match error.kind {
            ErrorKind::Internal => "an internal error, which the server's log tells",
            _ => error.message.as_str(),
        };
        metadata.insert("error".to_owned(), json!(shown));
    }
    metadata
}

/// What a provider says, without U+0000: Postgres can't store it, and an answer must not be lost to
/// one character.
fn storable(text: String) -> String {
    match text.contains('\0') {
        true => text.replace('\0', "\u{FFFD}"),
        false => text,
    }
}

pub(crate) fn provider_error(error: ProviderError) -> Error {
    let kind = match error.kind {
        ProviderErrorKind::NotConfigured => ErrorKind::Unavailable,
        _ => ErrorKind::Provider,
    };
    let message = format!("The model provider failed: {}", error.message);
    Error::new(kind, storable(message))
}

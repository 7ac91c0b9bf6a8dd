//! Answering a turn: open it, retrieve, prompt, generate, finish it.
//!
//! The turn runs in a task of its own. Whoever asked holds a [`Turn`]; dropping it (a closed tab)
//! cancels the model call, and the turn is finished in the store all the same. A turn ends in
//! exactly one [`TurnEvent::Done`], [`TurnEvent::Failed`] or [`TurnEvent::HandedOver`].
//!
//! What is looked up is decided by `followup`, who answers by `answering`, what a model calls is made by `calling`, and
//! what waits for the visitor by `confirming`; `marks` takes out of a model's words which
//! passages they rest on, and `draft` keeps how it all came about.

mod answering;
mod budget;
mod calling;
mod confirming;
mod draft;
mod followup;
mod leaning;
mod marks;
mod memory;
mod refusal;
mod used;
mod wish;

use std::sync::Arc;
use std::time::{Duration, Instant};

use okra_ai::error::{ProviderError, ProviderErrorKind};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{AnswerFacts, CitedSource, Message, SenderType, Session};
use okra_domain::tool::{CalledTool, ToolOutcome};
use okra_domain::{Error, ErrorKind, MessageId};
use okra_store::sessions::{Earlier, Finished, OpenTurn, SessionKey, UserMessage};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use leaning::telling;
pub(crate) use memory::Memories;

pub use budget::TURN_TIMEOUT;
pub use calling::TOOL_LOOP;
pub use draft::{hosts_in, used_sources};

use crate::Engine;
use crate::handover::Held;
use crate::images::images_of;
use crate::prompt::{Fence, Said};
use draft::Draft;

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
    /// The call that the visitor confirms by this message.
    pub confirms: Option<Confirms>,
}

/// A call that waits for the visitor, in an answer of the same session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirms {
    /// The answer.
    pub answer: MessageId,
    /// The call's id in it.
    pub call: String,
}

/// What happens in a turn, in order. Room for many of them is kept for each turn, so a large one is boxed.
#[derive(Debug)]
pub enum TurnEvent {
    /// The passages that the answer is given, before any text; again, with all of them, where a tool found more.
    /// Which of them it rests on is known at its end ([`used_sources`]).
    Sources(Vec<CitedSource>),
    /// More of the answer.
    Delta(String),
    /// A tool was called.
    ToolCall(Box<CalledTool>),
    /// What came of a call.
    ToolResult(Box<ToolOutcome>),
    /// The stored answer; the last event.
    Done(Box<Message>),
    /// Why there is no whole answer; the last event.
    Failed(Box<Error>),
    /// A person has the conversation, or has just taken it over: the chatbot says nothing, and no
    /// answer is stored; the last event.
    HandedOver,
}

impl TurnEvent {
    /// Whether none follows it.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Failed(_) | Self::HandedOver)
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

impl Turn {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<TurnEvent> {
        if self.ended {
            return None;
        }
        loop {
            let event = self.events.recv().await.unwrap_or_else(|| {
                // The task ended without its last event: it panicked, and the log has it.
                let error = Error::internal("the turn's task stopped", "no last event");
                TurnEvent::Failed(Box::new(error))
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

    /// Waits for the end: the stored answer with the passages that it rests on; `None` where a person
    /// has the conversation.
    pub async fn answer(mut self) -> Result<Option<(Message, Vec<CitedSource>)>> {
        let mut sources = Vec::new();
        while let Some(event) = self.next().await {
            match event {
                TurnEvent::Sources(given) => sources = given,
                TurnEvent::Delta(_) | TurnEvent::ToolCall(_) | TurnEvent::ToolResult(_) => {}
                TurnEvent::Done(message) => {
                    let used = used_sources(&message, &sources);
                    return Ok(Some((*message, used)));
                }
                TurnEvent::Failed(error) => return Err(*error),
                TurnEvent::HandedOver => return Ok(None),
            }
        }
        Err(Error::internal("a turn had no end", "no last event"))
    }
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
    /// The call that the visitor confirmed by the question.
    confirmed: Option<CalledTool>,
    /// What tells others' words from instructions in the turn's prompts.
    fence: Fence,
    open: OpenTurn,
    started: Instant,
    events: mpsc::Sender<TurnEvent>,
    cancelled: CancellationToken,
    held: Held,
    /// Held while something is carried out that was confirmed.
    acting: Mutex<()>,
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
        let (key, said) = (&request.session, request.message);
        let (open, confirmed) = match &request.confirms {
            None => (store.open_turn(chatbot, key, said, history).await?, None),
            Some(confirms) => {
                let opened = self.open_confirming(chatbot, key, said, (confirms, history));
                let (open, call) = opened.await?;
                (open, Some(call))
            }
        };
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
        let running = Box::new(Running {
            chatbot: chatbot.clone(),
            question,
            images_sent,
            history: history_of(&open, request.earlier, sees),
            answer_id,
            confirmed,
            fence: Fence::new(),
            open,
            started: Instant::now(),
            events: sender,
            cancelled,
            held,
            acting: Mutex::default(),
        });
        let engine = self.clone();
        self.running.spawn(async move { engine.run(running).await });
        Ok(turn)
    }

    /// A turn's task is small while its answer streams, which is most of its life, for thousands may stream at once:
    /// what is awaited before and after that is boxed, here and in `generate`.
    async fn run(&self, turn: Box<Running>) {
        let mut draft = Draft::default();
        let end = tokio::select! {
            biased;
            end = turn.stopped(self.parts.options.turn_time) => end,
            result = self.generate(&turn, &mut draft) => match result {
                Ok(()) => End::Complete,
                Err(error) => End::Failed(error),
            },
        };
        let complete = matches!(end, End::Complete);
        let outgrown = complete.then(|| self.outgrown(&turn, &draft)).flatten();
        let (chatbot, session) = (
            outgrown.is_some().then(|| turn.chatbot.clone()),
            turn.open.session.id,
        );
        Box::pin(self.finish(turn, draft, end)).await;
        if let (Some(chatbot), Some(older)) = (chatbot, outgrown) {
            Box::pin(self.remember(&chatbot, session, older)).await;
        }
    }

    /// Stores the answer, whatever became of it, and sends the last event.
    async fn finish(&self, turn: Box<Running>, mut draft: Draft, end: End) {
        draft.close();
        draft.count_cut_off();
        let (ended, error) = match end {
            End::Complete => ("complete", None),
            End::Cancelled => ("cancelled", None),
            End::Failed(error) => ("failed", Some(error)),
            End::HandedOver => ("handed_over", None),
        };
        metrics::counter!("okra_turns_total", "ended" => ended).increment(1);
        if ended == "handed_over" {
            self.keep_of_handed_over(&turn, &draft).await;
            return;
        }
        let took = turn.started.elapsed();
        metrics::histogram!("okra_turn_seconds").record(took);
        let facts = AnswerFacts {
            outcome: draft.outcome(error.as_ref()),
            took: (ended == "complete").then_some(took),
            question: turn.open.session.last_message.as_ref().map(|it| it.id),
            takeovers: turn.open.session.takeovers,
            calls_person: draft.calls_person,
        };
        let by = draft.answered_by.unwrap_or("nobody");
        let outcome = facts.outcome.map_or("unknown", |it| it.as_str());
        metrics::counter!("okra_answers_total", "by" => by, "outcome" => outcome).increment(1);
        let message = Message {
            id: turn.answer_id,
            session_id: turn.open.session.id,
            sender_type: SenderType::Bot,
            metadata: draft.metadata(&turn, ended, error.as_ref()),
            content: std::mem::take(&mut draft.text),
            attachments: None,
            model: draft.model.take(),
            provider: draft.provider.take(),
            tokens_used: draft.tokens,
            feedback: None,
            created_at: self.parts.store.clock().now(),
        };
        if facts.calls_person {
            turn.held.leave();
        }
        let store = &self.parts.store;
        let stored = store.finish_turn(&turn.chatbot, &message, facts).await;
        let last = match stored {
            Ok(Finished::Stored(session)) => {
                if facts.calls_person {
                    self.taken_over(&session);
                }
                TurnEvent::Done(Box::new(message))
            }
            // Taken over at another server, whose word did not come in time, or while this one called a person.
            Ok(Finished::HandedOver) => {
                turn.held.cut_off().cancel();
                self.keep_of_handed_over(&turn, &draft).await;
                TurnEvent::HandedOver
            }
            Ok(Finished::Answered) => {
                self.spend(&turn, &draft).await;
                self.answered_elsewhere(&turn).await
            }
            Err(error) => {
                let cause = error.source.as_ref().map(ToString::to_string);
                tracing::error!(%error, cause, session = %message.session_id, "an answer was not stored");
                TurnEvent::Failed(Box::new(error))
            }
        };
        let last = match error {
            Some(error) => TurnEvent::Failed(Box::new(error)),
            None => last,
        };
        // A turn that was cancelled has no reader any more.
        let _ = turn.events.send(last).await;
    }
}

impl Engine {
    /// Keeps of a turn that nobody hears what happened all the same: the tokens that it took, and what it carried out.
    async fn keep_of_handed_over(&self, turn: &Running, draft: &Draft) {
        self.spend(turn, draft).await;
        self.note_confirmed(turn, draft).await;
    }

    /// Counts the tokens of an answer that is not stored.
    async fn spend(&self, turn: &Running, draft: &Draft) {
        let (organization, models) = (turn.chatbot.organization_id, &turn.chatbot.models);
        let store = &self.parts.store;
        let spent = store.spend_tokens(organization, models, draft.tokens);
        if let Err(error) = spent.await {
            tracing::error!(%error, session = %turn.open.session.id, "tokens were not counted");
        }
    }

    /// The answer of the turn that was first to store one, of the same request.
    async fn answered_elsewhere(&self, turn: &Running) -> TurnEvent {
        let store = &self.parts.store;
        let stored = store.message(&turn.open.session, turn.answer_id).await;
        let missing = || Error::not_found("answer");
        match stored.and_then(|stored| stored.ok_or_else(missing)) {
            Ok(stored) => TurnEvent::Done(Box::new(stored)),
            Err(error) => TurnEvent::Failed(Box::new(error)),
        }
    }
}

impl Running {
    /// Waits until the turn is stopped before its end; gives how. What was confirmed and has begun comes to its end
    /// before that: it may be done by then, and somebody has to know. Who reads is told of a takeover without waiting
    /// for it.
    async fn stopped(&self, limit: Duration) -> End {
        let end = tokio::select! {
            biased;
            () = self.held.cut_off().cancelled() => End::HandedOver,
            () = self.cancelled.cancelled() => End::Cancelled,
            () = tokio::time::sleep(limit) => End::Failed(budget::took_too_long(limit)),
        };
        if matches!(end, End::HandedOver) {
            self.send(TurnEvent::HandedOver).await;
        }
        let _settled = self.acting.lock().await;
        end
    }

    /// Goes on at once, or where the turn was stopped never: whoever waits in [`Self::stopped`] ends it.
    async fn go_on_unless_stopped(&self) {
        if self.held.cut_off().is_cancelled() || self.cancelled.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    /// Hands an event to the reader. Where the reader is gone the turn is cancelled at its next
    /// step, so there is nothing to do about it here.
    async fn send(&self, event: TurnEvent) {
        let _ = self.events.send(event).await;
    }
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

/// What a provider says, without U+0000: Postgres can't store it, and an answer must not be lost to
/// one character.
pub(crate) fn storable(text: String) -> String {
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
    let mut message = format!("The model provider failed: {}", error.message);
    if let ProviderErrorKind::RateLimited {
        retry_after: Some(wait),
    } = error.kind
    {
        let seconds = wait.as_secs_f64().ceil();
        message.push_str(&format!(" (to be asked again in {seconds} s)"));
    }
    Error::new(kind, storable(message))
}

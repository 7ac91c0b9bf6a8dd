//! An answer as it is written, in OpenAI's chunks.
//!
//! Nothing is sent before the first word: until then a failure is an HTTP status, as clients expect
//! it. A failure after it is one event `{"error": …}`; whatever ends well ends with `[DONE]`.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use okra_domain::chatbot::Chatbot;
use okra_domain::session::CitedSource;
use okra_domain::{SessionId, Timestamp};
use okra_engine::chat::{Turn, TurnEvent, used_sources};
use serde::Serialize;

use super::error::{OpenAiError, OpenAiResult};
use super::reply::{STOP, Usage, finish_reason, seconds};
use crate::routes::chat::KEEP_ALIVE;

/// How an answer is streamed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether a last chunk says how many tokens were used.
    pub usage: bool,
}

/// What stands in every part of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    /// The answer's id here.
    pub id: String,
    /// When it was begun, in seconds since 1970.
    pub created: i64,
    /// The chatbot's slug.
    pub model: String,
    /// The conversation.
    pub session: SessionId,
}

impl Head {
    /// Of a turn that was begun at `now`.
    pub fn new(turn: &Turn, chatbot: &Chatbot, now: Timestamp) -> Self {
        Self {
            id: format!("chatcmpl-{}", turn.message_id),
            created: seconds(now),
            model: chatbot.slug.clone(),
            session: turn.session.id,
        }
    }
}

/// One `chat.completion.chunk`.
#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Null but in the last chunk, where usage was asked for; absent where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<&'a [CitedSource]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_human_mode: Option<bool>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

struct Telling {
    turn: Turn,
    head: Head,
    options: Options,
    /// The passages that the answer was given until now.
    given: Vec<CitedSource>,
    queued: VecDeque<Event>,
}

/// Answers with the stream, or with the failure that came before the first word.
pub async fn respond(mut turn: Turn, head: Head, options: Options) -> OpenAiResult<Response> {
    let mut given = Vec::new();
    let first = loop {
        match turn.next().await {
            Some(TurnEvent::Sources(sources)) => given = sources,
            Some(TurnEvent::ToolCall(_) | TurnEvent::ToolResult(_)) => {}
            Some(TurnEvent::Failed(error)) => return Err(OpenAiError::after_asking(*error)),
            first => break first,
        }
    };
    let mut telling = Telling {
        turn,
        head,
        options,
        given,
        queued: VecDeque::new(),
    };
    telling.begin();
    if let Some(first) = first {
        telling.tell(first);
    }
    let stream = Sse::new(telling.events()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Proxies that collect answers before passing them on are asked not to.
    Ok(([("x-accel-buffering", "no")], stream).into_response())
}

impl Telling {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut telling| async {
            while telling.queued.is_empty() {
                let happened = telling.turn.next().await?;
                telling.tell(happened);
            }
            let event = telling.queued.pop_front()?;
            Some((Ok(event), telling))
        })
    }

    fn tell(&mut self, happened: TurnEvent) {
        match happened {
            TurnEvent::Sources(given) => self.given = given,
            // Tools are the chatbot's own, and none of the client's: it could not answer their calls.
            TurnEvent::ToolCall(_) | TurnEvent::ToolResult(_) => {}
            TurnEvent::Delta(content) => {
                let content = Some(content.as_str());
                let role = None;
                let said = event(&self.plain(&[Choice::of(Delta { role, content })]));
                self.queued.push_back(said);
            }
            TurnEvent::Done(message) => {
                let sources = used_sources(&message, &self.given);
                self.end(finish_reason(&message), &sources, None);
                if self.options.usage {
                    let usage = Some(Some(Usage::of(&message)));
                    let last = Chunk {
                        usage,
                        ..self.plain(&[])
                    };
                    self.queued.push_back(event(&last));
                }
                self.queued.push_back(Event::default().data("[DONE]"));
            }
            // Nothing is said: an empty answer that says why.
            TurnEvent::HandedOver => {
                self.end(STOP, &[], Some(true));
                self.queued.push_back(Event::default().data("[DONE]"));
            }
            TurnEvent::Failed(error) => {
                let body = OpenAiError::after_asking(*error).body();
                self.queued.push_back(event(&body));
            }
        }
    }

    fn begin(&mut self) {
        let choices = [Choice::of(Delta {
            role: Some("assistant"),
            content: Some(""),
        })];
        let first = event(&Chunk {
            session_id: Some(self.head.session),
            ..self.plain(&choices)
        });
        self.queued.push_back(first);
    }

    fn end(&mut self, reason: &'static str, sources: &[CitedSource], is_human_mode: Option<bool>) {
        let choices = [Choice {
            finish_reason: Some(reason),
            ..Choice::of(Delta::default())
        }];
        let last = event(&Chunk {
            sources: Some(sources),
            is_human_mode,
            ..self.plain(&choices)
        });
        self.queued.push_back(last);
    }

    fn plain<'a>(&'a self, choices: &'a [Choice<'a>]) -> Chunk<'a> {
        Chunk {
            id: &self.head.id,
            object: "chat.completion.chunk",
            created: self.head.created,
            model: &self.head.model,
            choices,
            usage: self.options.usage.then_some(None),
            sources: None,
            session_id: None,
            is_human_mode: None,
        }
    }
}

impl<'a> Choice<'a> {
    fn of(delta: Delta<'a>) -> Self {
        Self {
            index: 0,
            delta,
            logprobs: None,
            finish_reason: None,
        }
    }
}

fn event(data: &impl Serialize) -> Event {
    // These hold strings, numbers and lists of them: nothing that JSON can't say.
    Event::default().data(serde_json::to_string(data).unwrap_or_default())
}

//! An answer as it arrives: the provider's bytes turned into [`ChatDelta`]s, with its deadlines.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use okra_domain::Secret;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use tokio::time::Instant;

use super::sse::{Event, EventReader};
use super::thinking::ThinkingFilter;
use super::tools::Calls;
use super::wire::{Piece, Wire};
use super::{ChatDelta, Finish, ToolCall, Usage};
use crate::error::{ProviderError, ProviderErrorKind};
use crate::http::{broken_off, described_error, read_body, redact};

/// The longest answer read, in bytes as sent; far beyond what any model writes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// How long the end mark and the token count are waited for once the model has finished.
const TRAILER_WAIT: Duration = Duration::from_secs(2);

/// How long `Done` is held back for the connection's last bytes.
const END_WAIT: Duration = Duration::from_millis(5);

/// How long those are listened for after that, so that the connection can be used again.
const DRAIN_WAIT: Duration = Duration::from_secs(1);

/// An answer being written. Ends with one [`ChatDelta::Done`] or one error, never without either.
/// Dropping it closes the connection to the provider at once.
pub struct ChatStream {
    wire: Wire,
    source: Option<Source>,
    limits: Limits,
    key: Option<Secret>,
    thinking: ThinkingFilter,
    /// Read and not yet given out: the first text, waited for by `open`, or `Done`.
    ready: Option<ChatDelta>,
    calls: Calls,
    /// Calls that are whole and not yet given out.
    called: VecDeque<ToolCall>,
    usage: Usage,
    model: Option<String>,
    finish: Option<Finish>,
    /// Any token came, be it thinking.
    begun: bool,
    /// Any text or call was given out.
    spoken: bool,
    /// The end mark came, or there will be none.
    ended: bool,
    /// What went wrong behind the text that was given out last.
    fault: Option<ProviderError>,
}

/// The moments an answer is given up at.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// By when the first token must be here.
    pub first_token: Instant,
    /// The longest wait between two tokens.
    pub idle: Duration,
    /// By when all must be here.
    pub total: Instant,
}

/// Where the answer comes from.
enum Source {
    /// A stream of events.
    Events {
        response: Response,
        events: EventReader,
        received: usize,
        /// What was there when nothing was waited for, and is no more of the answer.
        last: Option<Chunk>,
    },
    /// One JSON document: asked for, or sent by a server that cannot stream.
    Whole(Response),
}

/// More bytes of a body, its end, or a fault.
type Chunk = Result<Option<Bytes>, reqwest::Error>;

/// Bytes of text from which on no more is added to it, however much has arrived.
const TOGETHER: usize = 4 << 10;

impl ChatStream {
    /// Reads an answer up to its first text or call.
    pub(super) async fn open(
        wire: Wire,
        response: Response,
        limits: Limits,
        key: Option<Secret>,
    ) -> Result<Self, ProviderError> {
        let source = match content_type(&response) {
            "application/json" => Source::Whole(response),
            "text/html" => {
                return Err(malformed(
                    "The model provider answered with a web page; is its address right?",
                ));
            }
            // Some servers stream without naming the type.
            _ => Source::Events {
                response,
                events: EventReader::default(),
                received: 0,
                last: None,
            },
        };
        let mut stream = Self {
            wire,
            source: Some(source),
            limits,
            key,
            thinking: ThinkingFilter::default(),
            ready: None,
            calls: Calls::default(),
            called: VecDeque::new(),
            usage: Usage::default(),
            model: None,
            finish: None,
            begun: false,
            spoken: false,
            ended: false,
            fault: None,
        };
        stream.ready = stream.next().await.transpose()?;
        Ok(stream)
    }

    /// The next piece of the answer, with all the text that has arrived with it; `None` after `Done` or an error. May
    /// be dropped and called again without losing anything.
    pub async fn next(&mut self) -> Option<Result<ChatDelta, ProviderError>> {
        if let Some(ready) = self.ready.take() {
            return Some(Ok(ready));
        }
        self.source.as_ref()?;
        let result = self.advance().await.map_err(|error| {
            ProviderError::new(error.kind, redact(&error.message, self.key.as_ref()))
        });
        match result {
            Ok(ChatDelta::Text(mut text)) => {
                self.spoken = true;
                self.add_arrived(&mut text);
                return Some(Ok(ChatDelta::Text(text)));
            }
            Ok(ChatDelta::ToolCall(_)) => self.spoken = true,
            Ok(done @ ChatDelta::Done { .. }) => {
                // Kept while the connection is released, lest it be lost if this future is dropped.
                self.ready = Some(done);
                self.release().await;
                return self.ready.take().map(Ok);
            }
            Err(_) => self.source = None,
        }
        Some(result)
    }

    /// Tokens as far as the provider has told of them; all of them once there is `Done`.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Adds the text that is there without waiting: providers send words one by one, and what came together is passed
    /// on together, since each piece costs everyone behind it a step. A fault waits for the next call.
    fn add_arrived(&mut self, text: &mut String) {
        while text.len() < TOGETHER && !self.ended && self.fault.is_none() {
            let Some(Source::Events {
                response,
                events,
                received,
                last,
            }) = &mut self.source
            else {
                return;
            };
            if let Some(event) = events.next_event() {
                match self.take_event(&event) {
                    Ok(more) => text.extend(more),
                    Err(error) => self.fault = Some(error),
                }
                continue;
            }
            if last.is_some() {
                return;
            }
            match response.chunk().now_or_never() {
                Some(Ok(Some(bytes))) => match took(&bytes, events, received) {
                    Ok(()) => {}
                    Err(error) => self.fault = Some(error),
                },
                Some(chunk) => *last = Some(chunk),
                None => return,
            }
        }
    }

    async fn advance(&mut self) -> Result<ChatDelta, ProviderError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut idle_until = Instant::now() + self.limits.idle;
        loop {
            if self.ended {
                return self.conclude();
            }
            let deadline = self.deadline(idle_until);
            match &mut self.source {
                None => return Err(ended_early()),
                Some(Source::Whole(response)) => {
                    let body = tokio::time::timeout_at(deadline, read_body(response, MAX_ANSWER))
                        .await
                        .map_err(|_| timed_out("did not finish in time"))??;
                    self.ended = true;
                    if let Some(text) = self.take_whole(&body)? {
                        return Ok(ChatDelta::Text(text));
                    }
                }
                Some(Source::Events { events, .. }) => {
                    if let Some(event) = events.next_event() {
                        if let Some(text) = self.take_event(&event)? {
                            return Ok(ChatDelta::Text(text));
                        }
                        idle_until = Instant::now() + self.limits.idle;
                    } else if let Some(text) = self.receive(deadline).await? {
                        return Ok(ChatDelta::Text(text));
                    }
                }
            }
        }
    }

    /// By when more must have arrived.
    fn deadline(&self, idle_until: Instant) -> Instant {
        let next = if self.finish.is_some() {
            Instant::now() + TRAILER_WAIT.min(self.limits.idle)
        } else if self.begun {
            idle_until
        } else {
            self.limits.first_token
        };
        next.min(self.limits.total)
    }

    /// Waits for more bytes. Gives text only at the very end, where the last event was not closed.
    async fn receive(&mut self, deadline: Instant) -> Result<Option<String>, ProviderError> {
        let Some(Source::Events {
            response,
            events,
            received,
            last,
        }) = &mut self.source
        else {
            return Ok(None);
        };
        let chunk = match last.take() {
            Some(chunk) => Ok(chunk),
            None => tokio::time::timeout_at(deadline, response.chunk()).await,
        };
        let bytes = match chunk {
            Ok(Ok(bytes)) => bytes,
            // The model had finished: all of the text is here, only the end mark is missing.
            Ok(Err(_)) | Err(_) if self.finish.is_some() => {
                self.ended = true;
                return Ok(None);
            }
            Ok(Err(error)) => return Err(broken_off(&error)),
            Err(_) if !self.begun => return Err(timed_out("did not begin its answer in time")),
            Err(_) => return Err(timed_out("stopped in the middle of its answer")),
        };
        if let Some(bytes) = bytes {
            return took(&bytes, events, received).map(|()| None);
        }
        let rest = events.rest();
        let had_finished = self.finish.is_some();
        let text = match rest.map(|event| self.take_event(&event)) {
            // What is left of an event that was cut off is no fault of its author's.
            Some(Err(error)) if error.kind == ProviderErrorKind::Malformed => {
                (!had_finished).then(ended_early).map_or(Ok(None), Err)?
            }
            Some(taken) => taken?,
            None => None,
        };
        if self.finish.is_none() && !self.ended {
            return Err(ended_early());
        }
        self.ended = true;
        Ok(text)
    }

    /// Takes in one event; gives the text it holds.
    fn take_event(&mut self, event: &Event) -> Result<Option<String>, ProviderError> {
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            self.ended = true;
            return Ok(None);
        }
        if event.name == "error" {
            let error = serde_json::from_slice(data).unwrap_or_else(|_| {
                serde_json::Value::String(String::from_utf8_lossy(data).into_owned())
            });
            let inner = error.get("error").unwrap_or(&error);
            return Err(self.reported(inner));
        }
        if data.is_empty() {
            return Ok(None);
        }
        let piece = self.wire.read(data).map_err(broken_json)?;
        self.take_piece(piece)
    }

    fn take_whole(&mut self, body: &[u8]) -> Result<Option<String>, ProviderError> {
        let piece = self.wire.read(body).map_err(broken_json)?;
        if piece.error.is_none() && !piece.is_answer {
            return Err(malformed(
                "The model provider's answer is not a chat completion; is its address right?",
            ));
        }
        let text = self.take_piece(piece)?.unwrap_or_default() + &self.thinking.rest();
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn take_piece(&mut self, piece: Piece<'_>) -> Result<Option<String>, ProviderError> {
        if let Some(error) = &piece.error {
            return Err(self.reported(error));
        }
        piece.count(&mut self.usage);
        self.begun |= piece.thinks || !piece.text.is_empty() || !piece.calls.is_empty();
        self.finish = piece.finish.or(self.finish);
        self.ended |= piece.ended;
        if let (None, Some(model)) = (&self.model, piece.model) {
            self.model = Some(model.into_owned());
        }
        for call in piece.calls {
            self.calls.push(call)?;
        }
        let text = Some(piece.text).filter(|text| !text.is_empty());
        Ok(text
            .map(|text| self.thinking.pass(text))
            .filter(|text| !text.is_empty()))
    }

    /// The error the provider reported. Once tokens have come it is an interruption, whatever its
    /// code says: it is then too late to try again unseen.
    fn reported(&self, error: &serde_json::Value) -> ProviderError {
        let described = described_error(error, ProviderErrorKind::Interrupted);
        if self.begun {
            ProviderError::new(ProviderErrorKind::Interrupted, described.message)
        } else {
            described
        }
    }

    /// The end of the answer: what was held back, the calls, then `Done`.
    fn conclude(&mut self) -> Result<ChatDelta, ProviderError> {
        let held = self.thinking.rest();
        if !held.is_empty() {
            return Ok(ChatDelta::Text(held));
        }
        if !self.calls.is_empty() {
            self.called.extend(self.calls.take());
            // Some servers end an answer of calls like any other.
            self.finish = match self.finish {
                None | Some(Finish::Stop) => Some(Finish::ToolCalls),
                other => other,
            };
        }
        if let Some(call) = self.called.pop_front() {
            return Ok(ChatDelta::ToolCall(call));
        }
        if !self.spoken {
            return Err(self.silence());
        }
        Ok(ChatDelta::Done {
            usage: self.usage,
            model: self.model.take(),
            finish: self.finish.unwrap_or(Finish::Stop),
        })
    }

    /// What it means that nothing was said.
    fn silence(&self) -> ProviderError {
        let (kind, message) = match self.finish {
            Some(Finish::Blocked) => (
                ProviderErrorKind::Blocked,
                "The model provider's filter, or the model itself, declined to answer this.",
            ),
            Some(Finish::Length) => (
                ProviderErrorKind::Empty,
                "The model used up its output tokens before it said anything.",
            ),
            _ => (ProviderErrorKind::Empty, "The model gave an empty answer."),
        };
        ProviderError::new(kind, message)
    }

    /// Lets go of a finished answer's connection. Its last bytes are mostly still on their way;
    /// without them the connection could not be used again, and each turn would open a new one.
    /// They are awaited for a moment nobody notices, and then behind the answer's back.
    async fn release(&mut self) {
        let Some(Source::Events { mut response, .. }) = self.source.take() else {
            return;
        };
        let drained = tokio::time::timeout(END_WAIT, drain(&mut response)).await;
        if drained.is_err() {
            tokio::spawn(async move {
                // Too slow an end costs the connection, nothing else.
                let _ = tokio::time::timeout(DRAIN_WAIT, drain(&mut response)).await;
            });
        }
    }
}

/// Takes in bytes of an answer, which have an end.
fn took(bytes: &[u8], events: &mut EventReader, received: &mut usize) -> Result<(), ProviderError> {
    *received += bytes.len();
    if *received > MAX_ANSWER {
        return Err(malformed("The model provider's answer is endless."));
    }
    events.push(bytes)
}

async fn drain(response: &mut Response) {
    while let Ok(Some(_)) = response.chunk().await {}
}

impl std::fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatStream")
            .field("model", &self.model)
            .field("finish", &self.finish)
            .finish_non_exhaustive()
    }
}

/// The stream ended and nothing says that the answer did.
pub(super) fn ended_early() -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::Interrupted,
        "The model provider's answer ended in the middle.",
    )
}

pub(super) fn timed_out(what: &str) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::Timeout,
        format!("The model provider {what}."),
    )
}

fn broken_json(error: serde_json::Error) -> ProviderError {
    malformed(format!("The model provider sent broken JSON: {error}."))
}

fn malformed(message: impl Into<String>) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Malformed, message)
}

/// The media type without its parameters.
fn content_type(response: &Response) -> &str {
    response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
}

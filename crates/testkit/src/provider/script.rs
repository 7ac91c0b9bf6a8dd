//! The words in which a test tells the mock provider what to do.

use axum::http::StatusCode;
use axum::response::Response;

use serde_json::Value;

use super::dialect::Dialect;
use super::json_response;

/// What to answer to a chat request. Where the request doesn't ask for a stream, the answer is one
/// JSON document, and the faults strike in its middle.
#[derive(Debug, Clone)]
pub enum Script {
    /// Says the last user message back, a word at a time.
    Echo,
    /// Does whatever reaches it as an instruction (`say "…"`, `call NAME`), and says [`NOTHING_TO_OBEY`] where nothing
    /// does; see the module `obey`.
    ///
    /// [`NOTHING_TO_OBEY`]: super::NOTHING_TO_OBEY
    Obey,
    /// Says `text` in `deltas` pieces.
    Text {
        /// What to say.
        text: String,
        /// In how many pieces.
        deltas: usize,
    },
    /// Says `text`, and is cut off there.
    CutOff {
        /// What to say before.
        text: String,
        /// By what.
        by: CutOff,
    },
    /// Says `text`, then calls tools: their names, and the arguments as they are written, be they
    /// JSON or not.
    Calls {
        /// What to say before.
        text: String,
        /// Name and arguments of each call.
        calls: Vec<(String, String)>,
    },
    /// Answers with an error status.
    Error(ErrorReply),
    /// Sends nothing at all until released, then goes on as [`Script::Echo`].
    HangBeforeAnswer,
    /// Sends the head and `text` (which may be empty), hangs until released, then ends properly.
    HangAfter {
        /// What to say before.
        text: String,
    },
    /// Sends the head and `before`, hangs until released, then sends `after` and ends properly.
    HangWithin {
        /// What to say before.
        before: String,
        /// What to say after.
        after: String,
    },
    /// Sends `text`, then ends the answer without a finish reason and without `[DONE]`.
    CloseAfter {
        /// What to say before.
        text: String,
    },
    /// Sends `text`, then cuts the connection within the answer.
    ResetAfter {
        /// What to say before.
        text: String,
    },
    /// Says `text`, one byte of the answer a packet, so that every longer character is cut.
    ByteByByte {
        /// What to say.
        text: String,
    },
    /// Sends `text`, then an `error` event with `message`.
    ErrorAfter {
        /// What to say before; with nothing the error is the first event.
        text: String,
        /// The provider's words.
        message: String,
    },
    /// Sends `text`, then an event that is no JSON.
    MalformedAfter {
        /// What to say before.
        text: String,
    },
    /// Ends properly without having said anything.
    Empty,
    /// Sends these pieces as they are, each in a packet of its own.
    Raw {
        /// The answer's `Content-Type`.
        content_type: String,
        /// The body.
        pieces: Vec<Vec<u8>>,
    },
}

/// What cuts an answer off that ends properly otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutOff {
    /// The limit of tokens.
    Length,
    /// The provider's filter.
    Filter,
}

/// What to answer to an embeddings request.
#[derive(Debug, Clone)]
pub enum EmbeddingScript {
    /// The right vectors.
    Vectors,
    /// The right vectors, last first, with their indices.
    Reordered,
    /// One vector too few.
    MissingOne,
    /// The last vector one number too short.
    WrongDimension,
    /// The first vector scaled to length 7.
    NotUnit,
    /// A number too large for a float in the first vector.
    NotFinite,
    /// `null` as a number in the first vector, which is how NaN is written in JSON.
    NotANumber,
    /// Answers with an error status.
    Error(ErrorReply),
    /// Sends nothing until released, then the right vectors.
    Hang,
}

/// What to answer to a rerank request.
#[derive(Debug, Clone)]
pub enum RerankScript {
    /// The share of the query's words that each passage has, as Cohere and Jina answer.
    Words,
    /// The same as text-embeddings-inference answers, which refuses the other form with 422.
    Texts,
    /// The share of the query's words that each passage lacks: the order turned round.
    Reversed,
    /// One passage has no score.
    MissingOne,
    /// One passage has two scores, another none.
    Twice,
    /// One score is no number.
    NotFinite,
    /// Answers with an error status.
    Error(ErrorReply),
    /// Sends nothing until released, then the scores.
    Hang,
}

/// An answer with an error status, its body as the provider that is spoken to writes one.
#[derive(Debug, Clone)]
pub struct ErrorReply {
    /// The status.
    pub status: u16,
    /// The provider's words.
    pub message: String,
    /// Headers, such as `retry-after`.
    pub headers: Vec<(String, String)>,
    /// The whole body, in place of the usual one.
    pub body: Option<Value>,
}

impl Script {
    /// `text` in a single piece.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            deltas: 1,
        }
    }

    /// An error status with the provider's words.
    pub fn error(status: u16, message: impl Into<String>) -> Self {
        Self::Error(ErrorReply::new(status, message))
    }
}

impl ErrorReply {
    /// An error status with the provider's words.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// The same with a header.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn into_response(self, dialect: Dialect) -> Response {
        let status = StatusCode::from_u16(self.status).expect("a script names a valid status");
        let usual = || dialect.error(self.status, &self.message);
        let body = self.body.clone().unwrap_or_else(usual);
        let mut response = json_response(status, &body);
        for (name, value) in self.headers {
            let name: axum::http::HeaderName = name.parse().expect("a script names valid headers");
            let value = value.parse().expect("a script gives valid header values");
            response.headers_mut().insert(name, value);
        }
        response
    }
}

//! The APIs that providers speak. A wire writes our request as its provider's and reads what comes
//! back, whole or an event at a time, as [`Piece`]s of one shape; everything else (deadlines,
//! retries, bounds, putting tool calls together) is the same for all.

mod anthropic;
mod gemini;
mod openai;

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use super::tools::CallPiece;
use super::{ChatRequest, Finish, Usage};
use crate::http::Auth;

/// An API for chat. Ollama, vLLM, llama.cpp, LM Studio and OpenRouter speak OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Wire {
    /// OpenAI's chat completions.
    #[default]
    OpenAi,
    /// The same, as Azure serves it: the model is a deployment in the path, the version a parameter.
    Azure,
    /// Anthropic's messages.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
}

/// Where one request goes.
pub(super) struct Target<'a> {
    pub path: Vec<Cow<'a, str>>,
    pub query: Option<(&'static str, &'static str)>,
}

/// What one event of a stream adds to the answer, or a whole answer is.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    pub text: String,
    /// The model is thinking, which is progress though nothing is said.
    pub thinks: bool,
    pub calls: Vec<CallPiece>,
    pub input_tokens: Option<u32>,
    pub output_tokens: Option<u32>,
    /// The model that answers; borrowed where it can be, so that it costs nothing an event.
    pub model: Option<Cow<'a, str>>,
    pub finish: Option<Finish>,
    /// Nothing follows.
    pub ended: bool,
    /// A failure, sent instead of an answer with a status of success.
    pub error: Option<Value>,
    /// It is an answer at all, rather than some other JSON.
    pub is_answer: bool,
}

impl Piece<'_> {
    /// Takes the counts over into `usage`, where there are any.
    pub fn count(&self, usage: &mut Usage) {
        usage.input_tokens = self.input_tokens.unwrap_or(usage.input_tokens);
        usage.output_tokens = self.output_tokens.unwrap_or(usage.output_tokens);
    }
}

impl Wire {
    /// The path that is meant where an address has none.
    pub(super) fn root(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Anthropic => "/v1",
            Self::Azure => "/openai",
            Self::Gemini => "/v1beta",
        }
    }

    pub(super) fn auth(self) -> Auth {
        match self {
            Self::OpenAi => Auth::Bearer,
            Self::Azure => Auth::Header("api-key"),
            Self::Anthropic => Auth::Header("x-api-key"),
            Self::Gemini => Auth::Header("x-goog-api-key"),
        }
    }

    pub(super) fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Anthropic => &[("anthropic-version", "2023-06-01")],
            Self::OpenAi | Self::Azure | Self::Gemini => &[],
        }
    }

    /// Where a request for an answer of `model` goes.
    pub(super) fn target(self, model: &str, stream: bool) -> Target<'_> {
        let (path, query) = match self {
            Self::OpenAi => (vec!["chat".into(), "completions".into()], None),
            Self::Azure => {
                let path = ["deployments", model, "chat", "completions"];
                (path.map(|it| Cow::Owned(it.to_owned())).to_vec(), None)
            }
            Self::Anthropic => (vec!["messages".into()], None),
            Self::Gemini => {
                let name = model.strip_prefix("models/").unwrap_or(model);
                let (method, query) = match stream {
                    true => ("streamGenerateContent", Some(("alt", "sse"))),
                    false => ("generateContent", None),
                };
                (
                    vec!["models".into(), format!("{name}:{method}").into()],
                    query,
                )
            }
        };
        Target { path, query }
    }

    /// The request as JSON.
    pub(super) fn body(self, request: &ChatRequest, stream: bool) -> Bytes {
        match self {
            Self::OpenAi | Self::Azure => openai::body(request, stream),
            Self::Anthropic => anthropic::body(request, stream),
            Self::Gemini => gemini::body(request),
        }
    }

    /// Reads a whole answer, or one event of a stream.
    pub(super) fn read(self, json: &[u8]) -> serde_json::Result<Piece<'_>> {
        match self {
            Self::OpenAi | Self::Azure => openai::read(json),
            Self::Anthropic => anthropic::read(json),
            Self::Gemini => gemini::read(json),
        }
    }

    /// What asks for as many of the provider's models as one page holds.
    pub(super) fn models_query(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::OpenAi | Self::Azure => None,
            Self::Anthropic => Some(("limit", "1000")),
            Self::Gemini => Some(("pageSize", "1000")),
        }
    }

    /// The names in a list of models; `None` where it is none.
    pub(super) fn models(self, list: &Value) -> Option<Vec<String>> {
        match self {
            Self::Gemini => gemini::models(list),
            Self::OpenAi | Self::Azure | Self::Anthropic => {
                let models = list["data"].as_array()?.iter();
                let names = models.filter_map(|model| model["id"].as_str());
                Some(names.map(str::to_owned).collect())
            }
        }
    }
}

/// The first number under one of these names.
fn number(value: &Value, names: &[&str]) -> Option<u32> {
    let found = names.iter().find_map(|name| value[*name].as_u64());
    found.map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

/// A text that was borrowed where it could be: serde borrows no `Cow` within an `Option`.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Name<'a> {
    /// The text, where it is not empty.
    fn given(name: Option<Self>) -> Option<Cow<'a, str>> {
        name.map(|name| name.0).filter(|name| !name.is_empty())
    }
}

//! The JSON of `POST /chat/completions`: what is sent, and what comes back, whole or in chunks.
//!
//! Reading is lenient where providers differ (content as a string or as parts, null or absent
//! members, usage anywhere) and strict where leniency would lose text.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ChatMessage, ChatRequest, Finish, Image, Role, Usage};

/// The request as JSON.
pub(super) fn request_body(request: &ChatRequest, stream: bool) -> Bytes {
    let (max_tokens, max_completion_tokens) = if knows_completion_tokens(&request.model) {
        (None, request.max_output_tokens)
    } else {
        (request.max_output_tokens, None)
    };
    let body = RequestBody {
        model: &request.model,
        messages: request.messages.iter().map(Message::of).collect(),
        stream,
        stream_options: stream.then_some(StreamOptions {
            include_usage: true,
        }),
        temperature: request.temperature.filter(|value| value.is_finite()),
        max_tokens,
        max_completion_tokens,
    };
    serde_json::to_vec(&body)
        .expect("strings, numbers and string keys are always JSON")
        .into()
}

/// Whether OpenAI's newer name of the token limit is needed. OpenAI's reasoning models refuse
/// `max_tokens`; other servers know nothing but it.
fn knows_completion_tokens(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    ["o1", "o3", "o4", "gpt-5", "gpt-6"]
        .iter()
        .any(|family| name.starts_with(family))
}

#[derive(Serialize)]
struct RequestBody<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: Role,
    content: Content<'a>,
}

/// A string, which every server reads, where there is nothing to show.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: Shown<'a>,
}

struct Shown<'a>(&'a Image);

impl<'a> Message<'a> {
    fn of(message: &'a ChatMessage) -> Self {
        let text = message.content.as_str();
        let content = if message.images.is_empty() {
            Content::Text(text)
        } else {
            // An empty text is refused by some servers.
            let said = (!text.is_empty()).then_some(Part::Text { text });
            let shown = message.images.iter().map(|image| Part::ImageUrl {
                image_url: ImageUrl { url: Shown(image) },
            });
            Content::Parts(said.into_iter().chain(shown).collect())
        };
        Self {
            role: message.role,
            content,
        }
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Image::Address(address) => serializer.serialize_str(address),
            Image::Jpeg(bytes) => serializer.serialize_str(&format!(
                "data:image/jpeg;base64,{}",
                STANDARD.encode(bytes)
            )),
        }
    }
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// A whole answer, or one chunk of a streamed one: they differ only in `message` and `delta`.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    model: Option<Name<'a>>,
    choices: Option<Vec<Choice>>,
    usage: Option<Value>,
    /// A failure, sent instead of an answer with a status of success.
    pub error: Option<Value>,
}

/// Borrows where it can, so that a chunk's model name costs no allocation.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Choice {
    delta: Option<Said>,
    message: Option<Said>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Text,
    #[serde(default)]
    refusal: Text,
    // Thinking comes beside the content under either name, or both; it is no part of the answer.
    reasoning: Option<de::IgnoredAny>,
    reasoning_content: Option<de::IgnoredAny>,
}

/// A string, null, or an array of typed parts of which only those of type `text` are said aloud.
#[derive(Default)]
struct Text(String);

impl Answer<'_> {
    /// The text said, taken out; `None` where there is none.
    pub fn take_text(&mut self) -> Option<String> {
        let choice = self.choices.as_mut()?.first_mut()?;
        let said = choice.delta.as_mut().or(choice.message.as_mut())?;
        let content = std::mem::take(&mut said.content.0);
        if !content.is_empty() {
            return Some(content);
        }
        // A model that declines says why in `refusal`; that is what the visitor should read.
        Some(std::mem::take(&mut said.refusal.0)).filter(|refusal| !refusal.is_empty())
    }

    /// Whether the model is thinking, which is progress though nothing is said.
    pub fn is_thinking(&self) -> bool {
        self.choice()
            .and_then(|choice| choice.delta.as_ref())
            .is_some_and(|said| said.reasoning.is_some() || said.reasoning_content.is_some())
    }

    /// Why the answer ended, where this chunk says so.
    pub fn finish(&self) -> Option<Finish> {
        match self.choice()?.finish_reason.as_deref()? {
            "" => None,
            "stop" | "eos" | "end_turn" => Some(Finish::Stop),
            "length" | "max_tokens" => Some(Finish::Length),
            _ => Some(Finish::Other),
        }
    }

    /// The tokens used so far, where this chunk counts them.
    pub fn usage(&self) -> Option<Usage> {
        let usage = self.usage.as_ref()?;
        let count = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|name| usage[*name].as_u64())
                .map(|count| u32::try_from(count).unwrap_or(u32::MAX))
        };
        let input = count(["prompt_tokens", "input_tokens"]);
        let output = count(["completion_tokens", "output_tokens"]);
        (input.is_some() || output.is_some()).then(|| Usage {
            input_tokens: input.unwrap_or(0),
            output_tokens: output.unwrap_or(0),
        })
    }

    /// The name of the model that answers.
    pub fn model(&self) -> Option<&str> {
        self.model
            .as_ref()
            .map(|name| name.0.as_ref())
            .filter(|name| !name.is_empty())
    }

    /// Whether it is an answer at all, rather than some other JSON.
    pub fn has_choices(&self) -> bool {
        self.choices.is_some()
    }

    fn choice(&self) -> Option<&Choice> {
        self.choices.as_ref()?.first()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, null or an array of parts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_unit<E: de::Error>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<String, A::Error> {
        let mut text = String::new();
        while let Some(part) = parts.next_element::<Value>()? {
            if part["type"] == "text" {
                text.push_str(part["text"].as_str().unwrap_or_default());
            }
        }
        Ok(text)
    }
}

//! The JSON of OpenAI's `POST /chat/completions`, which many others speak: what is sent, and what
//! comes back, whole or in chunks.
//!
//! Reading is lenient where providers differ (content as a string or as parts, null or absent
//! members, usage anywhere) and strict where leniency would lose text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Name, Piece, number};
use crate::chat::tools::CallPiece;
use crate::chat::{ChatMessage, ChatRequest, Finish, Image, Role, Tool, ToolChoice};

/// The request as JSON.
pub(super) fn body(request: &ChatRequest, stream: bool) -> Bytes {
    let (max_tokens, max_completion_tokens) = if knows_completion_tokens(&request.model) {
        (None, request.max_output_tokens)
    } else {
        (request.max_output_tokens, None)
    };
    let tools = (!request.tools.is_empty()).then_some(&request.tools);
    let body = RequestBody {
        model: &request.model,
        messages: request.messages.iter().map(Message::of).collect(),
        tools: tools.map(|tools| tools.iter().map(tool).collect()),
        tool_choice: tools.map(|_| choice(&request.tool_choice)),
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

fn tool(tool: &Tool) -> Value {
    json!({"type": "function", "function": {
        "name": tool.name, "description": tool.description, "parameters": tool.parameters,
    }})
}

fn choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    }
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
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
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
    role: &'static str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
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
        let called = message.tool_calls.iter().map(|call| {
            let arguments = Value::Object(call.sent_back()).to_string();
            json!({"id": call.id, "type": "function",
                   "function": {"name": call.name, "arguments": arguments}})
        });
        Self {
            role: match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
            },
            content,
            tool_calls: called.collect(),
            tool_call_id: message.result_of.as_ref().map(|of| of.id.as_str()),
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
struct Answer<'a> {
    #[serde(borrow)]
    model: Option<Name<'a>>,
    choices: Option<Vec<Choice>>,
    usage: Option<Value>,
    error: Option<Value>,
}

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
    tool_calls: Option<Vec<Called>>,
}

#[derive(Deserialize)]
struct Called {
    index: Option<usize>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<Value>,
}

/// A string, null, or an array of typed parts of which only those of type `text` are said aloud.
#[derive(Default)]
struct Text(String);

/// Reads a whole answer, or a chunk.
pub(super) fn read(json: &[u8]) -> serde_json::Result<Piece<'_>> {
    let answer: Answer<'_> = serde_json::from_slice(json)?;
    let mut piece = Piece {
        is_answer: answer.choices.is_some(),
        error: answer.error,
        model: Name::given(answer.model),
        ..Piece::default()
    };
    if let Some(usage) = &answer.usage {
        piece.input_tokens = number(usage, &["prompt_tokens", "input_tokens"]);
        piece.output_tokens = number(usage, &["completion_tokens", "output_tokens"]);
    }
    let Some(choice) = answer.choices.and_then(|it| it.into_iter().next()) else {
        return Ok(piece);
    };
    piece.finish = choice.finish_reason.as_deref().and_then(finish);
    if let Some(said) = choice.delta.or(choice.message) {
        piece.thinks = said.reasoning.is_some() || said.reasoning_content.is_some();
        // A model that declines says why in `refusal`; that is what the visitor should read.
        piece.text = match said.content.0.is_empty() {
            true => said.refusal.0,
            false => said.content.0,
        };
        let called = said.tool_calls.into_iter().flatten().enumerate();
        piece.calls = called.map(|(at, called)| called.piece(at)).collect();
    }
    Ok(piece)
}

impl Called {
    /// In a whole answer the calls have no numbers but their places.
    fn piece(self, at: usize) -> CallPiece {
        let (name, arguments) = match self.function {
            Some(function) => (function.name, function.arguments),
            None => (None, None),
        };
        CallPiece {
            index: Some(self.index.unwrap_or(at)),
            id: self.id,
            name,
            arguments: match arguments {
                Some(Value::String(text)) => text,
                // Some servers give the object itself.
                Some(object @ Value::Object(_)) => object.to_string(),
                _ => String::new(),
            },
            signature: None,
        }
    }
}

fn finish(reason: &str) -> Option<Finish> {
    Some(match reason {
        "" => return None,
        "stop" | "eos" | "end_turn" => Finish::Stop,
        "length" | "max_tokens" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::Blocked,
        _ => Finish::Other,
    })
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

//! Anthropic's messages API: what is sent, and what comes back, whole or in events.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Name, Piece, number};
use crate::chat::tools::CallPiece;
use crate::chat::{ChatMessage, ChatRequest, Finish, Image, Role, Tool, ToolChoice};

/// Tokens of an answer at most, where the request does not say: here a limit must be given, and more
/// than this some models refuse.
const DEFAULT_TOKENS: u32 = 4_096;

/// Said in place of what a conversation's first message answers: it must be the user's.
const BEFORE: &str = "(The beginning of the conversation is left out.)";

pub(super) fn body(request: &ChatRequest, stream: bool) -> Bytes {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(request.model));
    let limit = request.max_output_tokens.unwrap_or(DEFAULT_TOKENS);
    body.insert("max_tokens".to_owned(), json!(limit));
    let system = request.messages.iter();
    let system = system.filter(|message| message.role == Role::System);
    let system: Vec<&str> = system.map(|message| message.content.as_str()).collect();
    if !system.is_empty() {
        body.insert("system".to_owned(), json!(system.join("\n\n")));
    }
    body.insert("messages".to_owned(), json!(messages(&request.messages)));
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".to_owned(), json!(tools));
        body.insert("tool_choice".to_owned(), choice(&request.tool_choice));
    }
    if let Some(temperature) = request.temperature.filter(|value| value.is_finite()) {
        body.insert("temperature".to_owned(), json!(temperature));
    }
    body.insert("stream".to_owned(), json!(stream));
    Value::Object(body).to_string().into()
}

fn tool(tool: &Tool) -> Value {
    json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters})
}

fn choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Named(name) => json!({"type": "tool", "name": name}),
    }
}

/// The conversation in turns: what one side says in several messages is one, so that all results of
/// an answer's calls stand together, as they must.
fn messages(messages: &[ChatMessage]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let role = match message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        if turns.is_empty() && role == "assistant" {
            turns.push(("user", vec![text(BEFORE)]));
        }
        let blocks = blocks(message);
        match turns.last_mut() {
            Some((last, said)) if *last == role => said.extend(blocks),
            _ if blocks.is_empty() => {}
            _ => turns.push((role, blocks)),
        }
    }
    let turns = turns.into_iter();
    turns
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect()
}

fn blocks(message: &ChatMessage) -> Vec<Value> {
    if let Some(of) = &message.result_of {
        return vec![json!({
            "type": "tool_result", "tool_use_id": of.id, "content": message.content,
            "is_error": of.failed,
        })];
    }
    // An empty text is refused.
    let said = (!message.content.is_empty()).then(|| text(&message.content));
    let shown = message.images.iter().map(|image| {
        let source = match image {
            Image::Address(address) => json!({"type": "url", "url": address}),
            Image::Jpeg(bytes) => json!({
                "type": "base64", "media_type": "image/jpeg", "data": STANDARD.encode(bytes),
            }),
        };
        json!({"type": "image", "source": source})
    });
    let called = message.tool_calls.iter().map(|call| {
        json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.sent_back()})
    });
    shown.chain(said).chain(called).collect()
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// Any event, or a whole answer: their members never clash.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    // Of `message_start`.
    #[serde(borrow)]
    message: Option<Message<'a>>,
    // Of `content_block_start` and `content_block_delta`.
    index: Option<usize>,
    content_block: Option<Block>,
    // Of `content_block_delta` and `message_delta`.
    delta: Option<Delta>,
    usage: Option<Value>,
    // Of a whole answer.
    content: Option<Vec<Block>>,
    #[serde(borrow)]
    model: Option<Name<'a>>,
    stop_reason: Option<String>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    model: Option<Name<'a>>,
    usage: Option<Value>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Value>,
}

#[derive(Deserialize)]
struct Delta {
    text: Option<String>,
    partial_json: Option<String>,
    thinking: Option<String>,
    stop_reason: Option<String>,
}

pub(super) fn read(json: &[u8]) -> serde_json::Result<Piece<'_>> {
    let event: Event<'_> = serde_json::from_slice(json)?;
    let whole = event.content.is_some();
    let mut piece = Piece {
        ended: event.kind == "message_stop",
        is_answer: whole,
        error: event.error,
        model: Name::given(event.model),
        finish: event.stop_reason.as_deref().and_then(finish),
        ..Piece::default()
    };
    if let Some(usage) = &event.usage {
        count(&mut piece, usage);
    }
    if let Some(message) = event.message {
        piece.model = Name::given(message.model);
        if let Some(usage) = &message.usage {
            count(&mut piece, usage);
        }
    }
    for (index, block) in event.content.into_iter().flatten().enumerate() {
        take_block(&mut piece, index, block, true);
    }
    if let Some(block) = event.content_block {
        take_block(&mut piece, event.index.unwrap_or_default(), block, false);
    }
    if let Some(delta) = event.delta {
        piece.thinks |= delta.thinking.is_some();
        piece.finish = delta.stop_reason.as_deref().and_then(finish);
        piece.text.push_str(&delta.text.unwrap_or_default());
        if let Some(arguments) = delta.partial_json {
            piece.calls.push(CallPiece {
                index: event.index,
                arguments,
                ..CallPiece::default()
            });
        }
    }
    Ok(piece)
}

fn take_block(piece: &mut Piece<'_>, index: usize, block: Block, whole: bool) {
    match block.kind.as_str() {
        "text" => piece.text.push_str(&block.text.unwrap_or_default()),
        "thinking" | "redacted_thinking" => piece.thinks = true,
        "tool_use" => piece.calls.push(CallPiece {
            index: Some(index),
            id: block.id,
            name: block.name,
            // At a stream's start the input is an empty stand-in for the pieces to come.
            arguments: block
                .input
                .filter(|_| whole)
                .map(|input| input.to_string())
                .unwrap_or_default(),
            signature: None,
        }),
        // Blocks that we ask for none of.
        _ => {}
    }
}

/// What was read from a cache, or written to one, was sent all the same.
fn count(piece: &mut Piece<'_>, usage: &Value) {
    let sent = [
        "input_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    ];
    if let Some(input) = number(usage, &sent[..1]) {
        let cached = sent[1..].iter().filter_map(|name| number(usage, &[name]));
        piece.input_tokens = Some(cached.fold(input, u32::saturating_add));
    }
    piece.output_tokens = number(usage, &["output_tokens"]).or(piece.output_tokens);
}

fn finish(reason: &str) -> Option<Finish> {
    Some(match reason {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::Blocked,
        _ => Finish::Other,
    })
}

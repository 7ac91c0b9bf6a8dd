//! Google's `generateContent`: what is sent, and what comes back. An event of a stream has the shape
//! of a whole answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Name, Piece, number};
use crate::chat::tools::{CallPiece, MADE_ID};
use crate::chat::{ChatMessage, ChatRequest, Finish, Image, Role, Tool, ToolCall, ToolChoice};

pub(super) fn body(request: &ChatRequest) -> Bytes {
    let mut body = Map::new();
    let system = request.messages.iter();
    let system = system.filter(|message| message.role == Role::System);
    let system: Vec<Value> = system.map(|it| json!({"text": it.content})).collect();
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({"parts": system}));
    }
    body.insert("contents".to_owned(), json!(contents(&request.messages)));
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".to_owned(), json!([{"functionDeclarations": tools}]));
        let config = json!({"functionCallingConfig": choice(&request.tool_choice)});
        body.insert("toolConfig".to_owned(), config);
    }
    let mut generation = Map::new();
    if let Some(temperature) = request.temperature.filter(|value| value.is_finite()) {
        generation.insert("temperature".to_owned(), json!(temperature));
    }
    if let Some(limit) = request.max_output_tokens {
        generation.insert("maxOutputTokens".to_owned(), json!(limit));
    }
    if !generation.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(generation));
    }
    Value::Object(body).to_string().into()
}

fn tool(tool: &Tool) -> Value {
    json!({
        "name": tool.name, "description": tool.description,
        "parametersJsonSchema": tool.parameters,
    })
}

fn choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    }
}

/// The conversation in turns: all results of an answer's calls must stand together.
fn contents(messages: &[ChatMessage]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let role = match message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "model",
        };
        let parts = parts(message);
        match turns.last_mut() {
            Some((last, said)) if *last == role => said.extend(parts),
            _ if parts.is_empty() => {}
            _ => turns.push((role, parts)),
        }
    }
    let turns = turns.into_iter();
    turns
        .map(|(role, parts)| json!({"role": role, "parts": parts}))
        .collect()
}

fn parts(message: &ChatMessage) -> Vec<Value> {
    if let Some(of) = &message.result_of {
        let key = if of.failed { "error" } else { "output" };
        let mut result = json!({"name": of.name, "response": {key: message.content}});
        if let Some(id) = given(&of.id) {
            result["id"] = json!(id);
        }
        return vec![json!({"functionResponse": result})];
    }
    let said = (!message.content.is_empty()).then(|| json!({"text": message.content}));
    let shown = message.images.iter().map(|image| match image {
        Image::Address(address) => json!({"fileData": {"fileUri": address}}),
        Image::Jpeg(bytes) => json!({
            "inlineData": {"mimeType": "image/jpeg", "data": STANDARD.encode(bytes)},
        }),
    });
    let called = message.tool_calls.iter().map(called);
    shown.chain(said).chain(called).collect()
}

fn called(call: &ToolCall) -> Value {
    let mut called = json!({"name": call.name, "args": call.sent_back()});
    if let Some(id) = given(&call.id) {
        called["id"] = json!(id);
    }
    let mut part = json!({"functionCall": called});
    if let Some(signature) = &call.signature {
        part["thoughtSignature"] = json!(signature);
    }
    part
}

/// The id, unless it is one that we made: Google knows only its own.
fn given(id: &str) -> Option<&str> {
    Some(id).filter(|id| !id.starts_with(MADE_ID))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Value>,
    #[serde(borrow)]
    model_version: Option<Name<'a>>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    function_call: Option<Call>,
    thought_signature: Option<String>,
}

#[derive(Deserialize)]
struct Call {
    id: Option<String>,
    name: Option<String>,
    args: Option<Value>,
}

pub(super) fn read(json: &[u8]) -> serde_json::Result<Piece<'_>> {
    let answer: Answer<'_> = serde_json::from_slice(json)?;
    let blocked = answer.prompt_feedback.and_then(|it| it.block_reason);
    let mut piece = Piece {
        is_answer: answer.candidates.is_some() || blocked.is_some(),
        error: answer.error,
        model: Name::given(answer.model_version),
        finish: blocked.map(|_| Finish::Blocked),
        ..Piece::default()
    };
    if let Some(usage) = &answer.usage_metadata {
        piece.input_tokens = number(usage, &["promptTokenCount"]);
        let thought = number(usage, &["thoughtsTokenCount"]).unwrap_or_default();
        let said = number(usage, &["candidatesTokenCount"]);
        piece.output_tokens = said.map(|said| said.saturating_add(thought));
    }
    let Some(candidate) = answer.candidates.and_then(|it| it.into_iter().next()) else {
        return Ok(piece);
    };
    piece.finish = candidate.finish_reason.as_deref().and_then(finish);
    for part in candidate.content.into_iter().flat_map(|it| it.parts) {
        if let Some(call) = part.function_call {
            piece.calls.push(CallPiece {
                index: None,
                id: call.id,
                name: call.name,
                arguments: call.args.map(|it| it.to_string()).unwrap_or_default(),
                signature: part.thought_signature,
            });
        } else if part.thought {
            piece.thinks = true;
        } else if let Some(text) = part.text {
            piece.text.push_str(&text);
        }
    }
    Ok(piece)
}

fn finish(reason: &str) -> Option<Finish> {
    Some(match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE" => {
            Finish::Blocked
        }
        _ => Finish::Other,
    })
}

/// The models that write answers, without the `models/` before each.
pub(super) fn models(list: &Value) -> Option<Vec<String>> {
    let writes = |model: &&Value| {
        let methods = model["supportedGenerationMethods"].as_array();
        methods.is_none_or(|methods| methods.iter().any(|it| it == "generateContent"))
    };
    let models = list["models"].as_array()?.iter().filter(writes);
    let names = models.filter_map(|model| model["name"].as_str());
    let plain = |name: &str| name.strip_prefix("models/").unwrap_or(name).to_owned();
    Some(names.map(plain).collect())
}

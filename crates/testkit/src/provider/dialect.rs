//! How each provider writes: the pieces of an answer as OpenAI, Anthropic and Google send them.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::CutOff;

/// The API that an answer is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// OpenAI's, which Azure's is too.
    OpenAi,
    Anthropic,
    Gemini,
}

/// A tool call that an answer holds: the tool's name, and the arguments as they are written.
pub(super) type Call = (String, String);

/// What an answer says and calls, and how much it says that it took.
pub(super) struct Said<'a> {
    pub text: &'a str,
    pub calls: &'a [Call],
    pub cut_off: Option<CutOff>,
    pub model: &'a str,
    pub input_tokens: usize,
}

impl Said<'_> {
    /// Words stand for tokens here: they can be counted by eye in a test.
    fn output_tokens(&self) -> usize {
        words(self.text) + self.calls.len()
    }
}

impl Dialect {
    /// The events before the first text.
    pub fn begin(self, said: &Said<'_>) -> Vec<Bytes> {
        match self {
            Self::OpenAi => vec![chunk(
                said,
                &json!({"role": "assistant", "content": ""}),
                None,
            )],
            Self::Anthropic => vec![
                named(&json!({"type": "message_start", "message": {
                    "id": "msg_mock", "type": "message", "role": "assistant", "content": [],
                    "model": said.model, "stop_reason": null,
                    "usage": {"input_tokens": said.input_tokens, "output_tokens": 1},
                }})),
                named(&json!({"type": "content_block_start", "index": 0,
                              "content_block": {"type": "text", "text": ""}})),
                named(&json!({"type": "ping"})),
            ],
            Self::Gemini => Vec::new(),
        }
    }

    /// One piece of the text.
    pub fn text(self, said: &Said<'_>, piece: &str) -> Bytes {
        match self {
            Self::OpenAi => chunk(said, &json!({"content": piece}), None),
            Self::Anthropic => named(&json!({"type": "content_block_delta", "index": 0,
                                              "delta": {"type": "text_delta", "text": piece}})),
            Self::Gemini => event(&candidate(said, &json!([{"text": piece}]), None)),
        }
    }

    /// The events of the calls, each one's arguments in pieces of three characters. Google sends
    /// calls whole, without an id.
    pub fn calls(self, said: &Said<'_>) -> Vec<Bytes> {
        let mut events = Vec::new();
        for (place, (name, arguments)) in said.calls.iter().enumerate() {
            let id = format!("call_{place}");
            let pieces = super::chat::pieces(arguments, arguments.chars().count().div_ceil(3));
            match self {
                Self::OpenAi => {
                    let of = |call: Value| chunk(said, &json!({"tool_calls": [call]}), None);
                    events.push(of(json!({"index": place, "id": id, "type": "function",
                                          "function": {"name": name, "arguments": ""}})));
                    events.extend(pieces.iter().map(|piece| {
                        of(json!({"index": place, "function": {"arguments": piece}}))
                    }));
                }
                Self::Anthropic => {
                    let index = place + 1;
                    let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
                    events.push(named(
                        &json!({"type": "content_block_start", "index": index,
                                              "content_block": block}),
                    ));
                    events.extend(pieces.iter().map(|piece| {
                        named(&json!({"type": "content_block_delta", "index": index,
                                      "delta": {"type": "input_json_delta", "partial_json": piece}}))
                    }));
                    events.push(named(
                        &json!({"type": "content_block_stop", "index": index}),
                    ));
                }
                Self::Gemini => {
                    let parts = json!([gemini_call(name, arguments)]);
                    events.push(event(&candidate(said, &parts, None)));
                }
            }
        }
        events
    }

    /// The events after the text; OpenAI's count tokens only where that was asked for.
    pub fn end(self, said: &Said<'_>, include_usage: bool) -> Vec<Bytes> {
        let reason = self.reason(said);
        match self {
            Self::OpenAi => {
                let mut events = vec![chunk(said, &json!({}), Some(reason))];
                if include_usage {
                    let mut usage = frame(said, "chat.completion.chunk");
                    usage["choices"] = json!([]);
                    usage["usage"] = openai_usage(said);
                    events.push(event(&usage));
                }
                events.push("data: [DONE]\n\n".into());
                events
            }
            Self::Anthropic => vec![
                named(&json!({"type": "content_block_stop", "index": 0})),
                named(
                    &json!({"type": "message_delta", "delta": {"stop_reason": reason},
                              "usage": {"output_tokens": said.output_tokens()}}),
                ),
                named(&json!({"type": "message_stop"})),
            ],
            Self::Gemini => {
                let mut last = candidate(said, &json!([{"text": ""}]), Some(reason));
                last["usageMetadata"] = gemini_usage(said);
                vec![event(&last)]
            }
        }
    }

    /// The whole answer as one document.
    pub fn document(self, said: &Said<'_>) -> Bytes {
        let reason = self.reason(said);
        let document = match self {
            Self::OpenAi => {
                let mut message = json!({"role": "assistant", "content": said.text});
                if !said.calls.is_empty() {
                    let calls = said.calls.iter().enumerate();
                    let calls = calls.map(|(place, (name, arguments))| {
                        json!({"id": format!("call_{place}"), "type": "function",
                               "function": {"name": name, "arguments": arguments}})
                    });
                    message["tool_calls"] = calls.collect();
                }
                let mut document = frame(said, "chat.completion");
                document["choices"] =
                    json!([{"index": 0, "message": message, "finish_reason": reason}]);
                document["usage"] = openai_usage(said);
                document
            }
            Self::Anthropic => {
                let mut content = vec![json!({"type": "text", "text": said.text})];
                for (place, (name, arguments)) in said.calls.iter().enumerate() {
                    content.push(json!({"type": "tool_use", "id": format!("call_{place}"),
                                        "name": name, "input": object(arguments)}));
                }
                json!({"id": "msg_mock", "type": "message", "role": "assistant",
                       "content": content, "model": said.model, "stop_reason": reason,
                       "usage": {"input_tokens": said.input_tokens,
                                 "output_tokens": said.output_tokens()}})
            }
            Self::Gemini => {
                let mut parts = vec![json!({"text": said.text})];
                let calls = said.calls.iter();
                parts.extend(calls.map(|(name, arguments)| gemini_call(name, arguments)));
                let mut document = candidate(said, &json!(parts), Some(reason));
                document["usageMetadata"] = gemini_usage(said);
                document
            }
        };
        document.to_string().into()
    }

    /// An event that says the provider failed.
    pub fn error_event(self, message: &str) -> Bytes {
        let error = self.error(500, message);
        match self {
            Self::OpenAi => event(&error),
            Self::Anthropic => format!("event: error\ndata: {error}\n\n").into(),
            Self::Gemini => event(&error[0]),
        }
    }

    /// The body of an answer with an error status.
    pub fn error(self, status: u16, message: &str) -> Value {
        match self {
            Self::OpenAi => json!({
                "error": {"message": message, "type": "mock_error", "param": null, "code": null},
            }),
            Self::Anthropic => json!({
                "type": "error", "error": {"type": "mock_error", "message": message},
            }),
            // Google's wraps it in a list where a stream was asked for without `alt=sse`.
            Self::Gemini => json!([{
                "error": {"code": status, "message": message, "status": "MOCK_ERROR"},
            }]),
        }
    }

    /// An event that is cut off in the middle of its JSON.
    pub fn malformed_event(self) -> Bytes {
        let (name, data) = match self {
            Self::OpenAi => ("", "{\"choices\": [{]}"),
            Self::Anthropic => ("event: content_block_delta\n", "{\"type\": \"content_blo"),
            Self::Gemini => ("", "{\"candidates\": [{]}"),
        };
        format!("{name}data: {data}\n\n").into()
    }

    fn reason(self, said: &Said<'_>) -> &'static str {
        match (self, said.cut_off, said.calls.is_empty()) {
            (Self::OpenAi, Some(CutOff::Length), _) => "length",
            (Self::OpenAi, Some(CutOff::Filter), _) => "content_filter",
            (Self::OpenAi, None, true) => "stop",
            (Self::OpenAi, None, false) => "tool_calls",
            (Self::Anthropic, Some(CutOff::Length), _) => "max_tokens",
            (Self::Anthropic, Some(CutOff::Filter), _) => "refusal",
            (Self::Anthropic, None, true) => "end_turn",
            (Self::Anthropic, None, false) => "tool_use",
            (Self::Gemini, Some(CutOff::Length), _) => "MAX_TOKENS",
            (Self::Gemini, Some(CutOff::Filter), _) => "SAFETY",
            (Self::Gemini, None, _) => "STOP",
        }
    }

    /// The texts of the request's messages, with who says each.
    pub fn conversation(self, request: &Value) -> Vec<(String, String)> {
        let list = if self == Self::Gemini {
            "contents"
        } else {
            "messages"
        };
        let content = if self == Self::Gemini {
            "parts"
        } else {
            "content"
        };
        let mut said = Vec::new();
        let system = match self {
            Self::OpenAi => &Value::Null,
            Self::Anthropic => &request["system"],
            Self::Gemini => &request["systemInstruction"]["parts"],
        };
        if !system.is_null() {
            said.push(("system".to_owned(), text_of(system)));
        }
        for message in request[list].as_array().into_iter().flatten() {
            let role = message["role"].as_str().unwrap_or_default();
            said.push((role.to_owned(), text_of(&message[content])));
        }
        said
    }
}

/// What a message says: a string, or the first text among its parts.
fn text_of(content: &Value) -> String {
    let parts = content.as_array();
    let part = parts.and_then(|parts| parts.iter().find(|part| part["text"].is_string()));
    let text = part.map_or(content, |part| &part["text"]);
    text.as_str().unwrap_or_default().to_owned()
}

pub(super) fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn frame(said: &Said<'_>, object: &str) -> Value {
    json!({"id": "chatcmpl-mock", "object": object, "created": 0, "model": said.model})
}

fn chunk(said: &Said<'_>, delta: &Value, finish_reason: Option<&str>) -> Bytes {
    let mut chunk = frame(said, "chat.completion.chunk");
    chunk["choices"] = json!([{"index": 0, "delta": delta, "finish_reason": finish_reason}]);
    event(&chunk)
}

fn openai_usage(said: &Said<'_>) -> Value {
    let output = said.output_tokens();
    json!({"prompt_tokens": said.input_tokens, "completion_tokens": output,
           "total_tokens": said.input_tokens + output})
}

fn candidate(said: &Said<'_>, parts: &Value, finish_reason: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(reason) = finish_reason {
        candidate["finishReason"] = json!(reason);
    }
    json!({"candidates": [candidate], "modelVersion": said.model, "responseId": "mock"})
}

fn gemini_call(name: &str, arguments: &str) -> Value {
    json!({"functionCall": {"name": name, "args": object(arguments)}, "thoughtSignature": "c2ln"})
}

fn gemini_usage(said: &Said<'_>) -> Value {
    let output = said.output_tokens();
    json!({"promptTokenCount": said.input_tokens, "candidatesTokenCount": output,
           "totalTokenCount": said.input_tokens + output})
}

/// The arguments where the provider sends them as JSON rather than as text. Broken ones it sends as
/// the text that they are.
fn object(arguments: &str) -> Value {
    serde_json::from_str(arguments).unwrap_or_else(|_| json!(arguments))
}

fn event(data: &Value) -> Bytes {
    format!("data: {data}\n\n").into()
}

/// Anthropic's events bear their type as a name too.
fn named(data: &Value) -> Bytes {
    let name = data["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}

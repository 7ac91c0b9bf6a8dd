//! Chat answers as OpenAI writes them, whole or broken as scripted.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Script, Watch, hang};

/// Answers a chat request by its script.
pub(super) async fn reply(
    watch: Watch,
    script: Script,
    request: &Value,
    mut released: watch::Receiver<usize>,
) -> Response {
    let script = match script {
        Script::Error(reply) => {
            watch.finished();
            return reply.into_response();
        }
        Script::HangBeforeAnswer => {
            hang(&mut released).await;
            Script::Echo
        }
        script => script,
    };
    let content_type = match &script {
        Script::Raw { content_type, .. } => content_type.clone(),
        _ if request["stream"] == true => "text/event-stream".to_owned(),
        _ => "application/json".to_owned(),
    };
    let steps = steps(script, request);
    let body = match complete(&steps) {
        // Known as a whole: one write, no state to carry.
        Some(whole) if content_type == "application/json" => {
            watch.finished();
            Body::from(whole)
        }
        _ => Body::from_stream(played(steps, watch, released)),
    };
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .body(body)
        .expect("a script gives a valid content type")
}

/// What an answer does, one after the other.
enum Step {
    Send(Bytes),
    Hang,
    Reset,
}

fn complete(steps: &[Step]) -> Option<Bytes> {
    match steps {
        [Step::Send(bytes)] => Some(bytes.clone()),
        _ => None,
    }
}

/// Plays the steps as a body; each `Send` becomes an HTTP chunk of its own, which the reader gets
/// as one piece whatever TCP does.
fn played(
    steps: Vec<Step>,
    watch: Watch,
    released: watch::Receiver<usize>,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    let state = (steps.into_iter(), Some(watch), released);
    stream::unfold(state, |(mut steps, mut watch, mut released)| async move {
        loop {
            match steps.next() {
                Some(Step::Send(bytes)) => return Some((Ok(bytes), (steps, watch, released))),
                Some(Step::Hang) => hang(&mut released).await,
                Some(Step::Reset) => {
                    if let Some(watch) = watch.take() {
                        watch.finished();
                    }
                    let error = std::io::Error::other("cut by the script");
                    return Some((Err(error), (Vec::new().into_iter(), None, released)));
                }
                None => {
                    if let Some(watch) = watch.take() {
                        watch.finished();
                    }
                    return None;
                }
            }
        }
    })
}

fn steps(script: Script, request: &Value) -> Vec<Step> {
    let answer = Answer::new(request);
    match script {
        Script::Echo => {
            let text = last_user_message(request);
            let words = text.split_inclusive(' ').count();
            answer.whole(&text, words)
        }
        Script::Text { text, deltas } => answer.whole(&text, deltas),
        Script::Empty => answer.whole("", 0),
        Script::HangAfter { text } => {
            let mut steps = answer.part(&text);
            steps.push(Step::Hang);
            steps.extend(answer.end(&text));
            steps
        }
        Script::HangWithin { before, after } => {
            let mut steps = answer.part(&before);
            steps.push(Step::Hang);
            steps.extend(answer.part(&after));
            steps.extend(answer.end(&format!("{before}{after}")));
            steps
        }
        Script::CloseAfter { text } => answer.part(&text),
        Script::ResetAfter { text } => {
            let mut steps = answer.part(&text);
            steps.push(Step::Reset);
            steps
        }
        Script::ByteByByte { text } => answer
            .whole(&text, 3)
            .into_iter()
            .flat_map(|step| match step {
                Step::Send(bytes) => (0..bytes.len())
                    .map(|at| Step::Send(bytes.slice(at..=at)))
                    .collect(),
                other => vec![other],
            })
            .collect(),
        Script::ErrorAfter { text, message } => {
            let error = json!({ "error": { "message": message, "type": "mock_error" } });
            if answer.streamed {
                let mut steps = answer.begun(&text);
                steps.push(event(&error.to_string()));
                steps
            } else {
                vec![Step::Send(error.to_string().into())]
            }
        }
        Script::MalformedAfter { text } => {
            let mut steps = answer.begun(&text);
            steps.push(event("{\"choices\": [{]}"));
            steps
        }
        Script::Raw { pieces, .. } => pieces
            .into_iter()
            .map(|piece| Step::Send(piece.into()))
            .collect(),
        Script::Error(_) | Script::HangBeforeAnswer => Vec::new(),
    }
}

/// Writes the answer to one request.
struct Answer<'a> {
    model: &'a str,
    streamed: bool,
    include_usage: bool,
    input_tokens: usize,
}

impl<'a> Answer<'a> {
    fn new(request: &'a Value) -> Self {
        let messages = request["messages"].as_array();
        Self {
            model: request["model"].as_str().unwrap_or("mock-chat"),
            streamed: request["stream"] == true,
            include_usage: request["stream_options"]["include_usage"] == true,
            input_tokens: messages
                .into_iter()
                .flatten()
                .map(|message| words(&text_of(&message["content"])))
                .sum(),
        }
    }

    fn whole(&self, text: &str, deltas: usize) -> Vec<Step> {
        if !self.streamed {
            return vec![Step::Send(self.document(text))];
        }
        let mut steps = vec![self.chunk(&json!({ "role": "assistant", "content": "" }), None)];
        for piece in pieces(text, deltas) {
            steps.push(self.chunk(&json!({ "content": piece }), None));
        }
        steps.extend(self.end(text));
        steps
    }

    /// The beginning of an answer that goes no further than `text`.
    fn part(&self, text: &str) -> Vec<Step> {
        if self.streamed {
            return self.begun(text);
        }
        // Cut within the text, so that what is left is no JSON.
        let document = self.document(text);
        vec![Step::Send(document.slice(..document.len() / 2))]
    }

    fn begun(&self, text: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.streamed && !text.is_empty() {
            steps.push(self.chunk(&json!({ "role": "assistant", "content": text }), None));
        }
        steps
    }

    /// What follows the text of a whole answer, or the other half of a document.
    fn end(&self, text: &str) -> Vec<Step> {
        if !self.streamed {
            let document = self.document(text);
            return vec![Step::Send(document.slice(document.len() / 2..))];
        }
        let mut steps = vec![self.chunk(&json!({}), Some("stop"))];
        if self.include_usage {
            let usage = json!({
                "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 0,
                "model": self.model, "choices": [], "usage": self.usage(text),
            });
            steps.push(event(&usage.to_string()));
        }
        steps.push(event("[DONE]"));
        steps
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Step {
        let chunk = json!({
            "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 0,
            "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
        });
        event(&chunk.to_string())
    }

    fn document(&self, text: &str) -> Bytes {
        json!({
            "id": "chatcmpl-mock", "object": "chat.completion", "created": 0,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": text },
                "finish_reason": "stop",
            }],
            "usage": self.usage(text),
        })
        .to_string()
        .into()
    }

    fn usage(&self, text: &str) -> Value {
        let output = words(text);
        json!({
            "prompt_tokens": self.input_tokens,
            "completion_tokens": output,
            "total_tokens": self.input_tokens + output,
        })
    }
}

fn event(data: &str) -> Step {
    Step::Send(format!("data: {data}\n\n").into())
}

fn last_user_message(request: &Value) -> String {
    let messages = request["messages"].as_array();
    messages
        .into_iter()
        .flatten()
        .rev()
        .find(|message| message["role"] == "user")
        .map(|message| text_of(&message["content"]))
        .unwrap_or_default()
}

/// What a message says: a string, or the first text among its parts.
pub(super) fn text_of(content: &Value) -> String {
    let parts = content.as_array();
    let part = parts.and_then(|parts| parts.iter().find(|part| part["type"] == "text"));
    let text = part.map_or(content, |part| &part["text"]);
    text.as_str().unwrap_or_default().to_owned()
}

/// Words stand for tokens here: they can be counted by eye in a test.
fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// `text` in at most `count` pieces of about equal length.
fn pieces(text: &str, count: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let size = characters.len().div_ceil(count.max(1)).max(1);
    characters
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}

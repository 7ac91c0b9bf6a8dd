//! Chat answers in a provider's own dialect, whole or broken as scripted.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::Response;
use futures_util::stream;
use serde_json::Value;
use tokio::sync::watch;

use super::dialect::{Call, Dialect, Said, words};
use super::obey::obey;
use super::{CutOff, Script, Watch, hang};

/// A request for an answer, as far as its address and body tell.
pub(super) struct Asked<'a> {
    pub dialect: Dialect,
    pub streamed: bool,
    pub model: &'a str,
    pub request: &'a Value,
}

/// Answers a chat request by its script.
pub(super) async fn reply(
    watch: Watch,
    script: Script,
    asked: &Asked<'_>,
    mut released: watch::Receiver<usize>,
) -> Response {
    let script = match script {
        Script::Error(reply) => {
            watch.finished();
            return reply.into_response(asked.dialect);
        }
        Script::HangBeforeAnswer => {
            hang(&mut released).await;
            Script::Echo
        }
        script => script,
    };
    let content_type = match &script {
        Script::Raw { content_type, .. } => content_type.clone(),
        _ if asked.streamed => "text/event-stream".to_owned(),
        _ => "application/json".to_owned(),
    };
    let steps = steps(script, asked);
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

fn steps(script: Script, asked: &Asked<'_>) -> Vec<Step> {
    let answer = Answer::new(asked);
    match script {
        Script::Echo => {
            let text = last_user_message(asked);
            let words = text.split_inclusive(' ').count();
            answer.whole(&text, words)
        }
        Script::Obey => {
            let deed = obey(&asked.dialect.conversation(asked.request));
            let calls = deed.call.map(|name| (name, "{}".to_owned()));
            let calls = calls.into_iter().collect();
            Answer { calls, ..answer }.whole(&deed.text, 3)
        }
        Script::Text { text, deltas } => answer.whole(&text, deltas),
        Script::CutOff { text, by } => {
            let cut_off = Some(by);
            Answer { cut_off, ..answer }.whole(&text, 1)
        }
        Script::Empty => answer.whole("", 0),
        Script::Calls { text, calls } => Answer { calls, ..answer }.whole(&text, 1),
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
            let dialect = asked.dialect;
            if asked.streamed {
                let mut steps = answer.begun(&text);
                steps.push(Step::Send(dialect.error_event(&message)));
                steps
            } else {
                vec![Step::Send(dialect.error(500, &message).to_string().into())]
            }
        }
        Script::MalformedAfter { text } => {
            let mut steps = answer.begun(&text);
            steps.push(Step::Send(asked.dialect.malformed_event()));
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
    asked: &'a Asked<'a>,
    calls: Vec<Call>,
    cut_off: Option<CutOff>,
    include_usage: bool,
    input_tokens: usize,
}

impl<'a> Answer<'a> {
    fn new(asked: &'a Asked<'a>) -> Self {
        let conversation = asked.dialect.conversation(asked.request);
        Self {
            asked,
            calls: Vec::new(),
            cut_off: None,
            include_usage: asked.request["stream_options"]["include_usage"] == true,
            input_tokens: conversation.iter().map(|(_, text)| words(text)).sum(),
        }
    }

    fn said<'b>(&'b self, text: &'b str) -> Said<'b> {
        Said {
            text,
            calls: &self.calls,
            cut_off: self.cut_off,
            model: self.asked.model,
            input_tokens: self.input_tokens,
        }
    }

    fn whole(&self, text: &str, deltas: usize) -> Vec<Step> {
        let (dialect, said) = (self.asked.dialect, self.said(text));
        if !self.asked.streamed {
            return vec![Step::Send(dialect.document(&said))];
        }
        let mut events = dialect.begin(&said);
        let pieces = pieces(text, deltas).into_iter();
        events.extend(pieces.map(|piece| dialect.text(&said, &piece)));
        events.extend(dialect.calls(&said));
        events.extend(dialect.end(&said, self.include_usage));
        events.into_iter().map(Step::Send).collect()
    }

    /// The beginning of an answer that goes no further than `text`.
    fn part(&self, text: &str) -> Vec<Step> {
        if self.asked.streamed {
            return self.begun(text);
        }
        // Cut within the text, so that what is left is no JSON.
        let document = self.asked.dialect.document(&self.said(text));
        vec![Step::Send(document.slice(..document.len() / 2))]
    }

    fn begun(&self, text: &str) -> Vec<Step> {
        if !self.asked.streamed || text.is_empty() {
            return Vec::new();
        }
        vec![Step::Send(self.asked.dialect.text(&self.said(text), text))]
    }

    /// What follows the text of a whole answer, or the other half of a document.
    fn end(&self, text: &str) -> Vec<Step> {
        let (dialect, said) = (self.asked.dialect, self.said(text));
        if !self.asked.streamed {
            let document = dialect.document(&said);
            return vec![Step::Send(document.slice(document.len() / 2..))];
        }
        let events = dialect.end(&said, self.include_usage).into_iter();
        events.map(Step::Send).collect()
    }
}

fn last_user_message(asked: &Asked<'_>) -> String {
    let conversation = asked.dialect.conversation(asked.request).into_iter();
    let mut of_user = conversation.filter(|(role, _)| role == "user");
    of_user
        .next_back()
        .map(|(_, text)| text)
        .unwrap_or_default()
}

/// `text` in at most `count` pieces of about equal length.
pub(super) fn pieces(text: &str, count: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let size = characters.len().div_ceil(count.max(1)).max(1);
    characters
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}

//! An answer as it grows, and what is kept of how it came about.

use std::time::Duration;

use okra_ai::chat::{ChatStream, Finish, Usage};
use okra_domain::Error;
use okra_domain::ErrorKind;
use okra_domain::session::{CitedSource, Message, Outcome};
use okra_domain::tool::{self, CallState, CalledTool, ToolOutcome};
use serde_json::{Map, Value, json};
use url::{Host, Url};

use super::marks::Marks;
use super::used::{Answer, used};
use super::{Running, storable};
use crate::providers::{Again, Begun, Failed};
use crate::retrieve::Passage;
use crate::tokens::{Spent, estimate};

/// A call of the model that has not come to its end, where it tells how many tokens it took.
struct Underway {
    /// Tokens that it was sent, by our estimate.
    sent: usize,
    /// Where in the text its words begin.
    from: usize,
    /// What it has told until now.
    told: Usage,
}

/// The answer so far; what is there when the turn ends is what is stored.
#[derive(Default)]
pub(super) struct Draft {
    /// Without marks.
    pub(super) text: String,
    pub(super) marks: Marks,
    /// The passages that it was given, with the numbers by which a model marks them.
    pub(super) given: Vec<Passage>,
    pub(super) numbers: Vec<u32>,
    /// What the answer rests on, where no model wrote it.
    pub(super) source: Option<CitedSource>,
    pub(super) answered_by: Option<&'static str>,
    /// Whether a passage is likely enough to answer from; `None` until that was looked for.
    pub(super) grounded: Option<bool>,
    /// What was looked up in place of the question.
    pub(super) looked_up: Option<String>,
    pub(super) model: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) tokens: i64,
    /// Those of them that the model wrote.
    pub(super) written: i64,
    /// Why the model's last words ended.
    pub(super) finish: Option<Finish>,
    /// The model's call that is under way.
    underway: Option<Underway>,
    /// Whether some of the tokens are our estimate.
    estimated: bool,
    pub(super) retrieval: Duration,
    pub(super) first_text: Option<Duration>,
    /// Images of the question that the model was shown.
    pub(super) images_seen: usize,
    /// The model that failed before another took its place.
    pub(super) instead_of: Option<Failed>,
    /// The tools that were called, and what came of it.
    pub(super) tool_calls: Vec<CalledTool>,
    pub(super) tool_results: Vec<ToolOutcome>,
    /// Whether a tool gave something to answer with.
    pub(super) served: bool,
    /// Whether a tool had the visitor offered a person.
    pub(super) offers_person: bool,
    /// Whether a tool called a person, as the visitor had asked.
    pub(super) calls_person: bool,
}

impl Draft {
    /// Notes that the model is asked, with so many tokens by our estimate.
    pub(super) fn ask(&mut self, sent: usize) {
        self.finish = None;
        self.underway = Some(Underway {
            sent,
            from: self.text.len(),
            told: Usage::default(),
        });
    }

    /// Notes who has begun to answer; gives what it says, and how it is asked to go on.
    pub(super) fn begun(&mut self, begun: Begun) -> (ChatStream, Again) {
        self.provider = Some(begun.provider);
        self.model = Some(begun.model);
        self.instead_of = begun.instead_of;
        if !begun.sees {
            self.images_seen = 0;
        }
        (begun.stream, begun.again)
    }

    /// Notes that the model did not begin.
    pub(super) fn was_refused(&mut self) {
        self.underway = None;
    }

    /// Notes what the model that is being heard has told of its tokens.
    pub(super) fn hear(&mut self, told: Usage) {
        if let Some(underway) = &mut self.underway {
            underway.told = told;
        }
    }

    /// Counts what a call took that came to its end.
    pub(super) fn count(&mut self, usage: Usage) {
        self.underway = None;
        self.tokens += i64::from(usage.input_tokens) + i64::from(usage.output_tokens);
        self.written += i64::from(usage.output_tokens);
    }

    /// Counts what a call took that is no part of the answer.
    pub(super) fn spend(&mut self, spent: Spent) {
        self.tokens += spent.tokens;
        self.estimated |= spent.estimated;
    }

    /// Counts what a call took that was cut off: what was sent and written until then is paid for. Where the provider
    /// did not tell, by our estimate.
    pub(super) fn count_cut_off(&mut self) {
        let Some(Underway { sent, from, told }) = self.underway.take() else {
            return;
        };
        let number = |tokens: usize| i64::try_from(tokens).unwrap_or(i64::MAX);
        let sent = match told.input_tokens {
            0 => number(sent),
            told => told.into(),
        };
        // Counts that come along the way are late, or no counts at all but a 1.
        let written = number(estimate(self.text.get(from..).unwrap_or_default()));
        let written = written.max(told.output_tokens.into());
        self.tokens += sent + written;
        self.written += written;
        self.estimated = true;
    }

    /// Ends the text; gives what was held back of it.
    pub(super) fn close(&mut self) -> String {
        let rest = self.marks.end();
        self.text.push_str(&rest);
        // What only a mark stood behind is no part of the answer; without marks all of it is.
        if self.marks.has_marks() {
            self.text.truncate(self.text.trim_end().len());
        }
        rest
    }

    /// How well the question was served, where that can be told.
    pub(super) fn outcome(&self, error: Option<&Error>) -> Option<Outcome> {
        let grounded = match self.served {
            true => Some(true),
            false => self.grounded,
        };
        match (error, grounded) {
            (Some(_), _) => Some(Outcome::Failed),
            // The passages looked likely, and the model found no answer in them.
            (None, Some(true)) if self.marks.declined() => Some(Outcome::Unanswered),
            (None, Some(true)) => Some(Outcome::Answered),
            (None, Some(false)) => Some(Outcome::Unanswered),
            (None, None) => None,
        }
    }

    /// Whether a call waits for the visitor.
    pub(super) fn is_waiting(&self) -> bool {
        let waits = |call: &CalledTool| call.state == CallState::AwaitingConfirmation;
        self.tool_calls.iter().any(waits)
    }

    /// Whether the answer is that there is none.
    fn refuses(&self) -> bool {
        self.answered_by == Some("nothing") || self.marks.declined()
    }

    /// What the answer rests on.
    fn rests_on(&self, question: &str) -> Vec<CitedSource> {
        if self.numbers.is_empty() || self.marks.declined() {
            return self.source.iter().cloned().collect();
        }
        used(&Answer {
            question,
            text: &self.text,
            marks: self.marks.cited(),
            numbers: &self.numbers,
            given: &self.given,
        })
    }

    /// What is stored beside the text.
    pub(super) fn metadata(
        &self,
        turn: &Running,
        ended: &str,
        error: Option<&Error>,
    ) -> Map<String, Value> {
        let sources = self.rests_on(&turn.question.text);
        let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let mut metadata = Map::new();
        let mut keep = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
        keep("answered_by", json!(self.answered_by));
        keep("model_used", json!(self.model.is_some()));
        keep("ended", json!(ended));
        keep("outcome", json!(self.outcome(error)));
        keep("sources", sources.iter().map(stored).collect());
        let timings = json!({
            "retrieval": millis(self.retrieval),
            "first_text": self.first_text.map(millis),
            "total": millis(turn.started.elapsed()),
        });
        keep("timings_ms", timings);
        let has_people = turn.chatbot.settings.is_human_handover_enabled;
        let offers_person = self.refuses() || self.offers_person;
        if self.calls_person {
            keep("called_person", json!(true));
        } else if error.is_none() && has_people && offers_person {
            keep("offer_person", json!(true));
        }
        if !self.tool_calls.is_empty() {
            keep(tool::CALLS, json!(self.tool_calls));
            keep(tool::RESULTS, json!(self.tool_results));
        }
        if let Some(looked_up) = &self.looked_up {
            keep("looked_up", json!(looked_up));
        }
        let hosts = self.linked_hosts(&sources);
        if !hosts.is_empty() {
            keep("link_hosts", json!(hosts));
        }
        let proposed = self.marks.proposed();
        if !proposed.is_empty() {
            keep("suggestions", json!(proposed));
        }
        if let Some(word) = self.finish.and_then(cut_off) {
            keep("finish", json!(word));
        }
        if self.tokens > 0 {
            keep("completion_tokens", json!(self.written));
        }
        if self.estimated {
            keep("tokens_estimated", json!(true));
        }
        if turn.images_sent > 0 {
            keep(
                "images",
                json!({"sent": turn.images_sent, "seen": self.images_seen}),
            );
        }
        if let Some(failed) = &self.instead_of {
            let instead_of =
                json!({"model": failed.model, "error": storable(failed.error.clone())});
            keep("instead_of", instead_of);
        }
        if let Some(error) = error {
            let shown = match error.kind {
                ErrorKind::Internal => "an internal error, which the server's log tells",
                _ => error.message.as_str(),
            };
            keep("error", json!(shown));
        }
        metadata
    }

    /// The hosts that the Q&A pairs among the sources link to. Pairs are the operator's own words, so their links are
    /// too; those of documents and pages may be anybody's.
    fn linked_hosts(&self, sources: &[CitedSource]) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        let is_used = |passage: &&Passage| {
            let place = (passage.found.item_id, passage.found.chunk.ordinal);
            sources
                .iter()
                .any(|it| (it.knowledge_id, it.chunk) == place)
        };
        for passage in self.given.iter().filter(is_used) {
            if passage.found.chunk.question.is_some() {
                hosts.extend(hosts_in(&passage.found.chunk.text));
            }
        }
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}

/// The word for an end that the model did not come to by itself.
fn cut_off(finish: Finish) -> Option<&'static str> {
    match finish {
        Finish::Length => Some("length"),
        Finish::Blocked => Some("content_filter"),
        Finish::Stop | Finish::ToolCalls | Finish::Other => None,
    }
}

/// A source as it is stored: without the passage, which is loaded when it is asked for.
fn stored(source: &CitedSource) -> Value {
    json!({
        "knowledge_id": source.knowledge_id,
        "title": source.title,
        "url": source.url,
        "chunk": source.chunk,
        "page": source.page,
        "excerpt": source.excerpt.as_deref().map(|text| storable(text.to_owned())),
        "similarity": source.similarity,
    })
}

/// The passages among `given` that the stored answer rests on, in its order, with their excerpts.
pub fn used_sources(answer: &Message, given: &[CitedSource]) -> Vec<CitedSource> {
    let stored = answer.metadata.get("sources").and_then(Value::as_array);
    let used = stored.into_iter().flatten().filter_map(|it| {
        let id = it["knowledge_id"].as_str()?;
        let is_it = |source: &&CitedSource| {
            source.knowledge_id.to_string() == id && it["chunk"] == source.chunk
        };
        let mut source = given.iter().find(is_it)?.clone();
        source.excerpt = it["excerpt"].as_str().map(str::to_owned);
        Some(source)
    });
    used.collect()
}

/// The hosts of the web addresses that a text names.
pub fn hosts_in(text: &str) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for (at, _) in text.match_indices("://") {
        let scheme = if text[..at].ends_with("https") {
            "https"
        } else {
            "http"
        };
        if !text[..at].ends_with("http") && scheme == "http" {
            continue;
        }
        let rest = &text[at..];
        let ends = |c: char| {
            c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\'' | ')' | ']' | '|' | '`')
        };
        let address = &rest[..rest.find(ends).unwrap_or(rest.len())];
        if let Ok(url) = Url::parse(&format!("{scheme}{address}"))
            && let Some(host) = url.host()
        {
            let host = match host {
                Host::Domain(name) => name.trim_end_matches(['.', ',']).to_owned(),
                other => other.to_string(),
            };
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_out_of_any_text() {
        let check = |text: &str, expected: &[&str]| assert_eq!(hosts_in(text), expected, "{text}");
        check(
            "See https://Shop.example/a?b=c and [here](http://b.example:8080/x).",
            &["shop.example", "b.example"],
        );
        check(
            "<https://a.example> \"https://a.example/2\"",
            &["a.example"],
        );
        check(
            "주소는 https://상점.example/반품 입니다",
            &["xn--hg4bs7k.example"],
        );
        check("ftp://a.example javascript://b.example ://c http://", &[]);
        check("https://user@evil.example/", &["evil.example"]);
    }
}

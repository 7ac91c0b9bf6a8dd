//! The tools that a model calls while it answers: they are carried out, side by side, and the model is asked again with
//! what came of them, a few times at most. What changes something waits for the visitor instead.
//!
//! Whatever a call is (malformed, of no tool, slow, failed, of endless length) it ends in a result that the model can
//! read; only a model that does nothing but call ends the turn.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use okra_ai::chat::{ChatMessage, ChatRequest, Role, ToolCall, ToolChoice};
use okra_ai::error::ProviderError;
use okra_domain::error::Result;
use okra_domain::session::{PLAYGROUND, SenderType};
use okra_domain::tool::{CallState, CalledTool, Contact, ToolOutcome};
use okra_domain::{Error, ErrorKind};
use serde_json::{Map, Value};

use super::answering::MIN_SIMILARITY;
use super::draft::Draft;
use super::wish::wishes_person;
use super::{Running, TurnEvent, provider_error, storable};
use crate::Engine;
use crate::prompt::{Said, found_text, further_numbers, result_text};
use crate::providers::{self, Again};
use crate::retrieve::Passage;
use crate::tokens::estimate;
use crate::tools::{Does, Offer, Tools};

/// The word for an answer that never came, since the model went on calling tools.
pub const TOOL_LOOP: &str = "tool_loop";

/// How often a model may call tools before it has to answer.
const ROUNDS: usize = 5;
/// Calls of one round that are made; others are refused.
const AT_ONCE: usize = 8;
/// The most bytes of a call's arguments.
const ARGUMENTS: usize = 16 * 1024;
/// Characters of a name or of broken arguments that are recorded.
const RECORDED: usize = 200;
/// The least tokens of a result that are worth giving.
const LEAST: usize = 50;

/// What a call gave.
enum Gave {
    Text(String),
    Passages(Vec<Passage>),
    Person,
}

/// What a call came to, or why it failed, in words for the model.
type Came = std::result::Result<Gave, String>;

/// A call, and what is to be done about it.
enum Step<'a> {
    /// It is carried out.
    Make(&'a Offer, Map<String, Value>),
    /// The visitor is asked.
    Wait(&'a Offer, Map<String, Value>),
    /// It is not made, for this reason.
    Refuse(String),
}

/// An answer that has begun with calls.
pub(super) struct Begun<'a> {
    pub(super) tools: &'a Tools,
    pub(super) room: Room,
    /// By which the same model is asked to go on, and with what.
    pub(super) again: Again,
    pub(super) request: ChatRequest,
    /// Tokens of the request, by our estimate.
    pub(super) sent: usize,
    pub(super) calls: Vec<ToolCall>,
}

/// How much of the model's window is left for results.
pub(super) struct Room {
    left: usize,
    /// The most for one of them.
    each: usize,
}

impl Room {
    /// Of this many tokens in all; one result gets half of them at most.
    pub(super) fn of(tokens: usize) -> Self {
        Self {
            left: tokens,
            each: tokens / 2,
        }
    }

    /// The text as far as there is room for it.
    fn take(&mut self, mut text: String) -> String {
        let limit = self.left.min(self.each);
        if limit < LEAST {
            return "(There is no room for more results in this answer.)".to_owned();
        }
        let mut tokens = estimate(&text);
        let is_cut = tokens > limit;
        while tokens > limit {
            let count = text.chars().count() * limit / tokens;
            text = text
                .chars()
                .take(count.min(text.chars().count() - 1))
                .collect();
            tokens = estimate(&text);
        }
        if is_cut {
            text.push_str("\n(The rest was too long and is left out.)");
        }
        self.left = self.left.saturating_sub(tokens);
        text
    }
}

impl Engine {
    /// Makes the calls of an answer that has begun and has the model go on, until it calls nothing more.
    pub(super) async fn go_on(
        &self,
        turn: &Running,
        begun: Begun<'_>,
        draft: &mut Draft,
    ) -> Result<()> {
        let Begun {
            tools,
            mut room,
            mut again,
            mut request,
            mut sent,
            mut calls,
        } = begun;
        let mut said_to = 0;
        for round in 1..=ROUNDS {
            let said = draft
                .text
                .get(said_to..)
                .unwrap_or_default()
                .trim()
                .to_owned();
            said_to = draft.text.len();
            let results = self.call(turn, &calls, (tools, &mut room), draft).await;
            let given = results.iter().map(|result| estimate(&result.content));
            sent += estimate(&said) + given.sum::<usize>();
            request.messages.push(ChatMessage {
                tool_calls: calls,
                ..ChatMessage::new(Role::Assistant, said)
            });
            request.messages.extend(results);
            if round == ROUNDS {
                request.tool_choice = ToolChoice::None;
            }
            draft.ask(sent);
            let stream = match again.ask(request.clone()).await {
                Ok(stream) => stream,
                Err(error) => {
                    let instead = Box::pin(self.go_on_instead(turn, error, &request, draft));
                    let begun = instead.await.map_err(|error| {
                        draft.was_refused();
                        provider_error(error)
                    })?;
                    let (stream, next) = draft.begun(begun);
                    again = next;
                    stream
                }
            };
            draft.marks.go_on(!draft.text.is_empty());
            calls = turn.listen(stream, draft).await?;
            if calls.is_empty() {
                return Ok(());
            }
        }
        if draft.text.len() > said_to {
            return Ok(());
        }
        let message = "The model went on calling tools and wrote no answer.";
        Err(Error::new(ErrorKind::Provider, message).coded(TOOL_LOOP))
    }

    /// Has another model go on where the one that called fails, as long as that said nothing to the visitor and is the
    /// chatbot's own.
    async fn go_on_instead(
        &self,
        turn: &Running,
        error: ProviderError,
        request: &ChatRequest,
        draft: &Draft,
    ) -> std::result::Result<providers::Begun, ProviderError> {
        if !draft.text.is_empty() || draft.instead_of.is_some() {
            return Err(error);
        }
        self.begin_instead(&turn.chatbot, error, request.clone())
            .await
    }

    /// Makes the calls of one round; gives their results in their order.
    async fn call(
        &self,
        turn: &Running,
        calls: &[ToolCall],
        (tools, room): (&Tools, &mut Room),
        draft: &mut Draft,
    ) -> Vec<ChatMessage> {
        let told = tools.told();
        let mut results: Vec<Option<(String, bool)>> = vec![None; calls.len()];
        let mut running = FuturesUnordered::new();
        let first = draft.tool_calls.len();
        for (at, call) in calls.iter().enumerate() {
            let step = match at < AT_ONCE {
                true => step(tools, &told, call, draft.is_waiting()),
                false => Step::Refuse(format!("At most {AT_ONCE} calls at once; call it again.")),
            };
            let record = record(draft, call, &step);
            draft.tool_calls.push(record.clone());
            turn.send(TurnEvent::ToolCall(Box::new(record))).await;
            let made = match step {
                Step::Wait(..) => {
                    let message = "Not done yet. The visitor is now asked to confirm it, and it is done once they \
                                   do. Say in one sentence what they are asked; do not say that it was done.";
                    results[at] = Some((message.to_owned(), false));
                    continue;
                }
                Step::Make(offer, arguments) => Ok((offer, arguments)),
                Step::Refuse(reason) => Err(reason),
            };
            running.push(async move {
                let started = Instant::now();
                let came = match made {
                    Ok((offer, arguments)) => self.make(turn, offer, &arguments).await,
                    Err(reason) => Err(reason),
                };
                (at, came, started.elapsed())
            });
        }
        while let Some((at, came, took)) = running.next().await {
            let call = draft.tool_calls[first + at].clone();
            let (text, failed) = settle(turn, draft, room, &call, (came, took)).await;
            results[at] = Some((text, failed));
        }
        let told = calls.iter().zip(results).map(|(call, result)| {
            let (text, failed) = result.unwrap_or_default();
            ChatMessage::result(call, text, failed)
        });
        told.collect()
    }

    /// Carries out what the visitor confirmed; gives what the model is told of it, and whether it failed.
    pub(super) async fn make_confirmed(
        &self,
        turn: &Running,
        call: &CalledTool,
        (tools, room): (&Tools, &mut Room),
        draft: &mut Draft,
    ) -> (String, bool) {
        let call = CalledTool {
            id: "call_1".to_owned(),
            state: CallState::Called,
            ..call.clone()
        };
        // What was begun is seen to its end, whoever stops the turn meanwhile.
        let acting = turn.acting.lock().await;
        draft.tool_calls.push(call.clone());
        turn.send(TurnEvent::ToolCall(Box::new(call.clone()))).await;
        let started = Instant::now();
        let came = match (tools.named(&call.name), call.arguments.as_object()) {
            (Some(offer), Some(arguments)) => self.make(turn, offer, arguments).await,
            _ => Err("This tool is not there any more.".to_owned()),
        };
        let came = (came, started.elapsed());
        settle(turn, draft, room, &call, came).await;
        drop(acting);
        turn.go_on_unless_stopped().await;
        let outcome = draft.tool_results.last();
        outcome.map_or_else(Default::default, |it| (it.content.clone(), it.failed))
    }

    /// Carries a call out, within its time.
    async fn make(&self, turn: &Running, offer: &Offer, arguments: &Map<String, Value>) -> Came {
        let limit = self.parts.options.tool_time;
        let made = tokio::time::timeout(limit, self.carry_out(turn, offer, arguments)).await;
        let ended = match &made {
            Ok(Ok(_)) => "complete",
            Ok(Err(_)) => "failed",
            Err(_) => "timeout",
        };
        metrics::counter!("okra_tool_calls_total", "ended" => ended).increment(1);
        made.unwrap_or_else(|_| {
            let unknown = match offer.confirm {
                true => " Whether it was done is not known.",
                false => "",
            };
            let seconds = limit.as_secs();
            Err(format!(
                "The tool did not answer within {seconds} seconds.{unknown}"
            ))
        })
    }

    async fn carry_out(
        &self,
        turn: &Running,
        offer: &Offer,
        arguments: &Map<String, Value>,
    ) -> Came {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        match &offer.does {
            Does::SearchKnowledge => {
                let query = text("query")
                    .map(str::trim)
                    .filter(|query| !query.is_empty());
                let query = query.ok_or("The argument query is needed, as a string.")?;
                let query: String = query.chars().take(QUERY_CHARS).collect();
                let limit = self.parts.options.passages;
                let found = self
                    .retrieve(&turn.chatbot, &query, limit, MIN_SIMILARITY)
                    .await;
                let found = found.map_err(|error| {
                    tracing::warn!(%error, "a model's search failed");
                    "The search failed.".to_owned()
                })?;
                Ok(Gave::Passages(found.passages))
            }
            Does::AskForPerson => Ok(Gave::Person),
            Does::RecordContact => {
                let contact = Contact::parse(text("name"), text("email"), text("phone"));
                let contact = contact.map_err(|error| in_words(&error))?;
                let of_visitor = turn
                    .history
                    .iter()
                    .filter(|said| said.by == SenderType::User);
                let said = of_visitor.map(|said| said.text.as_str());
                if let Some(field) = contact.not_said_in(said.chain([turn.question.text.as_str()]))
                {
                    return Err(format!(
                        "The visitor did not write this {field} in this conversation; ask for it."
                    ));
                }
                let (chatbot, session) = (&turn.chatbot, turn.open.session.id);
                let recorded = self
                    .parts
                    .store
                    .record_contact(chatbot, session, contact)
                    .await;
                recorded.map_err(|error| {
                    tracing::error!(%error, %session, "contact details were not recorded");
                    "It could not be recorded.".to_owned()
                })?;
                Ok(Gave::Text("Recorded.".to_owned()))
            }
            Does::Action(action) => self.act(action, arguments).await.map(Gave::Text),
            Does::Served(server, tool) => {
                let organization = turn.chatbot.organization_id;
                let called = self.call_served(organization, (server, tool), arguments);
                called.await.map(Gave::Text)
            }
        }
    }
}

/// Characters of a query that are looked up.
const QUERY_CHARS: usize = 1_000;

/// A broken rule, for a model.
fn in_words(error: &Error) -> String {
    match error.details.first() {
        Some(problem) => format!("{} {}", problem.field, problem.problem),
        None => error.message.clone(),
    }
}

/// What is to be done about a call.
fn step<'a>(
    tools: &'a Tools,
    told: &[okra_ai::chat::Tool],
    call: &ToolCall,
    is_waiting: bool,
) -> Step<'a> {
    if call.arguments.len() > ARGUMENTS {
        return Step::Refuse("The arguments are longer than 16 KB.".to_owned());
    }
    let arguments = match call.arguments_for(told) {
        Ok(arguments) => arguments,
        Err(fault) => return Step::Refuse(cut(&fault.to_string(), 2_000)),
    };
    let Some(offer) = tools.named(&call.name) else {
        return Step::Refuse("There is no such tool.".to_owned());
    };
    let arguments = storable_map(arguments);
    if !offer.confirm {
        return Step::Make(offer, arguments);
    }
    // Nobody is asked to confirm what cannot be done.
    let fault = match &offer.does {
        Does::Action(action) => action.fault_of(&arguments),
        _ => None,
    };
    match fault {
        Some(fault) => Step::Refuse(fault),
        // With their next message the others would lapse.
        None if is_waiting => {
            Step::Refuse("The visitor is asked something already; wait for the answer.".to_owned())
        }
        None => Step::Wait(offer, arguments),
    }
}

/// The call as it is recorded. Its id is ours: a provider's need not tell an answer's calls apart.
fn record(draft: &Draft, call: &ToolCall, step: &Step<'_>) -> CalledTool {
    let (title, arguments, state) = match step {
        Step::Make(offer, arguments) => (&offer.title, arguments.clone().into(), CallState::Called),
        Step::Wait(offer, arguments) => (
            &offer.title,
            arguments.clone().into(),
            CallState::AwaitingConfirmation,
        ),
        Step::Refuse(_) => {
            let written = Value::String(storable(cut(&call.arguments, RECORDED)));
            (&call.name, written, CallState::Called)
        }
    };
    CalledTool {
        id: format!("call_{}", draft.tool_calls.len() + 1),
        name: storable(cut(&call.name, RECORDED)),
        title: storable(cut(title, RECORDED)),
        arguments,
        state,
    }
}

impl Running {
    /// Whether the visitor asked for a person, just now or a message before. Nobody waits in a builder's trial.
    fn wishes_person(&self) -> bool {
        let of_visitor = |said: &&Said| said.by == SenderType::User;
        let before = self.history.iter().rev().find(of_visitor);
        self.open.session.platform != PLAYGROUND
            && (wishes_person(&self.question.text)
                || before.is_some_and(|said| wishes_person(&said.text)))
    }
}

/// Records what a call came to, and tells of it; gives what the model is told, and whether it failed.
async fn settle(
    turn: &Running,
    draft: &mut Draft,
    room: &mut Room,
    call: &CalledTool,
    (came, took): (Came, Duration),
) -> (String, bool) {
    let failed = came.is_err();
    let (content, told) = match came {
        Ok(Gave::Passages(passages)) => {
            let told = add_passages(turn, draft, room, passages).await;
            (told.clone(), told)
        }
        Ok(Gave::Person) => {
            let called = turn.wishes_person();
            draft.calls_person |= called;
            draft.offers_person |= !called;
            let told = match called {
                true => {
                    "A person takes this conversation over after your answer, and you say nothing more in it. Say in one \
                     short sentence that a person will answer here."
                }
                false => {
                    "The visitor is now shown a button that brings a person. Say so in one sentence."
                }
            };
            (told.to_owned(), told.to_owned())
        }
        Ok(Gave::Text(text)) | Err(text) => {
            draft.served |= !failed;
            let text = room.take(storable(text));
            let told = result_text(&text, &turn.fence);
            (text, told)
        }
    };
    let outcome = ToolOutcome {
        tool_call_id: call.id.clone(),
        name: call.name.clone(),
        content,
        failed,
        milliseconds: (took.as_secs_f64() * 1e6).round() / 1e3,
    };
    draft.tool_results.push(outcome.clone());
    turn.send(TurnEvent::ToolResult(Box::new(outcome))).await;
    (told, failed)
}

/// Gives the answer passages that were found for it later; in the form in which the model reads them.
async fn add_passages(
    turn: &Running,
    draft: &mut Draft,
    room: &mut Room,
    found: Vec<Passage>,
) -> String {
    if found.is_empty() {
        return "Nothing was found.".to_owned();
    }
    if found.iter().any(|passage| passage.answers) {
        draft.grounded = Some(true);
    }
    let place = |passage: &Passage| (passage.found.item_id, passage.found.chunk.ordinal);
    let mut numbered = Vec::with_capacity(found.len());
    let further: Vec<u32> = further_numbers(&draft.numbers, &found, &turn.question.text)
        .take(found.len())
        .collect();
    let mut further = further.into_iter();
    for passage in found {
        let known = draft
            .given
            .iter()
            .position(|given| place(given) == place(&passage));
        let number = match known.and_then(|at| draft.numbers.get(at)) {
            Some(number) => *number,
            None => {
                let Some(number) = further.next() else { break };
                draft.numbers.push(number);
                draft.given.push(passage.clone());
                number
            }
        };
        numbered.push((number, passage));
    }
    draft.marks.also(&draft.numbers);
    let sources = draft.given.iter().map(Passage::cited).collect();
    turn.send(TurnEvent::Sources(sources)).await;
    let text = found_text(&numbered, room.left.min(room.each), &turn.fence);
    room.left = room.left.saturating_sub(estimate(&text));
    storable(text)
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// The arguments without U+0000, which Postgres keeps in no JSON.
fn storable_map(map: Map<String, Value>) -> Map<String, Value> {
    let entries = map.into_iter();
    entries
        .map(|(key, value)| (storable(key), storable_value(value)))
        .collect()
}

fn storable_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(storable(text)),
        Value::Array(values) => values.into_iter().map(storable_value).collect(),
        Value::Object(map) => Value::Object(storable_map(map)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_get_as_much_room_as_there_is() {
        let mut room = Room::of(400);
        assert_eq!(room.take("short".to_owned()), "short");
        let long = room.take("a".repeat(1_000_000));
        let (kept, note) = long.split_once('\n').expect("a note");
        assert_eq!(kept.len(), 800);
        assert!(note.contains("left out"));
        let korean = room.take("가".repeat(5_000));
        assert_eq!(korean.chars().filter(|c| *c == '가').count(), 198);
        assert!(room.take("more".to_owned()).contains("no room"));
    }

    #[test]
    fn what_cannot_be_stored_is_replaced() {
        let map = serde_json::json!({"a\0": ["b\0", {"c": "d\0"}], "n": 1});
        let Value::Object(map) = map else {
            panic!("an object")
        };
        let expected = serde_json::json!({"a\u{fffd}": ["b\u{fffd}", {"c": "d\u{fffd}"}], "n": 1});
        assert_eq!(Value::Object(storable_map(map)), expected);
    }
}

//! Who answers, and from what: passages are looked up, and then a pair is given word for word, the model writes, the
//! best passage's sentences are taken, or it is said that there is no answer.

use okra_ai::chat::{ChatDelta, ChatRequest, ChatStream, ToolCall};
use okra_domain::error::Result;
use okra_domain::tool::CalledTool;
use okra_domain::{Error, ErrorKind};
use okra_search::language_of;

use super::calling::{Begun, Room};
use super::draft::Draft;
use super::followup::{self, Lookup};
use super::marks::Marks;
use super::used::cited;
use super::{Running, TurnEvent, budget, provider_error, refusal, storable};
use crate::extractive::{self, Kind};
use crate::prompt::{self, Asked, Done};
use crate::providers::First;
use crate::retrieve::Passage;
use crate::tools::Tools;
use crate::{Engine, Fallback};

/// The lowest similarity of a passage that a model is given.
pub(super) const MIN_SIMILARITY: f32 = 0.05;
/// From this similarity on, a pair's answer is given in place of a model's: more than where no model answers, which
/// has nothing better to give.
const VERBATIM_SIMILARITY: f32 = 0.75;

impl Engine {
    /// Answers the turn's question into `draft`, and sends the events on the way.
    pub(super) async fn generate(&self, turn: &Running, draft: &mut Draft) -> Result<()> {
        let first = self.first(&turn.chatbot)?;
        if first.is_none() && self.parts.options.fallback == Fallback::Error {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "No model provider is configured. Set one for the organization (PUT \
                 /api/external/providers/NAME), or OPENAI_API_KEY, or OPENAI_BASE_URL for \
                 another server, or OKRA_LLM_FALLBACK=extractive.",
            ));
        }
        if let Some(call) = &turn.confirmed {
            return Box::pin(self.answer_confirmed(turn, first, call, draft)).await;
        }
        let passages = Box::pin(self.look_up(turn, first.as_ref(), draft)).await?;
        draft.retrieval = turn.started.elapsed();
        let grounded = passages.iter().any(|passage| passage.answers);
        draft.grounded = (!turn.question.text.is_empty()).then_some(grounded);
        let answering = &turn.chatbot.settings.answering;
        match first {
            Some(_) if answering.knowledge_only && !grounded => {
                turn.answer_nothing(draft).await;
                Ok(())
            }
            Some(first) => match verbatim(turn, &passages) {
                Some(pair) => {
                    let text = pair.found.chunk.text.clone();
                    turn.answer_from(pair, text, "qna", draft).await;
                    Ok(())
                }
                None => {
                    let tools = self.tools_of(&turn.chatbot).await?;
                    let asking = Asking {
                        first,
                        passages,
                        room: self.room_for(turn, &tools),
                        tools,
                        done: None,
                    };
                    self.ask_model(turn, asking, draft).await
                }
            },
            None => {
                let verbatim = answering.verbatim.unwrap_or(true);
                let asked = draft.looked_up.as_ref().unwrap_or(&turn.question.text);
                match (
                    extractive::answer(asked, &passages, verbatim),
                    passages.first(),
                ) {
                    (Some(extract), Some(best)) => {
                        let by = match extract.kind {
                            Kind::Pair => "qna",
                            Kind::Passage => "passage",
                        };
                        turn.answer_from(best, extract.text, by, draft).await;
                    }
                    _ => turn.answer_nothing(draft).await,
                }
                Ok(())
            }
        }
    }

    /// The passages for the question, or for what it means after what was said before. Only a question that leans on
    /// that costs more than one search.
    async fn look_up(
        &self,
        turn: &Running,
        first: Option<&First>,
        draft: &mut Draft,
    ) -> Result<Vec<Passage>> {
        let (chatbot, question) = (&turn.chatbot, turn.question.text.as_str());
        if question.is_empty() {
            return Ok(Vec::new()); // images alone
        }
        let limit = self.parts.options.passages;
        let find = |text: String| async move {
            let found = self.retrieve(chatbot, &text, limit, MIN_SIMILARITY).await;
            found.map(|found| found.passages)
        };
        match followup::lookup(question, &turn.history) {
            Lookup::Asked => find(question.to_owned()).await,
            Lookup::Both(carried) => {
                let (asked, with_before) =
                    tokio::try_join!(find(question.to_owned()), find(carried.clone()))?;
                let best = |found: &[Passage]| found.first().map_or(0.0, |it| it.similarity);
                if best(&with_before) > best(&asked) {
                    draft.looked_up = Some(carried);
                }
                Ok(followup::merged(asked, with_before, limit))
            }
            Lookup::Carried(carried) => {
                let written = match first {
                    // Whether the model is asked at all is told by what is found.
                    _ if chatbot.settings.answering.knowledge_only => None,
                    Some(Ok(chosen)) => {
                        let (history, fence) = (&turn.history, &turn.fence);
                        let asked = followup::written_out(chosen, question, history, fence);
                        let (written, spent) = asked.await;
                        draft.spend(spent);
                        written
                    }
                    _ => None,
                };
                let text = written.unwrap_or(carried);
                draft.looked_up = Some(text.clone());
                find(text).await
            }
        }
    }

    /// Carries out what the visitor confirmed, and has the model tell what came of it.
    async fn answer_confirmed(
        &self,
        turn: &Running,
        first: Option<First>,
        call: &CalledTool,
        draft: &mut Draft,
    ) -> Result<()> {
        let Some(first) = first else {
            let message = "No model provider is configured any more, so nothing was done.";
            return Err(Error::new(ErrorKind::Unavailable, message));
        };
        let tools = self.tools_of(&turn.chatbot).await?;
        let mut room = self.room_for(turn, &tools);
        let made = self.make_confirmed(turn, call, (&tools, &mut room), draft);
        let (result, failed) = made.await;
        let asking = Asking {
            first,
            passages: Vec::new(),
            room,
            tools,
            done: Some((call.title.clone(), result, failed)),
        };
        self.ask_model(turn, asking, draft).await
    }

    /// The share of a prompt that is kept for what tools give: a third.
    fn room_for(&self, turn: &Running, tools: &Tools) -> Room {
        let models = [turn.chatbot.settings.model.as_str()];
        let budget = budget::of_prompt(&self.parts.options, &turn.chatbot, &models);
        Room::of(if tools.is_empty() { 0 } else { budget / 3 })
    }

    async fn ask_model(&self, turn: &Running, asking: Asking, draft: &mut Draft) -> Result<()> {
        let options = &self.parts.options;
        let chatbot = &turn.chatbot;
        let Asking {
            first,
            passages,
            tools,
            room,
            done,
        } = asking;
        draft.answered_by = Some("model");
        draft.model = Some(chatbot.settings.model.clone());
        draft.provider = first.as_ref().ok().map(|it| it.provider.clone());
        let own = first.as_ref().ok().map(|it| it.model.as_str());
        let models = [own, crate::providers::stand_in(chatbot)];
        let models: Vec<&str> = models.into_iter().flatten().collect();
        let (memory, history) = self.memories.of(turn.open.session.id, &turn.history);
        if let Some(memory) = &memory {
            draft.spend(memory.take_spent());
        }
        let budget = budget::of_prompt(options, chatbot, &models);
        let prompt = prompt::build(&Asked {
            chatbot,
            passages: &passages,
            history,
            summary: memory.as_ref().and_then(|it| it.text()),
            question: &turn.question,
            budget: match tools.is_empty() {
                true => budget,
                false => (budget - budget / 3).saturating_sub(tools.tokens()),
            },
            fence: &turn.fence,
            tools: !tools.is_empty(),
            done: done.as_ref().map(|(title, result, failed)| Done {
                title,
                result,
                failed: *failed,
            }),
        });
        let given = passages.iter().take(prompt.numbers.len());
        let sources = given.clone().map(Passage::cited).collect();
        draft.given = given.cloned().collect();
        draft.marks = Marks::new(
            prompt.numbers.clone(),
            chatbot.settings.answering.follow_ups,
        );
        draft.numbers = prompt.numbers;
        let sent = prompt.tokens + tools.tokens();
        turn.send(TurnEvent::Sources(sources)).await;
        let messages = Box::pin(self.shown(chatbot, prompt.lines)).await?;
        draft.images_seen = messages.last().map_or(0, |asked| asked.images.len());
        let request = ChatRequest {
            messages,
            max_output_tokens: budget::of_answer(options, chatbot),
            tools: tools.told(),
            ..ChatRequest::default()
        };
        // Only where the model may come back to it.
        let kept = (!tools.is_empty()).then(|| request.clone());
        draft.ask(sent);
        let begun = Box::pin(self.begin_answer(chatbot, first, request)).await;
        let begun = begun.map_err(|error| {
            draft.was_refused();
            provider_error(error)
        })?;
        let (stream, again) = draft.begun(begun);
        let calls = turn.listen(stream, draft).await?;
        if let (Some(request), false) = (kept, calls.is_empty()) {
            let begun = Begun {
                tools: &tools,
                room,
                again,
                request,
                sent,
                calls,
            };
            Box::pin(self.go_on(turn, begun, draft)).await?;
        }
        turn.end_of_model(draft).await
    }
}

/// What a model is asked with.
struct Asking {
    first: First,
    passages: Vec<Passage>,
    tools: Tools,
    room: Room,
    /// What was carried out before: what people are shown for it, what came of it, and whether it failed.
    done: Option<(String, String, bool)>,
}

/// The pair that is given word for word in place of the model's answer, where the chatbot wants that. Not in a language
/// that the visitor did not ask in.
fn verbatim<'a>(turn: &Running, passages: &'a [Passage]) -> Option<&'a Passage> {
    if turn.chatbot.settings.answering.verbatim != Some(true) {
        return None;
    }
    let best = passages.first()?;
    let is_pair = best.found.chunk.question.is_some();
    let asked = refusal::language(&turn.question.text, &turn.history);
    let written = language_of(&best.found.chunk.text);
    let understood = asked.is_none() || written.is_none() || asked == written;
    (is_pair && best.similarity >= VERBATIM_SIMILARITY && understood).then_some(best)
}

impl Running {
    /// Passes on what the model writes, up to its end; gives the tools that it called.
    pub(super) async fn listen(
        &self,
        mut stream: ChatStream,
        draft: &mut Draft,
    ) -> Result<Vec<ToolCall>> {
        let mut calls = Vec::new();
        while let Some(delta) = stream.next().await {
            draft.hear(stream.usage());
            match delta.map_err(provider_error)? {
                ChatDelta::Text(text) => {
                    let text = draft.marks.push(&storable(text));
                    self.say(text, draft).await;
                }
                ChatDelta::ToolCall(call) => calls.push(call),
                ChatDelta::Done {
                    usage,
                    model,
                    finish,
                } => {
                    draft.count(usage);
                    draft.finish = Some(finish);
                    draft.model = model.map(storable).or(draft.model.take());
                    return Ok(calls);
                }
            }
        }
        Err(Error::new(
            ErrorKind::Provider,
            "The model provider's answer broke off.",
        ))
    }

    /// Sends more of the answer.
    async fn say(&self, text: String, draft: &mut Draft) {
        if text.is_empty() {
            return;
        }
        let now = || self.started.elapsed();
        draft.first_text.get_or_insert_with(now);
        draft.text.push_str(&text);
        self.send(TurnEvent::Delta(text)).await;
    }

    /// Answers with the words of a passage.
    async fn answer_from(
        &self,
        passage: &Passage,
        text: String,
        by: &'static str,
        draft: &mut Draft,
    ) {
        draft.answered_by = Some(by);
        let source = cited(passage, &text, &self.question.text);
        draft.given = vec![passage.clone()];
        draft.source = Some(source.clone());
        self.send(TurnEvent::Sources(vec![source])).await;
        self.say(text, draft).await;
    }

    /// Says that there is no answer.
    async fn answer_nothing(&self, draft: &mut Draft) {
        draft.answered_by = Some("nothing");
        self.send(TurnEvent::Sources(Vec::new())).await;
        let text = self.dont_know();
        self.say(text, draft).await;
    }

    fn dont_know(&self) -> String {
        let language = refusal::language(&self.question.text, &self.history);
        let settings = &self.chatbot.settings;
        let offers_person = settings.answering.knowledge_only && settings.is_human_handover_enabled;
        refusal::dont_know(language, offers_person)
    }

    /// What a model's answer ends with. One of nothing but the mark that there is no answer is put in words.
    async fn end_of_model(&self, draft: &mut Draft) -> Result<()> {
        let rest = draft.close();
        if !rest.is_empty() {
            let now = || self.started.elapsed();
            draft.first_text.get_or_insert_with(now);
            self.send(TurnEvent::Delta(rest)).await;
        }
        if !draft.text.is_empty() {
            return Ok(());
        }
        if draft.marks.declined() {
            let text = self.dont_know();
            self.say(text, draft).await;
            return Ok(());
        }
        let message = "The model wrote no answer, or called a tool where none was offered.";
        Err(Error::new(ErrorKind::Provider, message))
    }
}

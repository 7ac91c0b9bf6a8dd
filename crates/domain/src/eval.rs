//! Evals: questions with what must be found for them, how a chatbot did, and whether it does better
//! or worse than before.

mod jsonl;
mod matching;

use serde::{Deserialize, Serialize};

use crate::chatbot::at_most;
use crate::error::{Error, Result};
use crate::knowledge::{FoundChunk, MAX_QUESTION_CHARS, MAX_TITLE_CHARS};
use crate::{ChatbotId, EvalId, EvalRunId, ItemId, Timestamp};

pub use jsonl::{parse_questions, write_questions};

/// Questions of one set at most.
pub const MAX_QUESTIONS: usize = 1_000;
/// Sets of one chatbot at most.
pub const MAX_SETS: i64 = 100;
/// Runs of one set that are kept; the oldest goes.
pub const KEPT_RUNS: usize = 20;
/// Passages looked at for a question: a right one beyond them counts as not found.
pub const DEPTH: usize = 10;
/// The most characters of an expected passage.
pub const MAX_PASSAGE_CHARS: usize = 2_000;
/// The most characters of expected answer words.
pub const MAX_ANSWER_WORDS_CHARS: usize = 500;
/// Characters kept of a passage that came first.
const SHOWN_CHARS: usize = 300;

/// A question with what is expected: a right passage is one of which all that is given holds. A
/// question that must not be answered expects a refusal, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = EvalQuestion))]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked, at most 2,000 characters.
    pub question: String,
    /// The id or the title of the item that the passage must come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Text that the passage must hold, whatever its spaces and case; at most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<String>,
    /// Words that the passage must hold, in any order and case; at most 500 characters. Words of
    /// Latin letters and digits are found whole, others also within longer words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// `refusal` where nothing may be found that would be answered from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expected>,
}

/// What is expected in place of a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// That the chatbot says it does not know.
    Refusal,
}

impl Question {
    /// Whether the question must not be answered.
    pub fn expects_refusal(&self) -> bool {
        self.expect.is_some()
    }

    /// Checks every rule; a problem's field is named as it stands in a question.
    pub fn check(&self) -> Result<()> {
        filled("question", &self.question, MAX_QUESTION_CHARS)?;
        let given = [
            ("item", &self.item, MAX_TITLE_CHARS),
            ("passage", &self.passage, MAX_PASSAGE_CHARS),
            ("answer", &self.answer, MAX_ANSWER_WORDS_CHARS),
        ];
        for (field, text, limit) in given {
            if let Some(text) = text {
                filled(field, text, limit)?;
                if self.expects_refusal() {
                    let problem = "a question that expects a refusal expects nothing else";
                    return Err(Error::invalid_field(field, problem));
                }
            }
        }
        if !self.expects_refusal() && given.iter().all(|(_, text, _)| text.is_none()) {
            let problem = "say what is expected: an \"item\", a \"passage\" or \"answer\" words, \
                           or \"expect\": \"refusal\"";
            return Err(Error::invalid_field("expect", problem));
        }
        Ok(())
    }

    /// Whether `found` is a right passage.
    pub fn is_met_by(&self, found: &FoundChunk) -> bool {
        !self.expects_refusal() && matching::holds(self, found)
    }
}

fn filled(field: &str, text: &str, limit: usize) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid_field(field, "must not be empty"));
    }
    at_most(field, text, limit)
}

/// Checks the questions of a set: 1 to 1,000, none twice, each by [`Question::check`]. A problem's
/// field is named by `place`, such as `questions[3]`, counted from 0.
pub fn check_questions(questions: &[Question], place: impl Fn(usize) -> String) -> Result<()> {
    if questions.is_empty() || questions.len() > MAX_QUESTIONS {
        let problem = format!("must hold 1 to {MAX_QUESTIONS} questions");
        return Err(Error::invalid_field("questions", problem));
    }
    let mut known = std::collections::HashMap::with_capacity(questions.len());
    for (index, question) in questions.iter().enumerate() {
        question.check().map_err(|error| {
            let problem = error.details.into_iter().next();
            match problem {
                Some(it) => {
                    Error::invalid_field(format!("{}.{}", place(index), it.field), it.problem)
                }
                None => Error::invalid_field(place(index), error.message),
            }
        })?;
        if let Some(first) = known.insert(question.question.trim(), index) {
            let problem = format!("asks what {} asks already", place(first));
            return Err(Error::invalid_field(place(index), problem));
        }
    }
    Ok(())
}

/// Checks a set's name: a single line of 1 to 100 characters, trimmed.
pub fn parse_set_name(name: &str) -> Result<String> {
    crate::account::parse_name("name", name)
}

/// A chatbot's questions under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalSet {
    /// Its id.
    pub id: EvalId,
    /// Whose it is.
    pub chatbot_id: ChatbotId,
    /// Its name, unique in the chatbot.
    pub name: String,
    /// Its questions, checked.
    pub questions: Vec<Question>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its name or its questions last changed.
    pub updated_at: Timestamp,
}

/// One going through of a set's questions.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalRun {
    /// Its id.
    pub id: EvalRunId,
    /// The set it went through.
    pub eval_id: EvalId,
    /// How the chatbot did.
    pub scores: Scores,
    /// How it did with each question, in the set's order; empty where only the scores were loaded.
    pub results: Vec<QuestionResult>,
    /// How long it took, in microseconds.
    pub took_micros: i64,
    /// When it ended.
    pub created_at: Timestamp,
}

/// How a chatbot did with one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = EvalResult))]
pub struct QuestionResult {
    /// The question as it was then.
    #[serde(flatten)]
    pub question: Question,
    /// The place of the first right passage, from 1 to 10; null where none was found.
    pub rank: Option<u32>,
    /// Whether no passage was likely enough to answer from, so that the chatbot says it does not
    /// know.
    pub refused: bool,
    /// Whether that is as expected: a right passage was found, or a refusal was due and came.
    pub right: bool,
    /// The passage that came first; null where nothing was found.
    pub first: Option<FirstPassage>,
    /// Why the embedder or the reranker had no part in this, though it should have had one; null where it had.
    pub warning: Option<String>,
}

/// A passage that came first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FirstPassage {
    /// The knowledge item.
    #[cfg_attr(feature = "openapi", schema(value_type = uuid::Uuid))]
    pub knowledge_id: ItemId,
    /// The item's title.
    pub title: String,
    /// The chunk's number in the item, from 1.
    pub chunk: u32,
    /// The document's page, from 1, where it has pages.
    pub page: Option<u32>,
    /// How likely it is the right one, 0 to 1.
    pub similarity: f32,
    /// How its text begins, 300 characters at most.
    pub content: String,
}

impl FirstPassage {
    /// The passage, cut to what is shown of it.
    pub fn of(found: &FoundChunk, similarity: f32) -> Self {
        Self {
            knowledge_id: found.item_id,
            title: found.title.clone(),
            chunk: found.chunk.ordinal,
            page: found.chunk.page,
            similarity,
            content: found.chunk.text.chars().take(SHOWN_CHARS).collect(),
        }
    }
}

impl QuestionResult {
    /// What finding `found` (best first, with similarities) for a question comes to; `refused` where
    /// none of them is likely enough to answer from.
    pub fn of(question: Question, found: &[(&FoundChunk, f32)], refused: bool) -> Self {
        let rank = found
            .iter()
            .take(DEPTH)
            .position(|(found, _)| question.is_met_by(found))
            .and_then(|place| u32::try_from(place + 1).ok());
        let right = match question.expects_refusal() {
            true => refused,
            false => rank.is_some(),
        };
        let first = found.first();
        Self {
            question,
            rank,
            refused,
            right,
            first: first.map(|(found, similarity)| FirstPassage::of(found, *similarity)),
            warning: None,
        }
    }

    /// How this result stands to an earlier one of the same question.
    pub fn since(&self, earlier: &Self) -> Change {
        // The place counts first; among equal places, whether the passage is answered from.
        let standing = |result: &Self| {
            let place = result.rank.map_or(0, |rank| DEPTH as u32 + 1 - rank);
            match result.question.expects_refusal() {
                true => (0, result.refused),
                false => (place, !result.refused),
            }
        };
        match standing(self).cmp(&standing(earlier)) {
            std::cmp::Ordering::Greater => Change::Better,
            std::cmp::Ordering::Less => Change::Worse,
            std::cmp::Ordering::Equal => Change::Unchanged,
        }
    }
}

/// How a question did since the run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = EvalChange))]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Its passage came further up, or a refusal that is due came.
    Better,
    /// Its passage came further down or went, or a refusal that is due did not come.
    Worse,
    /// As before.
    Unchanged,
    /// The run before did not ask it, or expected something else.
    New,
}

/// For each of `results`, the same question's result of an earlier run, where it is the same in all
/// that is expected.
pub fn earlier_results<'a>(
    results: &[QuestionResult],
    earlier: &'a [QuestionResult],
) -> Vec<Option<&'a QuestionResult>> {
    let known: std::collections::HashMap<&str, &QuestionResult> = earlier
        .iter()
        .map(|result| (result.question.question.as_str(), result))
        .collect();
    let same = |result: &QuestionResult| {
        let before = known.get(result.question.question.as_str());
        before.copied().filter(|it| it.question == result.question)
    };
    results.iter().map(same).collect()
}

/// How a chatbot did with a set. Shares are from 0 to 1, and null where there is nothing to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = EvalScores))]
pub struct Scores {
    /// Questions with an answer that is to be found.
    pub answerable: u32,
    /// The share of them whose right passage came first.
    pub found_at_1: Option<f64>,
    /// The share of them with a right passage among the first five.
    pub found_at_5: Option<f64>,
    /// The share of them with a right passage among the first ten.
    pub found_at_10: Option<f64>,
    /// The mean of one divided by the right passage's place, zero beyond the first ten.
    pub mrr_at_10: Option<f64>,
    /// How many of them the chatbot says it does not know, since no passage is likely enough.
    pub refused_wrongly: u32,
    /// Questions that must not be answered.
    pub unanswerable: u32,
    /// The share of them that are refused.
    pub refusals_right: Option<f64>,
    /// Questions of both kinds for which the embedder or the reranker failed, so that it had no part in what was found.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub impaired: u32,
}

impl Scores {
    /// Counts results.
    pub fn of(results: &[QuestionResult]) -> Self {
        let (due, wanted): (Vec<_>, Vec<_>) = results
            .iter()
            .partition(|result| result.question.expects_refusal());
        let share = |count: usize, of: usize| (of > 0).then(|| count as f64 / of as f64);
        let within = |depth: u32| {
            let found = |result: &&&QuestionResult| result.rank.is_some_and(|rank| rank <= depth);
            share(wanted.iter().filter(found).count(), wanted.len())
        };
        let ranks = wanted.iter().filter_map(|result| result.rank);
        // No `sum`: that of no numbers is -0.
        let reciprocals = ranks.fold(0.0, |sum, rank| sum + 1.0 / f64::from(rank));
        let refused = |result: &&&QuestionResult| result.refused;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            answerable: count(wanted.len()),
            found_at_1: within(1),
            found_at_5: within(5),
            found_at_10: within(10),
            mrr_at_10: (!wanted.is_empty()).then(|| reciprocals / wanted.len() as f64),
            refused_wrongly: count(wanted.iter().filter(refused).count()),
            unanswerable: count(due.len()),
            refusals_right: share(due.iter().filter(refused).count(), due.len()),
            impaired: count(results.iter().filter(|it| it.warning.is_some()).count()),
        }
    }
}

#[cfg(test)]
mod tests;

//! Evals: how a chatbot's retrieval, which its answers rest on, does with a set of questions; and a
//! first set drafted from what is there.

use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::eval::{
    DEPTH, EvalRun, EvalSet, MAX_ANSWER_WORDS_CHARS, MAX_PASSAGE_CHARS, Question, QuestionResult,
    Scores,
};
use okra_domain::knowledge::{ItemKind, Source};
use okra_domain::{Error, EvalRunId, PageRequest};
use okra_store::knowledge::ItemFilter;

use crate::Engine;
use crate::retrieve::Found;

/// Questions looked for at the same time: enough to hide a remote embedder's delay, few enough that
/// visitors hardly notice.
const AT_ONCE: usize = 4;
/// Questions drafted from Q&A pairs, and from past questions, at most.
const DRAFTED: u32 = 100;

impl Engine {
    /// Goes through a set's questions and stores the run; `progress` is told after each question how
    /// many are done. Nothing is asked of a model: what is measured is what answers rest on.
    pub async fn run_eval(
        &self,
        chatbot: &Chatbot,
        set: &EvalSet,
        mut progress: impl FnMut(usize) + Send,
    ) -> Result<EvalRun> {
        let started = Instant::now();
        let questions = stream::iter(set.questions.clone());
        let results = questions.map(|question| self.try_question(chatbot, question));
        let mut results = results.buffered(AT_ONCE);
        let mut done = Vec::with_capacity(set.questions.len());
        while let Some(result) = results.next().await {
            done.push(result?);
            progress(done.len());
        }
        let run = EvalRun {
            id: EvalRunId::new(),
            eval_id: set.id,
            scores: Scores::of(&done),
            results: done,
            took_micros: i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX),
            created_at: self.parts.store.clock().now(),
        };
        self.parts.store.add_eval_run(chatbot, &run).await?;
        Ok(run)
    }

    async fn try_question(&self, chatbot: &Chatbot, question: Question) -> Result<QuestionResult> {
        let found = self.retrieve(chatbot, &question.question, DEPTH, 0.0);
        let Found { passages, warning } = found.await?;
        let refused = !passages.iter().any(|passage| passage.answers);
        let found: Vec<_> = passages
            .iter()
            .map(|passage| (passage.found.as_ref(), passage.similarity))
            .collect();
        Ok(QuestionResult {
            warning,
            ..QuestionResult::of(question, &found, refused)
        })
    }

    /// A first set, at most 200 questions: those of the chatbot's Q&A pairs, whose own answer must be
    /// found, then past questions with the item that was cited first. Questions that got no answer
    /// are left out, since they may lack knowledge as well as deserve a refusal.
    pub async fn draft_eval(&self, chatbot: &Chatbot) -> Result<Vec<Question>> {
        let store = &self.parts.store;
        let pairs = ItemFilter {
            kind: Some(ItemKind::Qna),
            enabled: Some(true),
            ..ItemFilter::default()
        };
        let page = PageRequest::new(Some(1), Some(DRAFTED))?;
        let pairs = store.items(chatbot, &pairs, page).await?.entries;
        let mut drafted = Vec::new();
        for pair in pairs {
            if let Source::Qna { question, answer } = &pair.source {
                drafted.push(expecting_answer(question, answer, &pair.title));
            }
        }
        let past = store.answered_questions(chatbot, DRAFTED).await?;
        drafted.extend(past.into_iter().map(|asked| Question {
            item: Some(asked.cited),
            ..blank(&asked.question)
        }));
        let mut known = std::collections::HashSet::new();
        drafted.retain(|question| {
            question.check().is_ok() && known.insert(question.question.to_lowercase())
        });
        Ok(drafted)
    }

    /// As [`Engine::run_eval`], in a task of its own, so that a run whose caller leaves is stored all
    /// the same.
    pub async fn run_eval_to_its_end(
        self: &std::sync::Arc<Self>,
        chatbot: Chatbot,
        set: EvalSet,
    ) -> Result<EvalRun> {
        let engine = self.clone();
        let run = async move { engine.run_eval(&chatbot, &set, |_| {}).await };
        let ended = self.running.spawn(run).await;
        ended.map_err(|error| Error::internal("the run of an eval stopped", error))?
    }
}

fn blank(question: &str) -> Question {
    Question {
        question: question.trim().to_owned(),
        item: None,
        passage: None,
        answer: None,
        expect: None,
    }
}

/// A short answer is itself what must be found; of a long one the item's title is.
fn expecting_answer(question: &str, answer: &str, title: &str) -> Question {
    let short = answer.chars().count() <= MAX_PASSAGE_CHARS.min(MAX_ANSWER_WORDS_CHARS);
    Question {
        passage: short.then(|| answer.trim().to_owned()),
        item: (!short).then(|| title.to_owned()),
        ..blank(question)
    }
}

//! Trying a gap's questions again: whether the pair that was written for it is found, where, and whether an answer
//! would rest on it.

use std::collections::HashSet;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::gap::{Gap, GapQuestion, GapState};
use okra_domain::knowledge::{Item, ItemStatus};
use okra_domain::{ErrorKind, GapId};

use crate::Engine;
use crate::pairs::key;
use crate::retrieve::Passage;

/// Questions of a gap that are looked at, the latest ones.
pub(super) const LOOKED_AT: u32 = 200;
/// Wordings that are tried at most, the latest ones.
const TRIED: usize = 20;

/// How it went.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The gap as it stands then: one whose pair answers each question is resolved.
    pub gap: Gap,
    /// The pair that was written for it, where it has one that is there still.
    pub item: Option<Item>,
    /// Each wording, the latest first.
    pub questions: Vec<TriedQuestion>,
}

/// How it went with one wording.
#[derive(Debug, Clone)]
pub struct TriedQuestion {
    /// The question.
    pub question: String,
    /// The place of the gap's pair among the passages that an answer is given, from 1; `None` where it is not among
    /// them, or there is none.
    pub place: Option<usize>,
    /// The similarity of the pair, or where it was not found of what came first.
    pub similarity: Option<f32>,
    /// Whether that is likely enough to answer from.
    pub answers: bool,
    /// What came first.
    pub first: Option<Passage>,
}

impl Engine {
    /// Looks a gap's questions up as a turn would, and resolves an open gap where its pair answers all of them.
    pub async fn try_gap(&self, chatbot: &Chatbot, id: GapId) -> Result<Trial> {
        let store = &self.parts.store;
        let mut gap = store.gap(chatbot, id).await?;
        let item = match gap.item {
            Some(id) => match store.item(chatbot, id).await {
                Ok(item) => Some(item),
                Err(error) if error.kind == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let asked = store.gap_questions(chatbot, &gap, LOOKED_AT).await?;
        let mut questions = Vec::new();
        for question in wordings(&gap, &asked).into_iter().take(TRIED) {
            questions.push(self.try_wording(chatbot, question, item.as_ref()).await?);
        }
        let ready = item
            .as_ref()
            .is_some_and(|it| it.status == ItemStatus::Ready);
        let found = questions.iter().all(|it| it.place.is_some() && it.answers);
        if gap.state == GapState::Open && ready && found {
            gap = store.settle_gap(chatbot, id, GapState::Resolved).await?;
        }
        Ok(Trial {
            gap,
            item,
            questions,
        })
    }

    async fn try_wording(
        &self,
        chatbot: &Chatbot,
        question: String,
        item: Option<&Item>,
    ) -> Result<TriedQuestion> {
        let limit = self.parts.options.passages;
        let found = self.retrieve(chatbot, &question, limit, 0.0).await?;
        let is_pair = |it: &Passage| item.is_some_and(|item| item.id == it.found.item_id);
        let at = found.passages.iter().position(is_pair);
        let told = at.or(Some(0)).and_then(|at| found.passages.get(at));
        Ok(TriedQuestion {
            question,
            place: at.map(|at| at + 1),
            similarity: told.map(|it| it.similarity),
            answers: told.is_some_and(|it| it.answers),
            first: found.passages.first().cloned(),
        })
    }
}

/// The different wordings of a gap's questions, the latest first; its first question where none counts any more.
pub(super) fn wordings(gap: &Gap, asked: &[GapQuestion]) -> Vec<String> {
    let mut known = HashSet::new();
    let texts = asked.iter().map(GapQuestion::standing);
    let new: Vec<String> = texts
        .filter(|text| known.insert(key(text)))
        .map(str::to_owned)
        .collect();
    match new.is_empty() {
        true => vec![gap.question.clone()],
        false => new,
    }
}

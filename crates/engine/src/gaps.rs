//! Gaps: questions that a chatbot's knowledge held nothing for, and those whose answers visitors rated down, gathered
//! by likeness; drafts of the pairs that would answer them; and trials whether they are found then.
//!
//! No turn gathers anything. Whoever looks at the gaps has the questions gathered that came since the last look,
//! oldest first, so that gaps are the same however often somebody looks.

mod draft;
mod likeness;
mod trial;

use std::time::Duration;

use okra_ai::embed::Purpose;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::gap::Gap;
use okra_domain::knowledge::{Item, ItemChange, Source};
use okra_domain::{Error, ErrorKind, GapId};
use okra_search::{Fusion, QuantizedVector, language_of};
use okra_store::gaps::{GapVector, Gathered, Leader, NewGap, Ungathered};

use crate::Engine;
use crate::embedders::Embedding;
pub use draft::{PairDraft, PairOrigin};
use likeness::{Groups, Point};
pub use trial::{Trial, TriedQuestion};

/// Questions older than this many days are not gathered any more.
pub const GATHERED_DAYS: u32 = 366;
/// Questions gathered at one look at most; more wait for the next.
pub const GATHERED_AT_ONCE: usize = 500;
/// Gaps that a question is compared with, the newest ones.
pub const COMPARED: usize = 2_000;

/// How often questions are compared anew where somebody else gathered meanwhile.
const TRIES: usize = 5;
/// Texts embedded with one call.
const EMBEDDED_AT_ONCE: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How the gathering went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathering {
    /// Whether questions are left to be gathered.
    pub more: bool,
    /// What did not go as it should, in a sentence.
    pub warning: Option<String>,
}

impl Engine {
    /// Gathers up to [`GATHERED_AT_ONCE`] of the chatbot's questions that are in no gap. They are compared by the
    /// embedder whose vectors answer, where it knows their language, and by their words where it does not. Where it
    /// fails nothing is gathered, and a warning says why: by words alone others would be found alike, for good.
    pub async fn gather_gaps(&self, chatbot: &Chatbot) -> Result<Gathering> {
        let store = &self.parts.store;
        let since = store.clock().now().before(DAY * GATHERED_DAYS);
        let limit = u32::try_from(GATHERED_AT_ONCE + 1).unwrap_or(u32::MAX);
        for _ in 0..TRIES {
            let mut questions = store.ungathered(chatbot, since, limit).await?;
            if questions.is_empty() {
                return Ok(Gathering::default());
            }
            let more = questions.len() > GATHERED_AT_ONCE;
            questions.truncate(GATHERED_AT_ONCE);
            let compared = u32::try_from(COMPARED).unwrap_or(u32::MAX);
            let mut leaders = store.gap_leaders(chatbot, compared).await?;
            leaders.reverse();
            let newest = leaders.last().map_or(0, |leader| leader.number);
            let eyes = match self.eyes(chatbot).await {
                Ok(eyes) => eyes,
                Err(error) => return Ok(ungathered(&error)),
            };
            let points = match points(eyes.as_ref(), &leaders, &questions).await {
                Ok(points) => points,
                Err(error) => return Ok(ungathered(&error)),
            };
            let eyes = eyes.map(|(it, fusion)| (it.embedder.space().to_owned(), fusion));
            let placing = move || placed(eyes, &leaders, questions, points);
            let placed = tokio::task::spawn_blocking(placing).await;
            let placed = placed.map_err(|error| Error::internal("gathering stopped", error))?;
            if store.gather(chatbot, newest, placed).await? {
                return Ok(Gathering {
                    more,
                    warning: None,
                });
            }
        }
        // Somebody else gathers, and they will be there at the next look.
        Ok(Gathering {
            more: true,
            warning: None,
        })
    }

    /// The embedder that questions are compared by, with how its cosines are read.
    async fn eyes(&self, chatbot: &Chatbot) -> Result<Option<(Embedding, Fusion)>> {
        let Some(embedding) = self.serving_embedding(chatbot).await? else {
            return Ok(None);
        };
        let fusion = embedding.fusion().await;
        let fusion = fusion.map_err(|error| Error::new(ErrorKind::Provider, error.message))?;
        Ok(Some((embedding, fusion)))
    }

    /// Adds a Q&A pair to the chatbot's knowledge that answers a gap, and notes it there. A pair that is there already
    /// is taken; one of this question with another answer gets this one where `replace` says so.
    ///
    /// # Errors
    /// What is no pair; an unknown gap; a pair of this question that answers otherwise (409 `already_answered`).
    pub async fn answer_gap(
        &self,
        chatbot: &Chatbot,
        gap: GapId,
        (question, answer): (&str, &str),
        replace: bool,
    ) -> Result<(Gap, Item)> {
        let store = &self.parts.store;
        let gap = store.gap(chatbot, gap).await?;
        let pair = self.new_pair(chatbot, question.trim(), answer.trim())?;
        let Some(known) = self.known_pair(chatbot, question).await? else {
            let gap = store.answer_gap(chatbot, gap.id, &pair).await?;
            self.wake_workers();
            return Ok((gap, pair));
        };
        if known.answer.trim() != answer.trim() && !replace {
            let message = "The chatbot has a Q&A pair of this question with another answer. Replace \
                           its answer, or ask the question in other words.";
            return Err(Error::new(ErrorKind::Conflict, message).coded("already_answered"));
        }
        let Source::Qna { answer, .. } = pair.source else {
            return Err(Error::internal(
                "cannot answer a gap",
                "a pair that is none",
            ));
        };
        let change = ItemChange {
            answer: Some(answer),
            enabled: Some(true),
            ..ItemChange::default()
        };
        let now = store.clock().now();
        let item = store.update_item(chatbot, known.id, |item| item.changed(change, now));
        let item = item.await?;
        let gap = store.link_gap(chatbot, gap.id, item.id).await?;
        self.wake_workers();
        Ok((gap, item))
    }
}

fn ungathered(error: &Error) -> Gathering {
    tracing::warn!(%error, "unanswered questions were not gathered");
    Gathering {
        more: false,
        warning: Some(format!(
            "The newest questions are missing, since the embedder failed: {}",
            error.message
        )),
    }
}

/// Leaders and questions as they are compared, in their order.
struct Points {
    leaders: Vec<Point>,
    questions: Vec<Point>,
    /// Vectors of leaders, by their places, that were made just now.
    made: Vec<(usize, QuantizedVector)>,
    /// Those of the questions.
    vectors: Vec<Option<QuantizedVector>>,
}

async fn points(
    eyes: Option<&(Embedding, Fusion)>,
    leaders: &[Leader],
    questions: &[Ungathered],
) -> Result<Points> {
    let asked = questions.iter().map(Ungathered::standing);
    let mut points = Points {
        leaders: leaders
            .iter()
            .map(|it| Point::of_words(&it.question))
            .collect(),
        questions: asked.clone().map(Point::of_words).collect(),
        made: Vec::new(),
        vectors: vec![None; questions.len()],
    };
    let Some((embedding, fusion)) = eyes else {
        return Ok(points);
    };
    let space = embedding.embedder.space();
    let mut missing = Vec::new();
    for (at, leader) in leaders.iter().enumerate() {
        let vector = leader.vector.as_ref().filter(|it| it.space == space);
        match vector.and_then(|it| QuantizedVector::from_bytes(&it.bytes)) {
            Some(vector) => points.leaders[at].see(vector),
            None => missing.push((at, leader.question.as_str())),
        }
    }
    let known = |(_, text): &(usize, &str)| {
        fusion.knows(language_of(text)) && embedding.embedder.understands(text)
    };
    missing.retain(known);
    for (at, vector) in vectors(embedding, &missing).await? {
        points.leaders[at].see(vector.clone());
        points.made.push((at, vector));
    }
    let asked: Vec<(usize, &str)> = asked.enumerate().filter(known).collect();
    for (at, vector) in vectors(embedding, &asked).await? {
        points.questions[at].see(vector.clone());
        points.vectors[at] = Some(vector);
    }
    Ok(points)
}

/// The vectors of texts, each with the number that it came with; without those that have no direction.
async fn vectors(
    embedding: &Embedding,
    texts: &[(usize, &str)],
) -> Result<Vec<(usize, QuantizedVector)>> {
    let mut made = Vec::with_capacity(texts.len());
    for batch in texts.chunks(EMBEDDED_AT_ONCE) {
        let words: Vec<String> = batch.iter().map(|(_, text)| (*text).to_owned()).collect();
        let vectors = embedding.embedder.embed(&words, Purpose::Query).await;
        let vectors = vectors.map_err(|error| Error::new(ErrorKind::Provider, error.message))?;
        let quantized = vectors.iter().map(|it| QuantizedVector::from_f32(it));
        let numbered = batch.iter().map(|(at, _)| *at).zip(quantized);
        made.extend(numbered.filter(|(_, vector)| vector.scale > 0.0));
    }
    Ok(made)
}

/// Where each question belongs.
fn placed(
    eyes: Option<(String, Fusion)>,
    leaders: &[Leader],
    questions: Vec<Ungathered>,
    points: Points,
) -> Gathered {
    let (space, fusion) = eyes.unzip();
    let stored = |vector: QuantizedVector| {
        space.clone().map(|space| GapVector {
            space,
            bytes: vector.to_bytes(),
        })
    };
    let mut ids: Vec<GapId> = leaders.iter().map(|leader| leader.id).collect();
    let mut groups = Groups::new(fusion);
    points.leaders.into_iter().for_each(|it| groups.push(it));
    let mut gathered = Gathered::default();
    for (at, vector) in points.made {
        gathered
            .vectors
            .extend(stored(vector).map(|it| (ids[at], it)));
    }
    let asked = questions
        .into_iter()
        .zip(points.questions)
        .zip(points.vectors);
    for ((question, point), vector) in asked {
        let known = groups.of(&point).map(|at| ids[at]);
        let gap = known.unwrap_or_else(|| {
            let id = GapId::new();
            ids.push(id);
            groups.push(point);
            gathered.new.push(NewGap {
                id,
                question: question.standing().to_owned(),
                vector: vector.and_then(stored),
                asked_at: question.asked_at,
            });
            id
        });
        gathered.placed.push((question, gap));
    }
    gathered
}

#[cfg(test)]
mod tests;

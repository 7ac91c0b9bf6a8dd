//! Finding the passages that answer a question.
//!
//! Where the chatbot has a reranker, it puts the best of them in order once more. It has little time, and
//! where it fails the order stays as it was: an answer from a slightly worse passage beats none.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use okra_ai::embed::Purpose;
use okra_ai::error::ProviderError;
use okra_domain::chatbot::Chatbot;
use okra_domain::embedder::Reranker;
use okra_domain::error::Result;
#[cfg(test)]
use okra_domain::knowledge::Chunk;
use okra_domain::knowledge::FoundChunk;
use okra_domain::session::CitedSource;
use okra_domain::{ChatbotId, Error, ErrorKind, ItemId, OrganizationId};
use okra_search::{Fusion, Hit, Index, Query};

use crate::Engine;
use crate::ingest::embedded_text;
use crate::worker::log;

/// A passage that was found, best first in a list of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The chunk and where it comes from.
    pub found: Arc<FoundChunk>,
    /// How likely it is the right one, 0 to 1.
    pub similarity: f32,
    /// Whether it is likely enough to answer from it.
    pub answers: bool,
    /// What the similarity is made of.
    pub scores: Scores,
}

/// How well a passage matches a question, by each leg of the search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// By its words: 0 nothing in common, about 1 where every word of the question is there.
    pub lexical: f32,
    /// By its meaning: the cosine, -1 to 1; `None` where question or passage has no vector.
    pub semantic: Option<f32>,
    /// Both weighed together: what passages are ranked by.
    pub combined: f32,
    /// Its place in that order, from 1.
    pub rank: usize,
    /// The reranker's score, where it was shown the passage: passages that have one stand first, by it.
    pub rerank: Option<f32>,
}

/// What a question finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The passages, best first.
    pub passages: Vec<Passage>,
    /// What did not go as it should, in a sentence.
    pub warning: Option<String>,
}

impl Passage {
    /// The passage as it is shown beside an answer.
    pub fn cited(&self) -> CitedSource {
        CitedSource::of(&self.found, self.similarity)
    }

    fn rerank_score(&self) -> f32 {
        self.scores.rerank.unwrap_or(f32::NEG_INFINITY)
    }
}

#[cfg(test)]
impl Passage {
    /// One that was found with this similarity, and answers.
    pub(crate) fn example(title: &str, text: &str, similarity: f32) -> Self {
        Self {
            found: Arc::new(FoundChunk {
                item_id: ItemId::new(),
                title: title.to_owned(),
                url: None,
                chunk: Chunk {
                    ordinal: 1,
                    headings: vec![],
                    page: None,
                    text: text.to_owned(),
                    question: None,
                    embedding: None,
                },
            }),
            similarity,
            answers: true,
            scores: Scores {
                lexical: similarity,
                semantic: None,
                combined: similarity,
                rank: 1,
                rerank: None,
            },
        }
    }

    /// The same with its chunk changed.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Chunk)) -> Self {
        change(&mut Arc::make_mut(&mut self.found).chunk);
        self
    }
}

impl Engine {
    /// The chatbot's best passages for `query`, at most `limit`, none below `min_similarity`.
    ///
    /// Sees every change that was committed before `chatbot` was loaded.
    pub async fn retrieve(
        &self,
        chatbot: &Chatbot,
        query: &str,
        limit: usize,
        min_similarity: f32,
    ) -> Result<Found> {
        let started = Instant::now();
        let reranker = chatbot.reranker.as_ref();
        let shown = reranker.map_or(0, |reranker| reranker.top_n as usize);
        let (mut passages, mut warning) = self
            .search(chatbot, query, limit.max(shown), min_similarity)
            .await?;
        if let Some(reranker) = reranker
            && let Err(error) = self.rerank(reranker, query, &mut passages).await
        {
            tracing::warn!(%error, chatbot = %chatbot.id, "passages were not reranked");
            metrics::counter!("okra_rerank_failures_total").increment(1);
            warning = Some(format!(
                "The reranker failed, so its order is missing: {error}"
            ));
        }
        passages.truncate(limit);
        metrics::histogram!("okra_retrieve_seconds").record(started.elapsed());
        Ok(Found { passages, warning })
    }

    async fn search(
        &self,
        chatbot: &Chatbot,
        query: &str,
        limit: usize,
        min_similarity: f32,
    ) -> Result<(Vec<Passage>, Option<String>)> {
        let space = self.serving(chatbot).space;
        let store = &self.parts.store;
        let snapshot = self.indexes.get(store, chatbot, &space).await?;
        let (embedded, warning) = match snapshot.space == space || snapshot.space.is_empty() {
            true => self.embed_query(chatbot, query, &snapshot.index).await,
            // Another embedder took over since the chatbot was loaded.
            false => (None, None),
        };
        let (vector, fusion) = match embedded {
            Some((vector, fusion)) => (Some(vector), fusion),
            None => (None, Fusion::lexical_only()),
        };
        let wanted = Wanted {
            text: query.to_owned(),
            vector,
            fusion,
            limit,
        };
        let mut version = snapshot.version;
        let hits = match ranked(snapshot.index, wanted.clone()).await? {
            Ok(hits) => hits,
            Err(error) => {
                tracing::warn!(%error, chatbot = %chatbot.id, "an index's file failed; it is built anew");
                self.indexes.forget(chatbot.id).await;
                let snapshot = self.indexes.get(store, chatbot, &space).await?;
                version = snapshot.version;
                let again = ranked(snapshot.index, wanted).await?;
                again.map_err(|error| Error::internal("an index cannot be read", error))?
            }
        };
        let hits = (hits.into_iter())
            .filter(|hit| hit.similarity >= min_similarity)
            .collect();
        let passages = self.load(chatbot, version, hits, fusion).await?;
        Ok((passages, warning))
    }

    /// Brings a chatbot's index up to date after a change, so that no question has to wait for it.
    pub(crate) fn refresh_index(
        self: &Arc<Self>,
        organization: OrganizationId,
        chatbot: ChatbotId,
    ) {
        let engine = self.clone();
        tokio::spawn(async move {
            let refreshed = tokio::select! {
                biased;
                // The store closes then.
                () = engine.stopping.cancelled() => return,
                refreshed = engine.refresh(organization, chatbot) => refreshed,
            };
            if let Err(error) = refreshed {
                log(
                    "an index is brought up to date by the next question",
                    &error,
                );
            }
        });
    }

    async fn refresh(&self, organization: OrganizationId, chatbot: ChatbotId) -> Result<()> {
        let store = &self.parts.store;
        let chatbot = match store.chatbot(organization, chatbot).await {
            Ok(chatbot) => chatbot,
            // Deleted since.
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let space = self.serving(&chatbot).space;
        self.indexes.refresh(store, &chatbot, &space).await
    }

    /// The similarity from which on a passage is answered from: the same for all embedders, whose scores
    /// are read as probabilities.
    pub fn answer_threshold(&self) -> f32 {
        Fusion::lexical_only().answer_threshold()
    }

    /// The question's vector, where it has one that means something in `index`, or why it has none though it
    /// should: the words alone still find most answers, and no answer at all, or one long after, would be
    /// worse.
    async fn embed_query(
        &self,
        chatbot: &Chatbot,
        query: &str,
        index: &Index,
    ) -> (Option<(Vec<f32>, Fusion)>, Option<String>) {
        let embedding = match self.serving_embedding(chatbot).await {
            Ok(Some(embedding)) => embedding,
            Ok(None) => return (None, None),
            Err(error) => return (None, Some(unembedded(&error.message))),
        };
        if !embedding.embedder.understands(query) {
            return (None, None);
        }
        let texts = [query.to_owned()];
        let vectors = embedding.embedder.embed(&texts, Purpose::Query);
        let both = async { tokio::try_join!(vectors, embedding.fusion()) };
        let patience = self.parts.options.query_embedding_time;
        let why = match tokio::time::timeout(patience, both).await {
            Ok(Ok((mut vectors, fusion))) => {
                let vector = vectors.pop().filter(|v| v.iter().any(|x| *x != 0.0));
                match vector {
                    Some(vector) if !index.compares(vector.len()) => format!(
                        "its vector has {} numbers, and none of the chatbot's has as many.",
                        vector.len()
                    ),
                    vector => return (vector.map(|vector| (vector, fusion)), None),
                }
            }
            Ok(Err(error)) => error.message,
            Err(_) => format!(
                "the embedding model did not answer within {} seconds.",
                patience.as_secs()
            ),
        };
        (None, Some(unembedded(&why)))
    }

    /// Puts the passages that the reranker is shown in its order.
    async fn rerank(
        &self,
        reranker: &Reranker,
        query: &str,
        passages: &mut [Passage],
    ) -> std::result::Result<(), ProviderError> {
        let shown = passages.len().min(reranker.top_n as usize);
        let shown = &mut passages[..shown];
        if shown.is_empty() {
            return Ok(());
        }
        let text = |it: &Passage| embedded_text(&it.found.title, &it.found.chunk);
        let texts: Vec<String> = shown.iter().map(text).collect();
        let client = self.rerankers.at(reranker, &self.parts.gate)?;
        let scores = client.rerank(query, &texts).await?;
        for (passage, score) in shown.iter_mut().zip(scores) {
            passage.scores.rerank = Some(score);
        }
        // Stable, so that equal ones stay as they were.
        shown.sort_by(|a, b| f32::total_cmp(&b.rerank_score(), &a.rerank_score()));
        Ok(())
    }

    /// The passages of `hits`, which an index of `version` gave.
    async fn load(
        &self,
        chatbot: &Chatbot,
        version: i64,
        hits: Vec<Hit>,
        fusion: Fusion,
    ) -> Result<Vec<Passage>> {
        let place = |hit: &Hit| (ItemId(hit.item), hit.ordinal);
        let places: Vec<(ItemId, u32)> = hits.iter().map(place).collect();
        let store = &self.parts.store;
        let found = self.passages.at(store, chatbot, version, &places).await?;
        let passage = |found: Arc<FoundChunk>| {
            let place = (found.item_id, found.chunk.ordinal);
            let rank = places.iter().position(|other| *other == place)?;
            let hit = hits[rank];
            Some(Passage {
                found,
                similarity: hit.similarity.clamp(0.0, 1.0),
                answers: hit.similarity >= fusion.answer_threshold(),
                scores: Scores {
                    lexical: hit.lexical,
                    semantic: hit.cosine,
                    combined: hit.score,
                    rank: rank + 1,
                    rerank: None,
                },
            })
        };
        Ok(found.into_iter().filter_map(passage).collect())
    }
}

/// A search, as it is handed to a thread of its own.
#[derive(Clone)]
struct Wanted {
    text: String,
    vector: Option<Vec<f32>>,
    fusion: Fusion,
    limit: usize,
}

/// Chunks up to which an index is searched where the turn runs: in a quarter of a millisecond, of which handing
/// it to another thread and back would be a good part.
const SMALL: usize = 16_384;

async fn ranked(index: Index, wanted: Wanted) -> Result<io::Result<Vec<Hit>>> {
    let small = index.len() <= SMALL;
    let search = move || {
        let query = Query {
            text: &wanted.text,
            vector: wanted.vector.as_deref(),
            fusion: wanted.fusion,
        };
        index.search(&query, wanted.limit)
    };
    if small {
        return Ok(search());
    }
    let searched = tokio::task::spawn_blocking(search).await;
    searched.map_err(|error| Error::internal("the search of an index stopped", error))
}

fn unembedded(why: &str) -> String {
    tracing::warn!(
        why,
        "the question was not embedded; searching by words alone"
    );
    metrics::counter!("okra_query_embedding_failures_total").increment(1);
    format!("The question was not embedded, so only its words were searched for: {why}")
}

//! Finding the passages that answer a question.

use std::time::Instant;

use okra_ai::embed::Purpose;
use okra_domain::ItemId;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::FoundChunk;
use okra_domain::session::CitedSource;
use okra_search::{Fusion, Hit, Query};

use crate::Engine;

/// A passage that was found, best first in a list of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The chunk and where it comes from.
    pub found: FoundChunk,
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
}

impl Passage {
    /// The passage as it is shown beside an answer.
    pub fn cited(&self) -> CitedSource {
        CitedSource::of(&self.found, self.similarity)
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
    ) -> Result<Vec<Passage>> {
        let started = Instant::now();
        let parts = &self.parts;
        let space = parts.embedder.space();
        let index = self.indexes.get(&parts.store, chatbot, space).await?;
        let vector = self.embed_query(query).await;
        let fusion = match vector {
            Some(_) => parts.fusion,
            None => Fusion::lexical_only(),
        };
        let text = query.to_owned();
        let search = move || {
            let query = Query {
                text: &text,
                vector: vector.as_deref(),
                fusion,
            };
            index.search(&query, limit)
        };
        let hits = tokio::task::spawn_blocking(search).await.map_err(|error| {
            okra_domain::Error::internal("the search of an index stopped", error)
        })?;
        let passages = self.load(chatbot, hits, fusion, min_similarity).await;
        metrics::histogram!("okra_retrieve_seconds").record(started.elapsed());
        passages
    }

    /// The similarity from which on a passage is answered from.
    pub fn answer_threshold(&self) -> f32 {
        self.parts.fusion.answer_threshold()
    }

    async fn embed_query(&self, query: &str) -> Option<Vec<f32>> {
        let embedder = &self.parts.embedder;
        if !embedder.understands(query) {
            return None;
        }
        match embedder.embed(&[query.to_owned()], Purpose::Query).await {
            Ok(mut vectors) => vectors.pop().filter(|v| v.iter().any(|x| *x != 0.0)),
            Err(error) => {
                // The words alone still find most answers; no answer at all would be worse.
                tracing::warn!(%error, "the question was not embedded; searching by words alone");
                metrics::counter!("okra_query_embedding_failures_total").increment(1);
                None
            }
        }
    }

    async fn load(
        &self,
        chatbot: &Chatbot,
        hits: Vec<Hit>,
        fusion: Fusion,
        min_similarity: f32,
    ) -> Result<Vec<Passage>> {
        let hits: Vec<Hit> = hits
            .into_iter()
            .filter(|hit| hit.similarity >= min_similarity)
            .collect();
        let places: Vec<(ItemId, u32)> = hits
            .iter()
            .map(|hit| (ItemId(hit.item), hit.ordinal))
            .collect();
        let found = self.parts.store.found_chunks(chatbot, &places).await?;
        let passage = |found: FoundChunk| {
            let place = (found.item_id, found.chunk.ordinal);
            let hit = hits
                .iter()
                .find(|hit| (ItemId(hit.item), hit.ordinal) == place)?;
            Some(Passage {
                found,
                similarity: hit.similarity.clamp(0.0, 1.0),
                answers: hit.similarity >= fusion.answer_threshold(),
                scores: Scores {
                    lexical: hit.lexical,
                    semantic: hit.cosine,
                    combined: hit.score,
                },
            })
        };
        Ok(found.into_iter().filter_map(passage).collect())
    }
}

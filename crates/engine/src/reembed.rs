//! Making vectors anew: all passages of a chatbot whose vectors lie in another space than its embedder's
//! get new ones, which take over together once every passage has one.
//!
//! The job works for a slice and then stands behind others that are due, so that new documents are read
//! meanwhile. Killed, it goes on where it was: each batch is kept in the transaction that counts it.

use okra_ai::embed::Purpose;
use okra_domain::chatbot::Chatbot;
use okra_domain::embedder::{Reembedding, Serving};
use okra_domain::error::Result;
use okra_domain::{Error, ErrorKind};
use okra_store::crash::{self, Point};
use okra_store::embedders::{Lacking, NextVector, Switch};
use okra_store::jobs::Job;

use crate::Engine;
use crate::embedders::Embedding;
use crate::ingest::{embedded_text, stored_vector};

/// Passages embedded at once.
const BATCH: usize = 64;

/// Batches of a slice: some ten seconds with a transformer.
const SLICE: usize = 4;

/// How a slice of the work ended.
pub(crate) enum Slice {
    /// The new vectors are in place.
    Done,
    /// There is more to do.
    More,
    /// The job is another's, or nobody's.
    Lost,
}

/// Why new vectors were not made.
pub(crate) enum ReembedError {
    /// Trying again would not help; the reason is for whoever chose the embedder.
    Refused(String),
    /// It may work later.
    Later(Error),
}

impl From<Error> for ReembedError {
    fn from(error: Error) -> Self {
        Self::Later(error)
    }
}

impl Engine {
    /// Works for a slice on the chatbot's new vectors.
    pub(crate) async fn reembed(
        &self,
        job: &Job,
        chatbot: &Chatbot,
    ) -> Result<Slice, ReembedError> {
        let store = &self.parts.store;
        let wanted = chatbot.embedding.wanted();
        let next = Serving {
            space: self.space_of(wanted),
            embedder: wanted.cloned(),
        };
        let Some(mut progress) = store.begin_reembedding(job, &next.space).await? else {
            return Ok(Slice::Lost);
        };
        crash::pass(Point::ReembedBegun);
        for _ in 0..SLICE {
            let version = store.knowledge_version(chatbot).await?;
            let lacking = store.lacking_vectors(chatbot, &next.space, BATCH).await?;
            if lacking.is_empty() {
                return Ok(match store.switch_embedder(job, &next, version).await? {
                    Switch::Done => Slice::Done,
                    Switch::Behind => Slice::More,
                    Switch::Lost => Slice::Lost,
                });
            }
            let embedding = self.wanted_embedding(chatbot).await?;
            let vectors = embed(&embedding, lacking, &mut progress).await?;
            crash::pass(Point::ReembedMade);
            let dimension = progress.dimension.and_then(|it| usize::try_from(it).ok());
            if !store.keep_next_vectors(job, dimension, vectors).await? {
                return Ok(Slice::Lost);
            }
            crash::pass(Point::ReembedKept);
        }
        Ok(Slice::More)
    }
}

async fn embed(
    embedding: &Embedding,
    lacking: Vec<Lacking>,
    progress: &mut Reembedding,
) -> Result<Vec<NextVector>, ReembedError> {
    let text = |it: &Lacking| embedded_text(&it.title, &it.chunk);
    let texts: Vec<String> = lacking.iter().map(text).collect();
    let vectors = embedding.embedder.embed(&texts, Purpose::Document).await;
    let vectors = vectors.map_err(|error| match error.retryable() {
        true => ReembedError::Later(Error::new(ErrorKind::Provider, error.message)),
        false => ReembedError::Refused(error.message),
    })?;
    let mut next = Vec::with_capacity(lacking.len());
    for ((lacking, vector), text) in lacking.into_iter().zip(vectors).zip(texts) {
        let numbers = i64::try_from(vector.len()).unwrap_or(i64::MAX);
        let expected = *progress.dimension.get_or_insert(numbers);
        if numbers != expected {
            return Err(ReembedError::Refused(format!(
                "The model gives a vector of {numbers} numbers where its others have {expected}."
            )));
        }
        next.push(NextVector {
            item_id: lacking.item_id,
            ordinal: lacking.chunk.ordinal,
            version: lacking.version,
            embedding: stored_vector(embedding.embedder.as_ref(), &text, &vector),
        });
    }
    Ok(next)
}

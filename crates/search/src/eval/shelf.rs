//! A set together with the vectors that an embedder makes of it: what each leg of the search finds.

use std::collections::HashMap;

use super::{Figures, Question, RetrievalSet, figures};
use crate::{Fusion, Hit, Index, QuantizedVector, Query};

/// How deep rankings are judged.
const DEPTH: usize = 10;

/// A vector, or none where the embedder doesn't know the text's language.
pub type Vector = Option<Vec<f32>>;

/// A set, indexed with vectors.
pub struct Shelf {
    /// The set.
    pub set: RetrievalSet,
    index: Index,
    texts: Vec<Vector>,
    questions: HashMap<String, Vector>,
}

impl Shelf {
    /// Indexes a set whose [`RetrievalSet::texts`] and questions have these vectors, in their order.
    pub fn new(set: RetrievalSet, texts: Vec<Vector>, questions: Vec<Vector>) -> Self {
        let mut vectors = texts.iter();
        let index = set.index(|_| {
            let vector = vectors.next()?.as_deref()?;
            Some(QuantizedVector::from_f32(vector))
        });
        let ids = set.questions.iter().map(|question| question.id.clone());
        Self {
            index,
            questions: ids.zip(questions).collect(),
            texts,
            set,
        }
    }

    /// By words alone.
    pub fn lexical(&self) -> Figures {
        figures(&self.set, |question| {
            self.set
                .ids(&self.search(&question.text, None, Fusion::lexical_only(), DEPTH))
        })
    }

    /// By words and meaning.
    pub fn hybrid(&self, fusion: Fusion) -> Figures {
        figures(&self.set, |question| {
            let vector = self.vector(question);
            self.set
                .ids(&self.search(&question.text, vector, fusion, DEPTH))
        })
    }

    /// By meaning alone; `None` where the embedder knows no text of the set.
    pub fn dense(&self) -> Option<Figures> {
        let known = self.texts.iter().any(Option::is_some);
        known.then(|| figures(&self.set, |question| self.nearest(self.vector(question))))
    }

    /// The similarity of the best passage for each question, of the set and of `others` with their vectors.
    pub fn best(&self, fusion: Fusion, others: &[(Question, Vector)]) -> (Vec<f32>, Vec<f32>) {
        let best = |text: &str, vector: Option<&[f32]>| {
            let hits = self.search(text, vector, fusion, 1);
            hits.first().map_or(0.0, |hit| hit.similarity)
        };
        let own = self.set.questions.iter();
        let others = others.iter();
        (
            own.map(|question| best(&question.text, self.vector(question)))
                .collect(),
            others
                .map(|(other, vector)| best(&other.text, vector.as_deref()))
                .collect(),
        )
    }

    fn vector(&self, question: &Question) -> Option<&[f32]> {
        self.questions.get(&question.id)?.as_deref()
    }

    fn search(&self, text: &str, vector: Option<&[f32]>, fusion: Fusion, limit: usize) -> Vec<Hit> {
        let query = Query {
            text,
            vector,
            fusion: match vector {
                Some(_) => fusion,
                None => Fusion::lexical_only(),
            },
        };
        let found = self.index.search(&query, limit);
        found.expect("an index without a folder reads no file")
    }

    /// The ids of the texts with the highest cosine; all vectors have length 1 or 0.
    fn nearest(&self, query: Option<&[f32]>) -> Vec<String> {
        let Some(query) = query else {
            return Vec::new();
        };
        let dot = |vector: &[f32]| vector.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
        let texts = self.texts.iter().zip(&self.set.corpus);
        let mut scored: Vec<(f32, &str)> = texts
            .filter_map(|(vector, text)| Some((dot(vector.as_deref()?), text.id.as_str())))
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let best = scored.into_iter().take(DEPTH);
        best.map(|(_, id)| id.to_owned()).collect()
    }
}

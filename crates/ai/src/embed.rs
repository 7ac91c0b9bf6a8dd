//! Embedders: texts to vectors whose dot product says how alike they mean.
//!
//! The engine calls these when it ingests (documents) and when it retrieves (queries). They fail
//! with [`ProviderError`]: a remote service mostly, or a model with too much to do.

pub mod hub;
pub mod openai;
pub mod static_model;
pub mod transformer;

use async_trait::async_trait;

use crate::error::ProviderError;

/// What a text is embedded for. Asymmetric models treat the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A passage that will be searched.
    Document,
    /// A question that searches.
    Query,
}

/// Turns texts into unit-length vectors of one space.
///
/// Real implementations: [`static_model::StaticEmbedder`], [`transformer::TransformerEmbedder`] and
/// [`openai::OpenAiEmbedder`].
#[async_trait]
pub trait Embedder: Send + Sync {
    /// The vector space's stable name, for example `static-minilm-256-v1`. Vectors are comparable
    /// only when the names are equal; it is stored beside every vector.
    fn space(&self) -> &str;

    /// Whether its vectors have the same number of dimensions for certain, as those of a model in this process
    /// have. What answers at an address may be replaced under the same name.
    fn is_fixed(&self) -> bool {
        false
    }

    /// Whether vectors of this text mean anything: an English model says `false` to Korean, and
    /// the lexical legs then carry the search alone.
    fn understands(&self, text: &str) -> bool;

    /// Embeds `texts`, in order. Every vector has length 1, or is all zeros where the text holds
    /// nothing the model knows.
    async fn embed(
        &self,
        texts: &[String],
        purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, ProviderError>;
}

//! Every call to a model: chat models, embedders and rerankers. The only crate that knows vendors' APIs or
//! holds model weights.
//!
//! The engine calls [`chat::ChatModel`] for answers an [`embed::Embedder`] for vectors and a
//! [`rerank::RerankModel`] for a better order; all fail with [`error::ProviderError`] and nothing else. Nothing here knows of chatbots, of storage
//! or of the HTTP edge.

pub mod chat;
pub mod embed;
pub mod error;
mod http;
pub mod rerank;

pub use http::Reach;

//! Every call to a model: chat models and embedders. The only crate that knows vendors' APIs or
//! holds model weights.
//!
//! The engine calls [`chat::ChatModel`] for answers and an [`embed::Embedder`] for vectors; both
//! fail with [`error::ProviderError`] and nothing else. Nothing here knows of chatbots, of storage
//! or of the HTTP edge.

pub mod chat;
pub mod embed;
pub mod error;
mod http;

pub use http::Reach;

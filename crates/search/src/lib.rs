//! Ranking: which passages of a chatbot answer a question.
//!
//! An [`Index`] holds the passages of one chatbot in memory: postings for two lexical legs (words, and pieces of
//! words) and, where an embedder is at hand, a vector each. [`Index::search`] ranks them by a weighted sum of an
//! absolute lexical score and the cosine, and says how probable it is that a passage is the right one.
//! The engine builds an index from the store's passages and keeps it current; nothing here knows a database or the
//! network, and any text is a valid document and a valid query. The only files are an index's own, which keep what a
//! question seldom reads out of memory ([`Index::tended`]) and an index between starts ([`Index::save`]).
//!
//! [`calibration`] brings the cosines of any embedder to one scale; [`eval`] measures rankings on sets of judged
//! questions.

mod analysis;
mod bits;
pub mod calibration;
mod coverage;
pub mod eval;
mod fusion;
mod hash;
mod index;
mod segment;
mod vector;

pub use analysis::{language_of, telling_words};
pub use coverage::coverage;
pub use fusion::Fusion;
pub use index::{Change, Document, Hit, Index, Query, Stamp};
pub use vector::QuantizedVector;

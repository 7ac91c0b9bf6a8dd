//! Measuring rankings: sets of judged questions and the usual metrics.
//!
//! Used by the quality tests and by the retrieval benchmark. Loading reports which file and line is at fault.

mod metrics;
mod sets;
mod shelf;

pub use metrics::{Figures, Refusal, figures, ndcg, recall, reciprocal_rank, refusal};
pub use sets::{Judged, LoadError, Question, RetrievalSet, Text, load_questions, sets_folder};
pub use shelf::{Shelf, Vector};

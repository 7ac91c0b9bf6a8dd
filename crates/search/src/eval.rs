//! Measuring rankings: sets of judged questions and the usual metrics.
//!
//! Used by the quality tests and by the retrieval benchmark. Loading reports which file and line is at fault.

mod metrics;
mod sets;

pub use metrics::{Figures, figures, ndcg, recall, reciprocal_rank};
pub use sets::{Judged, LoadError, Question, RetrievalSet, Text, load_questions};

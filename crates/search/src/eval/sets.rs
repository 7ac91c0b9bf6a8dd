//! Loading sets of judged questions from JSON lines.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A folder of `corpus.jsonl`, `queries.jsonl` and `qrels.jsonl`.
#[derive(Debug, Clone, Default)]
pub struct RetrievalSet {
    /// The folder's name.
    pub name: String,
    /// The documents searched.
    pub corpus: Vec<Text>,
    /// The questions asked.
    pub questions: Vec<Question>,
    /// For each question's id, its relevant documents' ids and how relevant they are.
    pub relevant: HashMap<String, HashMap<String, f64>>,
}

/// A document of a set.
#[derive(Debug, Clone, Deserialize)]
pub struct Text {
    /// Unique in the set.
    pub id: String,
    /// May be empty.
    #[serde(default)]
    pub title: String,
    /// What is searched.
    pub text: String,
}

/// A question of a set.
#[derive(Debug, Clone, Deserialize)]
pub struct Question {
    /// Unique in the set.
    pub id: String,
    /// What is asked.
    pub text: String,
}

/// That a document answers a question.
#[derive(Debug, Clone, Deserialize)]
pub struct Judged {
    /// The question's id.
    pub query_id: String,
    /// The document's id.
    pub doc_id: String,
    /// How relevant it is; nothing from zero down counts.
    pub score: f64,
}

/// Why a set could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is missing or unreadable.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not the JSON object expected.
    #[error("{path}, line {line}: {source}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl RetrievalSet {
    /// Reads the three files of a set.
    ///
    /// # Errors
    /// Where a file is missing or a line doesn't parse.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let mut relevant: HashMap<String, HashMap<String, f64>> = HashMap::new();
        for judged in read_lines::<Judged>(&folder.join("qrels.jsonl"))? {
            if judged.score > 0.0 {
                relevant
                    .entry(judged.query_id)
                    .or_default()
                    .insert(judged.doc_id, judged.score);
            }
        }
        Ok(Self {
            name: folder
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            corpus: read_lines(&folder.join("corpus.jsonl"))?,
            questions: load_questions(&folder.join("queries.jsonl"))?,
            relevant,
        })
    }
}

/// Reads questions from a file of JSON lines.
///
/// # Errors
/// Where the file is missing or a line doesn't parse.
pub fn load_questions(path: &Path) -> Result<Vec<Question>, LoadError> {
    read_lines(path)
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|source| LoadError::Line {
                path: path.to_owned(),
                line: at + 1,
                source,
            })
        })
        .collect()
}

//! Loading sets of judged questions from JSON lines.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{Change, Document, Hit, Index, QuantizedVector};

/// A folder of `corpus.jsonl`, `queries.jsonl` and `qrels.jsonl`.
#[derive(Debug, Clone, Default)]
pub struct RetrievalSet {
    /// The folder's name.
    pub name: String,
    /// The documents searched.
    pub corpus: Vec<Text>,
    /// The questions asked.
    pub questions: Vec<Question>,
    /// Whether titles are indexed. They are where they were written for the document, as headings; a set made of
    /// encyclopedia articles has one for all passages of an article, which would give answers away.
    pub titled: bool,
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
        let name = folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        Ok(Self {
            titled: name.starts_with("faq_"),
            name,
            corpus: read_lines(&folder.join("corpus.jsonl"))?,
            questions: load_questions(&folder.join("queries.jsonl"))?,
            relevant,
        })
    }
}

impl RetrievalSet {
    /// What is embedded of each document: its title, where titles count, and its text.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.corpus.iter().map(|text| {
            let title = if self.titled { text.title.as_str() } else { "" };
            format!("{title}\n{}", text.text).trim_start().to_owned()
        });
        texts.collect()
    }

    /// Indexes the corpus, each document with the vector that `embed` makes of its title and text.
    pub fn index(&self, mut embed: impl FnMut(&str) -> Option<QuantizedVector>) -> Index {
        let mut index = Index::new();
        let texts = self.corpus.iter().zip(self.texts());
        let changes = texts.enumerate().map(|(at, (text, embedded))| {
            let title = if self.titled { text.title.as_str() } else { "" };
            let vector = embed(&embedded);
            Change {
                item: Uuid::from_u128(at as u128),
                documents: vec![Document {
                    ordinal: 0,
                    title: title.to_owned(),
                    text: text.text.clone(),
                    vector,
                }],
            }
        });
        index.apply(changes.collect());
        index
    }

    /// The ids of the documents that an index made by [`RetrievalSet::index`] found.
    pub fn ids(&self, hits: &[Hit]) -> Vec<String> {
        hits.iter()
            .filter_map(|hit| self.corpus.get(hit.item.as_u128() as usize))
            .map(|text| text.id.clone())
            .collect()
    }
}

/// Where the public retrieval sets are: the folder that `OKRA_RETRIEVAL_SETS` names, else one that lies beside the
/// workspace, else nowhere.
pub fn sets_folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("OKRA_RETRIEVAL_SETS") {
        return Some(folder.into());
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/retrieval");
    beside.is_dir().then_some(beside)
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

//! A sentence transformer on the CPU, in this process: the BERT and XLM-R families, from a folder as
//! sentence-transformers publishes them (`config.json`, `tokenizer.json`, `model.safetensors`, and what
//! says how to pool).
//!
//! Opening reads and checks everything, with errors that name the file. Embedding happens on threads
//! of the model's own, see [`lane`].

mod bert;
mod folder;
mod lane;
mod math;
#[cfg(test)]
mod tests;
mod vocabulary;
mod weights;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokenizers::{Tokenizer, TruncationParams};

use self::bert::Bert;
use self::folder::{Description, Prompts, damaged};
use self::lane::{Lane, broken};
use self::vocabulary::Vocabulary;
use self::weights::Weights;
use super::{Embedder, Purpose};
use crate::error::ProviderError;

/// The part of a text that is looked at, in characters: far more than the tokens that a model is
/// shown, so that only a pasted novel of a question is ever cut here.
const MAX_TEXT_CHARS: usize = 16_000;

/// How long a question waits for a place in the queue; then its words alone have to do.
const QUERY_PATIENCE: Duration = Duration::from_secs(5);

/// How long documents wait for one.
const DOCUMENT_PATIENCE: Duration = Duration::from_secs(60);

/// A sentence transformer, loaded.
pub struct TransformerEmbedder {
    space: String,
    dimensions: usize,
    vocabulary: Vocabulary,
    prompts: Prompts,
    queries: Lane,
    documents: Lane,
}

/// Why a folder is no model that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The folder or a file in it is not there.
    #[error("There is no {}.", .0.display())]
    Missing(PathBuf),
    /// A file cannot be read.
    #[error("{} cannot be read: {source}.", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file's content does not fit the others, or itself.
    #[error("The model's file {} cannot be used: {problem}.", file.display())]
    Damaged {
        /// The file, within the folder.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It is a model of a sort that is not read here.
    #[error("This model cannot be used here because of {0}.")]
    Unsupported(String),
    /// Its threads could not be started.
    #[error("The model's threads could not be started: {0}.")]
    Threads(std::io::Error),
}

/// The names of the models in a folder of models, sorted: its folders that hold a `config.json`. None
/// where there is no such folder.
pub fn models(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let models = entries.filter(|entry| entry.path().join("config.json").is_file());
    let mut names: Vec<String> = models
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

impl TransformerEmbedder {
    /// Opens the model in `folder`, which is called `name`. Reads all weights, so it takes a second
    /// for each gigabyte or so; call it where blocking is fine.
    pub fn open(folder: &Path, name: &str) -> Result<Self, ModelError> {
        let about = Description::read(folder)?;
        let tokenizer = tokenizer(folder, &about)?;
        let vocabulary = tokenizer.get_vocab(true);
        let vocabulary = Vocabulary::of(vocabulary.keys().map(String::as_str));
        let network = Bert::load(&about, &mut Weights::open(folder)?)?;
        let model = Arc::new(Model {
            tokenizer,
            network,
            dimensions: about.config.hidden_size,
        });
        // Half of the processors each: answering goes on while documents are read.
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (processors / 2).max(1);
        let lane = |what, patience| {
            let name = format!("okra-embed-{what}");
            Lane::start(model.clone(), &name, threads, patience).map_err(ModelError::Threads)
        };
        Ok(Self {
            space: format!("transformer:{name}"),
            dimensions: about.config.hidden_size,
            vocabulary,
            prompts: about.prompts,
            queries: lane("queries", QUERY_PATIENCE)?,
            documents: lane("documents", DOCUMENT_PATIENCE)?,
        })
    }

    /// How many numbers each vector has.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Whether its vocabulary shows English alone: other languages in Latin letters had better be
    /// searched by their words.
    pub fn english_only(&self) -> bool {
        self.vocabulary.english_only
    }
}

#[async_trait]
impl Embedder for TransformerEmbedder {
    fn space(&self) -> &str {
        &self.space
    }

    fn is_fixed(&self) -> bool {
        true
    }

    fn understands(&self, text: &str) -> bool {
        self.vocabulary.knows(text)
    }

    async fn embed(
        &self,
        texts: &[String],
        purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, ProviderError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let (lane, prompt) = match purpose {
            Purpose::Document => (&self.documents, &self.prompts.document),
            Purpose::Query => (&self.queries, &self.prompts.query),
        };
        let prompted = texts.iter().map(|text| match text.trim().is_empty() {
            true => String::new(),
            false => format!("{prompt}{}", beginning(text)),
        });
        lane.embed(prompted.collect()).await
    }
}

/// What the threads share.
struct Model {
    tokenizer: Tokenizer,
    network: Bert,
    dimensions: usize,
}

impl Model {
    /// The text's tokens; none where it is blank.
    fn tokens(&self, text: &str) -> Result<Vec<u32>, ProviderError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let encoded = self.tokenizer.encode_fast(text, true).map_err(broken)?;
        Ok(encoded.get_ids().to_vec())
    }

    /// Vectors of length 1, of texts that have tokens.
    fn embed(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, ProviderError> {
        let mut vectors = self.network.embed(texts);
        for vector in &mut vectors {
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            if !length.is_finite() {
                return Err(broken("its vector is not made of numbers"));
            }
            if length > 0.0 {
                vector.iter_mut().for_each(|x| *x /= length);
            }
        }
        Ok(vectors)
    }
}

/// The tokenizer, cutting texts to what the model takes and leaving padding to us.
fn tokenizer(folder: &Path, about: &Description) -> Result<Tokenizer, ModelError> {
    const FILE: &str = "tokenizer.json";
    let bytes = folder::read(folder, FILE)?;
    let unusable = |error: tokenizers::Error| damaged(FILE, error.to_string());
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(unusable)?;
    let known = tokenizer.get_vocab(true).into_values().max();
    if known.is_none_or(|most| most as usize >= about.config.vocab_size) {
        let size = about.config.vocab_size;
        let problem = format!("its tokens do not fit into the {size} of config.json");
        return Err(damaged(FILE, problem));
    }
    let truncation = TruncationParams {
        max_length: about.max_tokens,
        ..TruncationParams::default()
    };
    tokenizer
        .with_truncation(Some(truncation))
        .map_err(unusable)?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

fn beginning(text: &str) -> &str {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

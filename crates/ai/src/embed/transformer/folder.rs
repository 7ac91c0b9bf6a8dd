//! A model's folder as sentence-transformers writes it: what its small files say of the model,
//! checked before anything large is read.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ModelError;

/// The part of a text that a model is shown, in tokens. Passages are far shorter; models that take
/// more would need memory that grows with the square of the length.
const MAX_TOKENS: usize = 512;

/// The largest JSON file read: the tokenizer's, which for 250,000 tokens takes some 17 MB.
const MAX_JSON_BYTES: u64 = 64 * 1024 * 1024;

/// Everything but the weights and the tokenizer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Description {
    pub(super) config: Config,
    pub(super) pooling: Pooling,
    pub(super) prompts: Prompts,
    /// The most tokens that the model is shown of a text, its special ones included.
    pub(super) max_tokens: usize,
}

/// `config.json`: the architecture and its sizes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Config {
    model_type: String,
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    pub(super) max_position_embeddings: usize,
    #[serde(default = "one")]
    pub(super) type_vocab_size: usize,
    #[serde(default = "small")]
    pub(super) layer_norm_eps: f64,
    #[serde(default)]
    pad_token_id: usize,
    position_embedding_type: Option<String>,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn one() -> usize {
    1
}

fn small() -> f64 {
    1e-12
}

/// How the vectors of a text's tokens become the text's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// The first one's.
    First,
}

/// What stands before a text, by what it is embedded for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Prompts {
    pub(super) query: String,
    pub(super) document: String,
}

/// The activation between the two halves of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Gelu,
    GeluTanh,
    Relu,
}

impl Config {
    /// The place of the first token: models after RoBERTa count from behind their padding's number.
    pub(super) fn first_position(&self) -> usize {
        match self.model_type.as_str() {
            "bert" => 0,
            _ => self.pad_token_id + 1,
        }
    }

    pub(super) fn activation(&self) -> Result<Activation, ModelError> {
        match self.hidden_act.as_str() {
            "gelu" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            other => Err(unsupported(format!("its activation {other:?}"))),
        }
    }

    /// Whether it is of a family that is read, and of sizes that a text model has. The sizes decide
    /// how much memory is asked for, so they are not believed.
    fn check(&self) -> Result<(), ModelError> {
        let families = ["bert", "roberta", "xlm-roberta", "camembert"];
        if !families.contains(&self.model_type.as_str()) {
            let family = &self.model_type;
            return Err(unsupported(format!(
                "its architecture {family:?}; read are those of BERT and XLM-R"
            )));
        }
        if let Some(kind) = &self.position_embedding_type
            && kind != "absolute"
        {
            return Err(unsupported(format!("its {kind:?} position embeddings")));
        }
        let sizes = [
            ("vocab_size", self.vocab_size, 1_000_000),
            ("hidden_size", self.hidden_size, 4_096),
            ("num_hidden_layers", self.num_hidden_layers, 64),
            ("num_attention_heads", self.num_attention_heads, 256),
            ("intermediate_size", self.intermediate_size, 32_768),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                65_536,
            ),
            ("type_vocab_size", self.type_vocab_size, 64),
        ];
        for (name, size, most) in sizes {
            if size == 0 || size > most {
                let problem = format!("{name} is {size}, not 1 to {most}");
                return Err(damaged("config.json", problem));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let problem = "hidden_size is no multiple of num_attention_heads".to_owned();
            return Err(damaged("config.json", problem));
        }
        if self.first_position() >= self.max_position_embeddings {
            let problem = "pad_token_id lies beyond the positions".to_owned();
            return Err(damaged("config.json", problem));
        }
        self.activation().map(|_| ())
    }
}

impl Description {
    /// Reads what the folder's files say of the model.
    pub(super) fn read(folder: &Path) -> Result<Self, ModelError> {
        if !folder.is_dir() {
            return Err(ModelError::Missing(folder.to_owned()));
        }
        let config: Config = json(folder, "config.json")?;
        config.check()?;
        let positions = config.max_position_embeddings - config.first_position();
        let limit = optional_json::<Limit>(folder, "sentence_bert_config.json")?;
        let limit = limit.and_then(|limit| limit.max_seq_length);
        Ok(Self {
            pooling: pooling(folder)?,
            prompts: prompts(folder)?,
            max_tokens: limit.unwrap_or(MAX_TOKENS).min(MAX_TOKENS).min(positions),
            config,
        })
    }
}

#[derive(Deserialize)]
struct Limit {
    max_seq_length: Option<usize>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

#[derive(Deserialize)]
struct PoolingFile {
    #[serde(flatten)]
    modes: std::collections::BTreeMap<String, serde_json::Value>,
}

/// The pooling that `modules.json` leads to; the mean where nothing says otherwise, as in
/// sentence-transformers. Any other step after the transformer but normalizing is refused: leaving
/// it out would give other vectors.
fn pooling(folder: &Path) -> Result<Pooling, ModelError> {
    let modules = optional_json::<Vec<Module>>(folder, "modules.json")?;
    let mut path = "1_Pooling".to_owned();
    for module in modules.into_iter().flatten() {
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" | "Normalize" => {}
            "Pooling" => path = module.path,
            other => return Err(unsupported(format!("its step {other:?}"))),
        }
    }
    let plain = !path.is_empty() && !path.contains(['/', '\\']) && path != "..";
    if !plain {
        let problem = "it names a folder elsewhere".to_owned();
        return Err(damaged("modules.json", problem));
    }
    let name = format!("{path}/config.json");
    let Some(file) = optional_json::<PoolingFile>(folder, &name)? else {
        return Ok(Pooling::Mean);
    };
    let chosen = file
        .modes
        .iter()
        .filter(|(name, on)| name.starts_with("pooling_mode_") && on.as_bool() == Some(true));
    let chosen: Vec<&str> = chosen.map(|(name, _)| name.as_str()).collect();
    match chosen.as_slice() {
        [] | ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
        ["pooling_mode_cls_token"] => Ok(Pooling::First),
        others => Err(unsupported(format!("its pooling {}", others.join(", ")))),
    }
}

#[derive(Deserialize)]
struct PromptFile {
    #[serde(default)]
    prompts: std::collections::BTreeMap<String, String>,
}

/// What `config_sentence_transformers.json` puts before texts. The E5 models were published before
/// it could say so, and are useless without theirs.
fn prompts(folder: &Path) -> Result<Prompts, ModelError> {
    let file = optional_json::<PromptFile>(folder, "config_sentence_transformers.json")?;
    let written = file.map(|file| file.prompts).unwrap_or_default();
    let named = |names: &[&str]| names.iter().find_map(|name| written.get(*name)).cloned();
    let query = named(&["query"]);
    let document = named(&["passage", "document"]);
    if query.is_none() && document.is_none() && is_e5(folder) {
        return Ok(Prompts {
            query: "query: ".to_owned(),
            document: "passage: ".to_owned(),
        });
    }
    Ok(Prompts {
        query: query.unwrap_or_default(),
        document: document.unwrap_or_default(),
    })
}

fn is_e5(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    parts.any(|part| part == "e5") && !name.contains("instruct")
}

/// A file of the folder, bounded.
pub(super) fn read(folder: &Path, name: &str) -> Result<Vec<u8>, ModelError> {
    let path = folder.join(name);
    let unreadable = |source| match source {
        source if std::io::Error::kind(&source) == std::io::ErrorKind::NotFound => {
            ModelError::Missing(path.clone())
        }
        source => ModelError::Unreadable {
            path: path.clone(),
            source,
        },
    };
    let size = std::fs::metadata(&path).map_err(unreadable)?.len();
    if size > MAX_JSON_BYTES {
        let problem = format!("it is longer than {MAX_JSON_BYTES} bytes");
        return Err(damaged(name, problem));
    }
    std::fs::read(&path).map_err(unreadable)
}

fn json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, ModelError> {
    let bytes = read(folder, name)?;
    serde_json::from_slice(&bytes).map_err(|error| damaged(name, error.to_string()))
}

fn optional_json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, ModelError> {
    match json(folder, name) {
        Ok(value) => Ok(Some(value)),
        Err(ModelError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn damaged(file: impl Into<PathBuf>, problem: String) -> ModelError {
    ModelError::Damaged {
        file: file.into(),
        problem,
    }
}

pub(super) fn unsupported(what: String) -> ModelError {
    ModelError::Unsupported(what)
}

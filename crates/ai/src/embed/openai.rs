//! Embeddings over an OpenAI-compatible `POST /embeddings`: the second embedder, for operators who
//! run or rent a better model than the built-in one.
//!
//! What comes back is checked, not trusted: the number of vectors, their order, that they are of one
//! dimension, and every value. A wrong vector stored would spoil search silently and for ever. Whether the
//! dimension is that of vectors made before is for whoever has those to say: one wrong answer must not
//! make all later ones wrong.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use okra_domain::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Embedder, Purpose};
use crate::Reach;
use crate::error::{ProviderError, ProviderErrorKind};
use crate::http::{Auth, Endpoint, EndpointConfig, Post, described_error, read_body, redact};

/// Most texts sent at once.
const MAX_BATCH_TEXTS: usize = 64;

/// Most characters sent at once, which keeps a request far below the services' token limits.
const MAX_BATCH_CHARS: usize = 100_000;

/// The part of a text that is embedded, in characters. Services refuse texts above some 8,000
/// tokens; Okra's chunks are far shorter, so only a pasted novel of a question is ever cut.
const MAX_TEXT_CHARS: usize = 8_000;

/// The longest answer read: 64 vectors of 4,096 numbers written out take about 6 MB.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// An embedding model behind an OpenAI-compatible API.
pub struct OpenAiEmbedder {
    endpoint: Endpoint,
    model: String,
    space: String,
    timeout: Duration,
}

/// What an [`OpenAiEmbedder`] is made of.
#[derive(Debug, Clone)]
pub struct OpenAiEmbedderConfig {
    /// The API's address, read as [`crate::chat::ChatModelConfig::base_url`] is.
    pub base_url: String,
    /// The model's name as the provider knows it.
    pub model: String,
    /// The key; servers without keys need none.
    pub api_key: Option<Secret>,
    /// The name of its vectors' space; `None`: `openai:` and the model's.
    pub space: Option<String>,
    /// Where the provider may be.
    pub reach: Reach,
    /// For the connection, TLS included.
    pub connect_timeout: Duration,
    /// For one batch, from the request to its last byte.
    pub timeout: Duration,
    /// Pause before the one retry, where the provider asks for none.
    pub retry_pause: Duration,
}

impl OpenAiEmbedder {
    /// An embedder at the configured address. Sends nothing yet; fails with `NotConfigured` where
    /// the address cannot be used.
    pub fn new(config: OpenAiEmbedderConfig) -> Result<Self, ProviderError> {
        let endpoint = Endpoint::new(EndpointConfig {
            base_url: &config.base_url,
            root: "/v1",
            key: config.api_key.as_ref(),
            connect_timeout: config.connect_timeout,
            retry_pause: config.retry_pause,
            reach: &config.reach,
            gzip: true,
            auth: Auth::Bearer,
            headers: &[],
            query: None,
        })?;
        Ok(Self {
            endpoint,
            space: config
                .space
                .unwrap_or_else(|| format!("openai:{}", config.model)),
            model: config.model,
            timeout: config.timeout,
        })
    }

    /// One request with its one retry. Every text holds something.
    async fn embed_batch(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, ProviderError> {
        let body: Bytes = serde_json::to_vec(&RequestBody {
            model: &self.model,
            input: texts,
        })
        .expect("strings are always JSON")
        .into();
        let answer = self
            .endpoint
            .with_one_retry(|| async {
                let attempt = self.attempt(body.clone());
                tokio::time::timeout(self.timeout, attempt)
                    .await
                    .unwrap_or_else(|_| {
                        Err(ProviderError::new(
                            ProviderErrorKind::Timeout,
                            "The embedding provider did not answer in time.",
                        ))
                    })
            })
            .await?;
        checked(answer, texts.len())
    }

    async fn attempt(&self, body: Bytes) -> Result<Answer, ProviderError> {
        let post = Post {
            path: &["embeddings"],
            query: None,
            body,
            key: None,
            accept: "application/json",
        };
        let mut response = self.endpoint.post(&post).await?;
        let body = read_body(&mut response, MAX_ANSWER).await?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|error| malformed(format!("is not what was asked for: {error}")))?;
        match &answer.error {
            None => Ok(answer),
            Some(error) => {
                let error = described_error(error, ProviderErrorKind::Rejected { status: 200 });
                let message = redact(&error.message, self.endpoint.key_for(None));
                Err(ProviderError::new(error.kind, message))
            }
        }
    }
}

#[async_trait]
impl Embedder for OpenAiEmbedder {
    fn space(&self) -> &str {
        &self.space
    }

    /// Always: whoever configures a model knows what it is for.
    fn understands(&self, _text: &str) -> bool {
        true
    }

    /// The purpose is not sent: the API has no word for it, and models behind it that want a
    /// prefix differ in which.
    async fn embed(
        &self,
        texts: &[String],
        _purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, ProviderError> {
        let mut vectors = vec![Vec::new(); texts.len()];
        // Services refuse blank texts, and with them the whole batch.
        let worded: Vec<(usize, &str)> = texts
            .iter()
            .enumerate()
            .map(|(place, text)| (place, beginning(text)))
            .filter(|(_, text)| !text.trim().is_empty())
            .collect();
        let mut dimension = None;
        for batch in batches(&worded) {
            let batch_texts: Vec<&str> = batch.iter().map(|(_, text)| *text).collect();
            let found = self.embed_batch(&batch_texts).await?;
            for ((place, _), vector) in batch.iter().zip(found) {
                let got = vector.len();
                let dimension = *dimension.get_or_insert(got);
                if got != dimension {
                    return Err(malformed(format!(
                        "holds a vector of {got} numbers where the model's others have {dimension}"
                    )));
                }
                vectors[*place] = vector;
            }
        }
        if worded.len() < texts.len() {
            let dimension = match dimension {
                Some(dimension) => dimension,
                None => self
                    .embed_batch(&["dimension"])
                    .await?
                    .first()
                    .map_or(0, Vec::len),
            };
            for vector in vectors.iter_mut().filter(|vector| vector.is_empty()) {
                *vector = vec![0.0; dimension];
            }
        }
        Ok(vectors)
    }
}

impl OpenAiEmbedderConfig {
    /// `model` at `base_url` with the usual limits and no key.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key: None,
            space: None,
            reach: Reach::Anywhere,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            retry_pause: Duration::from_millis(250),
        }
    }
}

#[derive(Serialize)]
struct RequestBody<'a> {
    model: &'a str,
    input: &'a [&'a str],
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Vec<Item>>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// The vectors in the order of their texts, each of length 1, or the reason they can't be used.
fn checked(answer: Answer, texts: usize) -> Result<Vec<Vec<f32>>, ProviderError> {
    let data = answer
        .data
        .ok_or_else(|| malformed("holds no vectors; is its address right?".to_owned()))?;
    if data.len() != texts {
        let count = data.len();
        return Err(malformed(format!(
            "holds {count} vectors for {texts} texts"
        )));
    }
    let mut vectors = vec![Vec::new(); texts];
    for (position, item) in data.into_iter().enumerate() {
        let place = item.index.unwrap_or(position);
        match vectors.get_mut(place) {
            Some(vector) if vector.is_empty() => *vector = unit(item.embedding)?,
            _ => return Err(malformed(format!("holds vector {place} twice or too many"))),
        }
    }
    Ok(vectors)
}

fn unit(mut vector: Vec<f32>) -> Result<Vec<f32>, ProviderError> {
    if vector.is_empty() {
        return Err(malformed("holds a vector without numbers".to_owned()));
    }
    let length = vector
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    if !length.is_finite() {
        return Err(malformed(
            "holds a vector that is not made of numbers".to_owned(),
        ));
    }
    if length > 0.0 {
        for value in &mut vector {
            *value = (f64::from(*value) / length) as f32;
        }
    }
    Ok(vector)
}

/// Splits texts into batches within both limits. A text alone is always within them.
fn batches<'a, 't>(texts: &'a [(usize, &'t str)]) -> Vec<&'a [(usize, &'t str)]> {
    let mut batches = Vec::new();
    let mut start = 0;
    let mut chars = 0;
    for (end, (_, text)) in texts.iter().enumerate() {
        let more = text.chars().count();
        if end > start && (end - start == MAX_BATCH_TEXTS || chars + more > MAX_BATCH_CHARS) {
            batches.push(&texts[start..end]);
            start = end;
            chars = 0;
        }
        chars += more;
    }
    if start < texts.len() {
        batches.push(&texts[start..]);
    }
    batches
}

fn beginning(text: &str) -> &str {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

fn malformed(what: String) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::Malformed,
        format!("The embedding provider's answer {what}."),
    )
}

#[cfg(test)]
mod tests;

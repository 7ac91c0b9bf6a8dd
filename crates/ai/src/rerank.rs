//! Rerankers: models that read a question and a passage together, and say better than two vectors do
//! whether they fit. Reached over `POST /rerank` as Cohere, Jina, vLLM and others have it, or as
//! text-embeddings-inference does, which is found out by its refusal of the other form.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use okra_domain::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Reach;
use crate::error::{ProviderError, ProviderErrorKind};
use crate::http::{Auth, Endpoint, EndpointConfig, Post, read_body};

/// The longest answer read: a score for each of 100 passages takes a few kilobytes, though some servers
/// repeat the passages.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// What a [`RerankModel`] is made of.
#[derive(Debug, Clone)]
pub struct RerankConfig {
    /// The address above `/rerank`.
    pub base_url: String,
    /// The model's name, where the server has several.
    pub model: Option<String>,
    /// The key; servers without keys need none.
    pub api_key: Option<Secret>,
    /// Where the server may be.
    pub reach: Reach,
    /// For the whole call: a visitor waits for it.
    pub timeout: Duration,
}

/// A reranker behind an address.
pub struct RerankModel {
    endpoint: Endpoint,
    model: Option<String>,
    timeout: Duration,
    /// Whether the server speaks as text-embeddings-inference does.
    texts: AtomicBool,
}

impl RerankModel {
    /// A reranker at the configured address. Sends nothing yet; fails with `NotConfigured` where the
    /// address cannot be used.
    pub fn new(config: RerankConfig) -> Result<Self, ProviderError> {
        let endpoint = Endpoint::new(EndpointConfig {
            base_url: &config.base_url,
            root: "",
            key: config.api_key.as_ref(),
            connect_timeout: config.timeout,
            retry_pause: Duration::ZERO,
            reach: &config.reach,
            gzip: true,
            auth: Auth::Bearer,
            headers: &[],
            query: None,
        })?;
        Ok(Self {
            endpoint,
            model: config.model,
            timeout: config.timeout,
            texts: AtomicBool::new(false),
        })
    }

    /// How well each text answers the query, in their order; what the numbers mean is the model's.
    /// Fails in the server's own words, within the time allowed.
    pub async fn rerank(&self, query: &str, texts: &[String]) -> Result<Vec<f32>, ProviderError> {
        let answered = tokio::time::timeout(self.timeout, self.ask(query, texts)).await;
        answered.unwrap_or_else(|_| {
            let message = "The reranker did not answer in time.";
            Err(ProviderError::new(ProviderErrorKind::Timeout, message))
        })
    }

    async fn ask(&self, query: &str, texts: &[String]) -> Result<Vec<f32>, ProviderError> {
        let known = self.texts.load(Ordering::Relaxed);
        match self.attempt(query, texts, known).await {
            Err(error) if !known && refuses_the_form(&error) => {
                // Its first words are the better ones where this is not it either.
                let scores = self.attempt(query, texts, true).await.map_err(|_| error)?;
                self.texts.store(true, Ordering::Relaxed);
                Ok(scores)
            }
            answered => answered,
        }
    }

    async fn attempt(
        &self,
        query: &str,
        texts: &[String],
        as_texts: bool,
    ) -> Result<Vec<f32>, ProviderError> {
        let mut body = match as_texts {
            true => json!({"query": query, "texts": texts, "truncate": true}),
            false => json!({
                "query": query, "documents": texts, "top_n": texts.len(),
                "return_documents": false,
            }),
        };
        if let (Some(model), false) = (&self.model, as_texts) {
            body["model"] = json!(model);
        }
        let post = Post {
            path: &["rerank"],
            query: None,
            body: Bytes::from(body.to_string()),
            key: None,
            accept: "application/json",
        };
        let mut response = self.endpoint.post(&post).await?;
        let answer = read_body(&mut response, MAX_ANSWER).await?;
        scores(&answer, texts.len())
    }
}

fn refuses_the_form(error: &ProviderError) -> bool {
    matches!(
        error.kind,
        ProviderErrorKind::Rejected { status: 400 | 422 }
    )
}

#[derive(Deserialize)]
struct Scored {
    index: usize,
    #[serde(alias = "relevance_score")]
    score: f32,
}

/// A score for each text, exactly one.
fn scores(answer: &[u8], texts: usize) -> Result<Vec<f32>, ProviderError> {
    let mut answer: Value = serde_json::from_slice(answer)
        .map_err(|error| malformed(format!("is not what was asked for: {error}")))?;
    let results = match &mut answer {
        Value::Object(fields) => fields.remove("results").unwrap_or_default(),
        list => list.take(),
    };
    let results: Vec<Scored> = serde_json::from_value(results)
        .map_err(|error| malformed(format!("holds no scores: {error}")))?;
    let mut scores = vec![None; texts];
    for result in results {
        let place = scores.get_mut(result.index);
        let place = place.ok_or_else(|| malformed("scores a text that was not sent".to_owned()))?;
        if !result.score.is_finite() || place.replace(result.score).is_some() {
            return Err(malformed(
                "scores a text twice, or with no number".to_owned(),
            ));
        }
    }
    let scores: Option<Vec<f32>> = scores.into_iter().collect();
    scores.ok_or_else(|| malformed("leaves texts without a score".to_owned()))
}

fn malformed(what: String) -> ProviderError {
    let message = format!("The reranker's answer {what}.");
    ProviderError::new(ProviderErrorKind::Malformed, message)
}

#[cfg(test)]
mod tests {

    use okra_testkit::provider::{ErrorReply, MockProvider, RerankScript};

    use super::*;

    fn model(provider: &MockProvider) -> RerankModel {
        RerankModel::new(RerankConfig {
            base_url: provider.base_url(),
            model: Some("mock-rerank".to_owned()),
            api_key: Some(Secret::new("sk-rerank-1234567890")),
            reach: Reach::Anywhere,
            timeout: Duration::from_secs(5),
        })
        .unwrap()
    }

    fn texts() -> Vec<String> {
        [
            "opening hours",
            "the return period",
            "return it within 30 days",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    #[tokio::test]
    async fn texts_are_scored_in_their_order() {
        let provider = MockProvider::start().await;
        let model = model(&provider);
        let scores = model.rerank("return within days", &texts()).await.unwrap();
        assert!(scores[0] < scores[1] && scores[1] < scores[2], "{scores:?}");
        let asked = provider.requests().pop().unwrap();
        assert_eq!(asked.path, "/v1/rerank");
        assert_eq!(asked.key(), Some("sk-rerank-1234567890"));
        assert_eq!(asked.body["model"], "mock-rerank");
        assert_eq!(asked.body["documents"][1], "the return period");
    }

    #[tokio::test]
    async fn the_other_form_is_found_out_once() {
        let provider = MockProvider::start().await;
        let model = model(&provider);
        provider.rerank_by_default(RerankScript::Texts);
        for expected in [2, 3] {
            let scores = model.rerank("return within days", &texts()).await.unwrap();
            assert!(scores[2] > scores[0]);
            assert_eq!(provider.request_count(), expected);
        }
    }

    #[tokio::test]
    async fn faults_are_told_in_the_servers_words() {
        let provider = MockProvider::start().await;
        let model = model(&provider);
        let refused = ErrorReply::new(429, "Slow down, sk-rerank-1234567890.");
        for (script, expected) in [
            (RerankScript::Error(refused), "Slow down, …."),
            (RerankScript::MissingOne, "leaves texts without a score"),
            (RerankScript::Twice, "scores a text twice"),
            (RerankScript::NotFinite, "scores"),
        ] {
            provider.rerank_by_default(script);
            let failed = model.rerank("return", &texts()).await.unwrap_err();
            assert!(failed.message.contains(expected), "{failed}");
        }
    }

    #[tokio::test]
    async fn a_reranker_that_does_not_answer_is_not_waited_for() {
        let provider = MockProvider::start().await;
        provider.rerank_by_default(RerankScript::Hang);
        let model = RerankModel {
            timeout: Duration::from_millis(20),
            ..model(&provider)
        };
        let failed = model.rerank("return", &texts()).await;
        assert_eq!(failed.unwrap_err().kind, ProviderErrorKind::Timeout);
    }
}

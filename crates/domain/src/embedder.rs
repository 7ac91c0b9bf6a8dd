//! Who turns a chatbot's texts into vectors, and who puts the passages found in order once more.

use crate::chatbot::at_most;
use crate::error::{Error, Result};
use crate::provider::{Provider, ProviderChange};

/// The most characters of a model's name.
const MAX_MODEL_CHARS: usize = 200;

/// How many passages a reranker is shown where nothing else is said.
pub const DEFAULT_RERANKED: u32 = 20;

/// How many passages a reranker can be shown.
pub const MAX_RERANKED: u32 = 100;

/// A choice of who makes the vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbedderChoice {
    /// The model that is built in.
    Static,
    /// A sentence transformer in the server's folder of models, by its folder's name.
    Transformer {
        /// The folder's name.
        model: String,
    },
    /// A model behind an OpenAI-compatible API.
    Endpoint {
        /// Where it is, and its key.
        provider: Provider,
        /// The model's name there.
        model: String,
    },
}

/// What a chatbot's vectors are made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Embedding {
    /// The chatbot's own choice; `None`: its organization's.
    pub own: Option<EmbedderChoice>,
    /// The organization's choice; `None`: the server's.
    pub organization: Option<EmbedderChoice>,
    /// Whose vectors answer now; `None` while there are none, and whoever is chosen makes the first.
    pub serving: Option<Serving>,
}

/// Whose vectors answer: those of the one chosen, or of the one before while these are being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The space that the vectors lie in.
    pub space: String,
    /// Who makes such vectors; `None`: the server's own, or nobody any longer.
    pub embedder: Option<EmbedderChoice>,
}

impl Embedding {
    /// The choice that holds for the chatbot; `None`: the server's.
    pub fn wanted(&self) -> Option<&EmbedderChoice> {
        self.own.as_ref().or(self.organization.as_ref())
    }
}

/// How far new vectors have come, or why they did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reembedding {
    /// The space that they lie in.
    pub space: String,
    /// Passages that have theirs.
    pub done: i64,
    /// Passages there are.
    pub total: i64,
    /// The numbers of a vector, once one was made.
    pub dimension: Option<i64>,
    /// Why it was given up, in a sentence.
    pub error: Option<String>,
}

/// A model that is asked once more which of the passages found answer best.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reranker {
    /// Where its `/rerank` is, and its key.
    pub provider: Provider,
    /// Its name; servers with one model need none.
    pub model: Option<String>,
    /// How many of the best passages it is shown.
    pub top_n: u32,
}

/// A change of what is behind an address, as [`Provider::changed`] makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointChange {
    /// The address and the key. The address must be given.
    pub provider: ProviderChange,
    /// The model's name.
    pub model: Option<String>,
}

impl EmbedderChoice {
    /// The endpoint that `change` makes of the present choice, or the first rule that it breaks.
    pub fn endpoint(current: Option<&Self>, change: EndpointChange) -> Result<Self> {
        let current = match current {
            Some(Self::Endpoint { provider, .. }) => Some(provider),
            _ => None,
        };
        let model = parse_model(change.model.as_deref())?;
        let model = model.ok_or_else(|| Error::invalid_field("model", "is needed"))?;
        Ok(Self::Endpoint {
            provider: with_address(current, change.provider)?,
            model,
        })
    }
}

impl Reranker {
    /// The reranker that `change` makes of the present one, or the first rule that it breaks.
    pub fn changed(
        current: Option<&Self>,
        change: EndpointChange,
        top_n: Option<u32>,
    ) -> Result<Self> {
        let top_n = top_n.unwrap_or(DEFAULT_RERANKED);
        if top_n == 0 || top_n > MAX_RERANKED {
            let problem = format!("must be from 1 to {MAX_RERANKED}");
            return Err(Error::invalid_field("top_n", problem));
        }
        Ok(Self {
            model: parse_model(change.model.as_deref())?,
            provider: with_address(current.map(|current| &current.provider), change.provider)?,
            top_n,
        })
    }
}

fn with_address(current: Option<&Provider>, change: ProviderChange) -> Result<Provider> {
    let given = change.base_url.as_deref().map(str::trim);
    if given.is_none_or(str::is_empty) {
        return Err(Error::invalid_field("base_url", "is needed"));
    }
    Provider::changed(current, change)
}

fn parse_model(model: Option<&str>) -> Result<Option<String>> {
    let model = model.map(str::trim).filter(|model| !model.is_empty());
    if let Some(model) = model {
        at_most("model", model, MAX_MODEL_CHARS)?;
        if model.chars().any(char::is_control) {
            return Err(Error::invalid_field("model", "must be one line"));
        }
    }
    Ok(model.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn change(base_url: &str, model: &str, key: Option<&str>) -> EndpointChange {
        EndpointChange {
            provider: ProviderChange {
                base_url: Some(base_url.to_owned()),
                api_key: key.map(|key| Some(Secret::new(key))),
            },
            model: Some(model.to_owned()),
        }
    }

    #[test]
    fn a_chatbots_own_choice_comes_before_its_organizations() {
        let model = |name: &str| EmbedderChoice::Transformer {
            model: name.to_owned(),
        };
        let mut embedding = Embedding::default();
        assert_eq!(embedding.wanted(), None);
        embedding.organization = Some(model("theirs"));
        assert_eq!(embedding.wanted(), Some(&model("theirs")));
        embedding.own = Some(model("own"));
        assert_eq!(embedding.wanted(), Some(&model("own")));
    }

    #[test]
    fn endpoints_are_named_in_full_and_keep_their_key() {
        let url = "https://models.example.com/v1";
        let first = EmbedderChoice::endpoint(None, change(url, "embed-1", Some("sk-1234567890")));
        let first = first.expect("valid");
        let other_model = EmbedderChoice::endpoint(Some(&first), change(url, "embed-2", None));
        let EmbedderChoice::Endpoint { provider, model } = other_model.expect("valid") else {
            panic!("an endpoint");
        };
        assert_eq!(model, "embed-2");
        assert_eq!(provider.api_key, Some(Secret::new("sk-1234567890")));
        let check = |base_url: &str, model: &str, field: &str| {
            let refused = EmbedderChoice::endpoint(None, change(base_url, model, None));
            assert_eq!(refused.expect_err("a rule").details[0].field, field);
        };
        check(" ", "embed-1", "base_url");
        check("models", "embed-1", "base_url");
        check(url, " ", "model");
        check(url, &"m".repeat(201), "model");
        check(url, "a\nb", "model");
    }

    #[test]
    fn a_reranker_is_shown_a_bounded_number_of_passages() {
        let url = "https://models.example.com/v1";
        let made = |top_n| Reranker::changed(None, change(url, "", None), top_n);
        let default = made(None).expect("valid");
        assert_eq!((default.top_n, default.model), (DEFAULT_RERANKED, None));
        for top_n in [0, 101] {
            let refused = made(Some(top_n)).expect_err("out of bounds");
            assert_eq!(refused.details[0].field, "top_n");
        }
    }
}

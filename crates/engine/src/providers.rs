//! Which model provider answers for a chatbot: its organization's own, else the server's. A key of
//! the chatbot's own takes the place of that provider's key.
//!
//! A client pools connections, so one is kept for each address in use, whoever uses it; keys are
//! sent with each request. Organizations' addresses are reached through a gate, since whoever may
//! set one is not always who runs the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use okra_ai::chat::{ChatModel, ChatModelConfig};
use okra_ai::error::ProviderError;
use okra_domain::chatbot::Chatbot;
use okra_domain::provider::Provider;
use okra_domain::{Error, Secret};

use crate::Engine;
use crate::fetch::Gate;

/// Clients kept at most; beyond that all are made anew.
const MOST: usize = 64;
/// How long a provider's list of models is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The clients of organizations' own providers, by address.
#[derive(Default)]
pub(crate) struct Models(Mutex<HashMap<String, Arc<ChatModel>>>);

impl Models {
    fn at(&self, base_url: &str, gate: &Gate) -> Result<Arc<ChatModel>, ProviderError> {
        // A poisoned lock guards a map that is whole between any two of its calls.
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = models.get(base_url) {
            return Ok(model.clone());
        }
        let model = Arc::new(ChatModel::new(gated(base_url, gate))?);
        if models.len() >= MOST {
            models.clear();
        }
        models.insert(base_url.to_owned(), model.clone());
        Ok(model)
    }
}

fn gated(base_url: &str, gate: &Gate) -> ChatModelConfig {
    ChatModelConfig {
        reach: gate.reach(base_url),
        ..ChatModelConfig::new(base_url)
    }
}

/// The provider that answers.
pub(crate) struct Chosen {
    pub(crate) model: Arc<ChatModel>,
    /// The name that the answer records.
    pub(crate) name: String,
    /// The key to send in place of the model's own.
    pub(crate) key: Option<Secret>,
}

impl Engine {
    /// The provider that answers for the chatbot, where there is one.
    pub(crate) fn chosen(&self, chatbot: &Chatbot) -> Result<Option<Chosen>, ProviderError> {
        let own_key = chatbot.openai_api_key.clone();
        if let Some(provider) = &chatbot.provider {
            return Ok(Some(Chosen {
                model: self.models.at(&provider.base_url, &self.parts.gate)?,
                name: provider.name(),
                key: own_key.or_else(|| provider.api_key.clone()),
            }));
        }
        let configured = self.parts.options.provider.clone();
        let name = configured.or(own_key.is_some().then(|| "openai".to_owned()));
        Ok(name.map(|name| Chosen {
            model: self.parts.chat_model.clone(),
            name,
            key: own_key,
        }))
    }

    /// Fails where an organization's provider may not be reached, as far as its address tells: a
    /// name shows where it leads only when it is connected to.
    pub fn check_reach(&self, provider: &Provider) -> okra_domain::error::Result<()> {
        let checked = ChatModel::new(gated(&provider.base_url, &self.parts.gate));
        checked
            .map(|_| ())
            .map_err(|error| Error::invalid_field("base_url", error.message))
    }

    /// The models that an organization's provider offers, sorted. Fails in the provider's own words,
    /// within ten seconds.
    pub async fn models_of(&self, provider: &Provider) -> Result<Vec<String>, ProviderError> {
        let config = ChatModelConfig {
            api_key: provider.api_key.clone(),
            ..gated(&provider.base_url, &self.parts.gate)
        };
        ChatModel::new(config)?.models(PATIENCE).await
    }

    /// The models that the server's provider offers, sorted; see [`Engine::models_of`].
    pub async fn models_of_server(&self) -> Result<Vec<String>, ProviderError> {
        self.parts.chat_model.models(PATIENCE).await
    }
}

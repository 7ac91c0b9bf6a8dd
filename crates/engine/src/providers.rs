//! The clients of model providers, and which of them answers for a chatbot; [`begin`] has an answer
//! begun, [`catalog`] says what there is to choose from.
//!
//! A client pools connections, so one is kept for each address in use, whoever uses it; keys are
//! sent with each request. Organizations' addresses are reached through a gate, since whoever may
//! set one is not always who runs the server.

mod begin;
mod catalog;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use okra_ai::chat::{ChatModel, ChatModelConfig, Wire};
use okra_ai::error::{ProviderError, ProviderErrorKind};
use okra_domain::chatbot::Chatbot;
use okra_domain::models::{NamedProvider, Place, ProviderKind, choose};
use okra_domain::provider::Provider;
use okra_domain::{Error, Secret};

use crate::Engine;
use crate::fetch::Gate;

pub use begin::BUDGET_SPENT;
pub(crate) use begin::{Again, Begun, Failed, First, stand_in};
pub use catalog::{Catalog, Offered, Trial};

/// Clients kept at most; beyond that all are made anew.
const MOST: usize = 64;

/// The clients of all providers.
pub struct Models {
    /// The server's providers, the default first.
    server: Vec<NamedProvider>,
    /// Their clients, by name.
    clients: HashMap<String, Arc<ChatModel>>,
    /// Those of organizations.
    others: Mutex<HashMap<Address, Arc<ChatModel>>>,
    lists: catalog::Lists,
    gate: Gate,
}

#[derive(PartialEq, Eq, Hash)]
struct Address {
    wire: Wire,
    base_url: String,
    api_version: Option<String>,
}

impl Address {
    fn of(provider: &NamedProvider) -> Self {
        Self {
            wire: wire(provider.kind),
            base_url: provider.endpoint.base_url.clone(),
            api_version: provider.api_version.clone(),
        }
    }
}

impl Models {
    /// The clients of the server's own `providers`, of which the first is the default. Organizations'
    /// are made as they are needed, and reach what `gate` lets through. Fails where an address cannot
    /// be used.
    pub fn new(providers: Vec<NamedProvider>, gate: Gate) -> Result<Self, ProviderError> {
        let client = |provider: &NamedProvider| {
            let config = ChatModelConfig {
                api_key: provider.endpoint.api_key.clone(),
                ..config(provider)
            };
            Ok((provider.name.clone(), Arc::new(ChatModel::new(config)?)))
        };
        Ok(Self {
            clients: providers.iter().map(client).collect::<Result<_, _>>()?,
            server: providers,
            others: Mutex::default(),
            lists: catalog::Lists::default(),
            gate,
        })
    }

    /// The server's own providers, the default first.
    pub fn of_server(&self) -> &[NamedProvider] {
        &self.server
    }

    fn client_of_server(&self, provider: &NamedProvider) -> Arc<ChatModel> {
        let client = self.clients.get(&provider.name);
        client
            .expect("each provider of the server has a client")
            .clone()
    }

    fn of_organization(&self, provider: &NamedProvider) -> Result<Arc<ChatModel>, ProviderError> {
        let address = Address::of(provider);
        // A poisoned lock guards a map that is whole between any two of its calls.
        let mut models = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = models.get(&address) {
            return Ok(model.clone());
        }
        let model = Arc::new(ChatModel::new(self.gated(provider))?);
        if models.len() >= MOST {
            models.clear();
        }
        models.insert(address, model.clone());
        Ok(model)
    }

    fn gated(&self, provider: &NamedProvider) -> ChatModelConfig {
        ChatModelConfig {
            reach: self.gate.reach(&provider.endpoint.base_url),
            ..config(provider)
        }
    }
}

/// Without its key.
fn config(provider: &NamedProvider) -> ChatModelConfig {
    ChatModelConfig {
        wire: wire(provider.kind),
        api_version: provider.api_version.clone(),
        ..ChatModelConfig::new(&provider.endpoint.base_url)
    }
}

fn wire(kind: ProviderKind) -> Wire {
    match kind {
        ProviderKind::OpenAi | ProviderKind::Ollama => Wire::OpenAi,
        ProviderKind::Azure => Wire::Azure,
        ProviderKind::Anthropic => Wire::Anthropic,
        ProviderKind::Gemini => Wire::Gemini,
    }
}

/// The provider that answers, and with which model.
pub(crate) struct Chosen {
    pub(crate) client: Arc<ChatModel>,
    /// The provider's name, as the answer records it.
    pub(crate) provider: String,
    /// The model's name there.
    pub(crate) model: String,
    /// The key to send in place of the client's own.
    pub(crate) key: Option<Secret>,
}

impl Engine {
    /// Who answers for the chatbot with the model of this name; `None` where no provider is set.
    pub(crate) fn chosen(
        &self,
        chatbot: &Chatbot,
        model: &str,
    ) -> Result<Option<Chosen>, ProviderError> {
        let models = &self.parts.models;
        let own_key = chatbot.openai_api_key.as_ref();
        let (ours, servers) = (&chatbot.models.providers, models.of_server());
        let choice = choose(model, own_key, ours, servers).map_err(|error| {
            ProviderError::new(ProviderErrorKind::NotConfigured, error.to_string())
        })?;
        let Some(choice) = choice else {
            return Ok(None);
        };
        let own_key = own_key.filter(|_| choice.with_own_key).cloned();
        let (client, provider, key) = match choice.place {
            Place::Organization(it) => {
                let key = own_key.or_else(|| it.endpoint.api_key.clone());
                (models.of_organization(it)?, it.name.clone(), key)
            }
            Place::Server(it) => (models.client_of_server(it), it.name.clone(), own_key),
            Place::OpenAi => {
                let it = NamedProvider::openai();
                (models.of_organization(&it)?, it.name, own_key)
            }
        };
        Ok(Some(Chosen {
            client,
            provider,
            model: choice.model.to_owned(),
            key,
        }))
    }

    /// Fails where an organization's provider may not be reached, as far as its address tells: a
    /// name shows where it leads only when it is connected to.
    pub fn check_reach(&self, provider: &Provider) -> okra_domain::error::Result<()> {
        let gate = &self.parts.gate;
        let checked = ChatModel::new(ChatModelConfig {
            reach: gate.reach(&provider.base_url),
            ..ChatModelConfig::new(&provider.base_url)
        });
        checked
            .map(|_| ())
            .map_err(|error| Error::invalid_field("base_url", error.message))
    }
}

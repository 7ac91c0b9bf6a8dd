//! What providers offer, and whether they answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use okra_ai::chat::{ChatMessage, ChatModel, ChatRequest, Role};
use okra_ai::error::{ProviderError, ProviderErrorKind};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::models::{ModelSettings, NamedProvider, choose};
use okra_domain::{Error, Secret, Timestamp};

use super::Address;
use crate::Engine;
use crate::tokens::Spent;

/// How long a provider's list of models is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a list is kept.
const FRESH: Duration = Duration::from_secs(60);
/// Lists kept at most; beyond that all are asked for anew.
const MOST: usize = 64;
/// Tokens of a trial's answer at most; a model that thinks needs some hundreds.
const TRIAL_TOKENS: u32 = 512;

/// Where a list came from: the address, and the key it was asked for with.
type Place = (Address, Option<String>);

/// When a list was heard, and what it holds.
type Heard = (Timestamp, Vec<String>);

/// Lists of models.
#[derive(Default)]
pub(super) struct Lists(Mutex<HashMap<Place, Heard>>);

/// A model that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The name to choose it by.
    pub id: String,
    /// The name of its provider.
    pub provider: String,
}

/// All that can be chosen, and which providers did not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The models, by provider in their order.
    pub models: Vec<Offered>,
    /// The providers that did not answer, with their words.
    pub silent: Vec<(String, String)>,
}

/// How a trial of a provider went.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// How long it took.
    pub took: Duration,
    /// The models it offers, or why it does not say, in its own words.
    pub outcome: std::result::Result<Vec<String>, ProviderError>,
    /// Tokens that it took.
    pub tokens: i64,
}

impl Engine {
    /// The models that an organization's chatbots can name, from all of its and the server's
    /// providers, asked side by side. What was heard within a minute is not asked for again.
    pub async fn catalog(&self, settings: &ModelSettings) -> Catalog {
        let models = &self.parts.models;
        let ours = settings.providers.iter().map(|it| (it, false));
        // One of ours hides the server's of the same name.
        let hidden = |it: &&NamedProvider| settings.provider(&it.name).is_some();
        let servers = models.of_server().iter().filter(|it| !hidden(it));
        let all: Vec<_> = ours.chain(servers.map(|it| (it, true))).collect();
        let lists = all.iter().map(|(it, server)| self.listed(it, *server));
        let lists = join_all(lists).await;
        let mut catalog = Catalog::default();
        for (place, ((provider, _), list)) in all.iter().zip(lists).enumerate() {
            let name = &provider.name;
            match list {
                Ok(list) => catalog.models.extend(list.into_iter().map(|model| Offered {
                    // A name that the default provider has to itself needs nothing before it.
                    id: match place == 0 && !model.contains('/') {
                        true => model,
                        false => format!("{name}/{model}"),
                    },
                    provider: name.clone(),
                })),
                Err(error) => catalog.silent.push((name.clone(), error.message)),
            }
        }
        catalog
    }

    async fn listed(
        &self,
        provider: &NamedProvider,
        server: bool,
    ) -> std::result::Result<Vec<String>, ProviderError> {
        let models = &self.parts.models;
        let key = provider.endpoint.api_key.as_ref();
        let place = (
            Address::of(provider),
            key.map(|key| key.expose().to_owned()),
        );
        let now = self.parts.store.clock().now();
        if let Some((heard, list)) = models.lists.lock().get(&place)
            && now.since(*heard) < FRESH
        {
            return Ok(list.clone());
        }
        let client = match server {
            true => models.client_of_server(provider),
            false => models.of_organization(provider)?,
        };
        let list = client.models(key, PATIENCE).await?;
        let mut lists = models.lists.lock();
        if lists.len() >= MOST {
            lists.clear();
        }
        lists.insert(place, (now, list.clone()));
        Ok(list)
    }

    /// Tries an organization's provider, which need not be stored: asks for its models, or, where one
    /// is named, for one word of that.
    pub async fn try_provider(&self, provider: &NamedProvider, model: Option<&str>) -> Trial {
        let client = ChatModel::new(self.parts.models.gated(provider));
        self.tried(client, provider, model).await
    }

    /// The same for a provider of the server's.
    pub async fn try_server(&self, provider: &NamedProvider, model: Option<&str>) -> Trial {
        let client = ChatModel::new(super::config(provider));
        self.tried(client, provider, model).await
    }

    async fn tried(
        &self,
        client: std::result::Result<ChatModel, ProviderError>,
        provider: &NamedProvider,
        model: Option<&str>,
    ) -> Trial {
        let started = Instant::now();
        let key = provider.endpoint.api_key.as_ref();
        let mut spent = Spent::default();
        let outcome = match (client, model) {
            (Err(error), _) => Err(error),
            (Ok(client), None) => client.models(key, PATIENCE).await,
            (Ok(client), Some(model)) => {
                let (answered, took) = one_word(&client, model, key).await;
                spent = took;
                answered.map(|()| Vec::new())
            }
        };
        Trial {
            took: started.elapsed(),
            outcome,
            tokens: spent.tokens,
        }
    }

    /// Fails where an organization's provider may not be reached, as far as its address tells.
    pub fn check_provider(&self, provider: &NamedProvider) -> Result<()> {
        let checked = ChatModel::new(self.parts.models.gated(provider));
        checked
            .map(|_| ())
            .map_err(|error| Error::invalid_field("base_url", error.message))
    }

    /// Fails where `next` names a model that nobody has, in a place where `before` named another.
    /// What was valid once may be saved again with other changes.
    pub fn check_models(&self, before: Option<&Chatbot>, next: &Chatbot) -> Result<()> {
        let was = |it: &Chatbot| {
            (
                it.settings.model.clone(),
                it.settings.fallback_model.clone(),
            )
        };
        let (model, fallback) = before.map(was).unzip();
        if model.as_ref() != Some(&next.settings.model) {
            self.check_model(next, "settings.model", &next.settings.model)?;
        }
        match &next.settings.fallback_model {
            Some(name) if fallback.flatten().as_ref() != Some(name) => {
                self.check_model(next, "settings.fallbackModel", name)
            }
            _ => Ok(()),
        }
    }

    fn check_model(&self, chatbot: &Chatbot, field: &str, name: &str) -> Result<()> {
        let (ours, servers) = (&chatbot.models.providers, self.parts.models.of_server());
        let known = choose(name, chatbot.openai_api_key.as_ref(), ours, servers);
        known
            .map(|_| ())
            .map_err(|error| Error::invalid_field(field, error.to_string()))
    }

    /// The same for the model that stands in for an organization's chatbots.
    pub fn check_stand_in(&self, settings: &ModelSettings) -> Result<()> {
        let Some(name) = &settings.fallback_model else {
            return Ok(());
        };
        let known = choose(
            name,
            None,
            &settings.providers,
            self.parts.models.of_server(),
        );
        known
            .map(|_| ())
            .map_err(|error| Error::invalid_field("fallback_model", error.to_string()))
    }
}

/// Asks a model for one word; tells whether it answers, and what that took.
async fn one_word(
    client: &ChatModel,
    model: &str,
    key: Option<&Secret>,
) -> (std::result::Result<(), ProviderError>, Spent) {
    let sent = vec![ChatMessage::new(Role::User, "Reply with OK.")];
    let request = ChatRequest {
        model: model.to_owned(),
        messages: sent.clone(),
        api_key: key.cloned(),
        max_output_tokens: Some(TRIAL_TOKENS),
        ..ChatRequest::default()
    };
    match tokio::time::timeout(PATIENCE * 3, client.complete(request)).await {
        Ok(Ok(completion)) => (Ok(()), Spent::counted(completion.usage)),
        Ok(Err(error)) => {
            let spent = Spent::failed(error.kind, &sent);
            (Err(error), spent)
        }
        Err(_) => {
            let message = "The model provider did not answer in time.";
            let late = ProviderError::new(ProviderErrorKind::Timeout, message);
            (Err(late), Spent::given_up(&sent))
        }
    }
}

impl Lists {
    /// A poisoned lock guards a map that is whole between any two of its calls.
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

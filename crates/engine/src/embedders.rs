//! Which embedder makes a chatbot's vectors: its own choice, else its organization's, else the server's.
//!
//! Transformers are loaded at their first use and shared; endpoints of organizations are reached through
//! the gate, as their providers are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use okra_ai::embed::openai::{OpenAiEmbedder, OpenAiEmbedderConfig};
use okra_ai::embed::static_model::{SPACE as STATIC_SPACE, SPACES, StaticEmbedder};
use okra_ai::embed::transformer::{ModelError, TransformerEmbedder};
use okra_ai::embed::{Embedder, Purpose};
use okra_ai::error::{ProviderError, ProviderErrorKind};
use okra_domain::chatbot::Chatbot;
use okra_domain::embedder::{EmbedderChoice, Serving};
use okra_domain::error::Result;
use okra_domain::provider::Provider;
use okra_domain::{Error, ErrorKind, OrganizationId};
use okra_search::Fusion;
use okra_search::calibration::{self, Unrelated};
use tokio::sync::OnceCell;

use crate::Engine;
use crate::fetch::Gate;

/// Endpoints' clients kept at most; beyond that all are made anew.
const MOST: usize = 64;

/// What stands before a transformer's name in its space.
const TRANSFORMER: &str = "transformer:";

/// An embedder with how its cosine is weighed.
#[derive(Clone)]
pub struct Embedding {
    /// Makes the vectors.
    pub embedder: Arc<dyn Embedder>,
    /// Weighs an embedder of its sort against the words.
    sort: Fusion,
    /// Weighs this one, once its cosines are measured; locked while they are.
    measured: Arc<tokio::sync::Mutex<Option<Fusion>>>,
}

impl Embedding {
    /// The model that is built in.
    pub fn built_in() -> Self {
        Self {
            measured: Arc::new(tokio::sync::Mutex::new(Some(Fusion::static_english()))),
            ..Self::unmeasured(StaticEmbedder::built_in(), Fusion::static_english())
        }
    }

    /// A model behind an OpenAI-compatible API.
    pub fn endpoint(config: OpenAiEmbedderConfig) -> Result<Self> {
        let embedder = OpenAiEmbedder::new(config);
        let embedder = embedder.map_err(|error| Error::invalid_field("base_url", error.message))?;
        Ok(Self::unmeasured(embedder, Fusion::transformer()))
    }

    /// The transformer `model` in the folder `models`. Reads its weights: call it where blocking is
    /// fine.
    pub fn transformer(models: &Path, model: &str) -> Result<Self, ModelError> {
        let transformer = TransformerEmbedder::open(&models.join(model), model)?;
        let sort = match transformer.english_only() {
            true => Fusion::transformer_english(),
            false => Fusion::transformer(),
        };
        Ok(Self::unmeasured(transformer, sort))
    }

    /// An embedder of this sort whose cosines are measured when they are first needed.
    pub fn unmeasured(embedder: impl Embedder + 'static, sort: Fusion) -> Self {
        Self {
            embedder: Arc::new(embedder),
            sort,
            measured: Arc::default(),
        }
    }

    /// How its cosine is weighed. The first call embeds the texts of [`calibration`], some sixty short ones, to see
    /// where its cosines lie; they are the same for as long as the process runs. That goes on where whoever
    /// called waits no longer, so that the next one finds it done.
    pub async fn fusion(&self) -> std::result::Result<Fusion, ProviderError> {
        let mut measured = self.measured.clone().lock_owned().await;
        if let Some(fusion) = *measured {
            return Ok(fusion);
        }
        let embedding = self.clone();
        let measuring = tokio::spawn(async move {
            let fusion = embedding.measure().await?;
            *measured = Some(fusion);
            Ok(fusion)
        });
        measuring.await.unwrap_or_else(|error| {
            let message = format!("The embedder's cosines were not measured: {error}.");
            Err(ProviderError::new(ProviderErrorKind::Interrupted, message))
        })
    }

    async fn measure(&self) -> std::result::Result<Fusion, ProviderError> {
        let texts =
            |them: &[&str]| -> Vec<String> { them.iter().map(|it| (*it).to_owned()).collect() };
        let (questions, passages) = (
            texts(&calibration::QUESTIONS),
            texts(&calibration::PASSAGES),
        );
        if !passages.iter().all(|text| self.embedder.understands(text)) {
            // A model of other languages: nothing is known of its cosines.
            return Ok(self.sort);
        }
        let questions = self.embedder.embed(&questions, Purpose::Query).await?;
        let passages = self.embedder.embed(&passages, Purpose::Document).await?;
        Ok(match Unrelated::measure(&questions, &passages) {
            Some(unrelated) => self.sort.calibrated(unrelated),
            None => {
                let space = self.embedder.space();
                tracing::warn!(
                    space,
                    "an embedder tells no texts apart; words alone are searched for"
                );
                Fusion::lexical_only()
            }
        })
    }
}

/// The embedder of whoever has not chosen one.
pub enum ServerEmbedding {
    /// This one.
    Ready(Embedding),
    /// A transformer in the folder of models, by its folder's name; loaded when it is needed.
    Transformer(String),
}

/// The embedders there can be.
pub struct Embedders {
    server: ServerEmbedding,
    built_in: Embedding,
    models: PathBuf,
    gate: Gate,
    transformers: Mutex<HashMap<String, Loading>>,
    endpoints: Mutex<HashMap<EndpointKey, Embedding>>,
}

/// A transformer that is loaded once, however many ask for it.
type Loading = Arc<OnceCell<Embedding>>;

/// Address, key and model.
type EndpointKey = (String, Option<String>, String);

impl Embedders {
    /// The server's, for whoever has no choice of their own; transformers in the folder `models`; and
    /// endpoints behind the gate.
    pub fn new(server: ServerEmbedding, models: PathBuf, gate: Gate) -> Self {
        Self {
            server,
            built_in: Embedding::built_in(),
            models,
            gate,
            transformers: Mutex::default(),
            endpoints: Mutex::default(),
        }
    }

    fn models(&self) -> &Path {
        &self.models
    }

    /// The space of a choice's vectors; `None` stands for the server's choice.
    fn space(&self, choice: Option<&EmbedderChoice>) -> String {
        match choice {
            None => match &self.server {
                ServerEmbedding::Ready(server) => server.embedder.space().to_owned(),
                ServerEmbedding::Transformer(model) => format!("{TRANSFORMER}{model}"),
            },
            Some(EmbedderChoice::Static) => STATIC_SPACE.to_owned(),
            Some(EmbedderChoice::Transformer { model }) => format!("{TRANSFORMER}{model}"),
            Some(EmbedderChoice::Endpoint { provider, model }) => endpoint_space(provider, model),
        }
    }

    async fn of(&self, choice: Option<&EmbedderChoice>) -> Result<Embedding> {
        match choice {
            None => match &self.server {
                ServerEmbedding::Ready(server) => Ok(server.clone()),
                ServerEmbedding::Transformer(model) => self.transformer(model).await,
            },
            Some(EmbedderChoice::Static) => Ok(self.built_in.clone()),
            Some(EmbedderChoice::Transformer { model }) => self.transformer(model).await,
            Some(EmbedderChoice::Endpoint { provider, model }) => self.endpoint(provider, model),
        }
    }

    async fn transformer(&self, model: &str) -> Result<Embedding> {
        let loading = lock(&self.transformers)
            .entry(model.to_owned())
            .or_default()
            .clone();
        let load = || async {
            let (models, name) = (self.models.clone(), model.to_owned());
            let loaded =
                tokio::task::spawn_blocking(move || Embedding::transformer(&models, &name));
            let loaded = loaded.await;
            let loaded =
                loaded.map_err(|error| Error::internal("a model was not loaded", error))?;
            loaded.map_err(|error| {
                // Folders are the operator's: whoever chats is told no path.
                tracing::warn!(%error, model, "a model cannot be loaded");
                let message =
                    format!("The model {model:?} cannot be loaded; the server's log tells why.");
                Error::new(ErrorKind::Unavailable, message)
            })
        };
        loading.get_or_try_init(load).await.cloned()
    }

    fn endpoint(&self, provider: &Provider, model: &str) -> Result<Embedding> {
        let secret = provider.api_key.as_ref().map(|key| key.expose().to_owned());
        let key = (provider.base_url.clone(), secret, model.to_owned());
        if let Some(known) = lock(&self.endpoints).get(&key) {
            return Ok(known.clone());
        }
        let made = Embedding::endpoint(OpenAiEmbedderConfig {
            api_key: provider.api_key.clone(),
            reach: self.gate.reach(&provider.base_url),
            space: Some(endpoint_space(provider, model)),
            ..OpenAiEmbedderConfig::new(&provider.base_url, model)
        })?;
        let mut endpoints = lock(&self.endpoints);
        if endpoints.len() >= MOST {
            endpoints.clear();
        }
        endpoints.insert(key, made.clone());
        Ok(made)
    }
}

/// Vectors of one model at two addresses need not be alike.
fn endpoint_space(provider: &Provider, model: &str) -> String {
    format!("openai:{model}@{}", provider.base_url)
}

/// A poisoned lock guards a map that is whole between any two of its calls.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// The space of the vectors that a choice leads to; `None` stands for the server's choice.
    pub fn space_of(&self, choice: Option<&EmbedderChoice>) -> String {
        self.parts.embedders.space(choice)
    }

    /// The embedder that the chatbot shall have.
    pub(crate) async fn wanted_embedding(&self, chatbot: &Chatbot) -> Result<Embedding> {
        self.parts.embedders.of(chatbot.embedding.wanted()).await
    }

    /// Whose vectors answer for the chatbot now.
    pub fn serving(&self, chatbot: &Chatbot) -> Serving {
        let wanted = chatbot.embedding.wanted();
        let space = self.space_of(wanted);
        match &chatbot.embedding.serving {
            // The same space may have got another key.
            Some(serving) if serving.space != space => serving.clone(),
            _ => Serving {
                space,
                embedder: wanted.cloned(),
            },
        }
    }

    /// The embedder whose vectors answer for the chatbot now; `None` where the server's operator has
    /// replaced it, and words alone find until new vectors are made.
    pub(crate) async fn serving_embedding(&self, chatbot: &Chatbot) -> Result<Option<Embedding>> {
        let serving = self.serving(chatbot);
        let model = serving.space.strip_prefix(TRANSFORMER);
        let choice = match (serving.embedder, model) {
            // Vectors of a built-in model that an earlier version had.
            (Some(EmbedderChoice::Static), _) if serving.space != STATIC_SPACE => return Ok(None),
            (Some(choice), _) => Some(choice),
            (None, _) if serving.space == STATIC_SPACE => Some(EmbedderChoice::Static),
            (None, Some(model)) => Some(EmbedderChoice::Transformer {
                model: model.to_owned(),
            }),
            (None, None) if serving.space == self.space_of(None) => None,
            (None, None) => return Ok(None),
        };
        self.parts.embedders.of(choice.as_ref()).await.map(Some)
    }

    /// Sets the chatbot's own embedder, `None` for its organization's. Vectors are made in the
    /// background; until all are there, those that answer go on.
    pub async fn choose_embedder(
        &self,
        chatbot: &Chatbot,
        choice: Option<EmbedderChoice>,
    ) -> Result<()> {
        self.check_choice(choice.as_ref())?;
        let wanted = choice.as_ref().or(chatbot.embedding.organization.as_ref());
        let (before, space) = (self.serving(chatbot), self.space_of(wanted));
        let store = &self.parts.store;
        store
            .choose_embedder(chatbot, choice.as_ref(), &before, &space)
            .await?;
        self.wake_workers();
        Ok(())
    }

    /// Sets the embedder of the organization's chatbots without a choice of their own, `None` for the
    /// server's.
    pub async fn choose_organization_embedder(
        &self,
        organization: OrganizationId,
        choice: Option<EmbedderChoice>,
    ) -> Result<()> {
        self.check_choice(choice.as_ref())?;
        let store = &self.parts.store;
        let present = store.organization_embedder(organization).await?;
        let before = Serving {
            space: self.space_of(present.as_ref()),
            embedder: present,
        };
        let space = self.space_of(choice.as_ref());
        store
            .choose_organization_embedder(organization, choice.as_ref(), &before, &space)
            .await?;
        self.wake_workers();
        Ok(())
    }

    /// Loads the server's transformer, where it has one, so that no question has to wait for it.
    pub async fn warm_up(&self) {
        // A model that cannot be loaded is logged there, and told of where it is needed.
        if let Ok(embedding) = self.parts.embedders.of(None).await
            && let Err(error) = embedding.fusion().await
        {
            tracing::warn!(%error, "the embedder's cosines were not measured; the first question tries again");
        }
    }

    /// Has vectors made wherever the server's embedder is not the one that made them; gives for how
    /// many chatbots.
    pub async fn follow_server_embedder(&self) -> Result<u64> {
        let space = self.space_of(None);
        let built_in = (SPACES, STATIC_SPACE);
        let begun = self.parts.store.follow_server_embedder(&space, built_in);
        let begun = begun.await?;
        self.wake_workers();
        Ok(begun)
    }

    /// The names of the transformers in the folder of models, sorted.
    pub fn transformers(&self) -> Vec<String> {
        okra_ai::embed::transformer::models(self.parts.embedders.models())
    }

    fn check_choice(&self, choice: Option<&EmbedderChoice>) -> Result<()> {
        match choice {
            None | Some(EmbedderChoice::Static) => Ok(()),
            Some(EmbedderChoice::Endpoint { provider, .. }) => self.check_reach(provider),
            Some(EmbedderChoice::Transformer { model }) => {
                let models = self.transformers();
                if models.contains(model) {
                    return Ok(());
                }
                let problem = match models.as_slice() {
                    [] => "this server has no transformers; its operator can add one with \
                           `okra models add`"
                        .to_owned(),
                    some => format!("must be one of {}", some.join(", ")),
                };
                Err(Error::invalid_field("model", problem))
            }
        }
    }
}

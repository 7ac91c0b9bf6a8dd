//! The model providers of the organization, beside the server's; what they offer, what stands in where
//! one fails, and how much may be used a day.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::models::{
    ModelSettings, ModelSettingsChange, NamedProvider, NamedProviderChange, ProviderKind,
};
use okra_domain::provider::ProviderChange;
use okra_domain::{Error, Secret};
use okra_engine::providers::Trial;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Admin, Caller};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{Json, nullable};

/// Whose provider it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProviderSource {
    /// The organization set it.
    Organization,
    /// The server's operator did, for all organizations.
    Server,
}

/// The API that a provider speaks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProviderKind)]
pub enum Kind {
    /// OpenAI, and every server with its API: vLLM, llama.cpp, LM Studio, OpenRouter.
    Openai,
    /// OpenAI's models on Azure: models are deployments.
    Azure,
    /// Anthropic.
    Anthropic,
    /// Google Gemini.
    Gemini,
    /// Ollama.
    Ollama,
}

impl From<Kind> for ProviderKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Openai => Self::OpenAi,
            Kind::Azure => Self::Azure,
            Kind::Anthropic => Self::Anthropic,
            Kind::Gemini => Self::Gemini,
            Kind::Ollama => Self::Ollama,
        }
    }
}

impl From<ProviderKind> for Kind {
    fn from(kind: ProviderKind) -> Self {
        match kind {
            ProviderKind::OpenAi => Self::Openai,
            ProviderKind::Azure => Self::Azure,
            ProviderKind::Anthropic => Self::Anthropic,
            ProviderKind::Gemini => Self::Gemini,
            ProviderKind::Ollama => Self::Ollama,
        }
    }
}

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderBody {
    /// What the names of its models begin with: `anthropic/claude-sonnet-4-5`.
    name: String,
    /// The API that it speaks.
    kind: Kind,
    /// Its address.
    base_url: String,
    /// Its key, masked: `sk-…WXYZ`; of the server's only whether there is one. Null without one.
    api_key: Option<String>,
    /// The version of Azure's API that is asked for; null for the usual one.
    api_version: Option<String>,
    /// Whose it is.
    source: ProviderSource,
    /// Whether it has the models whose names begin with no provider.
    default: bool,
}

impl ProviderBody {
    fn of_organization(provider: &NamedProvider, settings: &ModelSettings) -> Self {
        let first = settings.providers.first();
        Self {
            api_key: provider.endpoint.api_key.as_ref().map(Secret::masked),
            source: ProviderSource::Organization,
            default: first.is_some_and(|first| first.name == provider.name),
            ..Self::of_server(provider, false)
        }
    }

    fn of_server(provider: &NamedProvider, default: bool) -> Self {
        Self {
            name: provider.name.clone(),
            kind: provider.kind.into(),
            base_url: provider.endpoint.base_url.clone(),
            api_key: provider.endpoint.api_key.as_ref().map(|_| "…".to_owned()),
            api_version: provider.api_version.clone(),
            source: ProviderSource::Server,
            default,
        }
    }
}

/// The providers, and what holds for all models.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProvidersReply {
    /// The organization's own first, then the server's. One of the organization's takes the place of a
    /// server's of the same name.
    providers: Vec<ProviderBody>,
    /// The model that answers where a chatbot's own fails before its first word and the chatbot names
    /// no other; null for none.
    fallback_model: Option<String>,
    /// Tokens that the organization's chatbots may use a day; null for no end.
    tokens_a_day: Option<i64>,
    /// Tokens used since midnight UTC, the playground's included.
    tokens_today: i64,
}

/// `{"provider": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderReply {
    provider: ProviderBody,
}

/// What can be set of a provider.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ProviderInput {
    /// The API that it speaks; needed for a new one.
    kind: Option<Kind>,
    /// Its address, at most 500 characters. Not given, the present one stays as long as the kind does; else it
    /// is the kind's usual one. One inside a private
    /// network is only reached where the server's operator opened it (`provider_allow`), as Ollama's
    /// port on the server's own machine is by default.
    base_url: Option<String>,
    /// Its key; null for none. Not given, or given as it is shown, the present one stays, as long as
    /// kind and address do.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    api_key: Option<Option<Secret>>,
    /// The version of Azure's API; the usual one where not given.
    api_version: Option<String>,
    /// True makes it the default, which has the models whose names begin with no provider. The first
    /// one is the default by itself.
    default: Option<bool>,
}

impl ProviderInput {
    fn change(self, current: Option<&NamedProvider>) -> Result<NamedProviderChange, Error> {
        let kind = self.kind.map(ProviderKind::from);
        let kind = kind
            .or(current.map(|current| current.kind))
            .ok_or_else(|| {
                Error::invalid_field(
                    "kind",
                    "is needed: openai, azure, anthropic, gemini or ollama",
                )
            })?;
        // What is not given stays, as long as the kind does.
        let kept = current.filter(|current| current.kind == kind);
        let kept_url = kept.map(|current| current.endpoint.base_url.clone());
        let api_version = self
            .api_version
            .or_else(|| kept.and_then(|current| current.api_version.clone()));
        Ok(NamedProviderChange {
            kind,
            endpoint: ProviderChange {
                base_url: self.base_url.or(kept_url),
                api_key: self.api_key,
            },
            api_version,
        })
    }
}

/// A provider to try: a stored one by its name, with or without changes, or one that is not stored.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ProviderTrialInput {
    /// The name of a provider of the organization's or the server's.
    name: Option<String>,
    /// A model there, by the provider's own name for it. It is asked for one word; without it the
    /// provider is asked for its models.
    model: Option<String>,
    /// What is different from the stored one.
    #[serde(flatten)]
    provider: ProviderInput,
}

/// How a trial went.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderTestReply {
    /// Whether the provider answered.
    ok: bool,
    /// One sentence: what it answered, or why it did not, in its own words where it had any.
    message: String,
    /// How long that took.
    milliseconds: f64,
    /// The names of its models, sorted; empty where one was tried.
    models: Vec<String>,
}

impl From<Trial> for ProviderTestReply {
    fn from(trial: Trial) -> Self {
        let (ok, message, models) = match trial.outcome {
            Ok(models) => {
                let message = match models.len() {
                    0 => "The provider answers.".to_owned(),
                    1 => "The provider answers and offers 1 model.".to_owned(),
                    count => format!("The provider answers and offers {count} models."),
                };
                (true, message, models)
            }
            Err(error) => (false, error.message, Vec::new()),
        };
        Self {
            ok,
            message,
            milliseconds: (trial.took.as_secs_f64() * 1e6).round() / 1e3,
            models,
        }
    }
}

/// A model that a chatbot can name.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelBody {
    /// What `settings.model` is set to.
    id: String,
    /// The provider that has it.
    provider: String,
}

/// A provider that did not say what it offers.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilentProvider {
    /// Its name.
    provider: String,
    /// Why, in its own words where it had any.
    message: String,
}

/// `{"data": […]}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelsReply {
    /// The models of every provider that answered.
    data: Vec<ModelBody>,
    /// The providers that did not.
    silent: Vec<SilentProvider>,
}

/// What holds for all models. Fields that are absent stay.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ProvidersInput {
    /// The model that answers where a chatbot's own fails before its first word; null for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    fallback_model: Option<Option<String>>,
    /// Tokens a day, from 1 to 1,000,000,000,000, counted from midnight UTC; null for no end. Answers
    /// that are being written when the last is used are finished; later ones fail with 429
    /// `budget_spent`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i64>)]
    tokens_a_day: Option<Option<i64>>,
}

/// Get the providers
///
/// Which model providers answer for the organization's chatbots, and what holds for all of them. A
/// chatbot's own key takes the place of the provider's, where that speaks OpenAI's API.
#[utoipa::path(get, path = "/api/external/providers",
    operation_id = "getProviders", tag = "Organization",
    responses((status = 200, body = ProvidersReply), (status = 401, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller<Admin>,
) -> ApiResult<JsonBody<ProvidersReply>> {
    let store = app.engine.store();
    let settings = store.model_settings(caller.organization()).await?;
    shown(&app, &caller, settings).await
}

async fn shown(
    app: &App,
    caller: &Caller<Admin>,
    settings: ModelSettings,
) -> ApiResult<JsonBody<ProvidersReply>> {
    let ours = settings.providers.iter();
    let mut providers: Vec<ProviderBody> = ours
        .map(|it| ProviderBody::of_organization(it, &settings))
        .collect();
    for (place, provider) in app.config.providers.iter().enumerate() {
        if settings.provider(&provider.name).is_none() {
            let default = place == 0 && settings.providers.is_empty();
            providers.push(ProviderBody::of_server(provider, default));
        }
    }
    let store = app.engine.store();
    Ok(JsonBody(ProvidersReply {
        providers,
        tokens_today: store.tokens_today(caller.organization()).await?,
        fallback_model: settings.fallback_model,
        tokens_a_day: settings.tokens_a_day,
    }))
}

/// Set the fallback and the tokens of a day
#[utoipa::path(patch, path = "/api/external/providers",
    operation_id = "updateProviders", tag = "Organization", request_body = ProvidersInput,
    responses((status = 200, body = ProvidersReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    caller: Caller<Admin>,
    Json(input): Json<ProvidersInput>,
) -> ApiResult<JsonBody<ProvidersReply>> {
    let engine = &app.engine;
    let change = |current: ModelSettings| {
        let next = current.changed(ModelSettingsChange {
            fallback_model: input.fallback_model,
            tokens_a_day: input.tokens_a_day,
        })?;
        engine.check_stand_in(&next)?;
        Ok(next)
    };
    let store = engine.store();
    let settings = store
        .change_model_settings(caller.organization(), change)
        .await?;
    shown(&app, &caller, settings).await
}

/// Set a provider
///
/// Adds it, or changes the one of this name: lower-case letters, digits, `-`, `_` and `.`, at most 40
/// characters. From the next turn on it answers for the organization's chatbots.
#[utoipa::path(put, path = "/api/external/providers/{name}",
    operation_id = "setProvider", tag = "Organization", request_body = ProviderInput,
    params(("name" = String, Path, description = "What its models' names begin with")),
    responses((status = 200, body = ProviderReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody)))]
pub async fn set(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(name): Path<String>,
    Json(input): Json<ProviderInput>,
) -> ApiResult<JsonBody<ProviderReply>> {
    let engine = &app.engine;
    let change = |mut settings: ModelSettings| {
        let first = input.default == Some(true);
        let current = settings.provider(&name);
        let next = NamedProvider::changed(current, &name, input.change(current)?)?;
        engine.check_provider(&next)?;
        settings.put(next, first)?;
        Ok(settings)
    };
    let store = engine.store();
    let settings = store.change_model_settings(caller.organization(), change);
    let settings = settings.await?;
    let set = settings.provider(&name);
    let set = set.ok_or_else(|| Error::internal("cannot set a provider", "it is not there"))?;
    Ok(JsonBody(ProviderReply {
        provider: ProviderBody::of_organization(set, &settings),
    }))
}

/// Forget a provider
///
/// A provider of the server's with the same name answers again.
#[utoipa::path(delete, path = "/api/external/providers/{name}",
    operation_id = "deleteProvider", tag = "Organization",
    params(("name" = String, Path, description = "The provider's name")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(name): Path<String>,
) -> ApiResult<StatusCode> {
    let change = |mut settings: ModelSettings| {
        let before = settings.providers.len();
        settings.providers.retain(|it| it.name != name);
        if settings.providers.len() == before {
            return Err(Error::not_found("provider of this organization"));
        }
        Ok(settings)
    };
    let store = app.engine.store();
    store
        .change_model_settings(caller.organization(), change)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Test a provider
///
/// Asks it for its models, for ten seconds at most, or asks a model for one word, for thirty, whose tokens count
/// among those of the day; stores nothing. A provider that does not answer is no error of this call: `ok` is false
/// then, and `message` says why.
#[utoipa::path(post, path = "/api/external/providers/test",
    operation_id = "testProvider", tag = "Organization", request_body = ProviderTrialInput,
    responses((status = 200, body = ProviderTestReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn test(
    State(app): State<App>,
    caller: Caller<Admin>,
    Json(input): Json<ProviderTrialInput>,
) -> ApiResult<JsonBody<ProviderTestReply>> {
    let store = app.engine.store();
    let settings = store.model_settings(caller.organization()).await?;
    let ours = input
        .name
        .as_deref()
        .and_then(|name| settings.provider(name));
    let model = input.model.as_deref().map(str::trim);
    let model = model.filter(|model| !model.is_empty());
    let provider = input.provider;
    let as_it_is = provider.kind.is_none() && provider.base_url.is_none();
    let stands = as_it_is && provider.api_key.is_none();
    let engine = &app.engine;
    if model.is_some() {
        engine
            .check_tokens(caller.organization(), &settings)
            .await?;
    }
    let trial = match (&input.name, ours) {
        (Some(name), None) if stands => {
            let server = app.config.providers.iter().find(|it| it.name == *name);
            let server = server.ok_or_else(|| ApiError(Error::not_found("provider")))?;
            engine.try_server(server, model).await
        }
        (_, Some(ours)) if stands => engine.try_provider(ours, model).await,
        (name, _) => {
            let name = name.as_deref().unwrap_or("trial");
            let tried = NamedProvider::changed(ours, name, provider.change(ours)?)?;
            engine.try_provider(&tried, model).await
        }
    };
    store
        .spend_tokens(caller.organization(), &settings, trial.tokens)
        .await?;
    Ok(JsonBody(trial.into()))
}

/// Get models
///
/// What chatbots' `settings.model` can be: the models of the organization's providers and the server's.
/// What a provider said is kept for a minute.
#[utoipa::path(get, path = "/api/external/models",
    operation_id = "getModels", tag = "Organization",
    responses((status = 200, body = ModelsReply), (status = 401, body = ErrorBody)))]
pub async fn models(
    State(app): State<App>,
    caller: Caller<Admin>,
) -> ApiResult<JsonBody<ModelsReply>> {
    let store = app.engine.store();
    let settings = store.model_settings(caller.organization()).await?;
    let catalog = app.engine.catalog(&settings).await;
    let body = |(provider, message)| SilentProvider { provider, message };
    Ok(JsonBody(ModelsReply {
        data: catalog
            .models
            .into_iter()
            .map(|it| ModelBody {
                id: it.id,
                provider: it.provider,
            })
            .collect(),
        silent: catalog.silent.into_iter().map(body).collect(),
    }))
}

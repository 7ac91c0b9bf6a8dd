//! The model provider of the organization.

use std::time::Instant;

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use okra_ai::error::ProviderError;
use okra_domain::models::NamedProvider;
use okra_domain::provider::{Provider, ProviderChange};
use okra_domain::{Error, ErrorKind, OrganizationId, Secret};
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
    /// The server's operator did, for all organizations without one.
    Server,
    /// There is none: answers are the knowledge's own words.
    None,
}

/// The provider in use.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderBody {
    /// Its API's address; null where there is none.
    base_url: Option<String>,
    /// Its key, masked: `sk-…WXYZ`; of the server's only whether there is one. Null without one.
    api_key: Option<String>,
    /// Whose it is.
    source: ProviderSource,
}

/// `{"provider": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderReply {
    provider: ProviderBody,
}

/// A provider to use, or to try.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ProviderInput {
    /// Its API's address, at most 500 characters; OpenAI's where not given. One inside a private
    /// network is only reached where the server's operator opened it (`provider_allow`), as Ollama's
    /// port on the server's own machine is by default.
    base_url: Option<String>,
    /// Its key; null for none. Not given, or given as it is shown, the present one stays, as long as
    /// the address does.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    api_key: Option<Option<Secret>>,
}

impl From<ProviderInput> for ProviderChange {
    fn from(input: ProviderInput) -> Self {
        Self {
            base_url: input.base_url,
            api_key: input.api_key,
        }
    }
}

/// How a trial of the connection went.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderTestReply {
    /// Whether the provider answered with its models.
    ok: bool,
    /// One sentence: what it answered, or why it did not, in its own words where it had any.
    message: String,
    /// How long that took.
    milliseconds: f64,
    /// The names of its models, sorted.
    models: Vec<String>,
}

/// `{"data": […]}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelsReply {
    /// The models' names, sorted.
    data: Vec<String>,
}

/// Get the provider
///
/// Which model provider answers for the organization's chatbots. A chatbot's own key takes the place
/// of this provider's key.
#[utoipa::path(get, path = "/api/external/provider",
    operation_id = "getProvider", tag = "Organization",
    responses((status = 200, body = ProviderReply), (status = 401, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    caller: Caller<Admin>,
) -> ApiResult<JsonBody<ProviderReply>> {
    let provider = app.engine.store().provider(caller.organization()).await?;
    Ok(shown(&app, provider))
}

fn shown(app: &App, own: Option<Provider>) -> JsonBody<ProviderReply> {
    let provider = match (own, app.config.providers.first()) {
        (Some(own), _) => ProviderBody {
            base_url: Some(own.base_url),
            api_key: own.api_key.map(|key| key.masked()),
            source: ProviderSource::Organization,
        },
        (None, Some(server)) => ProviderBody {
            base_url: Some(server.endpoint.base_url.clone()),
            api_key: server.endpoint.api_key.as_ref().map(|_| "…".to_owned()),
            source: ProviderSource::Server,
        },
        (None, None) => ProviderBody {
            base_url: None,
            api_key: None,
            source: ProviderSource::None,
        },
    };
    JsonBody(ProviderReply { provider })
}

/// Set the provider
///
/// From the next turn on it answers for every chatbot of the organization.
#[utoipa::path(put, path = "/api/external/provider",
    operation_id = "setProvider", tag = "Organization", request_body = ProviderInput,
    responses((status = 200, body = ProviderReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody)))]
pub async fn set(
    State(app): State<App>,
    caller: Caller<Admin>,
    Json(input): Json<ProviderInput>,
) -> ApiResult<JsonBody<ProviderReply>> {
    let engine = &app.engine;
    let change = |current: Option<&Provider>| {
        let next = Provider::changed(current, input.into())?;
        engine.check_reach(&next)?;
        Ok(next)
    };
    let store = engine.store();
    let provider = store.set_provider(caller.organization(), change).await?;
    Ok(shown(&app, Some(provider)))
}

/// Forget the provider
///
/// The server's provider answers again, where it has one.
#[utoipa::path(delete, path = "/api/external/provider",
    operation_id = "deleteProvider", tag = "Organization",
    responses((status = 204), (status = 401, body = ErrorBody)))]
pub async fn delete(State(app): State<App>, caller: Caller<Admin>) -> ApiResult<StatusCode> {
    let store = app.engine.store();
    store.delete_provider(caller.organization()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Test the connection to a provider
///
/// Asks it for its models, for ten seconds at most, and stores nothing. With an empty object the
/// provider in use is tried. A provider that does not answer is no error of this call: `ok` is false
/// then, and `message` says why.
#[utoipa::path(post, path = "/api/external/provider/test",
    operation_id = "testProvider", tag = "Organization", request_body = ProviderInput,
    responses((status = 200, body = ProviderTestReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub async fn test(
    State(app): State<App>,
    caller: Caller<Admin>,
    Json(input): Json<ProviderInput>,
) -> ApiResult<JsonBody<ProviderTestReply>> {
    let started = Instant::now();
    let listed = if input.base_url.is_none() && input.api_key.is_none() {
        models(&app, caller.organization()).await?
    } else {
        let current = app.engine.store().provider(caller.organization()).await?;
        let provider = Provider::changed(current.as_ref(), input.into())?;
        let provider = NamedProvider::openai_compatible(provider);
        app.engine.models_of(&provider).await
    };
    let milliseconds = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let (ok, message, models) = match listed {
        Ok(models) => {
            let message = match models.len() {
                1 => "The provider answers and offers 1 model.".to_owned(),
                count => format!("The provider answers and offers {count} models."),
            };
            (true, message, models)
        }
        Err(error) => (false, error.message, Vec::new()),
    };
    Ok(JsonBody(ProviderTestReply {
        ok,
        message,
        milliseconds,
        models,
    }))
}

/// Get the provider's models
#[utoipa::path(get, path = "/api/external/provider/models",
    operation_id = "getModels", tag = "Organization",
    responses((status = 200, body = ModelsReply), (status = 401, body = ErrorBody),
              (status = 502, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub async fn list_models(
    State(app): State<App>,
    caller: Caller<Admin>,
) -> ApiResult<JsonBody<ModelsReply>> {
    let listed = models(&app, caller.organization()).await?;
    let data = listed.map_err(|error| {
        let message = format!("The model provider failed: {}", error.message);
        ApiError(Error::new(ErrorKind::Provider, message))
    })?;
    Ok(JsonBody(ModelsReply { data }))
}

/// The models of the provider in use.
async fn models(
    app: &App,
    organization: OrganizationId,
) -> ApiResult<Result<Vec<String>, ProviderError>> {
    let own = app.engine.store().provider(organization).await?;
    match (own, app.config.providers.first()) {
        (Some(own), _) => {
            let own = NamedProvider::openai_compatible(own);
            Ok(app.engine.models_of(&own).await)
        }
        (None, Some(server)) => Ok(app.engine.models_of_server(server).await),
        (None, None) => {
            let message = "No model provider is configured; set one first (PUT \
                           /api/external/provider).";
            let error = Error::new(ErrorKind::Unavailable, message);
            Err(ApiError(error.coded("no_provider")))
        }
    }
}

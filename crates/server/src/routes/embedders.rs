//! Who turns texts into vectors: of an organization, of a chatbot, and what can be chosen.

use axum::Json as JsonBody;
use axum::extract::State;
use okra_domain::chatbot::Chatbot;
use okra_domain::embedder::{EmbedderChoice, EndpointChange, Reembedding};
use okra_domain::provider::ProviderChange;
use okra_domain::{Error, Secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Admin, Caller, OwnChatbot};
use crate::app::App;
use crate::config::{Config, Embedding};
use crate::error::{ApiResult, ErrorBody};
use crate::input::{Json, nullable};

/// A sort of embedder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmbedderKind {
    /// The built-in model: English, at once.
    Static,
    /// A sentence transformer on the server's processor.
    Transformer,
    /// A model behind an OpenAI-compatible API.
    Endpoint,
}

/// Whose choice it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmbedderSource {
    /// The chatbot's own.
    Chatbot,
    /// Its organization's.
    Organization,
    /// The server's operator's.
    Server,
}

/// An embedder.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbedderBody {
    /// Its sort.
    kind: EmbedderKind,
    /// The model's name; null for the built-in one.
    model: Option<String>,
    /// An endpoint's address.
    base_url: Option<String>,
    /// An endpoint's key, masked: `sk-…WXYZ`; of the server's only whether there is one.
    api_key: Option<String>,
    /// Whose choice it is.
    source: EmbedderSource,
}

/// `{"embedder": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganizationEmbedderReply {
    embedder: EmbedderBody,
}

/// How the vectors of a chatbot stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VectorStatus {
    /// They are the embedder's.
    Ready,
    /// They are being made; those of the embedder before answer meanwhile.
    Embedding,
    /// They could not be made; those of the embedder before answer.
    Failed,
}

/// The object of an event `embedder`: how new vectors of a chatbot stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct VectorProgress {
    /// How they stand.
    status: VectorStatus,
    /// Passages that have theirs.
    done: i64,
    /// Passages there are; 0 where nothing is being made.
    total: i64,
    /// Why they could not be made, in a sentence.
    error: Option<String>,
}

impl From<Option<Reembedding>> for VectorProgress {
    fn from(reembedding: Option<Reembedding>) -> Self {
        let Some(reembedding) = reembedding else {
            return Self {
                status: VectorStatus::Ready,
                done: 0,
                total: 0,
                error: None,
            };
        };
        Self {
            status: match reembedding.error {
                Some(_) => VectorStatus::Failed,
                None => VectorStatus::Embedding,
            },
            done: reembedding.done,
            total: reembedding.total,
            error: reembedding.error,
        }
    }
}

/// A chatbot's embedder, and how its vectors stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatbotEmbedderBody {
    /// The embedder.
    #[serde(flatten)]
    embedder: EmbedderBody,
    /// How its vectors stand.
    #[serde(flatten)]
    progress: VectorProgress,
}

/// `{"embedder": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatbotEmbedderReply {
    embedder: ChatbotEmbedderBody,
}

/// What can be chosen.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbedderOption {
    /// Its sort.
    kind: EmbedderKind,
    /// A transformer's name; null otherwise.
    model: Option<String>,
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddersReply {
    /// What can be chosen: the built-in model, each transformer, an endpoint.
    data: Vec<EmbedderOption>,
    /// What is used where nothing is chosen.
    server: EmbedderBody,
}

/// An embedder to use.
#[derive(Debug, Deserialize, ToSchema)]
pub struct EmbedderInput {
    /// Its sort.
    kind: EmbedderKind,
    /// A transformer's name, or the endpoint's model.
    model: Option<String>,
    /// The endpoint's address, as of a model provider.
    base_url: Option<String>,
    /// The endpoint's key; null for none. Not given, or given as it is shown, the present one stays, as
    /// long as the address does.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    api_key: Option<Option<Secret>>,
}

impl EmbedderInput {
    fn choice(self, current: Option<&EmbedderChoice>) -> ApiResult<EmbedderChoice> {
        Ok(match self.kind {
            EmbedderKind::Static => EmbedderChoice::Static,
            EmbedderKind::Transformer => EmbedderChoice::Transformer {
                model: self
                    .model
                    .ok_or_else(|| Error::invalid_field("model", "is needed"))?,
            },
            EmbedderKind::Endpoint => EmbedderChoice::endpoint(
                current,
                EndpointChange {
                    provider: ProviderChange {
                        base_url: self.base_url,
                        api_key: self.api_key,
                    },
                    model: self.model,
                },
            )?,
        })
    }
}

fn shown(choice: &EmbedderChoice, source: EmbedderSource) -> EmbedderBody {
    let (kind, model, provider) = match choice {
        EmbedderChoice::Static => (EmbedderKind::Static, None, None),
        EmbedderChoice::Transformer { model } => (EmbedderKind::Transformer, Some(model), None),
        EmbedderChoice::Endpoint { provider, model } => {
            (EmbedderKind::Endpoint, Some(model), Some(provider))
        }
    };
    let key = provider.and_then(|provider| provider.api_key.as_ref());
    EmbedderBody {
        kind,
        model: model.cloned(),
        base_url: provider.map(|provider| provider.base_url.clone()),
        api_key: key.map(Secret::masked),
        source,
    }
}

fn of_server(config: &Config) -> EmbedderBody {
    let source = EmbedderSource::Server;
    match &config.embedding {
        Embedding::Static => shown(&EmbedderChoice::Static, source),
        Embedding::Transformer(model) => {
            let model = model.clone();
            shown(&EmbedderChoice::Transformer { model }, source)
        }
        Embedding::Endpoint(endpoint) => EmbedderBody {
            kind: EmbedderKind::Endpoint,
            model: Some(endpoint.model.clone()),
            base_url: Some(endpoint.base_url.clone()),
            api_key: endpoint.api_key.as_ref().map(|_| "…".to_owned()),
            source,
        },
    }
}

/// List embedders
///
/// What can be chosen here. Transformers are those in the server's folder of models.
#[utoipa::path(get, path = "/api/external/embedders",
    operation_id = "listEmbedders", tag = "Organization",
    responses((status = 200, body = EmbeddersReply), (status = 401, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    _caller: Caller<Admin>,
) -> ApiResult<JsonBody<EmbeddersReply>> {
    let option = |kind, model| EmbedderOption { kind, model };
    let mut data = vec![option(EmbedderKind::Static, None)];
    for model in app.engine.transformers() {
        data.push(option(EmbedderKind::Transformer, Some(model)));
    }
    data.push(option(EmbedderKind::Endpoint, None));
    Ok(JsonBody(EmbeddersReply {
        data,
        server: of_server(&app.config),
    }))
}

/// Get the organization's embedder
///
/// Who turns the texts of its chatbots into vectors, unless a chatbot has its own.
#[utoipa::path(get, path = "/api/external/embedder",
    operation_id = "getEmbedder", tag = "Organization",
    responses((status = 200, body = OrganizationEmbedderReply), (status = 401, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    caller: Caller<Admin>,
) -> ApiResult<JsonBody<OrganizationEmbedderReply>> {
    let store = app.engine.store();
    let choice = store.organization_embedder(caller.organization()).await?;
    let embedder = match choice {
        Some(choice) => shown(&choice, EmbedderSource::Organization),
        None => of_server(&app.config),
    };
    Ok(JsonBody(OrganizationEmbedderReply { embedder }))
}

/// Set the organization's embedder
///
/// For every chatbot without an embedder of its own new vectors are made in the background; those that
/// are there answer until all new ones are.
#[utoipa::path(put, path = "/api/external/embedder",
    operation_id = "setEmbedder", tag = "Organization", request_body = EmbedderInput,
    responses((status = 200, body = OrganizationEmbedderReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody)))]
pub async fn set(
    State(app): State<App>,
    caller: Caller<Admin>,
    Json(input): Json<EmbedderInput>,
) -> ApiResult<JsonBody<OrganizationEmbedderReply>> {
    let organization = caller.organization();
    let current = app
        .engine
        .store()
        .organization_embedder(organization)
        .await?;
    let choice = input.choice(current.as_ref())?;
    let embedder = shown(&choice, EmbedderSource::Organization);
    let engine = &app.engine;
    engine
        .choose_organization_embedder(organization, Some(choice))
        .await?;
    Ok(JsonBody(OrganizationEmbedderReply { embedder }))
}

/// Forget the organization's embedder
///
/// The server's takes its place, in the same way.
#[utoipa::path(delete, path = "/api/external/embedder",
    operation_id = "deleteEmbedder", tag = "Organization",
    responses((status = 200, body = OrganizationEmbedderReply), (status = 401, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<Admin>,
) -> ApiResult<JsonBody<OrganizationEmbedderReply>> {
    let engine = &app.engine;
    engine
        .choose_organization_embedder(caller.organization(), None)
        .await?;
    let embedder = of_server(&app.config);
    Ok(JsonBody(OrganizationEmbedderReply { embedder }))
}

/// Get a chatbot's embedder
///
/// Who turns its texts into vectors, and how far new ones have come.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/embedder",
    operation_id = "getChatbotEmbedder", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    responses((status = 200, body = ChatbotEmbedderReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn show_chatbots(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
) -> ApiResult<JsonBody<ChatbotEmbedderReply>> {
    reply(&app, &chatbot).await
}

/// Set a chatbot's embedder
///
/// New vectors are made in the background, and an event `embedder` tells how far they have come. Those
/// that are there answer until all new ones are, and go on answering where these cannot be made. Setting
/// the same embedder again tries once more.
#[utoipa::path(put, path = "/api/external/chatbot/{chatbotId}/embedder",
    operation_id = "setChatbotEmbedder", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = EmbedderInput,
    responses((status = 200, body = ChatbotEmbedderReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn set_chatbots(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Json(input): Json<EmbedderInput>,
) -> ApiResult<JsonBody<ChatbotEmbedderReply>> {
    let choice = input.choice(chatbot.embedding.own.as_ref())?;
    app.engine.choose_embedder(&chatbot, Some(choice)).await?;
    reply(&app, &chatbot).await
}

/// Forget a chatbot's embedder
///
/// Its organization's takes its place, in the same way.
#[utoipa::path(delete, path = "/api/external/chatbot/{chatbotId}/embedder",
    operation_id = "deleteChatbotEmbedder", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    responses((status = 200, body = ChatbotEmbedderReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn delete_chatbots(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
) -> ApiResult<JsonBody<ChatbotEmbedderReply>> {
    app.engine.choose_embedder(&chatbot, None).await?;
    reply(&app, &chatbot).await
}

async fn reply(app: &App, chatbot: &Chatbot) -> ApiResult<JsonBody<ChatbotEmbedderReply>> {
    let store = app.engine.store();
    let chatbot = store.chatbot(chatbot.organization_id, chatbot.id).await?;
    let embedding = &chatbot.embedding;
    let embedder = match (&embedding.own, &embedding.organization) {
        (Some(own), _) => shown(own, EmbedderSource::Chatbot),
        (None, Some(choice)) => shown(choice, EmbedderSource::Organization),
        (None, None) => of_server(&app.config),
    };
    let progress = store.reembedding(&chatbot).await?.into();
    Ok(JsonBody(ChatbotEmbedderReply {
        embedder: ChatbotEmbedderBody { embedder, progress },
    }))
}

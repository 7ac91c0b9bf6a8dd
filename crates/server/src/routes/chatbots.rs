//! Making, reading, changing and deleting chatbots.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use okra_domain::chatbot::{Chatbot, ChatbotChange, Snippet, VoiceWidgetConfig, merge};
use okra_domain::{ChatbotId, Error, Secret};
use okra_engine::Engine;
use okra_store::SlugChoice;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::{Admin, Caller, OwnChatbot, QueryId, Viewer};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{Json, PageParams, Paging, nullable, parse_id};
use crate::wire::{ChatbotDetails, ChatbotSummary};

/// What can be set on a chatbot. Objects are merged: fields given replace, `null` restores the
/// default, absent fields stay.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatbotInput {
    /// The chatbot to change, where neither path nor query name it.
    id: Option<String>,
    /// Its name, 1 to 100 characters; needed to create one.
    name: Option<String>,
    /// Its public short name; made from the name where not given.
    slug: Option<String>,
    /// What it is for, at most 2,000 characters.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// Whether it answers.
    active: Option<bool>,
    /// Whether its hosted page may be seen by anyone.
    is_public: Option<bool>,
    /// How it speaks: `style`, `tone` and whatever else the client keeps.
    #[schema(value_type = Option<okra_domain::chatbot::Personality>)]
    personality_config: Option<Value>,
    /// Prompt, model, greeting and look.
    #[schema(value_type = Option<okra_domain::chatbot::Settings>)]
    settings: Option<Value>,
    /// At most 20 questions offered to the visitor.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<String>>)]
    suggestions: Option<Option<Vec<String>>>,
    /// A provider key for this chatbot alone. Never given back in clear.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    openai_api_key: Option<Option<Secret>>,
}

impl ChatbotInput {
    fn change(self) -> ChatbotChange {
        ChatbotChange {
            name: self.name,
            slug: self.slug,
            description: self.description,
            active: self.active,
            is_public: self.is_public,
            personality: self.personality_config,
            settings: self.settings,
            suggestions: self.suggestions,
            openai_api_key: self.openai_api_key,
        }
    }
}

/// `{"chatbot": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatbotReply {
    chatbot: ChatbotDetails,
}

/// `{"chatbots": […], "pagination": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatbotsReply {
    chatbots: Vec<ChatbotSummary>,
    pagination: okra_domain::page::Pagination,
}

/// `{"message": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageReply {
    message: &'static str,
}

fn reply(app: &App, chatbot: Chatbot) -> JsonBody<ChatbotReply> {
    JsonBody(ChatbotReply {
        chatbot: ChatbotDetails::new(chatbot, &app.config),
    })
}

/// Get chatbots
///
/// The organization's chatbots, oldest first.
#[utoipa::path(get, path = "/api/external/chatbots",
    operation_id = "getChatbots", tag = "Chatbots", params(PageParams),
    responses((status = 200, body = ChatbotsReply), (status = 401, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller<Viewer>,
    Paging(page): Paging,
) -> ApiResult<JsonBody<ChatbotsReply>> {
    let page = app
        .engine
        .store()
        .chatbots(caller.organization(), page)
        .await?;
    let summary = |chatbot| ChatbotSummary::new(chatbot, &app.config);
    Ok(JsonBody(ChatbotsReply {
        chatbots: page.entries.into_iter().map(summary).collect(),
        pagination: page.pagination,
    }))
}

/// Create chatbot
///
/// `name` is needed. Without a `slug` one is made from the name; a slug of your own that is taken
/// is a conflict.
#[utoipa::path(post, path = "/api/external/chatbots",
    operation_id = "createChatbot", tag = "Chatbots",
    request_body = ChatbotInput,
    responses((status = 200, body = ChatbotReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn create(
    State(app): State<App>,
    caller: Caller<Admin>,
    Json(input): Json<ChatbotInput>,
) -> ApiResult<JsonBody<ChatbotReply>> {
    let name = input.name.as_deref();
    let name = name.ok_or_else(|| Error::invalid_field("name", "is needed"))?;
    let store = app.engine.store();
    let now = store.clock().now();
    let slug = match input.slug {
        Some(_) => SlugChoice::Chosen,
        None => SlugChoice::Derived,
    };
    let mut new = Chatbot::new(caller.organization(), name, now)?;
    new.models = store.model_settings(caller.organization()).await?;
    let chatbot = new.changed(input.change(), now)?;
    app.engine.check_models(Some(&new), &chatbot)?;
    app.engine.check_office_hours(&chatbot)?;
    Ok(reply(&app, store.create_chatbot(chatbot, slug).await?))
}

/// Get chatbot details
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}",
    operation_id = "getChatbot", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    responses((status = 200, body = ChatbotReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
) -> JsonBody<ChatbotReply> {
    reply(&app, chatbot)
}

/// Update chatbot
///
/// The chatbot is named by `?id=`, or by `id` in the body.
#[utoipa::path(patch, path = "/api/external/chatbots",
    operation_id = "updateChatbot", tag = "Chatbots",
    params(("id" = Option<uuid::Uuid>, Query, description = "The chatbot.")),
    request_body = ChatbotInput,
    responses((status = 200, body = ChatbotReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn update_by_query(
    State(app): State<App>,
    caller: Caller<Admin>,
    QueryId(id): QueryId,
    Json(input): Json<ChatbotInput>,
) -> ApiResult<JsonBody<ChatbotReply>> {
    let id = id.or_else(|| input.id.clone()).ok_or_else(|| {
        Error::invalid_field("id", "name the chatbot by ?id= or by id in the body")
    })?;
    let id: ChatbotId = parse_id(&id, "chatbot")?;
    let store = app.engine.store();
    let chatbot = store.chatbot(caller.organization(), id).await?;
    Ok(reply(
        &app,
        change(&app.engine, &chatbot, input.change()).await?,
    ))
}

/// Update chatbot by path
#[utoipa::path(patch, path = "/api/external/chatbot/{chatbotId}",
    operation_id = "updateChatbotByPath", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = ChatbotInput,
    responses((status = 200, body = ChatbotReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Json(input): Json<ChatbotInput>,
) -> ApiResult<JsonBody<ChatbotReply>> {
    let chatbot = change(&app.engine, &chatbot, input.change()).await?;
    Ok(reply(&app, chatbot))
}

async fn change(engine: &Engine, chatbot: &Chatbot, change: ChatbotChange) -> ApiResult<Chatbot> {
    let store = engine.store();
    let now = store.clock().now();
    let (organization, id) = (chatbot.organization_id, chatbot.id);
    let change = |current: &Chatbot| {
        let next = current.changed(change, now)?;
        engine.check_models(Some(current), &next)?;
        engine.check_office_hours(&next)?;
        Ok(next)
    };
    Ok(store.update_chatbot(organization, id, change).await?)
}

/// What a copy is called.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct DuplicateInput {
    /// Its name, 1 to 100 characters; the original's with "(copy)" where not given.
    name: Option<String>,
}

/// Duplicate chatbot
///
/// A second chatbot with the same settings, avatar and knowledge, which answers like the first.
/// Left behind are conversations, keys and secrets, and where the first is shown: the copy's hosted
/// page is off and it has no allowed origins.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/duplicate",
    operation_id = "duplicateChatbot", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = DuplicateInput,
    responses((status = 201, body = ChatbotReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn duplicate(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Json(input): Json<DuplicateInput>,
) -> ApiResult<(StatusCode, JsonBody<ChatbotReply>)> {
    let name = input.name.as_deref();
    let copy = app.engine.store().duplicate_chatbot(&chatbot, name).await;
    app.engine.wake_workers();
    Ok((StatusCode::CREATED, reply(&app, copy?)))
}

/// Delete chatbot
///
/// With its knowledge, conversations and files. It cannot be undone.
#[utoipa::path(delete, path = "/api/external/chatbot/{chatbotId}",
    operation_id = "deleteChatbot", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    responses((status = 200, body = MessageReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
) -> ApiResult<JsonBody<MessageReply>> {
    delete_chatbot(&app, &chatbot).await
}

/// Delete chatbot by query
#[utoipa::path(delete, path = "/api/external/chatbots",
    operation_id = "deleteChatbotByQuery", tag = "Chatbots",
    params(("id" = uuid::Uuid, Query, description = "The chatbot.")),
    responses((status = 200, body = MessageReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn delete_by_query(
    State(app): State<App>,
    caller: Caller<Admin>,
    QueryId(id): QueryId,
) -> ApiResult<JsonBody<MessageReply>> {
    let id = id.ok_or_else(|| Error::invalid_field("id", "name the chatbot by ?id="))?;
    let id: ChatbotId = parse_id(&id, "chatbot")?;
    let chatbot = app
        .engine
        .store()
        .chatbot(caller.organization(), id)
        .await?;
    delete_chatbot(&app, &chatbot).await
}

async fn delete_chatbot(app: &App, chatbot: &Chatbot) -> ApiResult<JsonBody<MessageReply>> {
    app.engine.store().delete_chatbot(chatbot).await?;
    app.engine.wake_workers();
    Ok(JsonBody(MessageReply {
        message: "Chatbot deleted successfully",
    }))
}

/// The voice widget's configuration as it stands now.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoiceReply {
    message: &'static str,
    voice_widget_config: VoiceWidgetConfig,
}

/// Voice agent
///
/// Merges the voice widget's configuration: fields given replace, `null` restores the default.
#[utoipa::path(patch, path = "/api/external/chatbot/{chatbotId}/voice-agent",
    operation_id = "updateVoiceAgent", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = VoiceWidgetConfig,
    responses((status = 200, body = VoiceReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn update_voice(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Json(patch): Json<Value>,
) -> ApiResult<JsonBody<VoiceReply>> {
    let store = app.engine.store();
    let now = store.clock().now();
    let update = |current: &Chatbot| {
        let before = current.voice_widget_config.clone().unwrap_or_default();
        let mut config = merge("", &before, &patch)?;
        config.agent_id = current.id.to_string();
        config.check()?;
        Ok(Chatbot {
            voice_widget_config: Some(config),
            updated_at: now,
            ..current.clone()
        })
    };
    let (organization, id) = (chatbot.organization_id, chatbot.id);
    let chatbot = store.update_chatbot(organization, id, update).await?;
    Ok(JsonBody(VoiceReply {
        message: "Voice widget config updated successfully",
        voice_widget_config: chatbot.voice_widget_config.unwrap_or_default(),
    }))
}

/// The chat widget's configuration as it stands now.
#[derive(Debug, Serialize, ToSchema)]
pub struct WidgetReply {
    chat_widget_config: Snippet,
    message: &'static str,
}

/// Chat widget
///
/// Merges the chat widget's configuration, which is `settings.snippet`.
#[utoipa::path(patch, path = "/api/external/chatbot/{chatbotId}/chat-widget",
    operation_id = "updateChatWidget", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = Snippet,
    responses((status = 200, body = WidgetReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn update_widget(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Json(patch): Json<Value>,
) -> ApiResult<JsonBody<WidgetReply>> {
    let store = app.engine.store();
    let now = store.clock().now();
    let update = |current: &Chatbot| {
        let mut next = current.clone();
        next.settings.snippet = merge("", &current.settings.snippet, &patch)?;
        next.settings.snippet.check("")?;
        next.updated_at = now;
        Ok(next)
    };
    let (organization, id) = (chatbot.organization_id, chatbot.id);
    let chatbot = store.update_chatbot(organization, id, update).await?;
    Ok(JsonBody(WidgetReply {
        chat_widget_config: chatbot.settings.snippet,
        message: "Chat widget config updated successfully",
    }))
}

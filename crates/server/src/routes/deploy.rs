//! Putting a chatbot before visitors: where it may be shown, and who vouches for its visitors.

use axum::Json as JsonBody;
use axum::extract::State;
use okra_domain::Error;
use okra_domain::chatbot::Chatbot;
use okra_domain::origin::{MAX_ORIGINS, OriginPattern};
use okra_domain::person::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Admin, OwnChatbot, Viewer};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::Json;
use crate::random;

/// How a chatbot is put before visitors.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeployReply {
    /// The sites, other than Okra's own pages, that may show it.
    #[schema(value_type = Vec<String>)]
    allowed_origins: Vec<OriginPattern>,
    /// The key with which a site's server vouches for its visitors; null until one is made. In full
    /// for admins, `abc…wxyz` for others.
    identity_secret: Option<String>,
    /// The line to put on a page.
    embed: String,
    /// The hosted page, which anyone may open while the chatbot is public.
    page_url: String,
}

impl DeployReply {
    fn new(chatbot: Chatbot, app: &App, reader: Role) -> Self {
        let base = app.config.public_url.as_deref().unwrap_or_default();
        let slug = &chatbot.slug;
        let secret = chatbot.identity_secret.as_ref();
        Self {
            embed: format!(
                "<script src=\"{base}/widget.js\" data-chatbot=\"{slug}\" async></script>"
            ),
            page_url: format!("{base}/c/{slug}"),
            identity_secret: secret.map(|secret| match reader >= Role::Admin {
                true => secret.expose().to_owned(),
                false => secret.masked(),
            }),
            allowed_origins: chatbot.allowed_origins,
        }
    }
}

/// Get deployment
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/deploy",
    operation_id = "getDeployment", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    responses((status = 200, body = DeployReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    OwnChatbot(chatbot, caller): OwnChatbot<Viewer>,
) -> ApiResult<JsonBody<DeployReply>> {
    Ok(JsonBody(DeployReply::new(chatbot, &app, caller.role())))
}

/// Where the chatbot may be shown.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DeployInput {
    /// Origins such as `https://shop.example`, or `https://*.shop.example` for every name below;
    /// 200 at most. They replace those of before.
    allowed_origins: Vec<String>,
}

/// Set allowed origins
#[utoipa::path(put, path = "/api/external/chatbot/{chatbotId}/deploy",
    operation_id = "updateDeployment", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = DeployInput,
    responses((status = 200, body = DeployReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Json(input): Json<DeployInput>,
) -> ApiResult<JsonBody<DeployReply>> {
    if input.allowed_origins.len() > MAX_ORIGINS {
        let problem = format!("at most {MAX_ORIGINS}");
        return Err(ApiError(Error::invalid_field("allowed_origins", problem)));
    }
    let mut origins = Vec::new();
    for (index, text) in input.allowed_origins.iter().enumerate() {
        let origin: OriginPattern = text.parse().map_err(|error: Error| {
            Error::invalid_field(format!("allowed_origins[{index}]"), error.message)
        })?;
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    let set = |current: &Chatbot| Chatbot {
        allowed_origins: origins,
        ..current.clone()
    };
    change(&app, &chatbot, set).await
}

/// Make an identity secret
///
/// The one of before is void from then on.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/deploy/secret",
    operation_id = "makeIdentitySecret", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    responses((status = 200, body = DeployReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn make_secret(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
) -> ApiResult<JsonBody<DeployReply>> {
    let secret = random::signing_key()?;
    let set = |current: &Chatbot| Chatbot {
        identity_secret: Some(secret),
        ..current.clone()
    };
    change(&app, &chatbot, set).await
}

async fn change(
    app: &App,
    chatbot: &Chatbot,
    set: impl FnOnce(&Chatbot) -> Chatbot + Send,
) -> ApiResult<JsonBody<DeployReply>> {
    let store = app.engine.store();
    let now = store.clock().now();
    let set = |current: &Chatbot| {
        let mut next = set(current);
        next.updated_at = now;
        Ok(next)
    };
    let (organization, id) = (chatbot.organization_id, chatbot.id);
    let chatbot = store.update_chatbot(organization, id, set).await?;
    Ok(JsonBody(DeployReply::new(chatbot, app, Role::Admin)))
}

//! The organization's webhooks: where events are sent. [`deliveries`] is the log of what was.

pub mod deliveries;

use std::time::Duration;

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use okra_domain::webhook::{Endpoint, EndpointChange, EventKind, EventKinds};
use okra_domain::{Error, Timestamp, WebhookId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{Admin, Caller};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{Json, nullable, parse_id};
use crate::random;

/// Hours for which a secret that was replaced still signs, where nothing else is asked for.
const OVERLAP_HOURS: u64 = 24;
/// The most such hours.
const MAX_OVERLAP_HOURS: u64 = 7 * 24;

/// An endpoint: never its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct EndpointBody {
    id: Uuid,
    /// Where events are sent.
    url: String,
    description: Option<String>,
    /// What it is told of; an empty list means everything, also what later versions tell.
    events: Vec<EventKind>,
    /// Whether it is sent anything.
    active: bool,
    /// Why it was switched off, where no person did it: it answered 410.
    disabled_reason: Option<String>,
    /// Until when the secret before signs too.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl EndpointBody {
    fn new(endpoint: Endpoint, now: Timestamp) -> Self {
        Self {
            id: endpoint.id.0,
            url: endpoint.url,
            description: endpoint.description,
            events: endpoint.events.iter().collect(),
            active: endpoint.active,
            disabled_reason: endpoint.disabled_reason,
            previous_secret_until: endpoint.previous_until.filter(|until| *until > now),
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

/// A kind of event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventType {
    /// Its word.
    name: EventKind,
    /// What happened.
    description: &'static str,
}

/// The endpoints, and what they can be told of.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhooksReply {
    data: Vec<EndpointBody>,
    /// All kinds of events.
    event_types: Vec<EventType>,
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookReply {
    data: EndpointBody,
}

/// An endpoint with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretReply {
    /// `whsec_…`, for a library of Standard Webhooks; shown this once.
    secret: String,
    data: EndpointBody,
}

/// What can be set of an endpoint.
#[derive(Debug, Deserialize, ToSchema)]
pub struct WebhookInput {
    /// An https address, 2,000 characters at most. Plain http is taken for hosts that the operator
    /// opened (`fetch_allow`).
    #[serde(default)]
    url: Option<String>,
    /// What it is for, 200 characters at most.
    #[serde(default, deserialize_with = "nullable")]
    description: Option<Option<String>>,
    /// What it is told of; an empty list means everything.
    #[serde(default)]
    events: Option<Vec<String>>,
    /// Whether it is sent anything.
    #[serde(default)]
    active: Option<bool>,
}

impl WebhookInput {
    fn change(self, app: &App) -> ApiResult<EndpointChange> {
        if let Some(url) = &self.url {
            app.engine.check_webhook_url(url)?;
        }
        let kind = |(index, word): (usize, &String)| {
            EventKind::of(word).ok_or_else(|| {
                let words: Vec<&str> = EventKind::ALL.iter().map(|it| it.as_str()).collect();
                let problem = format!("must be one of {}", words.join(", "));
                ApiError(Error::invalid_field(format!("events[{index}]"), problem))
            })
        };
        let events = self.events.map(|words| {
            let kinds = words.iter().enumerate().map(kind);
            kinds.collect::<ApiResult<EventKinds>>()
        });
        Ok(EndpointChange {
            url: self.url,
            description: self.description,
            events: events.transpose()?,
            active: self.active,
        })
    }
}

/// Get webhooks
///
/// The endpoints of the organization, oldest first, and what they can be told of.
#[utoipa::path(get, path = "/api/external/webhooks", operation_id = "getWebhooks",
    tag = "Webhooks",
    responses((status = 200, body = WebhooksReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller<Admin>,
) -> ApiResult<JsonBody<WebhooksReply>> {
    let store = app.engine.store();
    let now = store.clock().now();
    let endpoints = store.webhooks(caller.organization()).await?;
    let endpoints = endpoints.into_iter();
    let kinds = EventKind::ALL.iter().map(|kind| EventType {
        name: *kind,
        description: kind.sentence(),
    });
    Ok(JsonBody(WebhooksReply {
        data: endpoints.map(|it| EndpointBody::new(it, now)).collect(),
        event_types: kinds.collect(),
    }))
}

/// Create webhook
///
/// 20 at most. The answer shows the secret that signs what is sent, this once.
#[utoipa::path(post, path = "/api/external/webhooks", operation_id = "createWebhook",
    tag = "Webhooks", request_body = WebhookInput,
    responses((status = 201, body = SecretReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn create(
    State(app): State<App>,
    caller: Caller<Admin>,
    Json(input): Json<WebhookInput>,
) -> ApiResult<(StatusCode, JsonBody<SecretReply>)> {
    let store = app.engine.store();
    let now = store.clock().now();
    let endpoint = Endpoint::new(input.change(&app)?, now)?;
    let secret = random::webhook_secret()?;
    let organization = caller.organization();
    store.add_webhook(organization, &endpoint, &secret).await?;
    let reply = SecretReply {
        secret: secret.expose().to_owned(),
        data: EndpointBody::new(endpoint, now),
    };
    Ok((StatusCode::CREATED, JsonBody(reply)))
}

/// Get webhook
#[utoipa::path(get, path = "/api/external/webhooks/{webhookId}", operation_id = "getWebhook",
    tag = "Webhooks", params(("webhookId" = Uuid, Path, description = "The endpoint.")),
    responses((status = 200, body = WebhookReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    Named(endpoint, _): Named,
) -> ApiResult<JsonBody<WebhookReply>> {
    let now = app.engine.store().clock().now();
    Ok(JsonBody(WebhookReply {
        data: EndpointBody::new(endpoint, now),
    }))
}

/// Update webhook
///
/// Fields that are absent stay. Switching an endpoint on again sends nothing of what failed meanwhile:
/// replay it.
#[utoipa::path(patch, path = "/api/external/webhooks/{webhookId}", operation_id = "updateWebhook",
    tag = "Webhooks", params(("webhookId" = Uuid, Path, description = "The endpoint.")),
    request_body = WebhookInput,
    responses((status = 200, body = WebhookReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    Named(endpoint, caller): Named,
    Json(input): Json<WebhookInput>,
) -> ApiResult<JsonBody<WebhookReply>> {
    let store = app.engine.store();
    let now = store.clock().now();
    let change = input.change(&app)?;
    let changed = store
        .change_webhook(caller.organization(), endpoint.id, |it| {
            it.changed(change, now)
        })
        .await?;
    Ok(JsonBody(WebhookReply {
        data: EndpointBody::new(changed, now),
    }))
}

/// Delete webhook
///
/// With its log. What was still to be sent is not.
#[utoipa::path(delete, path = "/api/external/webhooks/{webhookId}", operation_id = "deleteWebhook",
    tag = "Webhooks", params(("webhookId" = Uuid, Path, description = "The endpoint.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    Named(endpoint, caller): Named,
) -> ApiResult<StatusCode> {
    let store = app.engine.store();
    store
        .delete_webhook(caller.organization(), endpoint.id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a secret is to be replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RotationInput {
    /// For how many hours the secret before signs too, 0 to 168.
    #[schema(default = 24)]
    overlap_hours: Option<u64>,
}

/// Rotate webhook secret
///
/// The answer shows the new secret, this once. Until the overlap is over each event carries two
/// signatures, of which a receiver needs one.
#[utoipa::path(post, path = "/api/external/webhooks/{webhookId}/secret",
    operation_id = "rotateWebhookSecret", tag = "Webhooks",
    params(("webhookId" = Uuid, Path, description = "The endpoint.")),
    request_body = RotationInput,
    responses((status = 200, body = SecretReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn rotate(
    State(app): State<App>,
    Named(endpoint, caller): Named,
    Json(input): Json<RotationInput>,
) -> ApiResult<JsonBody<SecretReply>> {
    let hours = input.overlap_hours.unwrap_or(OVERLAP_HOURS);
    if hours > MAX_OVERLAP_HOURS {
        let problem = format!("must be from 0 to {MAX_OVERLAP_HOURS}");
        return Err(ApiError(Error::invalid_field("overlap_hours", problem)));
    }
    let store = app.engine.store();
    let secret = random::webhook_secret()?;
    let overlap = Duration::from_secs(hours * 60 * 60);
    let rotated = store
        .rotate_webhook_secret(caller.organization(), endpoint.id, &secret, overlap)
        .await?;
    Ok(JsonBody(SecretReply {
        secret: secret.expose().to_owned(),
        data: EndpointBody::new(rotated, store.clock().now()),
    }))
}

/// The endpoint that the path names, of the caller's organization; and the caller.
pub struct Named(Endpoint, Caller<Admin>);

impl axum::extract::FromRequestParts<App> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        app: &App,
    ) -> ApiResult<Self> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let id = crate::access::path_value(parts, "webhookId").await?;
        let id: WebhookId = parse_id(&id, "webhook endpoint")?;
        let store = app.engine.store();
        let endpoint = store.webhook(caller.organization(), id).await?;
        Ok(Self(endpoint, caller))
    }
}

//! What an endpoint was sent, and sending it again.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use okra_domain::webhook::{Delivery, DeliveryState};
use okra_domain::{DeliveryId, Error, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Named;
use crate::access::path_value;
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{Json, PageParams, Paging, QueryParams, parse_id};
use crate::wire::ListBody;

/// The sending of one event to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryBody {
    id: Uuid,
    /// The event's id, which is sent as `webhook-id`.
    event_id: Uuid,
    /// The event's type, such as `message.created`.
    event_type: String,
    state: DeliveryState,
    /// How often it was sent, since it was last asked for. Given up after the tenth time, three days
    /// and a half after the first.
    attempts: i64,
    /// When it was last sent.
    #[schema(value_type = Option<String>, format = DateTime)]
    attempted_at: Option<Timestamp>,
    /// The HTTP status that the last attempt was answered with.
    status: Option<u16>,
    /// Why the last attempt failed.
    error: Option<String>,
    /// How the answer to it began, 500 characters at most.
    response: Option<String>,
    /// When it is sent next, while it is pending.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    /// When the event happened.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        let last = delivery.last;
        Self {
            id: delivery.id.0,
            event_id: delivery.event_id.0,
            event_type: delivery.event_type,
            state: delivery.state,
            attempts: delivery.attempts,
            attempted_at: last.as_ref().map(|last| last.at),
            status: last.as_ref().and_then(|last| last.status),
            error: last.as_ref().and_then(|last| last.error.clone()),
            response: last.and_then(|last| last.response),
            next_at: delivery.next_at,
            created_at: delivery.created_at,
        }
    }
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryReply {
    data: DeliveryBody,
}

/// A delivery with what it sends.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryDetails {
    data: DeliveryBody,
    /// The event: `type`, `timestamp` and `data`.
    #[schema(value_type = Object)]
    body: Value,
}

/// Get webhook deliveries
///
/// What an endpoint was and will be sent, newest first; kept for 30 days.
#[utoipa::path(get, path = "/api/external/webhooks/{webhookId}/deliveries",
    operation_id = "getWebhookDeliveries", tag = "Webhooks",
    params(("webhookId" = Uuid, Path, description = "The endpoint."),
           ("state" = Option<DeliveryState>, Query, description = "Only those in this state."),
           PageParams),
    responses((status = 200, body = ListBody<DeliveryBody>), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    Named(endpoint, _): Named,
    query: QueryParams,
    Paging(page): Paging,
) -> ApiResult<JsonBody<ListBody<DeliveryBody>>> {
    let state = query.word("state", "pending, delivered or failed")?;
    let store = app.engine.store();
    let deliveries = store.deliveries(&endpoint, state, page).await?;
    Ok(JsonBody(ListBody::new(deliveries)))
}

/// Get webhook delivery
///
/// With the event as it is sent.
#[utoipa::path(get, path = "/api/external/webhooks/{webhookId}/deliveries/{deliveryId}",
    operation_id = "getWebhookDelivery", tag = "Webhooks",
    params(("webhookId" = Uuid, Path, description = "The endpoint."),
           ("deliveryId" = Uuid, Path, description = "The delivery.")),
    responses((status = 200, body = DeliveryDetails), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    Named(endpoint, _): Named,
    mut parts: Parts,
) -> ApiResult<JsonBody<DeliveryDetails>> {
    let id = named(&mut parts).await?;
    let store = app.engine.store();
    let delivery = store.delivery(&endpoint, id).await?;
    let body = store.delivery_body(&endpoint, id).await?;
    let body = serde_json::from_str(&body);
    Ok(JsonBody(DeliveryDetails {
        data: delivery.into(),
        body: body.map_err(|error| Error::internal("cannot read an event", error))?,
    }))
}

/// Replay webhook delivery
///
/// Sends the event again at once, under the same `webhook-id`, whatever became of it before.
#[utoipa::path(post, path = "/api/external/webhooks/{webhookId}/deliveries/{deliveryId}/replay",
    operation_id = "replayWebhookDelivery", tag = "Webhooks",
    params(("webhookId" = Uuid, Path, description = "The endpoint."),
           ("deliveryId" = Uuid, Path, description = "The delivery.")),
    responses((status = 202, body = DeliveryReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn replay(
    State(app): State<App>,
    Named(endpoint, caller): Named,
    mut parts: Parts,
) -> ApiResult<(StatusCode, JsonBody<DeliveryReply>)> {
    let id = named(&mut parts).await?;
    let store = app.engine.store();
    let replayed = store.replay(caller.organization(), endpoint.id, id).await?;
    app.engine.wake_workers();
    let data = replayed.into();
    Ok((StatusCode::ACCEPTED, JsonBody(DeliveryReply { data })))
}

/// Which events are sent again.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ReplayInput {
    /// Those that happened since: a time such as `2025-01-22T04:30:45Z`, or a day in UTC.
    since: String,
}

/// How many are sent again.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayedReply {
    replayed: u64,
}

/// Replay failed webhook deliveries
///
/// Sends again at once whatever was given up of what happened since a time.
#[utoipa::path(post, path = "/api/external/webhooks/{webhookId}/replay",
    operation_id = "replayFailedWebhookDeliveries", tag = "Webhooks",
    params(("webhookId" = Uuid, Path, description = "The endpoint.")),
    request_body = ReplayInput,
    responses((status = 202, body = ReplayedReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn replay_failed(
    State(app): State<App>,
    Named(endpoint, caller): Named,
    Json(input): Json<ReplayInput>,
) -> ApiResult<(StatusCode, JsonBody<ReplayedReply>)> {
    let since = Timestamp::parse_day(&input.since).or_else(|| Timestamp::parse(&input.since));
    let since = since.ok_or_else(|| {
        let problem = "must be a day such as 2025-01-22, or a time such as 2025-01-22T04:30:45Z";
        Error::invalid_field("since", problem)
    })?;
    let organization = caller.organization();
    let store = app.engine.store();
    let replayed = store
        .replay_failed(organization, endpoint.id, since)
        .await?;
    app.engine.wake_workers();
    Ok((StatusCode::ACCEPTED, JsonBody(ReplayedReply { replayed })))
}

/// Test webhook
///
/// Sends the endpoint an event of type `webhook.test` at once; the log says what came of it.
#[utoipa::path(post, path = "/api/external/webhooks/{webhookId}/test",
    operation_id = "testWebhook", tag = "Webhooks",
    params(("webhookId" = Uuid, Path, description = "The endpoint.")),
    responses((status = 202, body = DeliveryReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn test(
    State(app): State<App>,
    Named(endpoint, caller): Named,
) -> ApiResult<(StatusCode, JsonBody<DeliveryReply>)> {
    let store = app.engine.store();
    let sent = store
        .test_webhook(caller.organization(), endpoint.id)
        .await?;
    app.engine.wake_workers();
    let data = sent.into();
    Ok((StatusCode::ACCEPTED, JsonBody(DeliveryReply { data })))
}

async fn named(parts: &mut Parts) -> Result<DeliveryId, ApiError> {
    parse_id(&path_value(parts, "deliveryId").await?, "delivery")
}

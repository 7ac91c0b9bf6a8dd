//! Replies that agents keep at hand.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::canned::CannedReply;
use okra_domain::{CannedReplyId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{Agent, Caller};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{Json, parse_id};

/// A reply kept at hand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CannedReply)]
pub struct CannedReplyBody {
    id: Uuid,
    /// What agents find it by.
    name: String,
    /// The text to send.
    content: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<CannedReply> for CannedReplyBody {
    fn from(reply: CannedReply) -> Self {
        Self {
            id: reply.id.0,
            name: reply.name,
            content: reply.content,
            created_at: reply.created_at,
            updated_at: reply.updated_at,
        }
    }
}

/// `{"data": […]}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CannedRepliesReply {
    /// By name, 500 at most.
    data: Vec<CannedReplyBody>,
}

/// List canned replies
#[utoipa::path(get, path = "/api/external/canned-replies", operation_id = "getCannedReplies",
    tag = "Conversations",
    responses((status = 200, body = CannedRepliesReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller<Agent>,
) -> ApiResult<JsonBody<CannedRepliesReply>> {
    let replies = app.engine.store().canned_replies(caller.organization());
    Ok(JsonBody(CannedRepliesReply {
        data: replies.await?.into_iter().map(Into::into).collect(),
    }))
}

/// A reply to keep.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CannedReplyInput {
    /// What agents find it by, 1 to 60 characters, unlike any other's.
    name: String,
    /// The text to send, 4,000 characters at most.
    content: String,
}

/// What shall be changed of a reply.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CannedReplyChange {
    /// Another name.
    name: Option<String>,
    /// Another text.
    content: Option<String>,
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CannedReplyReply {
    data: CannedReplyBody,
}

/// Add a canned reply
#[utoipa::path(post, path = "/api/external/canned-replies", operation_id = "addCannedReply",
    tag = "Conversations", request_body = CannedReplyInput,
    responses((status = 201, body = CannedReplyReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn add(
    State(app): State<App>,
    caller: Caller<Agent>,
    Json(input): Json<CannedReplyInput>,
) -> ApiResult<(StatusCode, JsonBody<CannedReplyReply>)> {
    let store = app.engine.store();
    let reply = CannedReply::new(&input.name, &input.content, store.clock().now())?;
    store
        .add_canned_reply(caller.organization(), &reply)
        .await?;
    let data = reply.into();
    Ok((StatusCode::CREATED, JsonBody(CannedReplyReply { data })))
}

/// Change a canned reply
#[utoipa::path(patch, path = "/api/external/canned-replies/{replyId}",
    operation_id = "updateCannedReply", tag = "Conversations",
    params(("replyId" = Uuid, Path, description = "The reply.")),
    request_body = CannedReplyChange,
    responses((status = 200, body = CannedReplyReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    caller: Caller<Agent>,
    Path(id): Path<String>,
    Json(input): Json<CannedReplyChange>,
) -> ApiResult<JsonBody<CannedReplyReply>> {
    let id: CannedReplyId = parse_id(&id, "canned reply")?;
    let store = app.engine.store();
    let now = store.clock().now();
    let changed = store.change_canned_reply(caller.organization(), id, |reply| {
        reply.changed(input.name.as_deref(), input.content.as_deref(), now)
    });
    let data = changed.await?.into();
    Ok(JsonBody(CannedReplyReply { data }))
}

/// Delete a canned reply
#[utoipa::path(delete, path = "/api/external/canned-replies/{replyId}",
    operation_id = "deleteCannedReply", tag = "Conversations",
    params(("replyId" = Uuid, Path, description = "The reply.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<Agent>,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id: CannedReplyId = parse_id(&id, "canned reply")?;
    let store = app.engine.store();
    store.delete_canned_reply(caller.organization(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! The organization's API keys.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::account::{ApiKey, parse_name};
use okra_domain::{ApiKeyId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{Admin, Caller};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{Json, parse_id};
use crate::random;

/// What is known of a key: never the key itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct KeyBody {
    id: Uuid,
    /// What its maker calls it.
    name: Option<String>,
    /// Its last four characters.
    hint: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last used, to within a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.0,
            name: key.name,
            hint: key.hint,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// `{"data": […]}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeysReply {
    data: Vec<KeyBody>,
}

/// Get API keys
///
/// Those that are good, oldest first.
#[utoipa::path(get, path = "/api/external/keys", operation_id = "getKeys", tag = "Organization",
    responses((status = 200, body = KeysReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody)))]
pub async fn list(State(app): State<App>, caller: Caller<Admin>) -> ApiResult<JsonBody<KeysReply>> {
    let keys = app.engine.store().keys(caller.organization()).await?;
    Ok(JsonBody(KeysReply {
        data: keys.into_iter().map(Into::into).collect(),
    }))
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct KeyInput {
    /// What to call it, 1 to 100 characters.
    name: Option<String>,
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewKeyReply {
    /// The key: 48 hexadecimal characters, shown this once.
    key: String,
    data: KeyBody,
}

/// Create API key
///
/// It acts as an admin of the organization. The answer shows it, this once.
#[utoipa::path(post, path = "/api/external/keys", operation_id = "createKey", tag = "Organization",
    request_body = KeyInput,
    responses((status = 201, body = NewKeyReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub async fn create(
    State(app): State<App>,
    caller: Caller<Admin>,
    Json(input): Json<KeyInput>,
) -> ApiResult<(StatusCode, JsonBody<NewKeyReply>)> {
    let name = input.name.as_deref();
    let name = name.map(|name| parse_name("name", name)).transpose()?;
    let key = random::api_key()?;
    let store = app.engine.store();
    let made = store
        .create_key_of(caller.organization(), name, &key)
        .await?;
    let reply = NewKeyReply {
        key: key.expose().to_owned(),
        data: made.into(),
    };
    Ok((StatusCode::CREATED, JsonBody(reply)))
}

/// Revoke API key
///
/// Requests with it fail from then on.
#[utoipa::path(delete, path = "/api/external/keys/{id}", operation_id = "revokeKey",
    tag = "Organization", params(("id" = Uuid, Path, description = "The key.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id: ApiKeyId = parse_id(&id, "API key")?;
    let store = app.engine.store();
    store.revoke_key(caller.organization(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! The caller's organization.

use axum::Json as JsonBody;
use axum::extract::State;
use okra_domain::OrganizationId;
use okra_domain::account::parse_name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{Caller, Owner, Viewer};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::Json;

/// `{"organization": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganizationReply {
    organization: OrganizationBody,
}

/// An organization.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganizationBody {
    id: Uuid,
    name: String,
}

async fn reply(app: &App, id: OrganizationId) -> ApiResult<JsonBody<OrganizationReply>> {
    let organization = app.engine.store().organization(id).await?;
    Ok(JsonBody(OrganizationReply {
        organization: OrganizationBody {
            id: organization.id.0,
            name: organization.name,
        },
    }))
}

/// Get organization
#[utoipa::path(get, path = "/api/external/organization", operation_id = "getOrganization",
    tag = "Organization",
    responses((status = 200, body = OrganizationReply), (status = 401, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    caller: Caller<Viewer>,
) -> ApiResult<JsonBody<OrganizationReply>> {
    reply(&app, caller.organization()).await
}

/// What can be set on an organization.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OrganizationInput {
    /// 1 to 100 characters, unique on this server.
    name: String,
}

/// Rename organization
///
/// For owners.
#[utoipa::path(patch, path = "/api/external/organization", operation_id = "updateOrganization",
    tag = "Organization", request_body = OrganizationInput,
    responses((status = 200, body = OrganizationReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    caller: Caller<Owner>,
    Json(input): Json<OrganizationInput>,
) -> ApiResult<JsonBody<OrganizationReply>> {
    let name = parse_name("name", &input.name)?;
    let store = app.engine.store();
    store
        .rename_organization(caller.organization(), &name)
        .await?;
    reply(&app, caller.organization()).await
}

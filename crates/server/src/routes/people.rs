//! The organization's people: who they are, inviting, changing and removing them.
//!
//! Admins deal with everyone but owners; owners with everyone, as long as one is left.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::person::{Link, Purpose, Role, parse_email};
use okra_domain::{Error, ErrorKind, LinkId, PersonId, Timestamp};
use okra_store::people::Member;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{Admin, Caller, Viewer};
use crate::accounts::{MadeLink, make_link};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{Json, parse_id};
use crate::mail;

/// A person of the organization.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberBody {
    id: Uuid,
    name: String,
    email: String,
    role: Role,
    /// When the person was last here, to within a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<Timestamp>,
    /// When the person joined.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self {
            id: member.person.id.0,
            name: member.person.name,
            email: member.person.email,
            role: member.role,
            last_seen_at: member.person.last_seen_at,
            created_at: member.joined_at,
        }
    }
}

/// An invitation that can still be accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationBody {
    id: Uuid,
    email: String,
    role: Role,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// `None` of a link that is no invitation.
fn invitation(link: Link) -> Option<InvitationBody> {
    let Purpose::Invitation { email, role, .. } = link.purpose else {
        return None;
    };
    Some(InvitationBody {
        id: link.id.0,
        email,
        role,
        expires_at: link.expires_at,
        created_at: link.created_at,
    })
}

/// Who belongs to the organization, and who is invited.
#[derive(Debug, Serialize, ToSchema)]
pub struct PeopleReply {
    data: Vec<MemberBody>,
    invitations: Vec<InvitationBody>,
}

/// Get people
///
/// The one who joined first at the front.
#[utoipa::path(get, path = "/api/external/people", operation_id = "getPeople",
    tag = "Organization",
    responses((status = 200, body = PeopleReply), (status = 401, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller<Viewer>,
) -> ApiResult<JsonBody<PeopleReply>> {
    let store = app.engine.store();
    let members = store.members(caller.organization()).await?;
    let invitations = store.invitations(caller.organization()).await?;
    Ok(JsonBody(PeopleReply {
        data: members.into_iter().map(Into::into).collect(),
        invitations: invitations.into_iter().filter_map(invitation).collect(),
    }))
}

/// Who is invited.
#[derive(Debug, Deserialize, ToSchema)]
pub struct InviteInput {
    email: String,
    role: Role,
}

/// An invitation with its link.
#[derive(Debug, Serialize, ToSchema)]
pub struct InviteReply {
    invitation: InvitationBody,
    /// The link to hand on; it works once, for 7 days, and is shown this once.
    link: String,
    /// Whether the mail server took it for the person. If not, or where none is configured
    /// (`OKRA_SMTP_URL`), hand the link on.
    sent: bool,
}

/// Invite a person
///
/// An earlier invitation of the same address is void from then on. Owners are invited by owners.
#[utoipa::path(post, path = "/api/external/people", operation_id = "invitePerson",
    tag = "Organization", request_body = InviteInput,
    responses((status = 201, body = InviteReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn invite(
    State(app): State<App>,
    caller: Caller<Admin>,
    Json(input): Json<InviteInput>,
) -> ApiResult<(StatusCode, JsonBody<InviteReply>)> {
    let email = parse_email(&input.email)?;
    caller.role().require(input.role.managed_by())?;
    let purpose = Purpose::Invitation {
        organization: caller.organization(),
        email: email.clone(),
        role: input.role,
    };
    let store = app.engine.store();
    let organization = store.organization(caller.organization()).await?;
    let made = make_link(store, app.config.base_url(), purpose).await?;
    let sent = send(&app, &made, &email, &organization.name).await;
    let missing = || Error::internal("cannot invite a person", "the link is no invitation");
    let reply = InviteReply {
        invitation: invitation(made.link).ok_or_else(missing)?,
        link: made.url,
        sent,
    };
    Ok((StatusCode::CREATED, JsonBody(reply)))
}

/// Whether the link could be sent to `to`.
async fn send(app: &App, made: &MadeLink, to: &str, organization: &str) -> bool {
    match app.engine.mailer() {
        Some(mailer) => mail::send_link(mailer, made, to, organization).await,
        None => false,
    }
}

/// Take an invitation back
///
/// Its link is void from then on.
#[utoipa::path(delete, path = "/api/external/people/invitations/{id}",
    operation_id = "deleteInvitation", tag = "Organization",
    params(("id" = Uuid, Path, description = "The invitation.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn take_back(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id: LinkId = parse_id(&id, "invitation")?;
    let allowed = |link: &Link| match &link.purpose {
        Purpose::Invitation { role, .. } => caller.role().require(role.managed_by()),
        Purpose::SetUp { .. } | Purpose::Reset { .. } => Err(Error::not_found("invitation")),
    };
    let store = app.engine.store();
    store
        .delete_invitation(caller.organization(), id, allowed)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a person may do from now on.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RoleInput {
    role: Role,
}

/// Change a role
///
/// Owners are made and unmade by owners; the last one stays.
#[utoipa::path(patch, path = "/api/external/people/{id}", operation_id = "updatePerson",
    tag = "Organization", params(("id" = Uuid, Path, description = "The person.")),
    request_body = RoleInput,
    responses((status = 200, body = MemberBody), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(id): Path<String>,
    Json(input): Json<RoleInput>,
) -> ApiResult<JsonBody<MemberBody>> {
    let id: PersonId = parse_id(&id, "person")?;
    let change = |member: &Member| {
        let least = member.role.managed_by().max(input.role.managed_by());
        caller.role().require(least)?;
        Ok(Some(input.role))
    };
    let store = app.engine.store();
    let changed = store.change_member(caller.organization(), id, change);
    let changed = changed.await?.ok_or_else(|| Error::not_found("person"))?;
    Ok(JsonBody(changed.into()))
}

/// Remove a person
///
/// From the organization, at once; the account stays. The last owner stays too.
#[utoipa::path(delete, path = "/api/external/people/{id}", operation_id = "removePerson",
    tag = "Organization", params(("id" = Uuid, Path, description = "The person.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn remove(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id: PersonId = parse_id(&id, "person")?;
    let change = |member: &Member| {
        caller.role().require(member.role.managed_by())?;
        Ok(None)
    };
    let store = app.engine.store();
    store
        .change_member(caller.organization(), id, change)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A link to a new password.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResetReply {
    /// The link to hand on; it works once, for a day, and is shown this once.
    link: String,
    /// Whether the mail server took it for the person. If not, or where none is configured
    /// (`OKRA_SMTP_URL`), hand the link on.
    sent: bool,
}

/// Make a reset link
///
/// For a person who forgot the password. Whoever has the link has the account: it is refused for
/// people who belong to other organizations too.
#[utoipa::path(post, path = "/api/external/people/{id}/reset-link",
    operation_id = "makeResetLink", tag = "Organization",
    params(("id" = Uuid, Path, description = "The person.")),
    responses((status = 200, body = ResetReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn reset_link(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<ResetReply>> {
    let person: PersonId = parse_id(&id, "person")?;
    let store = app.engine.store();
    let organization = caller.organization();
    let member = store.member(organization, person).await?;
    caller.role().require(member.role.managed_by())?;
    if store.is_elsewhere_too(organization, person).await? {
        let message = "This person belongs to another organization too, which the link would open \
                       as well. The server's operator can make one: okra people reset-link EMAIL.";
        let error = Error::new(ErrorKind::Forbidden, message);
        return Err(ApiError(error.coded("belongs_elsewhere")));
    }
    let organization = store.organization(organization).await?;
    let made = make_link(store, app.config.base_url(), Purpose::Reset { person }).await?;
    let sent = send(&app, &made, &member.person.email, &organization.name).await;
    Ok(JsonBody(ResetReply {
        link: made.url,
        sent,
    }))
}

//! One-time links: what one is for, and using it up.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use okra_domain::account::parse_name;
use okra_domain::person::{Person, Purpose, parse_email};
use okra_domain::{Error, Secret};
use okra_store::links::{Acceptance, NewPerson, ShownLink};
use okra_store::people::Credentials;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::client_address::ClientAddress;
use crate::error::{ApiResult, ErrorBody};
use crate::input::Json;
use crate::origin::refuse_foreign;

use super::{Me, signed_in};

/// A link's token.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TokenInput {
    /// What follows `#` in the link.
    #[schema(value_type = String)]
    token: Secret,
}

/// What a link is for.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkReply {
    kind: LinkKind,
    /// The organization that it leads into; null where it is for a new password.
    organization: Option<String>,
    /// Whose it is; null for the set-up, where the first person chooses.
    email: Option<String>,
    /// The name of the account that there is, where there is one.
    name: Option<String>,
    /// Whether the address has an account: then its password is asked for instead of a new one.
    has_account: bool,
}

/// The kinds of links.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// The first account of a new server.
    Setup,
    /// A place in an organization.
    Invitation,
    /// A new password.
    Reset,
}

impl From<ShownLink> for LinkReply {
    fn from(shown: ShownLink) -> Self {
        let (kind, invited) = match shown.link.purpose {
            Purpose::SetUp { .. } => (LinkKind::Setup, None),
            Purpose::Invitation { email, .. } => (LinkKind::Invitation, Some(email)),
            Purpose::Reset { .. } => (LinkKind::Reset, None),
        };
        let has_account = shown.person.is_some();
        let (email, name) = match shown.person {
            Some(Person { email, name, .. }) => (Some(email), Some(name)),
            None => (invited, None),
        };
        Self {
            kind,
            organization: shown.organization,
            email,
            name,
            has_account,
        }
    }
}

/// Look at a link
#[utoipa::path(post, path = "/api/account/links/show", operation_id = "showLink", tag = "Accounts",
    security(()), request_body = TokenInput,
    responses((status = 200, body = LinkReply), (status = 400, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Json(input): Json<TokenInput>,
) -> ApiResult<JsonBody<LinkReply>> {
    refuse_foreign(&headers, &app)?;
    app.accounts.attempt_from(address)?;
    let shown = app.engine.store().link(&input.token).await?;
    Ok(JsonBody(shown.into()))
}

/// What a link is accepted with.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AcceptInput {
    /// What follows `#` in the link.
    #[schema(value_type = String)]
    token: Secret,
    /// The new account's name, 1 to 100 characters.
    name: Option<String>,
    /// The first account's address, for the set-up.
    email: Option<String>,
    /// The new password, 8 to 200 characters; the password of the account where an invited person
    /// has one.
    #[schema(value_type = String)]
    password: Secret,
    /// A new name for the organization, for the set-up.
    organization: Option<String>,
}

/// Accept a link
///
/// Uses it up and signs in. A set-up takes `name`, `email` and `password`; an invitation `name` and
/// `password`, or the `password` of the account that there is; a reset the new `password`, which
/// ends the person's sign-ins elsewhere.
#[utoipa::path(post, path = "/api/account/links/accept", operation_id = "acceptLink",
    tag = "Accounts", security(()), request_body = AcceptInput,
    responses((status = 200, body = Me), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn accept(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Json(input): Json<AcceptInput>,
) -> ApiResult<Response> {
    refuse_foreign(&headers, &app)?;
    app.accounts.attempt_from(address)?;
    let (accounts, store) = (&app.accounts, app.engine.store());
    // Looked at first, so that a slip of the finger does not use it up.
    let ShownLink { link, person, .. } = store.link(&input.token).await?;
    let (acceptance, password) = match (&link.purpose, &person) {
        (Purpose::Invitation { email, .. }, Some(person)) => {
            let checked = accounts.check(store, email, &input.password).await?;
            (Acceptance::Known(person.id), checked.password)
        }
        (Purpose::Reset { .. }, _) => {
            let hash = accounts.hash("password", &input.password).await?;
            (Acceptance::NewPassword(hash.clone()), hash)
        }
        (Purpose::SetUp { .. } | Purpose::Invitation { .. }, _) => {
            let mut person = new_person(&link.purpose, &input)?;
            person.password = accounts.hash("password", &input.password).await?;
            let hash = person.password.clone();
            (Acceptance::NewPerson(person), hash)
        }
    };
    let person = store.accept_link(&input.token, acceptance).await?;
    let token = accounts
        .begin(store, &Credentials { person, password })
        .await?;
    signed_in(&app, &token).await
}

/// The account that the input asks for; its password is still to be hashed.
fn new_person(purpose: &Purpose, input: &AcceptInput) -> ApiResult<NewPerson> {
    let needed = |field, value: &Option<String>| {
        let value = value.clone();
        value.ok_or_else(|| Error::invalid_field(field, "is needed"))
    };
    let (email, organization) = match purpose {
        Purpose::Invitation { email, .. } => (email.clone(), None),
        Purpose::SetUp { .. } | Purpose::Reset { .. } => {
            let name = input.organization.as_deref();
            let name = name.map(|name| parse_name("organization", name));
            (
                parse_email(&needed("email", &input.email)?)?,
                name.transpose()?,
            )
        }
    };
    Ok(NewPerson {
        email,
        name: parse_name("name", &needed("name", &input.name)?)?,
        password: input.password.clone(),
        organization,
    })
}

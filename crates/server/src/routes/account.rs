//! A person's own account: signing in and out, name, language, password.
//!
//! These calls answer Okra's own pages: there is no CORS on them, and no API key is good for them.

pub mod links;

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use okra_domain::account::parse_name;
use okra_domain::person::{Person, Role, parse_email, parse_language};
use okra_domain::{Error, Secret};
use okra_store::people;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::SignedIn;
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{Json, nullable};
use crate::origin::{refuse_foreign, require_own};

/// The person who is signed in, and where they may act.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    person: PersonBody,
    /// The organization joined first at the front: it is meant where a request names none.
    organizations: Vec<MembershipBody>,
}

/// A person, as they see themselves.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonBody {
    id: Uuid,
    name: String,
    email: String,
    /// A language tag such as `ko`; null follows the browser.
    language: Option<String>,
}

/// An organization that the person belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub struct MembershipBody {
    id: Uuid,
    name: String,
    role: Role,
}

impl From<people::SignedIn> for Me {
    fn from(who: people::SignedIn) -> Self {
        let Person {
            id,
            name,
            email,
            language,
            ..
        } = who.person;
        let organizations = who.memberships.into_iter().map(|place| MembershipBody {
            id: place.organization_id.0,
            name: place.organization_name,
            role: place.role,
        });
        Self {
            person: PersonBody {
                id: id.0,
                name,
                email,
                language,
            },
            organizations: organizations.collect(),
        }
    }
}

/// Who signs in.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SignInInput {
    email: String,
    #[schema(value_type = String)]
    password: Secret,
}

/// Sign in
///
/// Sets a cookie that is good for 30 days, or 14 without use. An unknown address and a wrong
/// password give the same answer.
#[utoipa::path(post, path = "/api/account/sign-in", operation_id = "signIn", tag = "Accounts",
    security(()), request_body = SignInInput,
    responses((status = 200, body = Me), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 429, body = ErrorBody)))]
pub async fn sign_in(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Json(input): Json<SignInInput>,
) -> ApiResult<Response> {
    refuse_foreign(&headers, &app)?;
    app.accounts.attempt_from(address)?;
    let email = parse_email(&input.email)?;
    let store = app.engine.store();
    let checked = app.accounts.check(store, &email, &input.password).await?;
    let token = app.accounts.begin(store, &checked).await?;
    signed_in(&app, &token).await
}

/// Answers whoever has just signed in: who they are, with the cookie.
async fn signed_in(app: &App, token: &Secret) -> ApiResult<Response> {
    let who = app.engine.store().signed_in(token).await?;
    let who =
        who.ok_or_else(|| Error::internal("cannot sign in", "the sign-in just made ended"))?;
    let cookie = [(header::SET_COOKIE, app.accounts.cookie.set(token)?)];
    Ok((cookie, JsonBody(Me::from(who))).into_response())
}

/// Sign out
///
/// Of this browser. Whoever is not signed in stays so.
#[utoipa::path(post, path = "/api/account/sign-out", operation_id = "signOut", tag = "Accounts",
    security(("session" = []), ()),
    responses((status = 204), (status = 403, body = ErrorBody)))]
pub async fn sign_out(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
) -> ApiResult<Response> {
    if let Some(token) = app.accounts.cookie.read(&headers) {
        require_own(&method, &headers, &app)?;
        app.engine.store().sign_out(&token).await?;
    }
    signed_out(&app)
}

/// Sign out everywhere
///
/// Ends every sign-in of the person, this one too.
#[utoipa::path(post, path = "/api/account/sign-out-everywhere", operation_id = "signOutEverywhere",
    tag = "Accounts", security(("session" = [])),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub async fn sign_out_everywhere(
    State(app): State<App>,
    SignedIn { who, .. }: SignedIn,
) -> ApiResult<Response> {
    app.engine
        .store()
        .sign_out_everywhere(who.person.id)
        .await?;
    signed_out(&app)
}

fn signed_out(app: &App) -> ApiResult<Response> {
    let cookie = [(header::SET_COOKIE, app.accounts.cookie.clear()?)];
    Ok((StatusCode::NO_CONTENT, cookie).into_response())
}

/// Get account
///
/// Who is signed in, and in which organizations they may act.
#[utoipa::path(get, path = "/api/account", operation_id = "getAccount", tag = "Accounts",
    security(("session" = [])),
    responses((status = 200, body = Me), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody)))]
pub async fn show(SignedIn { who, .. }: SignedIn) -> JsonBody<Me> {
    JsonBody(who.into())
}

/// What a person may change of themselves.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AccountInput {
    /// 1 to 100 characters.
    name: Option<String>,
    /// A language tag such as `ko`; null follows the browser.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    language: Option<Option<String>>,
}

/// Update account
#[utoipa::path(patch, path = "/api/account", operation_id = "updateAccount", tag = "Accounts",
    security(("session" = [])), request_body = AccountInput,
    responses((status = 200, body = Me), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    SignedIn { mut who, .. }: SignedIn,
    Json(input): Json<AccountInput>,
) -> ApiResult<JsonBody<Me>> {
    if let Some(name) = input.name {
        who.person.name = parse_name("name", &name)?;
    }
    if let Some(language) = input.language {
        let language = language.as_deref().map(parse_language);
        who.person.language = language.transpose()?;
    }
    app.engine.store().update_person(&who.person).await?;
    Ok(JsonBody(who.into()))
}

/// A change of password.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PasswordInput {
    /// The password of now.
    #[schema(value_type = String)]
    current: Secret,
    /// The one to come, 8 to 200 characters.
    #[schema(value_type = String)]
    new: Secret,
}

/// Change password
///
/// Ends the person's other sign-ins.
#[utoipa::path(post, path = "/api/account/password", operation_id = "changePassword",
    tag = "Accounts", security(("session" = [])), request_body = PasswordInput,
    responses((status = 204), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn change_password(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    SignedIn { who, token }: SignedIn,
    Json(input): Json<PasswordInput>,
) -> ApiResult<StatusCode> {
    app.accounts.attempt_from(address)?;
    let store = app.engine.store();
    let accounts = &app.accounts;
    let checked = accounts
        .check(store, &who.person.email, &input.current)
        .await;
    let checked = checked.map_err(|error| match error.code {
        // A 401 would read as the end of the sign-in.
        Some("sign_in_failed") => Error::invalid_field("current", "is not your password"),
        _ => error,
    })?;
    let hash = accounts.hash("new", &input.new).await?;
    match store.change_password(&checked, &hash, &token).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => {
            let problem = "was changed just now elsewhere";
            Err(ApiError(Error::invalid_field("current", problem)))
        }
    }
}

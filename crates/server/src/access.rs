//! Access as types: an extractor names the least role that may call, and gives a handler what the
//! caller may touch, already loaded. docs/access.md says who may what.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use okra_domain::account::parse_api_key;
use okra_domain::chatbot::Chatbot;
use okra_domain::person::{Membership, Person, Role};
use okra_domain::{ApiKeyId, ChatbotId, Error, ErrorKind, OrganizationId, Secret};
use okra_store::{KnownKey, people};
use uuid::Uuid;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::input::{parse_id, query_value};
use crate::origin::require_own;

/// The least role of a [`Caller`], as a type.
pub trait LeastRole: Send + Sync + 'static {
    /// The role.
    const ROLE: Role;
}

macro_rules! least_roles {
    ($($name:ident)*) => {$(
        #[doc = concat!("Whoever calls is at least this: [`Role::", stringify!($name), "`].")]
        pub struct $name;

        impl LeastRole for $name {
            const ROLE: Role = Role::$name;
        }
    )*};
}

least_roles! { Viewer Agent Admin Owner }

/// Who calls, for an organization in which they are at least `R`: a program with an API key, or a
/// person who signed in.
pub struct Caller<R> {
    organization: OrganizationId,
    role: Role,
    who: Who,
    least: PhantomData<R>,
}

enum Who {
    Person(Box<Person>),
    Program(ApiKeyId),
}

impl<R> Caller<R> {
    /// The organization that the caller acts for.
    pub fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// What the caller may do there.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The person who calls; `None` where a program does.
    pub fn person(&self) -> Option<&Person> {
        match &self.who {
            Who::Person(person) => Some(person),
            Who::Program(_) => None,
        }
    }

    /// What tells the caller from others: a person's id, or an API key's.
    pub fn id(&self) -> Uuid {
        match &self.who {
            Who::Person(person) => person.id.0,
            Who::Program(key) => key.0,
        }
    }
}

impl<R: LeastRole> FromRequestParts<App> for Caller<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let caller = match presented_key(&parts.headers)? {
            Some(key) => {
                let known = app.engine.store().authenticate(&key).await?;
                program(known, app).await?
            }
            None => person(parts, app).await?,
        };
        caller.role.require(R::ROLE)?;
        Ok(caller)
    }
}

/// API keys act as admins. `None` is a key that is not good.
async fn program<R>(known: Option<KnownKey>, app: &App) -> ApiResult<Caller<R>> {
    let known = known.ok_or_else(|| {
        let message = "This API key is unknown or was revoked.";
        Error::new(ErrorKind::Unauthorized, message)
    })?;
    app.engine.store().note_key_use(&known).await?;
    Ok(Caller {
        organization: known.organization_id,
        role: Role::Admin,
        who: Who::Program(known.id),
        least: PhantomData,
    })
}

async fn person<R>(parts: &mut Parts, app: &App) -> ApiResult<Caller<R>> {
    if app.accounts.cookie.read(&parts.headers).is_none() {
        let message = "An API key is needed: send it in the header x-api-key. People sign in.";
        return Err(ApiError(Error::new(ErrorKind::Unauthorized, message)));
    }
    let SignedIn { who, .. } = SignedIn::from_request_parts(parts, app).await?;
    let wanted = wanted_organization(parts)?;
    let found = who
        .memberships
        .iter()
        .find(|place| wanted.is_none_or(|wanted| wanted == place.organization_id));
    let Some(Membership {
        organization_id,
        role,
        ..
    }) = found
    else {
        return Err(ApiError(match wanted {
            Some(_) => Error::not_found("organization"),
            None => {
                let message = "You belong to no organization: ask for an invitation.";
                Error::new(ErrorKind::Forbidden, message).coded("no_organization")
            }
        }));
    };
    Ok(Caller {
        organization: *organization_id,
        role: *role,
        who: Who::Person(Box::new(who.person)),
        least: PhantomData,
    })
}

/// The organization that a person means, where they belong to several: a header, or a query value
/// for requests that cannot have one.
fn wanted_organization(parts: &Parts) -> ApiResult<Option<OrganizationId>> {
    let wanted = match parts.headers.get("x-organization") {
        Some(id) => Some(id.to_str().unwrap_or_default().to_owned()),
        None => query_value(parts, "organization")?,
    };
    wanted.map(|id| parse_id(&id, "organization")).transpose()
}

/// `None` where the request shows none at all.
fn presented_key(headers: &HeaderMap) -> ApiResult<Option<Secret>> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = || {
        let (scheme, token) = text(header::AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    };
    let presented = headers
        .get("x-api-key")
        .map(|value| value.to_str().unwrap_or_default())
        .or_else(bearer);
    let Some(presented) = presented else {
        return Ok(None);
    };
    let key = parse_api_key(presented.trim()).map_err(|_| {
        let message = "This is not an API key: one is 48 hexadecimal characters.";
        Error::new(ErrorKind::Unauthorized, message)
    })?;
    Ok(Some(key))
}

/// A person with a good sign-in, on one of Okra's own pages.
pub struct SignedIn {
    /// Who, and where they may act.
    pub who: people::SignedIn,
    /// The sign-in's token.
    pub token: Secret,
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let ended = || {
            let message = "You are not signed in, or no longer: please sign in.";
            ApiError(Error::new(ErrorKind::Unauthorized, message))
        };
        let token = app.accounts.cookie.read(&parts.headers);
        let token = token.ok_or_else(ended)?;
        require_own(&parts.method, &parts.headers, app)?;
        let store = app.engine.store();
        let who = store.signed_in(&token).await?.ok_or_else(ended)?;
        store.note_seen(&token, &who).await?;
        Ok(Self { who, token })
    }
}

/// The chatbot that the path names, of the caller's organization; and the caller.
pub struct OwnChatbot<R>(pub Chatbot, pub Caller<R>);

impl<R: LeastRole> FromRequestParts<App> for OwnChatbot<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let id = parse_id::<ChatbotId>(&path_value(parts, "chatbotId").await?, "chatbot");
        let store = app.engine.store();
        // A program asks often: one read tells who it is and gives the chatbot.
        if let (Some(key), Ok(id)) = (presented_key(&parts.headers)?, &id) {
            let (known, chatbot) = store.authenticate_for(&key, *id).await?.unzip();
            let caller: Caller<R> = program(known, app).await?;
            caller.role.require(R::ROLE)?;
            let chatbot = chatbot
                .flatten()
                .ok_or_else(|| Error::not_found("chatbot"))?;
            return Ok(Self(chatbot, caller));
        }
        // Who calls is asked first: a stranger learns nothing of what is wrong with the rest.
        let caller = Caller::from_request_parts(parts, app).await?;
        let chatbot = store.chatbot(caller.organization(), id?).await?;
        Ok(Self(chatbot, caller))
    }
}

/// One value of a request's path.
pub async fn path_value(parts: &mut Parts, name: &str) -> ApiResult<String> {
    let params = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|_| Error::invalid("The path is not valid UTF-8."))?;
    let found = params.iter().find(|(key, _)| *key == name);
    Ok(found.map(|(_, value)| value.to_owned()).unwrap_or_default())
}

/// The `id` of a query string, where there is one.
pub struct QueryId(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for QueryId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        query_value(parts, "id").map(Self)
    }
}

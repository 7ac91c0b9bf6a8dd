//! Access as types: an extractor gives a handler what the caller may touch, already loaded.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use okra_domain::account::{ApiKey, parse_api_key};
use okra_domain::chatbot::Chatbot;
use okra_domain::{ChatbotId, Error, ErrorKind, OrganizationId, Secret};

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::input::{parse_id, query_value};

/// A caller with a good API key.
pub struct Caller(pub ApiKey);

impl Caller {
    /// The organization that the caller acts for.
    pub fn organization(&self) -> OrganizationId {
        self.0.organization_id
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let key = presented_key(&parts.headers)?;
        let store = app.engine.store();
        let known = store.authenticate(&key).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Unauthorized,
                "This API key is unknown or was revoked.",
            )
        })?;
        store.note_key_use(&known).await?;
        Ok(Self(known))
    }
}

fn presented_key(headers: &HeaderMap) -> ApiResult<Secret> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = || {
        let (scheme, token) = text(header::AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    };
    let presented = headers
        .get("x-api-key")
        .and_then(|value| value.to_str().ok())
        .or_else(bearer)
        .ok_or_else(|| {
            let message = "An API key is needed: send it in the header x-api-key.";
            Error::new(ErrorKind::Unauthorized, message)
        })?;
    parse_api_key(presented.trim()).map_err(|_| {
        let message = "This is not an API key: one is 48 hexadecimal characters.";
        ApiError(Error::new(ErrorKind::Unauthorized, message))
    })
}

/// The chatbot that the path names, of the caller's organization.
pub struct OwnChatbot(pub Chatbot);

impl FromRequestParts<App> for OwnChatbot {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let id: ChatbotId = parse_id(&path_value(parts, "chatbotId").await?, "chatbot")?;
        let store = app.engine.store();
        Ok(Self(store.chatbot(caller.organization(), id).await?))
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

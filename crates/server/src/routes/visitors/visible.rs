//! Access for visitors, as types: which chatbot their page may show, and who they are.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use okra_domain::chatbot::Chatbot;
use okra_domain::session::Session;
use okra_domain::{Error, ErrorKind};

use super::PLATFORM;
use crate::access::path_value;
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::error::{ApiError, ApiResult};
use crate::origin::foreign_origin;
use crate::visitor::Visitor;

/// The chatbot that the path names by its slug, where the page that asks may show it: Okra's own
/// pages show public chatbots, other sites those that list them as allowed origins.
///
/// An unknown chatbot and one that is hidden from the page give the same answer, so that nobody
/// finds private slugs by trying.
pub struct VisibleChatbot(pub Chatbot);

impl FromRequestParts<App> for VisibleChatbot {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, app).await?;
        app.visitors.limits.request(address)?;
        let slug = path_value(parts, "slug").await?;
        let chatbot = app.engine.store().chatbot_for_visitors(&slug).await?;
        match foreign_origin(&parts.headers, app) {
            None => {
                let chatbot = chatbot.filter(|chatbot| chatbot.is_public);
                Ok(Self(chatbot.ok_or_else(|| Error::not_found("chatbot"))?))
            }
            Some(origin) => {
                let allowed = |chatbot: &Chatbot| {
                    let mut origins = chatbot.allowed_origins.iter();
                    origins.any(|pattern| pattern.allows(&origin))
                };
                let chatbot = chatbot.filter(allowed);
                Ok(Self(chatbot.ok_or_else(|| not_allowed(&origin))?))
            }
        }
    }
}

fn not_allowed(origin: &str) -> Error {
    let message = format!(
        "There is no chatbot of this name for {origin}. If there should be: add {origin} to the \
         chatbot's allowed origins (PUT /api/external/chatbot/ID/deploy)."
    );
    Error::new(ErrorKind::Forbidden, message).coded("origin_not_allowed")
}

/// A visitor with a good token, of the chatbot that it is for.
pub struct Asking {
    /// The chatbot.
    pub chatbot: Chatbot,
    /// The visitor.
    pub visitor: Visitor,
}

impl Asking {
    /// The visitor's conversation, which there is after the first message.
    pub async fn session(&self, app: &App) -> ApiResult<Option<Session>> {
        let store = app.engine.store();
        let session = store.visitor_session(&self.chatbot, PLATFORM, &self.visitor.id);
        Ok(session.await?)
    }
}

impl FromRequestParts<App> for Asking {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let VisibleChatbot(chatbot) = VisibleChatbot::from_request_parts(parts, app).await?;
        let token = parts.headers.get(header::AUTHORIZATION);
        let token = token.and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.strip_prefix("Bearer "));
        let now = app.engine.store().clock().now();
        let token = token.unwrap_or_default().trim();
        let visitor = app.visitors.tokens.read(token, chatbot.id, now)?;
        Ok(Self { chatbot, visitor })
    }
}

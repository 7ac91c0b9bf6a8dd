//! What the widget and the hosted page call: without an API key, from visitors' browsers.
//!
//! Which pages may call is decided here, by [`VisibleChatbot`]; who is asking, by [`Asking`].

pub mod attachments;
pub mod chat;
pub mod messages;
pub mod people;
pub mod ratings;
mod visible;

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use okra_domain::chatbot::{Chatbot, Snippet, VoiceWidgetConfig};
use okra_domain::session::{self, MAX_COMMENT_CHARS};
use okra_domain::{Error, ErrorKind, Timestamp};
use okra_engine::chat::hosts_in;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use visible::{Asking, VisibleChatbot};

use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::Json;
use crate::picture::MAX_BYTES;
use crate::visitor::{self, Visitor};

/// The platform of sessions that visitors begin here.
pub const PLATFORM: &str = session::WEB;
/// The most characters of a visitor's message: people type them, programs have the external API.
pub const MAX_QUESTION_CHARS: usize = 4_000;

/// What the widget is drawn from.
#[derive(Debug, Serialize, ToSchema)]
pub struct WidgetReply {
    chatbot: WidgetChatbot,
    limits: WidgetLimits,
}

/// A chatbot as its visitors see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct WidgetChatbot {
    slug: String,
    name: String,
    description: Option<String>,
    /// Address of the picture.
    avatar: Option<String>,
    greeting: String,
    suggestions: Vec<String>,
    /// Hosts that answers may link to, as in `shop.example` or `*.shop.example`: the chatbot's own sites, those that
    /// its instructions and greeting name, and those that were allowed. An answer adds its sources' hosts and its own.
    link_hosts: Vec<String>,
    /// Whether an e-mail address is asked for before the first message.
    asks_email: bool,
    /// Whether messages may carry images: where a model answers that is known to see them.
    accepts_images: bool,
    /// Whether visitors may ask for a person.
    offers_person: bool,
    /// Whether visitors may end a conversation, and rate it then.
    asks_rating: bool,
    widget: Snippet,
    voice_widget_config: Option<VoiceWidgetConfig>,
}

/// What a visitor may send.
#[derive(Debug, Serialize, ToSchema)]
pub struct WidgetLimits {
    message_chars: usize,
    comment_chars: usize,
    /// Images of one message.
    images: usize,
    /// Bytes of one image.
    image_bytes: usize,
}

/// Widget configuration
///
/// For pages of Okra's own where the chatbot is public, and for pages of its allowed origins.
#[utoipa::path(get, path = "/api/public/chatbot/{slug}", operation_id = "getWidget", tag = "Visitors",
    security(()), params(("slug" = String, Path, description = "The chatbot's slug.")),
    responses((status = 200, body = WidgetReply), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn config(
    State(app): State<App>,
    VisibleChatbot(chatbot): VisibleChatbot,
) -> ApiResult<Response> {
    let avatar = chatbot.avatar.as_deref();
    let accepts_images = app.engine.sees_images(&chatbot);
    let link_hosts = link_hosts(&app, &chatbot);
    let reply = WidgetReply {
        chatbot: WidgetChatbot {
            avatar: avatar.map(|file| app.config.avatar_url(chatbot.id, file)),
            slug: chatbot.slug,
            name: chatbot.name,
            description: chatbot.description,
            greeting: chatbot.settings.greeting,
            suggestions: chatbot.suggestions.unwrap_or_default(),
            link_hosts,
            asks_email: chatbot.settings.is_request_user_info_enabled,
            accepts_images,
            offers_person: chatbot.settings.is_human_handover_enabled,
            asks_rating: chatbot.settings.is_rating_enabled,
            widget: chatbot.settings.snippet,
            voice_widget_config: chatbot.voice_widget_config,
        },
        limits: WidgetLimits {
            message_chars: MAX_QUESTION_CHARS,
            comment_chars: MAX_COMMENT_CHARS,
            images: attachments::MAX_IMAGES,
            image_bytes: MAX_BYTES,
        },
    };
    let kept = [
        (header::CACHE_CONTROL, "private, max-age=60"),
        (header::VARY, "origin"),
    ];
    Ok((kept, JsonBody(reply)).into_response())
}

/// What the operator wrote is trusted, and where the chatbot is shown; what a model writes is not.
fn link_hosts(app: &App, chatbot: &Chatbot) -> Vec<String> {
    let mut hosts = chatbot.settings.answering.link_hosts.clone();
    for text in [&chatbot.settings.prompt, &chatbot.settings.greeting] {
        hosts.extend(hosts_in(text));
    }
    hosts.extend(app.config.public_url.iter().flat_map(|url| hosts_in(url)));
    let origins = chatbot.allowed_origins.iter();
    hosts.extend(origins.map(|origin| origin.host_pattern().to_owned()));
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// Who begins or goes on with a chat.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct SessionInput {
    /// The token of before: the same visitor goes on.
    token: Option<String>,
    /// The visitor's e-mail address.
    email: Option<String>,
    /// Who the visitor is, vouched for by the site.
    identity: Option<Identity>,
    /// What the page knows of the visitor without vouching for it.
    profile: Option<ProfileInput>,
    /// The address of the page.
    page: Option<String>,
    /// The browser's language.
    language: Option<String>,
}

/// A visitor whom the site vouches for.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Identity {
    /// The site's own id for the visitor.
    id: String,
    name: Option<String>,
    email: Option<String>,
    /// Hex HMAC-SHA256 of `id` under the chatbot's identity secret, made by the site's server.
    hash: String,
}

/// What a page says of a visitor.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ProfileInput {
    name: Option<String>,
    email: Option<String>,
}

/// The visitor's token, with what it says.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionReply {
    /// For the header `authorization: Bearer …` of the other calls.
    token: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    visitor: VisitorBody,
    /// The visitor's conversation; null before the first message.
    session_id: Option<Uuid>,
}

/// What is known of the visitor.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitorBody {
    email: Option<String>,
    name: Option<String>,
    /// Whether the site vouched for the visitor.
    verified: bool,
}

/// Begin or renew a session
///
/// A token that has expired or is not this chatbot's is no error: a new visitor is made.
#[utoipa::path(post, path = "/api/public/chatbot/{slug}/session", operation_id = "beginVisitorSession",
    tag = "Visitors", security(()),
    params(("slug" = String, Path, description = "The chatbot's slug.")),
    request_body = SessionInput,
    responses((status = 200, body = SessionReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn begin(
    State(app): State<App>,
    address: crate::client_address::ClientAddress,
    VisibleChatbot(chatbot): VisibleChatbot,
    Json(input): Json<SessionInput>,
) -> ApiResult<JsonBody<SessionReply>> {
    let store = app.engine.store();
    let now = store.clock().now();
    let known = input.token.as_deref();
    let known = known.and_then(|token| app.visitors.tokens.read(token, chatbot.id, now).ok());
    if known.is_none() {
        app.visitors.limits.session(address.0)?;
    }
    let before = known.as_ref().map(|visitor| visitor.profile.clone());
    let mut profile = before.unwrap_or_default();
    if let Some(given) = input.profile {
        keep(&mut profile.name, short("profile.name", given.name, 200)?);
        keep(&mut profile.email, email("profile.email", given.email)?);
    }
    keep(&mut profile.email, email("email", input.email)?);
    keep(&mut profile.page, short("page", input.page, 2_000)?);
    keep(
        &mut profile.language,
        short("language", input.language, 35)?,
    );
    let visitor = match input.identity {
        Some(identity) => {
            if !visitor::is_vouched_for(&chatbot, &identity.id, &identity.hash) {
                let message = "The identity's hash does not fit its id: it is the hex HMAC-SHA256 \
                               of the id under the chatbot's identity secret.";
                let error = Error::new(ErrorKind::Unauthorized, message);
                return Err(ApiError(error.coded("identity_invalid")));
            }
            // Longer names would not fit a session's key with their prefix.
            let id = short("identity.id", Some(identity.id), 150)?.unwrap_or_default();
            keep(
                &mut profile.name,
                short("identity.name", identity.name, 200)?,
            );
            keep(&mut profile.email, email("identity.email", identity.email)?);
            profile.verified = true;
            Visitor::vouched_for(&chatbot, &id, profile)
        }
        None => match known {
            Some(known) => known.with(profile),
            None => Visitor::anonymous(&chatbot, profile),
        },
    };
    if chatbot.settings.is_request_user_info_enabled && visitor.profile.email.is_none() {
        let error = Error::invalid_field("email", "is asked for before the first message");
        return Err(ApiError(error.coded("email_needed")));
    }
    let (token, expires_at) = app.visitors.tokens.issue(&visitor, now)?;
    let session = store
        .visitor_session(&chatbot, PLATFORM, &visitor.id)
        .await?;
    Ok(JsonBody(SessionReply {
        token,
        expires_at,
        session_id: session.map(|session| session.id.0),
        visitor: VisitorBody {
            email: visitor.profile.email,
            name: visitor.profile.name,
            verified: visitor.profile.verified,
        },
    }))
}

/// What is given replaces what was known.
fn keep(known: &mut Option<String>, given: Option<String>) {
    if given.is_some() {
        *known = given;
    }
}

/// A line of text, trimmed; empty ones count as not given.
fn short(field: &str, text: Option<String>, most: usize) -> ApiResult<Option<String>> {
    let text = text.map(|text| text.trim().to_owned());
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.chars().count() > most || text.chars().any(char::is_control) {
        let problem = format!("at most {most} characters, without control characters");
        return Err(ApiError(Error::invalid_field(field, problem)));
    }
    Ok(Some(text))
}

fn email(field: &str, text: Option<String>) -> ApiResult<Option<String>> {
    let Some(text) = short(field, text, 254)? else {
        return Ok(None);
    };
    // What an address may look like is the mail servers' to say; this finds slips of the finger.
    let proper = text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && !domain.contains('@') && !domain.ends_with('.')
    });
    if !proper || text.contains(char::is_whitespace) {
        let problem = "is no e-mail address, such as name@example.com";
        return Err(ApiError(Error::invalid_field(field, problem)));
    }
    Ok(Some(text))
}

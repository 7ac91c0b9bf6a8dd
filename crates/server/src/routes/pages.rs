//! Pages for people: chatbots' hosted pages.

use crate::app::App;
use crate::client_address::ClientAddress;
use crate::error::ApiResult;
use crate::page::{self, View};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// The hosted page of a public chatbot. One that is not public is as unknown as one that is not.
pub async fn hosted(
    State(app): State<App>,
    address: ClientAddress,
    Path(slug): Path<String>,
    asked: HeaderMap,
) -> ApiResult<Response> {
    app.visitors.limits.request(address.0)?;
    let chatbot = app.engine.store().chatbot_for_visitors(&slug).await?;
    let chatbot = chatbot.filter(|chatbot| chatbot.is_public);
    let Some(chatbot) = chatbot else {
        return Ok(not_found());
    };
    let base = app.config.public_url.as_deref().unwrap_or_default();
    let url = format!("{base}/c/{}", chatbot.slug);
    let picture = chatbot.avatar.as_deref();
    let picture = picture.map(|file| app.config.avatar_url(chatbot.id, file));
    let headers = [
        (
            header::CONTENT_SECURITY_POLICY,
            page::content_security_policy(&chatbot),
        ),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::VARY, "accept-language".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "same-origin".to_owned()),
    ];
    let languages = asked.get(header::ACCEPT_LANGUAGE);
    let languages = languages.and_then(|value| value.to_str().ok());
    let view = View {
        url: &url,
        picture: picture.as_deref(),
        languages: languages.unwrap_or_default(),
    };
    let page = page::render(&chatbot, &view);
    Ok((headers, Html(page)).into_response())
}

fn not_found() -> Response {
    let policy = "default-src 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (StatusCode::NOT_FOUND, headers, Html(page::NOT_FOUND)).into_response()
}

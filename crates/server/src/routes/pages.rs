//! Pages for people: chatbots' hosted pages.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use okra_domain::Error;

use crate::app::App;
use crate::client_address::ClientAddress;
use crate::error::ApiResult;
use crate::page;

/// The hosted page of a public chatbot. One that is not public is as unknown as one that is not.
pub async fn hosted(
    State(app): State<App>,
    address: ClientAddress,
    Path(slug): Path<String>,
) -> ApiResult<Response> {
    app.visitors.limits.request(address.0)?;
    let chatbot = app.engine.store().chatbot_for_visitors(&slug).await?;
    let chatbot = chatbot.filter(|chatbot| chatbot.is_public);
    let chatbot = chatbot.ok_or_else(|| Error::not_found("chatbot"))?;
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
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "same-origin".to_owned()),
    ];
    let page = page::render(&chatbot, &url, picture.as_deref());
    Ok((headers, Html(page)).into_response())
}

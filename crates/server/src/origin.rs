//! Which page sent a request, by what browsers say of it.

use axum::http::{HeaderMap, Method, header};
use okra_domain::error::Result;
use okra_domain::{Error, ErrorKind};

use crate::app::App;

/// The origin of the page that asks, where it is not Okra's own. Browsers leave the header out of
/// plain reads from the same origin; whoever is no browser can claim any.
pub fn foreign_origin(headers: &HeaderMap, app: &App) -> Option<String> {
    let origin = headers.get(header::ORIGIN)?;
    let Ok(origin) = origin.to_str() else {
        return Some("null".to_owned());
    };
    let public = app.config.public_url.as_deref().and_then(own_origin);
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    // Without a scheme it is `null`: a sandboxed frame or a file.
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let own = public.as_deref() == Some(origin) || (authority.is_some() && authority == host);
    (!own).then(|| origin.to_owned())
}

fn own_origin(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    Some(url.origin().ascii_serialization())
}

/// Fails where a page of another site says that it sent the request.
pub fn refuse_foreign(headers: &HeaderMap, app: &App) -> Result<()> {
    match foreign_origin(headers, app) {
        Some(origin) => Err(foreign(&format!("{origin} is another site"))),
        None => Ok(()),
    }
}

/// Holds a request that the browser added a cookie to to Okra's own pages. What changes something
/// must say where it comes from; what reads may leave it out, as browsers do, since other sites are
/// not shown the answer.
pub fn require_own(method: &Method, headers: &HeaderMap, app: &App) -> Result<()> {
    refuse_foreign(headers, app)?;
    let same_origin = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "same-origin");
    if method.is_safe() || headers.contains_key(header::ORIGIN) || same_origin {
        return Ok(());
    }
    Err(foreign(
        "the request does not say which page sent it (header origin)",
    ))
}

fn foreign(why: &str) -> Error {
    let message = format!(
        "A signed-in person acts from Okra's own pages alone, and {why}. Programs use an API key. \
         Behind a reverse proxy, OKRA_PUBLIC_URL must be the address in the browser."
    );
    Error::new(ErrorKind::Forbidden, message).coded("foreign_origin")
}

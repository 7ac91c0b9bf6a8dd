//! The web parts that are compiled into the binary: the widget, the console, and their assets.
//!
//! `npm run build` in `web/` lays them into `web/dist`, each text with a `.br` and a `.gz` beside
//! it. A name with a hash never changes its content, so browsers keep those for good; the others
//! are asked for anew each time and answered with 304 while they stay the same.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use okra_domain::{Error, ErrorKind};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::ApiError;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
struct Dist;

/// An encoding that files are kept in, best first: its name in HTTP and the suffix.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// A part with a hash in its name.
pub async fn hashed(Path(file): Path<String>, headers: HeaderMap) -> Response {
    serve(
        &format!("assets/{file}"),
        &headers,
        "public, max-age=31536000, immutable",
    )
}

/// The widget's script, whose address sites have on their pages.
pub async fn widget(headers: HeaderMap) -> Response {
    serve("widget.js", &headers, "public, max-age=300")
}

/// The paths of the console's pages, as its router has them (`web/console/src/routes.ts`).
pub const CONSOLE: [&str; 10] = [
    "/sign-in",
    "/link",
    "/account",
    "/overview",
    "/chatbots",
    "/chatbots/{*page}",
    "/inbox",
    "/inbox/{*page}",
    "/settings",
    "/settings/{*page}",
];

/// What the console's page may do: nothing but what comes from this server, except for pictures that
/// builders named. No script or style stands in the page itself.
const CONSOLE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob: https: http:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; \
    frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Whether this binary was built with the console.
pub fn has_console() -> bool {
    Dist::get("console.html").is_some()
}

/// The console. Its script draws the page that the path names.
pub async fn console(headers: HeaderMap) -> Response {
    let mut response = serve("console.html", &headers, "no-cache");
    let set = response.headers_mut();
    let mut guard = |name, value| set.insert(name, HeaderValue::from_static(value));
    guard(header::CONTENT_SECURITY_POLICY, CONSOLE_POLICY);
    guard(header::X_FRAME_OPTIONS, "DENY");
    guard(header::REFERRER_POLICY, "same-origin");
    set.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    response
}

/// The front door: the console for browsers, the reference for programs and where there is no console.
pub async fn index(headers: HeaderMap) -> Response {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let page = accepts.is_some_and(|accepts| accepts.contains("text/html"));
    let mut response = match page && has_console() {
        true => console(headers).await,
        false => Redirect::temporary("/docs").into_response(),
    };
    let varies = HeaderValue::from_static("accept, accept-encoding");
    response.headers_mut().insert(header::VARY, varies);
    response
}

fn serve(name: &str, headers: &HeaderMap, kept: &str) -> Response {
    let Some(file) = Dist::get(name) else {
        return missing(name);
    };
    let tag = format!("\"{}\"", &hex::encode(file.metadata.sha256_hash())[..32]);
    let (encoding, body) = encoded(name, headers).map_or((None, file), |(e, f)| (Some(e), f));
    let asked = headers.get(header::IF_NONE_MATCH);
    let mut response = match asked.is_some_and(|asked| asked.as_bytes() == tag.as_bytes()) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(body.data).into_response(),
    };
    let mut set = |name, value: &str| {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, media_type(name));
    set(header::CACHE_CONTROL, kept);
    set(header::ETAG, &tag);
    set(header::VARY, "accept-encoding");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Other sites load the widget's parts.
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    if let Some(encoding) = encoding {
        set(header::CONTENT_ENCODING, encoding);
    }
    response
}

/// The file in the best encoding that the client takes.
fn encoded(name: &str, headers: &HeaderMap) -> Option<(&'static str, EmbeddedFile)> {
    let accepted = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    let accepts = |encoding: &str| {
        accepted.split(',').any(|entry| {
            let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
            name.trim().eq_ignore_ascii_case(encoding) && weight.trim() != "q=0"
        })
    };
    ENCODINGS.into_iter().find_map(|(encoding, suffix)| {
        let file = accepts(encoding).then(|| Dist::get(&format!("{name}{suffix}")))??;
        Some((encoding, file))
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn missing(name: &str) -> Response {
    let message = match Dist::get("widget.js") {
        Some(_) => format!("There is no {name} in this version; reload the page."),
        None => "This binary was built without its web parts. Build it with `cargo xtask serve`, \
                 which builds them too; /docs has the API's reference."
            .to_owned(),
    };
    ApiError(Error::new(ErrorKind::NotFound, message)).into_response()
}

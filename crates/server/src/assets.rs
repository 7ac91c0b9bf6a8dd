//! The web parts that are compiled into the binary: the widget and its assets.
//!
//! `npm run build` in `web/` lays them into `web/dist`, each text with a `.br` and a `.gz` beside
//! it. A name with a hash never changes its content, so browsers keep those for good; the others
//! are asked for anew each time and answered with 304 while they stay the same.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
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

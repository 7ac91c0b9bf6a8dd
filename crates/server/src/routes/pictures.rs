//! What avatars and visitors' images have in common: the form they come in, and how they are served.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use okra_domain::{ChatbotId, Error, ErrorKind};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::access::path_value;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::input::{form_error, multipart, parse_id, read_body};
use crate::picture::{self, Picture, PictureError, Purpose};

/// The form's own markup around an image of the greatest size.
const FORM_OVERHEAD: usize = 64 * 1024;

/// Pictures decoded at the same time, which bounds their memory together.
static DECODING: Semaphore = Semaphore::const_new(2);

/// A file that came in a form.
pub struct Upload {
    /// Its name, where the form gave one.
    pub name: Option<String>,
    /// Its content.
    pub bytes: Bytes,
}

/// The one image of a form, in the field of this name.
pub async fn image_field(request: Request, name: &str) -> ApiResult<Upload> {
    let (parts, body) = request.into_parts();
    let body = read_body(body, picture::MAX_BYTES + FORM_OVERHEAD).await?;
    let request = Request::from_parts(parts, Body::from(body));
    let mut form = multipart(request).await?;
    while let Some(field) = form.next_field().await.map_err(form_error)? {
        if field.name() == Some(name) {
            return Ok(Upload {
                name: field.file_name().map(str::to_owned),
                bytes: field.bytes().await.map_err(form_error)?,
            });
        }
    }
    let problem = format!("send one image in the form field \"{name}\"");
    Err(ApiError(Error::invalid_field(name, problem)))
}

/// Makes a picture of an upload that is safe to keep.
pub async fn normalized(bytes: Bytes, purpose: Purpose) -> ApiResult<Picture> {
    let stopped = "an image's decoding stopped";
    let turn = DECODING.acquire().await;
    let turn = turn.map_err(|error| Error::internal(stopped, error))?;
    let decode = move || {
        // Held by the work itself: it goes on when whoever asked has gone.
        let _turn = turn;
        picture::normalize(&bytes, purpose)
    };
    let decoded = tokio::task::spawn_blocking(decode).await;
    let decoded = decoded.map_err(|error| Error::internal(stopped, error))?;
    Ok(decoded.map_err(refused)?)
}

fn refused(error: PictureError) -> Error {
    let kind = match &error {
        PictureError::Unsupported { .. } => ErrorKind::UnsupportedType,
        PictureError::TooLarge { .. } | PictureError::TooManyPixels { .. } => ErrorKind::TooLarge,
        PictureError::Damaged { .. } => ErrorKind::Unprocessable,
    };
    Error::new(kind, error.to_string())
}

/// A picture of ours that a path names: `{chatbotId}` and `{file}`, a UUID with `.png` or `.jpg`.
pub struct NamedPicture {
    /// Whose it is.
    pub chatbot: ChatbotId,
    /// Its file's name.
    pub file: String,
    media_type: &'static str,
}

impl NamedPicture {
    /// What the path names; it may not be there.
    pub async fn of(request: &mut Parts) -> ApiResult<Self> {
        let chatbot = path_value(request, "chatbotId").await?;
        let file = path_value(request, "file").await?;
        let (name, extension) = file.split_once('.').unwrap_or_default();
        let name: Uuid = parse_id(name, "picture")?;
        let media_type = match extension {
            "png" => "image/png",
            "jpg" => "image/jpeg",
            _ => return Err(ApiError(Error::not_found("picture"))),
        };
        Ok(Self {
            chatbot: parse_id(&chatbot, "picture")?,
            file: format!("{name}.{extension}"),
            media_type,
        })
    }

    /// Answers with what lies at `path`; `kept` says for how long caches may. Pages of other sites
    /// show it, and nothing in it can do anything.
    pub async fn serve(self, app: &App, path: &str, kept: &str) -> ApiResult<Response> {
        let bytes = app.engine.store().blobs().read(path).await?;
        let bytes = bytes.ok_or_else(|| Error::not_found("picture"))?;
        Response::builder()
            .header(header::CONTENT_TYPE, self.media_type)
            .header(header::CACHE_CONTROL, kept)
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; sandbox",
            )
            .header("cross-origin-resource-policy", "cross-origin")
            .body(Body::from(bytes))
            .map_err(|error| ApiError(Error::internal("cannot answer with a picture", error)))
    }
}

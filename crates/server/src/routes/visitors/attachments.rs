//! Images that visitors send along with their messages.

use axum::Json as JsonBody;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use okra_domain::session::Attachment;
use okra_domain::{Error, ErrorKind};
use okra_store::{attachments, blobs};
use serde::Serialize;
use utoipa::ToSchema;

use super::Asking;
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::picture::ATTACHMENT;
use crate::routes::pictures::{NamedPicture, image_field, normalized};

/// Images of one message at most.
pub const MAX_IMAGES: usize = 4;
/// The most characters kept of a file's name.
const MAX_NAME_CHARS: usize = 100;

/// An image to be uploaded.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // Only its schema is used.
pub struct ImageForm {
    /// A PNG, JPEG, WebP or GIF image of at most 5 MB and 24 million pixels.
    #[schema(value_type = String, format = Binary)]
    file: String,
}

/// An image that can be sent along.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImageReply {
    /// For `attachments` of a message; worth something to this visitor alone.
    id: String,
    /// What the file was called.
    name: String,
    /// Where it can be seen by whoever knows the address, which nobody can guess.
    url: String,
}

/// Upload an image
///
/// For a message that follows: where none does within a day, the image is deleted; afterwards it
/// stays as long as the chatbot. It is decoded and written anew as a JPEG, without metadata and at
/// most 2,048×2,048 pixels. Counts as a message of the visitor, and as an image of the address.
#[utoipa::path(post, path = "/api/public/chatbot/{slug}/attachments", operation_id = "uploadImage",
    tag = "Visitors", security(("visitor" = [])),
    params(("slug" = String, Path, description = "The chatbot's slug.")),
    request_body(content = ImageForm, content_type = "multipart/form-data"),
    responses((status = 201, body = ImageReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
              (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
              (status = 422, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn upload(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    asking: Asking,
    request: Request,
) -> ApiResult<(StatusCode, JsonBody<ImageReply>)> {
    let (chatbot, visitor) = (&asking.chatbot, &asking.visitor);
    if !app.engine.sees_images(chatbot) {
        return Err(ApiError(not_seen()));
    }
    // Before the body is read: who sends too much is not listened to.
    app.visitors.limits.image(address)?;
    app.visitors.limits.message(visitor.key(), chatbot.id)?;
    let upload = image_field(request, "file").await?;
    let image = normalized(upload.bytes, ATTACHMENT).await?;
    let store = app.engine.store();
    let stored = store.add_attachment(chatbot, Bytes::from(image.bytes));
    let file = stored.await?;
    let name = shown_name(upload.name.as_deref().unwrap_or_default());
    let reply = ImageReply {
        id: app.visitors.tokens.issue_image(visitor, &file, &name)?,
        url: app.config.attachment_url(chatbot.id, &file),
        name,
    };
    Ok((StatusCode::CREATED, JsonBody(reply)))
}

fn not_seen() -> Error {
    let message = "This chatbot's model is not known to see images; send the message without them.";
    Error::new(ErrorKind::Conflict, message).coded("images_not_accepted")
}

/// A file's name as it may be shown: without folders and control characters, and not too long.
fn shown_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let plain = name.chars().filter(|character| !character.is_control());
    let name: String = plain.take(MAX_NAME_CHARS).collect();
    if name.is_empty() {
        "image".to_owned()
    } else {
        name
    }
}

/// The images that a message names, each of them this visitor's and still there.
pub async fn named(
    app: &App,
    asking: &Asking,
    ids: &[String],
) -> ApiResult<Option<Vec<Attachment>>> {
    if ids.len() > MAX_IMAGES {
        let problem = format!("at most {MAX_IMAGES}");
        return Err(ApiError(Error::invalid_field("attachments", problem)));
    }
    let mut images = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let image = app.visitors.tokens.read_image(id, &asking.visitor);
        let image = image.ok_or_else(|| {
            let problem = "is no image that this visitor uploaded to this chatbot";
            Error::invalid_field(format!("attachments[{index}]"), problem)
        })?;
        let path = blobs::attachment_path(asking.chatbot.id, &image.file);
        if !app.engine.store().blobs().exists(&path).await? {
            return Err(ApiError(attachments::gone()));
        }
        images.push(Attachment {
            url: app.config.attachment_url(asking.chatbot.id, &image.file),
            name: image.name,
            file: Some(image.file),
        });
    }
    Ok((!images.is_empty()).then_some(images))
}

/// Serves an image of a message. Its name is the secret: whoever has it may look.
pub async fn show(State(app): State<App>, mut request: Parts) -> ApiResult<Response> {
    let named = NamedPicture::of(&mut request).await?;
    let path = blobs::attachment_path(named.chatbot, &named.file);
    let kept = "private, max-age=31536000, immutable";
    named.serve(&app, &path, kept).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_is_kept_as_far_as_it_can_be_shown() {
        let check = |name: &str, expected: &str| assert_eq!(shown_name(name), expected);
        check("우리집 사진.png", "우리집 사진.png");
        check("C:\\Users\\kim\\a.png", "a.png");
        check("../../etc/passwd", "passwd");
        check("a\u{0}\nb.png", "ab.png");
        check("", "image");
        check("x/", "image");
        check(&"ä".repeat(500), &"ä".repeat(100));
    }
}

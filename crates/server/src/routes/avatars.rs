//! Setting and serving chatbots' pictures.

use axum::Json as JsonBody;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use okra_domain::chatbot::Chatbot;
use okra_domain::{ChatbotId, Error, ErrorKind};
use okra_store::blobs;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{OwnChatbot, path_value};
use crate::app::App;
use crate::avatar::{self, AvatarError};
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{form_error, multipart, parse_id, read_body};
use crate::wire::ChatbotDetails;

/// The form's own markup around an image of the greatest size.
const FORM_OVERHEAD: usize = 64 * 1024;

/// A picture to be uploaded.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // Only its schema is used.
pub struct AvatarForm {
    /// A PNG, JPEG, WebP or GIF image of at most 5 MB.
    #[schema(value_type = String, format = Binary)]
    avatar: String,
}

/// The chatbot with its new avatar.
#[derive(Debug, Serialize, ToSchema)]
pub struct AvatarReply {
    chatbot: ChatbotDetails,
    message: &'static str,
}

/// Chatbot avatar
///
/// The image is decoded and written anew, without metadata and at most 512×512 pixels.
#[utoipa::path(patch, path = "/api/external/chatbot/{chatbotId}/update-avatar",
    operation_id = "updateAvatar", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body(content = AvatarForm, content_type = "multipart/form-data"),
    responses((status = 200, body = AvatarReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
              (status = 422, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    OwnChatbot(chatbot): OwnChatbot,
    request: Request,
) -> ApiResult<JsonBody<AvatarReply>> {
    let bytes = image_field(request).await?;
    let image = tokio::task::spawn_blocking(move || avatar::normalize(&bytes)).await;
    let image = image.map_err(|error| Error::internal("an image's decoding stopped", error))?;
    let image = image.map_err(avatar_error)?;

    let store = app.engine.store();
    let file = format!("{}.{}", Uuid::new_v4(), image.extension);
    let path = blobs::avatar_path(chatbot.id, &file);
    store.blobs().put(&path, Bytes::from(image.bytes)).await?;
    let now = store.clock().now();
    let set = |current: &Chatbot| {
        Ok(Chatbot {
            avatar: Some(file),
            updated_at: now,
            ..current.clone()
        })
    };
    let (organization, id) = (chatbot.organization_id, chatbot.id);
    let chatbot = match store.update_chatbot(organization, id, set).await {
        Ok(chatbot) => chatbot,
        Err(error) => {
            store.blobs().delete(&path).await?;
            return Err(error.into());
        }
    };
    app.engine.wake_workers();
    Ok(JsonBody(AvatarReply {
        chatbot: ChatbotDetails::new(chatbot, &app.config),
        message: "Avatar updated successfully",
    }))
}

async fn image_field(request: Request) -> ApiResult<Bytes> {
    let (parts, body) = request.into_parts();
    let body = read_body(body, avatar::MAX_BYTES + FORM_OVERHEAD).await?;
    let request = Request::from_parts(parts, Body::from(body));
    let mut form = multipart(request).await?;
    while let Some(field) = form.next_field().await.map_err(form_error)? {
        if field.name() == Some("avatar") {
            return Ok(field.bytes().await.map_err(form_error)?);
        }
    }
    let problem = "send one image in the form field \"avatar\"";
    Err(ApiError(Error::invalid_field("avatar", problem)))
}

fn avatar_error(error: AvatarError) -> Error {
    let kind = match &error {
        AvatarError::Unsupported { .. } => ErrorKind::UnsupportedType,
        AvatarError::TooLarge { .. } | AvatarError::TooManyPixels { .. } => ErrorKind::TooLarge,
        AvatarError::Damaged { .. } => ErrorKind::Unprocessable,
    };
    Error::new(kind, error.to_string())
}

/// Serves an avatar. Its name changes with every new picture, so browsers may keep it for good.
pub async fn show(State(app): State<App>, mut request: Parts) -> ApiResult<Response> {
    let missing = || ApiError(Error::not_found("picture"));
    let chatbot = path_value(&mut request, "chatbotId").await?;
    let file = path_value(&mut request, "file").await?;
    let chatbot: ChatbotId = parse_id(&chatbot, "picture")?;
    let (name, extension) = file.split_once('.').ok_or_else(missing)?;
    let name: Uuid = parse_id(name, "picture")?;
    let media_type = match extension {
        "png" => "image/png",
        "jpg" => "image/jpeg",
        _ => return Err(missing()),
    };
    let path = blobs::avatar_path(chatbot, &format!("{name}.{extension}"));
    let bytes = app.engine.store().blobs().read(&path).await?;
    let bytes = bytes.ok_or_else(missing)?;
    Response::builder()
        .header(header::CONTENT_TYPE, media_type)
        .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        )
        .header("cross-origin-resource-policy", "cross-origin")
        .body(Body::from(bytes))
        .map_err(|error| ApiError(Error::internal("cannot answer with a picture", error)))
}

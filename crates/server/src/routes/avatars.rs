//! Setting and serving chatbots' pictures.

use axum::Json as JsonBody;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use okra_domain::chatbot::Chatbot;
use okra_store::blobs;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{Admin, OwnChatbot};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::picture::AVATAR;
use crate::routes::pictures::{NamedPicture, image_field, normalized};
use crate::wire::ChatbotDetails;

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
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    request: Request,
) -> ApiResult<JsonBody<AvatarReply>> {
    let upload = image_field(request, "avatar").await?;
    let image = normalized(upload.bytes, AVATAR).await?;

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

/// Serves an avatar. Its name changes with every new picture, so browsers may keep it for good.
pub async fn show(State(app): State<App>, mut request: Parts) -> ApiResult<Response> {
    let named = NamedPicture::of(&mut request).await?;
    let path = blobs::avatar_path(named.chatbot, &named.file);
    let kept = "public, max-age=31536000, immutable";
    named.serve(&app, &path, kept).await
}

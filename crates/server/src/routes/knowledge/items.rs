//! One item of knowledge: what it is, what it was read as, and reading it again.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use okra_domain::knowledge::{Item, ItemStatus, Source};
use okra_domain::{Error, ErrorKind, ItemId};
use okra_store::blobs;
use serde::Serialize;
use utoipa::ToSchema;

use super::ItemReply;
use crate::access::{Admin, OwnChatbot, Viewer};
use crate::app::App;
use crate::download::Download;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{PageParams, Paging, parse_id};
use crate::wire::{ChunkBody, KnowledgeItem, ListBody};

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneItem {
    data: KnowledgeItem,
}

/// Get a knowledge item
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/knowledge-base/{itemId}",
    operation_id = "getKnowledgeItem", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("itemId" = uuid::Uuid, Path, description = "The item.")),
    responses((status = 200, body = OneItem), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<OneItem>> {
    let item = app.engine.store().item(&chatbot, item_id(&id)?).await?;
    Ok(JsonBody(OneItem { data: item.into() }))
}

/// Get a knowledge item's chunks
///
/// The passages that can be found, in order.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/knowledge-base/{itemId}/chunks",
    operation_id = "getKnowledgeChunks", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("itemId" = uuid::Uuid, Path, description = "The item."), PageParams),
    responses((status = 200, body = ListBody<ChunkBody>), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn chunks(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
    Paging(page): Paging,
) -> ApiResult<JsonBody<ListBody<ChunkBody>>> {
    let store = app.engine.store();
    let page = store.chunks(&chatbot, item_id(&id)?, page).await?;
    Ok(JsonBody(ListBody::new(page)))
}

/// Get a knowledge item's text
///
/// What was read of it, in Markdown. HTML in it is the document's own and is not to be trusted.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/knowledge-base/{itemId}/text",
    operation_id = "getKnowledgeText", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("itemId" = uuid::Uuid, Path, description = "The item.")),
    responses((status = 200, body = String, content_type = "text/markdown"),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn text(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<Response> {
    let id = item_id(&id)?;
    let store = app.engine.store();
    let Some(text) = store.item_text(&chatbot, id).await? else {
        let item = store.item(&chatbot, id).await?;
        return Err(ApiError(no_text(&item)));
    };
    let headers = [
        (header::CONTENT_TYPE, "text/markdown; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, text).into_response())
}

fn no_text(item: &Item) -> Error {
    let message = match item.status {
        ItemStatus::Pending | ItemStatus::Processing => {
            "This item is being read; its text is there once it is ready."
        }
        ItemStatus::Failed => "This item could not be read, so it has no text; its error says why.",
        ItemStatus::Ready => {
            "This item was read before texts were kept. Read it again \
             (POST …/knowledge-base/ID/retry) to see its text."
        }
    };
    Error::new(ErrorKind::NotFound, message).coded("no_text")
}

/// Download a knowledge item's file
///
/// The bytes that were uploaded, as a download.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/knowledge-base/{itemId}/file",
    operation_id = "getKnowledgeFile", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("itemId" = uuid::Uuid, Path, description = "The item.")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn file(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<Response> {
    let store = app.engine.store();
    let item = store.item(&chatbot, item_id(&id)?).await?;
    let Source::File {
        file_name,
        media_type,
        ..
    } = item.source
    else {
        let message = "Only uploaded files can be downloaded; this item was typed in or fetched.";
        return Err(ApiError(Error::new(ErrorKind::NotFound, message)));
    };
    let path = blobs::item_path(chatbot.id, item.id);
    let Some(blob) = store.blobs().stream(&path).await? else {
        let message = "The file is no longer in the file storage. Upload it again.";
        return Err(ApiError(Error::new(ErrorKind::NotFound, message)));
    };
    let download = Download {
        file_name: &file_name,
        media_type: &media_type,
        size: Some(blob.size),
    };
    download.of(blob.bytes)
}

/// Read a knowledge item again
///
/// Fetches a page anew, or reads a file with what the server has learnt since. What was found
/// before keeps answering until that is done. An item that is waiting or being read is left to it.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/knowledge-base/{itemId}/retry",
    operation_id = "retryKnowledgeItem", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("itemId" = uuid::Uuid, Path, description = "The item.")),
    responses((status = 202, body = ItemReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn retry(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<(StatusCode, JsonBody<ItemReply>)> {
    let store = app.engine.store();
    let now = store.clock().now();
    let again = |item: &Item| {
        let at_rest = matches!(item.status, ItemStatus::Ready | ItemStatus::Failed);
        let mut next = item.clone();
        if at_rest {
            next.updated_at = now;
        }
        Ok((next, at_rest))
    };
    let item = store.update_item(&chatbot, item_id(&id)?, again).await?;
    app.engine.wake_workers();
    let reply = ItemReply {
        message: "Accepted; reading has begun.",
        data: item.into(),
    };
    Ok((StatusCode::ACCEPTED, JsonBody(reply)))
}

fn item_id(id: &str) -> ApiResult<ItemId> {
    parse_id(id, "knowledge item")
}

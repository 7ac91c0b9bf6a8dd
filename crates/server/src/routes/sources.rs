//! Sites, feeds, folders and buckets that a chatbot reads whole and keeps fresh.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::SourceId;
use okra_domain::page::Pagination;
use okra_domain::person::Role;
use okra_domain::source::{
    Cadence, KnowledgeSource, NewSource, PageState, SourceChange, SourceKind, SourceReport,
};
use okra_store::sources::PageFilter;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::access::{Admin, OwnChatbot, Viewer};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{Json, PageParams, Paging, QueryParams, parse_id};
use crate::wire::{ListBody, LogEntryBody, SourceBody, SourcePageBody};

/// The chatbot's sources.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourcesReply {
    data: Vec<SourceBody>,
    pagination: Pagination,
    /// What sources of the server's own may be; null for those who may not add any.
    places: Option<PlacesBody>,
}

/// Where folders and buckets may be, as the server's operator allows.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlacesBody {
    /// Folders of the server, with all below them.
    folders: Vec<String>,
    /// S3 buckets or parts of them, with all below them.
    buckets: Vec<String>,
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneSource {
    data: SourceBody,
}

/// What is read of a source; what is not given stays as it is, `null` brings its default back.
#[derive(Debug, Deserialize, ToSchema)]
#[allow(dead_code)] // Only its schema is used: options are a merge patch.
pub struct SourceOptionsInput {
    /// Only paths that one of these patterns matches, at most 50; empty for all. `*` stands for any
    /// characters, `/` among them, `?` for one; without either a pattern names a path and all below.
    include: Option<Vec<String>>,
    /// No paths that one of these patterns matches, at most 50.
    exclude: Option<Vec<String>>,
    /// Pages at most; 500 by default.
    #[schema(minimum = 1, maximum = 10_000)]
    max_pages: Option<u32>,
    /// Links followed from a site's first page at most; 5 by default.
    #[schema(maximum = 20)]
    max_depth: Option<u32>,
    /// Whether documents that pages link, such as PDFs, are read too; not by default.
    documents: Option<bool>,
    /// Whether a site's sitemap is read; it is by default.
    sitemap: Option<bool>,
    /// Whether pages are drawn by a browser first, so that what their scripts write is read too; not by
    /// default. The server's operator has to name a Chromium (`chromium`). It takes some seconds a page,
    /// and a page is drawn when what its server sends has changed.
    render: Option<bool>,
}

/// A source to be added.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SourceInput {
    /// What it is.
    #[serde(rename = "type")]
    kind: SourceKind,
    /// Where it is: a web address, a folder of the server, or `s3://BUCKET/PREFIX`. Folders and
    /// buckets are those that the server's operator allows (`folder_allow`, `bucket_allow`).
    address: String,
    /// Its name, at most 300 characters; the address where not given.
    name: Option<String>,
    /// What is read of it, where that is other than the defaults.
    #[schema(value_type = Option<SourceOptionsInput>)]
    options: Option<Value>,
    /// How often it is read again; `manual` where not given.
    cadence: Option<Cadence>,
}

/// What to change of a source.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SourceChangeInput {
    /// A new name.
    name: Option<String>,
    /// Options to change; `null` brings one's default back. They count from the next page on.
    #[schema(value_type = Option<SourceOptionsInput>)]
    options: Option<Value>,
    /// A new cadence.
    cadence: Option<Cadence>,
}

/// Which pages are wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // Only its description is used; reading names the field at fault.
pub struct PageFilterParams {
    /// Only pages that stand so.
    state: Option<PageState>,
    /// Only those that the sync under way has still to ask for (`true`), or those it is done with.
    pending: Option<bool>,
    /// Only pages whose address or title holds this, in any case; at most 200 characters.
    search: Option<String>,
}

/// Get sources
///
/// Newest first.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/sources",
    operation_id = "getSources", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."), PageParams),
    responses((status = 200, body = SourcesReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    OwnChatbot(chatbot, caller): OwnChatbot<Viewer>,
    Paging(page): Paging,
) -> ApiResult<JsonBody<SourcesReply>> {
    let page = app.engine.store().sources(&chatbot, page).await?;
    let ListBody { data, pagination } = ListBody::new(page);
    let places = app.engine.places();
    let places = (caller.role() >= Role::Admin).then(|| PlacesBody {
        folders: places.folders().collect(),
        buckets: places.buckets().to_vec(),
    });
    Ok(JsonBody(SourcesReply {
        data,
        pagination,
        places,
    }))
}

/// Add a source
///
/// Answers at once; its pages are read in the background, one after another, as its robots.txt
/// allows, and become knowledge items. 100 sources a chatbot at most.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/sources",
    operation_id = "addSource", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = SourceInput,
    responses((status = 202, body = OneSource), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn create(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Json(input): Json<SourceInput>,
) -> ApiResult<(StatusCode, JsonBody<OneSource>)> {
    let new = NewSource {
        kind: input.kind,
        address: input.address,
        change: SourceChange {
            name: input.name,
            options: input.options,
            cadence: input.cadence,
        },
    };
    let store = app.engine.store();
    let source = KnowledgeSource::new(chatbot.id, new, store.clock().now())?;
    let source = app.engine.checked_source(source)?;
    let added = store.add_source(&chatbot, source).await?;
    app.engine.wake_workers();
    Ok(accepted(added))
}

/// Get a source
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/sources/{sourceId}",
    operation_id = "getSource", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sourceId" = uuid::Uuid, Path, description = "The source.")),
    responses((status = 200, body = OneSource), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<OneSource>> {
    let store = app.engine.store();
    let source = store.source(&chatbot, source_id(&id)?).await?;
    Ok(JsonBody(one(source)))
}

/// Update a source
///
/// Other options count from the next page on; sync it to have them count for all. Its type and its
/// address stay: another address is another source.
#[utoipa::path(patch, path = "/api/external/chatbot/{chatbotId}/sources/{sourceId}",
    operation_id = "updateSource", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sourceId" = uuid::Uuid, Path, description = "The source.")),
    request_body = SourceChangeInput,
    responses((status = 200, body = OneSource), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Path((_, id)): Path<(String, String)>,
    Json(input): Json<SourceChangeInput>,
) -> ApiResult<JsonBody<OneSource>> {
    let store = app.engine.store();
    let now = store.clock().now();
    let change = SourceChange {
        name: input.name,
        options: input.options,
        cadence: input.cadence,
    };
    let changed = |source: &KnowledgeSource| {
        let next = source.changed(change, now)?;
        // What stands already may stand on, whatever the operator took away since.
        if next.options != source.options {
            app.engine.check_options(&next)?;
        }
        Ok(next)
    };
    let source = store.update_source(&chatbot, source_id(&id)?, changed);
    Ok(JsonBody(one(source.await?)))
}

/// Delete a source
///
/// With all knowledge items that were read of it; they answer no longer once this call has returned.
#[utoipa::path(delete, path = "/api/external/chatbot/{chatbotId}/sources/{sourceId}",
    operation_id = "deleteSource", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sourceId" = uuid::Uuid, Path, description = "The source.")),
    responses((status = 200, body = OneSource), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<OneSource>> {
    let store = app.engine.store();
    let source = store.delete_source(&chatbot, source_id(&id)?).await?;
    app.engine.wake_workers();
    Ok(JsonBody(one(source)))
}

/// Sync a source
///
/// Reads it again now: what did not change costs one small request a page. What was read before
/// answers meanwhile. A source that waits or is being read is left to it.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/sources/{sourceId}/sync",
    operation_id = "syncSource", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sourceId" = uuid::Uuid, Path, description = "The source.")),
    responses((status = 202, body = OneSource), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn sync(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<(StatusCode, JsonBody<OneSource>)> {
    let store = app.engine.store();
    let source = store.sync_source(&chatbot, source_id(&id)?).await?;
    app.engine.wake_workers();
    Ok(accepted(source))
}

/// Cancel a sync
///
/// Nothing more is read once this call has returned; what was read until then answers. Without a
/// sync there is nothing to do, which is fine.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/sources/{sourceId}/cancel",
    operation_id = "cancelSource", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sourceId" = uuid::Uuid, Path, description = "The source.")),
    responses((status = 200, body = OneSource), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn cancel(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<OneSource>> {
    let store = app.engine.store();
    let source = store.cancel_source(&chatbot, source_id(&id)?).await?;
    Ok(JsonBody(one(source)))
}

/// Get a source's pages
///
/// In the order in which they were found.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/sources/{sourceId}/pages",
    operation_id = "getSourcePages", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sourceId" = uuid::Uuid, Path, description = "The source."), PageParams,
           PageFilterParams),
    responses((status = 200, body = ListBody<SourcePageBody>), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn pages(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
    Paging(page): Paging,
    filter: QueryParams,
) -> ApiResult<JsonBody<ListBody<SourcePageBody>>> {
    const STATES: &str = "new, ready, duplicate, moved, excluded, failed, gone or removed";
    let filter = PageFilter {
        state: filter.word("state", STATES)?,
        pending: filter.bool("pending")?,
        search: filter.search()?,
    };
    let store = app.engine.store();
    let pages = store.source_pages(&chatbot, source_id(&id)?, &filter, page);
    Ok(JsonBody(ListBody::new(pages.await?)))
}

/// Get a source's log
///
/// What its last 50 syncs changed, newest first.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/sources/{sourceId}/log",
    operation_id = "getSourceLog", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("sourceId" = uuid::Uuid, Path, description = "The source."), PageParams),
    responses((status = 200, body = ListBody<LogEntryBody>), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn log(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
    Paging(page): Paging,
) -> ApiResult<JsonBody<ListBody<LogEntryBody>>> {
    let store = app.engine.store();
    let log = store.source_log(&chatbot, source_id(&id)?, page).await?;
    Ok(JsonBody(ListBody::new(log)))
}

fn one(source: SourceReport) -> OneSource {
    OneSource {
        data: source.into(),
    }
}

fn accepted(source: SourceReport) -> (StatusCode, JsonBody<OneSource>) {
    (StatusCode::ACCEPTED, JsonBody(one(source)))
}

fn source_id(id: &str) -> ApiResult<SourceId> {
    parse_id(id, "source")
}

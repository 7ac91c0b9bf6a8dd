//! Feeding a chatbot.

pub mod items;
pub mod pairs;

use axum::Json as JsonBody;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use futures_util::StreamExt;
use okra_domain::chatbot::Chatbot;
use okra_domain::knowledge::{Item, ItemChange, ItemKind, ItemStatus, Source};
use okra_domain::{Error, ErrorKind, ItemId};
use okra_engine::upload::ReceivedFile;
use okra_store::knowledge::{Added, ItemFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::access::{Admin, OwnChatbot, QueryId, Viewer};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{
    Json, PageParams, Paging, QueryParams, form_error, media_type, multipart, parse_id, parse_json,
    parse_value, read_body,
};
use crate::wire::{KnowledgeItem, ListBody};

/// Files of one upload at most.
const MAX_FILES: usize = 100;
/// Items of one JSON body at most.
const MAX_ITEMS: usize = 1_000;

/// Something typed in, to be added to a chatbot's knowledge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[allow(dead_code)] // Only its schema is used: a tagged enum is read without naming the field at fault.
pub enum NewItem {
    /// Text.
    Text(NewText),
    /// A question with its answer.
    Qna(NewPair),
    /// A web page.
    Url(NewPage),
}

/// Text, at most 1,000,000 characters. Markdown headings are understood.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewText {
    /// Its title; the first line where not given.
    title: Option<String>,
    /// The text.
    content: String,
}

/// A question with the answer to be given word for word.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewPair {
    /// Its title; the question where not given.
    title: Option<String>,
    /// The question.
    question: String,
    /// The answer.
    answer: String,
}

/// A web page, fetched by the server.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewPage {
    /// Its title; the page's own where not given.
    title: Option<String>,
    /// The page's http or https address.
    url: String,
}

/// One item, or `{"items": […]}` of up to 1,000.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // Only its schema is used; reading names the field at fault.
pub enum NewItems {
    /// Several.
    Many {
        /// The items.
        items: Vec<NewItem>,
    },
    /// One.
    One(NewItem),
}

/// Files to be uploaded.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // Only its schema is used.
pub struct FilesForm {
    /// One or more files: txt, md, html, pdf, docx, pptx, xlsx, xls, odt, odp, ods, epub, rtf, csv, tsv,
    /// json, yaml, xml, eml, vtt or srt, and, where the server has tesseract, png, jpg, webp, gif or
    /// tiff.
    #[schema(value_type = Vec<String>, format = Binary)]
    files: Vec<String>,
}

/// What was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemsReply {
    message: String,
    data: Vec<KnowledgeItem>,
}

/// The item as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemReply {
    message: &'static str,
    data: KnowledgeItem,
}

/// Which items are wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // Only its description is used; reading names the field at fault.
pub struct ItemFilterParams {
    /// Only items that have come this far.
    status: Option<ItemStatus>,
    /// Only items of this type.
    r#type: Option<ItemKind>,
    /// Only those that may answer (`true`), or those that may not (`false`).
    enabled: Option<bool>,
    /// Only items of this source.
    source: Option<uuid::Uuid>,
    /// Only items whose title, file name, address, question or answer holds this, in any case; at
    /// most 200 characters.
    search: Option<String>,
}

/// Get knowledge base list of chatbot
///
/// Newest first.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/knowledge-base",
    operation_id = "getKnowledge", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."), PageParams,
           ItemFilterParams),
    responses((status = 200, body = ListBody<KnowledgeItem>), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Paging(page): Paging,
    filter: QueryParams,
) -> ApiResult<JsonBody<ListBody<KnowledgeItem>>> {
    let filter = ItemFilter {
        status: filter.word("status", "pending, processing, ready or failed")?,
        kind: filter.word("type", "file, url, text or qna")?,
        enabled: filter.bool("enabled")?,
        source: filter.word("source", "the id of a source")?,
        search: filter.search()?,
    };
    let page = app.engine.store().items(&chatbot, &filter, page).await?;
    Ok(JsonBody(ListBody::new(page)))
}

/// Add knowledge
///
/// Takes JSON (text, Q&A pairs, web pages) or files as multipart. Answers at once; items are read
/// in the background and end `ready` or `failed`.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/knowledge-base",
    operation_id = "addKnowledge", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body(content((NewItems = "application/json"), (FilesForm = "multipart/form-data"))),
    responses((status = 202, body = ItemsReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
              (status = 422, body = ErrorBody)))]
pub async fn add(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    request: Request,
) -> ApiResult<(StatusCode, JsonBody<ItemsReply>)> {
    match media_type(request.headers()).as_str() {
        "multipart/form-data" => receive(&app, &chatbot, request).await,
        "application/json" | "" => add_typed(&app, &chatbot, request).await,
        other => Err(ApiError(Error::new(
            ErrorKind::UnsupportedType,
            format!("The body must be multipart/form-data or application/json, not {other}."),
        ))),
    }
}

/// Knowledge base files
///
/// Uploads one or more files. Answers at once; files are read in the background and end `ready` or
/// `failed`. A file whose bytes the chatbot already holds is recognised and not stored twice.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/knowledge-base/files",
    operation_id = "uploadKnowledgeFiles", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body(content = FilesForm, content_type = "multipart/form-data"),
    responses((status = 202, body = ItemsReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
              (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
              (status = 422, body = ErrorBody)))]
pub async fn upload(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    request: Request,
) -> ApiResult<(StatusCode, JsonBody<ItemsReply>)> {
    receive(&app, &chatbot, request).await
}

async fn add_typed(
    app: &App,
    chatbot: &Chatbot,
    request: Request,
) -> ApiResult<(StatusCode, JsonBody<ItemsReply>)> {
    let bytes = read_body(request.into_body(), app.config.max_json_bytes).await?;
    let mut body: Value = parse_json(&bytes)?;
    let values = match body.get_mut("items").map(Value::take) {
        None => vec![(String::new(), body)],
        Some(Value::Array(values)) => {
            let named = |(index, value)| (format!("items[{index}]"), value);
            values.into_iter().enumerate().map(named).collect()
        }
        Some(_) => return Err(ApiError(Error::invalid_field("items", "must be a list"))),
    };
    if values.is_empty() || values.len() > MAX_ITEMS {
        let problem = format!("must hold 1 to {MAX_ITEMS} items");
        return Err(ApiError(Error::invalid_field("items", problem)));
    }
    let now = app.engine.store().clock().now();
    let mut items = Vec::with_capacity(values.len());
    for (path, value) in values {
        let (title, source) = typed_source(&path, value)?;
        let item = Item::new(chatbot.id, title, source, now);
        items.push(item.map_err(|error| within(&path, error))?);
    }
    let added = app.engine.store().add_items(chatbot, items).await?;
    app.engine.wake_workers();
    Ok(accepted(added))
}

/// What the item at `path` is titled and made of.
fn typed_source(path: &str, value: Value) -> ApiResult<(Option<String>, Source)> {
    match value.get("type").and_then(Value::as_str) {
        Some("text") => {
            let NewText { title, content } = parse_value(path, value)?;
            Ok((title, Source::Text { content }))
        }
        Some("qna") => {
            let pair: NewPair = parse_value(path, value)?;
            let (question, answer) = (pair.question, pair.answer);
            Ok((pair.title, Source::Qna { question, answer }))
        }
        Some("url") => {
            let NewPage { title, url } = parse_value(path, value)?;
            Ok((title, Source::Url { url }))
        }
        _ => {
            let problem = "must be text, qna or url; files are sent as multipart/form-data";
            let error = Error::invalid_field("type", problem);
            Err(ApiError(within(path, error)))
        }
    }
}

/// The same error about the item at `path`; empty where the item is the whole body.
fn within(path: &str, error: Error) -> Error {
    match error.details.as_slice() {
        [problem] if !path.is_empty() => {
            Error::invalid_field(format!("{path}.{}", problem.field), &problem.problem)
        }
        _ => error,
    }
}

async fn receive(
    app: &App,
    chatbot: &Chatbot,
    request: Request,
) -> ApiResult<(StatusCode, JsonBody<ItemsReply>)> {
    let mut form = multipart(request).await?;
    let mut received: Vec<ReceivedFile> = Vec::new();
    while let Some(field) = form.next_field().await.map_err(form_error)? {
        let Some(file_name) = field.file_name().map(str::to_owned) else {
            continue; // A plain form field is no file; unknown fields are ignored.
        };
        if received.len() == MAX_FILES {
            let message = format!("At most {MAX_FILES} files an upload.");
            return Err(ApiError(Error::new(ErrorKind::TooLarge, message)));
        }
        let content = field.map(|bytes| bytes.map_err(form_error));
        let limit = app.config.max_upload_bytes;
        let file = app.engine.receive_file(chatbot, &file_name, limit, content);
        received.push(file.await?);
    }
    if received.is_empty() {
        let problem = "send at least one file in the form field \"files\"";
        return Err(ApiError(Error::invalid_field("files", problem)));
    }
    let added = app.engine.add_files(chatbot, received).await?;
    Ok(accepted(added))
}

fn accepted(added: Vec<Added>) -> (StatusCode, JsonBody<ItemsReply>) {
    let known = added
        .iter()
        .filter(|added| matches!(added, Added::Known(_)));
    let known = known.count();
    let message = match (added.len() - known, known) {
        (new, 0) => format!("{new} accepted; reading has begun."),
        (0, known) => format!("{known} already in the knowledge base; nothing to do."),
        (new, known) => {
            format!("{new} accepted; reading has begun. {known} already in the knowledge base.")
        }
    };
    let item = |added| match added {
        Added::New(item) | Added::Known(item) => KnowledgeItem::from(item),
    };
    let data = added.into_iter().map(item).collect();
    (StatusCode::ACCEPTED, JsonBody(ItemsReply { message, data }))
}

/// What to change of an item.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ItemInput {
    /// The item; `?id=` does as well.
    id: Option<String>,
    /// A new title.
    title: Option<String>,
    /// Whether it may answer.
    enabled: Option<bool>,
    /// New text of a text item.
    content: Option<String>,
    /// New question of a Q&A pair.
    question: Option<String>,
    /// New answer of a Q&A pair.
    answer: Option<String>,
    /// New address of a web page.
    url: Option<String>,
}

/// Update knowledge base
///
/// Changed content is read anew; until then the old version answers. A disabled item answers no
/// longer once this call has returned.
#[utoipa::path(patch, path = "/api/external/chatbot/{chatbotId}/knowledge-base",
    operation_id = "updateKnowledge", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = ItemInput,
    responses((status = 200, body = ItemReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    QueryId(query_id): QueryId,
    Json(input): Json<ItemInput>,
) -> ApiResult<JsonBody<ItemReply>> {
    let id = item_id(input.id.or(query_id))?;
    let change = ItemChange {
        title: input.title,
        enabled: input.enabled,
        content: input.content,
        question: input.question,
        answer: input.answer,
        url: input.url,
    };
    let store = app.engine.store();
    let now = store.clock().now();
    let item = store
        .update_item(&chatbot, id, |item| item.changed(change, now))
        .await?;
    app.engine.wake_workers();
    Ok(JsonBody(ItemReply {
        message: "Knowledge base updated successfully",
        data: item.into(),
    }))
}

/// Delete knowledge base data
///
/// The item answers no longer once this call has returned.
#[utoipa::path(delete, path = "/api/external/chatbot/{chatbotId}/knowledge-base",
    operation_id = "deleteKnowledge", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("id" = uuid::Uuid, Query, description = "The item.")),
    responses((status = 200, body = ItemReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    QueryId(id): QueryId,
) -> ApiResult<JsonBody<ItemReply>> {
    let item = app
        .engine
        .store()
        .delete_item(&chatbot, item_id(id)?)
        .await?;
    app.engine.wake_workers();
    Ok(JsonBody(ItemReply {
        message: "Knowledge base data deleted successfully",
        data: item.into(),
    }))
}

fn item_id(id: Option<String>) -> ApiResult<ItemId> {
    let id = id.ok_or_else(|| Error::invalid_field("id", "name the knowledge item"))?;
    parse_id(&id, "knowledge item")
}

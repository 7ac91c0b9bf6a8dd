//! A chatbot as a file, and back.

use axum::Json as JsonBody;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use okra_domain::{Error, OrganizationId};
use okra_engine::archive::{ExportOptions, ImportReport, ImportRequest, Imported};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Admin, Caller, OwnChatbot};
use crate::app::App;
use crate::config::Config;
use crate::download::Download;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{QueryParams, form_error, multipart};
use crate::picture::AVATAR;
use crate::routes::pictures::normalized;
use crate::wire::ChatbotDetails;

/// An archive to be imported.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // Only its schema is used.
pub struct ArchiveForm {
    /// A file that exportChatbot gave.
    #[schema(value_type = String, format = Binary)]
    archive: String,
}

/// The chatbot that came, and what came with it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportReply {
    chatbot: ChatbotDetails,
    report: ImportReportBody,
}

/// What came with a chatbot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportReport)]
pub struct ImportReportBody {
    /// Knowledge items.
    items: usize,
    /// Original files.
    files: usize,
    /// Passages that answer at once.
    chunks: usize,
    /// Items that are read anew in the background: they came without passages, or with vectors of
    /// another embedder.
    to_read: usize,
    /// Sets of eval questions.
    evals: usize,
    /// Sources. They are at rest, with the cadence `manual`.
    sources: usize,
    /// What was left out, a sentence each.
    notes: Vec<String>,
}

impl From<ImportReport> for ImportReportBody {
    fn from(report: ImportReport) -> Self {
        Self {
            items: report.items,
            files: report.files,
            chunks: report.chunks,
            to_read: report.to_read,
            evals: report.evals,
            sources: report.sources,
            notes: report.notes,
        }
    }
}

/// Export chatbot
///
/// The chatbot as one zip archive, whose format docs/archive.md describes: settings, avatar, knowledge
/// with its original files, sources, evals, and with `chunks` what was read of the knowledge, with its
/// vectors. Keys, secrets, allowed origins and conversations are not in it. It is sent as it is written;
/// where something cannot be read it breaks off, and no import takes such a part.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/export",
    operation_id = "exportChatbot", tag = "Chatbots",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("chunks" = Option<bool>, Query, description = "Whether to pack what was read of the \
             knowledge, so that an import answers at once; `true` where not given.")),
    responses((status = 200, body = String, content_type = "application/zip"),
              (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn export(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    query: QueryParams,
) -> ApiResult<Response> {
    let options = ExportOptions {
        chunks: query.bool("chunks")?.unwrap_or(true),
    };
    let day = app.engine.store().clock().now().day();
    let file_name = format!("{}-{day}.zip", chatbot.slug);
    let mut archive = app.engine.export_chatbot(chatbot, options);
    // What fails at once is told as an error, not as a file that breaks off.
    let first = archive.next().await.transpose()?;
    let download = Download {
        file_name: &file_name,
        media_type: "application/zip",
        size: None,
    };
    download.of(stream::iter(first.map(Ok)).chain(archive))
}

/// Import chatbot
///
/// Makes a chatbot of an archive, whole or not at all. It answers as the original did, at once where
/// the archive says what was read and this server has the same embedder; else its items are read anew
/// in the background. It keeps its own embedder where this server has that one; its sources are at rest
/// until somebody asks for a sync or gives them a cadence. Its hosted page is off, it has no allowed
/// origins and no keys, and its slug gets a number where it is taken.
#[utoipa::path(post, path = "/api/external/chatbot/import",
    operation_id = "importChatbot", tag = "Chatbots",
    params(("name" = Option<String>, Query, description = "A name in place of the archive's.")),
    request_body(content = ArchiveForm, content_type = "multipart/form-data"),
    responses((status = 201, body = ImportReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
              (status = 422, body = ErrorBody)))]
pub async fn import(
    State(app): State<App>,
    caller: Caller<Admin>,
    query: QueryParams,
    request: Request,
) -> ApiResult<(StatusCode, JsonBody<ImportReply>)> {
    let name = query.text("name").map(str::to_owned);
    let mut form = multipart(request).await?;
    while let Some(field) = form.next_field().await.map_err(form_error)? {
        if field.name() != Some("archive") {
            continue;
        }
        let content = field.map(|bytes| bytes.map_err(form_error));
        let most = app.config.max_import_bytes;
        let archive = app.engine.receive_archive(most, content).await?;
        let request = import_request(caller.organization(), name, &app.config);
        let Imported { chatbot, report } = app.engine.import_chatbot(archive, request).await?;
        let reply = ImportReply {
            chatbot: ChatbotDetails::new(chatbot, &app.config),
            report: report.into(),
        };
        return Ok((StatusCode::CREATED, JsonBody(reply)));
    }
    let problem = "send one archive in the form field \"archive\"";
    Err(ApiError(Error::invalid_field("archive", problem)))
}

/// Where an import goes, under this server's limits.
pub fn import_request(
    organization: OrganizationId,
    name: Option<String>,
    config: &Config,
) -> ImportRequest {
    ImportRequest {
        organization,
        name,
        max_bytes: config.max_import_bytes,
        max_file_bytes: config.max_upload_bytes,
        clean_picture,
    }
}

fn clean_picture(bytes: Bytes) -> BoxFuture<'static, Result<(Bytes, &'static str), Error>> {
    Box::pin(async move {
        let picture = normalized(bytes, AVATAR).await.map_err(|error| error.0)?;
        Ok((picture.bytes.into(), picture.extension))
    })
}
